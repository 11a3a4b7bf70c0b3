#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# JUnit XML and thresholds of fixed results. `junit.sh --update` writes the golden file anew.
set -u

BENCH=$(realpath -e "${BENCH:-build/bench}") || exit 1
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d "${TMPDIR:-/tmp}/bench-junit-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

pass() { passed=$((passed + 1)); }
fail() {
	failed=$((failed + 1))
	echo "FAIL: $1"
}

# NAME CODE PATTERN OPTION...: exit code of a report of full.json, and a pattern in its output.
expect() {
	name=$1 want=$2 pattern=$3
	shift 3
	"$BENCH" report "$here/full.json" "$@" >"$work/out" 2>&1 </dev/null
	code=$?
	if [ "$code" = "$want" ] && { [ -z "$pattern" ] || grep -qe "$pattern" "$work/out"; }; then
		pass
	else
		fail "$name: exit $code, expected $want and '$pattern' in:"
		grep -ae hreshold -e failure -e bench: "$work/out" | sed 's/^/    /'
	fi
}

# NAME: the document in $work/out is well-formed and valid.
valid() {
	if ! command -v xmllint >/dev/null; then
		skipped=$((skipped + 1))
		echo "SKIP: $1: xmllint (package libxml2-utils) is not installed"
	elif xmllint --noout --nonet --schema "$here/junit.xsd" "$work/out" >"$work/lint" 2>&1; then
		pass
	else
		fail "$1:"
		sed 's/^/    /' "$work/lint"
	fi
}

demands() {
	"$BENCH" report "$1" --format=junit --threshold='ops >= 50k' \
		--threshold='[disk] latency.p99<2us' --threshold='[disk] latency.p99.9 < 1h; cpu.per_op<1s' \
		--threshold='[net-*] wall.time{cause=runqueue} <= 9%' --threshold='nosuch>1'
}
demands "$here/full.json" >"$work/out"
[ $? = 3 ] && pass || fail 'broken thresholds: exit status'
if [ "${1:-}" = --update ]; then
	cp "$work/out" "$here/full.junit.xml"
elif diff -u "$here/full.junit.xml" "$work/out" >"$work/diff"; then
	pass
else
	fail 'full.junit.xml differs:'
	cat "$work/diff"
fi
valid 'the document is valid'

# Every string from an enemy: names, reasons, thresholds.
python3 - "$here/full.json" >"$work/evil.json" <<'PY'
import json, sys
evil = 'a<b>&"\'\n\t\r\x01\x1b]]>\uffff\ufffe<!--é\U0001f600'
d = json.load(open(sys.argv[1], encoding="utf-8"))
d["host"]["hostname"] = d["host"]["kernel"] = d["id"] = evil
for job in d["jobs"]:
    job["name"] += evil
    job["module"] = evil
    if job.get("reason"):
        job["reason"] = evil
d["jobs"][0]["metrics"][0]["labels"] = {"k": evil}
d["jobs"][1]["status"], d["jobs"][1]["reason"] = "skipped", evil
json.dump(d, sys.stdout)
PY
demands "$work/evil.json" >"$work/out"
valid 'with hostile strings it is valid, too'
if python3 - "$work/out" <<'PY'
import sys, xml.etree.ElementTree as tree
want = 'a<b>&"\'\n\t\r��]]>��<!--é\U0001f600'
suites = tree.parse(sys.argv[1]).getroot()
(suite,) = suites
cases = suite.findall("testcase")
assert suite.get("hostname") == want, suite.get("hostname")
jobs = [c for c in cases if c.get("classname") != "bench.threshold"]
assert all(c.get("name").endswith(want) and c.get("classname") == "bench." + want for c in jobs)
assert [c.find("skipped").get("message") for c in cases if c.find("skipped") is not None].count(want) == 1
for s in (suites, suite):
    assert int(s.get("tests")) == len(cases), s.attrib
    assert int(s.get("failures")) == sum(c.find("failure") is not None for c in cases), s.attrib
assert int(suite.get("skipped")) == sum(c.find("skipped") is not None for c in cases)
PY
then pass; else fail 'hostile strings come back as they were'; fi

for f in blocking exec interrupted; do
	"$BENCH" report "$here/$f.json" --format=junit >"$work/out" || fail "$f as junit"
	valid "$f is valid"
done
expect 'without thresholds nothing is broken' 0 '<failure type="failed"' --format=junit

# The language.
expect 'one that holds' 0 'thresholds *ok *\[disk\] ops>=50k *ops is ' --threshold='[disk] ops>=50k'
expect 'one that is broken' 3 'thresholds *broken *\[disk\] ops<50k *ops is ' --threshold='[disk] ops<50k'
expect 'the pattern is a glob' 0 '' --threshold='[n*r] ops>=50k' --threshold='[d?sk] ops>=50k'
expect 'a metric of some jobs is demanded of these' 0 '' --threshold='service<1s'
expect 'a named job must have it' 3 'unknown *\[cpu\] latency<1s *the job has no such metric' --threshold='[cpu] latency<1s'
expect 'a name that no job has' 3 '' --threshold='[nosuch] ops>1'
expect 'each row of a label' 3 'sched.runq_depth{cpu=0} is' --threshold='[disk] sched.runq_depth<2'
expect 'a label' 0 '' --threshold='[disk] sched.runq_depth{cpu=0}<2'
expect 'a statistic behind labels' 0 '' --threshold='[disk] block.latency{stage=device}.p50<1s'
expect 'spaces, and equality' 0 '' --threshold=' [disk]  errors  ==  0 '
expect 'inequality' 3 '' --threshold='[disk] errors != 0'
expect 'a size' 0 '' --threshold='[disk] bytes>=200m'
expect 'a share' 3 '' --threshold='[disk] wall.time{cause=user}<10%'
expect 'a unit that does not fit' 3 "'ms' does not fit the metric's unit, 1/s" --threshold='[disk] ops>2ms'
expect 'no statistic of a plain number' 3 '' --threshold='[disk] ops.p99>2'
for bad in 'ops' 'ops=5' 'ops>' 'ops>abc' 'ops>5x' '>5' '[disk ops>5' 'a{b=c>5' 'a{b=c}.p98<5' 'ops>inf' 'ops>nan'; do
	expect "refused: $bad" 2 '^bench: threshold' --threshold="ops>1;$bad"
done
expect 'an option without its value' 2 'value is missing' --threshold

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
