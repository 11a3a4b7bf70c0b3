// SPDX-License-Identifier: BSD-2-Clause
#include "core/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/option.h"
#include "core/slo.h"
#include "core/remote.h"

/* CPUs a job may use, in order. */
struct cpu_choice {
	int *cpus;
	unsigned nr;
	bool given; /* by the user */
};

static int choose_cpus(const struct plan *plan, const struct job_spec *spec,
		       struct cpu_choice *ret_choice, struct bench_err *err)
{
	const char *list = spec->common.cpus ? spec->common.cpus : plan->settings->cpus;
	struct cpu_choice c = { .given = list != NULL };

	if (list) {
		int rc = topology_parse(plan->topology, list, &c.cpus, &c.nr, err);

		if (rc)
			return rc;
	} else {
		c.nr = topology_nr_cpus(plan->topology);
		c.cpus = calloc(c.nr, sizeof(*c.cpus));
		if (!c.cpus)
			return bench_fail(err, -ENOMEM, "out of memory");
		for (unsigned i = 0; i < c.nr; i++)
			c.cpus[i] = topology_cpu(plan->topology, i)->os_index;
	}
	*ret_choice = c;
	return 0;
}

/* Keep the first CPU that has others in this relation to it, and those. False when none has. */
static bool related_cpus(const struct plan *plan, struct cpu_choice *c,
			 enum topology_relation relation)
{
	int *kept = calloc(c->nr, sizeof(*kept));

	for (unsigned i = 0; kept && i < c->nr; i++) {
		const struct topology_cpu *first = topology_find(plan->topology, c->cpus[i]);
		unsigned nr = 0;

		kept[nr++] = c->cpus[i];
		for (unsigned j = 0; j < c->nr && first; j++) {
			const struct topology_cpu *cpu = topology_find(plan->topology, c->cpus[j]);

			if (j != i && cpu && topology_relation(first, cpu) == relation)
				kept[nr++] = c->cpus[j];
		}
		if (nr < 2 && relation != TOPOLOGY_SAME_CPU)
			continue;
		free(c->cpus);
		c->cpus = kept;
		c->nr = relation == TOPOLOGY_SAME_CPU ? 1 : nr;
		c->given = true; /* as many workers as there are such CPUs */
		return true;
	}
	free(kept);
	return false;
}

/* A host without such CPUs skips the job. */
static int choose_related(const struct plan *plan, struct plan_job *job, struct cpu_choice *c,
			  struct bench_err *err)
{
	static const char *const words[] = {
		[TOPOLOGY_SAME_CPU] = "the same CPU",
		[TOPOLOGY_SMT] = "threads of one core",
		[TOPOLOGY_LLC] = "cores under one last-level cache",
		[TOPOLOGY_PACKAGE] = "cores of one package under different caches",
		[TOPOLOGY_CROSS] = "different packages",
	};
	enum topology_relation relation;
	char text[160];

	if (job->spec->common.placement == PLACEMENT_ANY)
		return 0;
	relation = (enum topology_relation)(job->spec->common.placement - PLACEMENT_SAME_CPU);
	if (related_cpus(plan, c, relation))
		return 0;
	snprintf(text, sizeof(text), "no two of the allowed CPUs are %s", words[relation]);
	job->skip = strdup(text);
	return job->skip ? 0 : bench_fail(err, -ENOMEM, "out of memory");
}

static bool same_core(const struct plan *plan, int a, int b)
{
	const struct topology_cpu *x = topology_find(plan->topology, a);
	const struct topology_cpu *y = topology_find(plan->topology, b);

	return x && y && topology_relation(x, y) == TOPOLOGY_SMT;
}

/* Bring the first CPU of each core to the front; how many cores there are. */
static unsigned cores_first(const struct plan *plan, struct cpu_choice *c)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < c->nr; i++) {
		int cpu = c->cpus[i];
		bool first = true;

		for (unsigned j = 0; j < nr && first; j++)
			first = !same_core(plan, cpu, c->cpus[j]);
		if (!first)
			continue;
		memmove(&c->cpus[nr + 1], &c->cpus[nr], (i - nr) * sizeof(c->cpus[0]));
		c->cpus[nr++] = cpu;
	}
	return nr;
}

/* spread= leaves the CPUs that workers shall be on, one each. A host whose cores have one PU each
 * skips the job that is about the others. */
static int choose_spread(const struct plan *plan, struct plan_job *job, struct cpu_choice *c,
			 struct bench_err *err)
{
	const struct job_spec *spec = job->spec;
	const struct bench_module *m = spec->module;

	if (spec->common.spread == SPREAD_ANY)
		return 0;
	if (m->min_workers || m->max_workers || (m->workers && m->workers(spec->params)))
		return bench_fail(err, -EINVAL,
				  "%s: spread= is for modules that take any number of workers",
				  spec->name);
	if (spec->common.workers)
		return bench_fail(err, -EINVAL, "%s: give either workers= or spread=", spec->name);
	c->given = true;
	if (spec->common.spread == SPREAD_ONE) {
		c->nr = 1;
	} else if (spec->common.spread == SPREAD_CORE) {
		c->nr = cores_first(plan, c);
	} else if (cores_first(plan, c) == c->nr) {
		job->skip = strdup("the allowed cores have one PU each: spread=pu is spread=core");
		return job->skip ? 0 : bench_fail(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* Workers when nobody says how many: one per core, or every CPU of --cpus, and no more than the
 * cgroup's CPU quota can run at once. */
static unsigned default_workers(const struct plan *plan, const struct cpu_choice *choice)
{
	unsigned nr = choice->given ? choice->nr : topology_nr_cores(plan->topology);
	const char *source;
	double quota = topology_quota(plan->topology, &source);

	if (!choice->given && quota > 0 && quota < nr)
		nr = quota < 1 ? 1 : (unsigned)quota;
	return nr;
}

static int count_workers(const struct plan *plan, struct plan_job *job,
			 const struct cpu_choice *choice, struct bench_err *err)
{
	const struct job_spec *spec = job->spec;
	const struct bench_module *m = spec->module;
	unsigned wanted = m->workers ? m->workers(spec->params) : 0;
	unsigned exact = wanted == BENCH_WORKERS_ALL ? 0 : wanted;
	unsigned min = exact ? exact : m->min_workers, max = exact ? exact : m->max_workers;
	unsigned nr = (unsigned)spec->common.workers;

	if (nr && max && min && (nr < min || nr > max))
		return bench_fail(err, -EINVAL, "%s: workers=%u; this module takes %u to %u", spec->name,
				  nr, min, max);
	if (nr && nr < min)
		return bench_fail(err, -EINVAL, "%s: workers=%u; this module takes %u at least",
				  spec->name, nr, min);
	if (!nr && spec->common.spread != SPREAD_ANY)
		nr = choice->nr;
	if (!nr)
		nr = (unsigned)plan->settings->workers;
	if (nr && max && nr > max)
		job->warning = strdup("it takes fewer workers than --workers says");
	if (!nr && wanted == BENCH_WORKERS_ALL)
		nr = choice->nr;
	if (!nr)
		nr = min ? min : default_workers(plan, choice);
	if (nr < min)
		nr = min;
	if (max && nr > max)
		nr = max;
	job->nr_workers = nr;
	return 0;
}

/* No more threads runnable at a time than CPUs, unless asked for. Those of a ping-pong may share a
 * CPU, with a warning. */
static int check_subscription(const struct plan *plan, struct plan_job *job,
			      const struct cpu_choice *choice, struct bench_err *err)
{
	const struct bench_module *m = job->spec->module;
	unsigned some = m->runnable ? m->runnable(job->spec->params) : 0;
	unsigned runnable = some ? some : job->nr_workers;
	bool fits = runnable <= choice->nr;
	const char *source = NULL;
	double quota = topology_quota(plan->topology, &source);
	char text[256] = "";

	if (job->nr_workers > choice->nr) {
		snprintf(text, sizeof(text), "%u workers share %u CPU%s", job->nr_workers, choice->nr,
			 choice->nr == 1 ? "" : "s");
	} else if (quota > 0 && runnable > quota && runnable > 1) {
		fits = false;
		snprintf(text, sizeof(text), "%u workers under a cgroup quota of %.2f CPUs (%s)",
			 job->nr_workers, quota, source);
	}
	if (!text[0])
		return 0;
	if (fits || plan->settings->oversubscribe) {
		free(job->warning);
		job->warning = strdup(text);
		return 0;
	}
	if (!job->spec->from_suite)
		return bench_fail(err, -EINVAL,
				  "%s: %s; use fewer workers or more CPUs, or --oversubscribe if that is "
				  "meant",
				  job->spec->name, text);
	job->skip = strdup(text);
	return 0;
}

static int check_runtime(struct plan_job *job, struct bench_err *err)
{
	const struct bench_module *m = job->spec->module;
	char text[256];

	if (m->exec != BENCH_EXEC_ASYNC || job->runtime == RUNTIME_URING)
		return 0;
	snprintf(text, sizeof(text), "module '%s' needs the uring runtime%s%s%s", m->name,
		 m->sibling ? "; use '" : "", m->sibling ? m->sibling : "",
		 m->sibling ? "' on the blocking runtime" : "");
	if (!job->spec->from_suite)
		return bench_fail(err, -EINVAL, "%s: %s", job->spec->name, text);
	job->skip = strdup(text);
	return 0;
}

/* The core paces BLOCKING modules by itself, an ASYNC one has to have a callback for it. */
static int check_rate(const struct plan_job *job, struct bench_err *err)
{
	const struct bench_module *m = job->spec->module;
	const struct job_settings *common = &job->spec->common;
	struct slo_target target;
	struct bench_err why = { 0 };

	if (common->slo && slo_parse(common->slo, &target, &why))
		return bench_fail(err, -EINVAL, "%s: %s", job->spec->name, why.msg);
	if (common->slo && common->rate)
		return bench_fail(err, -EINVAL, "%s: rate= and slo= exclude each other: slo= searches it",
				  job->spec->name);
	if ((!common->rate && !common->slo) ||
	    (!m->own_pace && (m->exec == BENCH_EXEC_BLOCKING || m->issue)))
		return 0;
	return bench_fail(err, -EINVAL, "%s: module '%s' knows no %s=%s%s%s", job->spec->name, m->name,
			  common->slo ? "slo" : "rate", m->sibling ? "; use '" : "", m->sibling ? m->sibling : "",
			  m->sibling ? "'" : "");
}

/* A job with its server's end on another host is the client's end here. */
static int check_peer(const struct plan *plan, const struct job_spec *spec, struct bench_err *err)
{
	const struct bench_module *m = spec->module;

	if (!spec->common.peer && spec->common.peer_cpus)
		return bench_fail(err, -EINVAL, "%s: peer_cpus= is for peer=", spec->name);
	if (!spec->common.peer)
		return 0;
	if (!m->split)
		return bench_fail(err, -EINVAL,
				  "%s: module '%s' has no end that could be elsewhere; "
				  "peer= is for net and net_sync",
				  spec->name, m->name);
	if (!plan->settings->key)
		return bench_fail(err, -EINVAL,
				  "%s: peer= needs --key=FILE, the key of `bench peer`",
				  spec->name);
	return 0;
}

/* With both runtimes a job and its sibling are set up together. */
static int check_alone(const struct plan *plan, const struct job_spec *spec, struct bench_err *err)
{
	const struct bench_module *m = spec->module;
	const char *what = spec->common.peer ? "the peer"
			   : m->alone	     ? m->alone(spec->params)
					     : NULL;

	if (plan->runtime != RUNTIME_BOTH || !what)
		return 0;
	return bench_fail(err, -EINVAL,
			  "%s: %s is for one job at a time: give one runtime, not both", spec->name,
			  what);
}

static int place(const struct plan *plan, struct plan_job *job, struct bench_err *err)
{
	struct cpu_choice choice = { 0 };
	int rc = check_peer(plan, job->spec, err);

	rc = rc ? rc : check_alone(plan, job->spec, err);
	if (!rc && job->spec->common.peer)
		rc = remote_split(job, err);
	if (rc)
		return rc;
	if (job->spec->module->validate) {
		struct bench_err why = { 0 };

		rc = job->spec->module->validate(job->spec->params, &why);
		if (rc)
			return bench_fail(err, rc, "%s: %s", job->spec->name, why.msg);
	}
	if (job->spec->module->resolve)
		job->spec->module->resolve(job->spec->params);
	rc = check_rate(job, err);
	rc = rc ? rc : check_runtime(job, err);
	if (rc || job->skip)
		return rc;
	rc = choose_cpus(plan, job->spec, &choice, err);
	if (rc)
		return rc;
	rc = choose_related(plan, job, &choice, err);
	if (!rc && !job->skip)
		rc = choose_spread(plan, job, &choice, err);
	if (rc || job->skip)
		goto out;
	rc = count_workers(plan, job, &choice, err);
	if (!rc)
		rc = check_subscription(plan, job, &choice, err);
	if (rc)
		goto out;
	job->cpus = calloc(job->nr_workers, sizeof(*job->cpus));
	if (!job->cpus) {
		rc = bench_fail(err, -ENOMEM, "out of memory");
		goto out;
	}
	for (unsigned i = 0; i < job->nr_workers; i++)
		job->cpus[i] = choice.cpus[i % choice.nr];
out:
	free(choice.cpus);
	return rc;
}

/* Where modules make their files. */
static int check_directory(const char *path, struct bench_err *err)
{
	struct stat st;

	if (!path)
		return 0;
	if (stat(path, &st))
		return bench_fail(err, -errno, "--directory=%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return bench_fail(err, -ENOTDIR, "--directory=%s is no directory", path);
	return 0;
}

int plan_build(struct plan *ret_plan, const struct job_list *list, const struct settings *settings,
	       const struct topology *topology, enum runtime_kind runtime, struct bench_err *err)
{
	struct plan plan = { .settings = settings, .topology = topology, .runtime = runtime };
	int rc = check_directory(settings->directory, err);

	if (rc)
		return rc;
	plan.jobs = calloc(list->nr ? list->nr : 1, sizeof(*plan.jobs));
	if (!plan.jobs)
		return bench_fail(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < list->nr && !rc; i++) {
		struct plan_job *job = &plan.jobs[plan.nr_jobs++];

		job->spec = &list->specs[i];
		job->runtime = runtime == RUNTIME_BOTH ? job->spec->runtime : runtime;
		rc = place(&plan, job, err);
	}
	if (rc)
		plan_free(&plan);
	else
		*ret_plan = plan;
	return rc;
}

void plan_free(struct plan *plan)
{
	for (unsigned i = 0; i < plan->nr_jobs; i++) {
		free(plan->jobs[i].cpus);
		free(plan->jobs[i].address);
		free(plan->jobs[i].skip);
		free(plan->jobs[i].warning);
	}
	free(plan->jobs);
	plan->jobs = NULL;
	plan->nr_jobs = 0;
}

uint64_t plan_duration_ns(const struct plan *plan)
{
	const struct settings *s = plan->settings;
	/* As many again without probes. */
	uint64_t trials = s->observer == OBSERVER_AB ? 2 * s->trials : s->trials;
	uint64_t each = s->warmup_ns + trials * s->duration_ns;
	uint64_t sum_ns = 0;

	for (unsigned i = 0; i < plan->nr_jobs; i++)
		if (!plan->jobs[i].skip)
			sum_ns += each +
				  (plan->jobs[i].spec->common.slo ? SLO_WINDOWS * s->duration_ns : 0);
	return sum_ns;
}

void plan_print(const struct plan *plan, FILE *out)
{
	const struct settings *s = plan->settings;

	fprintf(out, "runtime   %s\n", runtime_name(plan->runtime));
	fprintf(out, "per job   warm-up %.3g s, %" PRIu64 " trials of %.3g s\n", (double)s->warmup_ns / 1e9,
		s->trials, (double)s->duration_ns / 1e9);
	fprintf(out, "expected  %.3g s in all, beside setting up files\n",
		(double)plan_duration_ns(plan) / 1e9);
	for (unsigned i = 0; i < plan->nr_jobs; i++) {
		const struct plan_job *job = &plan->jobs[i];
		const struct bench_module *m = job->spec->module;
		char value[256];

		fprintf(out, "\njob %u     %s\n", i + 1, job->spec->name);
		if (plan->runtime == RUNTIME_BOTH)
			fprintf(out, "  runtime    %s%s\n", runtime_name(job->runtime),
				job->spec->in_turns ? ", in turns with the next job" : "");
		if (job->skip) {
			fprintf(out, "  skipped    %s\n", job->skip);
			continue;
		}
		fprintf(out, "  module     %s (%s): %s\n", m->name,
			m->exec == BENCH_EXEC_ASYNC ? "async" : "blocking", m->op);
		fprintf(out, "  placement  %u worker%s on cpu", job->nr_workers,
			job->nr_workers == 1 ? "" : "s");
		for (unsigned w = 0; w < job->nr_workers; w++)
			fprintf(out, "%s%d", w ? "," : " ", job->cpus[w]);
		fprintf(out, "\n  params    ");
		for (const struct bench_option *o = m->options; o && o->name; o++) {
			option_print(o, job->spec->params, value, sizeof(value));
			if (value[0])
				fprintf(out, " %s=%s", o->name, value);
		}
		fputc('\n', out);
		if (job->warning)
			fprintf(out, "  warning    %s\n", job->warning);
	}
}
