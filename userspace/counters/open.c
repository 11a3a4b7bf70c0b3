// SPDX-License-Identifier: BSD-2-Clause
/* Opening and reading one event, and what the kernel's blunt error numbers mean. */
#include "counters/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* File descriptors kept free for everybody else before the limit is raised. */
#define FD_MARGIN 128

/* Raise the soft limit of open files to the hard one, when fd shows that it is near. Only then: a
 * wrapped command inherits the limit. */
static void raise_fd_limit(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= limit.rlim_max)
		return;
	if (fd >= 0 && (rlim_t)fd + FD_MARGIN < limit.rlim_cur)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* Failing leaves the old limit, which the next open then runs into. */
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Is everything past size zero? Then a kernel that knows only size bytes loses nothing. */
static bool fits_size(const struct perf_event_attr *attr, uint32_t size)
{
	const unsigned char *bytes = (const unsigned char *)attr;

	for (size_t i = size; i < sizeof(*attr); i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

int event_open(const struct counter_event *event, const struct counter_target *target, int group_fd,
	       bool grouped)
{
	struct perf_event_attr attr = event->attr;
	bool per_cpu = target->cpu >= 0;
	unsigned long flags = PERF_FLAG_FD_CLOEXEC | (target->cgroup ? PERF_FLAG_PID_CGROUP : 0);
	int fd;

	attr.size = sizeof(attr);
	attr.read_format = PERF_FORMAT_ID | PERF_FORMAT_TOTAL_TIME_ENABLED |
			   PERF_FORMAT_TOTAL_TIME_RUNNING | (grouped ? PERF_FORMAT_GROUP : 0);
	attr.inherit = target->inherit && !per_cpu;
	/* The leader is opened enabled: behind a disabled one some PMUs accept more events than
	 * they have counters, and then never run the group (arm_pmu). */
	attr.disabled = 0;
	attr.enable_on_exec = target->enable_on_exec && group_fd < 0;
	for (unsigned attempt = 0; attempt < 3; attempt++) {
		fd = sys_perf_open(&attr, per_cpu && !target->cgroup ? -1 : target->tid,
				   per_cpu ? target->cpu : -1, group_fd, flags);
		/* perf_event_open(2), E2BIG: the kernel has written the size it knows. */
		if (fd == -E2BIG && attr.size < sizeof(attr) && fits_size(&attr, attr.size))
			continue;
		if (fd != -EMFILE)
			break;
		raise_fd_limit(-1);
	}
	if (fd >= 0)
		raise_fd_limit(fd);
	return fd;
}

static int read_number(const char *path, int fallback)
{
	FILE *file = fopen(path, "re");
	int number = fallback;

	if (!file)
		return fallback;
	if (fscanf(file, "%d", &number) != 1)
		number = fallback;
	fclose(file);
	return number;
}

/* ENOENT is the kernel's answer to a PMU that is not there and to an event that it lacks alike. */
static void explain_missing(const struct counter_event *event, const struct pmu_set *pmus,
			    char *note, size_t size)
{
	if (event->kind == EVENT_CORE && !pmus->nr_core)
		snprintf(note, size, "no CPU PMU on this host (a virtual machine without one?)");
	else if (event->kind == EVENT_CORE)
		snprintf(note, size, "the CPU's PMU has no such event");
	else if (event->kind == EVENT_SOFTWARE)
		snprintf(note, size, "this kernel has no such event");
	else
		snprintf(note, size, "PMU '%s' has no such event", event->pmu);
}

static void explain_denied(const struct counter_target *target, char *note, size_t size)
{
	int level = read_number("/proc/sys/kernel/perf_event_paranoid", -2);

	if (level == -2)
		snprintf(note, size, "perf_event_open is denied");
	else
		snprintf(
			note, size,
			"denied: needs CAP_PERFMON%s or a lower kernel.perf_event_paranoid (is %d)",
			target->tid > 0 ? ", the right to trace the process," : "", level);
}

static void explain_invalid(const struct counter_event *event, char *note, size_t size)
{
	if (event->kind == EVENT_OTHER &&
	    (event->attr.exclude_user || event->attr.exclude_kernel || event->attr.exclude_hv))
		snprintf(note, size, "PMU '%s' cannot tell user from kernel", event->pmu);
	else
		snprintf(note, size, "the kernel refuses the encoding (type %u, config 0x%llx)",
			 event->attr.type, (unsigned long long)event->attr.config);
}

enum bench_status event_explain(const struct counter_event *event,
				const struct counter_target *target, const struct pmu_set *pmus,
				int error, char *note, size_t size)
{
	switch (-error) {
	case ENOENT:
		explain_missing(event, pmus, note, size);
		return BENCH_NOT_SUPPORTED;
	case EACCES:
	case EPERM:
		explain_denied(target, note, size);
		return BENCH_NOT_PERMITTED;
	case EINVAL:
		explain_invalid(event, note, size);
		return BENCH_NOT_SUPPORTED;
	case EOPNOTSUPP:
		snprintf(note, size, "the PMU does not support what the event asks for");
		return BENCH_NOT_SUPPORTED;
	case ENXIO:
	case ENODEV:
		snprintf(note, size, "its PMU is not there on this CPU, or a hypervisor blocks it");
		return BENCH_NOT_SUPPORTED;
	case ENOSYS:
		snprintf(note, size, "this kernel has no perf_event_open");
		return BENCH_NOT_SUPPORTED;
	case E2BIG:
		snprintf(note, size, "this kernel is too old for the event's encoding");
		return BENCH_NOT_SUPPORTED;
	case EBUSY:
		snprintf(note, size, "another user has the PMU for itself");
		return BENCH_NOT_COUNTED;
	case EMFILE:
	case ENFILE:
		snprintf(note, size, "no file descriptor is left (RLIMIT_NOFILE)");
		return BENCH_NOT_COUNTED;
	}
	snprintf(note, size, "perf_event_open: %s", strerrordesc_np(-error) ?: "unknown error");
	return BENCH_NOT_SUPPORTED;
}

int group_read(int fd, const uint64_t *ids, unsigned nr, struct counter_reading *ret_readings)
{
	/* perf_event_open(2), "Reading results": nr, enabled, running, then value and id each. */
	uint64_t buf[3 + 2 * COUNTER_MAX_EVENTS];
	ssize_t len = sys_perf_read(fd, buf, sizeof(buf));

	if (len < 0)
		return (int)len;
	if ((size_t)len < 3 * sizeof(buf[0]) || buf[0] > COUNTER_MAX_EVENTS ||
	    (size_t)len < (3 + 2 * buf[0]) * sizeof(buf[0]))
		return -EIO;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t at = 0;

		while (at < buf[0] && buf[3 + 2 * at + 1] != ids[i])
			at++;
		if (at == buf[0])
			return -EIO;
		ret_readings[i] = (struct counter_reading){ buf[3 + 2 * at], buf[1], buf[2] };
	}
	return 0;
}

int single_read(int fd, struct counter_reading *ret_reading)
{
	uint64_t buf[4]; /* value, enabled, running, id */
	ssize_t len = sys_perf_read(fd, buf, sizeof(buf));

	if (len < 0)
		return (int)len;
	if (len != sizeof(buf))
		return -EIO;
	*ret_reading = (struct counter_reading){ buf[0], buf[1], buf[2] };
	return 0;
}
