#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The formats of perf stat: golden files, the rules of the kernel's check of the JSON lines, and the
# columns of the perf that is installed. `perf_stat.sh --update` writes the golden files anew.
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/report
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

for f in exec full; do
	for format in perf-stat perf-stat-csv perf-stat-json; do
		run "$BENCH" report --format=$format "$here/$f.json"
		[ "$code" = 0 ] || fail "$f as $format" "exit $code: $err"
		[ "${1:-}" = --update ] && cp "$work/out" "$here/$f.$format.txt"
		if difference=$(diff "$here/$f.$format.txt" "$work/out"); then
			pass "$f as $format is the golden file"
		else
			fail "$f as $format is the golden file" "$difference"
		fi
	done
done

lint() { # name file option
	if message=$(python3 "$here/perf_lint.py" $3 <"$2" 2>&1); then pass "$1"; else fail "$1" "$message"; fi
}

refused() { # name sed-expression
	sed "$2" "$here/exec.perf-stat-json.txt" >broken
	if cmp -s broken "$here/exec.perf-stat-json.txt"; then
		fail "$1" "the edit changes nothing"
	elif python3 "$here/perf_lint.py" <broken >/dev/null 2>&1; then
		fail "$1" "it was accepted"
	else
		pass "$1"
	fi
}

if ! command -v python3 >/dev/null; then
	skip 'JSON lines keep the rules' 'python3 is not installed'
else
	lint 'JSON lines of one job keep the rules' "$here/exec.perf-stat-json.txt" ''
	lint 'JSON lines of several jobs keep the rules' "$here/full.perf-stat-json.txt" --many
	refused 'a key of our own is refused' 's/"unit"/"units"/'
	refused 'a number that is none is refused' 's/"event-runtime" : [0-9]*/"event-runtime" : nan/'
	refused 'a missing key is refused' 's/"unit" : "[a-zJ]*", //'
	refused 'a value with a comma is refused' 's/"counter-value" : "\([0-9]*\)\./"counter-value" : "\1,/'
fi

# --- the perf that is here ---

# Digits are all the same, separators go: what is left is the layout.
shape() {
	LC_ALL=C sed -nE '/task-clock|page-faults|cycles/{s/^ *//;s/[0-9.,]+/9/g;s/[KMG]\/sec/\/sec/;s/ +/ /g;p}'
}
# The column in which the event and the '#' stand.
columns() {
	awk '/task-clock|page-faults/ { print index($0, $0 ~ /task/ ? "task-clock" : "page-faults"), index($0, "#") }'
}

if ! command -v perf >/dev/null || ! perf stat -e task-clock true >/dev/null 2>&1; then
	skip 'layout of the installed perf' 'perf is not installed or may not count'
else
	for runs in 1 3; do
		run env LC_ALL=C perf stat -r $runs -e task-clock,page-faults,cycles sh -c ':'
		printf '%s\n' "$err" >theirs
		run "$BENCH" exec --trials=$runs --warmup=0 --no-probes -q -o none --format=perf-stat \
			--counters=task-clock,page-faults,cycles -- sh -c ':'
		printf '%s\n' "$err" >ours
		for part in shape columns; do
			if difference=$($part <theirs >a && $part <ours >b && diff a b); then
				pass "$part of perf stat -r $runs"
			else
				fail "$part of perf stat -r $runs" "$difference"
			fi
		done
	done
	run env LC_ALL=C perf stat -x, -e task-clock,page-faults,cycles sh -c ':'
	printf '%s\n' "$err" | sed -E 's/[0-9.]+/9/g; s/[KMG]\/sec/\/sec/' >theirs
	run "$BENCH" exec --trials=1 --warmup=0 --no-probes -q -o none --format=perf-stat-csv \
		--counters=task-clock,page-faults,cycles -- sh -c ':'
	printf '%s\n' "$err" | sed -E 's/[0-9.]+/9/g; s/[KMG]\/sec/\/sec/' >ours
	if difference=$(diff theirs ours); then pass 'columns of perf stat -x,'; else fail 'columns of perf stat -x,' "$difference"; fi
fi

finish
