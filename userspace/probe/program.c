// SPDX-License-Identifier: BSD-2-Clause
/* One program of an object: whether this kernel is to load it, and what it attaches to. */
#include "probe/set.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

const char *program_event(const struct bpf_program *prog)
{
	const char *slash = strchr(bpf_program__section_name(prog), '/');

	return slash ? slash + 1 : "";
}

/* Of the object that this thread loads; libbpf's callback has no argument of ours. */
static __thread const struct kernel *typed_kernel;

/* libbpf would read all types of the kernel for each object with a typed program, to find what the
 * program attaches to. It does not when the program is a raw one until it is loaded, and what it
 * attaches to is told here. */
static int prepare(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	const char *name = strchr(bpf_program__section_name(prog), '/') + 1;
	char iter[64];
	int ret;

	(void)cookie;
	if (!strncmp(bpf_program__section_name(prog), "iter/", 5)) {
		snprintf(iter, sizeof(iter), "bpf_iter_%s", name);
		opts->expected_attach_type = BPF_TRACE_ITER;
		opts->attach_btf_id = kernel_type(typed_kernel, iter, BTF_KIND_FUNC, 0);
	} else {
		opts->expected_attach_type = BPF_TRACE_RAW_TP;
		opts->attach_btf_id = kernel_tracepoint(typed_kernel, name);
	}
	if (!opts->attach_btf_id)
		return -ESRCH;
	/* opts is for the load; these are for attaching it. */
	ret = bpf_program__set_expected_attach_type(prog, opts->expected_attach_type);
	ret = ret ? ret : bpf_program__set_type(prog, BPF_PROG_TYPE_TRACING);
	return ret ? ret : typed_fill(prog, typed_kernel);
}

static void prepare_register(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = prepare);

	/* Without it libbpf's own way is taken. */
	(void)libbpf_register_prog_handler("tp_btf+", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, &opts);
	(void)libbpf_register_prog_handler("iter+", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, &opts);
}

void program_prepare(const struct kernel *kernel)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, prepare_register);
	typed_kernel = kernel;
}

struct bpf_link *program_attach(const struct bpf_program *prog)
{
	return bpf_program__type(prog) == BPF_PROG_TYPE_TRACING ? bpf_program__attach_trace(prog)
								: bpf_program__attach(prog);
}

/* Is there a typed form of this raw_tp program? */
static bool has_typed(const struct bpf_object *bpf, const char *tracepoint)
{
	struct bpf_program *prog;
	char sec[80];

	snprintf(sec, sizeof(sec), "tp_btf/%s", tracepoint);
	bpf_object__for_each_program(prog, bpf) {
		if (!strcmp(bpf_program__section_name(prog), sec))
			return true;
	}
	return false;
}

bool program_wanted(const struct bpf_object *bpf, const struct bpf_program *prog,
		    const struct probe_set *set, char rejected[][64], unsigned nr_rejected)
{
	const char *sec = bpf_program__section_name(prog), *tp;
	bool raw = !strncmp(sec, "raw_tp/", 7);

	for (unsigned i = 0; i < nr_rejected; i++)
		if (!strcmp(rejected[i], bpf_program__name(prog)))
			return false;
	tp = strchr(sec, '/');
	if (!tp || !strncmp(sec, "iter/", 5))
		return true;
	if (raw != set->mode.raw && (!raw || has_typed(bpf, tp + 1)))
		return false;
	if (!strcmp(tp + 1, "sched_update_nr_running_tp") && !set->mode.depth_exact)
		return false;
	if (!strncmp(bpf_program__name(prog), "on_place", 8) && set->mode.depth_exact)
		return false;
	if (!strncmp(bpf_program__name(prog), "on_soft_", 8) && set->mode.realtime)
		return false;
	return kernel_has_tracepoint(set->kernel, tp + 1);
}
