// SPDX-License-Identifier: BSD-2-Clause
/* Does the kernel do it? By doing it once, on a ring and a connection of its own: there is no other
 * way to tell for flags of an operation, and a version number is no answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/async.h"
#include "runtime/uring.h"

#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#endif

#define TRY_BUFFERS 4u
#define TRY_BYTES 64u

/* A TCP connection over loopback: a listener and both ends. Without zero copy Unix sockets would
 * do, which cannot do that. */
struct pair {
	int listen_fd, fds[2];
};

static int pair_open(struct pair *pair)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	*pair = (struct pair){ -1, { -1, -1 } };
	pair->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pair->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pair->listen_fd < 0 || pair->fds[0] < 0 ||
	    bind(pair->listen_fd, (struct sockaddr *)&addr, len) || listen(pair->listen_fd, 2) ||
	    getsockname(pair->listen_fd, (struct sockaddr *)&addr, &len) ||
	    connect(pair->fds[0], (struct sockaddr *)&addr, len))
		return -errno;
	return 0;
}

static void pair_close(struct pair *pair)
{
	const int fds[] = { pair->listen_fd, pair->fds[0], pair->fds[1] };

	for (unsigned i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Submit what is queued and give the next completion. */
static int next(struct io_uring *ring, unsigned *ret_flags)
{
	struct __kernel_timespec ts = { .tv_sec = 5 };
	struct io_uring_cqe *cqe;
	int rc = io_uring_submit(ring);

	if (rc >= 0)
		rc = io_uring_wait_cqe_timeout(ring, &cqe, &ts);
	if (rc)
		return rc;
	rc = cqe->res;
	*ret_flags = cqe->flags;
	io_uring_cqe_seen(ring, cqe);
	return rc;
}

static int try_accept(struct io_uring *ring, struct pair *pair)
{
	unsigned flags = 0;
	int fd;

	io_uring_prep_multishot_accept(io_uring_get_sqe(ring), pair->listen_fd, NULL, NULL,
				       SOCK_CLOEXEC);
	fd = next(ring, &flags);
	if (fd < 0)
		return fd;
	pair->fds[1] = fd;
	return flags & IORING_CQE_F_MORE ? 0 : -EINVAL;
}

static int try_recv(struct io_uring *ring, struct pair *pair, bool multishot)
{
	static unsigned char memory[TRY_BUFFERS * TRY_BYTES];
	struct io_uring_buf_reg reg = { .ring_entries = TRY_BUFFERS, .bgid = 0 };
	struct io_uring_buf_ring *bufs =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	unsigned flags = 0;
	int rc;

	if (bufs == MAP_FAILED)
		return -errno;
	reg.ring_addr = (uint64_t)(uintptr_t)bufs;
	rc = io_uring_register_buf_ring(ring, &reg, 0);
	if (rc)
		goto out;
	io_uring_buf_ring_init(bufs);
	for (unsigned i = 0; i < TRY_BUFFERS; i++)
		io_uring_buf_ring_add(bufs, memory + i * TRY_BYTES, TRY_BYTES, (unsigned short)i,
				      io_uring_buf_ring_mask(TRY_BUFFERS), (int)i);
	io_uring_buf_ring_advance(bufs, TRY_BUFFERS);
	pair->fds[1] = accept4(pair->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (pair->fds[1] < 0 || send(pair->fds[1], "x", 1, MSG_NOSIGNAL) != 1) {
		rc = -errno;
		goto out;
	}
	if (multishot)
		io_uring_prep_recv_multishot(sqe, pair->fds[0], NULL, 0, 0);
	else
		io_uring_prep_recv(sqe, pair->fds[0], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	rc = next(ring, &flags);
	rc = rc < 0 ? rc
	     : rc == 1 && flags & IORING_CQE_F_BUFFER && (!multishot || flags & IORING_CQE_F_MORE)
		     ? 0
		     : -EINVAL;
out:
	/* What is still armed ends with its connection, before its buffers go. */
	(void)shutdown(pair->fds[0], SHUT_RDWR);
	(void)io_uring_unregister_buf_ring(ring, 0);
	io_uring_queue_exit(ring);
	ring->ring_fd = -1;
	(void)munmap(bufs, 4096);
	return rc;
}

static int try_send(struct io_uring *ring, const struct pair *pair)
{
	unsigned flags = 0;
	int rc;

	io_uring_prep_send_zc(io_uring_get_sqe(ring), pair->fds[0], "x", 1, MSG_NOSIGNAL,
			      IORING_SEND_ZC_REPORT_USAGE);
	rc = next(ring, &flags);
	if (rc >= 0 && flags & IORING_CQE_F_MORE)
		(void)next(ring, &flags); /* "x" is read-only data that stays */
	return rc < 0 ? rc : rc == 1 && flags & IORING_CQE_F_NOTIF ? 0 : -EINVAL;
}

int bench_async_try(enum bench_async_way way, struct bench_err *err)
{
	static const char *const names[] = {
		[BENCH_ASYNC_MULTISHOT_ACCEPT] = "multishot accept needs Linux 5.19",
		[BENCH_ASYNC_PROVIDED_BUFFERS] = "a ring of provided buffers needs Linux 5.19",
		[BENCH_ASYNC_MULTISHOT_RECV] = "multishot receive needs Linux 6.0",
		[BENCH_ASYNC_BUSY_POLL] = ("busy polling by a ring needs Linux 6.9 with "
					  "CONFIG_NET_RX_BUSY_POLL"),
		[BENCH_ASYNC_SEND_ZC] =
			"zero-copy send that says whether it copied needs Linux 6.2",
	};
	struct io_uring ring;
	struct pair pair;
	int rc = pair_open(&pair);

	if (rc) {
		pair_close(&pair);
		return bench_fail(err, rc,
				  "cannot try it over 127.0.0.1: %s; is the interface lo up?",
				  strerror(-rc));
	}
	rc = io_uring_queue_init(8, &ring, 0);
	if (rc) {
		pair_close(&pair);
		return bench_fail(err, rc, "cannot try it: %s", strerror(-rc));
	}
	if (way == BENCH_ASYNC_MULTISHOT_ACCEPT)
		rc = try_accept(&ring, &pair);
	else if (way == BENCH_ASYNC_SEND_ZC)
		rc = try_send(&ring, &pair);
	else if (way == BENCH_ASYNC_BUSY_POLL)
		rc = uring_napi(ring.ring_fd, 1);
	else
		rc = try_recv(&ring, &pair, way == BENCH_ASYNC_MULTISHOT_RECV);
	io_uring_queue_exit(&ring);
	pair_close(&pair);
	if (rc)
		return bench_fail(err, -EOPNOTSUPP, "%s; here: %s", names[way], strerror(-rc));
	return 0;
}
