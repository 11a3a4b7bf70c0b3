// SPDX-License-Identifier: BSD-2-Clause
#include "host/root.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written by tests only, before any other thread exists. */
static char root[PATH_MAX];
static unsigned generation;

void host_set_root(const char *path)
{
	snprintf(root, sizeof(root), "%s", path ? path : "");
	generation++;
}

bool host_is_live(void)
{
	return !root[0];
}

unsigned host_root_generation(void)
{
	return generation;
}

__attribute__((format(printf, 2, 0))) static int full_path(char *path, const char *fmt, va_list ap)
{
	size_t len = strlen(root);
	int n;

	memcpy(path, root, len);
	n = vsnprintf(path + len, PATH_MAX - len, fmt, ap);
	return n < 0 || (size_t)n >= PATH_MAX - len ? -ENAMETOOLONG : 0;
}

__attribute__((format(printf, 2, 0))) static int open_va(int flags, const char *fmt, va_list ap)
{
	char path[PATH_MAX];
	int ret = full_path(path, fmt, ap);

	if (ret)
		return ret;
	ret = open(path, O_RDONLY | O_CLOEXEC | flags);
	return ret < 0 ? -errno : ret;
}

int host_open(const char *fmt, ...)
{
	va_list ap;
	int fd;

	va_start(ap, fmt);
	fd = open_va(0, fmt, ap);
	va_end(ap);
	return fd;
}

FILE *host_fopen(const char *fmt, ...)
{
	va_list ap;
	FILE *file;
	int fd;

	va_start(ap, fmt);
	fd = open_va(0, fmt, ap);
	va_end(ap);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

DIR *host_opendir(const char *fmt, ...)
{
	va_list ap;
	DIR *dir;
	int fd;

	va_start(ap, fmt);
	fd = open_va(O_DIRECTORY, fmt, ap);
	va_end(ap);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

__attribute__((format(printf, 3, 0))) static int read_va(char *buf, size_t size, const char *fmt,
							 va_list ap)
{
	size_t len = 0;
	ssize_t n = 0;
	int fd, ret;

	buf[0] = '\0';
	fd = open_va(0, fmt, ap);
	if (fd < 0)
		return fd;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ret = n < 0 ? -errno : 0;
	close(fd);
	if (ret)
		len = 0;
	while (len && isspace((unsigned char)buf[len - 1]))
		len--;
	buf[len] = '\0';
	return ret ? ret : (int)len;
}

int host_read(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = read_va(buf, size, fmt, ap);
	va_end(ap);
	return ret;
}

int host_read_i64(int64_t *ret_value, const char *fmt, ...)
{
	long long value;
	char buf[64], *end;
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = read_va(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (ret < 0)
		return ret;
	errno = 0;
	value = strtoll(buf, &end, 10);
	if (end == buf || errno || (*end && !isspace((unsigned char)*end)))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

bool host_field(const char *text, const char *key, char sep, char *buf, size_t size)
{
	size_t key_len = strlen(key);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *value = line + key_len;

		if (strncmp(line, key, key_len))
			continue;
		/* Blanks may stand before the separator: "model name\t: ...". */
		if (sep != ' ')
			value += strspn(value, " \t");
		if (*value != sep)
			continue;
		value++;
		value += strspn(value, " \t");
		snprintf(buf, size, "%.*s", (int)strcspn(value, "\n"), value);
		return true;
	}
	return false;
}
