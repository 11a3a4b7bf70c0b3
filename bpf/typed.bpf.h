/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel address that came as a number, as a pointer with a type, so that its fields are read by
 * plain loads: a fault reads 0, as in a checked copy, without the calls that one takes. The kernel's
 * function for that (bpf_rdonly_cast(), 6.2) leaves no call in the program. It is written as bytes,
 * because libbpf would read all types of the kernel to find it: userspace/probe/typed.c puts its
 * number in, or takes it out. Only in typed programs (tp_btf), and where config has a number
 * for the type. */
#ifndef TYPED_BPF_H
#define TYPED_BPF_H

#include "bench.bpf.h"

/* type: its number in the kernel's type information, a constant of config. */
#define TYPED_CALL 0x0b0b0b0b
static __always_inline void *typed(__u64 address, __u32 type)
{
	register __u64 r1 asm("r1") = address;
	register __u64 r2 asm("r2") = type;
	register void *r0 asm("r0");

	asm volatile(".byte 0x85, 0x20, 0, 0, 0x0b, 0x0b, 0x0b, 0x0b\n" /* r0 = typed(r1, r2) */
		     : "=r"(r0), "+r"(r1), "+r"(r2)
		     :
		     : "r3", "r4", "r5");
	return r0;
}

#endif
