// SPDX-License-Identifier: BSD-2-Clause
// The server's side of core/remote.c. A message says what is to be done next; what does not fit what
// was done before is refused, and so is everything before the versions were compared.
#include "core/remote_session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/job.h"
#include "core/modules.h"
#include "core/option.h"
#include "core/remote.h"
#include "core/remote_wait.h"
#include "core/result.h"
#include "core/slow.h"
#include "core/stalls.h"
#include "core/verdict.h"
#include "core/version.h"

/* For an answer to get out, and for the rest of a message whose beginning is there. */
#define MESSAGE_NS (10 * BENCH_NS_PER_SEC)
/* A window begins this much after its message at least, and this much later at most. */
#define LEAD_LEAST_NS BENCH_NS_PER_MS
#define LEAD_MOST_NS (10 * BENCH_NS_PER_SEC)
#define DURATION_MOST_NS (3600 * BENCH_NS_PER_SEC)

/* After its window a client drains what it has under way, which takes no longer than this: then its
 * own workers are given up. */
#define DRAINED_NS (9 * BENCH_NS_PER_SEC)

/* What was done. A job of a session is prepared once. */
enum state { NEW, GREETED, PREPARED, BEGUN, RAN, OVER };

struct session {
	const struct remote_session_config *config;
	struct wire *wire;
	enum state state;
	struct settings settings;
	struct run run;
	bool opened;	/* run is */
	bool executing; /* x is */
	bool good;	/* the window at hand so far */
	bool done;	/* the client's window is over */
	bool gone;	/* the client is */
	struct stalls stalls; /* of the window at hand */
	int look_timer;
	struct job_list jobs;
	struct plan plan;
	struct execution x;
	struct bench_err err;
};

static int refuse(struct session *s, int rc, const char *what)
{
	return bench_fail(&s->err, rc, "%s", what);
}

/* What the job says of itself, when a step of it went wrong. */
static int job_failed(struct session *s, int rc)
{
	return refuse(s, rc ? rc : -EIO, s->x.reason[0] ? s->x.reason : "the job failed");
}

static int answer(struct session *s, json_t *message)
{
	int rc = wire_send(s->wire, message, bench_now_ns() + MESSAGE_NS);

	json_decref(message);
	s->gone |= rc != 0;
	return rc;
}

static int receive(struct session *s, json_t **ret_message)
{
	uint64_t deadline_ns = bench_now_ns() + s->config->idle_ns;
	int rc = s->opened ? remote_wait(runtime_loop(s->run.runtime), s->wire, ret_message,
					 deadline_ns, &s->run.stop) :
			     wire_receive(s->wire, ret_message, deadline_ns);

	s->gone |= rc != 0;
	return rc;
}

static int do_hello(struct session *s, const json_t *message)
{
	json_int_t protocol = json_integer_value(json_object_get(message, "protocol"));
	const char *version = bench_result_str(message, "version");

	if (protocol != REMOTE_PROTOCOL || strcmp(version, bench_version()))
		return bench_fail(&s->err, -EPROTO,
				  "it is bench %s (protocol %d), this is bench %.40s (protocol %d): both "
				  "ends must be of one version",
				  bench_version(), REMOTE_PROTOCOL, version, (int)protocol);
	s->state = GREETED;
	return answer(s, json_object());
}

static int do_clock(struct session *s, const json_t *message)
{
	(void)message;
	return answer(s, json_pack("{s:I}", "now_ns", (json_int_t)bench_now_ns()));
}

/* Text of the message that outlives it. */
static const char *keep(struct session *s, const json_t *value)
{
	return json_is_string(value) ? job_list_keep(&s->jobs, json_string_value(value)) : NULL;
}

static int read_settings(struct session *s, const json_t *message)
{
	const json_t *settings = bench_result_get(message, "settings");
	const char *runtime = bench_result_str(message, "runtime");
	int rc = 0;

	option_defaults(run_options, &s->settings);
	for (unsigned i = 0; remote_settings[i] && !rc; i++) {
		const char *text = keep(s, json_object_get(settings, remote_settings[i]));

		if (text)
			rc = option_set(option_find(run_options, remote_settings[i]), &s->settings,
					text, &s->err);
	}
	s->settings.quiet = 1;
	s->settings.cpus = s->config->cpus;
	s->settings.runtime = !strcmp(runtime, "uring") ? RUNTIME_URING : RUNTIME_BLOCKING;
	return rc;
}

/* The module with the client's parameters, as the server's end. */
static int read_job(struct session *s, const json_t *message)
{
	const char *cpus = keep(s, json_object_get(message, "cpus")), *key;
	struct job_spec *spec;
	json_t *value;
	int rc = job_list_add_named(&s->jobs, bench_result_str(message, "name"),
				    bench_result_str(message, "module"), &s->err);

	if (rc)
		return rc;
	spec = &s->jobs.specs[0];
	if (!spec->module->split)
		return refuse(s, -EINVAL, "this module has no server's end");
	json_object_foreach ((json_t *)bench_result_get(message, "params"), key, value) {
		const char *text = keep(s, value);

		/* Its own parameters only: what every job takes is the plan's on this host. */
		if (!text || !option_find(spec->module->options, key))
			return refuse(s, -EINVAL, "a parameter that the module does not have");
		rc = job_spec_set(spec, key, text, &s->err);
		if (rc)
			return rc;
	}
	spec->common.cpus = cpus;
	return spec->module->split(spec->params, BENCH_END_SERVER, s->config->address,
				   s->config->client, &s->err);
}

static int make_plan(struct session *s, const json_t *message)
{
	char *argv[] = { "bench", "peer", NULL };
	int rc;

	if (s->opened)
		return refuse(s, -EBUSY, "one job at a time");
	rc = read_settings(s, message);
	rc = rc ? rc : read_job(s, message);
	if (rc)
		return rc;
	s->opened = true;
	rc = run_open(&s->run, &s->settings, 2, argv, &s->err);
	rc = rc ? rc : plan_build(&s->plan, &s->jobs, &s->settings, s->run.topology,
				  run_active(&s->run), &s->err);
	if (!rc && s->plan.jobs[0].skip)
		rc = refuse(s, -EINVAL, s->plan.jobs[0].skip);
	return rc ? rc : run_open_workers(&s->run, &s->plan, &s->err);
}

static int do_plan(struct session *s, const json_t *message)
{
	int rc = make_plan(s, message);

	s->state = OVER;
	return rc ? rc : answer(s, json_object());
}

/* What the module tells the other end. */
static json_t *values(const struct session *s)
{
	uint64_t list[BENCH_TELL_MAX];
	unsigned nr = s->plan.jobs[0].spec->module->tell(&s->x.jr.job, list);
	json_t *array = json_array();

	for (unsigned i = 0; i < nr; i++)
		json_array_append_new(array, json_integer((json_int_t)list[i]));
	return array;
}

static int do_prepare(struct session *s, const json_t *message)
{
	json_t *result;
	int rc = make_plan(s, message);

	rc = rc ? rc : run_open_probes(&s->run, &s->err);
	if (rc)
		return rc;
	execution_init(&s->x, &s->run, &s->plan.jobs[0], 0);
	s->executing = true;
	execution_enter(&s->x);
	if (!execution_goes_on(&s->x))
		return job_failed(s, -EIO);
	fprintf(stderr, "bench: peer: %s for %s\n", s->plan.jobs[0].spec->name, s->config->client);
	s->state = PREPARED;
	result = s->run.result;
	return answer(s, json_pack("{s:o, s:O?, s:O?, s:O?}", "values", values(s), "host",
				   json_object_get(result, "host"), "audit",
				   json_object_get(result, "audit"), "runtime",
				   json_object_get(result, "runtime")));
}

static int do_begin(struct session *s, const json_t *message)
{
	int rc = execution_begin(&s->x, json_is_true(json_object_get(message, "timed")));

	s->good = !rc;
	s->done = false;
	s->state = BEGUN;
	/* A window that was begun is ended all the same. */
	return rc ? job_failed(s, rc) : answer(s, json_object());
}

/* In the middle of a window: the client's is over, or the client is gone. */
static void on_message(void *arg, short revents)
{
	struct session *s = arg;
	json_t *message = NULL;

	(void)revents;
	if (s->done || s->gone)
		return;
	s->done = !wire_receive(s->wire, &message, bench_now_ns() + MESSAGE_NS) &&
		  !strcmp(bench_result_str(message, "do"), "done");
	s->gone = !s->done;
	json_decref(message);
	loop_unwatch(runtime_loop(s->run.runtime), s->wire->fd);
	atomic_store(&s->x.jr.active_left, 0);
	if (s->x.jr.window.end_ns > bench_now_ns())
		s->x.jr.window.end_ns = bench_now_ns();
}

/* Long after the window there is still no word of the client, which stopped or is cut off. */
static void on_silence(void *arg)
{
	struct session *s = arg;

	if (s->done || s->gone)
		return;
	s->gone = true;
	loop_unwatch(runtime_loop(s->run.runtime), s->wire->fd);
	atomic_store(&s->x.jr.active_left, 0);
}

static void look_for_stalls(struct session *s)
{
	const struct job_run *jr = &s->x.jr;
	uint64_t now = bench_now_ns();
	/* A server's end has one worker. */
	const struct slow_source source = {
		.set = s->run.probes,
		.tid = runtime_thread(s->x.runtime, jr->workers[0].thread)->tid,
		.history = s->run.probes ? probe_history : NULL,
	};

	stalls_look(&s->stalls, &source, now < jr->window.end_ns ? now : jr->window.end_ns);
}

/* Again and again in a window. */
static void on_look(void *arg)
{
	struct session *s = arg;

	look_for_stalls(s);
	s->look_timer = loop_timer(runtime_loop(s->run.runtime), bench_now_ns() + STALL_LOOK_NS,
				   on_look, s);
}

static int do_start(struct session *s, const json_t *message)
{
	struct loop *loop = runtime_loop(s->run.runtime);
	json_int_t duration = json_integer_value(json_object_get(message, "duration_ns"));
	uint64_t start_ns = (uint64_t)json_integer_value(json_object_get(message, "start_ns"));
	uint64_t now = bench_now_ns();
	uint64_t silence_ns = s->config->idle_ns < DRAINED_NS ? s->config->idle_ns : DRAINED_NS;
	int rc, timer;

	if (!s->good || duration < 0 || (uint64_t)duration > DURATION_MOST_NS)
		return refuse(s, -EINVAL, "a window that cannot be");
	/* Each side has its own window; as close as the clocks and the network allow. */
	if (start_ns < now + LEAD_LEAST_NS || start_ns > now + LEAD_MOST_NS)
		start_ns = now + LEAD_LEAST_NS;
	rc = loop_watch(loop, s->wire->fd, POLLIN, on_message, s);
	if (rc)
		return refuse(s, rc, "the control loop failed");
	timer = loop_timer(loop, start_ns + (uint64_t)duration + silence_ns, on_silence, s);
	stalls_begin(&s->stalls, start_ns);
	s->look_timer = loop_timer(loop, start_ns + STALL_LOOK_NS, on_look, s);
	rc = execution_run(&s->x, start_ns, (uint64_t)duration);
	look_for_stalls(s);
	loop_cancel_timer(loop, s->look_timer);
	loop_cancel_timer(loop, timer);
	if (!s->done && !s->gone)
		loop_unwatch(loop, s->wire->fd);
	s->good = !rc && !s->gone;
	s->state = RAN;
	/* Its workers may have ended with their connections before the message came. */
	if (!s->done && !s->gone) {
		json_t *next = NULL;

		if (!receive(s, &next) && strcmp(bench_result_str(next, "do"), "done"))
			s->gone = true;
		json_decref(next);
	}
	if (s->gone)
		return -ECONNRESET;
	return rc ? job_failed(s, rc) : answer(s, json_object());
}

/* The client's workers have ended, too: what it counted. */
static int exchange(struct execution *x, void *arg)
{
	struct session *s = arg;
	uint64_t list[BENCH_TELL_MAX];
	json_t *message = NULL, *value;
	unsigned nr = 0;
	size_t i;

	if (receive(s, &message))
		return -ECONNRESET;
	json_array_foreach (json_object_get(message, "values"), i, value)
		if (i < BENCH_TELL_MAX)
			list[nr++] = (uint64_t)json_integer_value(value);
	s->gone |= strcmp(bench_result_str(message, "do"), "counted") != 0;
	json_decref(message);
	if (s->gone)
		return -EPROTO;
	x->plan->spec->module->hear(&x->jr.job, list, nr);
	return 0;
}

static int do_end(struct session *s, const json_t *message)
{
	int rc = execution_end(&s->x, s->good, exchange, s);

	(void)message;
	s->state = PREPARED;
	if (s->gone)
		return -ECONNRESET;
	return rc ? job_failed(s, rc)
		  : answer(s, json_pack("{s:o, s:o}", "values", values(s), "stalls",
					stalls_json(&s->stalls)));
}

static int do_finish(struct session *s, const json_t *message)
{
	json_t *row;

	(void)message;
	execution_leave(&s->x);
	row = execution_row(&s->x);
	verdict_add(row);
	s->state = OVER;
	return answer(s, json_pack("{s:o, s:O?}", "job", row, "warnings",
				   json_object_get(s->run.result, "warnings")));
}

static const struct {
	const char *name;
	enum state from, to; /* in which it may come */
	int (*run)(struct session *s, const json_t *message);
} steps[] = {
	{ "hello", NEW, NEW, do_hello },	   { "clock", GREETED, PREPARED, do_clock },
	{ "plan", GREETED, GREETED, do_plan },	   { "prepare", GREETED, GREETED, do_prepare },
	{ "begin", PREPARED, PREPARED, do_begin }, { "start", BEGUN, BEGUN, do_start },
	/* After a begin() that failed there is no window. */
	{ "end", BEGUN, RAN, do_end },		   { "finish", PREPARED, PREPARED, do_finish },
};

static int step(struct session *s, const json_t *message)
{
	const char *name = bench_result_str(message, "do");

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!strcmp(name, steps[i].name) && s->state >= steps[i].from &&
		    s->state <= steps[i].to)
			return steps[i].run(s, message);
	return refuse(s, -EPROTO, "a message out of turn");
}

static void clean_up(struct session *s)
{
	if (s->executing && s->state != OVER) {
		s->gone = true;
		if (s->state == BEGUN || s->state == RAN)
			(void)execution_end(&s->x, false, NULL, NULL);
		execution_leave(&s->x);
	}
	/* A worker that hangs still uses all of it; the process ends next. */
	if (s->opened && s->run.stuck)
		return;
	if (s->executing)
		execution_done(&s->x);
	plan_free(&s->plan);
	if (s->opened)
		run_close(&s->run);
	job_list_free(&s->jobs);
}

int remote_session(struct wire *wire, const struct remote_session_config *config)
{
	struct session s = { .config = config, .wire = wire };
	int rc = 0;

	while (s.state != OVER && !s.gone && !s.run.stop) {
		json_t *message = NULL;

		rc = receive(&s, &message);
		if (rc) {
			fprintf(stderr, "bench: peer: client %s: %s\n", config->client, wire_error(rc));
			break;
		}
		s.err = (struct bench_err){ 0 };
		rc = step(&s, message);
		json_decref(message);
		if (rc && !s.gone)
			(void)answer(&s, json_pack("{s:s}", "error", s.err.msg));
		if (rc)
			fprintf(stderr, "bench: peer: client %s: %s\n", config->client,
				s.err.msg[0] ? s.err.msg : wire_error(rc));
		/* After an error the client may still end the window and fetch what there is. */
		if (rc && s.state < PREPARED)
			break;
	}
	clean_up(&s);
	return rc;
}
