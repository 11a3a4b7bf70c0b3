// SPDX-License-Identifier: BSD-2-Clause
/* One byte there and back on TCP loopback connections, one request outstanding on each, by liburing
 * on both sides: a ring each, completions handled in batches, one submit a turn. */
#include <liburing.h>

#include "bare.h"

struct side {
	struct io_uring ring;
	const int *fds;
	char bytes[BARE_FLOWS_MAX];
};

enum { OP_RECV, OP_SEND };

static void side_init(struct side *s, const int *fds)
{
	/* The flags that suit one thread a ring best; older kernels lack the later ones. */
	const unsigned flags[] = { IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
					   IORING_SETUP_COOP_TASKRUN,
				   IORING_SETUP_COOP_TASKRUN, 0 };
	int ret = -EINVAL;

	s->fds = fds;
	for (unsigned i = 0; i < 3 && ret == -EINVAL; i++)
		ret = io_uring_queue_init(2 * BARE_FLOWS_MAX, &s->ring, flags[i]);
	errno = -ret;
	if (ret)
		bare_die("io_uring_queue_init");
	(void)io_uring_register_ring_fd(&s->ring); /* saves a little; older kernels lack it */
}

static void prepare(struct side *s, unsigned flow, unsigned op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	if (op == OP_SEND)
		io_uring_prep_send(sqe, s->fds[flow], &s->bytes[flow], 1, MSG_NOSIGNAL);
	else
		io_uring_prep_recv(sqe, s->fds[flow], &s->bytes[flow], 1, 0);
	io_uring_sqe_set_data64(sqe, flow << 1 | op);
}

/* Submit, wait for at least one completion, prepare what follows each. Returns bytes received. */
static uint64_t turn(void *arg)
{
	struct side *s = arg;
	struct io_uring_cqe *cqe;
	unsigned head, nr = 0;
	uint64_t received = 0;

	io_uring_submit_and_wait(&s->ring, 1);
	io_uring_for_each_cqe(&s->ring, head, cqe)
	{
		unsigned op = cqe->user_data & 1;

		if (cqe->res != 1) {
			errno = -cqe->res;
			bare_die(op == OP_SEND ? "send" : "recv");
		}
		received += op == OP_RECV;
		prepare(s, (unsigned)(cqe->user_data >> 1), op == OP_SEND ? OP_RECV : OP_SEND);
		nr++;
	}
	io_uring_cq_advance(&s->ring, nr);
	return received;
}

static void *server(void *arg)
{
	static struct side s;
	struct bare *b = arg;

	bare_bind(b->cpu[1]);
	side_init(&s, b->fds[1]);
	for (unsigned i = 0; i < b->flows; i++)
		prepare(&s, i, OP_RECV);
	for (;;)
		turn(&s);
	return NULL;
}

static void client(struct bare *b)
{
	static struct side s;

	side_init(&s, b->fds[0]);
	for (unsigned i = 0; i < b->flows; i++)
		prepare(&s, i, OP_SEND);
	bare_measure(b, turn, &s);
}

int main(int argc, char **argv)
{
	static struct bare b;

	return bare_main(argc, argv, &b, server, client);
}
