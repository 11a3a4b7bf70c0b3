// SPDX-License-Identifier: BSD-2-Clause
/* Page faults, and nothing else. Of new memory: map 64 MiB, write to each page, give all of it
 * back; prints faults per second. "call": each page by a call of a function, as most programs touch
 * memory: a return after each fault, to a call made before it, can make the returns inside the
 * kernel slower. "new": as stress-ng's fault stressor does it, one page of a shared file in memory
 * by a mapping of its own, which brings page tables of its own, and the clock read before and after
 * the touch; prints touches per second of that time. */
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

__attribute__((noinline)) static void touch(volatile char *page)
{
	*page = 1;
	__asm__ volatile("" ::: "memory"); /* a call in the tail is a jump, without a return */
}

static uint64_t step_call(void *arg)
{
	char *memory = arg;

	for (unsigned at = 0; at < BYTES; at += PAGE)
		touch(memory + at);
	if (madvise(arg, BYTES, MADV_DONTNEED))
		bare_die("madvise");
	return BYTES / PAGE;
}

/* The ns of one touch. */
static uint64_t touch_new(int fd)
{
	volatile char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint64_t begin, took;

	if (page == MAP_FAILED)
		bare_die("mmap");
	begin = bare_now();
	page[0] = 1;
	took = bare_now() - begin;
	if (munmap((void *)page, PAGE))
		bare_die("munmap");
	return took;
}

static void measure_new(const struct bare *b)
{
	uint64_t start = bare_now() + (uint64_t)(b->warmup * 1e9), ns = 0, count = 0;
	uint64_t end = start + (uint64_t)(b->seconds * 1e9);
	int fd = memfd_create("bare-fault", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, PAGE))
		bare_die("memfd_create");
	while (bare_now() < start)
		touch_new(fd);
	while (bare_now() < end) {
		ns += touch_new(fd);
		count++;
	}
	printf("%.1f\n", (double)count * 1e9 / (double)ns);
}

int main(int argc, char **argv)
{
	struct bare b = { 0 };
	const char *how = argc == 5 ? argv[4] : "";
	void *memory;

	if (argc != 4 && strcmp(how, "call") && strcmp(how, "new")) {
		fprintf(stderr, "usage: %s CPU WARMUP SECONDS [call|new]\n", argv[0]);
		return 2;
	}
	b.warmup = atof(argv[2]);
	b.seconds = atof(argv[3]);
	bare_bind(atoi(argv[1]));
	if (!strcmp(how, "new")) {
		measure_new(&b);
		return 0;
	}
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || madvise(memory, BYTES, MADV_NOHUGEPAGE))
		bare_die("mmap");
	bare_measure(&b, strcmp(how, "call") ? step : step_call, memory);
	return 0;
}
