/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls that block, by number, and how to read the one that a task is in. Numbers are those
 * of arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h; they never
 * change. */
#ifndef SYSCALLS_BPF_H
#define SYSCALLS_BPF_H

#include "bench.bpf.h"

enum syscall_class {
	SYSCALL_OTHER,
	SYSCALL_NONE, /* in the kernel because of an exception or an interrupt */
	SYSCALL_FILE, /* the first argument is a descriptor: its kind decides */
	SYSCALL_FUTEX,
	SYSCALL_SLEEP,
	SYSCALL_POLL,
	SYSCALL_SELECT,
	SYSCALL_EPOLL,
	SYSCALL_DISK,
	SYSCALL_IPC, /* message queues and semaphores of System V and POSIX */
	SYSCALL_URING,
};

#define SYSCALLS 512

/* Since 424 the numbers are the same everywhere. */
#define SYSCALLS_COMMON                                                                            \
	[426] = SYSCALL_URING, /* io_uring_enter */                                                \
		[441] = SYSCALL_EPOLL, /* epoll_pwait2 */                                          \
		[449] = SYSCALL_FUTEX, /* futex_waitv */                                           \
		[455] = SYSCALL_FUTEX  /* futex_wait */

#if defined(__TARGET_ARCH_x86)

static const __u8 syscall_classes[SYSCALLS] SEC(".rodata.syscalls") = {
	[0] = SYSCALL_FILE,    /* read */
	[1] = SYSCALL_FILE,    /* write */
	[7] = SYSCALL_POLL,    /* poll */
	[17] = SYSCALL_FILE,   /* pread64 */
	[18] = SYSCALL_FILE,   /* pwrite64 */
	[19] = SYSCALL_FILE,   /* readv */
	[20] = SYSCALL_FILE,   /* writev */
	[23] = SYSCALL_SELECT, /* select */
	[26] = SYSCALL_DISK,   /* msync */
	[35] = SYSCALL_SLEEP,  /* nanosleep */
	[40] = SYSCALL_FILE,   /* sendfile */
	[42] = SYSCALL_FILE,   /* connect */
	[43] = SYSCALL_FILE,   /* accept */
	[44] = SYSCALL_FILE,   /* sendto */
	[45] = SYSCALL_FILE,   /* recvfrom */
	[46] = SYSCALL_FILE,   /* sendmsg */
	[47] = SYSCALL_FILE,   /* recvmsg */
	[65] = SYSCALL_IPC,    /* semop */
	[69] = SYSCALL_IPC,    /* msgsnd */
	[70] = SYSCALL_IPC,    /* msgrcv */
	[74] = SYSCALL_DISK,   /* fsync */
	[75] = SYSCALL_DISK,   /* fdatasync */
	[162] = SYSCALL_DISK,  /* sync */
	[187] = SYSCALL_DISK,  /* readahead */
	[202] = SYSCALL_FUTEX, /* futex */
	[208] = SYSCALL_DISK,  /* io_getevents */
	[219] = SYSCALL_SLEEP, /* restart_syscall: goes on sleeping after a stop */
	[220] = SYSCALL_IPC,   /* semtimedop */
	[230] = SYSCALL_SLEEP, /* clock_nanosleep */
	[232] = SYSCALL_EPOLL, /* epoll_wait */
	[242] = SYSCALL_IPC,   /* mq_timedsend */
	[243] = SYSCALL_IPC,   /* mq_timedreceive */
	[270] = SYSCALL_SELECT, /* pselect6 */
	[271] = SYSCALL_POLL,  /* ppoll */
	[275] = SYSCALL_FILE,  /* splice */
	[276] = SYSCALL_FILE,  /* tee */
	[277] = SYSCALL_DISK,  /* sync_file_range */
	[278] = SYSCALL_FILE,  /* vmsplice */
	[281] = SYSCALL_EPOLL, /* epoll_pwait */
	[285] = SYSCALL_DISK,  /* fallocate */
	[288] = SYSCALL_FILE,  /* accept4 */
	[295] = SYSCALL_FILE,  /* preadv */
	[296] = SYSCALL_FILE,  /* pwritev */
	[299] = SYSCALL_FILE,  /* recvmmsg */
	[306] = SYSCALL_DISK,  /* syncfs */
	[307] = SYSCALL_FILE,  /* sendmmsg */
	[326] = SYSCALL_FILE,  /* copy_file_range */
	[327] = SYSCALL_FILE,  /* preadv2 */
	[328] = SYSCALL_FILE,  /* pwritev2 */
	[333] = SYSCALL_DISK,  /* io_pgetevents */
	SYSCALLS_COMMON,
};

struct pt_regs {
	unsigned long r10, dx, si, di, orig_ax;
} __pai;

/* What a perf_event program is given, up to the code segment, whose lowest bits are the privilege. */
struct sample_regs {
	__u64 before[17], cs;
};
#define sample_user(regs) ((regs)->cs & 3)

/* An exception leaves -1 where a system call has its number. */
#define REGS_NR(regs) ((__u32)(regs)->orig_ax)
#define REGS_ARG0(regs) ((regs)->di)
#define REGS_ARG1(regs) ((regs)->si)
#define REGS_ARG2(regs) ((regs)->dx)

#elif defined(__TARGET_ARCH_arm64)

static const __u8 syscall_classes[SYSCALLS] SEC(".rodata.syscalls") = {
	[4] = SYSCALL_DISK,    /* io_getevents */
	[22] = SYSCALL_EPOLL,  /* epoll_pwait */
	[47] = SYSCALL_DISK,   /* fallocate */
	[63] = SYSCALL_FILE,   /* read */
	[64] = SYSCALL_FILE,   /* write */
	[65] = SYSCALL_FILE,   /* readv */
	[66] = SYSCALL_FILE,   /* writev */
	[67] = SYSCALL_FILE,   /* pread64 */
	[68] = SYSCALL_FILE,   /* pwrite64 */
	[69] = SYSCALL_FILE,   /* preadv */
	[70] = SYSCALL_FILE,   /* pwritev */
	[71] = SYSCALL_FILE,   /* sendfile */
	[72] = SYSCALL_SELECT, /* pselect6 */
	[73] = SYSCALL_POLL,   /* ppoll */
	[75] = SYSCALL_FILE,   /* vmsplice */
	[76] = SYSCALL_FILE,   /* splice */
	[77] = SYSCALL_FILE,   /* tee */
	[81] = SYSCALL_DISK,   /* sync */
	[82] = SYSCALL_DISK,   /* fsync */
	[83] = SYSCALL_DISK,   /* fdatasync */
	[84] = SYSCALL_DISK,   /* sync_file_range */
	[98] = SYSCALL_FUTEX,  /* futex */
	[101] = SYSCALL_SLEEP, /* nanosleep */
	[115] = SYSCALL_SLEEP, /* clock_nanosleep */
	[128] = SYSCALL_SLEEP, /* restart_syscall: goes on sleeping after a stop */
	[182] = SYSCALL_IPC,   /* mq_timedsend */
	[183] = SYSCALL_IPC,   /* mq_timedreceive */
	[188] = SYSCALL_IPC,   /* msgrcv */
	[189] = SYSCALL_IPC,   /* msgsnd */
	[192] = SYSCALL_IPC,   /* semtimedop */
	[193] = SYSCALL_IPC,   /* semop */
	[202] = SYSCALL_FILE,  /* accept */
	[203] = SYSCALL_FILE,  /* connect */
	[206] = SYSCALL_FILE,  /* sendto */
	[207] = SYSCALL_FILE,  /* recvfrom */
	[211] = SYSCALL_FILE,  /* sendmsg */
	[212] = SYSCALL_FILE,  /* recvmsg */
	[213] = SYSCALL_DISK,  /* readahead */
	[227] = SYSCALL_DISK,  /* msync */
	[242] = SYSCALL_FILE,  /* accept4 */
	[243] = SYSCALL_FILE,  /* recvmmsg */
	[267] = SYSCALL_DISK,  /* syncfs */
	[269] = SYSCALL_FILE,  /* sendmmsg */
	[285] = SYSCALL_FILE,  /* copy_file_range */
	[286] = SYSCALL_FILE,  /* preadv2 */
	[287] = SYSCALL_FILE,  /* pwritev2 */
	[292] = SYSCALL_DISK,  /* io_pgetevents */
	SYSCALLS_COMMON,
};

struct pt_regs {
	__u64 regs[31];
	__u64 orig_x0;
	int syscallno;
} __pai;

/* What a perf_event program is given; the lowest bits of pstate are the privilege, 0 = user. */
struct sample_regs {
	__u64 before[33], pstate;
};
#define sample_user(regs) (!((regs)->pstate & 0xf))

#define REGS_NR(regs) ((__u32)(regs)->syscallno)
#define REGS_ARG0(regs) ((regs)->orig_x0)
#define REGS_ARG1(regs) ((regs)->regs[1])
#define REGS_ARG2(regs) ((regs)->regs[2])

#else
#error "the numbers of this architecture's system calls are not known"
#endif

struct syscall_now {
	__u32 class;
	__u64 arg[3];
};

static __always_inline void syscall_of(const struct pt_regs *regs, struct syscall_now *ret)
{
	/* As wide as an index, so that its bound is not lost; arm64 keeps 32 bits of it. */
	__u64 nr = REGS_NR(regs);

	asm volatile("" : "+r"(nr));
	ret->class = SYSCALL_OTHER;
	ret->arg[0] = REGS_ARG0(regs);
	ret->arg[1] = REGS_ARG1(regs);
	ret->arg[2] = REGS_ARG2(regs);
	if (nr == (__u32)-1)
		ret->class = SYSCALL_NONE;
	else if (nr < SYSCALLS)
		ret->class = syscall_classes[nr];
}

#endif
