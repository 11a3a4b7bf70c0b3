// SPDX-License-Identifier: BSD-2-Clause
#include "core/job_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/modules.h"
#include "core/nearest.h"
#include "core/option.h"
#include "core/sweep.h"

static const char *const list_word[] = { "LIST", NULL };
static const char *const slo_word[] = { "p99:2ms", NULL };
static const char *const peer_word[] = { "HOST:PORT", NULL };
static const char *const placement_words[] = { "any",	  "same-cpu", "smt", "llc",
					       "package", "cross",    NULL };
static const char *const spread_words[] = { "any", "one", "core", "pu", NULL };
static const char *const arrival_words[] = { "constant", "poisson", NULL };

const struct bench_option job_options[] = {
	{ "workers", BENCH_OPT_U64, offsetof(struct job_settings, workers), 0, 4096, "0", NULL,
	  "workers of this job; 0 = as --workers says", NULL, 0 },
	{ "cpus", BENCH_OPT_STRING, offsetof(struct job_settings, cpus), 0, 0, NULL, list_word,
	  "CPUs of this job, as --cpus; on the command line quote commas: cpus=0\\,2", NULL, 0 },
	{ "placement", BENCH_OPT_ENUM, offsetof(struct job_settings, placement), 0, 0, "any",
	  placement_words,
	  "what worker 0 shares with each other: its CPU, core, last-level cache, package, or nothing",
	  NULL, 0 },
	{ "spread", BENCH_OPT_ENUM, offsetof(struct job_settings, spread), 0, 0, "any", spread_words,
	  "instead of workers=: one worker, one on each core, or one on each PU (hardware thread)",
	  NULL, 0 },
	{ "rate", BENCH_OPT_U64, offsetof(struct job_settings, rate), 0, 1000000000, "0", NULL,
	  "open loop: operations due per second, all workers together; 0 = one after the other",
	  NULL, 0 },
	{ "arrival", BENCH_OPT_ENUM, offsetof(struct job_settings, arrival), 0, 0, "constant",
	  arrival_words, "how the operations of an open loop are spaced", NULL, 0 },
	{ "slo", BENCH_OPT_STRING, offsetof(struct job_settings, slo), 0, 0, NULL, slo_word,
	  "open loop: search the highest rate at which this percentile of the latency keeps this time",
	  NULL, 0 },
	{ "peer", BENCH_OPT_STRING, offsetof(struct job_settings, peer), 0, 0, NULL, peer_word,
	  "host whose `bench peer` has the other end (net, net_sync); see --key", NULL, 0 },
	{ "peer_cpus", BENCH_OPT_STRING, offsetof(struct job_settings, peer_cpus), 0, 0, NULL,
	  list_word, "with peer=: CPUs of the other end", NULL, 0 },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

void job_list_drop_jobs(struct job_list *list)
{
	for (unsigned i = 0; i < list->nr; i++) {
		free(list->specs[i].name);
		free(list->specs[i].params);
	}
	free(list->specs);
	list->specs = NULL;
	list->nr = 0;
}

void job_list_free(struct job_list *list)
{
	job_list_drop_jobs(list);
	for (unsigned i = 0; i < list->nr_texts; i++)
		free(list->texts[i]);
	free(list->texts);
	*list = (struct job_list){ 0 };
}

const char *job_list_keep(struct job_list *list, const char *text)
{
	char **grown = realloc(list->texts, (list->nr_texts + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	list->texts = grown;
	grown[list->nr_texts] = strdup(text);
	return grown[list->nr_texts] ? grown[list->nr_texts++] : NULL;
}

static bool name_taken(const struct job_list *list, const char *name)
{
	for (unsigned i = 0; i < list->nr; i++)
		if (strcmp(list->specs[i].name, name) == 0)
			return true;
	return false;
}

int job_list_add_named(struct job_list *list, const char *name, const char *module,
		       struct bench_err *err)
{
	const struct bench_module *m = module_find(module, err);
	struct job_spec *grown, *spec;
	char unique[512];

	if (!m)
		return -EINVAL;
	snprintf(unique, sizeof(unique), "%s", name);
	for (unsigned i = 2; name_taken(list, unique); i++)
		snprintf(unique, sizeof(unique), "%.490s#%u", name, i);
	grown = realloc(list->specs, (list->nr + 1) * sizeof(*grown));
	if (!grown)
		return bench_fail(err, -ENOMEM, "out of memory");
	list->specs = grown;
	spec = &grown[list->nr];
	*spec = (struct job_spec){ .module = m };
	spec->name = strdup(unique);
	spec->params = calloc(1, m->params_size ? m->params_size : 1);
	if (!spec->name || !spec->params) {
		free(spec->name);
		free(spec->params);
		return bench_fail(err, -ENOMEM, "out of memory");
	}
	list->nr++;
	option_defaults(m->options, spec->params);
	option_defaults(job_options, &spec->common);
	return 0;
}

static void axis_drop(struct job_spec *spec, const struct bench_option *opt)
{
	for (unsigned i = 0; i < spec->nr_axes; i++) {
		if (spec->axes[i].option != opt)
			continue;
		memmove(&spec->axes[i], &spec->axes[i + 1],
			(spec->nr_axes - i - 1) * sizeof(spec->axes[0]));
		spec->nr_axes--;
		return;
	}
}

/* Of several values the first is set, and all are kept for job_list_expand(). */
static int set_value(struct job_spec *spec, const struct bench_option *opt, void *params,
		     const char *value, struct bench_err *err)
{
	struct sweep_values values;
	int rc;

	axis_drop(spec, opt);
	if (!sweep_is(opt, value))
		return option_set(opt, params, value, err);
	rc = sweep_parse(&values, opt, value, err);
	if (rc)
		return rc;
	sweep_free(&values);
	if (spec->nr_axes == SWEEP_MAX_AXES)
		return bench_fail(err, -EINVAL, "%s=%s: at most %d parameters of a job take several "
				  "values", opt->name, value, SWEEP_MAX_AXES);
	spec->axes[spec->nr_axes++] = (struct sweep_axis){ .option = opt, .text = value };
	return 0;
}

int job_spec_set(struct job_spec *spec, const char *key, const char *value, struct bench_err *err)
{
	const struct bench_option *opt = option_find(spec->module->options, key);
	struct bench_err inner = { 0 };
	void *params = spec->params;
	struct nearest n = { .name = key };
	int rc;

	if (!opt) {
		opt = option_find(job_options, key);
		params = &spec->common;
	}
	if (opt) {
		if (params == spec->params)
			spec->given |= 1ull << (opt - spec->module->options);
		rc = set_value(spec, opt, params, value, &inner);
		return rc ? bench_fail(err, rc, "%s: %s", spec->module->name, inner.msg) : 0;
	}
	for (const struct bench_option *o = spec->module->options; o && o->name; o++)
		nearest_offer(&n, o->name);
	for (const struct bench_option *o = job_options; o->name; o++)
		nearest_offer(&n, o->name);
	return bench_fail(err, -EINVAL, "%s: unknown parameter '%s'%s%s%s", spec->module->name, key,
			  n.best ? "; did you mean '" : "", n.best ? n.best : "",
			  n.best ? "'?" : "; see `bench list modules`");
}

/* Cut the next comma-separated word out of *rest, in place; a backslash keeps a comma, and so do
 * the braces of "key={a,b}". */
static char *next_word(char **rest)
{
	char *word = *rest, *to = word, *from = word;
	bool braces = false;

	if (!word)
		return NULL;
	while (*from && (*from != ',' || braces)) {
		if (from[0] == '=' && from[1] == '{' && strchr(from, '}'))
			braces = true;
		if (*from == '}')
			braces = false;
		if (*from == '\\' && (from[1] == ',' || from[1] == '\\'))
			from++;
		*to++ = *from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return word;
}

int job_list_add(struct job_list *list, const char *text, bool from_suite, struct bench_err *err)
{
	char *rest = (char *)job_list_keep(list, text), *word; /* the list's copy is ours to cut */
	struct job_spec *spec;
	int rc;

	if (!rest)
		return bench_fail(err, -ENOMEM, "out of memory");
	word = next_word(&rest);
	rc = job_list_add_named(list, text, word, err);
	if (rc)
		return rc;
	spec = &list->specs[list->nr - 1];
	spec->from_suite = from_suite;
	while ((word = next_word(&rest))) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = '\0';
		rc = job_spec_set(spec, word, value, err);
		if (rc)
			return rc;
	}
	return 0;
}

const void *job_spec_params(const struct job_spec *spec, const struct bench_option *option)
{
	for (const struct bench_option *o = job_options; o->name; o++)
		if (o == option)
			return &spec->common;
	return spec->params;
}

/* "disk,bs=4k..1m" is "disk,bs=64k" for one of its jobs, "[small reads]" is "small reads,bs=64k". */
static void name_with(char *name, size_t size, const char *key, const char *axis, const char *value)
{
	char *copy = strdup(name), *found = NULL, *pair = NULL;

	if (asprintf(&pair, "%s=%s", key, axis) < 0)
		pair = NULL;
	if (copy && pair)
		found = strstr(copy, pair);
	/* Not the end of a longer key. */
	while (found && found > copy && found[-1] != ',')
		found = strstr(found + 1, pair);
	if (found)
		snprintf(name, size, "%.*s%s=%s%s", (int)(found - copy), copy, key, value,
			 found + strlen(pair));
	else if (copy)
		snprintf(name, size, "%s,%s=%s", copy, key, value);
	free(pair);
	free(copy);
}

/* One job of the sweep that spec stands for: value[a] of axis a. */
static int expand_one(struct job_list *list, const struct job_spec *spec,
		      const struct sweep_values *values, const unsigned *value,
		      struct bench_err *err)
{
	char name[512];
	struct job_spec *one;
	int rc;

	snprintf(name, sizeof(name), "%s", spec->name);
	for (unsigned a = 0; a < spec->nr_axes; a++)
		name_with(name, sizeof(name), spec->axes[a].option->name, spec->axes[a].text,
			  values[a].texts[value[a]]);
	rc = job_list_add_named(list, name, spec->module->name, err);
	if (rc)
		return rc;
	one = &list->specs[list->nr - 1];
	memcpy(one->params, spec->params, spec->module->params_size);
	one->common = spec->common;
	one->from_suite = spec->from_suite;
	one->given = spec->given;
	if (spec->nr_axes)
		one->sweep = job_list_keep(list, spec->name);
	for (unsigned a = 0; a < spec->nr_axes && !rc; a++) {
		const struct bench_option *opt = spec->axes[a].option;
		const char *text = job_list_keep(list, values[a].texts[value[a]]);

		if (!text || !one->sweep)
			return bench_fail(err, -ENOMEM, "out of memory");
		one->axes[one->nr_axes++] = (struct sweep_axis){ .option = opt, .text = text };
		rc = option_set(opt, (void *)job_spec_params(one, opt), text, err);
	}
	return rc;
}

static int expand(struct job_list *list, const struct job_spec *spec, struct bench_err *err)
{
	struct sweep_values values[SWEEP_MAX_AXES] = { { 0 } };
	unsigned value[SWEEP_MAX_AXES] = { 0 }, a;
	unsigned long total = 1;
	int rc = 0;

	for (a = 0; a < spec->nr_axes && !rc; a++) {
		rc = sweep_parse(&values[a], spec->axes[a].option, spec->axes[a].text, err);
		total *= values[a].nr;
		if (!rc && total > SWEEP_MAX_JOBS)
			rc = bench_fail(err, -EINVAL, "%s: a sweep of more than %d jobs", spec->name,
					SWEEP_MAX_JOBS);
	}
	while (!rc && total--) {
		rc = expand_one(list, spec, values, value, err);
		for (a = spec->nr_axes; a-- > 0 && ++value[a] == values[a].nr;)
			value[a] = 0;
	}
	for (a = 0; a < spec->nr_axes; a++)
		sweep_free(&values[a]);
	return rc;
}

int job_list_expand(struct job_list *list, struct bench_err *err)
{
	struct job_list old = { .specs = list->specs, .nr = list->nr };
	int rc = 0;

	list->specs = NULL;
	list->nr = 0;
	for (unsigned i = 0; i < old.nr && !rc; i++)
		rc = expand(list, &old.specs[i], err);
	job_list_drop_jobs(&old);
	return rc;
}

static int add_suite_jobs(struct job_list *list, const struct bench_module *m,
			  const char *const *jobs, struct bench_err *err)
{
	int rc = 0;

	for (unsigned i = 0; jobs && jobs[i] && !rc; i++) {
		char text[256];

		snprintf(text, sizeof(text), "%s%s%s", m->name, jobs[i][0] ? "," : "", jobs[i]);
		rc = job_list_add(list, text, true, err);
	}
	return rc;
}

int job_list_add_suite(struct job_list *list, bool full, struct bench_err *err)
{
	const struct bench_module *m;
	int rc = 0;

	for (unsigned i = 0; (m = module_at(i)) && !rc; i++) {
		rc = add_suite_jobs(list, m, m->suite, err);
		if (!rc && full)
			rc = add_suite_jobs(list, m, m->full, err);
	}
	return rc;
}
