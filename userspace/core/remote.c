// SPDX-License-Identifier: BSD-2-Clause
#include "core/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/clock.h"
#include "core/inet.h"
#include "core/option.h"
#include "core/remote_wait.h"
#include "core/result.h"
#include "core/run.h"
#include "core/stalls.h"
#include "core/version.h"

/* To connect and for the handshake. */
#define CONNECT_NS (5 * BENCH_NS_PER_SEC)
/* For an answer: a server may load probes, prove counters, or wait for a connection that does not
 * come, which takes it five seconds. */
#define ANSWER_NS (60 * BENCH_NS_PER_SEC)
/* A server that has just served us is still putting away what it used. */
#define BUSY_NS (10 * BENCH_NS_PER_SEC)
#define AGAIN_NS (100 * BENCH_NS_PER_MS)
/* A server whose client is gone gives up its workers after ten seconds. */
#define RAN_NS (30 * BENCH_NS_PER_SEC)
/* Exchanges for comparing the clocks: the quickest counts. */
#define CLOCK_ROUNDS 16

struct remote {
	struct run *run;
	const struct plan_job *job;
	int fd;
	struct wire wire;
	int64_t offset_ns; /* the clock there, less ours */
	uint64_t rtt_ns;   /* of the quickest exchange: the offset is known to half of it */
	json_t *said;	   /* by the server in prepare */
	json_t *row;
	uint64_t values[BENCH_TELL_MAX];
	unsigned nr_values;
	struct stalls stalls;
	bool busy; /* the last answer was that it serves another client */
	struct bench_err err;
};

/* A name that has addresses of both kinds stands for the IPv4 one: each time for the same. */
static int lookup(const char *peer, union bench_inet *ret_addr, struct bench_err *err)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
	const char *port;
	char host[256];
	int rc = inet_endpoint(peer, host, sizeof(host), &port);

	if (rc)
		return bench_fail(err, rc, "peer=%s: give HOST:PORT, an IPv6 address in brackets",
				  peer);
	rc = strchr(host, ':') ? EAI_NONAME : getaddrinfo(host, port, &hints, &found);
	hints.ai_family = AF_INET6;
	if (rc)
		rc = getaddrinfo(host, port, &hints, &found);
	if (rc)
		return bench_fail(err, -EINVAL, "peer=%s: %s", peer, gai_strerror(rc));
	*ret_addr = (union bench_inet){ 0 };
	memcpy(ret_addr, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

int remote_split(struct plan_job *job, struct bench_err *err)
{
	const struct bench_module *m = job->spec->module;
	union bench_inet addr;
	struct bench_err why = { 0 };
	char text[BENCH_INET_TEXT];
	int rc = lookup(job->spec->common.peer, &addr, &why);

	if (!rc) {
		bench_inet_print(&addr, text);
		job->address = strdup(text);
		rc = job->address ? m->split(job->spec->params, BENCH_END_CLIENT, job->address, NULL,
					     &why) :
				    bench_fail(&why, -ENOMEM, "out of memory");
	}
	return rc ? bench_fail(err, rc, "%s: %s", job->spec->name, why.msg) : 0;
}

static int failed(struct remote *r, int rc, const char *what)
{
	return bench_fail(&r->err, rc, "peer %s: %s", r->job->spec->common.peer, what);
}

static int tell(struct remote *r, json_t *message)
{
	int rc = wire_send(&r->wire, message, bench_now_ns() + CONNECT_NS);

	json_decref(message);
	return rc ? failed(r, rc, wire_error(rc)) : 0;
}

/* An answer is {} or {"error": why}; ret_answer may be NULL. */
static int hear(struct remote *r, uint64_t limit_ns, json_t **ret_answer)
{
	json_t *answer = NULL;
	int rc = remote_wait(runtime_loop(r->run->runtime), &r->wire, &answer,
			     bench_now_ns() + limit_ns, &r->run->stop);

	if (rc)
		return failed(r, rc, wire_error(rc));
	r->busy = json_is_true(json_object_get(answer, "busy"));
	if (json_object_get(answer, "error"))
		rc = failed(r, -EREMOTEIO, bench_result_str(answer, "error"));
	if (!rc && ret_answer)
		*ret_answer = answer;
	else
		json_decref(answer);
	return rc;
}

static int ask(struct remote *r, json_t *message, json_t **ret_answer)
{
	int rc = tell(r, message);

	return rc ? rc : hear(r, ANSWER_NS, ret_answer);
}

/* Nothing is lost when the user ends it here. */
static struct remote_waiting waiting(const struct remote *r)
{
	return (struct remote_waiting){ .loop = runtime_loop(r->run->runtime),
					.stop = &r->run->stop };
}

static int connect_to(struct remote *r, const union bench_inet *addr)
{
	unsigned gone_ms = (unsigned)(RAN_NS / BENCH_NS_PER_MS);
	struct remote_waiting wait = waiting(r);
	int one = 1, rc = 0, error = 0;
	socklen_t len = sizeof(error);

	r->fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0)
		return failed(r, -errno, strerror(errno));
	if (connect(r->fd, &addr->sa, bench_inet_len(addr)) && errno != EINPROGRESS)
		rc = -errno;
	else
		rc = remote_ready(&wait, r->fd, POLLOUT, bench_now_ns() + CONNECT_NS);
	if (!rc && (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error))
		rc = error ? -error : -errno;
	if (rc)
		return failed(r, rc,
			      r->run->stop	 ? "interrupted"
			      : rc == -ETIMEDOUT ? "no answer to the connection"
						 : strerror(-rc));
	(void)setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A host that vanishes is noticed. */
	(void)setsockopt(r->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, sizeof(gone_ms));
	return 0;
}

static int greet(struct remote *r)
{
	struct remote_waiting turning = waiting(r);
	struct wire_wait wait = { remote_ready, &turning };
	struct wire_key key;
	int rc = wire_key_read(&key, r->run->settings->key, &r->err);

	if (rc)
		return rc;
	rc = wire_connect(&r->wire, r->fd, &key, &wait, bench_now_ns() + CONNECT_NS);
	sodium_memzero(&key, sizeof(key));
	if (rc)
		return failed(r, rc, r->run->stop ? "interrupted" : wire_error(rc));
	return ask(r, json_pack("{s:s, s:i, s:s}", "do", "hello", "protocol", REMOTE_PROTOCOL,
				"version", bench_version()), NULL);
}

static int open_once(struct remote *r, const union bench_inet *addr)
{
	int rc;

	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	r->busy = false;
	r->err = (struct bench_err){ 0 };
	rc = connect_to(r, addr);
	return rc ? rc : greet(r);
}

int remote_open(struct remote **ret_remote, struct run *run, const struct plan_job *job,
		struct bench_err *err)
{
	uint64_t give_up_ns = bench_now_ns() + BUSY_NS;
	struct remote *r = calloc(1, sizeof(*r));
	union bench_inet addr;
	int rc;

	if (!r)
		return bench_fail(err, -ENOMEM, "out of memory");
	r->run = run;
	r->job = job;
	r->fd = -1;
	rc = lookup(job->spec->common.peer, &addr, &r->err);
	rc = rc ? rc : open_once(r, &addr);
	while (rc && r->busy && bench_now_ns() < give_up_ns && !run->stop) {
		/* The loop turns, or no signal would be seen. */
		(void)loop_run(runtime_loop(run->runtime), &run->stop, bench_now_ns() + AGAIN_NS);
		rc = open_once(r, &addr);
	}
	if (rc) {
		*err = r->err;
		remote_close(r);
		return rc;
	}
	*ret_remote = r;
	return 0;
}

void remote_close(struct remote *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	json_decref(r->said);
	json_decref(r->row);
	sodium_memzero(&r->wire, sizeof(r->wire));
	free(r);
}

const char *remote_why(const struct remote *r)
{
	return r->err.msg;
}

/* Rows of a table as a user would write them; those that are not set are left out. */
static json_t *texts(const struct bench_option *table, const void *params, const char *const *names)
{
	json_t *object = json_object();
	char text[4096];

	for (const struct bench_option *o = table; o && o->name; o++) {
		const char *string;
		bool wanted = !names;

		for (unsigned i = 0; names && names[i]; i++)
			wanted |= !strcmp(names[i], o->name);
		memcpy(&string, (const char *)params + o->offset, sizeof(string));
		if (!wanted || (o->type == BENCH_OPT_STRING && !string))
			continue;
		option_print(o, params, text, sizeof(text));
		json_object_set_new(object, o->name, result_text(text));
	}
	return object;
}

/* The server's end of the job: its module with the same parameters, and how it is measured. */
static json_t *request(const struct remote *r, const char *what)
{
	const struct job_spec *spec = r->job->spec;
	char name[512];
	json_t *message;

	snprintf(name, sizeof(name), "%s (server's end)", spec->name);
	message = json_pack(
		"{s:s, s:o, s:o, s:s, s:o, s:s}", "do", what, "settings",
		texts(run_options, r->run->settings, remote_settings), "name",
		result_text(name), "module", spec->module->name, "params", texts(spec->module->options, spec->params, NULL),
		"runtime", runtime_name(r->job->runtime));

	/* Where the server listens is the server's to say. */
	json_object_del(json_object_get(message, "params"), "address");
	if (spec->common.peer_cpus)
		json_object_set_new(message, "cpus", result_text(spec->common.peer_cpus));
	return message;
}

int remote_check(struct run *run, const struct plan *plan, struct bench_err *err)
{
	for (unsigned i = 0; i < plan->nr_jobs; i++) {
		struct remote *r = NULL;
		int rc;

		if (!plan->jobs[i].address || plan->jobs[i].skip)
			continue;
		rc = remote_open(&r, run, &plan->jobs[i], err);
		if (!rc && ask(r, request(r, "plan"), NULL))
			rc = bench_fail(err, r->err.code, "%s", r->err.msg);
		remote_close(r);
		if (rc)
			return rc;
	}
	return 0;
}

static void keep_values(struct remote *r, const json_t *answer)
{
	const json_t *values = bench_result_get(answer, "values"), *value;
	size_t i;

	r->nr_values = 0;
	json_array_foreach (values, i, value)
		if (i < BENCH_TELL_MAX)
			r->values[r->nr_values++] = (uint64_t)json_integer_value(value);
}

/* The clock there: read between two reads of ours, most exactly where these are closest. */
static int compare_clocks(struct remote *r)
{
	r->rtt_ns = UINT64_MAX;
	for (unsigned i = 0; i < CLOCK_ROUNDS; i++) {
		uint64_t sent = bench_now_ns(), rtt;
		json_t *answer = NULL;
		int rc = ask(r, json_pack("{s:s}", "do", "clock"), &answer);

		if (rc)
			return rc;
		rtt = bench_now_ns() - sent;
		if (rtt < r->rtt_ns) {
			r->rtt_ns = rtt;
			r->offset_ns = json_integer_value(json_object_get(answer, "now_ns")) -
				       (int64_t)(sent + rtt / 2);
		}
		json_decref(answer);
	}
	return 0;
}

int remote_prepare(struct remote *r)
{
	int rc = ask(r, request(r, "prepare"), &r->said);

	if (rc)
		return rc;
	keep_values(r, r->said);
	return compare_clocks(r);
}

void remote_introduce(struct remote *r, struct bench_job *job)
{
	r->job->spec->module->hear(job, r->values, r->nr_values);
}

int remote_begin(struct remote *r, bool timed)
{
	return tell(r, json_pack("{s:s, s:b}", "do", "begin", "timed", timed));
}

int remote_begun(struct remote *r)
{
	return hear(r, ANSWER_NS, NULL);
}

uint64_t remote_lead_ns(const struct remote *r)
{
	/* The message is on its way for half of it, on a quiet network. */
	return r->rtt_ns + BENCH_NS_PER_MS;
}

int remote_start(struct remote *r, const struct bench_window *window)
{
	return tell(r, json_pack("{s:s, s:I, s:I}", "do", "start", "start_ns",
				 (json_int_t)window->start_ns + r->offset_ns, "duration_ns",
				 (json_int_t)(window->end_ns - window->start_ns)));
}

int remote_done(struct remote *r)
{
	int rc = tell(r, json_pack("{s:s}", "do", "done"));

	return rc ? rc : hear(r, RAN_NS, NULL);
}

int remote_end(struct remote *r)
{
	return tell(r, json_pack("{s:s}", "do", "end"));
}

int remote_ended(struct remote *r, struct bench_job *job)
{
	uint64_t mine[BENCH_TELL_MAX];
	unsigned nr = r->job->spec->module->tell(job, mine);
	json_t *values = json_array(), *answer = NULL;
	int rc;

	for (unsigned i = 0; i < nr; i++)
		json_array_append_new(values, json_integer((json_int_t)mine[i]));
	rc = ask(r, json_pack("{s:s, s:o}", "do", "counted", "values", values), &answer);
	if (rc)
		return rc;
	keep_values(r, answer);
	stalls_read(&r->stalls, json_object_get(answer, "stalls"), r->offset_ns);
	json_decref(answer);
	r->job->spec->module->hear(job, r->values, r->nr_values);
	return 0;
}

const struct stalls *remote_stalls(const struct remote *r)
{
	return &r->stalls;
}

int remote_finish(struct remote *r)
{
	json_t *answer = NULL, *job, *about = r->said;
	int rc = ask(r, json_pack("{s:s}", "do", "finish"), &answer);

	if (rc)
		return rc;
	job = json_object_get(answer, "job");
	r->row = json_pack("{s:s, s:O, s:{s:I, s:I}, s:O?, s:O?, s:O?, s:O?}", "address",
			   r->job->spec->common.peer, "job", job ? job : json_null(), "clock",
			   "offset_ns", (json_int_t)r->offset_ns, "error_ns",
			   (json_int_t)(r->rtt_ns / 2), "host", json_object_get(about, "host"),
			   "audit", json_object_get(about, "audit"), "runtime",
			   json_object_get(about, "runtime"), "warnings",
			   json_object_get(answer, "warnings"));
	json_decref(answer);
	return r->row ? 0 : failed(r, -EBADMSG, "it sent no result");
}

json_t *remote_row(const struct remote *r)
{
	return r->row;
}
