#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Run-queue depth, run-queue wait and on-CPU time of `bench exec` on a mixed load, against a replay
# of a perf trace of the same run. Needs root, perf and python3; skipped without.
set -u
here=$(dirname "$(realpath "$0")")
BENCH=$(realpath -e "${BENCH:-build/bench}") || exit 1

skip() {
	echo "skip: $1"
	echo "0 passed, 0 failed, 1 skipped"
	exit 77
}

[ "$(id -u)" = 0 ] || skip 'loading BPF programs needs root'
command -v perf >/dev/null || skip 'perf is not installed: apt-get install linux-perf'
command -v python3 >/dev/null || skip 'python3 is not installed'

work=$(mktemp -d "${TMPDIR:-/var/tmp}/bench-sched-XXXXXX")
trap 'rm -rf "$work"' EXIT

# Three spinners, a ping-pong, short sleeps and short-lived processes, for 1.5 s. An interpreter of
# its own name, so that it is found in the trace.
cp "$(command -v dash || command -v sh)" "$work/load"
cat >"$work/script" <<'SH'
end=$(($(date +%s%N) / 1000000 + 1500))
spin() { while [ "$(date +%s%N | cut -c1-13)" -lt $end ]; do i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; done; }
spin & spin & spin &
perf bench sched pipe -l 20000 >/dev/null 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 0.02; done
wait
SH

# A trace that lost events or a host that hides some proves nothing, so there are three attempts.
attempt() {
	perf record -q -a -m 4M -k CLOCK_MONOTONIC -o "$work/data" \
		-e sched:sched_switch -e sched:sched_wakeup -e sched:sched_wakeup_new \
		-e sched:sched_migrate_task -e sched:sched_process_fork \
		-e sched:sched_process_exec -e sched:sched_process_exit -- \
		"$BENCH" exec -q --trials=1 --warmup=0 --format=json -o "$work/result.json" --force -- \
		"$work/load" "$work/script" >"$work/out" 2>&1 || {
		! grep -qiE 'permission|not supported|unknown tracepoint|access to performance' "$work/out" ||
			skip "perf cannot trace here: $(head -n 1 "$work/out")"
		cat "$work/out"
		return 1
	}
	perf script -i "$work/data" --ns -F tid,cpu,time,event,trace 2>/dev/null |
		python3 "$here/perf_sched.py" "$work/result.json" "$work/load" >"$work/report"
}

for i in 1 2 3; do
	if attempt; then
		break
	elif [ "$i" != 3 ]; then
		echo "attempt $i:"
		cat "$work/report"
	fi
done
cat "$work/report"
passed=$(grep -c '^ok' "$work/report")
failed=$(grep -c '^FAIL' "$work/report")
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
