// SPDX-License-Identifier: BSD-2-Clause
/* Was it user code or the kernel that ran? The scheduler cannot tell, and a hook at every system
 * call would cost more than all other probes together. So a timer of each CPU interrupts about
 * every millisecond of a window and looks. Just under a millisecond, so that it does not keep step
 * with the kernel's own tick. */
#include "probe/set.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int cpu_open(int prog_fd, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = SAMPLE_PERIOD_NS,
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog_fd)) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

int sample_open(struct probe_set *set)
{
	int prog_fd = object_prog_fd(set->sched, "on_sample"), fd = -ENOENT;

	set->sample_fds = malloc(set->nr_cpus * sizeof(*set->sample_fds));
	if (!set->sample_fds)
		return -ENOMEM;
	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++)
		set->sample_fds[cpu] = -1;
	for (unsigned cpu = 0; cpu < set->nr_cpus && cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set->allowed) || prog_fd < 0)
			continue;
		fd = cpu_open(prog_fd, (int)cpu);
		if (fd < 0)
			break;
		set->sample_fds[cpu] = fd;
	}
	if (fd < 0) {
		why_set(&set->no_samples, fd == -EACCES || fd == -EPERM ? BENCH_NOT_PERMITTED
									: BENCH_NOT_SUPPORTED,
			"the timer that tells user code from the kernel cannot be set: %s",
			strerror(-fd));
		sample_close(set);
		return fd;
	}
	for (unsigned i = 0; i < set->sched->nr_runs; i++)
		if (!strcmp(set->sched->runs[i].name, "on_sample")) {
			set->sched->runs[i].prog_fd = prog_fd;
			snprintf(set->sched->runs[i].event, sizeof(set->sched->runs[i].event),
				 "cpu-clock");
		}
	set->mode.samples = true;
	set->sample_ns = SAMPLE_PERIOD_NS;
	return 0;
}

int probe_sample_program(const struct probe_set *set)
{
	return set && set->mode.samples ? object_prog_fd(set->sched, "on_sample") : -1;
}

void probe_sample_shared(struct probe_set *set, uint64_t period_ns)
{
	set->sample_shared = true;
	set->sample_ns = period_ns;
}

void sample_enable(const struct probe_set *set, bool on)
{
	if (set->sample_shared)
		return;
	for (unsigned cpu = 0; set->sample_fds && cpu < set->nr_cpus; cpu++)
		if (set->sample_fds[cpu] >= 0)
			(void)ioctl(set->sample_fds[cpu],
				    on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

void sample_close(struct probe_set *set)
{
	for (unsigned cpu = 0; set->sample_fds && cpu < set->nr_cpus; cpu++)
		if (set->sample_fds[cpu] >= 0)
			close(set->sample_fds[cpu]);
	free(set->sample_fds);
	set->sample_fds = NULL;
	set->mode.samples = false;
}
