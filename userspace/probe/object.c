// SPDX-License-Identifier: BSD-2-Clause
/* One BPF object: what it says about itself, and loading it. An object is loaded without what this
 * kernel cannot do: a program whose tracepoint is missing, or that the verifier rejects, is left
 * out, and only the metrics that rest on it are lost. */
#include "probe/blame.h"
#include "probe/set.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

void why_set(struct probe_why *why, enum bench_status status, const char *fmt, ...)
{
	va_list ap;

	why->status = status;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
}

/* --- describing --- */

void metric_check(struct probe_metric *metric, const struct kernel *kernel)
{
	char events[sizeof(metric->desc.events)], *save, *event;

	memcpy(events, metric->desc.events, sizeof(events));
	for (event = strtok_r(events, " ", &save); event; event = strtok_r(NULL, " ", &save)) {
		unsigned args = kernel_tracepoint_args(kernel, event);

		/* Depth has another way without this one. */
		if (metric->desc.kind == PROBE_DEPTH &&
		    !strcmp(event, "sched_update_nr_running_tp"))
			continue;
		if (!kernel_has_tracepoint(kernel, event)) {
			why_set(&metric->why, BENCH_NOT_SUPPORTED,
				"this kernel has no tracepoint %s that programs can attach to",
				event);
			return;
		}
		if (args < metric->desc.min_args) {
			why_set(&metric->why, BENCH_NOT_SUPPORTED,
				"this kernel's tracepoint %s has %u arguments, and %u are needed",
				event, args, metric->desc.min_args);
			return;
		}
	}
}

static const void *section(struct bpf_object *bpf, const char *name, size_t *ret_size)
{
	struct bpf_map *map = bpf_object__find_map_by_name(bpf, name);

	*ret_size = 0;
	return map ? bpf_map__initial_value(map, ret_size) : NULL;
}

static int keep_metrics(struct probe_object *object, const struct probe_desc *desc, size_t size)
{
	object->nr_metrics = (unsigned)(size / sizeof(*desc));
	if (size % sizeof(*desc) || object->nr_metrics > PROBE_MAX_METRICS)
		return -EINVAL;
	for (unsigned i = 0; i < object->nr_metrics; i++) {
		struct probe_desc *d = &object->metrics[i].desc;

		*d = desc[i];
		if (d->abi != PROBE_ABI || !d->name[0])
			return -EINVAL;
		d->name[sizeof(d->name) - 1] = '\0';
		d->unit[sizeof(d->unit) - 1] = '\0';
		d->help[sizeof(d->help) - 1] = '\0';
		d->events[sizeof(d->events) - 1] = '\0';
		d->key[sizeof(d->key) - 1] = '\0';
		d->found_key[sizeof(d->found_key) - 1] = '\0';
		d->found_enum[sizeof(d->found_enum) - 1] = '\0';
		d->found_prefix[sizeof(d->found_prefix) - 1] = '\0';
		for (unsigned k = 0; k < PROBE_MAX_LABELS; k++)
			d->label[k][sizeof(d->label[k]) - 1] = '\0';
	}
	return 0;
}

static struct bpf_object *image_open(const struct bpf_image *image, const char *types)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = image->name,
		    .btf_custom_path = types);

	said_keep();
	program_prepare(NULL);
	return bpf_object__open_mem(image->start, (size_t)(image->end - image->start), &opts);
}

int object_describe(struct probe_object *ret_object, const struct bpf_image *image,
		    const char *types)
{
	const struct probe_program *programs;
	struct bpf_object *bpf;
	const void *metrics;
	size_t size;
	int ret = 0;

	memset(ret_object, 0, sizeof(*ret_object));
	ret_object->image = image;
	bpf = image_open(image, types);
	if (!bpf)
		return -EINVAL;
	metrics = section(bpf, ".rodata.probe", &size);
	if (metrics)
		ret = keep_metrics(ret_object, metrics, size);
	programs = section(bpf, ".rodata.programs", &size);
	for (unsigned i = 0; programs && i < size / sizeof(*programs) && i < PROBE_MAX_PROGRAMS;
	     i++) {
		memcpy(ret_object->runs[i].name, programs[i].name, sizeof(programs[i].name) - 1);
		ret_object->runs[i].prog_fd = -1;
		ret_object->nr_runs++;
	}
	ret_object->opened = bpf;
	return ret;
}

/* --- loading --- */

#define MAX_REJECTED 8

/* Maps that track.bpf.c owns, and one window for all. */
static const char *const shared_maps[] = { "tags", "tags_hash", "threads", "cpu_clock",
					   "blame", ".data.window", ".data.files" };

/* Maps with an element per bank and CPU. */
static bool per_bank(const char *name)
{
	return !strcmp(name, "values") || !strcmp(name, "depth") || !strcmp(name, "irq_time") ||
	       !strcmp(name, "blame") || !strcmp(name, "busy");
}

static int maps_prepare(struct bpf_object *bpf, const struct probe_set *set,
			const struct probe_object *owner)
{
	struct bpf_map *map, *theirs;
	int ret = 0;

	bpf_object__for_each_map(map, bpf) {
		const char *name = bpf_map__name(map);

		if (per_bank(name))
			ret = bpf_map__set_max_entries(map, 2 * set->nr_cpus);
		else if (!strcmp(name, "queues") || !strcmp(name, "cpu_clock") ||
			 !strcmp(name, "block_rings") || !strcmp(name, "irq_rings") || !strcmp(name, "slices"))
			ret = bpf_map__set_max_entries(map, set->nr_cpus);
		else if (!strcmp(name, "history"))
			ret = bpf_map__set_max_entries(map, set->nr_rings);
		else if (bpf_map__type(map) == BPF_MAP_TYPE_TASK_STORAGE && !set->mode.storage)
			ret = bpf_map__set_autocreate(map, false);
		else if (!strcmp(name, "places") && set->mode.depth_exact)
			ret = bpf_map__set_autocreate(map, false);
		else if (!strcmp(name, "places_hash") &&
			 (set->mode.storage || set->mode.depth_exact))
			ret = bpf_map__set_max_entries(map, 1);
		if (ret)
			return ret;
	}
	for (unsigned i = 0; owner && i < sizeof(shared_maps) / sizeof(*shared_maps); i++) {
		map = bpf_object__find_map_by_name(bpf, shared_maps[i]);
		theirs = bpf_object__find_map_by_name(owner->bpf, shared_maps[i]);
		if (map && theirs && bpf_map__fd(theirs) >= 0)
			ret = bpf_map__reuse_fd(map, bpf_map__fd(theirs));
		if (ret)
			return ret;
	}
	return 0;
}

/* Is a metric of this kind asked for, and possible? */
static bool kind_wanted(const struct probe_set *set, uint32_t kind)
{
	for (unsigned i = 0; set->sched && i < set->sched->nr_metrics; i++)
		if (set->sched->metrics[i].desc.kind == kind && set->sched->metrics[i].wanted)
			return set->sched->metrics[i].why.status == BENCH_OK;
	return false;
}

struct probe_config config_make(const struct probe_set *set)
{
	return (struct probe_config){
		.nr_cpus = set->nr_cpus,
		.prev_state_arg = set->mode.prev_state,
		.storage = set->mode.storage,
		.storage_sure = set->mode.storage_sure,
		.depth_exact = set->mode.depth_exact,
		.depth_events = !set->mode.depth_exact,
		/* A history names who had the CPU. */
		.blame = kind_wanted(set, PROBE_BLAME) || set->mode.causes,
		.balance = kind_wanted(set, PROBE_BALANCE),
		.regs = set->mode.regs,
		.stacks = set->mode.causes && set->mode.atomics, /* numbered by such an operation */
		.causes = set->mode.causes,
		.raw = set->mode.raw,
		.block_rq_arg = set->mode.block_rq_arg,
		.cqe_arg = set->mode.cqe_arg,
		.uring_punt_args = set->mode.uring_punt_args,
		.typed_kiocb = set->mode.typed_kiocb,
		.typed_socket = set->mode.typed_socket,
		.typed_regs = set->mode.typed_regs,
		.typed_task = set->mode.typed_task,
		.net = set->mode.net,
	};
}

static void config_set(struct bpf_object *bpf, const struct probe_config *config)
{
	struct bpf_map *map = bpf_object__find_map_by_name(bpf, ".rodata.config");

	if (map)
		(void)bpf_map__set_initial_value(map, config, sizeof(*config)); /* size is ours */
}

static void load_why(struct probe_object *object, int code)
{
	/* The verifier says EACCES, too. */
	if (code == -EPERM || (code == -EACCES && !said.verdict[0]))
		why_set(&object->why, BENCH_NOT_PERMITTED,
			"loading BPF programs needs CAP_BPF and CAP_PERFMON: run as root");
	else if (said.verdict[0] && said.program[0])
		why_set(&object->why, BENCH_NOT_SUPPORTED, "the kernel rejected program %s: %s",
			said.program, said.verdict);
	else
		why_set(&object->why, BENCH_NOT_SUPPORTED, "loading failed: %s",
			said.line[0] ? said.line : strerror(-code));
}

/* Is event one of the words of the metric's list? Programs that userspace runs have none. */
static bool rests_on(const struct probe_metric *m, const char *event)
{
	size_t len = strlen(event);

	if (!len)
		return false;
	for (const char *p = m->desc.events; (p = strstr(p, event)); p += len)
		if ((p == m->desc.events || p[-1] == ' ') && (!p[len] || p[len] == ' '))
			return true;
	return false;
}

/* Metrics that rest on tracepoint event have no value, because of why. */
static void metrics_lose(struct probe_object *object, const char *event,
			 const struct probe_why *why)
{
	for (unsigned i = 0; i < object->nr_metrics; i++)
		if (rests_on(&object->metrics[i], event))
			object->metrics[i].why = *why;
}

/* Some metric may rest on this tracepoint and have a value, or none rests on it at all. */
static bool event_wanted(const struct probe_object *object, const char *event)
{
	bool any = false;

	for (unsigned i = 0; i < object->nr_metrics; i++) {
		if (!rests_on(&object->metrics[i], event))
			continue;
		if (object->metrics[i].why.status == BENCH_OK)
			return true;
		any = true;
	}
	return !any;
}

/* Open, choose and load; when the verifier rejects one program, again without it. */
static int load_retrying(struct probe_object *object, struct probe_set *set,
			 const struct probe_object *owner)
{
	char rejected[MAX_REJECTED][64];
	struct probe_config config;
	unsigned nr_rejected = 0;
	struct bpf_program *prog;
	int ret;

	for (;;) {
		memset(&said, 0, sizeof(said));
		object->bpf = object->opened ?: image_open(object->image, set->types_fd >= 0 ? set->types : NULL);
		object->opened = NULL;
		if (!object->bpf)
			return -EINVAL;
		bpf_object__for_each_program(prog, object->bpf) {
			bool wanted =
				program_wanted(object->bpf, prog, set, rejected, nr_rejected) &&
				event_wanted(object, program_event(prog));

			bpf_program__set_autoload(prog, wanted);
		}
		if (!set->mode.atomics)
			balance_strip(object->bpf);
		/* What the scheduler's object has lost may have changed meanwhile. */
		config = object == set->sched || !owner ? config_make(set) : set->config;
		config_set(object->bpf, &config);
		ret = maps_prepare(object->bpf, set, owner);
		program_prepare(set->kernel);
		ret = ret ? ret : bpf_object__load(object->bpf);
		if (!ret)
			return 0;
		load_why(object, ret);
		if (ret == -EPERM || !said.program[0] || nr_rejected == MAX_REJECTED)
			return ret;
		memcpy(rejected[nr_rejected++], said.program, sizeof(said.program));
		snprintf(object->refused, sizeof(object->refused), "%.40s: %.140s", said.program,
			 said.verdict[0] ? said.verdict : said.line);
		prog = bpf_object__find_program_by_name(object->bpf, said.program);
		if (prog)
			metrics_lose(object, program_event(prog), &object->why);
		bpf_object__close(object->bpf);
		object->bpf = NULL;
	}
}

static void run_attached(struct probe_object *object, const struct bpf_program *prog)
{
	const char *name = bpf_program__name(prog);

	for (unsigned i = 0; i < object->nr_runs; i++) {
		struct probe_run *run = &object->runs[i];
		size_t len = strlen(run->name);

		if (strncmp(name, run->name, len) ||
		    (name[len] && strcmp(name + len, "_btf") && strcmp(name + len, "_raw")))
			continue;
		snprintf(run->event, sizeof(run->event), "%s", program_event(prog));
		run->prog_fd = bpf_program__fd(prog);
	}
}

/* A metric none of whose events reaches a program would read 0: say that instead. */
static void metrics_need_programs(struct probe_object *object)
{
	for (unsigned i = 0; i < object->nr_metrics; i++) {
		struct probe_metric *m = &object->metrics[i];
		bool any = false;

		for (unsigned k = 0; k < object->nr_runs && !any; k++)
			any = object->runs[k].event[0] && rests_on(m, object->runs[k].event);
		if (!any && m->why.status == BENCH_OK)
			why_set(&m->why, BENCH_NOT_SUPPORTED, "no program is attached to %s",
				m->desc.events);
	}
}

static void attach(struct probe_object *object)
{
	struct bpf_program *prog;
	struct probe_why why;

	bpf_object__for_each_program(prog, object->bpf) {
		const char *sec = bpf_program__section_name(prog);
		struct bpf_link *link;

		if (!bpf_program__autoload(prog) || !strchr(sec, '/') || !strncmp(sec, "iter/", 5))
			continue;
		if (!strncmp(bpf_program__name(prog), "foreign_", 8))
			continue; /* ledger.c attaches them when they are needed */
		link = object->nr_links < PROBE_MAX_LINKS ? program_attach(prog) : NULL;
		if (link) {
			object->links[object->nr_links++] = link;
			run_attached(object, prog);
			continue;
		}
		why_set(&why, errno == EPERM ? BENCH_NOT_PERMITTED : BENCH_NOT_SUPPORTED,
			"cannot attach to tracepoint %s: %s", program_event(prog), strerror(errno));
		metrics_lose(object, program_event(prog), &why);
	}
}

int object_load(struct probe_object *object, struct probe_set *set)
{
	const struct probe_object *owner = set->track != object ? set->track : NULL;
	struct bpf_map *map;
	int ret;

	ret = load_retrying(object, set, owner);
	if (ret)
		goto out;
	why_set(&object->why, BENCH_OK, "%s", "");
	map = bpf_object__find_map_by_name(object->bpf, "values");
	if (map) {
		object->value_size = (bpf_map__value_size(map) + 7) / 8 * 8;
		object->values = object_map(object, "values", &object->values_bytes);
		if (!object->values) {
			ret = -errno;
			why_set(&object->why, BENCH_NOT_SUPPORTED, "mapping its values failed: %s",
				strerror(errno));
			goto out;
		}
	}
	object->keys = object_map(object, "keys", &object->keys_bytes);
	attach(object);
	metrics_need_programs(object);
out:
	if (ret)
		object_close(object);
	return ret;
}

void *object_map(struct probe_object *object, const char *name, size_t *ret_bytes)
{
	struct bpf_map *map = object->bpf ? bpf_object__find_map_by_name(object->bpf, name) : NULL;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes;
	void *mem;

	if (!map)
		return NULL;
	bytes = ((size_t)bpf_map__value_size(map) + 7) / 8 * 8 * bpf_map__max_entries(map);
	bytes = (bytes + page - 1) / page * page;
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (mem == MAP_FAILED)
		return NULL;
	if (ret_bytes)
		*ret_bytes = bytes;
	return mem;
}

int object_prog_fd(const struct probe_object *object, const char *program)
{
	struct bpf_program *prog;

	if (!object || !object->bpf)
		return -1;
	prog = bpf_object__find_program_by_name(object->bpf, program);
	return prog ? bpf_program__fd(prog) : -1;
}

struct probe_values *object_values(const struct probe_object *object, unsigned element)
{
	return (struct probe_values *)(object->values + (size_t)element * object->value_size);
}

void object_close(struct probe_object *object)
{
	for (unsigned i = 0; i < object->nr_links; i++)
		(void)bpf_link__destroy(object->links[i]); /* detaches; cannot be helped if not */
	object->nr_links = 0;
	if (object->values)
		munmap(object->values, object->values_bytes);
	object->values = NULL;
	if (object->keys)
		munmap(object->keys, object->keys_bytes);
	object->keys = NULL;
	bpf_object__close(object->bpf);
	object->bpf = NULL;
	bpf_object__close(object->opened);
	object->opened = NULL;
	for (unsigned i = 0; i < object->nr_runs; i++)
		object->runs[i].prog_fd = -1;
}
