#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Programs that wait for one known thing each, through `bench exec`: at least 98 % of the waiter's
# blocked time in its own cause, the shares sum to 1, nothing unaccounted for. And trees of processes.
# Usage: causes.sh [BENCH] [KIND...]; needs root. With RECORD=DIR the results are only put there, where
# there is no python3 (a guest of the lab), and with JUDGE=DIR those that are there are looked at. PROBES are
# those to load (all), URING the cause of waits in a ring where the kernel does not tell more.
set -u
bench=${1:-build/bench}
[ $# -gt 0 ] && shift
load=$(dirname "$bench")/tests/probe/tool_load
[ -x "$load" ] || load=$(command -v tool_load)
record=${RECORD:-} judge=${JUDGE:-}
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/bench-causes.XXXXXX")
trap 'rm -rf "$dir"' EXIT
results=${judge:-${record:-$dir}}
failed=0

[ -n "$judge" ] || [ "$(id -u)" = 0 ] || { echo "skip: loading BPF programs needs root"; exit 77; }
[ -n "$judge" ] || [ -x "$load" ] || { echo "skip: tool_load is not built"; exit 77; }

# try KIND CAUSE MS
try() {
	[ -z "$record" ] || echo "$1"
	# shellcheck disable=SC2086
	if [ -z "$judge" ] && ! "$bench" exec ${PROBES:+--probes=$PROBES} --trials=1 --warmup=0 --force --output="$results/$1.json" -- \
		"$load" "$1" "$3" "$dir/file" >"$dir/log" 2>&1; then
		echo "$1: bench exec failed"
		tail -5 "$dir/log"
		failed=1
	elif [ -z "$record" ] && ! python3 "$(dirname "$0")/causes.py" "$results/$1.json" "$1" "$2"; then
		failed=1
	fi
}

all="sleep:blocked.timer futex:blocked.futex pipe:blocked.ipc unix:blocked.ipc
eventfd:blocked.ipc tcp:blocked.net poll:blocked.net select:blocked.ipc epoll:blocked.net
timerfd:blocked.timer timeout:blocked.timer disk:blocked.disk fsync:blocked.disk
fault:blocked.fault uring:${URING:-blocked.disk} uring_net:${URING:-blocked.net}
uring_pipe:${URING:-blocked.ipc} wait:blocked.other stop:blocked.other
spin:oncpu double:waiter,grandchild,grandthread storm:waiter"

for pair in $all; do
	kind=${pair%%:*} cause=${pair#*:} ms=500
	[ $# -eq 0 ] || case " $* " in *" $kind "*) ;; *) continue ;; esac
	# As many processes as that.
	[ "$kind" = storm ] && ms=10000
	try "$kind" "$cause" "$ms"
done
# What a file is, by reads in place of typed pointers.
if [ $# -eq 0 ] && [ -z "$record$judge" ]; then
	export BENCH_PROBE_FALLBACK=casts
	for pair in pipe:blocked.ipc disk:blocked.disk tcp:blocked.net; do
		try "${pair%%:*}" "${pair#*:}" 500
	done
fi
exit "$failed"
