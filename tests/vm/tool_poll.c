// SPDX-License-Identifier: BSD-2-Clause
/* Reads blocks of a device one by one by a ring that polls for completions (IORING_SETUP_IOPOLL),
 * which needs poll queues in the device's driver.
 *
 *   tool_poll DEVICE COUNT
 */
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u

static int read_block(struct io_uring *ring, int fd, void *buf, unsigned long i)
{
	struct io_uring_cqe *cqe;
	int ret;

	io_uring_prep_read(io_uring_get_sqe(ring), fd, buf, BLOCK, i % 1024 * BLOCK);
	ret = io_uring_submit_and_wait(ring, 1);
	if (ret < 0)
		return ret;
	ret = io_uring_wait_cqe(ring, &cqe);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	struct io_uring ring;
	int fd, ret = 0;
	void *buf;

	fd = count ? open(argv[1], O_RDONLY | O_DIRECT) : -1;
	if (fd < 0 || posix_memalign(&buf, BLOCK, BLOCK)) {
		fprintf(stderr, "usage: tool_poll DEVICE COUNT\n");
		return 2;
	}
	ret = io_uring_queue_init(4, &ring, IORING_SETUP_IOPOLL);
	for (unsigned long i = 0; i < count && ret >= 0; i++) {
		ret = read_block(&ring, fd, buf, i);
		if (ret >= 0 && ret != (int)BLOCK)
			ret = -EIO;
	}
	if (ret < 0)
		fprintf(stderr, "tool_poll: %s\n", strerror(-ret));
	return ret < 0;
}
