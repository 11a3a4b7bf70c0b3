// SPDX-License-Identifier: BSD-2-Clause
/* What comes before the trials of a job: the search for the rate that keeps a target, and rounds until
 * the speed is steady; and, after them, a look at the rate above. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/job.h"
#include "core/open_loop.h"
#include "core/result.h"
#include "core/slow.h"
#include "core/verdict.h"

/* Interrupted: no failure of the job's. */
#define STOPPED 1

/* What the workers of the last window say of its rate. */
static void measure(const struct execution *x, struct slo_try *t)
{
	const struct job_run *jr = &x->jr;
	struct bench_hist *latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
	struct bench_hist *lateness = bench_hist_new(BENCH_HIST_BITS_WORKER);
	uint64_t left = 0;
	bool told;

	for (unsigned i = 0; latency && lateness && i < jr->nr; i++) {
		const struct open_loop *open = jr->workers[i].open;

		if (!open)
			continue;
		left += open->unserved + open->drained;
		bench_hist_merge(latency, jr->workers[i].w.latency);
		bench_hist_merge(lateness, open->lateness);
	}
	told = latency && stats_supports(latency->count, x->slo.target.quantile);
	t->done = execution_speed(x);
	t->left = (double)left;
	t->mean_ns = latency && latency->count ? (double)latency->sum / (double)latency->count : 0;
	t->latency_ns = told ? (double)bench_hist_at(latency, x->slo.target.quantile) : NAN;
	if (!told)
		t->outcome = SLO_TOO_FEW;
	else if (lateness && open_loop_late(lateness, latency))
		t->outcome = SLO_GENERATOR;
	bench_hist_free(latency);
	bench_hist_free(lateness);
}

static int attempt(void *arg, double rate, struct slo_try *ret_try)
{
	struct execution *x = arg;
	uint64_t ns = slo_window_ns(&x->slo.target, rate, x->run->settings->duration_ns);
	int rc;

	progress_step(&x->run->progress, rate >= SLO_FLOOD ? "capacity" : "rate %.0f/s", rate);
	x->jr.rate = rate;
	rc = execution_window(x, ns, false);
	if (rc || x->run->stop)
		return rc ? rc : STOPPED;
	measure(x, ret_try);
	return 0;
}

static int search_rate(struct execution *x)
{
	char text[200];
	int rc = slo_search(&x->slo, attempt, x);

	if (rc == STOPPED)
		return 0;
	if (rc)
		return rc;
	x->jr.rate = x->slo.rate;
	if (x->slo.rate > 0)
		return 0;
	snprintf(text, sizeof(text), "slo=%s: no rate keeps it, not even %.0f operations per second (%s)",
		 x->jr.common->slo, x->slo.over,
		 x->slo.over_outcome == SLO_GENERATOR ? "the load generator was late" :
		 x->slo.over_outcome == SLO_TOO_FEW ? "too few operations to tell" :
						      "the latency is above it");
	execution_fail(x, "failed", text);
	return -1;
}

static int wait_steady(struct execution *x)
{
	uint64_t until_ns = bench_now_ns() + x->jr.job.steady_max_ns;
	bool held = false;
	int rc = 0;

	while (!rc && !held && !x->run->stop && bench_now_ns() < until_ns) {
		progress_step(&x->run->progress, "round %u, until steady", x->steady.nr_rounds + 1);
		rc = execution_window(x, x->run->settings->duration_ns, false);
		if (!rc && !x->run->stop)
			held = steady_add(&x->steady, execution_speed(x));
	}
	if (!rc && !held && !x->run->stop)
		result_warn(x->run->result, "%s: not steady after %u rounds", x->plan->spec->name,
			    x->steady.nr_rounds);
	return rc;
}

int execution_approach(struct execution *x)
{
	int rc = 0;

	if (!steady_init(&x->steady, x->jr.job.steady)) {
		execution_fail(x, "failed", "out of memory");
		return -1;
	}
	if (x->slo.target.ns)
		rc = search_rate(x);
	if (!rc && !x->run->stop && x->steady.mode == BENCH_STEADY_WAIT)
		rc = wait_steady(x);
	return rc;
}

void execution_note(struct execution *x)
{
	struct slo_try t = { .rate = x->jr.rate };

	steady_add_trial(&x->steady, execution_speed(x));
	if (!x->slo.target.ns)
		return;
	measure(x, &t);
	x->slo_kept += slo_judge(&x->slo.target, &t) == SLO_KEPT;
	if (!x->slo_trials)
		x->slo_trials = json_array();
	json_array_append_new(x->slo_trials, result_number(t.latency_ns));
}

/* A rate that most trials did not keep was a lucky find. */
static void confirm(struct execution *x)
{
	char text[200];

	if (2 * x->slo_kept > x->nr_trials)
		return;
	snprintf(text, sizeof(text),
		 "slo=%s: the search ended at %.0f operations per second, which only %u of %u trials kept; "
		 "the host is too uneven for it, or --duration too short",
		 x->jr.common->slo, x->slo.rate, x->slo_kept, x->nr_trials);
	execution_fail(x, "invalid", text);
}

/* Where the operations that missed the target spent their time: shares by cause, of those kept. */
static json_t *miss_causes(const struct execution *x, unsigned *ret_nr)
{
	double ns[SLOW_NR_CAUSES] = { 0 }, sum = 0;
	json_t *causes = json_object();

	*ret_nr = 0;
	for (unsigned w = 0; w < x->jr.nr; w++) {
		const struct bench_slow *s = x->jr.workers[w].w.slow;

		for (unsigned i = 0; s && i < s->nr; i++) {
			const struct slow_op *op = &s->worst[i];

			if (op->trial != x->jr.trial || op->latency_ns <= x->slo.target.ns)
				continue;
			++*ret_nr;
			for (unsigned c = 0; c < SLOW_NR_CAUSES; c++) {
				ns[c] += (double)op->ns[c];
				sum += (double)op->ns[c];
			}
		}
	}
	for (unsigned c = 0; c < SLOW_NR_CAUSES; c++)
		if (ns[c] > 0)
			json_object_set_new(causes, slow_cause_name(c), result_number(ns[c] / sum));
	return causes;
}

/* A trial at the rate above, whose metrics are the knee's and not the job's. */
void execution_knee(struct execution *x)
{
	const struct settings *s = x->run->settings;
	struct bench_metric_set *own = x->metrics;
	unsigned trials = x->nr_trials, nr;
	struct slo_try t = { .rate = x->slo.over };
	json_t *causes;
	int rc = -1;

	if (x->slo.target.ns && x->slo.rate > 0)
		confirm(x);
	if (!x->slo.target.ns || x->slo.over <= 0 || strcmp(x->status, "ok"))
		return;
	progress_step(&x->run->progress, "knee");
	x->metrics = x->jr.job.metrics = metric_set_new();
	x->jr.rate = x->slo.over;
	for (unsigned i = 0; i < x->jr.nr; i++)
		slow_forget(x->jr.workers[i].w.slow);
	x->aside = true;
	if (x->metrics)
		rc = execution_window(x, slo_window_ns(&x->slo.target, x->slo.over, s->duration_ns), true);
	x->aside = false;
	if (!rc && !x->run->stop) {
		measure(x, &t);
		causes = miss_causes(x, &nr);
		x->knee = json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:i}", "rate",
				    result_number(x->slo.over), "done", result_number(t.done),
				    "latency_ns", result_number(t.latency_ns), "status", "ok", "metrics",
				    metric_set_json(x->metrics), "causes", causes, "ops", (int)nr);
		verdict_add(x->knee);
		json_object_del(x->knee, "status");
		json_object_del(x->knee, "metrics");
	}
	if (!x->run->stuck)
		metric_set_free(x->metrics);
	x->metrics = x->jr.job.metrics = own;
	x->nr_trials = trials;
	/* What it showed is the knee's matter: the job's own trials stand. */
	if (!rc && !x->run->stop) {
		x->status = "ok";
		x->reason[0] = '\0';
	}
}

void execution_search_json(const struct execution *x, json_t *object)
{
	json_t *steady = x->steady.rounds ? steady_json(&x->steady) : NULL;
	json_t *slo;

	if (steady)
		json_object_set_new(object, "steady", steady);
	if (!x->slo.target.ns)
		return;
	slo = slo_json(&x->slo);
	if (x->slo_trials) {
		json_object_set_new(slo, "trials", x->slo_trials);
		json_object_set_new(slo, "kept", json_integer(x->slo_kept));
	}
	if (x->knee)
		json_object_set_new(slo, "knee", x->knee);
	json_object_set_new(object, "slo", slo);
}
