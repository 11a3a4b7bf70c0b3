#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The short paths under valgrind: no error, nothing definitely lost.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

if ! command -v valgrind >/dev/null; then
	skip 'valgrind' 'valgrind is not installed'
	finish
fi

vg() { # name expected command...
	name=$1 expected=$2
	shift 2
	run valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
		--trace-children=no "$@"
	if [ "$code" = "$expected" ]; then pass "$name"; else fail "$name" "exit $code
$(printf '%s' "$err" | head -40)"; fi
}

"$BENCH" -q --no-probes --trials=1 --duration=20ms --warmup=0 -o r.json cpu >/dev/null 2>&1
vg 'version' 0 "$BENCH" --version
vg 'help' 0 "$BENCH" run --help
vg 'list modules' 0 "$BENCH" list modules
vg 'list reporters' 0 "$BENCH" list reporters
vg 'report text' 0 "$BENCH" report r.json
vg 'report json' 0 "$BENCH" report r.json --format=json
vg 'unknown module' 2 "$BENCH" dsik
vg 'unknown option' 2 "$BENCH" --runtme=uring
vg 'dry run on blocking' 0 "$BENCH" -n --no-probes --runtime=blocking cpu
vg 'a job on blocking' 0 "$BENCH" -q --no-probes --runtime=blocking --trials=1 --duration=50ms --warmup=0 -o none cpu
finish
