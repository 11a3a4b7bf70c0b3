// SPDX-License-Identifier: BSD-2-Clause
/* What each program costs per run: the kernel's own measurement (BPF_ENABLE_STATS) while the known
 * load of the self-check runs. It is looked at many times, and the median of these looks
 * is the cost: a run during which the CPU was taken away for milliseconds, which the kernel's sum
 * contains, is in one of them only. */
#include <bpf/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "probe/set.h"

#define FLOOR_RUNS 100 /* of a program that does nothing */
#define LOOKS 256u
#define LOOK_NS 300000

struct calibrated {
	struct probe_run *run;
	uint64_t ns, nr; /* at the last look */
	double means[LOOKS];
	unsigned nr_means;
};

struct calibration {
	struct calibrated *list;
	unsigned nr;
};

/* Run time and number of runs of a program, as the kernel counted them. */
static void program_stats(int fd, uint64_t *ret_ns, uint64_t *ret_nr)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	*ret_ns = 0;
	*ret_nr = 0;
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len)) {
		*ret_ns = info.run_time_ns;
		*ret_nr = info.run_cnt;
	}
}

static void look(struct calibration *c)
{
	for (unsigned i = 0; i < c->nr; i++) {
		struct calibrated *one = &c->list[i];
		uint64_t ns, nr;

		program_stats(one->run->prog_fd, &ns, &nr);
		if (nr <= one->nr || ns < one->ns)
			continue;
		/* The last place takes what is left: a load that lasts so long is none of ours. */
		one->means[one->nr_means] = (double)(ns - one->ns) / (double)(nr - one->nr);
		if (one->nr_means + 1 < LOOKS)
			one->nr_means++;
		one->ns = ns;
		one->nr = nr;
	}
}

static int smaller_first(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned nr)
{
	if (!nr)
		return 0;
	qsort(values, nr, sizeof(*values), smaller_first);
	return nr % 2 ? values[nr / 2] : (values[nr / 2 - 1] + values[nr / 2]) / 2;
}

/* What a program that does nothing is measured as: mostly the clock reads of the measurement. */
static double floor_ns(struct probe_set *set)
{
	int settle = object_prog_fd(set->track, "settle");
	double means[10];
	uint64_t ns, nr, last_ns, last_nr;
	unsigned nr_means = 0;

	program_stats(settle, &last_ns, &last_nr);
	for (unsigned i = 0; i < 10 && settle >= 0; i++) {
		for (unsigned k = 0; k < FLOOR_RUNS / 10; k++)
			(void)window_run_on(settle, (unsigned)sched_getcpu());
		program_stats(settle, &ns, &nr);
		if (nr > last_nr)
			means[nr_means++] = (double)(ns - last_ns) / (double)(nr - last_nr);
		last_ns = ns;
		last_nr = nr;
	}
	return median(means, nr_means);
}

void calibrate_join(struct probe_set *set, pthread_t load)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	struct calibration c = { 0 };
	double floor;

	for (unsigned i = 0; i < set->nr_objects; i++)
		c.nr += set->objects[i].nr_runs;
	c.list = calloc(c.nr + 1, sizeof(*c.list));
	if (!c.list) {
		pthread_join(load, NULL);
		return;
	}
	c.nr = 0;
	for (unsigned i = 0; i < set->nr_objects; i++)
		for (unsigned k = 0; k < set->objects[i].nr_runs; k++)
			c.list[c.nr++].run = &set->objects[i].runs[k];
	while (pthread_tryjoin_np(load, NULL)) {
		(void)nanosleep(&pause, NULL); /* a shorter one does no harm */
		look(&c);
	}
	look(&c);
	floor = floor_ns(set);
	for (unsigned i = 0; i < c.nr; i++) {
		double ns = median(c.list[i].means, c.list[i].nr_means) - floor;

		c.list[i].run->ns = c.list[i].nr_means && ns > 0 ? ns : 0;
	}
	free(c.list);
}
