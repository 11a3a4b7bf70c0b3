// SPDX-License-Identifier: BSD-2-Clause
/* Nothing is trusted before it has shown that it works: a thread of this process sleeps and spins
 * for known times, and the metrics must say so. The kernel measures the programs' run time
 * meanwhile (BPF_ENABLE_STATS, which costs, and is off again before anything is measured). */
#include "probe/set.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "bench/clock.h"
#include "block_abi.h"

#define SLEEP_NS (4 * BENCH_NS_PER_MS)
#define SPIN_NS (6 * BENCH_NS_PER_MS)
#define NAPS 40
#define NAP_NS (20 * BENCH_NS_PER_US)
#define READS 48u
#define READ_BYTES 4096u

struct known {
	pid_t tid;
	int go[2], ready[2]; /* pipes */
	int cpu;	     /* it spun on, -1 = on several */
	uint64_t spun_ns;
	uint64_t switches; /* by the kernel's count, of the naps */
	bool block;    /* block requests are followed */
	unsigned read; /* blocks read past the page cache, surely from a device */
};

static void nap(uint64_t ns)
{
	struct timespec ts = { .tv_nsec = (long)ns };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static uint64_t cpu_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Of this program's own file. A file system without a device of its own (major 0) proves nothing.
 */
static unsigned read_blocks(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_DIRECT | O_CLOEXEC);
	unsigned nr = 0;
	struct stat st;
	void *mem;

	if (fd < 0)
		return 0;
	if (!fstat(fd, &st) && major(st.st_dev) && !posix_memalign(&mem, READ_BYTES, READ_BYTES)) {
		while (nr < READS && pread(fd, mem, READ_BYTES, nr * READ_BYTES) == READ_BYTES)
			nr++;
		free(mem);
	}
	close(fd);
	return nr;
}

/* Of this thread. A nap whose time was up before the thread could leave its CPU has none. */
static uint64_t own_switches(void)
{
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) ? 0 : (uint64_t)u.ru_nvcsw;
}

/* What the naps took at least. */
static uint64_t known_sleep_ns(const struct known *k)
{
	return k->switches ? SLEEP_NS + (k->switches - 1) * NAP_NS : 0;
}

static void *known_load(void *arg)
{
	struct known *k = arg;
	uint64_t begin, now;
	char c = 0;

	k->tid = gettid();
	if (write(k->ready[1], &c, 1) != 1 || read(k->go[0], &c, 1) != 1)
		return NULL;
	k->switches = own_switches();
	nap(SLEEP_NS);
	for (int i = 0; i < NAPS; i++)
		nap(NAP_NS);
	k->switches = own_switches() - k->switches;
	if (k->block)
		k->read = read_blocks();
	k->cpu = sched_getcpu();
	begin = cpu_time_ns();
	do {
		now = cpu_time_ns();
	} while (now - begin < SPIN_NS);
	k->spun_ns = now - begin;
	if (k->cpu != sched_getcpu())
		k->cpu = -1;
	return NULL;
}

__attribute__((format(printf, 2, 3))) static void fault(struct probe_set *set, const char *fmt, ...)
{
	va_list ap;

	if (set->nr_check == sizeof(set->check) / sizeof(*set->check))
		return;
	va_start(ap, fmt);
	vsnprintf(set->check[set->nr_check++], sizeof(*set->check), fmt, ap);
	va_end(ap);
}

static void check_threads(struct probe_set *set, const struct known *k)
{
	struct bench_hist *hist = bench_hist_new(PROBE_HIST_BITS);
	uint64_t voluntary = values_sum(set, set->sched, SCHED_SWITCHES);

	if (!hist)
		return;
	values_hist(set, set->sched, SCHED_OFFCPU, set->end_ns, hist);
	if (fault_injected(set, "sleep")) /* sleeps that look shorter */
		hist->max /= 1000;
	if (fault_injected(set, "switches")) /* that do not count */
		voluntary /= 2;
	if (hist->max < SLEEP_NS || hist->sum < known_sleep_ns(k))
		fault(set,
		      "probe self-check: a sleep of %.1f ms was recorded as %.3f ms; sched.offcpu "
		      "and "
		      "sched.runq_latency are not to be trusted",
		      SLEEP_NS / 1e6, (double)hist->max / 1e6);
	if (voluntary < k->switches)
		fault(set,
		      "probe self-check: %llu voluntary switches were recorded where there were at "
		      "least %llu; sched.switches is not to be trusted",
		      (unsigned long long)voluntary, (unsigned long long)k->switches);
	bench_hist_free(hist);
}

/* It slept and spun, and nothing else. */
static void check_ledger(struct probe_set *set, const struct known *k)
{
	uint64_t slept = known_sleep_ns(k), ran;
	struct ledger_sum sum;
	double states = 0;

	ledger_sum(set, false, &sum);
	ran = sum.ledger.time_ns[PROBE_RUNNING];
	if (fault_injected(set, "spin")) /* time on a CPU that looks shorter */
		ran /= 1000;
	for (int i = PROBE_RUNNING; i <= PROBE_BLOCKED; i++)
		states += (double)sum.ledger.time_ns[i];
	if (set->mode.regs && sum.ledger.blocked_ns[PROBE_BLOCKED_TIMER] < slept)
		fault(set,
		      "probe self-check: sleeps of %.3f ms were recorded as %.3f ms of "
		      "blocked.timer; "
		      "the causes of wall.time are not to be trusted",
		      (double)slept / 1e6,
		      (double)sum.ledger.blocked_ns[PROBE_BLOCKED_TIMER] / 1e6);
	if (ran < k->spun_ns - k->spun_ns / 20)
		fault(set,
		      "probe self-check: a thread ran for %.3f ms and is on record with %.3f ms on "
		      "a "
		      "CPU; wall.time is not to be trusted",
		      (double)k->spun_ns / 1e6, (double)ran / 1e6);
	if (states < 0.999 * (double)sum.wall_ns || states > 1.001 * (double)sum.wall_ns)
		fault(set,
		      "probe self-check: the causes add up to %.3f ms of %.3f ms; wall.time is not "
		      "to "
		      "be trusted",
		      states / 1e6, (double)sum.wall_ns / 1e6);
}

static void check_depth(struct probe_set *set, const struct known *k)
{
	uint64_t window = set->end_ns - set->start_ns, total = 0;
	struct probe_depth d;

	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++) {
		uint64_t covered = 0;

		if (!depth_close(set, cpu, set->end_ns, &d))
			continue;
		for (unsigned i = 0; i < PROBE_DEPTHS; i++)
			covered += d.at_ns[i];
		total += d.depth_ns;
		if (covered != window)
			fault(set,
			      "probe self-check: %.3f ms of %.3f ms were accounted on CPU %u; "
			      "sched.runq_depth and sched.runq_time are not to be trusted",
			      (double)covered / 1e6, (double)window / 1e6, cpu);
		if ((int)cpu == k->cpu && window - d.at_ns[0] < k->spun_ns)
			fault(set,
			      "probe self-check: CPU %u ran a thread for %.3f ms and counted as "
			      "busy "
			      "for %.3f ms; sched.runq_depth is not to be trusted",
			      cpu, (double)k->spun_ns / 1e6, (double)(window - d.at_ns[0]) / 1e6);
	}
	if (total < k->spun_ns)
		fault(set,
		      "probe self-check: a thread ran for %.3f ms and the run-queue depth amounts "
		      "to %.3f ms; sched.runq_depth is not to be trusted",
		      (double)k->spun_ns / 1e6, (double)total / 1e6);
}

/* A few may complete unseen. */
static void check_block(struct probe_set *set, const struct known *k)
{
	uint64_t bytes = values_sum(set, set->block, BLOCK_BYTES + BLOCK_READ);
	uint64_t least = (uint64_t)k->read * READ_BYTES * 3 / 4;

	if (fault_injected(set, "block"))
		bytes /= 2;
	if (bytes < least)
		fault(set,
		      "probe self-check: %u KiB were read from a device and %llu KiB counted; "
		      "block.bytes and block.latency are not to be trusted",
		      k->read * READ_BYTES / 1024, (unsigned long long)bytes / 1024);
}

/* The known load in a window of its own. stats: the kernel measures the programs meanwhile. False =
 * it could not be run. */
static bool known_run(struct probe_set *set, struct known *k, bool stats)
{
	struct bench_window window = { .end_ns = UINT64_MAX };
	sigset_t all, old;
	pthread_t thread;
	bool ok = false;
	char c = 0;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for the other threads */
	ret = pthread_create(&thread, NULL, known_load, k);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return false;
	if (read(k->ready[0], &c, 1) == 1 && !probe_track(set, k->tid, false, NULL)) {
		window.start_ns = bench_now_ns();
		probe_window(set, &window);
		ok = true;
	}
	if (write(k->go[1], &c, 1) != 1)
		pthread_cancel(thread); /* it waits in read(), a cancellation point */
	if (stats)
		calibrate_join(set, thread);
	else
		pthread_join(thread, NULL);
	if (ok)
		window_close(set);
	return ok && k->spun_ns;
}

void check_run(struct probe_set *set)
{
	struct known k = { .go = { -1, -1 }, .ready = { -1, -1 }, .cpu = -1 };
	int stats;

	if (pipe2(k.go, O_CLOEXEC) || pipe2(k.ready, O_CLOEXEC))
		goto out;
	set->check_serial = set->serial + 1;
	k.block = set->block && set->block->why.status == BENCH_OK;
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (!known_run(set, &k, stats >= 0)) {
		fault(set, "probe self-check: the known load could not be run");
	} else if (set->sched && set->sched->why.status == BENCH_OK && set->sched->values) {
		check_threads(set, &k);
		if (set->history)
			check_ledger(set, &k);
		if (set->depth)
			check_depth(set, &k);
	}
	if (k.read)
		check_block(set, &k);
	if (stats >= 0)
		close(stats);
	probe_untrack_all(set);
out:
	for (int i = 0; i < 2; i++) {
		if (k.go[i] >= 0)
			close(k.go[i]);
		if (k.ready[i] >= 0)
			close(k.ready[i]);
	}
}
