#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The lab fails when it has to: a foreseen word, a foreseen reason or a row that differs, results that are
# not there, a kernel that crashes. Works on what a guest of the matrix has measured before.
set -u
cd "$(dirname "$0")/../.." || exit

lab=${BENCH_LAB_OUT:-build/lab}
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
failed=0 name=

compare() { # foreseen, results
	python3 tests/vm/matrix.py compare "$1" "$name" "$2" >"$work/out" 2>&1
}

expect_failure() { # name pattern
	if [ "$code" = 1 ] && grep -qE -- "$2" "$work/out"; then
		echo "ok: $1"
	else
		failed=1
		echo "FAIL: $1: exit $code, no '$2' in"
		cat "$work/out"
	fi
}

# alter NAME PATTERN SED-SCRIPT: the document with one change, which must be a difference.
alter() {
	sed "$3" docs/lab.md >"$work/lab.md"
	cmp -s docs/lab.md "$work/lab.md" && echo "FAIL: $1: nothing was altered" && failed=1
	compare "$work/lab.md" "$lab/$name/results"
	code=$?
	expect_failure "$1" "$2"
}

for guest in $(sh tests/vm/lab.sh names); do
	[ -e "$lab/$guest/results/uring.json" ] && [ "$(cat "$lab/$guest.code" 2>/dev/null)" = 0 ] && name=$guest && break
done
[ -n "$name" ] || { echo "no guest of the matrix has passed here" && exit 77; }

compare docs/lab.md "$lab/$name/results" || { cat "$work/out" && exit 1; }
alter 'another word' '^differs: residual: foreseen no, measured ok' '/^| residual /s/| ok /| no /g'
alter 'another reason' '^differs: wall.time steal: no for another reason' 's/^\* steal: .*/* steal: `no such words`/'
alter 'a row less' '^differs: measured ok, not foreseen|not foreseen' '/^| residual /d'
alter 'a row more' '^differs: no such thing: foreseen ok, measured nothing' 's/^\(| \)residual\( .*\)/&\n\1no such thing\2/'
cp -r "$lab/$name/results" "$work/results"
sed -i 's/"active": "blocking"/"active": "uring"/' "$work/results/blocking.json"
compare docs/lab.md "$work/results"
code=$?
expect_failure 'another runtime' '^differs: runtime blocking: foreseen ok, measured no'
rm "$work/results/uring.json"
compare docs/lab.md "$work/results"
code=$?
expect_failure 'no result' '^differs: runtime uring: foreseen ok, measured no'
BENCH_LAB_RUN=panic BENCH_LAB_OUT=$work/out.lab sh tests/vm/lab.sh guest "$name" >"$work/out" 2>&1
code=$?
expect_failure 'a kernel that crashes' 'ended without results'
grep -q 'Kernel panic' "$work/out" || { echo "FAIL: the console is not shown" && failed=1; }
exit $failed
