// SPDX-License-Identifier: BSD-2-Clause
/* From the mapped values of a closed window to metrics. */
#include "probe/blame.h"
#include "probe/set.h"

#include <assert.h>
#include <string.h>

static_assert(PROBE_HIST_BITS == BENCH_HIST_BITS_KERNEL, "one bucket layout");

static const __u64 *slot_of(const struct probe_set *set, const struct probe_object *object,
			    unsigned cpu, unsigned slot)
{
	return &object_values(object, window_bank(set) * set->nr_cpus + cpu)->slot[slot];
}

uint64_t values_sum(const struct probe_set *set, const struct probe_object *object, unsigned slot)
{
	uint64_t sum = 0;

	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++)
		sum += *slot_of(set, object, cpu, slot);
	return sum;
}

/* An interval that is still open at the window's end counts as long as it was until then. */
static void hist_open(const struct probe_set *set, unsigned slot, uint64_t end_ns,
		      struct bench_hist *into)
{
	for (unsigned i = 0; i < PROBE_THREADS; i++) {
		const struct probe_thread *t = &set->threads[i];
		uint64_t from = slot == SCHED_LATENCY ? t->since_ns : t->off_ns;
		uint32_t state = t->state;

		if (t->generation != set->windows->generation)
			continue;
		if (t->serial != set->serial) {
			if (t->peek_serial != set->serial)
				continue;
			state = t->peek_state;
			from = t->born_ns + 1;
		}
		if (slot == SCHED_LATENCY ? state != PROBE_WAITING
					  : state != PROBE_WAITING && state != PROBE_BLOCKED)
			continue;
		if (!from) /* waits for its first turn: it never left a CPU */
			continue;
		if (from < set->start_ns)
			from = set->start_ns;
		if (from < end_ns)
			bench_hist_record(into, end_ns - from);
	}
}

void values_hist(const struct probe_set *set, const struct probe_object *object, unsigned slot,
		 uint64_t end_ns, struct bench_hist *into)
{
	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++) {
		const struct probe_hist *h = (const void *)slot_of(set, object, cpu, slot);

		if (!h->count)
			continue;
		into->count += h->count;
		into->sum += h->sum;
		if (h->max > into->max)
			into->max = h->max;
		if (~h->not_min < into->min)
			into->min = ~h->not_min;
		for (unsigned i = 0; i < PROBE_HIST_BUCKETS; i++)
			into->n[i] += h->n[i];
	}
	if (object == set->sched)
		hist_open(set, slot, end_ns, into);
}

void read_losses(const struct probe_set *set, struct probe_losses *ret_losses)
{
	memset(ret_losses, 0, sizeof(*ret_losses));
	if (!set->sched || !set->sched->values)
		return;
	ret_losses->seen = values_sum(set, set->sched, SCHED_SEEN);
	ret_losses->lost = values_sum(set, set->sched, SCHED_LOST);
	ret_losses->repaired = values_sum(set, set->sched, SCHED_REPAIRED);
	ret_losses->ambiguous_ns = values_sum(set, set->sched, SCHED_AMBIGUOUS);
	ret_losses->backwards = values_sum(set, set->sched, SCHED_BACKWARDS);
	for (unsigned i = 0; set->depth && i < set->nr_cpus; i++)
		ret_losses->backwards += set->depth[window_bank(set) * set->nr_cpus + i].backwards;
}

static const enum bench_better better[] = {
	[PROBE_BETTER_NONE] = BENCH_BETTER_NONE,
	[PROBE_BETTER_LOWER] = BENCH_BETTER_LOWER,
	[PROBE_BETTER_HIGHER] = BENCH_BETTER_HIGHER,
};

static struct bench_metric_id metric_id(const struct probe_desc *desc)
{
	return (struct bench_metric_id){
		.name = desc->name,
		.unit = desc->unit,
		.source = BENCH_SOURCE_PROBE,
		.better = better[desc->better % 3],
	};
}

/* One row per fixed label, one without or with cpu=all where there are none. */
static void missing_put(const struct probe_desc *desc, const struct probe_why *why,
			struct bench_metric_set *metrics)
{
	struct bench_metric_id id = metric_id(desc);
	struct value_row row;

	if (desc->kind == PROBE_DEPTH && desc->slot != PROBE_DEPTH_MAX)
		id.labels[0] = (struct bench_label){ "cpu", "all" };
	if (desc->kind != PROBE_COUNT && desc->kind != PROBE_HIST) {
		bench_metric_put_status(metrics, &id, why->status, 0, why->text);
		return;
	}
	for (unsigned i = 0; value_row(desc, i, &row) && !row.found; i++) {
		id.labels[0] = row.labels[0];
		bench_metric_put_status(metrics, &id, why->status, 0, why->text);
	}
}

/* Of what is met while running, the values above 0, and the sum in a row without that label. */
static void count_put(const struct probe_set *set, const struct probe_object *object,
		      const struct probe_desc *desc, struct bench_metric_set *metrics)
{
	struct bench_metric_id id = metric_id(desc);
	struct value_row row;

	for (unsigned i = 0; value_row(desc, i, &row); i++) {
		uint64_t n = values_sum(set, object, row.slot);

		if (!n && row.found)
			continue;
		memcpy(id.labels, row.labels, sizeof(row.labels));
		bench_metric_put(metrics, &id, (double)n);
		if (!n || !desc->found_key[0])
			continue;
		value_row_name(set, object, desc, &row);
		memcpy(id.labels, row.labels, sizeof(row.labels));
		bench_metric_put_sparse(metrics, &id, (double)n);
	}
}

/* Of what is met while running, those with values; without any, an empty row. */
static void hist_put(const struct probe_set *set, const struct probe_object *object,
		     const struct probe_desc *desc, struct bench_metric_set *metrics)
{
	const struct probe_why why = { BENCH_NOT_SUPPORTED, "out of memory" };
	struct bench_hist *hist = bench_hist_new(PROBE_HIST_BITS);
	struct bench_metric_id id = metric_id(desc);
	struct value_row row;
	bool any = false;

	for (unsigned i = 0; hist && value_row(desc, i, &row); i++) {
		bench_hist_reset(hist);
		values_hist(set, object, row.slot, set->end_ns, hist);
		if (!hist->count && desc->found_key[0])
			continue;
		value_row_name(set, object, desc, &row);
		memcpy(id.labels, row.labels, sizeof(row.labels));
		bench_metric_put_hist(metrics, &id, hist);
		any = true;
	}
	if (hist && !any)
		bench_hist_reset(hist);
	for (unsigned i = 0; hist && !any && value_row(desc, i, &row) && !row.found; i++) {
		memcpy(id.labels, row.labels, sizeof(row.labels));
		bench_metric_put_hist(metrics, &id, hist);
	}
	if (!hist)
		missing_put(desc, &why, metrics);
	bench_hist_free(hist);
}

static bool desc_fits(const struct probe_object *object, const struct probe_desc *desc)
{
	size_t nr = object->value_size / 8 - PROBE_MAX_PROGRAMS;

	return object->values && desc->slot + value_slots(desc) <= nr;
}

static void metric_put(struct probe_set *set, const struct probe_object *object,
		       const struct probe_metric *m, const int *cpus, unsigned nr,
		       struct bench_metric_set *metrics)
{
	struct probe_why why = m->why;

	if (why.status == BENCH_OK)
		why = object->why;
	if (why.status == BENCH_OK)
		why = set->why;
	if (why.status == BENCH_OK && m->desc.kind == PROBE_DEPTH && !set->depth)
		why_set(&why, BENCH_NOT_SUPPORTED, "only sched.bpf.c keeps a run-queue depth");
	if (why.status == BENCH_OK && blame_metric(set, m, cpus, nr, metrics))
		return;
	if (why.status == BENCH_OK && m->desc.kind == PROBE_WALL && !set->history)
		why_set(&why, BENCH_NOT_SUPPORTED, "only sched.bpf.c keeps a ledger");
	if (why.status == BENCH_OK && m->desc.kind != PROBE_DEPTH && m->desc.kind != PROBE_WALL &&
	    !desc_fits(object, &m->desc))
		why_set(&why, BENCH_NOT_SUPPORTED, "%s names slots that %s.bpf.c does not have",
			m->desc.name, object->image->name);
	if (why.status != BENCH_OK)
		missing_put(&m->desc, &why, metrics);
	else if (m->desc.kind == PROBE_DEPTH)
		depth_put(set, m, cpus, nr, metrics);
	else if (m->desc.kind == PROBE_WALL)
		wall_put(set, m, metrics);
	else if (m->desc.kind == PROBE_HIST)
		hist_put(set, object, &m->desc, metrics);
	else
		count_put(set, object, &m->desc, metrics);
}

static void runs_add(struct probe_set *set)
{
	for (unsigned i = 0; i < set->nr_objects; i++) {
		struct probe_object *object = &set->objects[i];

		for (unsigned cpu = 0; object->values && cpu < set->nr_cpus; cpu++) {
			const struct probe_values *v =
				object_values(object, window_bank(set) * set->nr_cpus + cpu);

			for (unsigned k = 0; k < object->nr_runs; k++)
				object->runs[k].nr += v->runs[k];
		}
	}
}

static void losses_add(struct probe_set *set)
{
	read_losses(set, &set->last);
	set->total.seen += set->last.seen;
	set->total.lost += set->last.lost;
	set->total.repaired += set->last.repaired;
	set->total.ambiguous_ns += set->last.ambiguous_ns;
	set->total.backwards += set->last.backwards;
	for (unsigned cpu = 0; set->sched && set->sched->values && cpu < set->nr_cpus; cpu++)
		set->lost_by_cpu[cpu] += *slot_of(set, set->sched, cpu, SCHED_LOST);
}

void probe_put(struct probe_set *set, const int *cpus, unsigned nr,
	       struct bench_metric_set *metrics)
{
	static const struct probe_why no_window = { BENCH_NOT_COUNTED, "no window was set" };
	bool loaded = set->windows;

	if (loaded && set->window_set) {
		window_close(set);
		set->window_ns += set->end_ns - set->start_ns;
		runs_add(set);
		losses_add(set);
		stacks_add(set);
		laws_check(set);
		overhead_add(set);
	} else if (loaded) {
		loaded = false;
	}
	for (unsigned i = 0; i < set->nr_objects; i++)
		for (unsigned k = 0; k < set->objects[i].nr_metrics; k++) {
			const struct probe_metric *m = &set->objects[i].metrics[k];

			if (!m->wanted)
				continue;
			if (set->windows && !loaded)
				missing_put(&m->desc, &no_window, metrics);
			else
				metric_put(set, &set->objects[i], m, cpus, nr, metrics);
		}
	if (loaded)
		track_collect(set);
}
