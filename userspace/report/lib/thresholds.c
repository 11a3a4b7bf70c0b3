// SPDX-License-Identifier: BSD-2-Clause
/* What was demanded of a job, and what came of it. */
#include <string.h>

#include "bench/units.h"
#include "report/lib/sections.h"

void section_thresholds(struct text *t)
{
	const json_t *rows = bench_result_get(t->job, "thresholds"), *row;
	char value[UNITS_MAX];
	size_t i;

	json_array_foreach (rows, i, row) {
		const char *status = bench_result_str(row, "status");
		bool ok = !strcmp(status, "ok");

		text_row(t, i ? "" : "thresholds");
		text_item(t, ok ? TEXT_GREEN : TEXT_RED, "%s", status);
		text_item(t, TEXT_PLAIN, "%s", bench_result_str(row, "threshold"));
		if (strcmp(status, "unknown"))
			text_item(t, TEXT_PLAIN, "%s is %s", bench_result_str(row, "metric"),
				  units_value(value, bench_result_num(row, "value"),
					      bench_result_str(row, "unit"), t->style->utf8));
		else
			text_words(t, TEXT_PLAIN, bench_result_str(row, "reason"));
	}
	text_end(t);
}
