// SPDX-License-Identifier: BSD-2-Clause
/* Where a result goes. A file appears complete or not at all: it is written under a temporary name
 * in its own directory, synced, and renamed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/result.h"

/* Written once before any workload, to find a full disk then and not after it. */
#define PROBE_BYTES (64 * 1024)

static const char *remedy(int code)
{
	switch (code) {
	case -EACCES:
	case -EPERM:
		return "; choose a directory that you may write to";
	case -ENOSPC:
	case -EDQUOT:
		return "; free space or choose another directory";
	case -ENOENT:
		return "; make the directory first (mkdir -p) or choose another";
	case -EROFS:
		return "; choose a directory on a writable file system";
	default:
		return "";
	}
}

/* Directory part of path, malloc'ed. */
static char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, slash - path);
}

/* Make a file of a name not in use in the directory of path. Returns the descriptor, its name in
 * *ret_name (malloc'ed). */
static int temp_open(const char *path, char **ret_name)
{
	char *dir = path_dir(path), *name = NULL;
	int fd = -ENOMEM;

	for (unsigned i = 0; dir && i < 100; i++) {
		if (asprintf(&name, "%s/.bench-%ld-%u.tmp", dir, (long)getpid(), i) < 0) {
			name = NULL;
			break;
		}
		fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd >= 0)
			break;
		fd = -errno;
		free(name);
		name = NULL;
		if (fd != -EEXIST)
			break;
	}
	free(dir);
	*ret_name = name;
	return fd;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

static long env_id(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long id;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	id = strtol(text, &end, 10);
	return errno || *end || id < 0 || id >= UINT32_MAX ? -1 : id;
}

/* Under sudo the file belongs to the person who asked for it, not to root. */
static void give_to_invoker(int fd)
{
	long uid = env_id("SUDO_UID"), gid = env_id("SUDO_GID");

	if (geteuid() != 0 || uid < 0 || gid < 0)
		return;
	/* Ignored: some file systems have no owners, and the result is worth more than that. */
	if (fchown(fd, (uid_t)uid, (gid_t)gid))
		return;
}

/* Give the temporary file its name, without replacing a file unless force. */
static int publish(const char *temp, const char *path, bool force)
{
	if (force)
		return rename(temp, path) ? -errno : 0;
	if (!renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE))
		return 0;
	if (errno != ENOSYS && errno != EINVAL)
		return -errno;
	/* This file system cannot; a hard link does not replace either. */
	if (link(temp, path))
		return -errno;
	(void)unlink(temp); /* the result is in place under its name */
	return 0;
}

static void sync_dir(const char *path)
{
	char *dir = path_dir(path);
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	/* Best effort: the contents are on disk already, only the name could be lost. */
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(dir);
}

static int exists_error(const char *path, struct bench_err *err)
{
	return bench_fail(err, -EEXIST,
			  "'%s' exists already; choose another name, or --force to replace it",
			  path);
}

int result_write(const char *path, bool force, const char *data, size_t len, struct bench_err *err)
{
	char *temp = NULL;
	int fd = temp_open(path, &temp), r = fd < 0 ? fd : 0;

	if (!r)
		r = write_all(fd, data, len);
	if (!r) {
		give_to_invoker(fd);
		r = fsync(fd) ? -errno : 0;
	}
	/* NFS and quotas report a full disk as late as here. */
	if (fd >= 0 && close(fd) && !r)
		r = -errno;
	if (!r)
		r = publish(temp, path, force);
	if (r && temp)
		(void)unlink(temp);
	free(temp);
	if (r == -EEXIST)
		return exists_error(path, err);
	if (r)
		return bench_fail(err, r, "write '%s': %s%s", path, strerror(-r), remedy(r));
	sync_dir(path);
	return 0;
}

/* dir/bench-20261122T103000Z.json, or with -2, -3, ... when that exists. malloc'ed. */
static char *automatic_path(const char *dir)
{
	const char *slash = *dir && dir[strlen(dir) - 1] == '/' ? "" : "/";
	time_t now = time(NULL);
	char stamp[32] = "";
	struct stat st;
	struct tm tm;

	if (!strcmp(dir, "."))
		dir = slash = "";
	if (gmtime_r(&now, &tm))
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	for (unsigned i = 1; i < 10000; i++) {
		char *path, suffix[16] = "";

		if (i > 1)
			snprintf(suffix, sizeof(suffix), "-%u", i);
		if (asprintf(&path, "%s%sbench-%s%s.json", dir, slash, stamp, suffix) < 0)
			return NULL;
		if (lstat(path, &st))
			return path; /* free, or unreachable: the check that follows says why */
		free(path);
	}
	return NULL;
}

/* Can a file be made beside path, and be written to? Leaves no trace. */
static int check_writable(const char *path, struct bench_err *err)
{
	static const char zeros[PROBE_BYTES];
	char *temp = NULL;
	int fd = temp_open(path, &temp), r = fd < 0 ? fd : 0;

	if (!r)
		r = write_all(fd, zeros, sizeof(zeros));
	if (fd >= 0 && close(fd) && !r)
		r = -errno;
	if (temp)
		(void)unlink(temp);
	free(temp);
	if (r)
		return bench_fail(err, r, "cannot save to '%s': %s%s", path, strerror(-r),
				  remedy(r));
	return 0;
}

static int check_existing(const char *path, bool force, struct bench_err *err)
{
	struct stat st;

	if (lstat(path, &st))
		return 0;
	if (S_ISDIR(st.st_mode))
		return bench_fail(err, -EISDIR, "cannot save to '%s': it is a directory", path);
	/* rename() would put a plain file in the place of /dev/null. */
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return bench_fail(
			err, -EINVAL,
			"cannot save to '%s': it is not a regular file; 'none' saves nothing",
			path);
	return force ? 0 : exists_error(path, err);
}

int result_target_init(struct result_target *ret_target, const char *spec, bool force,
		       struct bench_err *err)
{
	struct result_target target = { .force = force };
	struct stat st;
	int r;

	if (spec && !strcmp(spec, "none")) {
		*ret_target = target;
		return 0;
	}
	if (spec && !strcmp(spec, "-")) {
		target.stream = true;
		*ret_target = target;
		return 0;
	}
	if (spec && !*spec)
		return bench_fail(err, -ENOENT, "cannot save to '': the name is empty");
	if (!spec)
		spec = ".";
	target.automatic =
		spec[strlen(spec) - 1] == '/' || (!stat(spec, &st) && S_ISDIR(st.st_mode));
	target.path = target.automatic ? automatic_path(spec) : strdup(spec);
	if (!target.path)
		return bench_fail(err, -ENOMEM, "cannot save to '%s': no name for it", spec);
	r = check_existing(target.path, force, err);
	if (!r)
		r = check_writable(target.path, err);
	if (r)
		result_target_done(&target);
	else
		*ret_target = target;
	return r;
}

void result_target_done(struct result_target *target)
{
	free(target->path);
	target->path = NULL;
}

int result_save(const json_t *result, struct result_target *target, struct bench_err *err)
{
	char *text, *dir;
	size_t len;
	int r;

	if (!target->path && !target->stream)
		return 0;
	text = result_dump(result);
	if (!text)
		return bench_fail(err, -ENOMEM, "write the result: out of memory");
	len = strlen(text);
	if (target->stream) {
		r = write_all(STDOUT_FILENO, text, len);
		free(text);
		return r ? bench_fail(err, r, "write to standard output: %s", strerror(-r)) : 0;
	}
	r = result_write(target->path, target->force && !target->automatic, text, len, err);
	for (int i = 0; r == -EEXIST && target->automatic && i < 10; i++) {
		dir = path_dir(target->path);
		free(target->path);
		target->path = dir ? automatic_path(dir) : NULL;
		free(dir);
		if (!target->path) {
			r = bench_fail(err, -ENOMEM, "write the result: out of memory");
			break;
		}
		r = result_write(target->path, false, text, len, err);
	}
	free(text);
	return r;
}

int result_file_open(struct result_file *ret_file, const char *path, bool force,
		     struct bench_err *err)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = path ? path_dir(path) : strdup(tmp && *tmp ? tmp : "/tmp");
	struct result_file file = { .fd = -1 };
	int r = path ? check_existing(path, force, err) : 0;

	if (r || !dir) {
		free(dir);
		return r ? r : bench_fail(err, -ENOMEM, "out of memory");
	}
	/* It may tell where the memory of others is: for its owner only. */
	file.fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (file.fd < 0 && path) {
		file.fd = temp_open(path, &file.temp);
		if (file.fd < 0)
			errno = -file.fd;
		else
			(void)fchmod(file.fd, 0600); /* it has just been made by us */
	}
	r = file.fd < 0 ? -errno : 0;
	if (r)
		bench_fail(err, r, "cannot write in '%s': %s%s", dir, strerror(-r), remedy(r));
	else
		*ret_file = file;
	free(dir);
	return r;
}

/* Give an unnamed file a temporary name. */
static int name_it(struct result_file *file, const char *path)
{
	char link_path[32];
	int fd;

	if (file->temp)
		return 0;
	/* The name of a file that nobody else uses. */
	fd = temp_open(path, &file->temp);
	if (fd < 0)
		return fd;
	close(fd);
	(void)unlink(file->temp); /* linkat() says it if it is still there */
	snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", file->fd);
	return linkat(AT_FDCWD, link_path, AT_FDCWD, file->temp, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

int result_file_publish(struct result_file *file, const char *path, bool force,
			struct bench_err *err)
{
	int r;

	give_to_invoker(file->fd);
	r = fsync(file->fd) ? -errno : 0;
	r = r ? r : name_it(file, path);
	r = r ? r : publish(file->temp, path, force);
	if (!r) {
		free(file->temp);
		file->temp = NULL;
		sync_dir(path);
		return 0;
	}
	if (r == -EEXIST)
		return exists_error(path, err);
	return bench_fail(err, r, "write '%s': %s%s", path, strerror(-r), remedy(r));
}

void result_file_close(struct result_file *file)
{
	if (file->temp)
		(void)unlink(file->temp);
	free(file->temp);
	file->temp = NULL;
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}
