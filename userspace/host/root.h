/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading of small /proc, /sys and /etc files, all below one root that tests can replace. */
#ifndef HOST_ROOT_H
#define HOST_ROOT_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Look for all files below path from now on; NULL = the real root. For tests; not thread safe. */
void host_set_root(const char *path);
/* False while host_set_root() is in effect: system calls would then tell about another host. */
bool host_is_live(void);
/* Changes with each host_set_root(), so that cached descriptors know that they are stale. */
unsigned host_root_generation(void);

/* Open for reading, close-on-exec. Negative errno on failure. The path is printf-like. */
int host_open(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* As host_open(); NULL and errno on failure. */
FILE *host_fopen(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
DIR *host_opendir(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Up to size - 1 bytes of the file, ended by NUL, white space at the end removed. Length, or
 * negative errno with an empty buf. */
int host_read(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The number at the start of the file. 0, or negative errno (-EINVAL: not a number, such as
 * "max"). *ret_value is untouched on failure. */
int host_read_i64(int64_t *ret_value, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The rest of the first line "key<sep>rest" of text, copied without blanks at its start. False when
 * there is none. */
bool host_field(const char *text, const char *key, char sep, char *buf, size_t size);

#endif
