// SPDX-License-Identifier: BSD-2-Clause
/* Taking the programs off their tracepoints and putting them back, so that what they cost can be
 * measured. What only forks, exits and renames of followed threads meet (track.bpf.c) stays: it
 * keeps the list of those threads true, and costs nothing between such events. */
#include "probe/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

/* A link that was removed, and how to make it again. */
struct probe_unlinked {
	struct probe_object *object;
	unsigned index; /* in object->links */
	struct bpf_program *prog;
	char tracepoint[64]; /* raw_tp; "" = the program knows its own */
};

static struct bpf_program *program_by_id(const struct probe_object *object, __u32 id)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, object->bpf)
	{
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_program__fd(prog);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.id == id)
			return prog;
	}
	return NULL;
}

static int link_describe(struct probe_object *object, unsigned index,
			 struct probe_unlinked *ret_unlinked)
{
	struct bpf_link_info info = { 0 };
	struct probe_unlinked u = { .object = object, .index = index };
	__u32 len = sizeof(info);
	int fd = bpf_link__fd(object->links[index]);

	info.raw_tracepoint.tp_name = (__u64)(uintptr_t)u.tracepoint;
	info.raw_tracepoint.tp_name_len = sizeof(u.tracepoint);
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.type != BPF_LINK_TYPE_RAW_TRACEPOINT && info.type != BPF_LINK_TYPE_TRACING)
		return -EOPNOTSUPP;
	u.prog = program_by_id(object, info.prog_id);
	if (!u.prog)
		return -ENOENT;
	/* A typed program (tp_btf) knows its tracepoint and takes no other name. */
	if (bpf_program__type(u.prog) != BPF_PROG_TYPE_RAW_TRACEPOINT)
		u.tracepoint[0] = '\0';
	*ret_unlinked = u;
	return 0;
}

static int link_again(const struct probe_unlinked *u)
{
	struct bpf_link *link;

	link = u->tracepoint[0] ? bpf_program__attach_raw_tracepoint(u->prog, u->tracepoint)
				: program_attach(u->prog);
	if (!link)
		return -errno;
	u->object->links[u->index] = link;
	return 0;
}

int probe_detach(struct probe_set *set, struct bench_err *err)
{
	struct probe_unlinked *list;
	unsigned nr = 0;
	int ret = 0;

	if (set->unlinked)
		return 0;
	if (!set->windows)
		return bench_fail(err, -ENODEV, "no probe is loaded: %s", set->why.text);
	/* Depth from events cannot go on after a gap: it would have to count all tasks anew. */
	if (set->sched && !set->mode.depth_exact)
		return bench_fail(err, -EOPNOTSUPP,
				  "the probes cannot be taken off and put back while the run-queue "
				  "depth is derived from events");
	list = calloc((size_t)set->nr_objects * PROBE_MAX_LINKS, sizeof(*list));
	if (!list)
		return bench_fail(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < set->nr_objects && !ret; i++)
		for (unsigned k = 0; k < set->objects[i].nr_links && !ret; k++)
			if (&set->objects[i] != set->track)
				ret = link_describe(&set->objects[i], k, &list[nr++]);
	if (ret) {
		free(list);
		return bench_fail(err, ret, "the probes' links cannot be described: %s",
				  strerror(-ret));
	}
	for (unsigned i = 0; i < nr; i++) {
		struct bpf_link **link = &list[i].object->links[list[i].index];

		(void)bpf_link__destroy(*link); /* closes it; the kernel detaches */
		*link = NULL;
	}
	set->unlinked = list;
	set->nr_unlinked = nr;
	return 0;
}

int probe_attach(struct probe_set *set, struct bench_err *err)
{
	int ret = 0;

	if (!set->unlinked)
		return 0;
	for (unsigned i = 0; i < set->nr_unlinked && !ret; i++) {
		ret = link_again(&set->unlinked[i]);
		if (ret)
			bench_fail(err, ret, "probe %s cannot be attached again: %s",
				   bpf_program__name(set->unlinked[i].prog), strerror(-ret));
	}
	free(set->unlinked);
	set->unlinked = NULL;
	/* What the threads did meanwhile was not seen: their next event tells. */
	for (unsigned i = 0; i < PROBE_THREADS; i++) {
		set->threads[i].state = PROBE_UNKNOWN;
		set->threads[i].serial = 0;
	}
	if (!ret && set->sched)
		(void)track_visit(set, set->sched, "seed", 0, 0); /* as when it was loaded */
	return ret;
}
