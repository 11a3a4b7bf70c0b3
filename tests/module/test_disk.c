// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../modules/disk_cache.h"
#include "../../modules/disk_common.h"
#include "module/rig.h"

extern const struct bench_module bench_module_disk, bench_module_disk_sync;

/* A directory that can hold files with direct I/O, or NULL. */
static char dir[64];

static const struct bench_job quiet_job;

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "bench-test-disk-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir); /* fails when a test left something in it */
}

static void refused(const char *text, const char *word)
{
	struct rig r;
	int ret;

	rig_init(&r, &bench_module_disk, 1);
	ret = rig_params(&r, text);
	if (ret != -EINVAL || !strstr(r.err.msg, word))
		fail_msg("'%s' gave %d '%s', not -EINVAL with '%s'", text, ret, r.err.msg, word);
	rig_done(&r);
}

static void impossible_parameters_are_refused(void **state)
{
	(void)state;
	refused("rw=randwrite,filename=/dev/null", "filename");
	refused("rw=write,filename=/dev/null", "filename");
	refused("rw=randrw,filename=/dev/null", "filename");
	refused("filename=/x,directory=/y", "exclude");
	refused("bs=1000", "512");
	refused("bs=2m,size=1m", "larger");
	refused("bs=2m,depth=1024", "1 GiB");
	refused("depth=0", "depth");
	refused("depth=1025", "depth");
	refused("rwmixread=101", "rwmixread");
	refused("rw=trim", "rw");
	refused("rw=randread,sync=fsync", "nothing is written");
	refused("rw=randwrite,layout=append", "rw=write");
	refused("rw=write,sync=msync", "sync");
	refused("cache=warm", "direct=0");
	refused("rw=write,layout=append,direct=0,cache=warm", "empty");
	refused("files=0", "files");
	refused("files=257", "files");
	refused("files=2,filename=/dev/null", "it is one");
	refused("files=3,bs=1m,size=2m", "larger");
	refused("rw=randwrite,destroy=x", "destroy= goes with");
	refused("rw=randread,filename=/dev/null,destroy=x", "destroy= goes with");
	refused("rw=write,layout=append,filename=/dev/null,destroy=x", "append");
	refused("rw=randwrite,filename=/dev/null,destroy=x", "neither a file nor a block device");
	refused("iopoll=1,direct=0", "direct=1");
	refused("rw=write,iopoll=1,sync=fdatasync", "cannot sync");
	refused("rw=write,iopoll=1,sync=fsync", "cannot sync");
	refused("mode=slow", "mode");
	refused("mode=steady,steady_max=0", "steady_max");
}

static void suite_and_defaults_are_valid(void **state)
{
	const struct bench_module *modules[] = { &bench_module_disk, &bench_module_disk_sync };

	(void)state;
	for (unsigned m = 0; m < 2; m++) {
		struct rig r;

		rig_init(&r, modules[m], 1);
		assert_int_equal(rig_params(&r, ""), 0);
		for (const char *const *s = modules[m]->suite; *s; s++)
			assert_int_equal(rig_params(&r, *s), 0);
		rig_done(&r);
	}
}

static void random_offsets_cover_all_blocks_evenly(void **state)
{
	enum { BLOCKS = 1000, DRAWS = 200 * BLOCKS };
	const struct disk_params p = { .rw = DISK_RANDREAD, .bs = 4096 };
	unsigned count[BLOCKS] = { 0 };
	struct disk_cursor c;
	double chi2 = 0;

	(void)state;
	disk_cursor_init(&c, &p, BLOCKS, 0, 2);
	for (unsigned i = 0; i < DRAWS; i++) {
		bool write = true;
		uint64_t offset = disk_cursor_next(&c, &write);

		assert_false(write);
		assert_int_equal(offset % 4096, 0);
		assert_true(offset / 4096 < BLOCKS);
		count[offset / 4096]++;
	}
	for (unsigned i = 0; i < BLOCKS; i++) {
		double d = count[i] - (double)DRAWS / BLOCKS;

		assert_true(count[i] > 0);
		chi2 += d * d / ((double)DRAWS / BLOCKS);
	}
	/* 999 degrees of freedom: mean 999, standard deviation 44.7; five of them either side. */
	assert_true(chi2 > 775 && chi2 < 1223);
}

static void workers_draw_different_but_repeatable_sequences(void **state)
{
	const struct disk_params p = { .rw = DISK_RANDREAD, .bs = 512 };
	struct disk_cursor a, again, other;
	unsigned same = 0;
	bool write;

	(void)state;
	disk_cursor_init(&a, &p, 1u << 30, 0, 2);
	disk_cursor_init(&again, &p, 1u << 30, 0, 2);
	disk_cursor_init(&other, &p, 1u << 30, 1, 2);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t offset = disk_cursor_next(&a, &write);

		assert_int_equal(offset, disk_cursor_next(&again, &write));
		same += offset == disk_cursor_next(&other, &write);
	}
	assert_true(same < 5);
}

static void sequential_workers_share_all_blocks_without_overlap(void **state)
{
	enum { BLOCKS = 1003, WORKERS = 4 };
	const struct disk_params p = { .rw = DISK_WRITE, .bs = 4096 };
	unsigned count[BLOCKS] = { 0 };

	(void)state;
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		struct disk_cursor c;
		uint64_t first, last = 0;

		disk_cursor_init(&c, &p, BLOCKS, worker, WORKERS);
		for (uint64_t i = 0; i < c.nr; i++) {
			bool write = false;
			uint64_t block = disk_cursor_next(&c, &write) / p.bs;

			assert_true(write);
			first = i ? first : block;
			assert_true(i == 0 || block == last + 1);
			last = block;
			count[block]++;
		}
		bool write;

		assert_int_equal(disk_cursor_next(&c, &write) / p.bs, first);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		assert_int_equal(count[i], 1);
}

static void mix_has_the_share_of_reads_asked_for(void **state)
{
	(void)state;
	for (unsigned percent = 0; percent <= 100; percent += 25) {
		const struct disk_params p = { .rw = DISK_RANDRW,
					       .bs = 4096,
					       .rwmixread = percent };
		struct disk_cursor c;
		unsigned reads = 0;

		disk_cursor_init(&c, &p, 100, 0, 1);
		for (unsigned i = 0; i < 100000; i++) {
			bool write;

			disk_cursor_next(&c, &write);
			reads += !write;
		}
		/* Five standard deviations of a fair coin are 0.8 %. */
		assert_true(reads + 800 >= 1000 * percent && reads <= 1000 * percent + 800);
		assert_true((percent > 0) == (reads > 0) && (percent < 100) == (reads < 100000));
	}
}

static void refreshed_sectors_never_repeat(void **state)
{
	static unsigned char a[4096], b[4096];
	struct prng rng;

	(void)state;
	prng_seed(&rng, 1);
	disk_refresh(&rng, a, sizeof(a));
	memcpy(b, a, sizeof(b));
	disk_refresh(&rng, b, sizeof(b));
	for (unsigned i = 0; i < sizeof(a); i += 512)
		for (unsigned j = 0; j < sizeof(a); j += 512) {
			assert_true(memcmp(a + i, b + j, 512) != 0);
			assert_true(i == j || memcmp(a + i, a + j, 512) != 0);
		}
}

static void temporary_file_is_nameless_full_and_incompressible(void **state)
{
	enum { SIZE = (3 << 20) + 8192 };
	struct disk_file f;
	struct bench_err err = { 0 };
	struct stat st;
	unsigned char *data = malloc(SIZE);
	unsigned count[256] = { 0 };

	(void)state;
	assert_int_equal(disk_file_make(&f, dir, SIZE, 4096, false, false, &quiet_job, &err), 0);
	assert_int_equal(fstat(f.fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_size, SIZE);
	assert_true((uint64_t)st.st_blocks * 512 >= SIZE);
	assert_int_equal(lseek(f.fd, 0, SEEK_HOLE), SIZE);
	assert_int_equal(pread(f.fd, data, SIZE, 0), SIZE);
	for (unsigned i = 0; i < SIZE; i++)
		count[data[i]]++;
	for (unsigned i = 0; i < 256; i++)
		assert_true(count[i] > SIZE / 256 * 9 / 10 && count[i] < SIZE / 256 * 11 / 10);
	assert_true(memcmp(data, data + (1 << 20), 1 << 20) != 0);
	disk_file_close(&f);
	free(data);
}

static void dropped_cache_is_seen_as_cold(void **state)
{
	struct disk_file f;
	struct bench_err err = { 0 };
	char *buf = malloc(1 << 20);
	double cached = -1;

	(void)state;
	assert_int_equal(disk_file_make(&f, dir, 4 << 20, 4096, false, false, &quiet_job, &err), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pread(f.fd, buf, 1 << 20, i << 20), 1 << 20);
	assert_int_equal(pwrite(f.fd, buf, 1 << 20, 0), 1 << 20); /* dirty pages resist */
	free(buf);
	if (disk_file_cached(&f, &cached) == -ENOSYS) {
		disk_file_close(&f);
		print_message("cachestat needs Linux 6.5\n");
		skip();
	}
	assert_true(cached > 0.99);
	assert_int_equal(disk_file_resident(&f, &cached), 0);
	assert_true(cached > 0.99);
	assert_int_equal(disk_file_drop_cache(&f), 0);
	assert_int_equal(disk_file_cached(&f, &cached), 0);
	assert_true(cached < 0.01);
	assert_int_equal(disk_file_resident(&f, &cached), 0);
	assert_true(cached < 0.01);
	assert_int_equal(disk_file_fill_cache(&f, NULL), 0);
	assert_int_equal(disk_file_cached(&f, &cached), 0);
	assert_true(cached > 0.99);
	disk_file_close(&f);
}

static void a_cache_state_that_was_not_asked_for_is_told(void **state)
{
	const struct disk_params direct = { .direct = 1 }, cold = { .cache = DISK_COLD },
				 warm = { .cache = DISK_WARM },
				 write = { .rw = DISK_WRITE, .cache = DISK_COLD };
	const struct disk_file own = { .own = true }, other = { .own = false },
			       memory = { .memory = true };

	(void)state;
	assert_null(disk_cache_wrong(&direct, &own, true, 0));
	assert_non_null(disk_cache_wrong(&direct, &own, true, 0.02));
	assert_null(disk_cache_wrong(&direct, &other, true, 1)); /* others may read it */
	assert_null(disk_cache_wrong(&cold, &own, false, 0.01));
	assert_non_null(disk_cache_wrong(&cold, &own, false, 0.02));
	assert_null(disk_cache_wrong(&cold, &own, true, 0.5));
	assert_non_null(disk_cache_wrong(&cold, &own, true, 0.6));
	assert_null(disk_cache_wrong(&write, &own, true, 1));
	assert_null(disk_cache_wrong(&warm, &own, false, 0.995));
	assert_non_null(disk_cache_wrong(&warm, &own, false, 0.98));
	assert_non_null(disk_cache_wrong(&warm, &own, true, 0.98));
	assert_null(disk_cache_wrong(&cold, &memory, false, 1));
}

static void too_large_a_file_is_refused_before_it_is_made(void **state)
{
	struct disk_file f;
	struct bench_err err = { 0 };

	(void)state;
	assert_int_equal(disk_file_make(&f, dir, 1ull << 44, 4096, true, false, &quiet_job, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.msg, "MiB free"));
	assert_int_equal(f.fd, -1);
}

static void layout_stops_when_told_to(void **state)
{
	struct disk_file f;
	struct bench_err err = { 0 };
	volatile bool stop = true;
	const struct bench_job job = { .stop = &stop };
	struct stat st;

	(void)state;
	assert_int_equal(disk_file_make(&f, dir, 64 << 20, 4096, false, false, &job, &err), -EINTR);
	assert_int_equal(fstat(f.fd, &st), 0);
	assert_true(st.st_size < 4 << 20);
	disk_file_close(&f);
}

static struct {
	unsigned calls;
	uint64_t done, total;
} told;

static void note(const struct bench_job *job, const char *what, uint64_t done, uint64_t total)
{
	(void)job;
	assert_string_equal(what, "lay-out");
	assert_true(done > told.done);
	told.calls++;
	told.done = done;
	told.total = total;
}

static void layout_tells_how_far_it_is(void **state)
{
	const struct bench_job job = { .progress = note };
	struct bench_err err = { 0 };
	struct disk_file f;

	(void)state;
	assert_int_equal(disk_file_make(&f, dir, 5 << 20, 4096, false, false, &job, &err), 0);
	assert_int_equal(told.calls, 5);
	assert_int_equal(told.done, 5 << 20);
	assert_int_equal(told.total, 5 << 20);
	disk_file_close(&f);
}

static void existing_file_in_memory_is_refused_or_labelled(void **state)
{
	struct bench_err err = { 0 };
	struct disk_file f;
	char path[128] = "/dev/shm/bench-test-XXXXXX", data[8192];
	int fd = mkstemp(path);
	struct statfs fs;

	(void)state;
	if (fd < 0 || fstatfs(fd, &fs) || fs.f_type != TMPFS_MAGIC) {
		print_message("/dev/shm is not tmpfs here\n");
		skip();
	}
	memset(data, 1, sizeof(data));
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	close(fd);
	assert_int_equal(disk_file_open(&f, path, true, &err), -EOPNOTSUPP);
	disk_file_close(&f);
	assert_int_equal(disk_file_open(&f, path, false, &err), 0);
	assert_true(f.memory);
	disk_file_close(&f);
	unlink(path);

	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	close(fd);
	assert_int_equal(disk_file_open(&f, path, false, &err), 0);
	assert_false(f.memory);
	disk_file_close(&f);
	unlink(path);
}

static void memory_filesystem_is_refused(void **state)
{
	struct disk_file f;
	struct bench_err err = { 0 };
	struct statfs fs;

	(void)state;
	if (statfs("/dev/shm", &fs) || fs.f_type != TMPFS_MAGIC) {
		print_message("/dev/shm is not tmpfs here\n");
		skip();
	}
	assert_int_equal(disk_file_make(&f, "/dev/shm", 1 << 20, 4096, true, false, &quiet_job, &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "tmpfs"));
}

static void unsuitable_files_are_refused(void **state)
{
	struct disk_file f;
	struct bench_err err = { 0 };
	char path[128];
	int fd;

	(void)state;
	assert_int_equal(disk_file_open(&f, "/dev/zero", true, &err), -EINVAL);
	assert_int_equal(disk_file_open(&f, dir, true, &err), -EINVAL);
	assert_int_equal(disk_file_open(&f, "/nonexistent/x", true, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/x"));

	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(disk_file_open(&f, path, true, &err), -EINVAL); /* and does not wait */
	unlink(path);

	snprintf(path, sizeof(path), "%s/holes", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(pwrite(fd, path, 1, 1 << 20), 1);
	close(fd);
	assert_int_equal(disk_file_open(&f, path, false, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "hole"));
	disk_file_close(&f);
	unlink(path);
}

static void sync_module_reads_and_writes(void **state)
{
	static const char *const modes[] = { "randread", "read", "randwrite", "write", "randrw" };

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(modes) / sizeof(*modes); i++) {
		const struct bench_module *m = &bench_module_disk_sync;
		struct bench_worker w;
		struct rig r;
		char text[200];
		int ret;

		rig_init(&r, m, 1);
		rig_worker(&r, &w, 0);
		snprintf(text, sizeof(text), "rw=%s,size=1m,directory=%s,direct=%u", modes[i / 2],
			 dir, i % 2);
		assert_int_equal(rig_params(&r, text), 0);
		ret = m->setup(&r.job, &r.err);
		if (ret == -EOPNOTSUPP) {
			print_message("%s: %s\n", text, r.err.msg);
		} else {
			assert_int_equal(ret, 0);
			assert_int_equal(m->enter(&w), 0);
			assert_int_equal(m->begin(&w), 0);
			assert_int_equal(m->run(&w, 500), 0);
			assert_int_equal(w.bytes, 500 * 4096);
			assert_int_equal(w.errors, 0);
			m->leave(&w);
		}
		rig_worker_done(&w);
		rig_done(&r);
	}
}

static void a_range_is_the_files_one_after_the_other(void **state)
{
	struct disk_set set = { .nr = 3, .each = 8192 };
	uint64_t offset;

	(void)state;
	assert_int_equal(disk_set_find(&set, 0, &offset), 0);
	assert_int_equal(offset, 0);
	assert_int_equal(disk_set_find(&set, 4096, &offset), 0);
	assert_int_equal(offset, 4096);
	assert_int_equal(disk_set_find(&set, 8192, &offset), 1);
	assert_int_equal(offset, 0);
	assert_int_equal(disk_set_find(&set, 8192 * 3 - 4096, &offset), 2);
	assert_int_equal(offset, 4096);
}

/* disk_sync, worker `index` of so many set up on files in `dir` through the page cache. */
static struct disk_shared *sync_files(struct rig *r, struct bench_worker *w, unsigned workers,
				      unsigned index, const char *params)
{
	char text[200];

	rig_init(r, &bench_module_disk_sync, workers);
	rig_worker(r, w, index);
	snprintf(text, sizeof(text), "%s,directory=%s,direct=0", params, dir);
	assert_int_equal(rig_params(r, text), 0);
	assert_int_equal(bench_module_disk_sync.setup(&r->job, &r->err), 0);
	return r->job.shared;
}

static void sync_files_done(struct rig *r, struct bench_worker *w)
{
	bench_module_disk_sync.leave(w);
	rig_worker_done(w);
	rig_done(r);
}

/* Three files of four blocks: twelve writes in order change each block once. */
static void every_block_of_every_file_is_written(void **state)
{
	enum { FILES = 3, SIZE = 16384 };
	static char before[FILES][SIZE], after[SIZE];
	const struct bench_module *m = &bench_module_disk_sync;
	struct disk_shared *s;
	struct bench_worker w;
	struct rig r;

	(void)state;
	s = sync_files(&r, &w, 1, 0, "rw=write,files=3,size=48k");
	assert_int_equal(s->set.nr, FILES);
	assert_int_equal(s->nr_blocks, 12);
	for (unsigned i = 0; i < FILES; i++)
		assert_int_equal(pread(s->set.files[i].fd, before[i], SIZE, 0), SIZE);
	assert_int_equal(m->enter(&w), 0);
	assert_int_equal(m->begin(&w), 0);
	assert_int_equal(m->run(&w, 12), 0);
	for (unsigned i = 0; i < FILES; i++) {
		assert_int_equal(pread(s->set.files[i].fd, after, SIZE, 0), SIZE);
		for (unsigned at = 0; at < SIZE; at += 4096)
			assert_true(memcmp(before[i] + at, after + at, 4096) != 0);
	}
	sync_files_done(&r, &w);
}

/* Worker 1 of two files appends to file 1, and the room of each is its own. */
static void appends_go_to_a_file_of_the_workers_own(void **state)
{
	const struct bench_module *m = &bench_module_disk_sync;
	struct disk_shared *s;
	struct bench_worker w;
	struct stat st;
	struct rig r;

	(void)state;
	s = sync_files(&r, &w, 2, 1, "rw=write,layout=append,files=2,size=32k");
	assert_int_equal(m->enter(&w), 0);
	assert_int_equal(m->run(&w, 3), 0);
	assert_int_equal(fstat(s->set.files[0].fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(fstat(s->set.files[1].fd, &st), 0);
	assert_int_equal(st.st_size, 3 * 4096);
	assert_int_equal(m->run(&w, 2), -ENOSPC);
	assert_non_null(strstr(w.err.msg, "size=32768 is appended"));
	sync_files_done(&r, &w);
}

/* The file is cut behind the module's back: reads beyond its end are short. */
static void short_read_is_an_error_that_names_the_offset(void **state)
{
	const struct bench_module *m = &bench_module_disk_sync;
	struct disk_shared *s;
	struct bench_worker w;
	struct rig r;

	(void)state;
	s = sync_files(&r, &w, 1, 0, "rw=read,size=16k");
	assert_int_equal(m->enter(&w), 0);
	assert_int_equal(ftruncate(s->set.files[0].fd, 8192 + 100), 0);
	assert_int_equal(m->run(&w, 4), -EIO);
	assert_int_equal(w.errors, 1);
	assert_int_equal(w.bytes, 8192);
	assert_non_null(strstr(w.err.msg, "read of 4096 bytes at offset 8192: short, 100 bytes"));
	sync_files_done(&r, &w);
}

static void failed_write_tells_operation_offset_and_errno(void **state)
{
	const struct bench_module *m = &bench_module_disk_sync;
	struct disk_shared *s;
	struct bench_worker w;
	struct rig r;
	char proc[40];
	int fd;

	(void)state;
	s = sync_files(&r, &w, 1, 0, "rw=write,size=16k");
	assert_int_equal(m->enter(&w), 0);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", s->set.files[0].fd);
	fd = open(proc, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, s->set.files[0].fd), s->set.files[0].fd);
	close(fd);
	assert_int_equal(m->run(&w, 4), -EBADF);
	assert_non_null(strstr(w.err.msg, "write of 4096 bytes at offset 0: "));
	assert_non_null(strstr(w.err.msg, "(errno 9)"));
	sync_files_done(&r, &w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_parameters_are_refused),
		cmocka_unit_test(suite_and_defaults_are_valid),
		cmocka_unit_test(random_offsets_cover_all_blocks_evenly),
		cmocka_unit_test(workers_draw_different_but_repeatable_sequences),
		cmocka_unit_test(sequential_workers_share_all_blocks_without_overlap),
		cmocka_unit_test(mix_has_the_share_of_reads_asked_for),
		cmocka_unit_test(refreshed_sectors_never_repeat),
		cmocka_unit_test(temporary_file_is_nameless_full_and_incompressible),
		cmocka_unit_test(dropped_cache_is_seen_as_cold),
		cmocka_unit_test(a_cache_state_that_was_not_asked_for_is_told),
		cmocka_unit_test(too_large_a_file_is_refused_before_it_is_made),
		cmocka_unit_test(layout_stops_when_told_to),
		cmocka_unit_test(layout_tells_how_far_it_is),
		cmocka_unit_test(existing_file_in_memory_is_refused_or_labelled),
		cmocka_unit_test(memory_filesystem_is_refused),
		cmocka_unit_test(unsuitable_files_are_refused),
		cmocka_unit_test(sync_module_reads_and_writes),
		cmocka_unit_test(a_range_is_the_files_one_after_the_other),
		cmocka_unit_test(every_block_of_every_file_is_written),
		cmocka_unit_test(appends_go_to_a_file_of_the_workers_own),
		cmocka_unit_test(short_read_is_an_error_that_names_the_offset),
		cmocka_unit_test(failed_write_tells_operation_offset_and_errno),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
