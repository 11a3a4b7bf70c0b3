#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Programs that wait for one known thing each, through `bench exec`: at least 98 % of the waiter's
# blocked time in its own cause, the shares sum to 1, nothing unaccounted for. And trees of processes.
# Usage: causes.sh [BENCH] [KIND...]; needs root.
set -u
bench=${1:-build/bench}
[ $# -gt 0 ] && shift
load=$(dirname "$bench")/tests/probe/tool_load
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/bench-causes.XXXXXX")
trap 'rm -rf "$dir"' EXIT
failed=0

[ "$(id -u)" = 0 ] || { echo "skip: loading BPF programs needs root"; exit 77; }
[ -x "$load" ] || { echo "skip: $load is not built"; exit 77; }

# ask FILE KIND CAUSE: print what was measured; fails when it is not as it has to be.
ask() {
	python3 - "$@" <<'EOF'
import json, sys

path, kind, cause = sys.argv[1:]
metrics = json.load(open(path))["jobs"][0]["metrics"]


def wall(name, task=None):
    return {m["labels"]["cause"]: m["value"] or 0 for m in metrics if m["name"] == name
            and "cause" in m["labels"] and (task is None or m["labels"].get("task") == task)}


def value(name):
    return next((m["value"] for m in metrics if m["name"] == name and not m["labels"]), None)


job = wall("wall.time")
if not job:
    sys.exit("no wall.time")
errors = []
if abs(sum(job.values()) - 1) > 1e-6:
    errors.append("the shares sum to %.9f" % sum(job.values()))
if abs(job["unaccounted"]) > 0.001:
    errors.append("%.4f %% unaccounted" % (100 * job["unaccounted"]))
text = ""
if cause.startswith("blocked."):
    waiter = wall("wall.time_of", "waiter")
    blocked = sum(v for c, v in waiter.items() if c.startswith("blocked."))
    share = waiter.get(cause, 0) / blocked if blocked else 0
    text = "%6.2f %% of the blocked time is %s" % (100 * share, cause)
    if share < 0.98:
        errors.append("the rest: %s" % {c: round(v / blocked, 3) for c, v in waiter.items()
                                       if c.startswith("blocked.") and c != cause})
elif cause == "oncpu":
    # The kernel charges whole interrupts and switches to a thread that we charge elsewhere, and
    # may be 13 % off itself: a tolerance, not equality.
    life = sum(wall("wall.time_of", "waiter").values())
    on = sum(job[c] for c in ("user", "kernel", "hardirq", "softirq", "steal", "observer"))
    cpu, wall_ns = value("user") + value("sys"), value("wall")
    text = "on CPU %.1f ms, rusage %.1f ms" % (on * wall_ns / 1e6, cpu / 1e6)
    if abs(on * wall_ns - cpu) > 0.1 * cpu + 5e6:
        errors.append("further apart than 10 % and 5 ms")
else:
    tasks = {m["labels"]["task"] for m in metrics if m["name"] == "wall.time_of"}
    text = "followed: %s" % ", ".join(sorted(tasks))
    for task in cause.split(","):
        if task not in tasks:
            errors.append("%s was not followed" % task)
print("%-10s %s; unaccounted %.4f %%" % (kind, text, 100 * job["unaccounted"]))
if errors:
    sys.exit("  " + "; ".join(errors))
EOF
}

# try KIND CAUSE MS
try() {
	if ! "$bench" exec --trials=1 --force --output="$dir/r.json" -- \
		"$load" "$1" "$3" "$dir/file" >"$dir/log" 2>&1; then
		echo "$1: bench exec failed"
		tail -5 "$dir/log"
		failed=1
	elif ! ask "$dir/r.json" "$1" "$2"; then
		failed=1
	fi
}

all="sleep:blocked.timer futex:blocked.futex pipe:blocked.ipc unix:blocked.ipc
eventfd:blocked.ipc tcp:blocked.net poll:blocked.net select:blocked.ipc epoll:blocked.net
timerfd:blocked.timer timeout:blocked.timer disk:blocked.disk fsync:blocked.disk
fault:blocked.fault uring:blocked.disk uring_net:blocked.net wait:blocked.other
spin:oncpu double:waiter,grandchild,grandthread storm:waiter"

for pair in $all; do
	kind=${pair%%:*} cause=${pair#*:} ms=500
	[ $# -eq 0 ] || case " $* " in *" $kind "*) ;; *) continue ;; esac
	# As many processes as that.
	[ "$kind" = storm ] && ms=10000
	try "$kind" "$cause" "$ms"
done
exit "$failed"
