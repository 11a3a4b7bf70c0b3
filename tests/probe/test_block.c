// SPDX-License-Identifier: BSD-2-Clause
/* Block requests: what was asked for is what was counted, in the right stage and device. */
#include "probe/rig_block.h"

#include <liburing.h>
#include "probe/ledger.h"

#define FILE_SIZE (16u << 20)
#define READS 2000u

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Random direct reads, and how long each took. Sorted. */
static void reads(int fd, uint64_t *took, unsigned nr)
{
	void *mem = aligned_block(BLOCK);

	for (unsigned i = 0; i < nr; i++) {
		uint64_t begin = bench_now_ns();
		off_t at = (off_t)((unsigned)rand() % (FILE_SIZE / BLOCK)) * BLOCK;

		assert_int_equal(pread(fd, mem, BLOCK, at), BLOCK);
		took[i] = bench_now_ns() - begin;
	}
	qsort(took, nr, sizeof(*took), by_size);
	free(mem);
}

static struct probe_set *block_set(void)
{
	struct probe_set *set;

	need_root();
	set = set_open("block", getenv("TEST_FALLBACK"));
	set_track(set, gettid(), false);
	return set;
}

static void direct_reads_are_counted_by_bytes_and_requests(void **state)
{
	struct probe_set *set = block_set();
	int fd = file_new(FILE_SIZE);
	uint64_t *took = calloc(READS, sizeof(*took));
	double bytes, requests, open;
	json_t *m;

	(void)state;
	set_window(set, 0, 60000 * MS);
	reads(fd, took, READS);
	m = set_read(set, NULL, 0);
	bytes = value(m, "block.bytes", "op", "read");
	requests = value(m, "block.requests", "op", "read");
	open = value(m, "block.open_bytes", NULL, NULL);
	printf("%u reads of %u bytes: %.0f bytes in %.0f requests, %.0f completed unseen, %.0f "
	       "bytes open\n",
	       READS, BLOCK, bytes, requests, value(m, "block.unseen", NULL, NULL), open);
	/* Of the last ones some may have completed unseen, and their place not been used again. */
	assert_true(bytes + open == READS * BLOCK);
	assert_true(bytes <= READS * BLOCK && bytes >= READS * BLOCK * 0.99);
	assert_true(requests <= READS && requests >= READS * 0.99);
	assert_true(value(m, "block.bytes", "op", "write") == 0);
	assert_true(value(m, "block.errors", NULL, NULL) == 0);
	json_decref(m);
	free(took);
	close(fd);
	probe_close(set);
}

static void writes_are_writes(void **state)
{
	struct probe_set *set = block_set();
	void *mem = aligned_block(16 * BLOCK);
	int fd = file_new(FILE_SIZE);
	json_t *m;

	(void)state;
	set_window(set, 0, 60000 * MS);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pwrite(fd, mem, 16 * BLOCK, (off_t)i * 16 * BLOCK), 16 * BLOCK);
	m = set_read(set, NULL, 0);
	assert_true(value(m, "block.bytes", "op", "write") >= 97 * 16 * BLOCK);
	assert_true(value(m, "block.bytes", "op", "write") <= 100 * 16 * BLOCK);
	assert_true(value(m, "block.bytes", "op", "read") == 0);
	json_decref(m);
	free(mem);
	close(fd);
	probe_close(set);
}

static void *read_thread(void *arg)
{
	uint64_t *took = calloc(READS, sizeof(*took));

	reads(*(int *)arg, took, READS / 4);
	free(took);
	return NULL;
}

static void requests_of_others_are_others(void **state)
{
	struct probe_set *set = block_set();
	int fd = file_new(FILE_SIZE);
	pthread_t thread;
	json_t *m;

	(void)state;
	set_window(set, 0, 60000 * MS);
	assert_int_equal(pthread_create(&thread, NULL, read_thread, &fd), 0);
	pthread_join(thread, NULL);
	m = set_read(set, NULL, 0);
	assert_true(value(m, "block.bytes", "op", "read") == 0);
	assert_true(value(m, "block.other_bytes", "op", "read") >= READS / 4 * BLOCK * 0.98);
	json_decref(m);
	close(fd);
	probe_close(set);
}

static void outside_the_window_nothing_counts(void **state)
{
	struct probe_set *set = block_set();
	int fd = file_new(FILE_SIZE);
	uint64_t took[50];
	json_t *m;

	(void)state;
	set_window(set, 2000 * MS, 1000 * MS); /* begins long after the reads */
	reads(fd, took, 50);
	m = set_read(set, NULL, 0);
	assert_true(value(m, "block.bytes", "op", "read") == 0);
	assert_true(value(m, "block.requests", "op", "read") == 0);
	json_decref(m);
	close(fd);
	probe_close(set);
}

/* What the device took is part of what the call took, and most of it. */
static void latency_fits_what_the_caller_saw(void **state)
{
	struct probe_set *set = block_set();
	int fd = file_new(FILE_SIZE);
	uint64_t *took = calloc(READS, sizeof(*took)), sum = 0;
	double stages, own;
	char dev[64];
	json_t *m;

	(void)state;
	if (!file_device(fd, dev, sizeof(dev)))
		skip_because("the device below this directory cannot be known");
	set_window(set, 0, 60000 * MS);
	reads(fd, took, READS);
	m = set_read(set, NULL, 0);
	for (unsigned i = 0; i < READS; i++)
		sum += took[i];
	stages = (stage(m, "queue", dev, "sum") + stage(m, "device", dev, "sum")) /
		 stage(m, "device", dev, "count");
	own = (double)sum / READS;
	printf("%s: mean %.1f us in queue and device, %.1f us in pread; p50 device ~%.1f, pread "
	       "%.1f\n",
	       dev, stages / 1e3, own / 1e3, stage(m, "device", dev, "p50") / 1e3,
	       (double)took[READS / 2] / 1e3);
	assert_true(stage(m, "device", dev, "count") >= READS * 0.9);
	assert_true(stages < own);
	/* The middle one: those that had to wait for a CPU afterwards say nothing. */
	assert_true(stage(m, "device", dev, "p50") > (double)took[READS / 2] * 0.3);
	assert_true(stage(m, "device", dev, "p50") < (double)took[READS / 2] * 1.125);
	json_decref(m);
	free(took);
	close(fd);
	probe_close(set);
}

static void a_request_is_found_by_sector_and_time(void **state)
{
	struct probe_set *set = block_set();
	void *mem = aligned_block(BLOCK);
	int fd = file_new(FILE_SIZE);
	unsigned found = 0, nr = 200;
	struct probe_block b;
	json_t *m;

	(void)state;
	set_window(set, 0, 60000 * MS);
	for (unsigned i = 0; i < nr; i++) {
		uint64_t offset = (uint64_t)(i * 7 % (FILE_SIZE / BLOCK)) * BLOCK, sector, begin;
		uint64_t end;
		uint32_t dev;

		if (!file_place(fd, offset, &dev, &sector))
			skip_because("the place of the file cannot be known");
		begin = bench_now_ns();
		assert_int_equal(pread(fd, mem, BLOCK, (off_t)offset), BLOCK);
		end = bench_now_ns();
		assert_int_equal(probe_block_find(set, dev, sector + 8 * FILE_SIZE, begin, end, &b),
				 -ENOENT);
		assert_int_equal(probe_block_find(set, dev ^ 1, sector, begin, end, &b), -ENOENT);
		assert_int_equal(probe_block_find(set, dev, sector, end, end + MS, &b), -ENOENT);
		if (probe_block_find(set, dev, sector + 7, begin, end, &b))
			continue;
		found++;
		assert_int_equal(b.dev, dev);
		assert_int_equal(b.sector, sector);
		assert_int_equal(b.bytes, BLOCK);
		assert_true(begin <= b.insert_ns && b.insert_ns <= b.issue_ns);
		assert_true(b.issue_ns < b.complete_ns && b.complete_ns <= end);
	}
	m = set_read(set, NULL, 0);
	printf("%u of %u requests found, %.0f completed unseen\n", found, nr,
	       value(m, "block.unseen", NULL, NULL));
	assert_true(found + value(m, "block.unseen", NULL, NULL) + 3 >= nr);
	json_decref(m);
	free(mem);
	close(fd);
	probe_close(set);
}

/* The same place read twice: the time tells which. */
static void of_two_requests_the_one_of_the_time_is_found(void **state)
{
	struct probe_set *set = block_set();
	void *mem = aligned_block(BLOCK);
	uint64_t sector, begin[20], end[20];
	int fd = file_new(FILE_SIZE);
	unsigned found = 0;
	struct probe_block b;
	uint32_t dev;

	(void)state;
	if (!file_place(fd, 0, &dev, &sector))
		skip_because("the place of the file cannot be known");
	set_window(set, 0, 60000 * MS);
	for (unsigned i = 0; i < 20; i++) {
		begin[i] = bench_now_ns();
		assert_int_equal(pread(fd, mem, BLOCK, 0), BLOCK);
		end[i] = bench_now_ns();
	}
	for (unsigned i = 0; i < 20; i++) {
		if (probe_block_find(set, dev, sector, begin[i], end[i], &b))
			continue;
		found++;
		assert_true(b.issue_ns >= begin[i] && b.complete_ns <= end[i]);
	}
	assert_true(found >= 17);
	json_decref(set_read(set, NULL, 0));
	free(mem);
	close(fd);
	probe_close(set);
}

static bool warns_of_block(void)
{
	struct probe_set *set = set_open("block", NULL);
	json_t *warnings = json_array();
	bool found = false;
	json_t *w;
	size_t i;

	probe_warnings(set, warnings);
	json_array_foreach (warnings, i, w)
		found |= !!strstr(json_string_value(w), "block.bytes");
	json_decref(warnings);
	probe_close(set);
	return found;
}

static void the_self_check_notices_what_is_not_counted(void **state)
{
	bool broken;
	int fd;

	(void)state;
	need_root();
	fd = open("/proc/self/exe", O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		skip_because("this program's own file cannot be read past the page cache");
	close(fd);
	assert_false(warns_of_block());
	setenv("BENCH_PROBE_FAULT", "block", 1);
	broken = warns_of_block();
	unsetenv("BENCH_PROBE_FAULT");
	assert_true(broken);
}

static void without_the_probe_a_request_is_not_looked_for(void **state)
{
	struct probe_set *set;
	struct probe_block b;

	(void)state;
	need_root();
	set = set_open("net", NULL);
	assert_int_equal(probe_block_find(set, 1, 1, 0, UINT64_MAX, &b), -EOPNOTSUPP);
	probe_close(set);
}

/* --- a loop device: its own name, its flushes, and a queue that fills --- */

static void ring_reads(int fd, unsigned depth, unsigned rounds)
{
	char *mem = aligned_block((size_t)depth * BLOCK);
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	assert_int_equal(io_uring_queue_init(depth, &ring, 0), 0);
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned i = 0; i < depth; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
			/* apart, so that they are not merged */
			unsigned at = (r * 977 + i * 2) % (FILE_SIZE / BLOCK);

			io_uring_prep_read(sqe, fd, mem + (size_t)i * BLOCK, BLOCK,
					   (__u64)at * BLOCK);
		}
		assert_int_equal(io_uring_submit(&ring), depth);
		for (unsigned i = 0; i < depth; i++) {
			assert_int_equal(io_uring_wait_cqe(&ring, &cqe), 0);
			assert_int_equal(cqe->res, BLOCK);
			io_uring_cqe_seen(&ring, cqe);
		}
	}
	io_uring_queue_exit(&ring);
	free(mem);
}

/* Share of queue and device that was queue, at that depth. */
static double queue_share(struct probe_set *set, const struct loop *l, unsigned depth)
{
	double queue, device;
	json_t *m;

	set_window(set, 0, 60000 * MS);
	ring_reads(l->fd, depth, 2048 / depth);
	m = set_read(set, NULL, 0);
	queue = stage(m, "queue", l->name, "sum");
	device = stage(m, "device", l->name, "sum");
	printf("%s, depth %u: mean %.1f us in the queue, %.1f us with the device\n", l->name, depth,
	       queue / stage(m, "queue", l->name, "count") / 1e3,
	       device / stage(m, "device", l->name, "count") / 1e3);
	json_decref(m);
	return queue / (queue + device);
}

/* A loop device takes 128 requests at a time; what is more waits in its scheduler. */
static void what_the_device_does_not_take_is_in_the_queue(void **state)
{
	struct probe_set *set = block_set();
	double shallow, deep;
	struct loop l;
	char path[64];
	FILE *f;

	(void)state;
	if (!loop_open(&l, FILE_SIZE))
		skip_because("no loop device can be made here");
	snprintf(path, sizeof(path), "/sys/block/%s/queue/scheduler", l.name);
	f = fopen(path, "we");
	if (!f || fputs("mq-deadline", f) < 0 || fclose(f))
		skip_because("no I/O scheduler can be set for a loop device here");
	shallow = queue_share(set, &l, 1);
	deep = queue_share(set, &l, 512);
	assert_true(deep > 0.15);
	assert_true(shallow < deep / 4);
	loop_close(&l);
	probe_close(set);
}

static void flushes_are_those_of_the_job(void **state)
{
	struct probe_set *set = block_set();
	void *mem = aligned_block(BLOCK);
	const json_t *m;
	struct loop l;

	(void)state;
	if (!loop_open(&l, FILE_SIZE))
		skip_because("no loop device can be made here");
	set_window(set, 0, 60000 * MS);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(pwrite(l.fd, mem, BLOCK, (off_t)i * BLOCK), BLOCK);
		assert_int_equal(fdatasync(l.fd), 0);
	}
	m = set_read(set, NULL, 0);
	printf("40 writes and fdatasync: %.0f flushes, %.0f bytes\n",
	       value(m, "block.flushes", NULL, NULL), value(m, "block.bytes", "op", "write"));
	if (isnan(value(m, "block.flushes", NULL, NULL)))
		skip_because("this kernel does not announce flushes (block_io_start, 6.5)");
	assert_true(value(m, "block.flushes", NULL, NULL) >= 37);
	assert_true(value(m, "block.flushes", NULL, NULL) <= 40);
	assert_true(value(m, "block.bytes", "op", "write") >= 37 * BLOCK);
	assert_true(value(m, "block.bytes", "op", "write") <= 40 * BLOCK);
	json_decref((json_t *)m);
	loop_close(&l);
	free(mem);
	probe_close(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(direct_reads_are_counted_by_bytes_and_requests),
		cmocka_unit_test(writes_are_writes),
		cmocka_unit_test(requests_of_others_are_others),
		cmocka_unit_test(outside_the_window_nothing_counts),
		cmocka_unit_test(latency_fits_what_the_caller_saw),
		cmocka_unit_test(a_request_is_found_by_sector_and_time),
		cmocka_unit_test(of_two_requests_the_one_of_the_time_is_found),
		cmocka_unit_test(the_self_check_notices_what_is_not_counted),
		cmocka_unit_test(without_the_probe_a_request_is_not_looked_for),
		cmocka_unit_test(what_the_device_does_not_take_is_in_the_queue),
		cmocka_unit_test(flushes_are_those_of_the_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
