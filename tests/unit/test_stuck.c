// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/stuck.h"
#include "core/worker.h"

struct sleeper {
	pthread_t thread;
	int fd[2];
	_Atomic pid_t tid;
};

static void *sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	char byte;

	atomic_store(&s->tid, gettid());
	(void)!read(s->fd[0], &byte, 1);
	return NULL;
}

/* Asleep, by the kernel's word, before this returns. */
static void sleeper_start(struct sleeper *s)
{
	char text[128] = "";

	assert_int_equal(pipe(s->fd), 0);
	atomic_store(&s->tid, 0);
	assert_int_equal(pthread_create(&s->thread, NULL, sleeper_main, s), 0);
	for (unsigned i = 0; i < 5000; i++) {
		if (atomic_load(&s->tid))
			stuck_thread(atomic_load(&s->tid), text, sizeof(text));
		if (strstr(text, "read") || strstr(text, "in state S"))
			return;
		usleep(1000);
	}
	fail_msg("the thread does not sleep: %s", text);
}

static void sleeper_end(struct sleeper *s)
{
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	pthread_join(s->thread, NULL);
	close(s->fd[0]);
	close(s->fd[1]);
}

static void tells_the_call_in_which_a_thread_sleeps(void **state)
{
	struct sleeper s;
	char text[128];

	(void)state;
	sleeper_start(&s);
	stuck_thread(s.tid, text, sizeof(text));
	if (access("/proc/self/syscall", R_OK) == 0)
		assert_non_null(strstr(text, "system call read"));
	stuck_thread(gettid(), text, sizeof(text));
	assert_non_null(strstr(text, "running"));
	sleeper_end(&s);
	stuck_thread(s.tid, text, sizeof(text));
	assert_non_null(strstr(text, "gone"));
}

static void other_threads_are_told_by_their_number(void **state)
{
	struct sleeper s[3];
	char text[128];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		sleeper_start(&s[i]);
	stuck_others(&(pid_t){ s[2].tid }, 1, text, sizeof(text));
	assert_int_equal(strncmp(text, "2 ", 2), 0);
	stuck_others((pid_t[]){ s[0].tid, s[1].tid, s[2].tid }, 3, text, sizeof(text));
	assert_string_equal(text, "");
	for (unsigned i = 0; i < 3; i++)
		sleeper_end(&s[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_call_in_which_a_thread_sleeps),
		cmocka_unit_test(other_threads_are_told_by_their_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
