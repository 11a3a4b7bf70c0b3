// SPDX-License-Identifier: BSD-2-Clause
#include "core/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"
#include "core/collect.h"
#include "core/limits.h"
#include "core/observer.h"
#include "core/result.h"
#include "core/series.h"
#include "core/usage.h"

/* How often the loop looks whether the user interrupted. */
#define LOOK_NS (100 * BENCH_NS_PER_MS)

/* One run of the command. */
struct child {
	pid_t pid;
	int go;	   /* write end: closing it lets the child exec */
	int error; /* read end: errno of a failed exec, nothing when it succeeded */
	int pidfd;
	bool exited;
	uint64_t exit_ns;
	int status; /* of wait4() */
	struct rusage usage;
	int exec_errno;
};

struct exec_job {
	struct run *run;
	const struct exec_settings *settings;
	char *const *argv;
	struct bench_metric_set *metrics;
	struct sampler *sampler; /* NULL without probes */
	unsigned nr_trials;
	int *cpus; /* all allowed ones */
	unsigned nr_cpus;
	struct bench_window window;
	struct observer observer;
};

/* A control run is timed like any other, but without probes, and enters no metric of its own. */
enum run_kind { RUN_WARM_UP, RUN_TIMED, RUN_CONTROL };

static void child_main(const struct exec_job *job, int go, int error)
{
	sigset_t none;
	char byte;
	int saved;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A command must not outlive us unwatched, whatever ends us. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (job->settings->discard_output) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
			_exit(EXEC_FAILED);
	}
	nofile_restore();
	while (read(go, &byte, 1) < 0 && errno == EINTR)
		;
	execvp(job->argv[0], job->argv);
	saved = errno;
	(void)!write(error, &saved, sizeof(saved));
	_exit(saved == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT);
}

static int child_start(const struct exec_job *job, struct child *c, struct bench_err *err)
{
	int go[2] = { -1, -1 }, error[2] = { -1, -1 };

	*c = (struct child){ .pid = -1, .go = -1, .error = -1, .pidfd = -1 };
	if (pipe2(go, O_CLOEXEC) || pipe2(error, O_CLOEXEC))
		return bench_fail(err, -errno, "pipe: %s", strerror(errno));
	c->pid = fork();
	if (c->pid == 0) {
		close(go[1]);
		child_main(job, go[0], error[1]);
	}
	close(go[0]);
	close(error[1]);
	c->go = go[1];
	c->error = error[0];
	if (c->pid < 0)
		return bench_fail(err, -errno, "fork: %s", strerror(errno));
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pidfd < 0)
		return bench_fail(err, -errno, "pidfd_open: %s", strerror(errno));
	return 0;
}

static void on_exit_of_child(void *arg, short revents)
{
	struct child *c = arg;

	(void)revents;
	if (c->exited)
		return;
	c->exit_ns = bench_now_ns();
	c->exited = true;
}

/* Returns when the command has exited. */
static int child_wait(struct exec_job *job, struct child *c)
{
	struct loop *loop = runtime_loop(job->run->runtime);
	bool forwarded = false;
	int rc = loop_watch(loop, c->pidfd, POLLIN, on_exit_of_child, c);

	while (!rc && !c->exited) {
		rc = loop_run(loop, &c->exited, bench_now_ns() + LOOK_NS);
		if (rc == -ETIME)
			rc = 0;
		/* The terminal sends SIGINT to the command itself; kill does not. */
		if (job->run->stop && !forwarded && !c->exited) {
			forwarded = true;
			kill(c->pid, job->run->signo);
		}
	}
	loop_unwatch(loop, c->pidfd);
	if (rc)
		kill(c->pid, SIGKILL);
	while (wait4(c->pid, &c->status, 0, &c->usage) < 0 && errno == EINTR)
		;
	c->pid = -1;
	if (read(c->error, &c->exec_errno, sizeof(c->exec_errno)) != sizeof(c->exec_errno))
		c->exec_errno = 0;
	return rc;
}

static void child_done(struct child *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	if (c->go >= 0)
		close(c->go);
	if (c->error >= 0)
		close(c->error);
	if (c->pidfd >= 0)
		close(c->pidfd);
}

static uint64_t tv_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * BENCH_NS_PER_SEC + (uint64_t)tv.tv_usec * BENCH_NS_PER_US;
}

static void put(struct exec_job *job, const char *name, const char *unit, enum bench_better better,
		double value)
{
	const struct bench_metric_id id = {
		.name = name, .unit = unit, .source = BENCH_SOURCE_MODULE, .better = better
	};

	bench_metric_put(job->metrics, &id, value);
}

static int exit_code(const struct child *c)
{
	return WIFSIGNALED(c->status) ? 128 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
}

static void collect(struct exec_job *job, const struct child *c, struct counter_session *session,
		    const struct collect_span *span)
{
	struct run *run = job->run;
	struct usage usage;

	metric_set_next_trial(job->metrics);
	put(job, "wall", "ns", BENCH_BETTER_LOWER, (double)(c->exit_ns - job->window.start_ns));
	put(job, "user", "ns", BENCH_BETTER_LOWER, (double)tv_ns(c->usage.ru_utime));
	put(job, "sys", "ns", BENCH_BETTER_LOWER, (double)tv_ns(c->usage.ru_stime));
	/* ru_maxrss is in KiB (man getrusage). */
	put(job, "maxrss", "B", BENCH_BETTER_LOWER, (double)c->usage.ru_maxrss * 1024);
	put(job, "exit_status", "status", BENCH_BETTER_NONE, exit_code(c));
	usage_of(&c->usage, &usage);
	if (!run->counters)
		usage_put(&usage, "tree", 0, job->metrics);
	if (session)
		counter_put(run->counters, &session, 1, "tree", 0, job->metrics);
	if (run->probes)
		probe_put(run->probes, job->cpus, job->nr_cpus, job->metrics);
	host_put(&span->host[0], &span->host[1], job->metrics);
	job->nr_trials++;
}

/* One run. 0 when the command was run, whatever its exit status. */
static int run_once(struct exec_job *job, enum run_kind kind, struct child *c,
		    struct bench_err *err)
{
	bool timed = kind == RUN_TIMED;
	struct counter_session *session = NULL;
	struct run *run = job->run;
	struct collect_span span;
	int rc = child_start(job, c, err);

	if (!rc && kind != RUN_WARM_UP && run->counters) {
		const struct counter_target target = {
			.tid = c->pid, .cpu = -1, .inherit = true, .enable_on_exec = true
		};

		rc = counter_open(&session, run->counters, &target, err);
	}
	if (!rc && timed && run->probes) {
		struct bench_err why = { 0 };

		if (probe_track(run->probes, c->pid, true, &why))
			result_warn(run->result, "probes do not follow the command: %s", why.msg);
	}
	if (rc)
		goto out;
	if (timed)
		collect_begin(&span, run, NULL);
	job->window = (struct bench_window){ .start_ns = bench_now_ns(), .end_ns = UINT64_MAX };
	if (timed && run->probes)
		probe_window(run->probes, &job->window);
	if (timed && job->sampler)
		sampler_begin(job->sampler, job->window.start_ns, UINT64_MAX, job->nr_trials + 1);
	close(c->go);
	c->go = -1;
	rc = child_wait(job, c);
	job->window.end_ns = c->exit_ns;
	if (timed && job->sampler)
		sampler_end(job->sampler, c->exit_ns, !rc && !c->exec_errno && !run->stop);
	if (rc) {
		bench_fail(err, rc, "waiting for the command: %s", strerror(-rc));
		goto out;
	}
	if (timed) {
		collect_end(&span, run, NULL);
		if (run->probes)
			probe_window(run->probes, &job->window);
		if (!c->exec_errno && !run->stop)
			collect(job, c, session, &span);
	}
out:
	counter_close(session);
	if (run->probes)
		probe_untrack_all(run->probes);
	return rc;
}

/* Run i of nr, warm-up runs included. */
static int run_next(struct exec_job *job, uint64_t i, uint64_t nr, struct child *c,
		    struct bench_err *err)
{
	uint64_t warm = job->settings->warmup_runs;
	struct progress *progress = &job->run->progress;
	struct observer *o = &job->observer;
	enum run_kind kind = RUN_WARM_UP;
	int rc = 0;

	if (i < warm)
		progress_step(progress, "warm-up %" PRIu64 "/%" PRIu64, i + 1, warm);
	else
		progress_step(progress, "run %" PRIu64 "/%" PRIu64, i - warm + 1, nr - warm);
	/* The command owns the terminal from here on. */
	progress_clear(progress);
	if (i >= warm) {
		rc = observer_next(o, job->run, err);
		kind = o->control ? RUN_CONTROL : RUN_TIMED;
	}
	rc = rc ? rc : run_once(job, kind, c, err);
	if (!rc && kind != RUN_WARM_UP && !c->exec_errno && !job->run->stop)
		observer_note(o, 1e9 / (double)(c->exit_ns - job->window.start_ns), job->metrics);
	return rc;
}

/* All runs. Returns the exit code to pass on; sets status and reason of the job. */
static int run_all(struct exec_job *job, const char **status, char *reason, size_t size)
{
	const struct exec_settings *s = job->settings;
	struct bench_err err = { 0 };
	uint64_t nr;
	int code = 0;

	observer_begin(&job->observer, job->run);
	nr = s->warmup_runs + observer_trials(&job->observer, (unsigned)s->common.trials);
	for (uint64_t i = 0; i < nr && !job->run->stop; i++) {
		struct child c = { .pid = -1, .go = -1, .error = -1, .pidfd = -1 };
		int rc = run_next(job, i, nr, &c, &err);

		child_done(&c);
		*status = "failed";
		if (rc) {
			snprintf(reason, size, "%s", err.msg);
			return EXEC_FAILED;
		}
		if (c.exec_errno) {
			snprintf(reason, size, "cannot run '%s': %s", job->argv[0],
				 strerror(c.exec_errno));
			return exit_code(&c);
		}
		code = exit_code(&c);
		if (job->run->stop)
			break;
		if (code && !s->ignore_failure) {
			if (WIFSIGNALED(c.status))
				snprintf(reason, size, "the command was killed by signal %d (%s)",
					 WTERMSIG(c.status), strsignal(WTERMSIG(c.status)));
			else
				snprintf(reason, size, "the command exited with status %d%s", code,
					 i + 1 < nr ? "; remaining runs skipped (--ignore-failure goes on)" :
						      "");
			return code;
		}
		*status = "ok";
	}
	if (job->run->stop) {
		*status = "interrupted";
		snprintf(reason, size, "%s", strsignal(job->run->signo));
		return 128 + job->run->signo;
	}
	return code;
}

static json_t *row(const struct exec_job *job, const char *status, const char *reason)
{
	json_t *argv = json_array(), *object;
	char name[256] = "";
	size_t used = 0;

	for (unsigned i = 0; job->argv[i]; i++) {
		json_array_append_new(argv, result_text(job->argv[i]));
		if (used < sizeof(name))
			used += (size_t)snprintf(name + used, sizeof(name) - used, "%s%s", i ? " " : "",
						 job->argv[i]);
	}
	object = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:{s:o, s:I, s:b}, s:[], s:i, s:n, s:o}",
			 "name", result_text(name), "module", "exec", "exec", "blocking", "runtime",
			 runtime_name(runtime_active(job->run->runtime)), "status", status, "reason",
			 result_text(reason[0] ? reason : NULL), "op", "one run of the command", "params",
			 "argv", argv, "warmup", (json_int_t)job->settings->warmup_runs, "discard_output",
			 (int)job->settings->discard_output, "placement", "trials", (int)job->nr_trials,
			 "trial_ns", "metrics", metric_set_json(job->metrics));
	observer_warnings(job->run, object);
	if (job->observer.on)
		json_object_set_new(object, "control_trials",
				    json_integer(job->observer.nr_pairs));
	return object;
}

static void put_series(const struct exec_job *job, json_t *object)
{
	json_t *series = sampler_json(job->sampler);

	if (series)
		json_object_set_new(object, "series", series);
}

json_t *exec_execute(struct run *run, const struct exec_settings *settings, char *const argv[],
		     int *ret_status)
{
	struct exec_job job = { .run = run, .settings = settings, .argv = argv };
	const char *status = "ok";
	char reason[400] = "";
	json_t *object;

	job.metrics = metric_set_new();
	job.nr_cpus = topology_nr_cpus(run->topology);
	job.cpus = calloc(job.nr_cpus, sizeof(*job.cpus));
	for (unsigned i = 0; job.cpus && i < job.nr_cpus; i++)
		job.cpus[i] = topology_cpu(run->topology, i)->os_index;
	if (job.cpus && run->probes) {
		const struct sampler_config config = { .loop = runtime_loop(run->runtime),
						       .probes = run->probes,
						       .cpus = job.cpus,
						       .nr_cpus = job.nr_cpus,
						       .interval_ns = settings->common.interval_ns };

		job.sampler = sampler_new(&config);
	}
	run->progress.nr_jobs = 1;
	run->progress.job = 1;
	snprintf(run->progress.name, sizeof(run->progress.name), "exec");
	*ret_status = run_all(&job, &status, reason, sizeof(reason));
	progress_clear(&run->progress);
	object = row(&job, status, reason);
	if (job.sampler)
		put_series(&job, object);
	sampler_free(job.sampler);
	metric_set_free(job.metrics);
	free(job.cpus);
	return object;
}
