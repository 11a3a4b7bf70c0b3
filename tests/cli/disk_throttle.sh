#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A throttled disk (cgroup v1, blkio.throttle) shows in the latency of every operation that was due, and in
# the right cause.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

hierarchy=$(awk '$3 == "cgroup" && $4 ~ /(^|,)blkio(,|$)/ { print $2; exit }' /proc/mounts)
dev=$(stat -c '%Hd:%Ld' . 2>/dev/null)
disk=$(readlink -f "/sys/dev/block/$dev")
[ ! -e "$disk/partition" ] || dev=$(cat "$disk/../dev")
group=$hierarchy/bench-test-$$
if [ "$(id -u)" != 0 ] || [ -z "$hierarchy" ] || ! mkdir "$group" 2>/dev/null; then
	skip 'a throttled disk' 'it takes root and the blkio controller of cgroup v1'
	finish
fi
trap 'cd /; rmdir "$group"; rm -rf "$work"' EXIT
if ! echo "$dev 50" >"$group/blkio.throttle.read_iops_device" 2>/dev/null; then
	skip 'a throttled disk' "the device $dev cannot be throttled"
	finish
fi

# 100 a second are due and 50 can be done: the one that is due after t seconds ends after 2 t.
throttled() { # arguments of bench
	(
		echo 0 >"$group/cgroup.procs"
		exec "$BENCH" -q --force -o out.json --counters=none --trials=1 --warmup=0 "$@"
	) >log 2>&1
}
for job in disk,depth=256 disk_sync; do
	throttled --duration=2s "$job,size=64m,workers=1,rate=100"
	family=${job%%,*}
	expect "$family ran" "$(json out.json 'd["jobs"][0]["status"]')" ok
	# Each op that was due has its latency, or had not begun: none is lost, none is filled in.
	expect "$family: every operation due is there" \
		"$(json out.json '(lambda due, left, seen: abs(due - left - seen) <= 2)(metric(0, "arrival.rate")["value"] * 2, metric(0, "arrival.rate")["value"] * 2 * metric(0, "arrival.unserved")["value"], metric(0, "latency")["hist"]["count"])')" True
	# Evenly from nothing to as much as the window is long (those of disk_sync that began).
	expect "$family: it shows in every one of them" \
		"$(json out.json '(lambda h: h["p50"] > 0.3e9 and h["max"] > 0.8e9 and h["p50"] < 0.8 * h["max"])(metric(0, "latency")["hist"])')" True
	expect "$family: the generator is not to blame" \
		"$(json out.json 'metric(0, "arrival.lateness")["hist"]["p50"] < 1e7')" True
	expect "$family: most of the time is blocked on the disk" \
		"$(json out.json 'max((m["value"], m["labels"]["cause"]) for m in d["jobs"][0]["metrics"] if m["name"] == "wall.time" and m["value"] is not None)[1]')" blocked.disk
	expect "$family: the slow ones waited for it" \
		"$(json out.json '(lambda ops: sum(sum(o["causes"].get(c, 0) for c in ("queue", "device", "blocked.disk")) for o in ops) > 0.8 * sum(o["latency_ns"] for o in ops))([o for o in d["jobs"][0]["slow"] if o["class"] == "worst"])')" True
done

# Below the limit nothing is held back, so the search ends near it.
throttled --duration=1s disk,depth=64,size=64m,workers=1,slo=p50:200ms
expect 'the rate that keeps a target is the one of the limit' \
	"$(json out.json 'd["jobs"][0]["status"], 40 <= (d["jobs"][0]["slo"]["rate"] or 0) <= 60, d["jobs"][0]["slo"]["over"]["outcome"] in ("latency", "behind")')" "('ok', True, True)"
finish
