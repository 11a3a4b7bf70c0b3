// SPDX-License-Identifier: BSD-2-Clause
/* Programs that wait for one known thing each, for causes.sh: tool_load KIND MS [FILE]. The waiting
 * thread is called "waiter"; where somebody has to wake it, that one is called "helper" and sleeps
 * in between. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define FILE_BYTES (64 << 20)
#define NAP_US 2000

static uint64_t end_ns;
static const char *path;
static int fds[2];
static atomic_uint word;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void nap(void)
{
	const struct timespec ts = { .tv_nsec = NAP_US * 1000 };

	nanosleep(&ts, NULL);
}

/* --- the helper --- */

static void *write_often(void *arg)
{
	uint64_t one = 1;

	prctl(PR_SET_NAME, "helper");
	while (now_ns() < end_ns) {
		nap();
		if (write(*(int *)arg, &one, sizeof(one)) < 0)
			die("write");
	}
	close(*(int *)arg);
	return NULL;
}

static void *wake_often(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "helper");
	while (now_ns() < end_ns) {
		nap();
		atomic_fetch_add(&word, 1);
		syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	return NULL;
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, arg))
		die("pthread_create");
	return thread;
}

static void read_all(void)
{
	pthread_t thread = start(write_often, &fds[1]);
	char buf[64];

	while (read(fds[0], buf, sizeof(buf)) > 0)
		;
	pthread_join(thread, NULL);
}

/* --- kinds --- */

static void load_sleep(void)
{
	while (now_ns() < end_ns)
		nap();
}

static void load_futex(void)
{
	pthread_t thread = start(wake_often, NULL);

	while (now_ns() < end_ns) {
		const struct timespec limit = { .tv_nsec = 50000000 };

		syscall(SYS_futex, &word, FUTEX_WAIT, atomic_load(&word), &limit, NULL, 0);
	}
	pthread_join(thread, NULL);
}

static void load_pipe(void)
{
	if (pipe(fds))
		die("pipe");
	read_all();
}

/* Held by signals while it would wait for a pipe. */
static void load_stop(void)
{
	pid_t waiter = getpid(), helper;

	if (pipe(fds))
		die("pipe");
	helper = fork();
	if (helper < 0)
		die("fork");
	if (!helper) {
		prctl(PR_SET_NAME, "helper");
		while (now_ns() < end_ns) {
			kill(waiter, SIGSTOP);
			for (unsigned i = 0; i < 10; i++)
				nap();
			kill(waiter, SIGCONT);
		}
		_exit(0);
	}
	close(fds[1]);
	while (read(fds[0], &(char){ 0 }, 1) > 0)
		;
	waitpid(helper, NULL, 0);
}

static void load_unix(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		die("socketpair");
	read_all();
}

static void load_eventfd(void)
{
	pthread_t thread;
	uint64_t v;

	fds[0] = eventfd(0, 0);
	fds[1] = dup(fds[0]);
	thread = start(write_often, &fds[1]);
	while (now_ns() < end_ns - NAP_US * 2000u)
		if (read(fds[0], &v, sizeof(v)) < 0)
			die("read");
	pthread_join(thread, NULL);
}

static void tcp_pair(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (void *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (void *)&addr, &len) || connect(fds[0], (void *)&addr, len))
		die("tcp");
	fds[1] = accept(listener, NULL, NULL);
	if (fds[1] < 0)
		die("accept");
}

static void load_tcp(void)
{
	tcp_pair();
	read_all();
}

static void load_poll(void)
{
	struct pollfd p = { .events = POLLIN };
	pthread_t thread;
	char buf[64];

	tcp_pair();
	p.fd = fds[0];
	thread = start(write_often, &fds[1]);
	while (poll(&p, 1, 100) >= 0 && read(fds[0], buf, sizeof(buf)) > 0)
		;
	pthread_join(thread, NULL);
}

static void load_select(void)
{
	pthread_t thread;
	char buf[64];
	fd_set set;

	if (pipe(fds))
		die("pipe");
	thread = start(write_often, &fds[1]);
	do {
		FD_ZERO(&set);
		FD_SET(fds[0], &set);
	} while (select(fds[0] + 1, &set, NULL, NULL, NULL) >= 0 &&
		 read(fds[0], buf, sizeof(buf)) > 0);
	pthread_join(thread, NULL);
}

static void epoll_on(int fd, void (*done)(void))
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);
	char buf[64];

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		die("epoll");
	while (now_ns() < end_ns)
		if (epoll_wait(ep, &ev, 1, 100) < 0 || read(fd, buf, sizeof(buf)) < 0)
			break;
	if (done)
		done();
}

static void load_epoll(void)
{
	pthread_t thread;

	tcp_pair();
	thread = start(write_often, &fds[1]);
	epoll_on(fds[0], NULL);
	pthread_join(thread, NULL);
}

static void load_timerfd(void)
{
	const struct itimerspec every = { { 0, NAP_US * 1000 }, { 0, NAP_US * 1000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL))
		die("timerfd");
	epoll_on(fd, NULL);
}

static void load_timeout(void)
{
	while (now_ns() < end_ns)
		poll(NULL, 0, NAP_US / 1000);
}

static int file_open(int flags)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	char *buf;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	if (st.st_size < FILE_BYTES) {
		buf = malloc(1 << 20);
		memset(buf, 1, 1 << 20);
		for (int i = 0; i < FILE_BYTES >> 20; i++)
			if (pwrite(fd, buf, 1 << 20, (off_t)i << 20) < 0)
				die("pwrite");
		free(buf);
		fsync(fd);
	}
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	fd = open(path, flags);
	if (fd < 0)
		die(path);
	return fd;
}

static off_t some_offset(void)
{
	return (off_t)(random() % (FILE_BYTES / BLOCK)) * BLOCK;
}

static void load_disk(void)
{
	int fd = file_open(O_RDONLY | O_DIRECT);
	void *buf = aligned_alloc(BLOCK, BLOCK);

	while (now_ns() < end_ns)
		if (pread(fd, buf, BLOCK, some_offset()) != BLOCK)
			die("pread");
}

static void load_fsync(void)
{
	int fd = file_open(O_RDWR);
	char buf[BLOCK] = { 2 };

	while (now_ns() < end_ns)
		if (pwrite(fd, buf, BLOCK, some_offset()) != BLOCK || fsync(fd))
			die("fsync");
}

static void load_fault(void)
{
	int fd = file_open(O_RDONLY);
	volatile char *mem = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (mem == MAP_FAILED || madvise((void *)mem, FILE_BYTES, MADV_RANDOM))
		die("mmap");
	while (now_ns() < end_ns) {
		for (int i = 0; i < 1024; i++)
			(void)mem[some_offset()];
		madvise((void *)mem, FILE_BYTES, MADV_DONTNEED);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
}

static void load_uring(void)
{
	int fd = file_open(O_RDONLY | O_DIRECT);
	void *buf = aligned_alloc(BLOCK, BLOCK);
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	if (io_uring_queue_init(8, &ring, 0))
		die("io_uring_queue_init");
	while (now_ns() < end_ns) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		io_uring_prep_read(sqe, fd, buf, BLOCK, (__u64)some_offset());
		if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_wait_cqe(&ring, &cqe))
			die("io_uring");
		if (cqe->res != BLOCK)
			die("read");
		io_uring_cqe_seen(&ring, cqe);
	}
}

/* Read what write_often() writes to the other end. */
static void uring_read_all(bool socket)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	pthread_t thread;
	char buf[64];
	int res = 1;

	thread = start(write_often, &fds[1]);
	if (io_uring_queue_init(8, &ring, 0))
		die("io_uring_queue_init");
	while (res > 0) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		if (socket)
			io_uring_prep_recv(sqe, fds[0], buf, sizeof(buf), 0);
		else
			io_uring_prep_read(sqe, fds[0], buf, sizeof(buf), (__u64)-1);
		if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_wait_cqe(&ring, &cqe))
			die("io_uring");
		res = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	}
	pthread_join(thread, NULL);
}

static void load_uring_net(void)
{
	tcp_pair();
	uring_read_all(true);
}

static void load_uring_pipe(void)
{
	if (pipe(fds))
		die("pipe");
	uring_read_all(false);
}

static void load_wait(void)
{
	while (now_ns() < end_ns) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_NAME, "helper");
			nap();
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			die("waitpid");
	}
}

static void load_spin(void)
{
	while (now_ns() < end_ns)
		for (volatile int i = 0; i < 100000; i++)
			;
}

/* As many short-lived processes as MS says. */
static void load_storm(void)
{
	unsigned nr = (unsigned)((end_ns - now_ns()) / 1000000u);

	for (unsigned i = 0; i < nr; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			die("fork");
	}
}

/* A grandchild that outlives its parent and sleeps in a thread: followed all the same. */
static void *sleep_in_thread(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "grandthread");
	load_sleep();
	return NULL;
}

static void load_double(void)
{
	pid_t pid = fork();

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!pid) {
		if (fork())
			_exit(0);
		prctl(PR_SET_NAME, "grandchild");
		pthread_join(start(sleep_in_thread, NULL), NULL);
		_exit(0);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static const struct kind {
	const char *name;
	void (*run)(void);
} kinds[] = {
	{ "sleep", load_sleep },
	{ "futex", load_futex },
	{ "pipe", load_pipe },
	{ "stop", load_stop },
	{ "unix", load_unix },
	{ "eventfd", load_eventfd },
	{ "tcp", load_tcp },
	{ "poll", load_poll },
	{ "select", load_select },
	{ "epoll", load_epoll },
	{ "timerfd", load_timerfd },
	{ "timeout", load_timeout },
	{ "disk", load_disk },
	{ "fsync", load_fsync },
	{ "fault", load_fault },
	{ "uring", load_uring },
	{ "uring_net", load_uring_net },
	{ "uring_pipe", load_uring_pipe },
	{ "wait", load_wait },
	{ "spin", load_spin },
	{ "storm", load_storm },
	{ "double", load_double },
};

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: tool_load KIND MS [FILE]\n");
		return 2;
	}
	path = argc > 3 ? argv[3] : "/var/tmp/bench-load";
	end_ns = now_ns() + strtoull(argv[2], NULL, 10) * 1000000u;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(kinds[i].name, argv[1]))
			continue;
		prctl(PR_SET_NAME, "waiter");
		kinds[i].run();
		return 0;
	}
	fprintf(stderr, "tool_load: no kind '%s'\n", argv[1]);
	return 2;
}
