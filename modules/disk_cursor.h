/* SPDX-License-Identifier: BSD-2-Clause */
/* Which block comes next, and what is in it. */
#ifndef MODULES_DISK_CURSOR_H
#define MODULES_DISK_CURSOR_H

#include <stdatomic.h>
#include <sys/mman.h>

#include "disk_options.h"
#include "prng.h"

/* The sequence of one worker: uniform over all blocks, or the blocks of a region of its own, in
 * order and over again. */
struct disk_cursor {
	struct prng rng;
	uint64_t bs, first, nr, next;
	unsigned read_percent; /* 0, 100 or the mix */
	bool random;
	/* layout=append, else NULL: where the next op of any worker goes in the file that begins at
	 * `first` and takes `room` bytes. */
	_Atomic uint64_t *end;
	uint64_t room;
};

static inline void disk_cursor_init(struct disk_cursor *c, const struct disk_params *p,
				    uint64_t nr_blocks, unsigned worker, unsigned nr_workers)
{
	*c = (struct disk_cursor){ .bs = p->bs, .nr = nr_blocks, .random = disk_random(p) };
	prng_seed(&c->rng, 0x6469736bull + worker);
	c->read_percent = p->rw == DISK_RANDRW ? (unsigned)p->rwmixread : disk_writes(p) ? 0 : 100;
	if (!c->random) {
		c->first = nr_blocks / nr_workers * worker;
		c->nr = worker + 1 == nr_workers ? nr_blocks - c->first : nr_blocks / nr_workers;
	}
}

/* DISK_FULL when the file has no room left. */
#define DISK_FULL UINT64_MAX
static inline uint64_t disk_cursor_append(struct disk_cursor *c)
{
	uint64_t at = atomic_fetch_add(c->end, c->bs);

	return at + c->bs <= c->room ? c->first * c->bs + at : DISK_FULL;
}

/* Offset in bytes of the next operation, and whether it writes. */
static inline uint64_t disk_cursor_next(struct disk_cursor *c, bool *ret_write)
{
	uint64_t block;

	*ret_write = c->read_percent < 100 &&
		     (c->read_percent == 0 || prng_below(&c->rng, 100) >= c->read_percent);
	if (c->random)
		return prng_below(&c->rng, c->nr) * c->bs;
	if (c->end)
		return disk_cursor_append(c);
	block = c->first + c->next;
	if (++c->next == c->nr)
		c->next = 0;
	return block * c->bs;
}

/* Anonymous pages for nr buffers, touched here and thus local; random when they will be written.
 * NULL when there is no memory. */
static inline void *disk_buffers_new(const struct disk_params *p, uint64_t nr, struct prng *rng)
{
	void *buf = mmap(NULL, p->bs * nr, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (buf == MAP_FAILED)
		return NULL;
	if (disk_writes(p))
		prng_fill(rng, buf, p->bs * nr);
	return buf;
}

/* Make the data of each write another one, so that nothing on the way down can store it once. One
 * word a sector is cheap and enough: no sector occurs twice. */
static inline void disk_refresh(struct prng *rng, void *buf, uint64_t bs)
{
	uint64_t stamp = prng_next(rng);

	for (uint64_t at = 0; at < bs; at += 512) {
		uint64_t word = stamp + at;

		memcpy((char *)buf + at, &word, sizeof(word));
	}
}

#endif
