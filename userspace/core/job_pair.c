// SPDX-License-Identifier: BSD-2-Clause
// Jobs for two runtimes side by side: every job becomes one for each, with equal parameters.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/job_list.h"
#include "core/modules.h"
#include "core/option.h"

/* The async module that has m as its sibling, NULL = none. */
static const struct bench_module *family_of(const struct bench_module *m)
{
	const struct bench_module *other;

	for (unsigned i = 0; (other = module_at(i)); i++)
		if (other->sibling && !strcmp(other->sibling, m->name))
			return other;
	return NULL;
}

static bool was_given(const struct job_spec *spec, const struct bench_option *opt)
{
	return spec->given >> (opt - spec->module->options) & 1;
}

static int copy_value(struct job_list *list, const struct bench_option *from, const void *params,
		      const struct bench_option *to, void *ret_params, struct bench_err *err)
{
	char text[4096];
	const char *kept;

	option_print(from, params, text, sizeof(text));
	if (to->type == BENCH_OPT_STRING && !text[0])
		return 0;
	kept = job_list_keep(list, text);
	return kept ? option_set(to, ret_params, kept, err) : bench_fail(err, -ENOMEM, "out of memory");
}

/* The parameters that both modules have, with what was given of them. */
static int copy_params(struct job_list *list, const struct job_spec *from, struct job_spec *to,
		       struct bench_err *err)
{
	int rc = 0;

	to->common = from->common;
	to->from_suite = from->from_suite;
	for (const struct bench_option *o = from->module->options; o && o->name && !rc; o++) {
		const struct bench_option *other = option_find(to->module->options, o->name);

		if (!other || other->type != o->type)
			continue;
		rc = copy_value(list, o, from->params, other, to->params, err);
		if (was_given(from, o))
			to->given |= 1ull << (other - to->module->options);
	}
	return rc;
}

/* The axes of the sweep that `to` still varies on; one without any is none. */
static int copy_sweep(struct job_list *list, const struct job_spec *from, struct job_spec *to,
		      struct bench_err *err)
{
	char name[512];

	for (unsigned a = 0; a < from->nr_axes; a++) {
		const struct bench_option *opt = from->axes[a].option;

		if (option_find(from->module->options, opt->name) == opt)
			opt = option_find(to->module->options, opt->name);
		if (opt)
			to->axes[to->nr_axes++] = (struct sweep_axis){ opt, from->axes[a].text };
	}
	if (!to->nr_axes)
		return 0;
	snprintf(name, sizeof(name), "%s@%s", from->sweep, runtime_name(to->runtime));
	to->sweep = job_list_keep(list, name);
	return to->sweep ? 0 : bench_fail(err, -ENOMEM, "out of memory");
}

/* What the user called the job; where that is the module and its parameters, those of `module`. */
static void name_for(const struct job_spec *from, const struct bench_module *module, char *name,
		     size_t size)
{
	size_t len = strlen(from->module->name), at;
	char value[256], usual[256];
	struct job_settings defaults;

	if (module == from->module || strncmp(from->name, from->module->name, len) ||
	    (from->name[len] && from->name[len] != ',')) {
		snprintf(name, size, "%s", from->name);
		return;
	}
	at = (size_t)snprintf(name, size, "%s", module->name);
	for (const struct bench_option *o = from->module->options; o && o->name && at < size; o++) {
		if (!was_given(from, o) || !option_find(module->options, o->name))
			continue;
		option_print(o, from->params, value, sizeof(value));
		at += (size_t)snprintf(name + at, size - at, ",%s=%s", o->name, value);
	}
	option_defaults(job_options, &defaults);
	for (const struct bench_option *o = job_options; o->name && at < size; o++) {
		option_print(o, &from->common, value, sizeof(value));
		option_print(o, &defaults, usual, sizeof(usual));
		if (strcmp(value, usual))
			at += (size_t)snprintf(name + at, size - at, ",%s=%s", o->name, value);
	}
}

/* Parameters with which the async module has one operation under way, as its sibling has; those that
 * the user gave stay. */
static int make_single(struct job_spec *spec, struct bench_err *err)
{
	char words[160], *rest = words, *word;
	int rc = 0;

	snprintf(words, sizeof(words), "%s", spec->module->single ? spec->module->single : "");
	while (!rc && (word = strsep(&rest, ",")) && word[0]) {
		char *value = strchr(word, '=');
		const struct bench_option *opt;

		if (value)
			*value++ = '\0';
		opt = option_find(spec->module->options, word);
		if (opt && !was_given(spec, opt) && opt->type != BENCH_OPT_STRING)
			rc = option_set(opt, spec->params, value, err);
	}
	return rc;
}

static int add(struct job_list *list, const struct job_spec *from, const struct bench_module *module,
	       enum runtime_kind runtime, struct bench_err *err)
{
	char base[460], name[512];
	struct job_spec *to;
	int rc;

	name_for(from, module, base, sizeof(base));
	snprintf(name, sizeof(name), "%s@%s", base, runtime_name(runtime));
	rc = job_list_add_named(list, name, module->name, err);
	if (rc)
		return rc;
	to = &list->specs[list->nr - 1];
	to->runtime = runtime;
	rc = copy_params(list, from, to, err);
	rc = rc ? rc : copy_sweep(list, from, to, err);
	if (!rc && runtime == RUNTIME_URING && module->sibling)
		rc = make_single(to, err);
	return rc;
}

static bool same_params(const struct job_spec *a, const struct job_spec *b)
{
	json_t *x, *y;
	bool same;

	if (a->module != b->module)
		return false;
	x = json_pack("[o, o]", option_json(a->module->options, a->params),
		      option_json(job_options, &a->common));
	y = json_pack("[o, o]", option_json(b->module->options, b->params),
		      option_json(job_options, &b->common));
	same = x && y && json_equal(x, y);
	json_decref(x);
	json_decref(y);
	return same;
}

/* Both modules of a family lead to the same pair, which needs to run once. */
static void drop_twin(struct job_list *list)
{
	const struct job_spec *last = &list->specs[list->nr - 2];

	for (unsigned i = 0; i + 3 < list->nr; i++) {
		const struct job_spec *one = &list->specs[i];

		if (!one->in_turns || !same_params(one, last) || !same_params(one + 1, last + 1))
			continue;
		for (unsigned n = 0; n < 2; n++) {
			list->nr--;
			free(list->specs[list->nr].name);
			free(list->specs[list->nr].params);
		}
		return;
	}
}

static int pair(struct job_list *list, const struct job_spec *spec, struct bench_err *err)
{
	const struct bench_module *m = spec->module, *async = m, *blocking = m;
	bool twin = false;
	int rc;

	if (m->exec == BENCH_EXEC_ASYNC && !m->sibling)
		return add(list, spec, m, RUNTIME_URING, err);
	if (m->exec == BENCH_EXEC_ASYNC)
		blocking = module_find(m->sibling, err);
	else if (family_of(m))
		async = family_of(m);
	twin = async != blocking && (spec->from_suite || m == blocking);
	if (!blocking)
		return -EINVAL;
	rc = add(list, spec, async, RUNTIME_URING, err);
	rc = rc ? rc : add(list, spec, blocking, RUNTIME_BLOCKING, err);
	if (rc)
		return rc;
	list->specs[list->nr - 2].in_turns = true;
	if (twin)
		drop_twin(list);
	return 0;
}

int job_list_pair(struct job_list *list, struct bench_err *err)
{
	struct job_list old = { .specs = list->specs, .nr = list->nr };
	int rc = 0;

	list->specs = NULL;
	list->nr = 0;
	for (unsigned i = 0; i < old.nr && !rc; i++)
		rc = pair(list, &old.specs[i], err);
	job_list_drop_jobs(&old);
	return rc;
}
