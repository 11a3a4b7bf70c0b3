// SPDX-License-Identifier: BSD-2-Clause
// Commands in turns: set-up, warm-up and trials in rounds of random order, clean-up.
#include "core/exec.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/clock.h"
#include "core/exec_job.h"
#include "core/result.h"
#include "core/series.h"
#include "core/trace.h"
#include "core/shuffle.h"
#include "core/verdict.h"
#include "counters/packages.h"

static void fail(struct exec_job *job, int code, const char *reason)
{
	struct exec_session *s = job->session;

	if (strcmp(job->status, "ok"))
		return;
	job->status = "failed";
	snprintf(job->reason, sizeof(job->reason), "%s", reason);
	if (!s->code)
		s->code = code;
}

/* What the end of a run means for the job. */
static void judge(struct exec_job *job, const struct child *c, bool last)
{
	const struct exec_settings *settings = job->session->settings;
	int code = child_exit_code(c), status = c->end.status;
	char reason[sizeof(job->reason)];

	if (c->end.exec_errno) {
		code = exec_explain(job->argv[0], c->end.exec_errno, reason, sizeof(reason));
		fail(job, code, reason);
		return;
	}
	if (job->session->run->stop)
		return;
	if (c->timed_out) {
		snprintf(reason, sizeof(reason), "the command ran longer than %g s and was ended",
			 (double)settings->timeout_ns / 1e9);
		fail(job, EXEC_TIMED_OUT, reason);
		return;
	}
	if (!code)
		return;
	if (settings->ignore_failure) {
		job->session->code = job->session->code ? job->session->code : code;
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(reason, sizeof(reason), "the command was killed by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(reason, sizeof(reason), "the command exited with status %d%s", code,
			 last ? "" : "; remaining runs skipped (--ignore-failure goes on)");
	fail(job, code, reason);
}

#define TELL_NS (20 * BENCH_NS_PER_MS)

static void tell_progress(struct exec_job *job, uint64_t round)
{
	struct exec_session *s = job->session;
	struct progress *progress = &s->run->progress;
	uint64_t warm = s->settings->warmup_runs, now = bench_now_ns();
	bool same = progress->job == (unsigned)(job - s->jobs) + 1;

	/* Of many short runs in a row not each is told: that would take as long as some of them. */
	if (same && round && now - s->told_ns < TELL_NS)
		return;
	s->told_ns = now;
	progress->job = (unsigned)(job - s->jobs) + 1;
	snprintf(progress->name, sizeof(progress->name), "%s",
		 s->plan->nr > 1 ? job->spec->name : "exec");
	if (round < warm)
		progress_step(progress, "warm-up %" PRIu64 "/%" PRIu64, round + 1, warm);
	else
		progress_step(progress, "run %" PRIu64 "/%" PRIu64, round - warm + 1,
			      s->settings->common.trials);
	/* The command owns the terminal from here on. */
	progress_clear(progress);
}

/* One run of the job in this round; in a series, of the rounds after it as well. */
static int run_next(struct exec_job *job, uint64_t round, struct bench_err *err)
{
	struct exec_session *s = job->session;
	uint64_t rounds = s->settings->warmup_runs + s->settings->common.trials;
	struct observer *o = &job->observer;
	enum run_kind kind = RUN_WARM_UP;
	int prepare = job->spec->hooks[EXEC_PREPARE];
	struct child c;
	int rc = 0;

	child_init(&c, s->spawner);
	if (prepare >= 0)
		rc = exec_run_hook(s, EXEC_PREPARE, prepare, false, err);
	if (rc || s->run->stop)
		return rc;
	tell_progress(job, round);
	if (round >= s->settings->warmup_runs) {
		rc = observer_next(o, s->run, err);
		kind = o->control ? RUN_CONTROL : RUN_TIMED;
	}
	probe_stacks_group(s->run->probes, (unsigned)(job - s->jobs));
	rc = rc ? rc : exec_run(job, kind, rounds - round, &c, err);
	if (!rc && kind != RUN_WARM_UP && !c.end.exec_errno && c.end.start_ns && !c.timed_out && !s->run->stop)
		observer_note(o, 1e9 / (double)child_wall_ns(&c), job->metrics);
	if (!rc)
		judge(job, &c, round + 1 == rounds || job->nr_trials == s->settings->common.trials);
	spawned_done(&c.at);
	return rc;
}

/* What bench cannot do for one job (its --prepare fails, say) ends that job and no other. */
static void try_next(struct exec_job *job, uint64_t round)
{
	struct bench_err why = { 0 };

	if (!run_next(job, round, &why))
		return;
	fail(job, EXEC_FAILED, why.msg);
	job->session->code = EXEC_FAILED;
}

/* Each round runs each job once (with --observer=ab twice), so that runs of one round are a pair
 * for comparing jobs: what changes on the host slowly meets all of them. */
static void run_all(struct exec_session *s, unsigned *order)
{
	uint64_t warm = s->settings->warmup_runs, rounds = warm + s->settings->common.trials;

	for (uint64_t round = 0, done; round < rounds && !s->run->stop; round += done) {
		done = 1;
		shuffle(order, s->plan->nr);
		for (unsigned i = 0; i < s->plan->nr; i++) {
			struct exec_job *job = &s->jobs[order[i]];
			unsigned nr = round < warm ? 1 : observer_trials(&job->observer, 1);
			unsigned before = job->nr_trials;

			while (nr-- && !s->run->stop && !strcmp(job->status, "ok"))
				try_next(job, round);
			if (job->nr_trials > before + 1)
				done = job->nr_trials - before;
		}
	}
}

/* Lines that are equal for several jobs run once. */
static int run_hooks(struct exec_session *s, enum exec_hook hook, bool to_the_end,
		     struct bench_err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < s->plan->nr && (to_the_end || (!rc && !s->run->stop)); i++) {
		int command = s->plan->specs[i].hooks[hook];
		bool done = command < 0;
		int one;

		for (unsigned j = 0; j < i && !done; j++)
			done = s->plan->specs[j].hooks[hook] == command;
		if (done)
			continue;
		one = exec_run_hook(s, hook, command, to_the_end,
				    rc ? &(struct bench_err){ 0 } : err);
		rc = rc ? rc : one;
	}
	return rc;
}

static void session_run(struct exec_session *s, struct bench_err *err)
{
	unsigned *order = calloc(s->plan->nr, sizeof(*order));
	struct bench_err late = { 0 };
	int rc = order ? 0 : bench_fail(err, -ENOMEM, "out of memory");

	for (unsigned i = 0; order && i < s->plan->nr; i++) {
		order[i] = i;
		observer_begin(&s->jobs[i].observer, s->run);
	}
	rc = rc ? rc : run_hooks(s, EXEC_SETUP, false, err);
	if (!rc)
		run_all(s, order);
	free(order);
	/* Nothing was run. */
	if (rc) {
		s->code = EXEC_FAILED;
		for (unsigned i = 0; i < s->plan->nr; i++)
			fail(&s->jobs[i], EXEC_FAILED, err->msg);
	}
	/* The user's interruption ends here: what was set up is to be put away. */
	if (run_hooks(s, EXEC_CLEANUP, true, &late)) {
		result_warn(s->run->result, "%s", late.msg);
		s->code = EXEC_FAILED;
		if (!rc)
			*err = late;
	}
	if (!s->run->stop)
		return;
	s->code = 128 + s->run->signo;
	for (unsigned i = 0; i < s->plan->nr; i++) {
		struct exec_job *job = &s->jobs[i];

		if (strcmp(job->status, "ok") || job->nr_trials == s->settings->common.trials)
			continue;
		job->status = "interrupted";
		snprintf(job->reason, sizeof(job->reason), "%s", strsignal(s->run->signo));
	}
}

static int session_init(struct exec_session *s, struct bench_err *err)
{
	struct run *run = s->run;

	s->nr_cpus = topology_nr_cpus(run->topology);
	s->cpus = calloc(s->nr_cpus, sizeof(*s->cpus));
	s->jobs = calloc(s->plan->nr, sizeof(*s->jobs));
	if (!s->cpus || !s->jobs)
		return bench_fail(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < s->nr_cpus; i++)
		s->cpus[i] = topology_cpu(run->topology, i)->os_index;
	for (unsigned i = 0; i < s->plan->nr; i++) {
		const struct sampler_config config = { .loop = runtime_loop(run->runtime),
						       .probes = run->probes,
						       .cpus = s->cpus,
						       .nr_cpus = s->nr_cpus,
						       .live = run->live,
						       .interval_ns =
							       s->settings->common.interval_ns };
		struct exec_job *job = &s->jobs[i];

		job->session = s;
		job->spec = &s->plan->specs[i];
		job->argv = s->plan->commands[job->spec->command];
		job->status = "ok";
		job->metrics = metric_set_new();
		if (run->probes)
			job->sampler = sampler_new(&config);
		if (!job->metrics)
			return bench_fail(err, -ENOMEM, "out of memory");
	}
	if (run->counters)
		(void)packages_open(&s->packages, run->counters);
	run->progress.nr_jobs = s->plan->nr;
	return 0;
}

static void session_done(struct exec_session *s)
{
	for (unsigned i = 0; s->jobs && i < s->plan->nr; i++) {
		json_decref(s->jobs[i].warnings);
		sampler_free(s->jobs[i].sampler);
		metric_set_free(s->jobs[i].metrics);
	}
	packages_close(s->packages);
	free(s->jobs);
	free(s->cpus);
}

int exec_execute(struct run *run, struct spawner *spawner, const struct exec_settings *settings,
		 const struct exec_plan *plan, struct bench_err *err)
{
	struct exec_session s = {
		.run = run, .spawner = spawner, .settings = settings, .plan = plan
	};
	json_t *rows = json_object_get(run->result, "jobs"), *comparison;

	if (session_init(&s, err)) {
		session_done(&s);
		return EXEC_FAILED;
	}
	if (exec_watch(&s))
		bench_fail(err, -ENOMEM, "the control loop cannot watch the command");
	else
		session_run(&s, err);
	exec_unwatch(&s);
	progress_clear(&run->progress);
	for (unsigned i = 0; i < plan->nr; i++) {
		json_t *row;

		if (run->counters)
			counter_put_missed(run->counters, s.jobs[i].nr_trials, 1, 0, "tree",
					   s.jobs[i].metrics);
		row = exec_row(&s.jobs[i]);
		verdict_add(row);
		json_array_append_new(rows, row);
		live_job(run->live, i + 1, row, 0, true);
		trace_job(run->trace, i, row);
	}
	comparison = exec_compare(rows);
	if (comparison)
		json_object_set_new(run->result, "comparison", comparison);
	session_done(&s);
	return s.code;
}
