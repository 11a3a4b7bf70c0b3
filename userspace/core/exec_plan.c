// SPDX-License-Identifier: BSD-2-Clause
#include "core/exec_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/job_list.h"
#include "core/option.h"
#include "core/result.h"
#include "core/sweep.h"

static const char *const hook_names[EXEC_NR_HOOKS] = { "setup", "prepare", "cleanup" };

/* A parameter of the command. */
struct axis {
	struct bench_option option; /* its name, and how its values are read */
	char name[64];
	struct sweep_values values;
	bool used;
};

struct builder {
	const struct exec_request *request;
	struct axis axes[SWEEP_MAX_AXES];
	unsigned nr_axes;
	unsigned at[SWEEP_MAX_AXES]; /* the values of the job at hand */
	struct exec_plan plan;
	struct bench_err *err;
};

static int no_memory(struct bench_err *err)
{
	return bench_fail(err, -ENOMEM, "out of memory");
}

/* --- parameters --- */

/* A list is of texts; for a range the kind of numbers is the first that it can be read as. */
static int read_values(struct axis *axis, const char *text, struct bench_err *err)
{
	static const enum bench_option_type types[] = { BENCH_OPT_SIZE, BENCH_OPT_DURATION,
							BENCH_OPT_U64 };
	struct bench_err unused = { 0 };
	bool range = text[0] != '{';

	axis->option.type = range ? BENCH_OPT_U64 : BENCH_OPT_STRING;
	if (!sweep_is(&axis->option, text))
		return bench_fail(
			err, -EINVAL,
			"--parameter '%s': '%s' is one value; give several, such as {1,2,4} "
			"or 1..8",
			axis->name, text);
	if (!range || !sweep_parse(&axis->values, &axis->option, text, &unused))
		return range ? 0 : sweep_parse(&axis->values, &axis->option, text, err);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		axis->option.type = types[i];
		unused = (struct bench_err){ 0 };
		if (!sweep_parse(&axis->values, &axis->option, text, &unused))
			return 0;
	}
	return bench_fail(err, -EINVAL, "--parameter: %s", unused.msg);
}

static int add_axis(struct builder *b, const char *text)
{
	const char *eq = strchr(text, '=');
	size_t len = eq ? (size_t)(eq - text) : 0;
	struct axis *axis = &b->axes[b->nr_axes];

	if (b->nr_axes == SWEEP_MAX_AXES)
		return bench_fail(b->err, -EINVAL, "--parameter: more than %d", SWEEP_MAX_AXES);
	if (!len || len >= sizeof(axis->name) || strcspn(text, "{},= ") != len)
		return bench_fail(b->err, -EINVAL,
				  "--parameter '%s': give NAME=VALUES, such as n={1,2,4} or n=1..8",
				  text);
	snprintf(axis->name, sizeof(axis->name), "%.*s", (int)len, text);
	for (unsigned i = 0; i < b->nr_axes; i++)
		if (!strcmp(b->axes[i].name, axis->name))
			return bench_fail(b->err, -EINVAL, "--parameter: '%s' is given twice",
					  axis->name);
	axis->option.name = axis->name;
	b->nr_axes++;
	return read_values(axis, eq + 1, b->err);
}

/* text with every {NAME} replaced, malloc'ed. */
static char *substitute(struct builder *b, const char *text)
{
	size_t size = 0;
	char *out = NULL;
	FILE *file = open_memstream(&out, &size);

	if (!file)
		return NULL;
	while (*text) {
		const struct axis *found = NULL;
		size_t len = 0;

		for (unsigned a = 0; *text == '{' && a < b->nr_axes && !found; a++) {
			len = strlen(b->axes[a].name);
			if (strncmp(text + 1, b->axes[a].name, len) || text[1 + len] != '}')
				continue;
			b->axes[a].used = true;
			found = &b->axes[a];
			fputs(found->values.texts[b->at[a]], file);
		}
		if (found)
			text += len + 2;
		else
			fputc(*text++, file);
	}
	return fclose(file) ? NULL : out;
}

/* A number where it is one, so that a curve can be drawn over it. */
static json_t *value_json(const struct axis *axis, const char *text)
{
	union {
		uint64_t number;
		const char *text;
	} value;
	struct bench_err unused = { 0 };
	char *end;
	double number;

	if (axis->option.type != BENCH_OPT_STRING &&
	    !option_set(&axis->option, &value, text, &unused))
		return option_value_json(&axis->option, &value);
	number = strtod(text, &end);
	return *text && !*end ? result_number(number) : result_text(text);
}

/* --- commands --- */

/* Takes argv over. Returns its index, or -ENOMEM. */
static int add_command(struct builder *b, char **argv)
{
	struct exec_plan *plan = &b->plan;
	char ***grown =
		argv ? reallocarray(plan->commands, plan->nr_commands + 1, sizeof(*grown)) : NULL;

	if (!grown) {
		exec_words_free(argv);
		return no_memory(b->err);
	}
	plan->commands = grown;
	grown[plan->nr_commands] = argv;
	return (int)plan->nr_commands++;
}

static char **copy_argv(struct builder *b, char *const *argv)
{
	unsigned nr = 0;
	char **copy;

	while (argv[nr])
		nr++;
	copy = calloc(nr + 1, sizeof(*copy));
	for (unsigned i = 0; copy && i < nr; i++) {
		copy[i] = substitute(b, argv[i]);
		if (!copy[i]) {
			exec_words_free(copy);
			return NULL;
		}
	}
	return copy;
}

static char **command_argv(struct builder *b, unsigned command)
{
	char *line, **argv;

	if (!b->request->texts)
		return copy_argv(b, b->request->argv);
	line = substitute(b, b->request->texts[command]);
	argv = line ? exec_words(line) : NULL;
	free(line);
	return argv;
}

/* A command in one line of a bearable length, malloc'ed. */
static char *title(const struct exec_request *request, unsigned command)
{
	char name[256] = "";
	size_t used = 0, end;

	if (request->texts)
		used = (size_t)snprintf(name, sizeof(name), "%s", request->texts[command]);
	for (unsigned i = 0; !request->texts && request->argv[i] && used < sizeof(name); i++)
		used += (size_t)snprintf(name + used, sizeof(name) - used, "%s%s", i ? " " : "",
					 request->argv[i]);
	end = strcspn(name, "\r\n");
	if (used >= sizeof(name) || name[end]) {
		if (end > sizeof(name) - 4)
			end = sizeof(name) - 4;
		snprintf(name + end, sizeof(name) - end, "...");
	}
	return strdup(name);
}

static bool name_taken(const struct exec_plan *plan, const char *name)
{
	for (unsigned i = 0; i < plan->nr; i++)
		if (plan->specs[i].name && !strcmp(plan->specs[i].name, name))
			return true;
	return false;
}

/* From `template`, told apart from the other jobs' by the values that it does not show, or by a
 * number. */
static char *job_name(struct builder *b, const char *template)
{
	char *base = substitute(b, template), *name = NULL, mark[80];
	size_t size = 0;
	FILE *file = base ? open_memstream(&name, &size) : NULL;

	if (!file) {
		free(base);
		return NULL;
	}
	fputs(base, file);
	for (unsigned a = 0; a < b->nr_axes; a++) {
		snprintf(mark, sizeof(mark), "{%s}", b->axes[a].name);
		if (!strstr(template, mark))
			fprintf(file, ",%s=%s", b->axes[a].name, b->axes[a].values.texts[b->at[a]]);
	}
	if (fclose(file)) {
		free(base);
		return NULL;
	}
	free(base);
	for (unsigned i = 2; name_taken(&b->plan, name); i++) {
		char *other;

		if (asprintf(&other, "%.*s (%u)", (int)size, name, i) < 0)
			other = NULL;
		free(name);
		name = other;
		if (!name)
			break;
	}
	return name;
}

static int add_hook(struct builder *b, struct exec_spec *spec, enum exec_hook hook,
		    unsigned nr_jobs)
{
	const char *text = b->request->hooks[hook];
	char *line;

	spec->hooks[hook] = -1;
	if (!text)
		return 0;
	line = substitute(b, text);
	if (!line)
		return no_memory(b->err);
	/* Equal lines of several jobs are one command. */
	for (unsigned i = nr_jobs; i < b->plan.nr_commands && spec->hooks[hook] < 0; i++)
		if (!strcmp(b->plan.commands[i][2], line))
			spec->hooks[hook] = (int)i;
	if (spec->hooks[hook] < 0)
		spec->hooks[hook] = add_command(b, exec_shell(line));
	free(line);
	return spec->hooks[hook] < 0 ? spec->hooks[hook] : 0;
}

static int add_job(struct builder *b, unsigned command)
{
	const struct exec_request *request = b->request;
	struct exec_spec *spec = &b->plan.specs[b->plan.nr];
	char *shown = title(request, command);
	char **argv = command_argv(b, command);
	int index;

	b->plan.nr++;
	if (!argv) {
		free(shown);
		return bench_fail(b->err, -EINVAL, "--command: there is no word in '%s'",
				  request->texts ? request->texts[command] : "");
	}
	index = add_command(b, argv);
	if (index < 0 || !shown) {
		free(shown);
		return no_memory(b->err);
	}
	spec->command = (unsigned)index;
	spec->name = job_name(b, command < request->nr_names ? request->names[command] : shown);
	if (b->nr_axes) {
		spec->sweep = strdup(command < request->nr_names ? request->names[command] : shown);
		spec->params = json_object();
	}
	for (unsigned a = 0; a < b->nr_axes; a++)
		json_object_set_new(spec->params, b->axes[a].name,
				    value_json(&b->axes[a], b->axes[a].values.texts[b->at[a]]));
	free(shown);
	return spec->name && (spec->sweep || !b->nr_axes) ? 0 : no_memory(b->err);
}

/* The next combination of values; false after the last. The last parameter varies fastest. */
static bool next_values(struct builder *b)
{
	for (unsigned a = b->nr_axes; a--;) {
		if (++b->at[a] < b->axes[a].values.nr)
			return true;
		b->at[a] = 0;
	}
	return false;
}

static int add_all(struct builder *b)
{
	unsigned nr = b->request->texts ? b->request->nr_texts : 1, nr_jobs = nr;
	unsigned job = 0;
	int rc = 0;

	for (unsigned a = 0; a < b->nr_axes; a++) {
		nr_jobs *= b->axes[a].values.nr;
		if (nr_jobs > SWEEP_MAX_JOBS)
			return bench_fail(b->err, -EINVAL, "more than %d jobs", SWEEP_MAX_JOBS);
	}
	b->plan.specs = calloc(nr_jobs, sizeof(*b->plan.specs));
	if (!b->plan.specs)
		return no_memory(b->err);
	for (unsigned c = 0; c < nr && !rc; c++)
		do
			rc = add_job(b, c);
		while (!rc && next_values(b));
	for (unsigned c = 0; c < nr && !rc; c++)
		do
			for (unsigned h = 0; h < EXEC_NR_HOOKS && !rc; h++)
				rc = add_hook(b, &b->plan.specs[job], h, nr_jobs);
		while (job++, !rc && next_values(b));
	return rc;
}

static int check(const struct exec_request *request, struct bench_err *err)
{
	unsigned nr = request->texts ? request->nr_texts : request->argv[0] != NULL;

	if (!nr)
		return bench_fail(err, -EINVAL,
				  "exec: no command given; bench exec [OPTIONS] -- COMMAND");
	if (request->texts && request->argv[0])
		return bench_fail(err, -EINVAL,
				  "exec: give either --command or a command behind --, not both");
	if (request->nr_names > nr)
		return bench_fail(err, -EINVAL, "--name: %u names for %u command%s",
				  request->nr_names, nr, nr == 1 ? "" : "s");
	for (unsigned i = 0; i < request->nr_names; i++)
		if (!request->names[i][0])
			return bench_fail(err, -EINVAL, "--name: a name is empty");
	for (unsigned h = 0; h < EXEC_NR_HOOKS; h++)
		if (request->hooks[h] && !request->hooks[h][strspn(request->hooks[h], " \t\n")])
			return bench_fail(err, -EINVAL, "--%s: the command is empty",
					  hook_names[h]);
	return 0;
}

int exec_plan_build(struct exec_plan *ret_plan, const struct exec_request *request,
		    struct bench_err *err)
{
	struct builder b = { .request = request, .err = err };
	int rc = check(request, err);

	for (unsigned i = 0; i < request->nr_parameters && !rc; i++)
		rc = add_axis(&b, request->parameters[i]);
	rc = rc ? rc : add_all(&b);
	for (unsigned a = 0; a < b.nr_axes; a++) {
		if (!rc && !b.axes[a].used)
			rc = bench_fail(
				err, -EINVAL,
				"--parameter '%s' is used nowhere: write {%s} into the command",
				b.axes[a].name, b.axes[a].name);
		sweep_free(&b.axes[a].values);
	}
	if (rc)
		exec_plan_free(&b.plan);
	else
		*ret_plan = b.plan;
	return rc;
}

void exec_plan_free(struct exec_plan *plan)
{
	for (unsigned i = 0; i < plan->nr; i++) {
		free(plan->specs[i].name);
		free(plan->specs[i].sweep);
		json_decref(plan->specs[i].params);
	}
	for (unsigned i = 0; i < plan->nr_commands; i++)
		exec_words_free(plan->commands[i]);
	free(plan->commands);
	free(plan->specs);
	*plan = (struct exec_plan){ 0 };
}
