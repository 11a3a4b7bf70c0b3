#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Software events against perf stat counting the same live process over the same time: within 1 %.
# The process is started by bench, which counts it from its exec on; it waits until perf stat is
# attached. What it did until then it tells from the kernel's accounts, and that is taken from what
# bench counted; of migrations there is no such account, and hardly one. An event is compared where
# there are enough of it.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

tool=$(dirname "$BENCH")/tests/accuracy/tool_events
if ! command -v perf >/dev/null || ! perf stat -e task-clock true >/dev/null 2>&1; then
	echo 'skip: perf is not installed or may not count'
	exit 77
fi
[ -x "$tool" ] || { echo "skip: $tool is not built" && exit 77; }
[ "$(nproc)" -ge 2 ] || { echo 'skip: migrations need two CPUs' && exit 77; }

events=task-clock,context-switches,cpu-migrations,page-faults
# Enough of an event for 1 % of it to be more than how the accounts may differ.
least() {
	case $1 in
	task-clock) echo 900 ;; # msec
	page-faults) echo 100000 ;;
	*) echo 2000 ;;
	esac
}

compare() { # what
	rm -f go go.before pid theirs
	mkfifo go
	"$BENCH" exec --trials=1 --warmup=0 --no-probes -q -o none --format=perf-stat-csv \
		--counters=$events -- sh -c 'echo $$ >pid.new; mv pid.new pid; exec "$0" go "$1"' "$tool" "$1" \
		2>ours >/dev/null &
	bench=$!
	while [ ! -s pid ]; do sleep 0.01; done
	LC_ALL=C perf stat -x, -e $events -p "$(cat pid)" -o theirs 2>/dev/null &
	stat=$!
	# Attached when it has its events open.
	i=0
	while [ "$(find /proc/$stat/fd -lname 'anon_inode:\[perf_event\]' 2>/dev/null | wc -l)" -lt 4 ]; do
		i=$((i + 1))
		[ $i -lt 500 ] || break
		sleep 0.01
	done
	sleep 0.05
	echo >go
	wait $bench
	[ $? = 0 ] || fail "$1 runs" "$(cat ours)"
	wait $stat
	for event in $(echo $events | tr , ' '); do
		before=$(awk -v e="$event" '$1 == e { print $2 }' go.before)
		a=$(awk -F, -v e="$event" -v before="${before:-0}" '$3 == e && $1 ~ /^[0-9.]+$/ { printf("%.3f", $1 - before) }' ours)
		b=$(awk -F, -v e="$event" '$3 == e { print $1 }' theirs)
		verdict=$(awk -v a="$a" -v b="$b" -v least="$(least "$event")" 'BEGIN {
			if (b !~ /^[0-9.]+$/ || a !~ /^-?[0-9.]+$/) { print "missing"; exit }
			if (b < least) { print "few"; exit }
			d = (a - b) / b * 100
			word = "differs"
			if (d <= 1 && d >= -1) word = "same"
			printf("%s %.3f", word, d) }')
		case $verdict in
		few) ;;
		same*)
			pass "$1: $event $a, perf stat $b (${verdict#same } %)"
			echo "$event" >>compared
			;;
		*) fail "$1: $event" "$a, perf stat: $b ($verdict)" ;;
		esac
	done
}

for what in spin threads faults faults-children ping ping-children hop hop-children naps programs; do
	compare $what
done
for event in $(echo $events | tr , ' '); do
	if [ "$(grep -cx "$event" compared)" -ge 2 ]; then
		pass "$event was compared more than once"
	else
		fail "$event was compared more than once" "$(sort compared | uniq -c)"
	fi
done
finish
