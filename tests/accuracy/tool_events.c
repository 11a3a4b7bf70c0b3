// SPDX-License-Identifier: BSD-2-Clause
/* Programs that cause known software events, for comparing two counters of the same process:
 * tool_events GO WHAT. It waits until the FIFO named GO can be read, so that both are attached. What
 * the process and its children did until then goes to GO.before as the kernel's own accounts have
 * it, a line "EVENT COUNT" each, task-clock in ms. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void spin(unsigned ms)
{
	uint64_t end = cpu_ns() + ms * 1000000ull;

	while (cpu_ns() < end)
		;
}

static void *spin_thread(void *arg)
{
	(void)arg;
	spin(700);
	return NULL;
}

/* Two threads that spin. */
static void threads(void)
{
	pthread_t t[2];

	for (unsigned i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, spin_thread, NULL))
			die("pthread_create");
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

/* Touch nr fresh pages. */
static void faults(unsigned nr)
{
	while (nr) {
		unsigned now = nr < 1024 ? nr : 1024;
		char *at = mmap(NULL, now * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED)
			die("mmap");
		madvise(at, now * PAGE, MADV_NOHUGEPAGE);
		for (unsigned i = 0; i < now; i++)
			((volatile char *)at)[i * PAGE] = 1;
		munmap(at, now * PAGE);
		nr -= now;
	}
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* Bytes to and fro between two processes on one CPU: two switches each. */
static void ping(unsigned nr)
{
	int to[2], fro[2];
	char byte = 0;

	if (pipe(to) || pipe(fro))
		die("pipe");
	pin(0);
	if (fork() == 0) {
		for (unsigned i = 0; i < nr; i++)
			if (read(to[0], &byte, 1) != 1 || write(fro[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	for (unsigned i = 0; i < nr; i++)
		if (write(to[1], &byte, 1) != 1 || read(fro[0], &byte, 1) != 1)
			die("ping");
	wait(NULL);
}

static void hop(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		pin(i % 2);
}

static void naps(unsigned nr)
{
	const struct timespec nap = { .tv_nsec = 20000 };

	for (unsigned i = 0; i < nr; i++)
		nanosleep(&nap, NULL);
}

/* nr children, each doing fn(amount), four at a time. */
static void children(unsigned nr, void (*fn)(unsigned), unsigned amount)
{
	for (unsigned i = 0; i < nr; i++) {
		if (i >= 4)
			wait(NULL);
		if (fork() == 0) {
			fn(amount);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

static void run_true(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		if (fork() == 0) {
			execlp("true", "true", NULL);
			_exit(1);
		}
		wait(NULL);
	}
}

static double cpu_ms(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e3 +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e3;
}

static void tell_before(const char *go)
{
	struct rusage self, children;
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s.before", go);
	f = fopen(path, "w");
	if (!f || getrusage(RUSAGE_SELF, &self) || getrusage(RUSAGE_CHILDREN, &children))
		die(path);
	fprintf(f, "task-clock %.3f\n", cpu_ms(&self) + cpu_ms(&children));
	fprintf(f, "context-switches %ld\n",
		self.ru_nvcsw + self.ru_nivcsw + children.ru_nvcsw + children.ru_nivcsw);
	fprintf(f, "page-faults %ld\n",
		self.ru_minflt + self.ru_majflt + children.ru_minflt + children.ru_majflt);
	fclose(f);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	char byte;
	int go = open(argc > 1 ? argv[1] : "", O_RDONLY);

	if (go < 0 || read(go, &byte, 1) < 0)
		die("the FIFO");
	close(go);
	tell_before(argv[1]);
	if (!strcmp(what, "spin"))
		spin(1000);
	else if (!strcmp(what, "threads"))
		threads();
	else if (!strcmp(what, "faults"))
		faults(200000);
	else if (!strcmp(what, "faults-children"))
		children(8, faults, 25000);
	else if (!strcmp(what, "ping"))
		ping(30000);
	else if (!strcmp(what, "ping-children"))
		children(4, ping, 8000);
	else if (!strcmp(what, "hop"))
		hop(20000);
	else if (!strcmp(what, "hop-children"))
		children(4, hop, 5000);
	else if (!strcmp(what, "naps"))
		naps(12000);
	else if (!strcmp(what, "programs"))
		run_true(1500);
	else
		return 2;
	return 0;
}
