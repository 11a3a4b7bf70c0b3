// SPDX-License-Identifier: BSD-2-Clause
#include "core/sweep.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/option.h"

/* option_set() writes into params; here there is only this. */
union scratch {
	uint64_t value;
	const char *text;
};

static int read_value(const struct bench_option *opt, const char *text, union scratch *ret,
		      struct bench_err *err)
{
	struct bench_option alone = *opt;

	alone.offset = 0;
	return option_set(&alone, ret, text, err);
}

static bool is_number(const struct bench_option *opt)
{
	return opt->type == BENCH_OPT_U64 || opt->type == BENCH_OPT_SIZE ||
	       opt->type == BENCH_OPT_DURATION;
}

bool sweep_is(const struct bench_option *opt, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (!len)
		return false;
	if (text[0] == '{' && text[len - 1] == '}')
		return true;
	return is_number(opt) && strstr(text, "..");
}

static int append(struct sweep_values *values, const struct bench_option *opt, const char *text,
		  struct bench_err *err)
{
	union scratch scratch;
	char **grown;
	int rc = read_value(opt, text, &scratch, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < values->nr; i++)
		if (!strcmp(values->texts[i], text))
			return 0;
	if (values->nr == SWEEP_MAX_VALUES)
		return bench_fail(err, -EINVAL, "%s: more than %d values", opt->name,
				  SWEEP_MAX_VALUES);
	grown = realloc(values->texts, (values->nr + 1) * sizeof(*grown));
	if (!grown)
		return bench_fail(err, -ENOMEM, "out of memory");
	values->texts = grown;
	grown[values->nr] = strdup(text);
	if (!grown[values->nr])
		return bench_fail(err, -ENOMEM, "out of memory");
	values->nr++;
	return 0;
}

static int parse_list(struct sweep_values *values, const struct bench_option *opt, const char *text,
		      struct bench_err *err)
{
	char *copy = strndup(text + 1, strlen(text) - 2), *rest = copy, *word;
	int rc = 0;

	if (!copy)
		return bench_fail(err, -ENOMEM, "out of memory");
	while (!rc && (word = strsep(&rest, ",")))
		rc = append(values, opt, word, err);
	free(copy);
	return rc;
}

/* What leads from one value of a range to the next. */
struct step {
	double factor; /* 0 = none */
	uint64_t add;
};

static int parse_step(const struct bench_option *opt, const char *text, struct step *ret_step,
		      struct bench_err *err)
{
	union scratch scratch;
	struct bench_option any = *opt;
	char *end;

	if (!text) {
		*ret_step = opt->type == BENCH_OPT_U64 ? (struct step){ .add = 1 } :
							 (struct step){ .factor = 2 };
		return 0;
	}
	*ret_step = (struct step){ 0 };
	if (text[0] == '*') {
		ret_step->factor = strtod(text + 1, &end);
		/* Smaller ones would take more than SWEEP_MAX_VALUES over any range worth having. */
		if (*end || !(ret_step->factor >= 1.01) || ret_step->factor > 1e9)
			return bench_fail(err, -EINVAL,
					  "%s: '%s' is no factor for a range; give *2, *1.5, ...",
					  opt->name, text);
		return 0;
	}
	any.min = any.max = 0; /* of the step itself */
	if (read_value(&any, text + 1, &scratch, err) || !scratch.value)
		return bench_fail(err, -EINVAL, "%s: '%s' is no step for a range", opt->name, text);
	ret_step->add = scratch.value;
	return 0;
}

static uint64_t next_value(const struct step *step, uint64_t value)
{
	double next;

	if (!step->factor)
		return value + step->add < value ? UINT64_MAX : value + step->add;
	next = (double)value * step->factor;
	if (next >= 1.8e19)
		return UINT64_MAX;
	return (uint64_t)(next + 0.5) > value ? (uint64_t)(next + 0.5) : value + 1;
}

static int walk_range(struct sweep_values *values, const struct bench_option *opt, uint64_t low,
		      uint64_t high, const struct step *step, struct bench_err *err)
{
	struct bench_option alone = *opt;
	char text[64];

	alone.offset = 0;
	if (low > high)
		return bench_fail(err, -EINVAL, "%s: a range goes from the lower value to the higher",
				  opt->name);
	if (!low && step->factor)
		return bench_fail(err, -EINVAL,
				  "%s: a range from 0 needs a step to add, such as 0..8+2", opt->name);
	for (uint64_t value = low; value <= high; value = next_value(step, value)) {
		int rc;

		option_print(&alone, &value, text, sizeof(text));
		rc = append(values, opt, text, err);
		if (rc)
			return rc;
		if (value == UINT64_MAX)
			break;
	}
	return 0;
}

static int parse_range(struct sweep_values *values, const struct bench_option *opt,
		       const char *text, struct bench_err *err)
{
	char *copy = strdup(text), *dots, *tail, *how = NULL;
	union scratch low, high;
	struct step step;
	int rc;

	if (!copy)
		return bench_fail(err, -ENOMEM, "out of memory");
	dots = strstr(copy, "..");
	*dots = '\0';
	tail = strpbrk(dots + 2, "*+");
	if (tail) {
		how = strdup(tail);
		*tail = '\0';
	}
	rc = tail && !how ? bench_fail(err, -ENOMEM, "out of memory") : 0;
	rc = rc ? rc : parse_step(opt, how, &step, err);
	rc = rc ? rc : read_value(opt, copy, &low, err);
	rc = rc ? rc : read_value(opt, dots + 2, &high, err);
	rc = rc ? rc : walk_range(values, opt, low.value, high.value, &step, err);
	free(how);
	free(copy);
	return rc;
}

int sweep_parse(struct sweep_values *ret_values, const struct bench_option *opt, const char *text,
		struct bench_err *err)
{
	struct sweep_values values = { 0 };
	int rc = text[0] == '{' ? parse_list(&values, opt, text, err) :
				  parse_range(&values, opt, text, err);

	if (rc)
		sweep_free(&values);
	else
		*ret_values = values;
	return rc;
}

void sweep_free(struct sweep_values *values)
{
	for (unsigned i = 0; i < values->nr; i++)
		free(values->texts[i]);
	free(values->texts);
	*values = (struct sweep_values){ 0 };
}
