/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pairs of CPUs c2c measures: all of a small host, some of each kind of a large one. */
#ifndef MODULES_C2C_PAIRS_H
#define MODULES_C2C_PAIRS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/module.h"

/* What two CPUs share, the nearest thing of it. */
enum c2c_class { C2C_SMT, C2C_LLC, C2C_PACKAGE, C2C_CROSS, C2C_UNKNOWN, C2C_CLASSES };

static const char *const c2c_class_names[] = { "smt", "llc", "package", "cross", "unknown" };

/* All pairs of 16 CPUs. Of more CPUs so many pairs of each class, evenly chosen: time grows with the
 * square of the CPUs, what there is to learn does not. */
#define C2C_PAIRS_MAX 120u
#define C2C_PAIRS_OF_CLASS 24u

struct c2c_pair {
	unsigned first, second; /* workers */
	enum c2c_class class;
	struct bench_hist *samples; /* ps a round trip, of this window */
	uint64_t discarded;	    /* samples */
};

struct c2c_pairs {
	struct c2c_pair *pair;
	unsigned nr;
	unsigned long possible; /* pairs that there are */
};

/* What a CPU belongs to, told by the first CPU of it or its number; -1 = sysfs does not tell. */
struct c2c_place {
	int core, llc, package;
};

/* The first number of a file below /sys/devices/system/cpu/cpuN; -1 = there is none. */
static inline int c2c_sysfs(int cpu, const char *name)
{
	char path[128];
	int value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", cpu, name);
	file = fopen(path, "re");
	if (file && fscanf(file, "%d", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

static inline struct c2c_place c2c_place(int cpu)
{
	struct c2c_place p = { .core = c2c_sysfs(cpu, "topology/thread_siblings_list"),
			       .llc = -1,
			       .package = c2c_sysfs(cpu, "topology/physical_package_id") };

	/* The highest index is the last level. */
	for (unsigned i = 0;; i++) {
		char name[64];
		int first;

		snprintf(name, sizeof(name), "cache/index%u/shared_cpu_list", i);
		first = c2c_sysfs(cpu, name);
		if (first < 0)
			return p;
		p.llc = first;
	}
}

static inline enum c2c_class c2c_class_of(const struct c2c_place *a, const struct c2c_place *b)
{
	if (a->core < 0 || b->core < 0)
		return C2C_UNKNOWN;
	if (a->core == b->core)
		return C2C_SMT;
	if (a->llc >= 0 && a->llc == b->llc)
		return C2C_LLC;
	return a->package == b->package ? C2C_PACKAGE : C2C_CROSS;
}

static inline int c2c_pairs_add(struct c2c_pairs *pairs, unsigned first, unsigned second,
				enum c2c_class class)
{
	struct c2c_pair *p = &pairs->pair[pairs->nr];

	*p = (struct c2c_pair){ .first = first, .second = second, .class = class };
	p->samples = bench_hist_new(BENCH_HIST_BITS_WORKER);
	pairs->nr += p->samples != NULL;
	return p->samples ? 0 : -ENOMEM;
}

/* Of the pairs with these places: all, or every n-th of each class when they are too many. */
static inline int c2c_pairs_choose(struct c2c_pairs *pairs, const struct c2c_place *places,
				   unsigned nr)
{
	unsigned long of_class[C2C_CLASSES] = { 0 }, seen[C2C_CLASSES] = { 0 };
	int rc = 0;

	pairs->possible = (unsigned long)nr * (nr - 1) / 2;
	for (unsigned i = 0; i < nr; i++)
		for (unsigned j = i + 1; j < nr; j++)
			of_class[c2c_class_of(&places[i], &places[j])]++;
	pairs->pair = calloc(C2C_PAIRS_MAX, sizeof(*pairs->pair));
	if (!pairs->pair)
		return -ENOMEM;
	for (unsigned i = 0; i < nr; i++)
		for (unsigned j = i + 1; j < nr && !rc; j++) {
			enum c2c_class class = c2c_class_of(&places[i], &places[j]);
			unsigned long step = 1, want = C2C_PAIRS_OF_CLASS;

			if (pairs->possible > C2C_PAIRS_MAX)
				step = (of_class[class] + want - 1) / want;
			if (seen[class]++ % step == 0)
				rc = c2c_pairs_add(pairs, i, j, class);
		}
	return rc;
}

/* Of the CPUs of these workers (-1 = unbound: nothing is known of it). */
static inline int c2c_pairs_new(struct c2c_pairs *pairs, const int *cpus, unsigned nr)
{
	struct c2c_place *places = calloc(nr, sizeof(*places));
	int rc;

	if (!places)
		return -ENOMEM;
	for (unsigned i = 0; i < nr; i++)
		places[i] = cpus && cpus[i] >= 0 ? c2c_place(cpus[i]) :
						   (struct c2c_place){ -1, -1, -1 };
	rc = c2c_pairs_choose(pairs, places, nr);
	free(places);
	return rc;
}

static inline void c2c_pairs_free(struct c2c_pairs *pairs)
{
	for (unsigned i = 0; i < pairs->nr; i++)
		bench_hist_free(pairs->pair[i].samples);
	free(pairs->pair);
	*pairs = (struct c2c_pairs){ 0 };
}

static inline void c2c_report_stats(struct bench_job *job, const char *class,
			     const struct bench_hist *samples)
{
	static const struct {
		const char *name;
		double q;
	} stats[] = { { "min", 0 }, { "p50", 0.5 }, { "p99", 0.99 } };

	for (unsigned i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		struct bench_metric_id id = { .name = "c2c.round_trip",
					      .unit = "ns",
					      .source = BENCH_SOURCE_MODULE,
					      .better = BENCH_BETTER_LOWER,
					      .labels = { { "stat", stats[i].name } } };

		if (class)
			id.labels[1] = (struct bench_label){ "class", class };
		if (samples->count)
			bench_metric_put(job->metrics, &id,
					 (double)bench_hist_at(samples, stats[i].q) / 1000);
		else
			bench_metric_put_status(job->metrics, &id, BENCH_NOT_COUNTED, 0,
						"no sample without a context switch");
	}
}

static inline void c2c_report_pair(struct bench_job *job, const struct c2c_pair *pair)
{
	char first[16], second[16];
	struct bench_metric_id id = { .name = "c2c.pair",
				      .unit = "ns",
				      .source = BENCH_SOURCE_MODULE,
				      .better = BENCH_BETTER_LOWER,
				      .labels = { { "cpu", first },
						  { "peer", second },
						  { "class", c2c_class_names[pair->class] } } };

	snprintf(first, sizeof(first), "%d", job->cpus ? job->cpus[pair->first] : -1);
	snprintf(second, sizeof(second), "%d", job->cpus ? job->cpus[pair->second] : -1);
	if (pair->samples->count)
		bench_metric_put(job->metrics, &id, (double)bench_hist_at(pair->samples, 0.5) / 1000);
	else
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_COUNTED, 0,
					pair->discarded ? "no sample without a context switch" :
							  "the trial was over before its turn");
}

/* Each pair, and the classes that there are. */
static inline void c2c_pairs_report(struct bench_job *job, const struct c2c_pairs *pairs)
{
	struct bench_hist *sum = bench_hist_new(BENCH_HIST_BITS_WORKER);

	for (unsigned i = 0; i < pairs->nr; i++)
		c2c_report_pair(job, &pairs->pair[i]);
	for (unsigned class = 0; sum && class < C2C_CLASSES; class++) {
		bool any = false;

		bench_hist_reset(sum);
		for (unsigned i = 0; i < pairs->nr; i++) {
			if (pairs->pair[i].class != class)
				continue;
			bench_hist_merge(sum, pairs->pair[i].samples);
			any = true;
		}
		if (any)
			c2c_report_stats(job, c2c_class_names[class], sum);
	}
	bench_hist_free(sum);
}

#endif
