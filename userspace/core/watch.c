// SPDX-License-Identifier: BSD-2-Clause
#include "core/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/clock.h"
#include "core/collect.h"
#include "core/exec.h"
#include "core/observer.h"
#include "core/result.h"
#include "core/sampling.h"
#include "core/series.h"
#include "core/trace.h"
#include "core/verdict.h"

/* How often the loop looks for an interruption, and who has joined or left a cgroup. */
#define LOOK_NS (100 * BENCH_NS_PER_MS)

struct watch {
	struct run *run;
	const struct exec_settings *settings;
	char name[256];
	int pidfd; /* -1 = a cgroup is watched */
	bool over; /* it has ended */
	struct tree who;
	unsigned nr_threads;		   /* at the start */
	bool told;			   /* that some cannot be followed */
	int cgroup_fd;			   /* -1 = not open */
	bool by_cgroup;			   /* counters are on it, not on its threads */
	bool started;			   /* the window has begun */
	struct counter_session **sessions; /* one for each thread that was there */
	unsigned nr_sessions, room;
	int *cpus;
	unsigned nr_cpus;
	struct bench_metric_set *metrics;
	struct sampler *sampler; /* NULL without probes */
	struct bench_window window;
};

static int pidfd_of(pid_t pid, struct bench_err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		return fd;
	if (errno == ESRCH)
		return bench_fail(err, -ESRCH, "-p: there is no process %d", (int)pid);
	/* pidfd_open(2), EINVAL; since 6.9 ENOENT: it is not the leader of its thread group. */
	if (errno == EINVAL || errno == ENOENT)
		return bench_fail(err, -EINVAL, "-p: %d is a thread; give its process", (int)pid);
	return bench_fail(err, -errno, "-p: process %d: %s", (int)pid, strerror(errno));
}

int watch_check(const struct exec_settings *settings, struct bench_err *err)
{
	const struct settings *common = &settings->common;
	struct tree who = { 0 };
	int rc;

	if (settings->pid && settings->cgroup)
		return bench_fail(err, -EINVAL, "give either -p or --cgroup, not both");
	if (!strcmp(common->probes, "none") && !strcmp(common->counters, "none"))
		return bench_fail(err, -EINVAL,
				  "there is nothing to watch with: give probes or --counters");
	if (common->observer == OBSERVER_AB)
		return bench_fail(err, -EINVAL, "--observer=ab needs runs to compare");
	if (settings->pid) {
		rc = pidfd_of((pid_t)settings->pid, err);
		if (rc >= 0)
			close(rc);
		return rc < 0 ? rc : 0;
	}
	rc = watch_who(&who, settings, err);
	if (!rc && !who.nr)
		rc = bench_fail(err, -ESRCH, "cgroup '%s': no process is in it", settings->cgroup);
	tree_done(&who);
	return rc;
}

static void on_end(void *arg, short revents)
{
	struct watch *w = arg;

	(void)revents;
	w->over = true;
}

/* --- members --- */

static int count(struct watch *w, const struct counter_target *target, struct bench_err *err)
{
	struct bench_err why = { 0 };
	int rc;

	if (w->nr_sessions == w->room) {
		unsigned room = w->room ? 2 * w->room : 16;
		struct counter_session **grown = reallocarray(w->sessions, room, sizeof(*grown));

		if (!grown)
			return bench_fail(err, -ENOMEM, "out of memory");
		w->sessions = grown;
		w->room = room;
	}
	rc = counter_open(&w->sessions[w->nr_sessions], w->run->counters, target, 0, &why);
	if (rc == -ESRCH) /* it has ended */
		return 0;
	if (rc)
		return bench_fail(err, rc, "%s", why.msg);
	rc = counter_enable(w->sessions[w->nr_sessions++]);
	return rc ? bench_fail(err, rc, "counters: %s", strerror(-rc)) : 0;
}

/* Can this cgroup be counted as such? Not below v1's hierarchies but perf_event's. */
static bool cgroup_counts(int fd, int cpu)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_CPU_CLOCK };
	int event = (int)syscall(SYS_perf_event_open, &attr, fd, cpu, -1,
				 PERF_FLAG_PID_CGROUP | PERF_FLAG_FD_CLOEXEC);

	if (event >= 0)
		close(event);
	return event >= 0;
}

/* Counters on the cgroup, one for each CPU: whoever is in it is counted, whenever he joins. Where
 * the kernel cannot do that they are on the threads that are there now, and what these make. */
static int count_cgroup(struct watch *w, struct bench_err *err)
{
	int rc = 0;

	w->cgroup_fd = open(w->settings->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->cgroup_fd < 0)
		return bench_fail(err, -errno, "cgroup '%s': %s", w->settings->cgroup,
				  strerror(errno));
	w->by_cgroup = cgroup_counts(w->cgroup_fd, w->cpus[0]);
	for (unsigned i = 0; w->by_cgroup && i < w->nr_cpus && !rc; i++) {
		const struct counter_target target = { .tid = w->cgroup_fd,
						       .cpu = w->cpus[i],
						       .cgroup = true };

		rc = count(w, &target, err);
	}
	if (!w->by_cgroup)
		result_warn(
			w->run->result,
			"%s cannot be counted as a cgroup: counters are those of the threads that "
			"were there at the start, and of what they made",
			w->name);
	return rc;
}

/* A thread that came while the counters were put on the others is counted if one of those made it that
 * had its counters already, and nobody can tell. */
static int tell_uncounted(struct watch *w, pid_t pid, const struct tree *counted)
{
	struct tree now = { 0 };
	unsigned nr = 0;
	int rc = watch_threads(&now, pid);

	for (unsigned i = 0; i < now.nr; i++)
		nr += !tree_has(counted, now.pids[i]);
	if (nr)
		result_warn(w->run->result,
			    "process %d made %u thread%s while counters were put on it: the counts may be "
			    "without %s",
			    (int)pid, nr, nr == 1 ? "" : "s", nr == 1 ? "it" : "them");
	tree_done(&now);
	return rc;
}

static int count_threads(struct watch *w, pid_t pid, const struct tree *threads,
			 struct bench_err *err)
{
	int rc = 0;

	if (!w->run->counters || w->by_cgroup || w->started)
		return 0;
	for (unsigned i = 0; i < threads->nr && !rc; i++) {
		const struct counter_target target = { .tid = threads->pids[i],
						       .cpu = -1,
						       .inherit = true };

		rc = count(w, &target, err);
	}
	if (!rc && tell_uncounted(w, pid, threads))
		rc = bench_fail(err, -ENOMEM, "out of memory");
	return rc;
}

/* What begins later was made by one that is sampled, and is sampled with it. */
static int sample(struct watch *w, pid_t pid, pid_t tid, struct bench_err *err)
{
	struct bench_err why = { 0 };
	int rc = sampling_follow(w->run->sampling, pid, tid, false, w->cpus, w->nr_cpus, &why);

	if (!rc || rc == -ESRCH) /* it has ended */
		return 0;
	return bench_fail(err, rc, "%s", why.msg);
}

/* Counters and probes on a process as it is now; what it forks and clones is followed from then on.
 */
static int join(struct watch *w, pid_t pid, struct bench_err *err)
{
	struct tree threads = { 0 };
	struct bench_err why = { 0 };
	int rc = watch_threads(&threads, pid);

	rc = rc ? bench_fail(err, rc, "out of memory") : count_threads(w, pid, &threads, err);
	for (unsigned i = 0; !w->started && i < threads.nr && !rc; i++)
		rc = sample(w, pid, threads.pids[i], err);
	w->nr_threads += threads.nr;
	tree_done(&threads);
	/* A thread that was cloned by one not yet followed, with a number that was passed already,
	 * is met by the second visit. */
	for (unsigned pass = 0; w->run->probes && pass < 2; pass++) {
		int tracked = probe_track(w->run->probes, pid, true, &why);

		if (!tracked || tracked == -ESRCH || w->told)
			continue;
		result_warn(w->run->result, "not all of it is followed: %s", why.msg);
		w->told = true;
	}
	return rc;
}

/* Join those that are not followed. */
static int join_new(struct watch *w, bool *ret_any, struct bench_err *err)
{
	struct tree now = { 0 };
	int rc = watch_who(&now, w->settings, err);

	*ret_any = now.nr > 0;
	for (unsigned i = 0; i < now.nr && !rc; i++) {
		if (tree_has(&w->who, now.pids[i]))
			continue;
		rc = tree_add(&w->who, now.pids[i]);
		rc = rc ? rc : join(w, now.pids[i], err);
	}
	tree_done(&now);
	return rc;
}

/* --- the window --- */

static int wait_for_end(struct watch *w, struct bench_err *err)
{
	struct loop *loop = runtime_loop(w->run->runtime);
	uint64_t end_ns =
		w->settings->watch_ns ? w->window.start_ns + w->settings->watch_ns : UINT64_MAX;
	bool watched = w->pidfd >= 0, any = true;
	int rc = watched ? loop_watch(loop, w->pidfd, POLLIN, on_end, w) : 0;

	if (rc)
		return bench_fail(err, rc, "watching: %s", strerror(-rc));
	while (!rc && !w->over && !w->run->stop && bench_now_ns() < end_ns) {
		uint64_t until = bench_now_ns() + LOOK_NS;

		rc = loop_run(loop, &w->over, until < end_ns ? until : end_ns);
		if (rc == -ETIME)
			rc = 0;
		if (rc)
			bench_fail(err, rc, "watching: %s", strerror(-rc));
		else if (!watched)
			rc = join_new(w, &any, err);
		/* It may have been removed with its last process. */
		if (!watched && (rc == -ENOENT || rc == -ENODEV || (!rc && !any))) {
			*err = (struct bench_err){ 0 };
			rc = 0;
			w->over = true;
		}
	}
	if (watched)
		loop_unwatch(loop, w->pidfd);
	return rc;
}

static void put(struct watch *w, const char *name, const char *unit, double value)
{
	const struct bench_metric_id id = { .name = name,
					    .unit = unit,
					    .source = BENCH_SOURCE_MODULE };

	bench_metric_put(w->metrics, &id, value);
}

static void take(struct watch *w, const struct collect_span *span)
{
	struct run *run = w->run;

	metric_set_next_trial(w->metrics);
	put(w, "wall", "ns", (double)(w->window.end_ns - w->window.start_ns));
	put(w, "watched.processes", "count", w->who.nr);
	put(w, "watched.threads", "count", w->nr_threads);
	if (run->counters)
		counter_put(run->counters, w->sessions, w->nr_sessions, "tree", 0, w->metrics);
	if (run->probes)
		probe_put(run->probes, w->cpus, w->nr_cpus, w->metrics);
	host_put(&span->host[0], &span->host[1], w->metrics);
}

static int watch_window(struct watch *w, struct bench_err *err)
{
	struct run *run = w->run;
	struct collect_span span;
	bool any;
	int rc = run->counters && w->settings->cgroup ? count_cgroup(w, err) : 0;

	rc = rc ? rc : join_new(w, &any, err);
	if (rc)
		return rc;
	w->started = true;
	collect_begin(&span, NULL);
	w->window = (struct bench_window){ .start_ns = bench_now_ns(), .end_ns = UINT64_MAX };
	if (run->probes)
		probe_window(run->probes, &w->window);
	if (w->sampler)
		sampler_begin(w->sampler, w->window.start_ns, UINT64_MAX, 1);
	sampling_begin(run->sampling);
	trace_begin(run->trace, 0, 1);
	for (unsigned i = 0; i < w->nr_sessions; i++)
		(void)counter_enable(w->sessions[i]); /* they count from here on */
	rc = wait_for_end(w, err);
	for (unsigned i = 0; i < w->nr_sessions; i++)
		(void)counter_disable(w->sessions[i]); /* a reading that fails says so itself */
	w->window.end_ns = bench_now_ns();
	if (w->sampler)
		sampler_end(w->sampler, w->window.end_ns, !rc);
	sampling_stop(run->sampling);
	trace_end(run->trace, &w->window, !rc);
	collect_end(&span, NULL);
	if (run->probes)
		probe_window(run->probes, &w->window);
	if (!rc)
		take(w, &span);
	sampling_end(run->sampling, 0, &w->window);
	return rc;
}

/* --- the job --- */

static void tell_early(struct watch *w)
{
	double took = (double)(w->window.end_ns - w->window.start_ns) / 1e9;

	if (w->over && w->settings->watch_ns)
		result_warn(w->run->result, "%s ended after %.3g s: the numbers are of that time",
			    w->name, took);
}

static json_t *row(struct watch *w, const char *status, const char *reason)
{
	const struct exec_settings *s = w->settings;
	json_t *params = json_object(), *object, *series;

	if (s->cgroup)
		json_object_set_new(params, "cgroup", result_text(s->cgroup));
	else
		json_object_set_new(params, "pid", json_integer((json_int_t)s->pid));
	json_object_set_new(params, "duration", json_integer((json_int_t)s->watch_ns));
	object = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:[], s:i, s:n, s:o}", "name",
			   result_text(w->name), "module", "watch", "exec", "blocking", "runtime",
			   runtime_name(runtime_active(w->run->runtime)), "status", status,
			   "reason", result_text(reason), "op", "all that it did meanwhile",
			   "params", params, "placement", "trials", 1, "trial_ns", "metrics",
			   metric_set_json(w->metrics));
	observer_warnings(w->run, object);
	probe_stacks(w->run->probes, 0, object);
	if (w->sampler && sampler_first_ns(w->sampler))
		json_object_set_new(object, "at_ns",
				    json_integer((json_int_t)(sampler_first_ns(w->sampler) -
							      w->run->started_ns)));
	series = w->sampler ? sampler_json(w->sampler) : NULL;
	if (series)
		json_object_set_new(object, "series", series);
	return object;
}

static int prepare(struct watch *w, struct bench_err *err)
{
	struct run *run = w->run;

	watch_name(w->settings, w->name, sizeof(w->name));
	if (w->settings->pid) {
		w->pidfd = pidfd_of((pid_t)w->settings->pid, err);
		if (w->pidfd < 0)
			return w->pidfd;
	}
	w->metrics = metric_set_new();
	w->nr_cpus = topology_nr_cpus(run->topology);
	w->cpus = calloc(w->nr_cpus, sizeof(*w->cpus));
	if (!w->metrics || !w->cpus)
		return bench_fail(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < w->nr_cpus; i++)
		w->cpus[i] = topology_cpu(run->topology, i)->os_index;
	if (run->probes) {
		const struct sampler_config config = { .loop = runtime_loop(run->runtime),
						       .probes = run->probes,
						       .cpus = w->cpus,
						       .nr_cpus = w->nr_cpus,
						       .live = run->live,
						       .interval_ns =
							       w->settings->common.interval_ns };

		w->sampler = sampler_new(&config);
	}
	/* There is one window, so that all groups have to share it. */
	if (run->counters)
		counter_plan_multiplex(run->counters);
	progress_run(&run->progress, 1, w->settings->watch_ns);
	run->progress.job = 1;
	snprintf(run->progress.name, sizeof(run->progress.name), "watch");
	progress_step(&run->progress, "%s", w->settings->watch_ns ? "" : "until ^C");
	return 0;
}

int watch_execute(struct run *run, const struct exec_settings *settings, struct bench_err *err)
{
	struct watch w = { .run = run, .settings = settings, .pidfd = -1, .cgroup_fd = -1 };
	int rc = prepare(&w, err), code = EXEC_FAILED;
	json_t *job;

	rc = rc ? rc : watch_window(&w, err);
	progress_clear(&run->progress);
	if (!rc) {
		/* Ending a watch by ^C is what one does. */
		if (run->stop && run->signo == SIGINT) {
			run->stop = false;
			run->signo = 0;
		}
		code = run->stop ? 128 + run->signo : 0;
		tell_early(&w);
		job = row(&w, run->stop ? "interrupted" : "ok",
			  run->stop ? strsignal(run->signo) : NULL);
		verdict_add(job);
		json_array_append_new(json_object_get(run->result, "jobs"), job);
		live_job(run->live, 1, job, 0, true);
		trace_job(run->trace, 0, job);
	}
	if (run->probes)
		probe_untrack_all(run->probes);
	sampling_unfollow(run->sampling);
	for (unsigned i = 0; i < w.nr_sessions; i++)
		counter_close(w.sessions[i]);
	free(w.sessions);
	free(w.cpus);
	sampler_free(w.sampler);
	metric_set_free(w.metrics);
	tree_done(&w.who);
	if (w.pidfd >= 0)
		close(w.pidfd);
	if (w.cgroup_fd >= 0)
		close(w.cgroup_fd);
	return code;
}
