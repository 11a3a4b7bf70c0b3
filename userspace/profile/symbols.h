/* SPDX-License-Identifier: BSD-2-Clause */
/* From addresses to names: the kernel's list, symbol tables and debug information of programs and
 * libraries (their own, or in separate files found by link or build id), the vdso, and the maps that
 * runtimes with a just-in-time compiler write for perf (/tmp/perf-PID.map). Not thread-safe. */
#ifndef PROFILE_SYMBOLS_H
#define PROFILE_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct symbols;

struct symbols *symbols_new(void); /* NULL when out of memory */
void symbols_free(struct symbols *symbols); /* NULL is fine */

/* --- whose memory holds what; in the order of time --- */

/* Executable memory of a process; what was there before is gone. */
void symbols_map(struct symbols *symbols, pid_t pid, uint64_t start, uint64_t length,
		 uint64_t offset, const char *path);
/* A thread begins; in another process than its parent's that has a copy of the parent's memory. */
void symbols_fork(struct symbols *symbols, pid_t pid, pid_t parent);
/* The process executes a program: nothing of its memory is left. */
void symbols_exec(struct symbols *symbols, pid_t pid);
/* A thread of the process has ended; with the last one goes what is known of its memory. */
void symbols_exit(struct symbols *symbols, pid_t pid);

/* --- names --- */

/* Inlined functions that are told apart at one address, at most. */
#define SYMBOLS_MAX_FRAMES 16

struct symbol_frame {
	const char *name; /* demangled, without parameters; NULL = unknown */
	const char *dso;  /* "[kernel.kallsyms]", "libc.so.6", "[unknown]"; never NULL */
	const char *path; /* of the file, "" = none */
	uint64_t address; /* as it was asked for */
	uint64_t offset;  /* in the file, for a name that is not known; else 0 */
	bool kernel, inlined;
};

/* What an address of a process is in now, innermost (inlined) function first; pid is of no account
 * in the kernel. caller: the address is where a call returns to. Returns the number of frames, at
 * least 1. Texts live as long as symbols, those of code made at run time as long as its process. */
unsigned symbols_resolve(struct symbols *symbols, pid_t pid, uint64_t address, bool kernel,
			 bool caller, struct symbol_frame frames[SYMBOLS_MAX_FRAMES]);
/* Without inlined functions, which costs less. */
void symbols_resolve_one(struct symbols *symbols, pid_t pid, uint64_t address, bool kernel,
			 bool caller, struct symbol_frame *frame);

/* Build ids of the files that names were looked for in: called for each, size at most 20. */
void symbols_build_ids(const struct symbols *symbols,
		       void (*fn)(const char *path, bool kernel, const unsigned char *id,
				  unsigned size, void *ctx),
		       void *ctx);

/* --- demangle.c --- */

/* What a C++ or Rust compiler made of a name undone, malloc'ed, without parameters and result (as
 * perf has it); NULL = it is a plain name. */
char *demangle(const char *name);

#endif
