// SPDX-License-Identifier: BSD-2-Clause
/* How the text report words intervals, and two clocks of one thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/reporter.h"

extern const struct bench_reporter bench_reporter_text;

static char *render(json_t *result)
{
	struct bench_report_style style = { .utf8 = true, .width = 100 };
	struct bench_err err = { 0 };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(bench_reporter_text.report(result, &style, out, &err), 0);
	fclose(out);
	json_decref(result);
	return text;
}

static json_t *metric(const char *name, const char *unit, double value)
{
	return json_pack("{s:s,s:s,s:s,s:f,s:{s:s}}", "name", name, "unit", unit, "status", "ok",
			 "value", value, "labels", "scope", "worker");
}

static void one_figure_where_it_tells_the_interval(void **state)
{
	static const struct {
		double low, high;
		const char *row, *column;
	} cases[] = {
		{ 1000, 1000,
		  "1 k ops/s  \xc2\xb1"
		  "0.0 %",
		  " \xc2\xb1"
		  "0.0 %" },
		{ 950, 1060,
		  "  \xc2\xb1"
		  "6.0 %",
		  " \xc2\xb1"
		  "6.0 %" },
		{ 800, 1200,
		  "  \xc2\xb1"
		  "20.0 %",
		  " \xc2\xb1"
		  "20.0 %" },
		/* so narrow that it does not matter where the value lies */
		{ 1000, 1015,
		  "  \xc2\xb1"
		  "1.5 %",
		  " \xc2\xb1"
		  "1.5 %" },
		/* lopsided */
		{ 990, 1150, "  [990/s, 1.15 k/s]", " -1/+15 %" },
		{ 850, 1000, "  [850/s, 1 k/s]", " -15/+0 %" },
		/* wide */
		{ 380, 1620, "  [380/s, 1.62 k/s]", " -62/+62 %" },
		{ 100, 10900, "  [100/s, 10.9 k/s]", " -90/+990 %" },
		{ 100, 11100, "  [100/s, 11.1 k/s]", " 6 trials" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *ops = metric("ops", "1/s", 1000);
		const char *summary;
		char *text;

		json_object_set_new(ops, "ci", json_pack("[f,f]", cases[i].low, cases[i].high));
		json_object_set_new(ops, "trials",
				    json_pack("[f,f,f,f,f,f]", cases[i].low, 1e3, 1e3, 1e3, 1e3,
					      cases[i].high));
		text = render(json_pack("{s:[{s:s,s:s,s:[o]}]}", "jobs", "name", "j", "status",
					"ok", "metrics", ops));
		summary = strstr(text, "\nsummary");
		assert_non_null(summary);
		if (!strstr(text, cases[i].row) || strstr(text, cases[i].row) > summary ||
		    !strstr(summary, cases[i].column))
			fail_msg("[%g, %g]: no \"%s\" and \"%s\" in\n%s", cases[i].low,
				 cases[i].high, cases[i].row, cases[i].column, text);
		free(text);
	}
}

static void a_second_clock_is_told_when_it_differs(void **state)
{
	static const struct {
		double clock;
		const char *words;
	} cases[] = {
		{ 980, NULL },
		{ 700, "task-clock: 700 ns, without switches" },
		{ 1300, "task-clock: 1.30 \xc2\xb5s, with interrupts and stolen time" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text =
			render(json_pack("{s:[{s:s,s:s,s:[o,o]}]}", "jobs", "name", "j", "status",
					 "ok", "metrics", metric("cpu.per_op", "ns", 1000),
					 metric("task-clock.per_op", "ns", cases[i].clock)));

		if (cases[i].words)
			assert_non_null(strstr(text, cases[i].words));
		else
			assert_null(strstr(text, "task-clock: "));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_figure_where_it_tells_the_interval),
		cmocka_unit_test(a_second_clock_is_told_when_it_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
