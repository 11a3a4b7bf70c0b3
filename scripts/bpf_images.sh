#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Print assembly that embeds every BPF object of the build directory $1.
set -eu
cd "$(dirname "$0")/.."
build=$1
echo '.section .rodata'
for f in bpf/*.bpf.c; do
	[ -e "$f" ] || continue
	s=$(basename "$f" .bpf.c)
	printf '.balign 8\n.global bpf_image_%s_start\nbpf_image_%s_start:\n' "$s" "$s"
	printf '.incbin "%s/bpf/%s.bpf.o"\n' "$build" "$s"
	printf '.global bpf_image_%s_end\nbpf_image_%s_end:\n.byte 0\n' "$s" "$s"
done
echo '.section .note.GNU-stack,"",%progbits'
