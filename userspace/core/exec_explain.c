// SPDX-License-Identifier: BSD-2-Clause
// Why a command cannot be executed, in the words and with the exit codes of a shell.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/exec.h"

/* The file that execvp() would take. False when there is none. */
static bool find(const char *name, char *path, size_t size)
{
	const char *dirs = getenv("PATH");

	if (strchr(name, '/')) {
		snprintf(path, size, "%s", name);
		return access(path, F_OK) == 0;
	}
	/* glibc's own default. */
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(dirs, ":");

		snprintf(path, size, "%.*s/%s", len ? (int)len : 1, len ? dirs : ".", name);
		if (access(path, F_OK) == 0)
			return true;
		if (!dirs[len])
			return false;
		dirs += len + 1;
	}
}

/* The word after "#!". Empty when the file does not begin so. */
static void interpreter(const char *path, char *word, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len = fd < 0 ? 0 : read(fd, word, size - 1);
	char *from;

	if (fd >= 0)
		close(fd);
	word[len > 0 ? len : 0] = '\0';
	if (strncmp(word, "#!", 2) != 0) {
		word[0] = '\0';
		return;
	}
	from = word + 2 + strspn(word + 2, " \t");
	from[strcspn(from, " \t\n")] = '\0';
	memmove(word, from, strlen(from) + 1);
}

int exec_explain(const char *name, int error, char *reason, size_t size)
{
	char path[4096], word[256];

	/* The kernel says ENOENT as well when what a file needs to be run is not there. */
	if (error != ENOENT || !name[0] || !find(name, path, sizeof(path))) {
		snprintf(reason, size, "cannot run '%s': %s", name, strerror(error));
		return error == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT;
	}
	interpreter(path, word, sizeof(word));
	if (word[strcspn(word, "\r")])
		snprintf(reason, size,
			 "cannot run '%s': bad interpreter: its first line ends in a carriage return",
			 name);
	else if (word[0])
		snprintf(reason, size, "cannot run '%s': bad interpreter '%s': %s", name, word,
			 strerror(error));
	else
		snprintf(reason, size,
			 "cannot run '%s': the loader that it names is not here (see file(1))", name);
	return EXEC_CANNOT;
}
