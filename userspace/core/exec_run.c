// SPDX-License-Identifier: BSD-2-Clause
// One run of a command, under counters and probes.
#include "core/exec_job.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/clock.h"
#include "core/collect.h"
#include "core/result.h"
#include "core/sampling.h"
#include "core/series.h"
#include "core/trace.h"
#include "core/usage.h"
#include "counters/packages.h"

/* How often the loop looks whether the user interrupted. */
#define LOOK_NS (100 * BENCH_NS_PER_MS)

/* Two readings of the host closer than this are one. */
#define SAME_NS BENCH_NS_PER_MS
/* Steal and stalls are told in ticks of 10 ms: of a shorter run they say nothing. */
#define TOLD_NS (20 * BENCH_NS_PER_MS)
/* How long runs of a short command go on by themselves. */
#define SERIES_NS (100 * BENCH_NS_PER_MS)

/* The kernel counts resident pages per CPU in batches of 32 or more, and exec(2) touches some. */
#define RSS_GRAIN (512 * 1024)

void child_init(struct child *c, struct spawner *spawner)
{
	*c = (struct child){ .spawner = spawner, .at = { .pid = -1, .gate = -1 } };
}

static void on_answer(void *arg, short revents)
{
	struct exec_session *s = arg;
	struct child *c = s->child;

	(void)revents;
	/* The helper is gone, which the next request meets. */
	if (!c || c->answered) {
		exec_unwatch(s);
		return;
	}
	c->answer = spawner_ended(s->spawner, s->ends);
	c->answered = c->answer != -EAGAIN;
	if (c->answer > 0)
		c->end = s->ends[c->answer - 1];
}

int exec_watch(struct exec_session *s)
{
	return loop_watch(runtime_loop(s->run->runtime), s->spawner->sock, POLLIN, on_answer, s);
}

void exec_unwatch(struct exec_session *s)
{
	loop_unwatch(runtime_loop(s->run->runtime), s->spawner->sock);
}

/* Have the whole tree ended: when the user interrupts, unless to_the_end, or when it is late. */
static int child_stop(const struct run *run, struct child *c, bool to_the_end, uint64_t deadline_ns,
		      bool *ret_asked)
{
	*ret_asked = true;
	if (run->stop && !to_the_end)
		return spawner_stop(c->spawner, run->signo, run->si_code == SI_KERNEL);
	c->timed_out = bench_now_ns() >= deadline_ns;
	if (c->timed_out)
		return spawner_stop(c->spawner, SIGTERM, false);
	*ret_asked = false;
	return 0;
}

/* Returns when the command has exited and, after an interruption or a timeout, all that it started. */
static int child_wait(struct exec_session *s, struct child *c, bool to_the_end, uint64_t deadline_ns)
{
	struct loop *loop = runtime_loop(s->run->runtime);
	bool asked = false;
	int rc = 0;

	s->child = c;
	while (!rc && !c->answered) {
		uint64_t until = bench_now_ns() + LOOK_NS;

		if (!asked)
			rc = child_stop(s->run, c, to_the_end, deadline_ns, &asked);
		if (!asked && deadline_ns < until)
			until = deadline_ns;
		rc = rc ? rc : loop_run(loop, &c->answered, until);
		if (rc == -ETIME)
			rc = 0;
	}
	s->child = NULL;
	/* What ended it (^C, say) was sent to us as well, and may not have been looked at. */
	if (!rc && c->end.status && !s->run->stop)
		(void)loop_run(loop, &s->run->stop, bench_now_ns());
	rc = rc || c->answer > 0 ? rc : c->answer;
	rc = rc ? rc : c->end.error;
	/* It had ended when it became late; only the word of it came afterwards. */
	if (c->timed_out && c->end.exit_ns && c->end.exit_ns < deadline_ns)
		c->timed_out = false;
	return rc;
}

/* From the moment before execve(2), so that the way there, which --counters and probes make longer, is
 * not in it. */
uint64_t child_wall_ns(const struct child *c)
{
	return c->end.exit_ns - c->end.start_ns;
}

int child_exit_code(const struct child *c)
{
	int status = c->end.status;

	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void put(struct exec_job *job, const char *name, const char *unit, enum bench_better better,
		double value, const char *note)
{
	const struct bench_metric_id id = {
		.name = name, .unit = unit, .source = BENCH_SOURCE_MODULE, .better = better
	};

	bench_metric_put_status(job->metrics, &id, BENCH_OK, value, note);
}

static uint64_t tv_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * BENCH_NS_PER_SEC + (uint64_t)tv.tv_usec * BENCH_NS_PER_US;
}

static void put_usage(struct exec_job *job, const struct child *c)
{
	const struct rusage *usage = &c->end.usage;
	uint64_t rss = (uint64_t)usage->ru_maxrss * 1024; /* KiB (man getrusage) */
	char note[160] = "", peak[160];

	if (c->end.nr_running)
		snprintf(note, sizeof(note),
			 "%u process%s still running at its end: counted up to then",
			 c->end.nr_running, c->end.nr_running == 1 ? "" : "es");
	put(job, "user", "ns", BENCH_BETTER_LOWER, (double)tv_ns(usage->ru_utime),
	    note[0] ? note : NULL);
	put(job, "sys", "ns", BENCH_BETTER_LOWER, (double)tv_ns(usage->ru_stime),
	    note[0] ? note : NULL);
	snprintf(peak, sizeof(peak), "%s", "of the largest single process");
	if (rss <= c->end.rss_floor + RSS_GRAIN)
		snprintf(peak, sizeof(peak), "at most: it held %.1f MiB before it began",
			 (double)c->end.rss_floor / (1 << 20));
	put(job, "maxrss", "B", BENCH_BETTER_LOWER, (double)rss, peak);
}

static bool is_brief(const struct exec_job *job)
{
	return job->wall_ns && job->wall_ns < TOLD_NS;
}

/* How many runs in a row need nothing from here in between. */
static unsigned series(const struct exec_job *job, enum run_kind kind, uint64_t left)
{
	const struct exec_session *s = job->session;
	uint64_t nr;

	if (kind != RUN_TIMED || !is_brief(job) || s->plan->nr > 1 ||
	    job->spec->hooks[EXEC_PREPARE] >= 0 || s->settings->timeout_ns || s->packages ||
	    s->run->counters || s->run->probes || s->run->sampling || s->run->trace)
		return 1;
	nr = SERIES_NS / job->wall_ns;
	nr = nr < left ? nr : left;
	return nr < SPAWN_RUNS ? (unsigned)nr : SPAWN_RUNS;
}

static void collect(struct exec_job *job, const struct child *c, struct counter_session *session,
		    const struct collect_span *span)
{
	struct exec_session *s = job->session;
	struct run *run = s->run;
	struct usage usage;

	metric_set_next_trial(job->metrics);
	put(job, "wall", "ns", BENCH_BETTER_LOWER, (double)child_wall_ns(c), NULL);
	put_usage(job, c);
	put(job, "exit_status", "status", BENCH_BETTER_NONE, child_exit_code(c), NULL);
	usage_of(&c->end.usage, &usage);
	if (!run->counters)
		usage_put(&usage, "tree", 0, job->metrics);
	if (session)
		counter_put(run->counters, &session, 1, "tree", 0, job->metrics);
	packages_put(s->packages, 0, job->metrics);
	if (run->probes)
		probe_put(run->probes, s->cpus, s->nr_cpus, job->metrics);
	if (span->host[0].at_ns)
		host_put(&span->host[0], &span->host[1], job->metrics);
	job->wall_ns = child_wall_ns(c);
	job->nr_trials++;
}

/* The runs of a series before its last ended well. */
static void collect_series(struct exec_job *job, const struct child *c)
{
	const struct collect_span none = { 0 };
	struct child earlier = *c;

	for (int i = 0; i < c->answer - 1; i++) {
		earlier.end = job->session->ends[i];
		collect(job, &earlier, NULL, &none);
	}
}

/* Counters and probes on the command that stands at its gate. */
static int follow(struct exec_job *job, enum run_kind kind, const struct child *c,
		  struct counter_session **ret_session, struct bench_err *err)
{
	struct run *run = job->session->run;
	const struct counter_target target = {
		.tid = c->at.pid, .cpu = -1, .inherit = true, .enable_on_exec = true
	};
	struct bench_err why = { 0 };
	int rc = 0;

	if (kind != RUN_WARM_UP && run->counters)
		rc = counter_open(ret_session, run->counters, &target, job->nr_trials, err);
	if (!rc && kind == RUN_TIMED)
		rc = sampling_follow(run->sampling, c->at.pid, c->at.pid, true, job->session->cpus,
				     job->session->nr_cpus, err);
	if (!rc && kind == RUN_TIMED && run->probes && probe_track(run->probes, c->at.pid, true, &why))
		result_warn(run->result, "probes do not follow the command: %s", why.msg);
	return rc;
}

/* Between two runs: what is known of the job by now. */
static void tell_viewer(const struct exec_job *job)
{
	struct live *live = job->session->run->live;
	json_t *object;

	if (!live_watched(live))
		return;
	object = json_pack("{s:o, s:s, s:s, s:i, s:o}", "name", result_text(job->spec->name), "module",
			   "exec", "status", job->status, "trials", (int)job->nr_trials, "metrics",
			   metric_set_json(job->metrics));
	live_job(live, (unsigned)(job - job->session->jobs) + 1, object,
		 job->sampler ? sampler_first_ns(job->sampler) : 0, false);
	json_decref(object);
}

/* The job's numbers of a run that is over. */
static void take(struct exec_job *job, const struct child *c, struct counter_session *session,
		 struct collect_span *span)
{
	struct run *run = job->session->run;

	if (span->host[0].at_ns) {
		collect_end(span, NULL);
		job->session->host = span->host[1];
	}
	if (run->probes)
		probe_window(run->probes, &job->window);
	if (c->end.exec_errno || !c->end.start_ns || c->timed_out || run->stop)
		return;
	collect(job, c, session, span);
	tell_viewer(job);
	json_decref(job->warnings);
	job->warnings = run->probes ? json_array() : NULL;
	if (run->probes)
		probe_warnings(run->probes, job->warnings);
}

/* Reading the host costs as much as starting a short command: the reading after the run before will
 * do when nothing lies in between, and a command that took so little last time is run without. */
static void look_at_host(const struct exec_job *job, struct collect_span *span)
{
	const struct exec_session *s = job->session;

	span->host[0].at_ns = 0;
	if (is_brief(job))
		return;
	if (s->host.at_ns && bench_now_ns() - s->host.at_ns < SAME_NS)
		span->host[0] = s->host;
	else
		collect_begin(span, NULL);
}

/* To its gate, with counters and probes on it. Where there are none it begins at once. */
static int begin(struct exec_job *job, enum run_kind kind, uint64_t left, struct child *c,
		 struct counter_session **ret_session, struct bench_err *err)
{
	struct exec_session *s = job->session;
	bool gate = kind != RUN_WARM_UP && (s->run->counters || s->run->probes || s->run->sampling);
	int rc;

	if (!gate)
		return spawner_run(c->spawner, job->spec->command, series(job, kind, left), err);
	rc = spawner_start(c->spawner, job->spec->command, &c->at, err);
	if (rc)
		return rc;
	rc = follow(job, kind, c, ret_session, err);
	if (rc) {
		/* Sent home, it is answered like any other. */
		spawned_done(&c->at);
		(void)child_wait(s, c, true, UINT64_MAX);
	}
	return rc;
}

int exec_run(struct exec_job *job, enum run_kind kind, uint64_t left, struct child *c,
	     struct bench_err *err)
{
	bool timed = kind == RUN_TIMED;
	struct counter_session *session = NULL;
	struct exec_session *s = job->session;
	uint64_t timeout_ns = s->settings->timeout_ns;
	struct run *run = s->run;
	struct collect_span span;
	int rc;

	if (timed)
		look_at_host(job, &span);
	rc = begin(job, kind, left, c, &session, err);
	if (rc)
		goto out;
	job->window = (struct bench_window){ .start_ns = bench_now_ns(), .end_ns = UINT64_MAX };
	if (timed && run->probes)
		probe_window(run->probes, &job->window);
	if (timed && job->sampler)
		sampler_begin(job->sampler, job->window.start_ns, UINT64_MAX, job->nr_trials + 1);
	if (timed) {
		sampling_begin(run->sampling);
		trace_begin(run->trace, (unsigned)(job - s->jobs), job->nr_trials + 1);
	}
	packages_begin(s->packages);
	if (c->at.gate >= 0)
		spawned_go(&c->at);
	rc = child_wait(s, c, false,
			timeout_ns ? job->window.start_ns + timeout_ns : UINT64_MAX);
	packages_end(s->packages);
	job->window.end_ns = c->end.exit_ns;
	if (timed && job->sampler)
		sampler_end(job->sampler, c->end.exit_ns,
			    !rc && !c->end.exec_errno && !c->timed_out && !run->stop);
	if (timed) {
		sampling_stop(run->sampling);
		trace_end(run->trace, &job->window, !rc && !c->end.exec_errno && !run->stop);
	}
	if (timed)
		collect_series(job, c);
	if (rc)
		bench_fail(err, rc, "waiting for the command: %s", strerror(-rc));
	else if (timed)
		take(job, c, session, &span);
	if (timed)
		sampling_end(run->sampling, (unsigned)(job - s->jobs), &job->window);
out:
	counter_close(session);
	sampling_unfollow(run->sampling);
	if (run->probes)
		probe_untrack_all(run->probes);
	return rc;
}

static int explain_hook(const struct child *c, enum exec_hook hook, const char *line,
			struct bench_err *err)
{
	static const char *const names[EXEC_NR_HOOKS] = { "setup", "prepare", "cleanup" };
	int status = c->end.status;

	if (c->end.exec_errno)
		return bench_fail(err, -c->end.exec_errno, "--%s: cannot run /bin/sh: %s", names[hook],
				  strerror(c->end.exec_errno));
	if (WIFSIGNALED(status))
		return bench_fail(err, -ECANCELED, "--%s: '%s' was killed by signal %d (%s)",
				  names[hook], line, WTERMSIG(status), strsignal(WTERMSIG(status)));
	return bench_fail(err, -ECANCELED, "--%s: '%s' exited with status %d", names[hook], line,
			  WEXITSTATUS(status));
}

int exec_run_hook(struct exec_session *s, enum exec_hook hook, int command, bool to_the_end,
		  struct bench_err *err)
{
	struct child c;
	int rc;

	child_init(&c, s->spawner);
	rc = spawner_run(s->spawner, (unsigned)command, 1, err);
	if (!rc) {
		rc = child_wait(s, &c, to_the_end, UINT64_MAX);
		if (rc)
			bench_fail(err, rc, "waiting for a command: %s", strerror(-rc));
	}
	if (!rc && (c.end.exec_errno || c.end.status) && (to_the_end || !s->run->stop))
		rc = explain_hook(&c, hook, s->plan->commands[command][2], err);
	return rc;
}
