#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every screen of a saved result at three sizes, against what was looked at and found right. With
# --update, write those files instead.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/view/lib.sh
. "$root/tests/view/lib.sh"

saved=$root/tests/view/run.json

screens() { # SIZE [environment...]
	size=$1
	shift
	on_terminal "$size" env "$@" "$BENCH" view "$saved"
	wait_for '1 overview' || screen
	for n in 1 2 3 4 5 6 7 8; do
		key "$n"
		# The name of the screen in brackets: it is drawn.
		wait_for "\\[$n " || echo "screen $n did not come"
		echo "=== $n"
		screen
	done
	key q
	[ "$(ended)" = 0 ] || echo "exit $(cat "$work/rc")"
}

compare() { # NAME FILE
	if [ "$update" = --update ]; then
		cp found "$2"
	elif difference=$(diff "$2" found); then
		pass "$1"
	else
		fail "$1" "$difference
to bring it up to date: sh tests/view/replay.sh --update"
	fi
}

update=${1:-}
for size in 80x24 120x40 200x60; do
	screens "$size" TERM=screen-256color >found
	compare "all screens at $size" "$root/tests/view/run.$size.txt"
done
screens 80x24 TERM=screen-256color LC_ALL=C >found
compare 'all screens without UTF-8' "$root/tests/view/run.ascii.txt"
if grep -nP '[^\x00-\x7f]' found >bad; then
	fail 'nothing but ASCII in a locale without UTF-8' "$(cat bad)"
else
	pass 'nothing but ASCII in a locale without UTF-8'
fi

# --- keys ---

on_terminal 100x30 "$BENCH" view "$saved"
shows 'it begins with the overview' '\[1 overview\]'
key Tab
shows 'Tab is the next screen' '\[2 runq\]'
key BTab
shows 'Shift-Tab the one before' '\[1 overview\]'
key '?'
shows '? shows the keys' 'Shift-Tab'
key Escape
key / p i n g Enter
shows 'a filter is told' 'filter: ping'
if screen | grep -q '  disk'; then
	fail 'a filter hides what does not contain it' "$(screen)"
else
	pass 'a filter hides what does not contain it'
fi
key / Escape
key s
shows 's sorts' 'sorted by: name'
key 7 Enter
shows 'Enter opens a slow operation' 'into it, worker'
key Escape Home
shows 'Home goes to the start' 'looking back at 0.0 s'
key End m
shows 'a saved result takes no marks' 'no run that could keep a mark'
key F1
shows 'F1 shows the keys' 'Shift-Tab'
key Escape F4 d i s k Enter
shows 'F4 filters' 'filter: disk'
key F4 Escape F10
expect 'F10 leaves' "$(ended)" 0
terminal_whole 'after F10'

# --- what cannot be drawn ---

check_one_line 'a file that does not exist' 2 'nofile.json' "$BENCH" view nofile.json
check_one_line 'neither file nor run' 2 'one saved result' "$BENCH" view
check_one_line 'an unknown screen' 2 'no such screen' "$BENCH" view --screen=frob "$saved"
check_one_line 'a process that is no run' 2 'no run of bench' "$BENCH" view --attach=$$
check_one_line 'a process number that is none' 2 'not a process number' "$BENCH" view --attach=x
check_one_line 'no terminal' 2 'no terminal' setsid -w "$BENCH" view "$saved"
on_terminal 80x24 env TERM=dumb-and-unknown "$BENCH" view "$saved"
expect 'an unknown kind of terminal is refused' "$(ended)" 2
on_terminal 80x24 env TERM=dumb "$BENCH" view "$saved"
sleep 1
key q
case $(ended 5) in
0 | 2) pass 'a dumb terminal is no crash' ;;
*) fail 'a dumb terminal is no crash' "$(ended 1) $(screen)" ;;
esac
on_terminal 30x6 "$BENCH" view "$saved"
shows 'too small a terminal is told' 'at least 40 x 8'
key q
expect 'and can be left' "$(ended)" 0

# --- large results ---

python3 - "$saved" large.json <<'PY'
import copy, json, sys
d = json.load(open(sys.argv[1]))
base = d["jobs"][0]
base["series"] = {"interval_ns": 100000000, "columns": ["at_ns", "span_ns", "trial", "ops"] +
                  ["runq_depth.%d" % c for c in range(1000)] + ["runq_waiting.%d" % c for c in range(1000)],
                  "rows": [[i * 100000000, 100000000, 1, 1000 + i] +
                           [(i + c) % 5 for c in range(1000)] + [1] * 1000 for i in range(50)]}
d["jobs"] = [dict(copy.deepcopy(base) if i == 0 else {k: v for k, v in base.items() if k != "series"},
                  name="job-%d" % i) for i in range(500)]
json.dump(d, open(sys.argv[2], "w"))
PY
on_terminal 100x30 "$BENCH" view large.json
shows '500 jobs' 'job 1/500' 60
key NPage NPage
shows 'further down' 'job-4[0-9]'
key PPage PPage PPage 2
shows '1000 CPUs' 'cpu 12'
key q
expect 'and out' "$(ended)" 0
finish
