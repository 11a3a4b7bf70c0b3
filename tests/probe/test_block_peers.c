// SPDX-License-Identifier: BSD-2-Clause
/* Block latency against who knows it from elsewhere: biolatency in the same window, and a throttle
 * whose rate is known. */
#include "probe/rig_block.h"

#include <ctype.h>
#include <signal.h>
#include <sys/wait.h>

#define FILE_SIZE (16u << 20)
#define READS 4000u
#define OCTAVES 40

static void read_blocks(int fd, unsigned nr)
{
	void *mem = aligned_block(BLOCK);

	for (unsigned i = 0; i < nr; i++) {
		off_t at = (off_t)((unsigned)rand() % (FILE_SIZE / BLOCK)) * BLOCK;

		assert_int_equal(pread(fd, mem, BLOCK, at), BLOCK);
	}
	free(mem);
}

/* --- biolatency --- */

/* Its buckets are powers of two of microseconds: "  32 -> 63  : 12405  |***". */
static double biolatency_counts(FILE *f, double *counts)
{
	unsigned long low, high, n;
	double total = 0;
	char line[256];

	while (fgets(line, sizeof(line), f)) {
		unsigned octave = 0;

		if (sscanf(line, " %lu -> %lu : %lu", &low, &high, &n) != 3)
			continue;
		while (octave < OCTAVES - 1 && high >> (octave + 1))
			octave++;
		counts[octave] += (double)n;
		total += (double)n;
	}
	return total;
}

/* Ours in its buckets. A bucket of ours is shared out where one of its borders is inside. */
static double our_counts(const json_t *hist, double *counts)
{
	double total = 0;
	json_t *b;
	size_t i;

	json_array_foreach (json_object_get(hist, "buckets"), i, b) {
		double low = json_number_value(json_array_get(b, 0)) / 1e3;
		double high = json_number_value(json_array_get(b, 1)) / 1e3;
		double n = json_number_value(json_array_get(b, 2));

		total += n;
		for (unsigned octave = 0; octave < OCTAVES; octave++) {
			double from = octave ? ldexp(1, (int)octave) : 0,
			       to = ldexp(1, (int)octave + 1);
			double part = fmin(high, to) - fmax(low, from);

			if (part > 0)
				counts[octave] += n * part / (high - low);
		}
	}
	return total;
}

static pid_t biolatency_start(const char *disk, int *ret_out)
{
	int out[2];
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		execlp("biolatency", "biolatency", "-d", disk, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	*ret_out = out[0];
	return pid;
}

/* On a device of its own, because biolatency counts everybody's requests. */
static void device_time_is_distributed_as_biolatency_says(void **state)
{
	double theirs[OCTAVES] = { 0 }, ours[OCTAVES] = { 0 }, total, our_total, apart = 0;
	struct probe_set *set;
	const json_t *r;
	int out, status;
	struct loop l;
	json_t *m;
	pid_t pid;
	FILE *f;

	(void)state;
	need_root();
	if (system("command -v biolatency >/dev/null 2>&1"))
		skip_because("biolatency (libbpf-tools) is not installed");
	if (!loop_open(&l, FILE_SIZE))
		skip_because("no loop device can be made here");
	set = set_open("block", NULL);
	set_track(set, gettid(), false);
	pid = biolatency_start(l.name, &out);
	sleep_for(1500 * MS); /* it says nothing before its end */
	set_window(set, 0, 60000 * MS);
	read_blocks(l.fd, READS);
	m = set_read(set, NULL, 0);
	kill(pid, SIGINT);
	f = fdopen(out, "re");
	total = f ? biolatency_counts(f, theirs) : 0;
	waitpid(pid, &status, 0);
	r = row(m, "block.latency", "stage", "device", "dev", l.name);
	our_total = our_counts(json_object_get(r, "hist"), ours);
	probe_close(set);
	if (total < READS / 2)
		skip_because("biolatency does not work on this kernel");
	for (unsigned i = 0; i < OCTAVES; i++) {
		apart += fabs(ours[i] / our_total - theirs[i] / total) / 2;
		if (theirs[i] || ours[i])
			printf("%6.0f us and more: ours %5.0f, biolatency %5.0f\n",
			       ldexp(1, (int)i), ours[i], theirs[i]);
	}
	printf("in all ours %.0f, biolatency %.0f; %.2f %% in another bucket\n", our_total, total,
	       apart * 100);
	assert_true(our_total <= READS && our_total >= READS * 0.98);
	assert_true(total <= READS * 1.01 && total >= READS * 0.98);
	assert_true(apart < 0.05);
	json_decref(m);
	fclose(f);
	loop_close(&l);
}

/* --- a throttle --- */

#define CGROUP "/sys/fs/cgroup/blkio"

static bool write_to(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	bool ok = f && fputs(text, f) >= 0;

	if (f && fclose(f))
		ok = false;
	return ok;
}

/* The cgroup's throttle holds I/O back before it becomes a request: that is in neither stage, and
 * the difference to what the caller saw tells it. */
static void a_cgroups_throttle_is_in_front_of_the_queue(void **state)
{
	double stages, own, iops = 400;
	char dev[64], text[64];
	struct probe_set *set;
	uint64_t sector, begin;
	uint32_t number = 0;
	json_t *m;
	int fd;

	(void)state;
	need_root();
	fd = file_new(FILE_SIZE);
	if (!file_device(fd, dev, sizeof(dev)) || !file_place(fd, 0, &number, &sector))
		skip_because("the device below this directory cannot be known");
	snprintf(text, sizeof(text), "%u:%u %.0f", number >> 20, number & 0xfffff, iops);
	(void)mkdir(CGROUP "/bench_test", 0755);
	if (!write_to(CGROUP "/bench_test/blkio.throttle.read_iops_device", text)) {
		(void)rmdir(CGROUP "/bench_test");
		skip_because("there is no cgroup v1 with a blkio throttle");
	}
	set = set_open("block", NULL);
	set_track(set, gettid(), false);
	snprintf(text, sizeof(text), "%d", gettid());
	assert_true(write_to(CGROUP "/bench_test/tasks", text));
	set_window(set, 0, 60000 * MS);
	/* A group that was idle may go ahead for a while (kernel, blk-throttle.c: its slices). */
	read_blocks(fd, 80);
	begin = bench_now_ns();
	read_blocks(fd, 120);
	own = (double)(bench_now_ns() - begin) / 120;
	m = set_read(set, NULL, 0);
	assert_true(write_to(CGROUP "/tasks", text));
	(void)rmdir(CGROUP "/bench_test"); /* nobody is in it */
	/* The middle one, because one request in a hundred may take very long on a busy device. */
	stages = stage(m, "queue", dev, "p50") + stage(m, "device", dev, "p50");
	printf("%.0f reads per second allowed: pread takes %.1f us, the request %.1f us\n", iops,
	       own / 1e3, stages / 1e3);
	assert_true(own > 0.5e9 / iops);
	assert_true(stages < own / 4);
	json_decref(m);
	probe_close(set);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_time_is_distributed_as_biolatency_says),
		cmocka_unit_test(a_cgroups_throttle_is_in_front_of_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
