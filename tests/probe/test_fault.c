// SPDX-License-Identifier: BSD-2-Clause
/* Page faults: as many as getrusage(2) says, for a thread and for a tree of processes. */
#include "probe/rig.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PAGES 500u
#define CHILDREN 60u
#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static volatile char *touch(unsigned pages, volatile char *mem)
{
	if (!mem)
		mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	assert_true(mem != MAP_FAILED);
	madvise((void *)mem, pages * PAGE, MADV_NOHUGEPAGE);
	for (unsigned i = 0; i < pages; i++)
		mem[i * PAGE]++;
	return mem;
}

static struct rusage used(int who)
{
	struct rusage r;

	assert_int_equal(getrusage(who, &r), 0);
	return r;
}

static void a_threads_faults_are_those_of_getrusage(void **state)
{
	struct rusage begin, end;
	volatile char *mem;
	struct probe_set *set;
	double counted, real;
	json_t *m;

	(void)state;
	need_root();
	set = set_open("fault", NULL);
	set_track(set, gettid(), false);
	munmap((void *)touch(PAGES, NULL), PAGES * PAGE); /* before the window: must not count */
	set_window(set, 0, 60000 * MS);
	begin = used(RUSAGE_THREAD);
	mem = touch(PAGES, NULL);
	end = used(RUSAGE_THREAD);
	m = set_read(set, NULL, 0);
	real = (double)(end.ru_minflt - begin.ru_minflt);
	counted = value(m, "fault.count", "kind", "minor");
	printf("minor faults: %.0f, getrusage %.0f\n", counted, real);
	assert_true(real >= PAGES);
	/* Setting and reading the window are in the count, too. */
	assert_true(counted >= real && counted <= real + 12);
	json_decref(m);
	munmap((void *)mem, PAGES * PAGE);
	probe_close(set);
}

/* Children that live for a moment, and a grandchild of each. */
static void tree(void)
{
	volatile char *mem = touch(20, NULL);

	for (unsigned i = 0; i < CHILDREN; i++) {
		if (!fork()) {
			touch(20, mem); /* copies */
			if (!fork())
				_exit(touch(10, mem)[0] == 0);
			wait(NULL);
			_exit(0);
		}
		wait(NULL);
	}
}

static void a_trees_faults_are_those_of_getrusage(void **state)
{
	struct rusage begin, end;
	struct probe_set *set;
	double counted, real;
	int go[2];
	char c = 0;
	json_t *m;
	pid_t pid;

	(void)state;
	need_root();
	set = set_open("fault", NULL);
	assert_int_equal(pipe(go), 0);
	begin = used(RUSAGE_CHILDREN);
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) == 1)
			tree();
		_exit(0);
	}
	sleep_for(50 * MS); /* it has had its own faults and waits */
	set_track(set, pid, true);
	set_window(set, 0, 60000 * MS);
	assert_int_equal(write(go[1], &c, 1), 1);
	waitpid(pid, NULL, 0);
	end = used(RUSAGE_CHILDREN);
	m = set_read(set, NULL, 0);
	/* Those of the child before the window was set are in getrusage alone. */
	real = (double)(end.ru_minflt - begin.ru_minflt);
	counted = value(m, "fault.count", "kind", "minor");
	printf("minor faults of %u processes: %.0f, getrusage %.0f\n", 2 * CHILDREN + 1, counted,
	       real);
	assert_true(counted >= CHILDREN * 30);
	assert_true(counted <= real && counted >= real - 60);
	json_decref(m);
	close(go[0]);
	close(go[1]);
	probe_close(set);
}

static void a_read_from_the_device_is_a_major_fault(void **state)
{
	char path[] = "./test_fault.XXXXXX", *block = calloc(1, 1 << 20);
	int fd = mkostemp(path, O_CLOEXEC);
	volatile const char *mem;
	struct rusage begin, end;
	struct probe_set *set;
	unsigned sum = 0;
	json_t *m;

	(void)state;
	need_root();
	set = set_open("fault", NULL);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, block, 1 << 20), 1 << 20);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	mem = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(mem != MAP_FAILED);
	madvise((void *)mem, 1 << 20, MADV_RANDOM);
	set_track(set, gettid(), false);
	set_window(set, 0, 60000 * MS);
	begin = used(RUSAGE_THREAD);
	for (unsigned i = 0; i < 1 << 20; i += 65536)
		sum += (unsigned)mem[i];
	end = used(RUSAGE_THREAD);
	m = set_read(set, NULL, 0);
	probe_close(set);
	printf("major faults: %.0f, getrusage %ld%s\n", value(m, "fault.count", "kind", "major"),
	       end.ru_majflt - begin.ru_majflt, sum ? " (not zero)" : "");
	assert_true(value(m, "fault.count", "kind", "major") >=
		    (double)(end.ru_majflt - begin.ru_majflt));
	assert_true(value(m, "fault.count", "kind", "major") <=
		    (double)(end.ru_majflt - begin.ru_majflt + 2));
	if (end.ru_majflt == begin.ru_majflt) {
		printf("skip: this file system keeps the file in memory\n");
		json_decref(m);
		skip();
	}
	json_decref(m);
	munmap((void *)mem, 1 << 20);
	close(fd);
	free(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_threads_faults_are_those_of_getrusage),
		cmocka_unit_test(a_trees_faults_are_those_of_getrusage),
		cmocka_unit_test(a_read_from_the_device_is_a_major_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
