/* SPDX-License-Identifier: BSD-2-Clause */
/* Known loads, and windows over them. */
#ifndef TESTS_PROBE_RIG_H
#define TESTS_PROBE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/clock.h"
#include "core/result.h"
#include "probe/probe.h"

#define MS BENCH_NS_PER_MS

static inline uint64_t thread_cpu_ns(clockid_t clock)
{
	struct timespec ts = { 0 };

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static inline void sleep_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / BENCH_NS_PER_SEC),
			       .tv_nsec = (long)(ns % BENCH_NS_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static inline void sleep_for(uint64_t ns)
{
	sleep_until(bench_now_ns() + ns);
}

/* --- threads --- */

enum load { LOAD_SPIN, LOAD_NAP };

struct loader {
	pthread_t thread;
	pid_t tid;
	clockid_t clock; /* of its CPU time */
	int cpu;
	enum load load;
	uint64_t nap_ns, burn_ns; /* LOAD_NAP: sleep, then spin */
	atomic_bool stop, ready;
	atomic_uint_fast64_t naps;
};

static inline void burn(uint64_t ns)
{
	uint64_t end = thread_cpu_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (thread_cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

static inline void bind_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set); /* a test that needs it would fail */
}

static inline void *loader_main(void *arg)
{
	struct loader *l = arg;

	if (l->cpu >= 0)
		bind_to(l->cpu);
	l->tid = gettid();
	atomic_store(&l->ready, true);
	while (!atomic_load(&l->stop)) {
		if (l->load == LOAD_SPIN)
			continue;
		sleep_for(l->nap_ns);
		if (l->burn_ns)
			burn(l->burn_ns);
		atomic_fetch_add(&l->naps, 1);
	}
	return NULL;
}

static inline void loader_start(struct loader *l, enum load load, int cpu)
{
	l->load = load;
	l->cpu = cpu;
	atomic_store(&l->stop, false);
	atomic_store(&l->ready, false);
	assert_int_equal(pthread_create(&l->thread, NULL, loader_main, l), 0);
	while (!atomic_load(&l->ready))
		sleep_for(MS / 10);
	assert_int_equal(pthread_getcpuclockid(l->thread, &l->clock), 0);
}

static inline void loader_stop(struct loader *l)
{
	atomic_store(&l->stop, true);
	pthread_join(l->thread, NULL);
}

/* --- the set and its windows --- */

static inline void need_root(void)
{
	if (geteuid()) {
		printf("skip: loading BPF programs needs root\n");
		skip();
	}
}

static inline struct probe_set *set_open(const char *list, const char *fallback)
{
	struct bench_err err = { 0 };
	struct probe_set *set = NULL;
	int ret;

	if (fallback)
		setenv("BENCH_PROBE_FALLBACK", fallback, 1);
	else
		unsetenv("BENCH_PROBE_FALLBACK");
	ret = probe_open(&set, list, &err);
	unsetenv("BENCH_PROBE_FALLBACK");
	if (ret)
		fail_msg("probe_open: %s", err.msg);
	return set;
}

static inline void set_track(struct probe_set *set, pid_t tid, bool children)
{
	struct bench_err err = { 0 };

	if (probe_track(set, tid, children, &err))
		fail_msg("probe_track: %s", err.msg);
}

/* This window's metrics. New reference. */
static inline json_t *set_read(struct probe_set *set, const int *cpus, unsigned nr)
{
	struct bench_metric_set *metrics = metric_set_new();
	json_t *json;

	assert_non_null(metrics);
	metric_set_next_trial(metrics);
	probe_put(set, cpus, nr, metrics);
	json = metric_set_json(metrics);
	metric_set_free(metrics);
	return json;
}

static inline struct bench_window set_window(struct probe_set *set, uint64_t lead_ns,
					     uint64_t length_ns)
{
	struct bench_window w = { .start_ns = bench_now_ns() + lead_ns };

	w.end_ns = w.start_ns + length_ns;
	probe_window(set, &w);
	return w;
}

/* A window of length_ns that starts in 1 ms, slept through. */
static inline json_t *set_measure(struct probe_set *set, uint64_t length_ns, const int *cpus,
				  unsigned nr)
{
	struct bench_window w = set_window(set, MS, length_ns);

	sleep_until(w.end_ns);
	return set_read(set, cpus, nr);
}

/* A row of metrics by name and up to two labels (NULL = not given). */
static inline const json_t *row(const json_t *metrics, const char *name, const char *key,
				const char *value, const char *key2, const char *value2)
{
	size_t i;
	json_t *m;

	json_array_foreach (metrics, i, m) {
		const json_t *labels = json_object_get(m, "labels");

		if (strcmp(bench_result_str(m, "name"), name))
			continue;
		if (json_object_size(labels) != (size_t) !!key + (size_t) !!key2)
			continue;
		if (key && strcmp(bench_result_str(labels, key), value))
			continue;
		if (key2 && strcmp(bench_result_str(labels, key2), value2))
			continue;
		return m;
	}
	return NULL;
}

static inline double value_of(const json_t *m)
{
	return m && bench_result_has_value(m) ? json_number_value(json_object_get(m, "value"))
					      : (double)NAN;
}

static inline double value(const json_t *metrics, const char *name, const char *key, const char *v)
{
	return value_of(row(metrics, name, key, v, NULL, NULL));
}

static inline double on_cpu(const json_t *metrics, const char *name, int cpu)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", cpu);
	return value(metrics, name, "cpu", text);
}

/* Share of time that a CPU spent at depth; 0 where there is no row. */
static inline double at_depth(const json_t *metrics, int cpu, unsigned depth)
{
	char c[16], d[16];
	const json_t *m;

	snprintf(c, sizeof(c), "%d", cpu);
	snprintf(d, sizeof(d), "%u", depth);
	m = row(metrics, "sched.runq_time", "cpu", c, "depth", d);
	return m ? value_of(m) : 0;
}

static inline double hist(const json_t *metrics, const char *name, const char *field)
{
	const json_t *m = row(metrics, name, NULL, NULL, NULL, NULL);
	const json_t *h = m ? json_object_get(m, "hist") : NULL;
	const json_t *v = h ? json_object_get(h, field) : NULL;

	return v && json_is_number(v) ? json_number_value(v) : 0;
}

static inline double lost_events(struct probe_set *set)
{
	json_t *overhead = probe_overhead(set);
	double lost = bench_result_num(overhead, "events.lost");

	json_decref(overhead);
	return lost;
}

/* How long a CPU has idled since the host came up, s, in steps of a clock tick: proc_stat(5). */
static inline double idle_s(int cpu)
{
	FILE *f = fopen("/proc/stat", "re");
	unsigned long long idle, iowait;
	double ret = NAN;
	char line[512];
	int at;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "cpu%d %*u %*u %*u %llu %llu", &at, &idle, &iowait) == 3 &&
		    at == cpu)
			ret = (double)(idle + iowait) / (double)sysconf(_SC_CLK_TCK);
	if (f)
		fclose(f);
	return ret;
}

static inline int last_cpu(void)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	return 0;
}

#endif
