// SPDX-License-Identifier: BSD-2-Clause
// One run of a command, under counters and probes.
#include "core/exec_job.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench/clock.h"
#include "core/collect.h"
#include "core/result.h"
#include "core/series.h"
#include "core/usage.h"
#include "counters/packages.h"

/* How often the loop looks whether the user interrupted. */
#define LOOK_NS (100 * BENCH_NS_PER_MS)

/* The kernel counts resident pages per CPU in batches of 32 or more, and exec(2) touches some. */
#define RSS_GRAIN (512 * 1024)

void child_init(struct child *c, struct spawner *spawner)
{
	*c = (struct child){ .spawner = spawner, .at = { .gate = -1 } };
}

static void on_answer(void *arg, short revents)
{
	struct child *c = arg;

	(void)revents;
	if (c->answered)
		return;
	c->answer = spawner_ended(c->spawner, &c->end);
	c->answered = true;
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
static int child_wait(const struct run *run, struct child *c, bool to_the_end, uint64_t deadline_ns)
{
	struct loop *loop = runtime_loop(run->runtime);
	bool asked = false;
	int rc = loop_watch(loop, c->spawner->sock, POLLIN, on_answer, c);

	while (!rc && !c->answered) {
		uint64_t until = bench_now_ns() + LOOK_NS;

		if (!asked)
			rc = child_stop(run, c, to_the_end, deadline_ns, &asked);
		if (!asked && deadline_ns < until)
			until = deadline_ns;
		rc = rc ? rc : loop_run(loop, &c->answered, until);
		if (rc == -ETIME)
			rc = 0;
	}
	rc = rc ? rc : c->answer;
	loop_unwatch(loop, c->spawner->sock);
	/* It had ended when it became late; only the word of it came afterwards. */
	if (c->timed_out && c->end.exit_ns && c->end.exit_ns < deadline_ns)
		c->timed_out = false;
	if (!rc && recv(c->at.gate, &c->exec_errno, sizeof(c->exec_errno), MSG_DONTWAIT) !=
			   sizeof(c->exec_errno))
		c->exec_errno = 0;
	return rc;
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
	if (rss <= c->at.rss_floor + RSS_GRAIN)
		snprintf(peak, sizeof(peak), "at most: it held %.1f MiB before it began",
			 (double)c->at.rss_floor / (1 << 20));
	put(job, "maxrss", "B", BENCH_BETTER_LOWER, (double)rss, peak);
}

static void collect(struct exec_job *job, const struct child *c, struct counter_session *session,
		    const struct collect_span *span)
{
	struct exec_session *s = job->session;
	struct run *run = s->run;
	struct usage usage;

	metric_set_next_trial(job->metrics);
	put(job, "wall", "ns", BENCH_BETTER_LOWER, (double)(c->end.exit_ns - job->window.start_ns), NULL);
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
	host_put(&span->host[0], &span->host[1], job->metrics);
	job->nr_trials++;
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
	if (!rc && kind == RUN_TIMED && run->probes && probe_track(run->probes, c->at.pid, true, &why))
		result_warn(run->result, "probes do not follow the command: %s", why.msg);
	return rc;
}

/* The job's numbers of a run that is over. */
static void take(struct exec_job *job, const struct child *c, struct counter_session *session,
		 struct collect_span *span)
{
	struct run *run = job->session->run;

	collect_end(span, NULL);
	if (run->probes)
		probe_window(run->probes, &job->window);
	if (c->exec_errno || c->timed_out || run->stop)
		return;
	collect(job, c, session, span);
	json_decref(job->warnings);
	job->warnings = run->probes ? json_array() : NULL;
	if (run->probes)
		probe_warnings(run->probes, job->warnings);
}

int exec_run(struct exec_job *job, enum run_kind kind, struct child *c, struct bench_err *err)
{
	bool timed = kind == RUN_TIMED;
	struct counter_session *session = NULL;
	struct exec_session *s = job->session;
	uint64_t timeout_ns = s->settings->timeout_ns;
	struct run *run = s->run;
	struct collect_span span;
	int rc = spawner_start(c->spawner, job->spec->command, &c->at, err);

	rc = rc ? rc : follow(job, kind, c, &session, err);
	if (rc)
		goto out;
	if (timed)
		collect_begin(&span, NULL);
	job->window = (struct bench_window){ .start_ns = bench_now_ns(), .end_ns = UINT64_MAX };
	if (timed && run->probes)
		probe_window(run->probes, &job->window);
	if (timed && job->sampler)
		sampler_begin(job->sampler, job->window.start_ns, UINT64_MAX, job->nr_trials + 1);
	packages_begin(s->packages);
	/* Should this fail, it has ended, which is seen next. */
	(void)!send(c->at.gate, "", 1, MSG_NOSIGNAL);
	rc = child_wait(run, c, false,
			timeout_ns ? job->window.start_ns + timeout_ns : UINT64_MAX);
	packages_end(s->packages);
	job->window.end_ns = c->end.exit_ns;
	if (timed && job->sampler)
		sampler_end(job->sampler, c->end.exit_ns,
			    !rc && !c->exec_errno && !c->timed_out && !run->stop);
	if (rc)
		bench_fail(err, rc, "waiting for the command: %s", strerror(-rc));
	else if (timed)
		take(job, c, session, &span);
out:
	counter_close(session);
	if (run->probes)
		probe_untrack_all(run->probes);
	return rc;
}

static int explain_hook(const struct child *c, enum exec_hook hook, const char *line,
			struct bench_err *err)
{
	static const char *const names[EXEC_NR_HOOKS] = { "setup", "prepare", "cleanup" };
	int status = c->end.status;

	if (c->exec_errno)
		return bench_fail(err, -c->exec_errno, "--%s: cannot run /bin/sh: %s", names[hook],
				  strerror(c->exec_errno));
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
	rc = spawner_start(s->spawner, (unsigned)command, &c.at, err);
	if (!rc) {
		(void)!send(c.at.gate, "", 1, MSG_NOSIGNAL); /* as above */
		rc = child_wait(s->run, &c, to_the_end, UINT64_MAX);
		if (rc)
			bench_fail(err, rc, "waiting for a command: %s", strerror(-rc));
	}
	if (!rc && (c.exec_errno || c.end.status) && (to_the_end || !s->run->stop))
		rc = explain_hook(&c, hook, s->plan->commands[command][2], err);
	spawned_done(&c.at);
	return rc;
}
