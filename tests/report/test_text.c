// SPDX-License-Identifier: BSD-2-Clause
/* Reporters on documents that are not what they should be, and on every kind of terminal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/reporter.h"
#include "bench/units.h"

extern const struct bench_reporter bench_reporter_text, bench_reporter_json;

static const char *const fixtures[] = { "full", "blocking", "exec", "interrupted" };

#define NR_FIXTURES (sizeof(fixtures) / sizeof(fixtures[0]))

static uint64_t seed = 4711;

static uint64_t rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * 2685821657736338717ull) >> 16;
}

/* The text of a fixture, malloc'ed. The tests run in the top folder of the tree. */
static char *fixture_text(const char *name)
{
	char path[128], *text = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *in;

	snprintf(path, sizeof(path), "tests/report/%s.json", name);
	in = fopen(path, "r");
	if (!in) {
		print_message("cannot open %s from here\n", path);
		return NULL;
	}
	len = getdelim(&text, &size, '\0', in);
	fclose(in);
	return len > 0 ? text : NULL;
}

static json_t *fixture(const char *name)
{
	char *text = fixture_text(name);
	json_t *result = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	if (!result)
		skip();
	return result;
}

static char *render(const struct bench_reporter *reporter, const json_t *result,
		    struct bench_report_style style)
{
	struct bench_err err = { 0 };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(reporter->report(result, &style, out, &err), 0);
	fclose(out);
	return text;
}

/* Columns of the widest line; escape sequences for colour take none. */
static unsigned widest(const char *text)
{
	unsigned most = 0, now = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '\n') {
			now = 0;
		} else if (*p == 0x1b) {
			p += strcspn((const char *)p, "m");
		} else if ((*p & 0xc0) != 0x80) {
			now++;
		}
		most = now > most ? now : most;
	}
	return most;
}

static void report_fits_every_width(void **state)
{
	static const unsigned widths[] = { 100, 99, 90, 89, 80, 72, 71, 60,
					  59,  52, 50, 49, 48, 44, 41, 40 };

	(void)state;
	for (unsigned f = 0; f < NR_FIXTURES; f++) {
		json_t *result = fixture(fixtures[f]);

		for (unsigned i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
			struct bench_report_style style = { .utf8 = true,
							    .color = i % 2,
							    .width = widths[i] };
			char *text = render(&bench_reporter_text, result, style);

			if (widest(text) > widths[i])
				print_message("%s at %u columns has %u\n", fixtures[f], widths[i],
					      widest(text));
			assert_true(widest(text) <= widths[i]);
			free(text);
		}
		json_decref(result);
	}
}

static void colour_adds_only_escape_sequences(void **state)
{
	struct bench_report_style style = { .utf8 = true, .width = 100 };
	json_t *result = fixture("full");
	char *plain = render(&bench_reporter_text, result, style), *colored, *out;

	(void)state;
	style.color = true;
	colored = render(&bench_reporter_text, result, style);
	assert_null(strchr(plain, 0x1b));
	assert_non_null(strchr(colored, 0x1b));
	out = colored;
	for (const char *p = colored; *p; p++) {
		if (*p == 0x1b)
			p += strcspn(p, "m");
		else
			*out++ = *p;
	}
	*out = '\0';
	assert_string_equal(plain, colored);
	free(plain);
	free(colored);
	json_decref(result);
}

static void ascii_terminal_gets_ascii(void **state)
{
	struct bench_report_style style = { .width = 100 };
	json_t *result = fixture("full");
	char *text;

	(void)state;
	json_object_set_new(result, "started", json_string("\xc3\xbc\xe2\x82\xac"));
	text = render(&bench_reporter_text, result, style);
	for (const char *p = text; *p; p++)
		assert_true((*p >= 0x20 && *p < 0x7f) || *p == '\n');
	free(text);
	json_decref(result);
}

/* A process name is chosen by whoever runs it. */
static void outside_text_cannot_steer_the_terminal(void **state)
{
	static const char evil[] = "a\033]0;owned\007\033[2Jb\xc2\x9b"
				   "31m\xe2\x80\xae"
				   "c\r\nd\te\x7f";
	struct bench_report_style style = { .utf8 = true, .width = 100 };
	json_t *result = json_pack(
		"{s:s,s:{s:s},s:{s:s,s:s},s:[s],s:[{s:s,s:s,s:s,s:s,s:{s:s},s:[{s:s,s:s,s:s,s:s,s:"
		"f,s:{s:s}}]}],s:[s]}",
		"started", evil, "tool", "version", evil, "host", "hostname", evil, "kernel", evil,
		"command", evil, "jobs", "name", evil, "module", evil, "status", evil, "reason",
		evil, "params", "p", evil, "metrics", "name", evil, "unit", evil, "status", "ok",
		"source", evil, "value", 1.5, "labels", "comm", evil, "warnings", evil);
	char *text;

	(void)state;
	assert_non_null(result);
	text = render(&bench_reporter_text, result, style);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		assert_true(*p >= 0x20 || *p == '\n');
		assert_true(*p != 0x7f);
	}
	assert_null(strstr(text, "\xc2\x9b"));
	assert_null(strstr(text, "\xe2\x80\xae"));
	assert_non_null(strstr(text, "\\x1b]0;owned\\x07"));
	free(text);
	json_decref(result);
}

/* Numbers have a point even where the locale says comma. */
static void locale_does_not_change_numbers(void **state)
{
	static const char *const names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8" };
	struct bench_report_style style = { .utf8 = true, .width = 100 };
	json_t *result = fixture("full");
	char *before = render(&bench_reporter_text, result, style), *after;
	const char *set = NULL;

	(void)state;
	for (unsigned i = 0; !set && i < sizeof(names) / sizeof(names[0]); i++)
		set = setlocale(LC_ALL, names[i]);
	if (!set) {
		free(before);
		json_decref(result);
		print_message("no locale with a decimal comma is installed\n");
		skip();
	}
	after = render(&bench_reporter_text, result, style);
	setlocale(LC_ALL, "C");
	assert_string_equal(before, after);
	free(before);
	free(after);
	json_decref(result);
}

/* Every metric with a value has its name, or what stands for it, in the report. */
static void metric_that_nobody_knows_is_printed(void **state)
{
	static const char *const sources[] = { "module", "runtime", "probe", "counter", "host" };
	static const char *const names[] = { "novel",	    "novel.thing",   "sched.novel",
					     "block.novel", "runtime.novel", "host.novel",
					     "wall.novel" };
	struct bench_report_style style = { .utf8 = true, .width = 100 };

	(void)state;
	for (unsigned s = 0; s < 5; s++) {
		for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
			json_t *result = json_pack(
				"{s:[{s:s,s:s,s:[{s:s,s:s,s:s,s:s,s:f,s:{}}]}]}", "jobs", "name",
				"j", "status", "ok", "metrics", "name", names[n], "unit", "furlong",
				"status", "ok", "source", sources[s], "value", 765.5, "labels");
			char *text = render(&bench_reporter_text, result, style);
			const char *dot = strrchr(names[n], '.');

			assert_non_null(strstr(text, dot ? dot + 1 : names[n]));
			assert_non_null(strstr(text, "76"));
			free(text);
			json_decref(result);
		}
	}
}

/* The first words of a line are as far apart as all others, however short they are. */
static void short_words_keep_their_gaps(void **state)
{
	struct bench_report_style style = { .utf8 = true, .width = 100 };
	json_t *result = json_pack("{s:[{s:s,s:s,s:{s:[s,s,i]},s:[{s:s,s:s,s:s,s:f,s:[f,f]}]}]}",
				   "jobs", "name", "sh -c x", "status", "ok", "params", "p", "a",
				   "b", 7, "metrics", "name", "q", "unit", "B", "status", "ok",
				   "value", 77.0, "trials", 76.0, 78.0);
	char *text = render(&bench_reporter_text, result, style);

	(void)state;
	assert_non_null(strstr(text, "\n  sh -c x"));
	assert_non_null(strstr(text, "  q  77 B  2 trials from 76 B to 78 B"));
	assert_non_null(strstr(text, "p=a b 7"));
	free(text);
	json_decref(result);
}

static void no_metric_is_lost_among_thousands(void **state)
{
	struct bench_report_style style = { .utf8 = true, .width = 100 };
	json_t *metrics = json_array(), *result;
	unsigned lines = 0;
	char *text, label[16];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		snprintf(label, sizeof(label), "task%d", i);
		json_array_append_new(metrics, json_pack("{s:s,s:s,s:s,s:i,s:{s:s}}", "name",
							 i % 2 ? "many" : "sched.many", "unit",
							 "ns", "status", "ok", "value", i, "labels",
							 "who", label));
	}
	result = json_pack("{s:[{s:s,s:o}]}", "jobs", "status", "ok", "metrics", metrics);
	text = render(&bench_reporter_text, result, style);
	assert_non_null(strstr(text, "and 1490 more"));
	assert_non_null(strstr(text, "and 1490 more of many"));
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_true(lines < 40);
	free(text);
	json_decref(result);
}

static json_t *odd_value(void)
{
	switch (rnd() % 12) {
	case 0:
		return json_null();
	case 1:
		return json_integer(-1);
	case 2:
		return json_integer(INT64_MAX);
	case 3:
		return json_real(1e308);
	case 4:
		return json_real(-4.9e-324);
	case 5:
		return json_string("");
	case 6:
		return json_string("\x01\x1b[31m \xe2\x80\xae%s%n");
	case 7:
		return json_array();
	case 8:
		return json_pack("[n,i,s,[],{}]", 1, "x");
	case 9:
		return json_object();
	case 10:
		return json_pack("{s:n,s:i}", "name", "value", 1);
	default:
		return json_true();
	}
}

/* Replace or remove one random node below value. */
static void mutate(json_t *value)
{
	size_t nr = json_is_object(value) ? json_object_size(value) : json_array_size(value);
	size_t at = nr ? rnd() % nr : 0;
	json_t *child = NULL;
	void *iter = NULL;

	if (!nr)
		return;
	if (json_is_object(value)) {
		for (iter = json_object_iter(value); at--;)
			iter = json_object_iter_next(value, iter);
		child = json_object_iter_value(iter);
	} else {
		child = json_array_get(value, at);
	}
	if ((json_is_object(child) || json_is_array(child)) && rnd() % 8) {
		mutate(child);
	} else if (json_is_object(value)) {
		if (rnd() % 4)
			json_object_iter_set_new(value, iter, odd_value());
		else
			json_object_del(value, json_object_iter_key(iter));
	} else {
		json_array_set_new(value, at, odd_value());
	}
}

static void wrong_types_anywhere_do_no_harm(void **state)
{
	(void)state;
	for (unsigned f = 0; f < NR_FIXTURES; f++) {
		json_t *original = fixture(fixtures[f]);

		for (unsigned i = 0; i < 150; i++) {
			json_t *result = json_deep_copy(original);
			struct bench_report_style style = { .utf8 = i % 2,
							    .color = i % 3 == 0,
							    .width = 40 + i % 80 };

			for (unsigned k = 0; k < 1 + i; k++)
				mutate(result);
			free(render(&bench_reporter_text, result, style));
			free(render(&bench_reporter_json, result, style));
			json_decref(result);
		}
		json_decref(original);
	}
}

/* Damaged files either load or are refused; what loads can be printed. */
static void damaged_bytes_do_no_harm(void **state)
{
	struct bench_report_style style = { .utf8 = true, .width = 100 };
	char *text = fixture_text("exec"), path[] = "/tmp/bench-fuzz-XXXXXX";
	size_t len;
	int fd;

	(void)state;
	if (!text)
		skip();
	len = strlen(text);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < 300; i++) {
		char *copy = strdup(text);
		struct bench_err err = { 0 };
		json_t *result = NULL;
		FILE *out = fopen(path, "w");

		assert_true(copy && out);
		for (unsigned k = 0; k < 1 + i % 4; k++)
			copy[rnd() % len] = i % 2 ? (char)rnd() : "0129.,:\"{}[]-eE"[rnd() % 15];
		fwrite(copy, 1, i % 5 ? len : rnd() % len, out);
		fclose(out);
		if (!bench_result_load(&result, path, &err))
			free(render(&bench_reporter_text, result, style));
		else
			assert_true(err.code == -EINVAL && err.msg[0]);
		json_decref(result);
		free(copy);
	}
	fclose(fdopen(fd, "r"));
	remove(path);
	free(text);
}

static void full_device_is_an_error(void **state)
{
	struct bench_report_style style = { .width = 100 };
	struct bench_err err = { 0 };
	json_t *result = fixture("exec");
	FILE *out;

	(void)state;
	for (int i = 0; i < 2; i++) {
		out = fopen("/dev/full", "w");
		assert_non_null(out);
		assert_int_equal((i ? bench_reporter_text : bench_reporter_json)
					 .report(result, &style, out, &err),
				 -ENOSPC);
		assert_non_null(strstr(err.msg, "No space"));
		fclose(out);
	}
	json_decref(result);
}

static void numbers_have_three_digits_and_the_shortest_unit(void **state)
{
	static const struct {
		double value;
		const char *unit, *text;
	} rows[] = {
		{ 65231, "1/s", "65.2 k/s" },
		{ 999.4, "1/s", "999/s" },
		{ 999.6, "1/s", "1.00 k/s" },
		{ 999960, "1/s", "1.00 M/s" },
		{ 1.21e9, "B/s", "1.21 GB/s" },
		{ 4096, "B", "4 KiB" },
		{ 8330690560, "B", "7.76 GiB" },
		{ 118, "ns", "118 ns" },
		{ 15123, "ns", "15.1 us" },
		{ 99960, "ns", "100 us" },
		{ 9996, "ns", "10.0 us" },
		{ 42123456789, "ns", "42.1 s" },
		{ 0, "ns", "0 ns" },
		{ 0.339, "ns", "0.339 ns" },
		{ 64511, "count", "64,511" },
		{ 1.625, "ratio", "1.62" },
		{ 2.11, "GHz", "2.11 GHz" },
		{ 0.0005, "share", "0.05 %" },
		{ 0.00001, "share", "<0.01 %" },
		{ 1, "share", "100.0 %" },
		{ -1500, "count", "-1,500" },
		{ 1e300, "count", "1e+300" },
		{ 12e12, "1/s", "12 T/s" },
		{ 2853927003, "Hz", "2.85 GHz" },
		{ 45678, "furlong", "45,678 furlong" },
	};
	char text[UNITS_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(units_value(text, rows[i].value, rows[i].unit, false),
				    rows[i].text);
	assert_string_equal(units_value(text, 15123, "ns", true), "15.1 \xc2\xb5s");
	assert_string_equal(units_rough(text, 15123, "ns", false), "15 us");
	assert_string_equal(units_rough(text, 1.34e6, "ns", false), "1.3 ms");
	assert_string_equal(units_thousands(text, 1234567.891, 2), "1,234,567.89");
	assert_string_equal(units_thousands(text, 999, 0), "999");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_fits_every_width),
		cmocka_unit_test(colour_adds_only_escape_sequences),
		cmocka_unit_test(ascii_terminal_gets_ascii),
		cmocka_unit_test(outside_text_cannot_steer_the_terminal),
		cmocka_unit_test(locale_does_not_change_numbers),
		cmocka_unit_test(metric_that_nobody_knows_is_printed),
		cmocka_unit_test(short_words_keep_their_gaps),
		cmocka_unit_test(no_metric_is_lost_among_thousands),
		cmocka_unit_test(wrong_types_anywhere_do_no_harm),
		cmocka_unit_test(damaged_bytes_do_no_harm),
		cmocka_unit_test(full_device_is_an_error),
		cmocka_unit_test(numbers_have_three_digits_and_the_shortest_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
