// SPDX-License-Identifier: BSD-2-Clause
/* The host of a job's other end. */
#include <math.h>

#include "report/lib/sections.h"

static void host_item(struct text *t, const json_t *peer, const char *key)
{
	const char *value = bench_result_str(peer, key);

	if (*value)
		text_item(t, TEXT_PLAIN, "%s", value);
}

void section_peer(struct text *t, const json_t *peer)
{
	double offset = bench_result_num(peer, "clock.offset_ns");
	double error = bench_result_num(peer, "clock.error_ns");
	const json_t *warnings = bench_result_get(peer, "warnings"), *warning;
	char ahead[UNITS_MAX], known[UNITS_MAX];
	size_t i;

	text_blank(t);
	text_put(t, TEXT_BOLD, "  peer %s", bench_result_str(peer, "address"));
	text_put(t, TEXT_PLAIN, " has the server's end, with windows of its own");
	text_end(t);
	text_row(t, "host");
	host_item(t, peer, "host.hostname");
	host_item(t, peer, "host.os");
	host_item(t, peer, "host.kernel");
	host_item(t, peer, "host.cpu");
	if (!isnan(offset)) {
		text_row(t, "clock");
		text_item(t, TEXT_PLAIN, "%s%s from ours, known to %s", offset < 0 ? "-" : "",
			  units_value(ahead, fabs(offset), "ns", t->style->utf8),
			  units_value(known, error, "ns", t->style->utf8));
	}
	if (!isnan(bench_result_num(peer, "cpu_per_op_ns"))) {
		text_row(t, "cpu");
		text_item(t, TEXT_PLAIN, "%s for each operation of the client's",
			  units_value(known, bench_result_num(peer, "cpu_per_op_ns"), "ns",
				      t->style->utf8));
	}
	json_array_foreach (warnings, i, warning) {
		text_row(t, "warning");
		text_words(t, TEXT_YELLOW, json_string_value(warning) ? json_string_value(warning) : "");
	}
	text_end(t);
}
