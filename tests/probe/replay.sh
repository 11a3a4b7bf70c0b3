#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Depth, run-queue latency and off-CPU time against a replay of a perf trace of the same window.
# Needs root, perf and python3; skipped without. Ends with `N passed, N failed, N skipped`.
set -u
here=$(dirname "$(realpath "$0")")
tool=$(dirname "$(realpath -e "${BENCH:-$here/../../build/bench}")")/tests/probe/tool_window
passed=0 failed=0

skip() {
	echo "skip: $1"
	echo "0 passed, 0 failed, 1 skipped"
	exit 77
}

[ "$(id -u)" = 0 ] || skip 'loading BPF programs needs root'
command -v perf >/dev/null || skip 'perf is not installed'
command -v python3 >/dev/null || skip 'python3 is not installed'
[ -x "$tool" ] || skip "$tool is not built"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/bench-replay-XXXXXX")
trap 'rm -rf "$work"' EXIT

# attempt [sleepers]: a trace that lost events or a host that hides some proves nothing, so there are three.
attempt() {
	# -m: large enough that nothing is lost; the load runs for 0.5 s.
	perf record -q -a -m 4M -k CLOCK_MONOTONIC -o "$work/data" \
		-e sched:sched_switch -e sched:sched_wakeup -e sched:sched_wakeup_new \
		-e sched:sched_migrate_task -- "$tool" 500 "$@" >"$work/probes.json" 2>"$work/perf.err" || {
		code=$?
		[ "$code" != 77 ] || skip "$(tail -n 1 "$work/probes.json")"
		! grep -qiE 'permission|not supported|unknown tracepoint|access' "$work/perf.err" ||
			skip "perf cannot trace here: $(head -n 1 "$work/perf.err")"
		cat "$work/perf.err"
		return 1
	}
	perf script -i "$work/data" --ns -F tid,cpu,time,event,trace 2>/dev/null |
		python3 "$here/replay.py" "$work/probes.json" ${1:+0.005} >"$work/report"
}

# Sleepers: those whose dequeue is delayed are on the queue and must not count. Where others have the
# CPU, too, they are but 2 % of the depth, hence the narrow limit.
for load in '' sleepers; do
	good=no
	for i in 1 2 3; do
		: >"$work/report"
		# shellcheck disable=SC2086
		if attempt $load; then
			good=yes
			break
		elif [ "$i" != 3 ]; then
			echo "attempt $i:"
			grep FAIL "$work/report"
		fi
	done
	echo "${load:-free to move}:"
	cat "$work/report"
	passed=$((passed + $(grep -c '^ok' "$work/report")))
	[ "$good" = yes ] || failed=$((failed + 1))
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
