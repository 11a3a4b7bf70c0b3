#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the disk modules say of a real disk, held against what is known of it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

short='--trials=2 --duration=200ms --warmup=50ms -q --force --counters=none'
# shellcheck disable=SC2086
b() { run "$BENCH" $short "$@"; }
root=
[ "$(id -u)" = 0 ] && root=1

# The receipt: ring and block layer counted the same.
b -o receipt.json disk,size=64m,depth=8 disk,rw=write,bs=128k,size=64m disk_sync,rw=randrw,size=64m \
	disk,rate=500,depth=8,size=64m
expect 'the receipts agree' "$(json receipt.json '[j["status"] for j in d["jobs"]]')" "['ok', 'ok', 'ok', 'ok']"
expect 'each ring has its receipt' \
	"$(json receipt.json '[[metric(i, "receipt", of=o, at="ring") is not None for o in ("bytes", "ops")] for i in (0, 1, 3)]')" \
	'[[True, True], [True, True], [True, True]]'
if [ -n "$root" ] && "$BENCH" list probes 2>/dev/null | grep -A5 '^ *block.bytes' | grep -q 'not available'; then
	skip 'receipt of the block layer' 'no block probe here'
elif [ -n "$root" ]; then
	expect 'so has the block layer' \
		"$(json receipt.json '[0.95 < metric(i, "receipt", of="bytes", at="block")["value"] < 1.05 for i in range(4)]')" \
		'[True, True, True, True]'
fi
finish
