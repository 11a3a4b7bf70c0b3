// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "../../modules/memory.c"
#include "module/rig.h"

/* The order must be one cycle through all lines: a shuffled map falls into short ones, and would
 * measure a cache. */
static void chain_visits_every_line_once(void **state)
{
	(void)state;
	for (unsigned nr = 1; nr < 3000; nr = nr * 3 + 1) {
		struct chase_line *lines = aligned_alloc(64, nr * sizeof(*lines));
		bool *seen = calloc(nr, sizeof(*seen));
		struct chase_line *p;
		struct chase c = { 0 };

		assert_int_equal(chase_build(&c, lines, nr * sizeof(*lines), nr), 0);
		assert_int_equal(c.nr, nr);
		p = c.at;
		for (unsigned i = 0; i < nr; i++, p = p->next) {
			assert_false(seen[p - lines]);
			seen[p - lines] = true;
			assert_int_equal(p->rank, i);
		}
		assert_ptr_equal(p, c.at);
		free(seen);
		free(lines);
	}
}

/* Neighbours in the order are as far apart as chance has it: no stream for a prefetcher. */
static void order_has_no_stride(void **state)
{
	enum { NR = 1 << 16 };
	struct chase_line *lines = aligned_alloc(64, NR * sizeof(*lines));
	unsigned near = 0;
	struct chase c = { 0 };

	(void)state;
	assert_int_equal(chase_build(&c, lines, NR * sizeof(*lines), 1), 0);
	for (unsigned i = 0; i < NR; i++) {
		long distance = lines[i].next - &lines[i];

		near += distance > -8 && distance < 8;
	}
	/* 14 of 65536 places are that near: 14 are expected, 50 are never seen by chance. */
	assert_in_range(near, 0, 50);
	free(lines);
}

static void a_load_left_out_is_an_error(void **state)
{
	struct chase_line lines[64];
	struct chase c = { 0 };

	(void)state;
	assert_int_equal(chase_build(&c, lines, sizeof(lines), 1), 0);
	for (uint64_t ops = 0; ops < 200; ops++)
		assert_int_equal(chase_run(&c, ops), 0);
	/* One link that skips a line. */
	c.at->next = c.at->next->next;
	assert_int_equal(chase_run(&c, 1), -EBADMSG);
}

static void stream_of(struct stream *s, enum stream_kind kind, bool nt, double *memory,
		      uint64_t block, uint64_t nr_blocks)
{
	uint64_t n = block * nr_blocks;

	*s = (struct stream){ .kind = kind, .nt = nt, .block = block, .nr_blocks = nr_blocks };
	if (kind != STREAM_READ)
		s->to = memory;
	if (kind != STREAM_WRITE)
		s->from = memory + n;
	if (kind == STREAM_TRIAD)
		s->from2 = memory + 2 * n;
	stream_fill(s);
}

static void passes_leave_what_is_expected(void **state)
{
	double *memory = aligned_alloc(64, 3 * 64 * sizeof(double));
	uint64_t wrong;

	(void)state;
	for (unsigned kind = STREAM_READ; kind <= STREAM_TRIAD; kind++) {
		for (unsigned nt = 0; nt <= (kind != STREAM_READ && STREAM_HAS_NT); nt++) {
			struct stream s;

			stream_of(&s, kind, nt, memory, 16, 4);
			for (unsigned i = 0; i < 11; i++) {
				assert_int_equal(stream_verify(&s, &wrong), 0);
				assert_int_equal(stream_op(&s), 0);
			}
			assert_int_equal(s.pass, 3);
			assert_int_equal(s.at, 3);
			assert_int_equal(stream_verify(&s, &wrong), 0);
		}
	}
	/* STREAM's triad by its definition: b + q * c. */
	assert_true(memory[0] == memory[64] + 3 * memory[128]);
	assert_true(memory[63] == memory[127] + 2 * memory[191]);
	free(memory);
}

/* One element that was not written, or not in this pass, or not read. */
static void wrong_results_are_errors(void **state)
{
	double *memory = aligned_alloc(64, 3 * 64 * sizeof(double));
	uint64_t wrong = 0;
	struct stream s;

	(void)state;
	for (unsigned kind = STREAM_WRITE; kind <= STREAM_TRIAD; kind++) {
		for (unsigned i = 1; i < 64; i += 5) {
			double old;

			stream_of(&s, kind, false, memory, 16, 4);
			for (unsigned j = 0; j < 6; j++)
				assert_int_equal(stream_op(&s), 0);
			old = s.to[i];
			s.to[i] += 1;
			assert_int_equal(stream_verify(&s, &wrong), -EBADMSG);
			assert_int_equal(wrong, i);
			s.to[i] = old;
			assert_int_equal(stream_verify(&s, &wrong), 0);
		}
	}
	stream_of(&s, STREAM_READ, false, memory, 16, 4);
	s.from[5] += 1;
	assert_int_equal(stream_op(&s), -EBADMSG);
	/* Stale: the pass goes on, the stores do not. */
	stream_of(&s, STREAM_WRITE, false, memory, 16, 1);
	assert_int_equal(stream_op(&s), 0);
	s.pass++;
	assert_int_equal(stream_verify(&s, &wrong), -EBADMSG);
	free(memory);
}

static int run_job(const char *params, unsigned ops, uint64_t *ret_bytes, char *ret_msg)
{
	struct rig r;
	struct bench_worker w;
	int rc;

	rig_init(&r, &bench_module_memory, 1);
	assert_int_equal(rig_params(&r, params), 0);
	memory_resolve(r.params);
	rig_worker(&r, &w, 0);
	rc = bench_module_memory.check(r.params, &r.err);
	rc = rc ? rc : bench_module_memory.setup(&r.job, &r.err);
	rc = rc ? rc : bench_module_memory.enter(&w);
	rc = rc ? rc : bench_module_memory.begin(&w);
	rc = rc ? rc : bench_module_memory.run(&w, ops);
	if (!rc) {
		bench_module_memory.end(&w);
		rc = w.err.code;
	}
	*ret_bytes = w.bytes;
	strcpy(ret_msg, w.err.msg[0] ? w.err.msg : r.err.msg);
	bench_module_memory.leave(&w);
	rig_worker_done(&w);
	rig_done(&r);
	return rc;
}

static void bytes_are_those_of_stream(void **state)
{
	static const struct {
		const char *params;
		uint64_t bytes;
	} rows[] = { { "mode=read,size=4m", 1 << 20 },
		     { "mode=write,size=4m", 1 << 20 },
		     { "mode=copy,size=4m", 2 << 20 },
		     { "mode=triad,size=4m", 3 << 20 },
		     { "mode=triad,size=8k", 3 * 8192 },
		     { "mode=latency,size=1m", 0 },
		     /* Three arrays of an odd number of blocks, in pages that they do not fill. */
		     { "mode=triad,size=5m,pages=2m", 3 << 20 },
		     { "mode=triad,size=8k,pages=2m", 3 * 8192 } };
	char msg[320];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench_err err;
		uint64_t bytes;

		if (strstr(rows[i].params, "2m") && pages_check(PAGES_HUGE, &err))
			continue;
		assert_int_equal(run_job(rows[i].params, 7, &bytes, msg), 0);
		assert_int_equal(bytes, 7 * rows[i].bytes);
	}
}

struct loaded {
	struct bench_worker w[2];
	int rc;
};

static void *traffic(void *arg)
{
	struct loaded *l = arg;

	l->rc = bench_module_memory.run(&l->w[1], UINT64_MAX);
	return NULL;
}

static double loaded_traffic(const char *params)
{
	struct loaded l;
	pthread_t thread;
	struct rig r;
	double bytes_per_s;

	rig_init(&r, &bench_module_memory, 2);
	r.job.metrics = metric_set_new();
	assert_int_equal(rig_params(&r, params), 0);
	assert_int_equal(bench_module_memory.setup(&r.job, &r.err), 0);
	for (unsigned i = 0; i < 2; i++) {
		rig_worker(&r, &l.w[i], i);
		assert_int_equal(bench_module_memory.enter(&l.w[i]), 0);
		assert_int_equal(bench_module_memory.begin(&l.w[i]), 0);
	}
	assert_false(l.w[0].passive);
	assert_true(l.w[1].passive);
	assert_int_equal(pthread_create(&thread, NULL, traffic, &l), 0);
	for (uint64_t end = bench_now_ns() + 50 * BENCH_NS_PER_MS; bench_now_ns() < end;)
		assert_int_equal(bench_module_memory.run(&l.w[0], 10000), 0);
	bench_module_memory.finish(&l.w[0]);
	pthread_join(thread, NULL);
	assert_int_equal(l.rc, 0);
	metric_set_next_trial(r.job.metrics);
	for (unsigned i = 0; i < 2; i++)
		bench_module_memory.end(&l.w[i]);
	bench_module_memory.report(&r.job, 1);
	bytes_per_s = metric_set_value(r.job.metrics, "memory.traffic");
	assert_true(metric_set_value(r.job.metrics, "memory.load") > 0);
	for (unsigned i = 0; i < 2; i++) {
		bench_module_memory.leave(&l.w[i]);
		rig_worker_done(&l.w[i]);
	}
	rig_done(&r);
	return bytes_per_s;
}

/* A delay thins the traffic out; nobody without a second worker. */
static void traffic_follows_the_delay(void **state)
{
	double full = loaded_traffic("mode=loaded,size=1m");
	double less = loaded_traffic("mode=loaded,size=1m,delay=200000");
	struct rig r;

	(void)state;
	assert_true(less > 0);
	assert_true(full > 3 * less);
	rig_init(&r, &bench_module_memory, 1);
	assert_int_equal(rig_params(&r, "mode=loaded"), 0);
	assert_int_equal(bench_module_memory.setup(&r.job, &r.err), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=latency,delay=1"), -EINVAL);
	rig_done(&r);
}

static void pages_are_of_the_wanted_size(void **state)
{
	struct rig r;
	struct bench_worker w;
	struct pages pg = { 0 };

	(void)state;
	rig_init(&r, &bench_module_memory, 1);
	rig_worker(&r, &w, 0);
	for (unsigned size = PAGES_SMALL; size <= PAGES_HUGE; size++) {
		if (pages_check(size, &r.err)) {
			print_message("%s\n", r.err.msg);
			continue;
		}
		assert_int_equal(pages_map(&w, &pg, 4 * PAGES_2M, size), 0);
		assert_int_equal((uintptr_t)pg.at % PAGES_2M, 0);
		memset(pg.at, 1, pg.bytes);
		assert_int_equal(pages_verify(&w, &pg, size), 0);
		/* What the other size would be is found out. */
		assert_int_equal(
			pages_verify(&w, &pg, size == PAGES_SMALL ? PAGES_HUGE : PAGES_SMALL),
			-ENOMEM);
		pages_unmap(&pg);
	}
	rig_worker_done(&w);
	rig_done(&r);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	char msg[320];
	struct rig r;
	uint64_t bytes;

	(void)state;
	assert_int_equal(run_job("mode=read,size=100g", 1, &bytes, msg), -ENOMEM);
	assert_non_null(strstr(msg, "smaller size="));
	rig_init(&r, &bench_module_memory, 1);
	assert_int_equal(rig_params(&r, "mode=read,nt=1"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=latency,nt=1"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=copy,nt=1"), 0);
	rig_done(&r);
}

/* stress-ng sized arrays by one cache of several (its issue 335): here they are all summed up. */
static void default_arrays_are_four_times_all_caches(void **state)
{
	struct memory_params p = { .mode = MEMORY_TRIAD };
	uint64_t llc = memory_llc_bytes();

	(void)state;
	memory_resolve(&p);
	assert_int_equal(p.size, llc ? 4 * llc : MEMORY_LATENCY_SIZE);
	p = (struct memory_params){ .mode = MEMORY_LATENCY };
	memory_resolve(&p);
	assert_int_equal(p.size, 256u << 20);
}

static uint64_t best_ns(struct chase *c, uint64_t ops)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 20; i++) {
		uint64_t t = bench_now_ns();

		assert_int_equal(chase_run(c, ops), 0);
		t = bench_now_ns() - t;
		best = t < best ? t : best;
	}
	return best;
}

/* Half of the window disturbed: the other half tells. */
static void disturbed_pieces_do_not_count(void **state)
{
	struct pieces *p = malloc(sizeof(*p));

	(void)state;
	assert_non_null(p);
	pieces_clear(p);
	assert_true(pieces_quiet_ns(p) == 0);
	pieces_add(p, PIECE_LOADS - 1, 100);
	assert_true(pieces_quiet_ns(p) == 0);
	pieces_clear(p);
	for (unsigned i = 0; i < 1000; i++)
		pieces_add(p, PIECE_LOADS, PIECE_LOADS * (i % 2 ? 5 : 5 + i));
	assert_true(pieces_quiet_ns(p) == 5);
	/* Short batches are put together. */
	pieces_clear(p);
	for (unsigned i = 0; i < 10 * PIECE_LOADS; i++)
		pieces_add(p, 1, i % PIECE_LOADS ? 3 : 3 + PIECE_LOADS);
	assert_int_equal(p->nr, 10);
	assert_true(pieces_quiet_ns(p) == 4);
	free(p);
}

/* All of a long window counts alike, not its beginning. */
static void a_long_window_is_thinned_out(void **state)
{
	struct pieces *p = malloc(sizeof(*p));
	unsigned early = 0;

	(void)state;
	assert_non_null(p);
	pieces_clear(p);
	for (unsigned i = 0; i < 10 * PIECES_MAX; i++)
		pieces_add(p, PIECE_LOADS, PIECE_LOADS * (i < 5 * PIECES_MAX ? 2 : 7));
	assert_in_range(p->nr, PIECES_MAX / 2, PIECES_MAX);
	for (unsigned i = 0; i < p->nr; i++)
		early += p->ps[i] == 2000;
	assert_in_range(early, p->nr / 2 - p->nr / 50, p->nr / 2 + p->nr / 50);
	free(p);
}

/* sysbench's small blocks are slower than memory: its loop is what it measures. Ours is not: a
 * buffer that fits the first cache is several times faster than one that fits none. */
static void small_buffers_are_faster(void **state)
{
	size_t big = 64u << 20;
	struct chase small = { 0 }, large = { 0 };
	uint64_t near, far;
	void *memory;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	print_message("a sanitizer's own loads are part of the time\n");
	skip();
#endif
	memory = aligned_alloc(64, big);
	assert_int_equal(chase_build(&small, memory, 16384, 1), 0);
	near = best_ns(&small, 100000);
	assert_int_equal(chase_build(&large, memory, big, 1), 0);
	far = best_ns(&large, 100000);
	print_message("16 KiB: %.2f ns, 64 MiB: %.2f ns\n", (double)near / 1e5, (double)far / 1e5);
	assert_true(far > 4 * near);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain_visits_every_line_once),
		cmocka_unit_test(order_has_no_stride),
		cmocka_unit_test(a_load_left_out_is_an_error),
		cmocka_unit_test(passes_leave_what_is_expected),
		cmocka_unit_test(wrong_results_are_errors),
		cmocka_unit_test(bytes_are_those_of_stream),
		cmocka_unit_test(traffic_follows_the_delay),
		cmocka_unit_test(pages_are_of_the_wanted_size),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
		cmocka_unit_test(default_arrays_are_four_times_all_caches),
		cmocka_unit_test(disturbed_pieces_do_not_count),
		cmocka_unit_test(a_long_window_is_thinned_out),
		cmocka_unit_test(small_buffers_are_faster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
