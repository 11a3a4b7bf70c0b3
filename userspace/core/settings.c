// SPDX-License-Identifier: BSD-2-Clause
// The option tables and the list of jobs asked for.
#include "core/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nearest.h"
#include "core/option.h"
#include "core/registry.h"

static const char *const runtime_words[] = { "auto", "uring", "blocking", NULL };
static const char *const observer_words[] = { "off", "ab", NULL };
static const char *const scope_words[] = { "worker", "cpu", "both", NULL };
static const char *const list_word[] = { "LIST", NULL };
static const char *const file_word[] = { "FILE|DIR|none|-", NULL };
static const char *const name_word[] = { "NAME", NULL };
static const char *const dir_word[] = { "DIR", NULL };

/* Both commands share these rows; S is the offset of the struct settings. */
#define COMMON_OPTIONS(trials_def, s)                                                              \
	{ "runtime", BENCH_OPT_ENUM, (s) + offsetof(struct settings, runtime), 0, 0, "auto",       \
	  runtime_words, "execution runtime; auto takes uring where it works", NULL, 0 },          \
	{ "trials", BENCH_OPT_U64, (s) + offsetof(struct settings, trials), 1, 1000, trials_def,   \
	  NULL, "timed repetitions; an interval needs 6", NULL, 0 },                               \
	{ "counters", BENCH_OPT_STRING, (s) + offsetof(struct settings, counters), 0, 0,           \
	  "none", list_word,                                                                       \
	  "perf events; without LIST the set that fits this host", "", 0 },                        \
	{ "multiplex", BENCH_OPT_BOOL, (s) + offsetof(struct settings, multiplex), 0, 0, "0", NULL,  \
	  "count all events in every trial, extrapolated, instead of a group per trial", NULL, 0 },  \
	{ "probes", BENCH_OPT_STRING, (s) + offsetof(struct settings, probes), 0, 0, "all",        \
	  list_word, "eBPF probes: all, none (--no-probes) or names", NULL, 0 },                   \
	{ "observer", BENCH_OPT_ENUM, (s) + offsetof(struct settings, observer), 0, 0, "off",      \
	  observer_words, "ab: as many trials again without probes, to measure what they cost",    \
	  NULL, 0 },                                                                               \
	{ "interval", BENCH_OPT_DURATION, (s) + offsetof(struct settings, interval_ns),            \
	  BENCH_NS_PER_MS, 3600 * BENCH_NS_PER_SEC, "100ms", NULL,                                 \
	  "time between two rows of the time series", NULL, 0 },                                   \
	{ "output", BENCH_OPT_STRING, (s) + offsetof(struct settings, output), 0, 0, NULL,         \
	  file_word,                                                                               \
	  "where to save the result (default: bench-<UTC time>.json here); -: stdout", NULL, 'o' },\
	{ "force", BENCH_OPT_BOOL, (s) + offsetof(struct settings, force), 0, 0, "0", NULL,        \
	  "overwrite an existing output file", NULL, 0 },                                          \
	{ "format", BENCH_OPT_STRING, (s) + offsetof(struct settings, format), 0, 0, "text",       \
	  name_word, "report to print; see `bench list reporters`", NULL, 0 },                     \
	{ "quiet", BENCH_OPT_BOOL, (s) + offsetof(struct settings, quiet), 0, 0, "0", NULL,        \
	  "no progress on stderr", NULL, 'q' }

const struct bench_option run_options[] = {
	COMMON_OPTIONS("6", 0),
	{ "duration", BENCH_OPT_DURATION, offsetof(struct settings, duration_ns),
	  10 * BENCH_NS_PER_MS, 3600 * BENCH_NS_PER_SEC, "800ms", NULL, "length of each trial",
	  NULL, 0 },
	{ "warmup", BENCH_OPT_DURATION, offsetof(struct settings, warmup_ns), 0,
	  3600 * BENCH_NS_PER_SEC, "400ms", NULL, "untimed run before the first trial", NULL, 0 },
	{ "cpus", BENCH_OPT_STRING, offsetof(struct settings, cpus), 0, 0, NULL, list_word,
	  "CPUs to bind workers to, in this order, such as 0-3,8", NULL, 0 },
	{ "workers", BENCH_OPT_U64, offsetof(struct settings, workers), 0, 4096, "0", NULL,
	  "workers per job; 0 = one per core, or what the module needs", NULL, 0 },
	{ "scope", BENCH_OPT_ENUM, offsetof(struct settings, scope), 0, 0, "worker", scope_words,
	  "count events on the workers' threads, on their CPUs, or on both in turns", NULL, 0 },
	{ "oversubscribe", BENCH_OPT_BOOL, offsetof(struct settings, oversubscribe), 0, 0, "0",
	  NULL, "allow more workers than CPUs or cgroup quota", NULL, 0 },
	{ "slow", BENCH_OPT_U64, offsetof(struct settings, slow), 0, 10000, "32", NULL,
	  "slowest operations to take apart for each job; 0 = none", NULL, 0 },
	{ "directory", BENCH_OPT_STRING, offsetof(struct settings, directory), 0, 0, ".", dir_word,
	  "where modules make their temporary files", NULL, 0 },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

const struct bench_option exec_options[] = {
	COMMON_OPTIONS("10", offsetof(struct exec_settings, common)),
	{ "warmup", BENCH_OPT_U64, offsetof(struct exec_settings, warmup_runs), 0, 1000, "1", NULL,
	  "untimed runs of the command before the first trial", NULL, 0 },
	{ "discard-output", BENCH_OPT_BOOL, offsetof(struct exec_settings, discard_output), 0, 0,
	  "0", NULL, "send the command's stdout and stderr to /dev/null", NULL, 0 },
	{ "ignore-failure", BENCH_OPT_BOOL, offsetof(struct exec_settings, ignore_failure), 0, 0,
	  "0", NULL, "go on when the command exits with another status than 0", NULL, 'i' },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

const struct bench_option job_options[] = {
	{ "workers", BENCH_OPT_U64, offsetof(struct job_settings, workers), 0, 4096, "0", NULL,
	  "workers of this job; 0 = as --workers says", NULL, 0 },
	{ "cpus", BENCH_OPT_STRING, offsetof(struct job_settings, cpus), 0, 0, NULL, list_word,
	  "CPUs of this job, as --cpus; on the command line quote commas: cpus=0\\,2", NULL, 0 },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

const struct bench_module *module_find(const char *name, struct bench_err *err)
{
	struct nearest n = { .name = name };

	for (unsigned i = 0; registry_modules[i]; i++) {
		if (strcmp(registry_modules[i]->name, name) == 0)
			return registry_modules[i];
		nearest_offer(&n, registry_modules[i]->name);
	}
	if (n.best)
		bench_fail(err, -EINVAL, "unknown module '%s'; did you mean '%s'?", name, n.best);
	else
		bench_fail(err, -EINVAL,
			   "unknown module '%s'; `bench list modules` names what there is", name);
	return NULL;
}

void job_list_drop_jobs(struct job_list *list)
{
	for (unsigned i = 0; i < list->nr; i++) {
		free(list->specs[i].name);
		free(list->specs[i].params);
		free(list->specs[i].text);
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
		rc = option_set(opt, params, value, &inner);
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

/* Cut the next comma-separated word out of *rest, in place; a backslash keeps a comma. */
static char *next_word(char **rest)
{
	char *word = *rest, *to = word, *from = word;

	if (!word)
		return NULL;
	while (*from && *from != ',') {
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
	char *copy = strdup(text), *rest = copy, *word;
	struct job_spec *spec;
	int rc;

	if (!copy)
		return bench_fail(err, -ENOMEM, "out of memory");
	word = next_word(&rest);
	rc = job_list_add_named(list, text, word, err);
	if (rc) {
		free(copy);
		return rc;
	}
	spec = &list->specs[list->nr - 1];
	spec->text = copy;
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

int job_list_add_suite(struct job_list *list, struct bench_err *err)
{
	for (unsigned i = 0; registry_modules[i]; i++) {
		const struct bench_module *m = registry_modules[i];

		for (unsigned j = 0; m->suite && m->suite[j]; j++) {
			char text[256];
			int rc;

			snprintf(text, sizeof(text), "%s%s%s", m->name, m->suite[j][0] ? "," : "",
				 m->suite[j]);
			rc = job_list_add(list, text, true, err);
			if (rc)
				return rc;
		}
	}
	return 0;
}
