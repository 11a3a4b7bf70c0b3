// SPDX-License-Identifier: BSD-2-Clause
#include "core/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/clock.h"
#include "core/nearest.h"
#include "core/result.h"

struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix size_suffixes[] = {
	{ "", 1 },	       { "b", 1 },	    { "k", 1ull << 10 },   { "kib", 1ull << 10 },
	{ "m", 1ull << 20 },   { "mib", 1ull << 20 }, { "g", 1ull << 30 }, { "gib", 1ull << 30 },
	{ "t", 1ull << 40 },   { "tib", 1ull << 40 }, { NULL, 0 },
};

static const struct suffix duration_suffixes[] = {
	{ "", BENCH_NS_PER_SEC },   { "ns", 1 },		   { "us", BENCH_NS_PER_US },
	{ "ms", BENCH_NS_PER_MS },  { "s", BENCH_NS_PER_SEC },	   { "m", 60 * BENCH_NS_PER_SEC },
	{ "min", 60 * BENCH_NS_PER_SEC }, { "h", 3600 * BENCH_NS_PER_SEC }, { NULL, 0 },
};

static const struct suffix no_suffixes[] = { { "", 1 }, { NULL, 0 } };

const struct bench_option *option_find(const struct bench_option *table, const char *name)
{
	for (const struct bench_option *o = table; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

/* A number with an optional fraction and suffix. Returns false for anything else, for negative
 * numbers and for what does not fit into 64 bits. */
static bool parse_number(const char *text, const struct suffix *suffixes, uint64_t *ret_value)
{
	bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
	char *end;
	unsigned long long whole;
	long double value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	whole = strtoull(text, &end, hex ? 16 : 10);
	if (errno)
		return false;
	value = whole;
	if (*end == '.' && !hex && suffixes != no_suffixes) {
		long double scale = 0.1L;

		for (end++; *end >= '0' && *end <= '9'; end++, scale /= 10)
			value += (*end - '0') * scale;
	}
	for (const struct suffix *s = suffixes; s->text; s++) {
		if (strcasecmp(end, s->text) != 0)
			continue;
		value *= s->factor;
		if (value >= 18446744073709551615.0L)
			return false;
		*ret_value = value == whole ? whole : (uint64_t)(value + 0.5L);
		return true;
	}
	return false;
}

static bool parse_bool(const char *text, uint64_t *ret_value)
{
	static const char *const words[] = { "0", "1", "no", "yes", "off", "on", "false", "true" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret_value = i & 1;
			return true;
		}
	}
	return false;
}

static bool parse_enum(const char *text, const char *const *values, uint64_t *ret_value)
{
	for (uint64_t i = 0; values[i]; i++) {
		if (strcmp(text, values[i]) == 0) {
			*ret_value = i;
			return true;
		}
	}
	return false;
}

static bool parse_value(const struct bench_option *opt, const char *text, uint64_t *ret_value)
{
	switch (opt->type) {
	case BENCH_OPT_U64:
		return parse_number(text, no_suffixes, ret_value);
	case BENCH_OPT_SIZE:
		return parse_number(text, size_suffixes, ret_value);
	case BENCH_OPT_DURATION:
		return parse_number(text, duration_suffixes, ret_value);
	case BENCH_OPT_BOOL:
		return parse_bool(text, ret_value);
	case BENCH_OPT_ENUM:
		return parse_enum(text, opt->values, ret_value);
	case BENCH_OPT_STRING:
		break;
	}
	return false;
}

static void *field(const struct bench_option *opt, const void *params)
{
	return (char *)params + opt->offset;
}

int option_set(const struct bench_option *opt, void *params, const char *text,
	       struct bench_err *err)
{
	char accepts[160];
	uint64_t value = 0;

	if (!text)
		text = opt->implied ? opt->implied : opt->type == BENCH_OPT_BOOL ? "1" : NULL;
	if (!text)
		return bench_fail(err, -EINVAL, "option '%s' needs a value", opt->name);
	if (opt->type == BENCH_OPT_STRING) {
		memcpy(field(opt, params), &text, sizeof(text));
		return 0;
	}
	option_accepts(opt, accepts, sizeof(accepts));
	if (!parse_value(opt, text, &value))
		return bench_fail(err, -EINVAL, "%s=%s: not a valid value; give %s", opt->name, text,
				  accepts);
	if (opt->type != BENCH_OPT_ENUM && (opt->min || opt->max) &&
	    (value < opt->min || value > opt->max))
		return bench_fail(err, -EINVAL, "%s=%s: out of range; give %s", opt->name, text,
				  accepts);
	memcpy(field(opt, params), &value, sizeof(value));
	return 0;
}

void option_defaults(const struct bench_option *table, void *params)
{
	for (const struct bench_option *o = table; o && o->name; o++) {
		uint64_t value = 0;

		if (o->type == BENCH_OPT_STRING) {
			memcpy(field(o, params), &o->def, sizeof(o->def));
			continue;
		}
		if (o->def)
			(void)parse_value(o, o->def, &value); /* test_modules checks them all */
		memcpy(field(o, params), &value, sizeof(value));
	}
}

static void print_scaled(const struct suffix *const *scale, uint64_t value, char *buf, size_t size)
{
	const struct suffix *best = scale[0];

	for (unsigned i = 0; scale[i]; i++)
		if (value && value % scale[i]->factor == 0)
			best = scale[i];
	snprintf(buf, size, "%" PRIu64 "%s", value / best->factor, best->text);
}

static void print_value(const struct bench_option *opt, uint64_t value, char *buf, size_t size)
{
	static const struct suffix *const sizes[] = { &size_suffixes[0], &size_suffixes[2],
						      &size_suffixes[4], &size_suffixes[6],
						      &size_suffixes[8], NULL };
	static const struct suffix *const durations[] = { &duration_suffixes[1],
							  &duration_suffixes[2],
							  &duration_suffixes[3],
							  &duration_suffixes[4], NULL };

	switch (opt->type) {
	case BENCH_OPT_SIZE:
		print_scaled(sizes, value, buf, size);
		break;
	case BENCH_OPT_DURATION:
		if (value)
			print_scaled(durations, value, buf, size);
		else
			snprintf(buf, size, "0");
		break;
	case BENCH_OPT_ENUM:
		snprintf(buf, size, "%s", opt->values[value]);
		break;
	default:
		snprintf(buf, size, "%" PRIu64, value);
	}
}

static uint64_t value_of(const struct bench_option *opt, const void *params)
{
	uint64_t value;

	memcpy(&value, field(opt, params), sizeof(value));
	return value;
}

static const char *string_of(const struct bench_option *opt, const void *params)
{
	const char *text;

	memcpy(&text, field(opt, params), sizeof(text));
	return text;
}

void option_print(const struct bench_option *opt, const void *params, char *buf, size_t size)
{
	if (opt->type == BENCH_OPT_STRING)
		snprintf(buf, size, "%s", string_of(opt, params) ? string_of(opt, params) : "");
	else
		print_value(opt, value_of(opt, params), buf, size);
}

json_t *option_value_json(const struct bench_option *opt, const void *params)
{
	switch (opt->type) {
	case BENCH_OPT_STRING:
		return result_text(string_of(opt, params));
	case BENCH_OPT_ENUM:
		return json_string(opt->values[value_of(opt, params)]);
	case BENCH_OPT_BOOL:
		return json_boolean(value_of(opt, params));
	default:
		return json_integer((json_int_t)value_of(opt, params));
	}
}

json_t *option_json(const struct bench_option *table, const void *params)
{
	json_t *object = json_object();

	for (const struct bench_option *o = table; o && o->name; o++)
		json_object_set_new(object, o->name, option_value_json(o, params));
	return object;
}

static const char *placeholder(enum bench_option_type type)
{
	switch (type) {
	case BENCH_OPT_SIZE:
		return "SIZE";
	case BENCH_OPT_DURATION:
		return "TIME";
	case BENCH_OPT_BOOL:
		return "0|1";
	case BENCH_OPT_STRING:
		return "TEXT";
	default:
		return "N";
	}
}

void option_accepts(const struct bench_option *opt, char *buf, size_t size)
{
	char low[32], high[32];
	size_t used = 0;

	if (opt->type == BENCH_OPT_ENUM) {
		buf[0] = '\0';
		for (unsigned i = 0; opt->values[i] && used < size; i++)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? "|" : "",
						 opt->values[i]);
	} else if (opt->min || opt->max) {
		print_value(opt, opt->min, low, sizeof(low));
		print_value(opt, opt->max, high, sizeof(high));
		snprintf(buf, size, "%s..%s", low, high);
	} else if (opt->type == BENCH_OPT_SIZE) {
		snprintf(buf, size, "a size such as 4k, 1m or 1g");
	} else if (opt->type == BENCH_OPT_DURATION) {
		snprintf(buf, size, "a time such as 500ms, 2s or 1m");
	} else {
		snprintf(buf, size, "%s", opt->type == BENCH_OPT_U64 ? "a whole number" :
								       placeholder(opt->type));
	}
}

static void help_left(const struct bench_option *o, const char *prefix, char *buf, size_t size)
{
	char accepts[160], letter[8] = "";
	bool flag = o->type == BENCH_OPT_BOOL && prefix[0];

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	if (o->type == BENCH_OPT_ENUM)
		option_accepts(o, accepts, sizeof(accepts));
	else
		snprintf(accepts, sizeof(accepts), "%s",
			 o->values && o->values[0] ? o->values[0] : placeholder(o->type));
	if (flag)
		snprintf(buf, size, "  %s%s%s", letter, prefix, o->name);
	else if (o->implied)
		snprintf(buf, size, "  %s%s%s[=%s]", letter, prefix, o->name, accepts);
	else
		snprintf(buf, size, "  %s%s%s=%s", letter, prefix, o->name, accepts);
}

void option_help(const struct bench_option *table, const char *prefix, FILE *out)
{
	char left[256], range[200];

	for (const struct bench_option *o = table; o && o->name; o++) {
		help_left(o, prefix, left, sizeof(left));
		if (strlen(left) > 27)
			fprintf(out, "%s\n%29s", left, "");
		else
			fprintf(out, "%-29s", left);
		fprintf(out, "%s", o->help);
		if (o->def && o->type != BENCH_OPT_BOOL)
			fprintf(out, " (default %s)", o->def);
		else if (o->def && !prefix[0])
			fprintf(out, " (default %s)", o->def);
		if (!prefix[0] && o->type != BENCH_OPT_ENUM && (o->min || o->max) &&
		    o->type != BENCH_OPT_BOOL) {
			option_accepts(o, range, sizeof(range));
			fprintf(out, " [%s]", range);
		}
		fputc('\n', out);
	}
}

int option_unknown(const struct bench_option *table, const char *what, const char *name,
		   struct bench_err *err)
{
	struct nearest n = { .name = name };

	for (const struct bench_option *o = table; o && o->name; o++)
		nearest_offer(&n, o->name);
	if (n.best)
		return bench_fail(err, -EINVAL, "unknown %s '%s'; did you mean '%s'?", what, name,
				  n.best);
	return bench_fail(err, -EINVAL, "unknown %s '%s'", what, name);
}
