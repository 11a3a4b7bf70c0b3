// SPDX-License-Identifier: BSD-2-Clause
/* io_uring operations that do nothing, so many by one system call, by liburing; prints operations per
 * second. Set up with the flags that suit one thread a ring best. */
#include <liburing.h>

#include "bare.h"

struct nops {
	struct io_uring ring;
	unsigned batch;
};

static uint64_t step(void *arg)
{
	struct nops *n = arg;
	struct io_uring_cqe *cqe;
	unsigned head, nr = 0;

	for (unsigned i = 0; i < n->batch; i++)
		io_uring_prep_nop(io_uring_get_sqe(&n->ring));
	io_uring_submit_and_wait(&n->ring, n->batch);
	io_uring_for_each_cqe(&n->ring, head, cqe)
	{
		if (cqe->res) {
			errno = -cqe->res;
			bare_die("nop");
		}
		nr++;
	}
	io_uring_cq_advance(&n->ring, nr);
	return nr;
}

int main(int argc, char **argv)
{
	struct bare b = { 0 };
	static struct nops n;
	int rc;

	if (argc != 5) {
		fprintf(stderr, "usage: %s CPU BATCH WARMUP SECONDS\n", argv[0]);
		return 2;
	}
	bare_bind(atoi(argv[1]));
	n.batch = (unsigned)atoi(argv[2]);
	b.warmup = atof(argv[3]);
	b.seconds = atof(argv[4]);
	rc = io_uring_queue_init(256, &n.ring,
				 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
					 IORING_SETUP_COOP_TASKRUN);
	errno = -rc;
	if (rc)
		bare_die("io_uring_queue_init");
	(void)io_uring_register_ring_fd(&n.ring);
	bare_measure(&b, step, &n);
	return 0;
}
