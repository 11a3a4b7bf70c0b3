// SPDX-License-Identifier: BSD-2-Clause
/* A set of probes: bringing up those that are chosen, with whatever this kernel lacks. */
#include "probe/probe.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include "bench/clock.h"
#include "probe/blame.h"
#include "probe/set.h"

/* --- choosing --- */

unsigned images_describe(struct probe_object **ret_objects, const char *types)
{
	struct probe_object *objects;
	unsigned nr = 0, nr_images = 0;

	while (registry_bpf_images[nr_images].name)
		nr_images++;
	objects = calloc(nr_images + 1, sizeof(*objects));
	*ret_objects = objects;
	for (unsigned i = 0; objects && i < nr_images; i++) {
		struct probe_object *object = &objects[nr++];

		if (object_describe(object, &registry_bpf_images[i], types))
			why_set(&object->why, BENCH_NOT_SUPPORTED,
				"its description is not one that this program understands");
	}
	return nr;
}

static bool object_wanted(const struct probe_object *object)
{
	for (unsigned i = 0; i < object->nr_metrics; i++)
		if (object->metrics[i].wanted)
			return true;
	return false;
}

/* The ledger and the blame take interrupts out of what they interrupt. */
static bool object_needed(const struct probe_set *set, const struct probe_object *object)
{
	bool needed = object_wanted(object);

	for (unsigned i = 0; set->sched && i < set->sched->nr_metrics && !needed; i++) {
		const struct probe_metric *m = &set->sched->metrics[i];

		needed = !strcmp(object->image->name, "irq") && m->wanted &&
			 (m->desc.kind == PROBE_WALL || m->desc.kind == PROBE_BLAME);
	}
	return needed;
}

/* --- loading --- */

/* All types of the kernel. */
static int types_whole(struct probe_set *set)
{
	uint32_t size;
	const char *data = kernel_raw(set->kernel, &size);

	set->mode.types = true;
	if (ftruncate(set->types_fd, 0))
		return -errno;
	return pwrite(set->types_fd, data, size, 0) == (ssize_t)size ? 0 : -EIO;
}

/* The kernel's types, for libbpf to relocate all objects with; all of them where they cannot be cut. */
static int types_prepare(struct probe_set *set)
{
	const struct btf **objects = calloc(set->nr_objects, sizeof(*objects));
	unsigned nr = 0;
	int ret;

	if (set->types_fd < 0) {
		set->mode.types = true;
		free(objects);
		return 0;
	}
	for (unsigned i = 0; objects && i < set->nr_objects; i++)
		if (set->objects[i].opened && bpf_object__btf(set->objects[i].opened))
			objects[nr++] = bpf_object__btf(set->objects[i].opened);
	ret = !objects || mode_forced("types") ||
	      types_write(set->kernel, objects, nr, set->types_fd);
	free(objects);
	return ret ? types_whole(set) : 0;
}

/* Loaded, with what it cannot do without. */
static int track_try(struct probe_set *set)
{
	int ret = object_load(set->track, set);

	if (ret || object_prog_fd(set->track, "visit") >= 0)
		return ret;
	object_close(set->track);
	why_set(&set->track->why, BENCH_NOT_SUPPORTED,
		"the kernel rejected the program that finds the threads to follow, %s",
		set->track->refused);
	return -ENOTSUP;
}

/* Followed threads are kept by track.bpf.c. Where the kernel does not take it in its typed form
 * (tp_btf), everything is loaded in the other one. */
static int track_load(struct probe_set *set)
{
	int ret = track_try(set);

	/* A kernel whose types cannot be told from the few. */
	if (ret && ret != -EPERM && !set->mode.types && !types_whole(set))
		ret = track_try(set);
	if (ret && ret != -EPERM && !set->mode.raw) {
		set->mode.raw = true;
		set->mode.storage = false;
		ret = track_try(set);
	}
	if (!ret)
		ret = track_open(set);
	if (ret) {
		set->why = set->track->why;
		if (set->why.status == BENCH_OK)
			why_set(&set->why, BENCH_NOT_SUPPORTED,
				"the maps of followed threads cannot be set up: %s",
				strerror(-ret));
	}
	return ret;
}

static void sched_open(struct probe_set *set)
{
	static const struct probe_why no_maps = { BENCH_NOT_SUPPORTED,
						  "the run-queue maps cannot be mapped" };

	set->depth = object_map(set->sched, "depth", &set->depth_bytes);
	set->queues = object_map(set->sched, "queues", &set->queues_bytes);
	if (!set->depth || !set->queues) {
		set->sched->why = no_maps;
		return;
	}
	(void)track_visit(set, set->sched, "seed", 0, 0); /* else silent CPUs stay unknown */
	if (!set->mode.causes)
		return;
	if (ledger_open(set)) {
		set->sched->why = no_maps;
		return;
	}
	if (mode_forced("samples"))
		why_set(&set->no_samples, BENCH_SKIPPED, "BENCH_PROBE_FALLBACK asks for none");
	else
		(void)sample_open(set); /* no_samples says why not */
}

static void *others_load(void *arg)
{
	struct probe_set *set = arg;

	for (unsigned i = 0; i < set->nr_objects; i++) {
		struct probe_object *object = &set->objects[i];

		if (object != set->track && object != set->sched && object_needed(set, object))
			(void)object_load(object, set); /* object->why says why not */
	}
	return NULL;
}

/* The scheduler's object takes as long as all others together: beside them. */
static void rest_load(struct probe_set *set)
{
	sigset_t all, old;
	pthread_t thread;
	bool beside;

	set->config = config_make(set);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for the other threads */
	beside = set->sched && !pthread_create(&thread, NULL, others_load, set);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (set->sched)
		(void)object_load(set->sched, set); /* its why says why not */
	if (beside)
		pthread_join(thread, NULL);
	else
		others_load(set);
}

static void objects_load(struct probe_set *set)
{
	int ret;

	for (unsigned i = 0; i < set->nr_objects; i++) {
		struct probe_object *object = &set->objects[i];

		for (unsigned k = 0; k < object->nr_metrics; k++)
			metric_check(&object->metrics[k], set->kernel);
		blame_check(set, object);
	}
	ret = types_prepare(set);
	if (ret)
		why_set(&set->why, BENCH_NOT_SUPPORTED,
			"the kernel's types cannot be kept in memory: %s", strerror(-ret));
	if (ret || track_load(set))
		return;
	rest_load(set);
	for (unsigned i = 0; i < set->nr_objects; i++) {
		struct probe_object *object = &set->objects[i];

		bpf_object__close(object->opened); /* of those that nobody asked for */
		object->opened = NULL;
		if (!object->bpf)
			continue;
		if (object == set->sched)
			sched_open(set);
		if (!strcmp(object->image->name, "block"))
			block_open(set, object);
		if (!strcmp(object->image->name, "fault"))
			fault_open(set, object);
	}
	blame_open(set);
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* linux/memfd.h since 6.3 */
#endif

static int set_init(struct probe_set *set, const char *list, struct bench_err *err)
{
	int ret, nr = libbpf_num_possible_cpus();
	bool any = false;

	set->types_fd = memfd_create("types", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (set->types_fd < 0 && errno == EINVAL) /* before 6.3 */
		set->types_fd = memfd_create("types", MFD_CLOEXEC);
	/* Without one libbpf reads all types for every object, which takes longer. */
	if (set->types_fd >= 0)
		snprintf(set->types, sizeof(set->types), "/proc/self/fd/%d", set->types_fd);
	set->nr_objects = images_describe(&set->objects, set->types_fd >= 0 ? set->types : NULL);
	if (!set->objects || nr <= 0)
		return bench_fail(err, -ENOMEM, "probes: out of memory");
	ret = list_choose(set->objects, set->nr_objects, list, err);
	if (ret)
		return ret;
	set->nr_cpus = (unsigned)nr;
	set->lost_by_cpu = calloc(set->nr_cpus, sizeof(*set->lost_by_cpu));
	if (!set->lost_by_cpu)
		return bench_fail(err, -ENOMEM, "probes: out of memory");
	if (sched_getaffinity(getpid(), sizeof(set->allowed), &set->allowed))
		memset(&set->allowed, 0xff, sizeof(set->allowed)); /* > 1024 CPUs */
	for (unsigned i = 0; i < set->nr_objects; i++) {
		any |= object_wanted(&set->objects[i]);
		if (!strcmp(set->objects[i].image->name, "track"))
			set->track = &set->objects[i];
		if (!strcmp(set->objects[i].image->name, "sched") &&
		    object_wanted(&set->objects[i]))
			set->sched = &set->objects[i];
	}
	if (!any || !set->track)
		why_set(&set->why, BENCH_SKIPPED, "not asked for");
	return 0;
}

int probe_open(struct probe_set **ret_set, const char *list, struct bench_err *err)
{
	struct probe_set *set = calloc(1, sizeof(*set));
	uint64_t begin = bench_now_ns();
	int ret;

	if (!set)
		return bench_fail(err, -ENOMEM, "probes: out of memory");
	said_keep();
	ret = set_init(set, list, err);
	if (ret)
		goto out;
	if (set->why.status == BENCH_OK) {
		set->kernel = kernel_open();
		if (!set->kernel)
			why_set(&set->why, BENCH_NOT_SUPPORTED,
				"this kernel has no type information (/sys/kernel/btf/vmlinux): it "
				"needs CONFIG_DEBUG_INFO_BTF");
	}
	if (set->why.status == BENCH_OK) {
		mode_find(set);
		objects_load(set);
		set->open_ns = bench_now_ns() - begin;
		if (set->windows)
			check_run(set);
		set->check_ns = bench_now_ns() - begin - set->open_ns;
	}
	*ret_set = set;
	set = NULL;
out:
	probe_close(set);
	return ret;
}

static void unmap(void *mem, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (mem)
		munmap(mem, (bytes + page - 1) / page * page);
}

void probe_close(struct probe_set *set)
{
	if (!set)
		return;
	waits_close(set);
	ledger_close(set);
	sample_close(set);
	for (unsigned i = 0; i < set->nr_objects; i++)
		object_close(&set->objects[i]);
	blame_close(set);
	unmap(set->windows, sizeof(*set->windows));
	unmap(set->request, sizeof(*set->request));
	unmap(set->threads, PROBE_THREADS * sizeof(*set->threads));
	unmap(set->clocks, set->clocks_bytes);
	unmap(set->depth, set->depth_bytes);
	unmap(set->queues, set->queues_bytes);
	unmap(set->block_rings, set->block_bytes);
	fault_close(set);
	kernel_close(set->kernel);
	if (set->types_fd >= 0)
		close(set->types_fd);
	free(set->lost_by_cpu);
	free(set->unlinked);
	free(set->objects);
	free(set);
}
