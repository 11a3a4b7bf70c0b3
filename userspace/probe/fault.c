// SPDX-License-Identifier: BSD-2-Clause
/* Page faults: has fault.bpf.c read the kernel's counts at both ends of a window. */
#include "probe/set.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

struct fault_request {
	__u32 end, pad;
};

void fault_open(struct probe_set *set, struct probe_object *object)
{
	set->fault_request = object_map(object, ".data.fault", NULL);
	if (!set->fault_request) {
		why_set(&object->why, BENCH_NOT_SUPPORTED,
			"what the iterator is to do cannot be told to it");
		return;
	}
	set->fault = object;
}

/* The followed threads that exist: those of this process in one go, others by their process. What
 * they fork is new, and has had no faults. */
void fault_begin(struct probe_set *set)
{
	bool own = false;

	if (!set->fault)
		return;
	set->fault_request->end = 0;
	for (unsigned i = 0; i < set->nr_follows; i++) {
		pid_t tid = set->follows[i].tid;
		bool ours = !tgkill(getpid(), tid, 0);

		/* If it fails they have no base, and do not count. */
		if (!ours || !own)
			(void)track_visit(set, set->fault, "visit_faults", 0,
					  ours ? getpid() : tid);
		own |= ours;
	}
}

void fault_end(struct probe_set *set)
{
	if (!set->fault)
		return;
	set->fault_request->end = 1;
	(void)track_visit(set, set->fault, "visit_faults", 0, 0); /* as above */
}

void fault_close(struct probe_set *set)
{
	if (set->fault_request)
		munmap(set->fault_request, (size_t)sysconf(_SC_PAGESIZE));
	set->fault_request = NULL;
	set->fault = NULL;
}
