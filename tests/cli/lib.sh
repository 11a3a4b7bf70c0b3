# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# Helpers of the command-line tests: source it, call the checks, end with `finish`.
# BENCH is the program under test. Everything happens in a directory of its own, which goes away.
set -u

BENCH=$(realpath -e "${BENCH:-build/bench}") || exit 1
work=$(mktemp -d "${TMPDIR:-/var/tmp}/bench-test-XXXXXX")
trap 'cd /; rm -rf "$work"' EXIT
cd "$work" || exit 1
# A config file of the host must not decide what is tested.
export XDG_CONFIG_HOME="$work/config"
export LC_ALL=C.UTF-8
passed=0 failed=0 skipped=0
out='' err='' code=0

pass() {
	passed=$((passed + 1))
	echo "ok: $1"
}

fail() { # name detail
	failed=$((failed + 1))
	echo "FAIL: $1"
	[ $# -lt 2 ] || printf '%s\n' "$2" | sed 's/^/    /'
}

skip() { # name reason
	skipped=$((skipped + 1))
	echo "skip: $1: $2"
}

# Run a command: stdout and stderr in $out and $err, exit code in $code.
run() {
	"$@" >"$work/out" 2>"$work/err" </dev/null
	code=$?
	out=$(cat "$work/out")
	err=$(cat "$work/err")
}

# check NAME EXPECTED_CODE PATTERN command...: exit code, and an extended regular expression that
# stderr or stdout must match ("" = anything).
check() {
	name=$1 expected=$2 pattern=$3
	shift 3
	run "$@"
	if [ "$code" != "$expected" ]; then
		fail "$name" "exit $code, expected $expected: $* 
$out
$err"
	elif [ -n "$pattern" ] && ! printf '%s\n%s\n' "$err" "$out" | grep -qE -- "$pattern"; then
		fail "$name" "no match for '$pattern' in the output of: $*
$out
$err"
	else
		pass "$name"
	fi
}

# check_one_line NAME EXPECTED_CODE PATTERN command...: as check, and stderr is one line and stdout
# empty, as a refusal should be.
check_one_line() {
	check "$@"
	lines=$(printf '%s\n' "$err" | wc -l)
	if [ "$lines" != 1 ] || [ -n "$out" ]; then
		fail "$1 (one line)" "$err
$out"
	fi
}

# json FILE EXPRESSION: evaluate a Python expression with d = the document.
json() {
	python3 - "$1" "$2" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
def metric(job, name, **labels):
    for m in d["jobs"][job]["metrics"]:
        if m["name"] == name and all(m.get("labels", {}).get(k) == v for k, v in labels.items()):
            return m
    return None
print(eval(sys.argv[2]))
PY
}

# expect NAME ACTUAL EXPECTED
expect() {
	if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "got '$2', expected '$3'"; fi
}

finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] || exit 1
	[ "$passed" != 0 ] || exit 77
	exit 0
}
