// SPDX-License-Identifier: BSD-2-Clause
/* Page faults of new memory: map 64 MiB, write to each page, give all of it back. */
#include <sys/mman.h>

#include "bare.h"

#define BYTES (64u << 20)
#define PAGE 4096u

static uint64_t step(void *arg)
{
	volatile char *memory = arg;

	for (unsigned at = 0; at < BYTES; at += PAGE)
		memory[at] = 1;
	if (madvise(arg, BYTES, MADV_DONTNEED))
		bare_die("madvise");
	return BYTES / PAGE;
}

int main(int argc, char **argv)
{
	struct bare b = { 0 };
	void *memory;

	if (argc != 4) {
		fprintf(stderr, "usage: %s CPU WARMUP SECONDS\n", argv[0]);
		return 2;
	}
	b.warmup = atof(argv[2]);
	b.seconds = atof(argv[3]);
	bare_bind(atoi(argv[1]));
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || madvise(memory, BYTES, MADV_NOHUGEPAGE))
		bare_die("mmap");
	bare_measure(&b, step, memory);
	return 0;
}
