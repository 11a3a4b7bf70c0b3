// SPDX-License-Identifier: BSD-2-Clause
/* What the running kernel allows, found by trying, never by its version number: distributions carry
 * newer io_uring in old kernels. And where it is refused, why, and what to do about it. */
#include "runtime/uring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/async.h"

/* Names for BENCH_URING_MASK. */
enum {
	MASK_DEFER_TASKRUN = 1 << 0,
	MASK_SINGLE_ISSUER = 1 << 1,
	MASK_COOP_TASKRUN = 1 << 2,
	MASK_EXT_ARG = 1 << 3,
	MASK_RING_FD = 1 << 4,
	MASK_CANCEL_ANY = 1 << 5,
};

static const struct {
	const char *word;
	unsigned bits;
} mask_words[] = {
	{ "defer_taskrun", MASK_DEFER_TASKRUN },
	{ "single_issuer", MASK_SINGLE_ISSUER },
	{ "coop_taskrun", MASK_COOP_TASKRUN },
	{ "ext_arg", MASK_EXT_ARG },
	{ "ring_fd", MASK_RING_FD },
	{ "cancel_any", MASK_CANCEL_ANY },
	{ "all", ~0u },
};

static int parse_mask(const char *list, unsigned *ret_mask, struct bench_err *err)
{
	unsigned mask = 0;

	while (list && *list) {
		size_t len = strcspn(list, ","), i;

		for (i = 0; i < sizeof(mask_words) / sizeof(mask_words[0]); i++)
			if (strlen(mask_words[i].word) == len &&
			    !strncmp(mask_words[i].word, list, len))
				break;
		if (i == sizeof(mask_words) / sizeof(mask_words[0]))
			return bench_fail(err, -EINVAL, "BENCH_URING_MASK: no feature '%.*s'",
					  (int)len, list);
		mask |= mask_words[i].bits;
		list += len + (list[len] == ',');
	}
	*ret_mask = mask;
	return 0;
}

/* The number at the start of a one-line file, or after key at the start of a line. -1 = none. */
static int read_number(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char line[256];
	int value = -1;

	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = atoi(line + strlen(key));
	fclose(f);
	return value;
}

static void observe_denial(int code, struct uring_denial *ret_denial)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	ret_denial->code = code;
	ret_denial->disabled = read_number("/proc/sys/kernel/io_uring_disabled", "");
	ret_denial->seccomp = read_number("/proc/self/status", "Seccomp:");
	(void)getrlimit(RLIMIT_MEMLOCK, &lim); /* cannot fail with a valid address */
	ret_denial->memlock = lim.rlim_cur;
}

static int explain_eperm(const struct uring_denial *d, struct bench_err *err)
{
	/* The sysctl comes first: the kernel answers EPERM for it whatever else is in force. A
	 * seccomp filter, though, answers before the kernel looks at the sysctl. */
	const char *also = d->seccomp == 2 ? "; a seccomp filter is in force too" : "";

	if (d->disabled == 2)
		return bench_fail(err, -EPERM,
				  "io_uring is switched off: kernel.io_uring_disabled = 2; remedy: "
				  "sysctl kernel.io_uring_disabled=0%s",
				  also);
	if (d->disabled == 1)
		return bench_fail(err, -EPERM,
				  "io_uring is for privileged users only: kernel.io_uring_disabled "
				  "= 1; remedy: sysctl kernel.io_uring_disabled=0, or run as root "
				  "(CAP_SYS_ADMIN), or join the group of kernel.io_uring_group%s",
				  also);
	if (d->seccomp == 2)
		return bench_fail(err, -EPERM,
				  "a seccomp filter denies io_uring (EPERM; usual in containers); "
				  "remedy: a seccomp profile that allows io_uring_setup, "
				  "io_uring_enter and io_uring_register, e.g. docker run "
				  "--security-opt seccomp=unconfined");
	return bench_fail(err, -EPERM,
			  "io_uring_setup: not permitted, though neither "
			  "kernel.io_uring_disabled nor seccomp forbids it: a security module "
			  "(SELinux, AppArmor, BPF LSM); remedy: see its audit log");
}

int uring_explain(const struct uring_denial *d, struct bench_err *err)
{
	switch (d->code) {
	case -ENOSYS:
		if (d->seccomp == 2)
			return bench_fail(
				err, -ENOSYS,
				"io_uring_setup: not implemented (ENOSYS), and a seccomp "
				"filter is in force that may answer so; remedy: a seccomp "
				"profile that allows io_uring, else a kernel with "
				"CONFIG_IO_URING (5.6 or newer)");
		return bench_fail(err, -ENOSYS,
				  "the kernel has no io_uring (ENOSYS); remedy: a kernel with "
				  "CONFIG_IO_URING (5.6 or newer)");
	case -EPERM:
	case -EACCES: /* how some security modules and filters say it */
		return explain_eperm(d, err);
	case -ENOMEM:
		if (d->memlock == RLIM_INFINITY)
			return bench_fail(err, -ENOMEM, "make a ring: out of memory");
		return bench_fail(
			err, -ENOMEM,
			"make a ring: ENOMEM with RLIMIT_MEMLOCK = %" PRIu64 " KiB: this kernel "
			"counts all rings of a user without CAP_IPC_LOCK against it, %u KiB each "
			"here; remedy: ulimit -l unlimited, or run as root",
			d->memlock / 1024, URING_KIB);
	default:
		return bench_fail(err, d->code, "io_uring_setup: %s", strerror(-d->code));
	}
}

int uring_denied(int code, struct bench_err *err)
{
	struct uring_denial d;

	observe_denial(code, &d);
	return uring_explain(&d, err);
}

/* The ladder: from all flags down, one group less at each refusal. DEFER_TASKRUN needs
 * SINGLE_ISSUER, and TASKRUN_FLAG one of COOP_TASKRUN and DEFER_TASKRUN (man io_uring_setup). */
static unsigned ladder(unsigned rung, unsigned mask)
{
	unsigned flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;

	if (rung < 4)
		flags |= IORING_SETUP_SUBMIT_ALL; /* 5.18 */
	if (rung < 3 && !(mask & MASK_COOP_TASKRUN))
		flags |= IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG; /* 5.19 */
	if (rung < 2 && !(mask & MASK_SINGLE_ISSUER))
		flags |= IORING_SETUP_SINGLE_ISSUER; /* 6.0 */
	if (rung < 1 && !(mask & (MASK_SINGLE_ISSUER | MASK_DEFER_TASKRUN)))
		flags |= IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG; /* 6.1 */
	return flags & URING_KNOWN_SETUP_FLAGS;
}

static int try_flags(struct io_uring *ret_ring, unsigned mask, unsigned *ret_flags,
		     struct bench_err *err)
{
	int rc = -EINVAL;

	for (unsigned rung = 0; rung <= 4 && rc == -EINVAL; rung++) {
		*ret_flags = ladder(rung, mask);
		rc = uring_setup(ret_ring, *ret_flags);
	}
	if (rc == -EINVAL)
		return bench_fail(err, -ENOSYS,
				  "the kernel's io_uring is too old (no IORING_SETUP_CLAMP); "
				  "remedy: a kernel 5.6 or newer");
	return rc < 0 ? uring_denied(rc, err) : 0;
}

static int find_ops(struct io_uring *ring, bool *ret_ops, struct bench_err *err)
{
	static const uint8_t needed[] = { IORING_OP_NOP,      IORING_OP_READ,
					  IORING_OP_WRITE,    IORING_OP_TIMEOUT,
					  IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL };
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);

	for (unsigned i = 0; probe && i < 256; i++)
		ret_ops[i] = io_uring_opcode_supported(probe, (int)i);
	io_uring_free_probe(probe);
	for (unsigned i = 0; i < sizeof(needed); i++)
		if (!ret_ops[needed[i]])
			return bench_fail(
				err, -ENOSYS,
				"the kernel's io_uring is too old (operation %u is missing); "
				"remedy: a kernel 5.6 or newer",
				needed[i]);
	return 0;
}

/* Cancel anything, on an idle ring: a kernel before 5.19 answers -EINVAL. */
static bool has_cancel_any(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int res;

	if (!sqe)
		return false;
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
	if (io_uring_submit_and_wait(ring, 1) < 0 || io_uring_peek_cqe(ring, &cqe) < 0)
		return false;
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res != -EINVAL;
}

int async_probe(struct async_caps *ret_caps, struct bench_err *err)
{
	struct async_caps caps = { 0 };
	struct io_uring ring;
	unsigned mask = 0;
	int rc;

	rc = parse_mask(getenv("BENCH_URING_MASK"), &mask, err);
	if (rc < 0)
		return rc;
	/* Without a parameter block the kernel says EFAULT where io_uring may be used, and makes no
	 * descriptor. */
	rc = io_uring_setup(1, NULL);
	if (rc != -EFAULT)
		return uring_denied(rc < 0 ? rc : -ENOSYS, err);
	rc = try_flags(&ring, mask, &caps.setup_flags, err);
	if (rc < 0)
		return rc;
	caps.features = ring.features;
	caps.ext_arg = ring.features & IORING_FEAT_EXT_ARG && !(mask & MASK_EXT_ARG);
	rc = find_ops(&ring, caps.ops, err);
	if (rc < 0)
		goto out;
	caps.cancel_any = !(mask & MASK_CANCEL_ANY) && has_cancel_any(&ring);
	caps.ring_fd = !(mask & MASK_RING_FD) && io_uring_register_ring_fd(&ring) == 1;
	*ret_caps = caps;
out:
	io_uring_queue_exit(&ring);
	return rc;
}

unsigned async_caps_words(const struct async_caps *caps, const char **ret_words, unsigned nr)
{
	const struct {
		const char *word;
		bool has;
	} all[] = {
		{ "SINGLE_ISSUER", caps->setup_flags & IORING_SETUP_SINGLE_ISSUER },
		{ "DEFER_TASKRUN", caps->setup_flags & IORING_SETUP_DEFER_TASKRUN },
		{ "COOP_TASKRUN", caps->setup_flags & IORING_SETUP_COOP_TASKRUN },
		{ "TASKRUN_FLAG", caps->setup_flags & IORING_SETUP_TASKRUN_FLAG },
		{ "SUBMIT_ALL", caps->setup_flags & IORING_SETUP_SUBMIT_ALL },
		{ "CQSIZE", caps->setup_flags & IORING_SETUP_CQSIZE },
		{ "CLAMP", caps->setup_flags & IORING_SETUP_CLAMP },
		{ "EXT_ARG", caps->ext_arg },
		{ "RING_FD", caps->ring_fd },
		{ "CANCEL_ANY", caps->cancel_any },
		{ "NODROP", caps->features & IORING_FEAT_NODROP },
		{ "FAST_POLL", caps->features & IORING_FEAT_FAST_POLL },
		{ "NATIVE_WORKERS", caps->features & IORING_FEAT_NATIVE_WORKERS },
	};
	unsigned found = 0;

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]) && found < nr; i++)
		if (all[i].has)
			ret_words[found++] = all[i].word;
	return found;
}
