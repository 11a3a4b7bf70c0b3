// SPDX-License-Identifier: BSD-2-Clause
/* Readings around a timed window. The files stay open: a sample is four pread() and two clocks. */
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"
#include "host/root.h"

enum { FILE_STAT, FILE_PSI_CPU, FILE_PSI_MEMORY, FILE_PSI_IO, NR_FILES };

static const char *const paths[NR_FILES] = { "/proc/stat", "/proc/pressure/cpu",
					     "/proc/pressure/memory", "/proc/pressure/io" };
static const char *const psi_names[3] = { "cpu", "memory", "io" };

/* Descriptors, or negative errno. Opened once; pread() on them is safe from any thread. */
static struct {
	pthread_mutex_t lock;
	int fds[NR_FILES];
	unsigned generation;
	bool opened;
} files = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void open_files(void)
{
	pthread_mutex_lock(&files.lock);
	if (files.opened && files.generation != host_root_generation()) {
		for (unsigned i = 0; i < NR_FILES; i++)
			if (files.fds[i] >= 0)
				close(files.fds[i]);
		files.opened = false;
	}
	if (!files.opened) {
		for (unsigned i = 0; i < NR_FILES; i++)
			files.fds[i] = host_open("%s", paths[i]);
		files.generation = host_root_generation();
		files.opened = true;
	}
	pthread_mutex_unlock(&files.lock);
}

/* The start of the file; false when it cannot be read. */
static bool read_start(unsigned file, char *buf, size_t size)
{
	ssize_t n = files.fds[file] < 0 ? -1 : pread(files.fds[file], buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice", in USER_HZ (man proc).
 * Guest time is in user time already. */
static void read_stat(struct host_sample *sample)
{
	uint64_t tick_ns = BENCH_NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t total = 0, value = 0;
	char buf[256], *p = buf, *end;
	int i;

	if (!read_start(FILE_STAT, buf, sizeof(buf)) || strncmp(buf, "cpu ", 4))
		return;
	p += 4;
	for (i = 0; i < 8; i++, p = end) {
		value = strtoull(p, &end, 10);
		if (end == p)
			return; /* before steal existed */
		total += value;
	}
	sample->steal_ns = value * tick_ns;
	sample->total_ns = total * tick_ns;
}

static uint64_t read_psi(unsigned file)
{
	char buf[256], *total;

	/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345" comes first, in us. */
	if (!read_start(file, buf, sizeof(buf)) || strncmp(buf, "some ", 5))
		return UINT64_MAX;
	total = strstr(buf, "total=");
	return total ? strtoull(total + 6, NULL, 10) : UINT64_MAX;
}

void host_sample(struct host_sample *ret_sample)
{
	struct timespec ts;

	open_files();
	ret_sample->at_ns = bench_now_ns();
	ret_sample->steal_ns = ret_sample->total_ns = UINT64_MAX;
	read_stat(ret_sample);
	for (unsigned i = 0; i < 3; i++)
		ret_sample->psi_some_us[i] = read_psi(FILE_PSI_CPU + i);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	ret_sample->tool_cpu_ns = (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void put_steal(const struct host_sample *begin, const struct host_sample *end,
		      struct bench_metric_set *metrics)
{
	const struct bench_metric_id id = { .name = "host.steal",
					    .unit = "ratio",
					    .source = BENCH_SOURCE_HOST,
					    .better = BENCH_BETTER_LOWER };

	if (begin->steal_ns == UINT64_MAX || end->steal_ns == UINT64_MAX)
		bench_metric_put_status(metrics, &id, BENCH_NOT_SUPPORTED, 0,
					"/proc/stat cannot be read or has no steal column");
	else if (end->total_ns < begin->total_ns || end->steal_ns < begin->steal_ns)
		/* The kernel's idle counters step back when a CPU goes offline. */
		bench_metric_put_status(metrics, &id, BENCH_NOT_COUNTED, 0,
					"the counters of /proc/stat stepped back");
	else if (end->total_ns == begin->total_ns)
		bench_metric_put_status(metrics, &id, BENCH_NOT_COUNTED, 0,
					"the window is shorter than a tick of /proc/stat");
	else
		bench_metric_put(metrics, &id,
				 (double)(end->steal_ns - begin->steal_ns) /
					 (double)(end->total_ns - begin->total_ns));
}

static const char *psi_reason(unsigned i)
{
	/* The file is there but says so when pressure accounting is off at boot. */
	if (files.fds[FILE_PSI_CPU + i] == -ENOENT)
		return "no /proc/pressure: the kernel lacks CONFIG_PSI or was booted without psi=1";
	if (files.fds[FILE_PSI_CPU + i] == -EACCES || files.fds[FILE_PSI_CPU + i] == -EPERM)
		return "/proc/pressure may not be read";
	return "/proc/pressure gives no totals: pressure accounting is off (boot with psi=1)";
}

static void put_psi(const struct host_sample *begin, const struct host_sample *end, unsigned i,
		    struct bench_metric_set *metrics)
{
	const struct bench_metric_id id = { .name = "host.psi",
					    .unit = "ratio",
					    .source = BENCH_SOURCE_HOST,
					    .better = BENCH_BETTER_LOWER,
					    .labels = { { "resource", psi_names[i] } } };
	uint64_t from = begin->psi_some_us[i], to = end->psi_some_us[i];

	if (from == UINT64_MAX || to == UINT64_MAX) {
		int fd = files.fds[FILE_PSI_CPU + i];

		bench_metric_put_status(metrics, &id,
					fd == -EACCES || fd == -EPERM ? BENCH_NOT_PERMITTED
								      : BENCH_NOT_SUPPORTED,
					0, psi_reason(i));
	} else if (end->at_ns <= begin->at_ns || to < from) {
		bench_metric_put_status(metrics, &id, BENCH_NOT_COUNTED, 0, "an empty window");
	} else {
		double share = (double)(to - from) * 1e3 / (double)(end->at_ns - begin->at_ns);

		/* The kernel's clock reading and ours are some us apart. */
		bench_metric_put(metrics, &id, share > 1 ? 1 : share);
	}
}

void host_put(const struct host_sample *begin, const struct host_sample *end,
	      struct bench_metric_set *metrics)
{
	const struct bench_metric_id id = { .name = "tool.cpu",
					    .unit = "ratio",
					    .source = BENCH_SOURCE_HOST,
					    .better = BENCH_BETTER_LOWER };

	put_steal(begin, end, metrics);
	for (unsigned i = 0; i < 3; i++)
		put_psi(begin, end, i, metrics);
	if (end->at_ns <= begin->at_ns || end->tool_cpu_ns < begin->tool_cpu_ns)
		bench_metric_put_status(metrics, &id, BENCH_NOT_COUNTED, 0, "an empty window");
	else
		bench_metric_put(metrics, &id,
				 (double)(end->tool_cpu_ns - begin->tool_cpu_ns) /
					 (double)(end->at_ns - begin->at_ns));
}
