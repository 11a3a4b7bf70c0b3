// SPDX-License-Identifier: BSD-2-Clause
#include "core/receipt.h"

#include <math.h>
#include <stdio.h>

#include "core/result.h"
#include "core/worker.h"

#define TOLERANCE 0.01

/* One count of one side. */
struct line {
	const char *of, *at; /* "bytes" or "ops"; "ring" or "block" */
	double module, other, slack;
	bool more; /* other may be larger */
	double unseen; /* there are requests of which the probe does not know whose they are, or
			* that they ended */
};

static bool check_line(const struct line *l, struct bench_metric_set *set, char *text, size_t size)
{
	const struct bench_metric_id id = {
		.name = "receipt",
		.unit = "ratio",
		.source = BENCH_SOURCE_RUNTIME,
		.labels = { { "of", l->of }, { "at", l->at } },
	};
	char note[240];
	bool hidden;

	if (fabs(l->other - l->module) <= TOLERANCE * l->module + l->slack ||
	    (l->more && l->other > l->module)) {
		bench_metric_put(set, &id, l->other / l->module);
		return true;
	}
	/* Where some events are known to be hidden, others may be that nothing tells of. */
	hidden = l->unseen > 0 && l->other < l->module;
	snprintf(note, sizeof(note), "receipt: %.0f %s by the module, but %.0f at the %s%s",
		 l->module, l->of, l->other, l->at[0] == 'r' ? "ring" : "block layer",
		 hidden ? ", which did not see of some requests that they ended, or whose they were"
			: "");
	bench_metric_put_status(set, &id, hidden ? BENCH_NOT_COUNTED : BENCH_INVALID,
				l->other / l->module, note);
	if (!hidden)
		snprintf(text, size, "%s", note);
	return hidden;
}

/* Requests that the device did and whose op was not yet reaped when the window ended. */
static unsigned under_way(const struct job_run *jr)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < jr->nr; i++)
		if (!jr->workers[i].w.passive)
			nr += jr->module->exec == BENCH_EXEC_ASYNC ?
				      jr->workers[i].async.inflight_max :
				      1;
	return nr;
}

static bool check_ring(const struct job_run *jr, double ops, double bytes,
		       struct bench_metric_set *set, char *text, size_t size)
{
	unsigned between = jr->job.receipt & BENCH_RECEIPT_STEPS ? under_way(jr) : 0;
	struct line of_bytes = { "bytes", "ring", bytes, 0, between * bytes / ops, false, 0 };
	struct line of_ops = { "ops", "ring", ops, 0, between, false, 0 };
	bool ok;

	for (unsigned i = 0; i < jr->nr; i++) {
		of_bytes.other += (double)jr->workers[i].async.moved_bytes;
		of_ops.other += (double)jr->workers[i].async.moved_ops;
	}
	ok = check_line(&of_bytes, set, text, size);
	return check_line(&of_ops, set, text, size) && ok;
}

/* Reads and writes; NAN when the probe is not there. */
static double at_block(const struct bench_metric_set *set, const char *name)
{
	double reads = metric_set_now(set, name, "op", "read");
	double writes = metric_set_now(set, name, "op", "write");

	return isnan(reads) ? writes : isnan(writes) ? reads : reads + writes;
}

static bool check_block(const struct job_run *jr, double ops, double bytes,
			struct bench_metric_set *set, char *text, size_t size)
{
	bool more = jr->job.receipt & BENCH_RECEIPT_MORE;
	double unseen = metric_set_now(set, "block.unseen", NULL, NULL);
	/* A throttled request is sent on by the kernel's own threads, and then theirs. Of one that
	 * stayed open, long after the window, the end was hidden. */
	double others = at_block(set, "block.other_bytes") +
			metric_set_now(set, "block.open_bytes", NULL, NULL);
	struct line of_bytes = { "bytes", "block", bytes, at_block(set, "block.bytes"),
				 under_way(jr) * bytes / ops, more, unseen };
	struct line of_ops = { "ops", "block", ops, at_block(set, "block.requests"),
			       under_way(jr), more, unseen };
	bool ok = true;

	if (of_bytes.other + others >= (1 - TOLERANCE) * bytes - of_bytes.slack)
		of_bytes.unseen = of_ops.unseen = 1;
	if (!isnan(of_bytes.other))
		ok = check_line(&of_bytes, set, text, size);
	if (!isnan(of_ops.other) && jr->job.receipt & BENCH_RECEIPT_REQUESTS)
		ok &= check_line(&of_ops, set, text, size);
	return ok;
}

bool receipt_check(const struct job_run *jr, uint64_t ops, uint64_t bytes,
		   struct bench_metric_set *set, char *text, size_t size)
{
	bool ok = true;

	if (!ops || !bytes)
		return true;
	if (jr->job.receipt & BENCH_RECEIPT_RING && jr->module->exec == BENCH_EXEC_ASYNC)
		ok = check_ring(jr, (double)ops, (double)bytes, set, text, size);
	if (jr->job.receipt & BENCH_RECEIPT_BLOCK)
		ok &= check_block(jr, (double)ops, (double)bytes, set, text, size);
	return ok;
}
