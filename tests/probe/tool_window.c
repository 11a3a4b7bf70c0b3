// SPDX-License-Identifier: BSD-2-Clause
/* For replay.sh: a known load in one window, and what the probes say of it, as JSON.
 *
 *   tool_window LENGTH_MS [sleepers]
 *
 * sleepers: the load is one spinner and six that sleep shortly, all on one CPU, so that the
 * scheduler delays dequeues; else two spinners and three that nap, free to move.
 *
 * Prints {"start_ns", "end_ns", "cpus": {N: {"depth", "waiting", "idle"}}, "tids": [...],
 * "latency": {count, sum}, "offcpu": {count, sum}, "switches"}. idle: the kernel's own account, as a
 * share of the window, in steps of a clock tick (10 ms). Exit 77 and a reason when probes cannot be
 * loaded. */
#include "probe/rig.h"
#include "probe/set.h"

#define LOADERS 7

static json_t *hist_json(const json_t *metrics, const char *name)
{
	return json_pack("{s:f, s:f}", "count", hist(metrics, name, "count"), "sum",
			 hist(metrics, name, "sum"));
}

static json_t *cpus_json(const json_t *metrics, const int *cpus, unsigned nr,
			 const double *idle)
{
	json_t *json = json_object();

	for (unsigned i = 0; i < nr; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", cpus[i]);
		json_object_set_new(
			json, name,
			json_pack("{s:f, s:f, s:f}", "depth",
				  on_cpu(metrics, "sched.runq_depth", cpus[i]), "waiting",
				  on_cpu(metrics, "sched.runq_waiting", cpus[i]), "idle", idle[i]));
	}
	return json;
}

static unsigned load_start(struct loader *loaders, bool sleepers, struct probe_set *set,
			   json_t *tids)
{
	unsigned nr = sleepers ? 7 : 5, spinners = sleepers ? 1 : 2;

	for (unsigned i = 0; i < nr; i++) {
		loaders[i].nap_ns = sleepers ? MS / 2 : MS / 5;
		loaders[i].burn_ns = sleepers ? MS / 10 : MS / 20;
		loader_start(&loaders[i], i < spinners ? LOAD_SPIN : LOAD_NAP,
			     sleepers ? last_cpu() : -1);
		set_track(set, loaders[i].tid, false);
		json_array_append_new(tids, json_integer(loaders[i].tid));
	}
	return nr;
}

int main(int argc, char **argv)
{
	static struct loader loaders[LOADERS];
	static double idle[256];
	json_t *tids = json_array(), *metrics, *out;
	uint64_t length = (argc > 1 ? strtoull(argv[1], NULL, 10) : 500) * MS;
	struct bench_window window;
	struct probe_set *set;
	int cpus[256];
	unsigned nr = 0, nr_loaders;

	set = set_open("sched", NULL);
	if (!set->windows) {
		printf("skip: %s\n", set->why.text);
		probe_close(set);
		return 77;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE && nr < 256; cpu++)
		if (CPU_ISSET(cpu, &set->allowed))
			cpus[nr++] = cpu;
	nr_loaders = load_start(loaders, argc > 2, set, tids);
	window = set_window(set, 20 * MS, length);
	sleep_until(window.start_ns);
	for (unsigned i = 0; i < nr; i++)
		idle[i] = -idle_s(cpus[i]);
	sleep_until(window.end_ns);
	for (unsigned i = 0; i < nr; i++)
		idle[i] = (idle[i] + idle_s(cpus[i])) * 1000 * MS / (double)length;
	metrics = set_read(set, cpus, nr);
	for (unsigned i = 0; i < nr_loaders; i++)
		loader_stop(&loaders[i]);
	out = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:f, s:f}", "start_ns",
			(json_int_t)window.start_ns, "end_ns", (json_int_t)window.end_ns, "cpus",
			cpus_json(metrics, cpus, nr, idle), "tids", tids, "latency",
			hist_json(metrics, "sched.runq_latency"), "offcpu",
			hist_json(metrics, "sched.offcpu"), "switches",
			value(metrics, "sched.switches", "kind", "voluntary") +
				value(metrics, "sched.switches", "kind", "involuntary"),
			"lost", lost_events(set));
	json_dumpf(out, stdout, 0);
	putchar('\n');
	json_decref(out);
	json_decref(metrics);
	probe_close(set);
	return 0;
}
