/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_ERROR_H
#define BENCH_ERROR_H

/* An error with its reason. Owned by the caller and of fixed size, so the error path never
 * allocates. Zero-initialise it before the first use. */
struct bench_err {
	int code;	/* negative errno; 0 while nothing failed */
	char msg[320];	/* one line without newline, names the object: "open '/x': Permission ..." */
};

/* Fill *err with code and the formatted reason, and return code, so that a failing leaf is one
 * line: return bench_fail(err, -EACCES, "...", ...). err may be NULL. Control characters in the
 * text (from file names, say) are replaced by '?'. */
int bench_fail(struct bench_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
