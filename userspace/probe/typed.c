// SPDX-License-Identifier: BSD-2-Clause
/* The calls of typed.bpf.h: the number of the kernel's function, or nothing where it has none. */
#include "probe/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

#define TYPED_CALL 0x0b0b0b0b /* as in typed.bpf.h */
#ifndef BPF_PSEUDO_KFUNC_CALL
#define BPF_PSEUDO_KFUNC_CALL 2
#endif

static uint32_t cast_function(const struct kernel *kernel)
{
	return kernel_type(kernel, "bpf_rdonly_cast", BTF_KIND_FUNC, 0);
}

/* Read what an address gives that is none: the kernel takes such a program, or it does not. */
bool typed_possible(const struct kernel *kernel)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = 2,
		  .imm = (__s32)kernel_type(kernel, "kiocb", BTF_KIND_STRUCT, 0) },
		{ .code = BPF_JMP | BPF_CALL,
		  .src_reg = BPF_PSEUDO_KFUNC_CALL,
		  .imm = (__s32)cast_function(kernel) },
		{ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = 0, .src_reg = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd;

	if (!insns[1].imm || !insns[2].imm)
		return false;
	fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns,
			   sizeof(insns) / sizeof(*insns), NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int typed_fill(struct bpf_program *prog, const struct kernel *kernel)
{
	size_t nr = bpf_program__insn_cnt(prog);
	const struct bpf_insn *from = bpf_program__insns(prog);
	struct bpf_insn *insns = NULL;
	int ret;

	for (size_t i = 0; i < nr; i++) {
		if (from[i].code != (BPF_JMP | BPF_CALL) ||
		    from[i].src_reg != BPF_PSEUDO_KFUNC_CALL || from[i].imm != TYPED_CALL)
			continue;
		if (!insns) {
			insns = malloc(nr * sizeof(*insns));
			if (!insns)
				return -ENOMEM;
			memcpy(insns, from, nr * sizeof(*insns));
		}
		insns[i].imm = (__s32)cast_function(kernel);
		if (!insns[i].imm) /* nobody comes here, but the kernel looks at all of it */
			insns[i] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K };
	}
	ret = insns ? bpf_program__set_insns(prog, insns, nr) : 0;
	free(insns);
	return ret;
}
