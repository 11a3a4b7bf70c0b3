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
expect 'the receipts agree' "$(json receipt.json '[j["reason"] or j["status"] for j in d["jobs"]]')" "['ok', 'ok', 'ok', 'ok']"
expect 'each ring has its receipt' \
	"$(json receipt.json '[[metric(i, "receipt", of=o, at="ring") is not None for o in ("bytes", "ops")] for i in (0, 1, 3)]')" \
	'[[True, True], [True, True], [True, True]]'
if [ -n "$root" ] && "$BENCH" list probes 2>/dev/null | grep -A5 '^ *block.bytes' | grep -q 'not available'; then
	skip 'receipt of the block layer' 'no block probe here'
elif [ -n "$root" ]; then
	expect 'so has the block layer' \
		"$(json receipt.json '[(lambda m: m["status"] == "not_counted" or 0.95 < m["value"] < 1.05)(metric(i, "receipt", of="bytes", at="block")) for i in range(4)]')" \
		'[True, True, True, True]'
fi

# Through the page cache: what it holds is what was asked for, or the trial is none.
if python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(451, -1, 0, 0, 0) == -1 and ctypes.get_errno() == 38)'; then
	b -o cache.json disk_sync,direct=0,cache=warm,size=32m,workers=1 disk_sync,direct=0,size=256m,workers=1 \
		disk,direct=0,depth=4,size=1m
	expect 'a warm file stays warm' \
		"$(json cache.json 'd["jobs"][0]["status"], [metric(0, "disk.cached", at=a)["value"] for a in ("start", "end")]')" \
		"('ok', [1, 1])"
	expect 'a cold file is read from the disk' \
		"$(json cache.json 'd["jobs"][1]["status"], metric(1, "disk.cached", at="start")["value"], 0 < metric(1, "disk.cached", at="end")["value"] < 0.5')" \
		"('ok', 0, True)"
	expect 'a file that the trial itself warms up is not cold' \
		"$(json cache.json 'd["jobs"][2]["status"], "cache=cold: more than half" in d["jobs"][2]["reason"]')" \
		"('invalid', True)"
	dd if=/dev/urandom of=named bs=1M count=16 conv=fsync status=none
	while sleep 0.05; do dd if=named iflag=nocache count=0 status=none; done &
	dropper=$!
	b -o dropped.json "disk_sync,direct=0,cache=warm,filename=$PWD/named,size=16m,workers=1,rate=20"
	kill $dropper
	expect 'a warm file that is dropped meanwhile' \
		"$(json dropped.json 'd["jobs"][0]["status"], "cache=warm" in d["jobs"][0]["reason"]')" "('invalid', True)"
else
	skip 'cache states' 'cachestat needs Linux 6.5'
fi

# What makes a write durable. A device with a cache is told to empty it; one without needs no flush.
for module in disk_sync disk; do
	for layout in overwrite append; do
		b -o sync.json "$module,rw=write,sync={none,fdatasync,fsync,dsync,rwf_dsync},layout=$layout,size=512m,workers=1"
		expect "$module, $layout: every way of syncing" "$(json sync.json '[j["reason"] or j["status"] for j in d["jobs"]]')" \
			"['ok', 'ok', 'ok', 'ok', 'ok']"
		expect "$module, $layout: the device's cache is named where it matters" \
			"$(json sync.json '[any(m["name"] == "disk.write_cache" for m in j["metrics"]) for j in d["jobs"]]')" \
			'[False, True, True, True, True]'
		# Where the device has a cache, and somebody may look. A ring leaves it to the kernel's workers.
		if [ -n "$root" ] && [ $module = disk_sync ]; then
			expect "$module, $layout: a cache that is there is flushed" \
				"$(json sync.json '[i for i in range(1, 5) if metric(i, "disk.write_cache", mode="write back") and not metric(i, "block.flushes")["value"] > 0]')" '[]'
		fi
	done
done
check 'an append that does not fit is told' 1 'size=65536 is appended before the window is over' \
	"$BENCH" --trials=1 --duration=100ms --warmup=0 --no-probes -q -o none disk_sync,rw=write,layout=append,size=64k
check 'the same on a ring' 1 'size=65536 is appended before the window is over' \
	"$BENCH" --trials=1 --duration=100ms --warmup=0 --no-probes -q -o none disk,rw=write,layout=append,size=64k
# The calls are made: fdatasync(2) as often as pwrite(2).
if command -v strace >/dev/null; then
	strace -f -qq -e trace=pwrite64,fdatasync,pwritev2 -o calls "$BENCH" --trials=1 --duration=50ms --warmup=0 \
		--no-probes -q -o none disk_sync,rw=write,sync=fdatasync,layout=append,size=64m,workers=1 >/dev/null 2>&1
	expect 'a fdatasync for each write' \
		"$(grep -c 'pwrite64(.*= 4096' calls)" "$(grep -c 'fdatasync(.*= 0' calls)"
	strace -f -qq -e trace=pwritev2 -o calls "$BENCH" --trials=1 --duration=50ms --warmup=0 \
		--no-probes -q -o none disk_sync,rw=write,sync=rwf_dsync,layout=append,size=64m,workers=1 >/dev/null 2>&1
	expect 'RWF_DSYNC with each write' "$(grep -c 'RWF_DSYNC) = 4096' calls)" "$(grep -c 'pwritev2' calls)"
else
	skip 'the calls made' 'strace is not installed'
fi
finish
