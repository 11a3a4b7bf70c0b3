#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Reports of fixed results against golden files, the schema, and the command `bench report`.
# BENCH is the program under test. `run.sh --update` writes the golden files anew: read the diff.
set -u

BENCH=$(realpath -e "${BENCH:-build/bench}") || exit 1
here=$(dirname "$(realpath "$0")")
schema=$here/../../docs/result.schema.json
work=$(mktemp -d "${TMPDIR:-/tmp}/bench-report-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
unset NO_COLOR

pass() { passed=$((passed + 1)); }
fail() {
	failed=$((failed + 1))
	echo "FAIL: $1"
}

# NAME CODE PATTERN COMMAND...: exit code, and a pattern in what it prints.
expect() {
	name=$1 want=$2 pattern=$3
	shift 3
	"$@" >"$work/out" 2>&1 </dev/null
	code=$?
	if [ "$code" = "$want" ] && { [ -z "$pattern" ] || grep -qe "$pattern" "$work/out"; }; then
		pass
	else
		fail "$name: exit $code, expected $want and '$pattern' in:"
		sed 's/^/    /' "$work/out"
	fi
}

# NAME: compare $work/out with the golden file.
golden() {
	if [ "${update:-}" ]; then
		cp "$work/out" "$here/$1"
	elif diff -u "$here/$1" "$work/out" >"$work/diff" 2>&1; then
		pass
	else
		fail "$1 differs:"
		cat "$work/diff"
	fi
}

[ "${1:-}" = --update ] && update=1

for f in full blocking exec interrupted sweep profile; do
	LC_ALL=C.UTF-8 "$BENCH" report "$here/$f.json" >"$work/out" 2>&1 || fail "report of $f"
	golden "$f.txt"
done
LC_ALL=C "$BENCH" report "$here/full.json" >"$work/out" 2>&1 || fail 'report in ASCII'
golden full.ascii.txt
if LC_ALL=C grep -q '[^ -~]' "$here/full.ascii.txt"; then fail 'ASCII report has other bytes'; else pass; fi

# What could not be held against the block layer is told, not left out.
python3 - "$here/full.json" >"$work/unseen.json" <<'EOF'
import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
d["jobs"][0]["metrics"].append({"name": "receipt", "labels": {"at": "block", "of": "ops"}, "unit": "ratio",
    "better": "none", "source": "runtime", "status": "not_counted", "note": "receipt: 2331 ops by the module",
    "value": None, "ci": None, "trials": [None]})
json.dump(d, sys.stdout)
EOF
expect 'a receipt that there is not' 0 '^  not counted  *receipt: 2331 ops by the module' \
	"$BENCH" report "$work/unseen.json"

# Formats for other programs: golden, and whole when strings come from an enemy.
python3 - "$here/full.json" >"$work/evil.json" <<'EOF'
import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
d["jobs"][0]["name"] = '=cmd|"x",\n\\{}'
d["jobs"][0]["metrics"][0]["labels"] = {"job": 'a"b\nc'}
d["host"]["hostname"] = "@SUM(1)"
json.dump(d, sys.stdout)
EOF
for f in csv prometheus; do
	"$BENCH" report --format=$f "$here/full.json" >"$work/out" 2>&1 || fail "report as $f"
	golden full.$f.txt
	"$BENCH" report --format=$f "$work/evil.json" >"$work/evil.$f" 2>&1 || fail "report of evil strings as $f"
done
if python3 "$here/formats.py" "$work/evil.csv" "$work/evil.prometheus"; then pass; else fail 'formats read back'; fi
# Not installed: the package would start a server.
promtool=$(command -v promtool) ||
	promtool=$(sh "$here/../vm/fetch.sh" "$(dpkg --print-architecture)" bookworm prometheus 2>"$work/err")/usr/bin/promtool
if [ ! -x "$promtool" ]; then
	skipped=$((skipped + 1))
	echo "SKIP: promtool check: $(tail -n 1 "$work/err")"
elif "$promtool" check metrics <"$work/evil.prometheus" >"$work/out" 2>&1 && [ ! -s "$work/out" ]; then
	pass
else
	fail 'promtool check metrics:'
	cat "$work/out"
fi

"$BENCH" report --format=profile "$here/profile.json" >"$work/out" 2>&1 || fail 'report as profile'
golden profile.profile.txt

# Stacks: golden, whole XML and JSON with names that are neither, and against another result.
for format in folded flamegraph speedscope; do
	"$BENCH" report --format=$format "$here/stacks.json" >"$work/out" 2>&1 || fail "report as $format"
	golden stacks.$format.txt
	cp "$work/out" "$work/stacks.$format"
done
expect 'the flame graph is XML' 0 '' python3 -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' \
	"$work/stacks.flamegraph"
expect 'speedscope: profiles and their frames are whole' 0 '^800 800$' python3 -c 'import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
names = [(f["name"], f.get("file")) for f in d["shared"]["frames"]]
assert len(set(names)) == len(names)
for p in d["profiles"]:
    assert len(p["samples"]) == len(p["weights"]) and p["endValue"] == sum(p["weights"])
    assert all(0 <= f < len(names) for s in p["samples"] for f in s)
print(sum(p["endValue"] for p in d["profiles"]) // 10 ** 6, sum(sum(p["weights"]) for p in d["profiles"]) // 10 ** 6)' \
	"$work/stacks.speedscope"
expect 'folded: a line has a stack and a number' 1 '' \
	grep -vE '^[^;]+(;[^;]+)* [0-9]+$' "$work/stacks.folded"
expect 'of one event' 0 '^prog;main;sleep_here_\[k\] 150000000$' \
	"$BENCH" report --format=folded --event=offcpu-time "$here/stacks.json"
expect 'of an event that is not there' 2 "no stacks of event 'cycles'" \
	"$BENCH" report --format=folded --event=cycles "$here/stacks.json"
expect 'of a job by name' 0 '^cpu-clock;prog;main;vfs_read_' \
	"$BENCH" report --format=folded --job='make -j2' "$here/stacks.json"
expect 'of a job that is not there' 2 'neither a number from 1 to 1' \
	"$BENCH" report --format=folded --job=2 "$here/stacks.json"
expect 'no stacks' 2 'made without --sample' "$BENCH" report --format=flamegraph "$here/exec.json"
python3 - "$here/stacks.json" >"$work/then.json" <<'EOF'
import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
nodes = d["jobs"][0]["profile"]["stacks"]["trees"][0]["nodes"]
nodes[3] = "2 3 40000000"  # of 200: the whole was 640 ms, and is 800
json.dump(d, sys.stdout)
EOF
"$BENCH" report --format=flamegraph --base="$work/then.json" "$here/stacks.json" >"$work/out" 2>&1 || fail 'differential'
golden stacks.differential.txt
cp "$work/out" "$work/differential.svg"
expect 'what has grown' 0 '^mix &amp; match.*37.50 %, 300 ms&#10;was 21.88 %: +15.62 points' \
	sed -n 's/.*<title>\(mix[^<]*\)<.*/\1/p' "$work/differential.svg"
expect 'nothing to compare with' 2 'nofile' \
	"$BENCH" report --format=flamegraph --base=nofile.json "$here/stacks.json"
# Many jobs are a level of their own.
python3 - "$here/stacks.json" >"$work/two.json" <<'EOF'
import copy, json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
d["jobs"].append(dict(copy.deepcopy(d["jobs"][0]), name="second; job"))
json.dump(d, sys.stdout)
EOF
expect 'jobs are told apart' 0 '^second: job;cpu-clock;prog;main;vfs_read_.k. 50000000$' \
	"$BENCH" report --format=folded "$work/two.json"

expect 'no profile' 0 'made without --sample' "$BENCH" report --format=profile "$here/exec.json"

# What is printed as JSON is the document, and printing it again changes nothing.
for f in full blocking exec interrupted sweep; do
	"$BENCH" report --format=json "$here/$f.json" >"$work/once.json" &&
		"$BENCH" report --format=json - <"$work/once.json" >"$work/twice.json"
	if cmp -s "$work/once.json" "$work/twice.json" && python3 - "$here/$f.json" "$work/once.json" <<'EOF'
import json, sys
a, b = (json.load(open(p, encoding="utf-8")) for p in sys.argv[1:])
sys.exit(a != b)
EOF
	then pass; else fail "$f.json is not printed as it is"; fi
done

# The schema: good results pass, broken ones do not.
python3 "$here/validate.py" "$schema" "$here"/*.json >"$work/out" 2>&1
case $? in
0) pass ;;
77)
	skipped=$((skipped + 1))
	echo "SKIP: schema: $(cat "$work/out")"
	;;
*)
	fail 'schema:'
	cat "$work/out"
	;;
esac
if python3 -c 'import jsonschema' 2>/dev/null; then
	i=0
	for edit in 's/"bench.result\/1"/"bench.result\/2"/' 's/"status": "ok"/"status": "fine"/' \
		's/"source": "module"/"source": "magic"/' 's/"ci": \[/"ci": [0, /' \
		's/"name": "bytes"/"name": "ops"/' 's/"labels": {}/"labels": {"a": 1}/' \
		's/"p50": [0-9]*/"p50": null/' 's/"trials": \[/"trials": [1e99, /'; do
		i=$((i + 1))
		sed "$edit" "$here/full.json" >"$work/broken.json"
		expect "schema refuses edit $i ($edit)" 1 broken.json python3 "$here/validate.py" "$schema" "$work/broken.json"
	done
fi

# The command.
expect 'help' 0 '--format=NAME' "$BENCH" report --help
expect 'no file' 2 'which file' "$BENCH" report
expect 'two files' 2 'one too many' "$BENCH" report a b
expect 'unknown option' 2 'nosuch' "$BENCH" report --nosuch "$here/full.json"
expect 'option without a value' 2 'value is missing' "$BENCH" report "$here/full.json" -f
expect 'unknown format names the nearest' 2 "did you mean 'json'" "$BENCH" report --format=jsno "$here/full.json"
expect 'missing file' 2 'nothere' "$BENCH" report "$work/nothere"
expect 'a directory' 2 'directory' "$BENCH" report "$work"
: >"$work/empty"
expect 'empty file' 2 'empty' "$BENCH" report "$work/empty"
head -c 5000 "$here/full.json" >"$work/cut.json"
expect 'file cut short' 2 'line [0-9]*, column' "$BENCH" report "$work/cut.json"
sed 's/bench.result.1/bench.result\/7/' "$here/exec.json" >"$work/new.json"
expect 'newer schema' 2 'bench.result/7' "$BENCH" report "$work/new.json"
echo '{"schema": "bench.result/1"}' >"$work/bare.json"
expect 'nearly empty result' 0 'no jobs' "$BENCH" report "$work/bare.json"
expect 'full device' 1 'No space' sh -c '"$1" report "$2" >/dev/full' sh "$BENCH" "$here/exec.json"
expect 'standard output by name' 0 'summary' "$BENCH" report -o - "$here/exec.json"
expect 'to a device' 0 '' "$BENCH" report -o /dev/null "$here/exec.json"
if [ -c /dev/null ]; then pass; else fail '/dev/null was replaced'; fi
echo old >"$work/report.txt"
"$BENCH" report -o "$work/report.txt" "$here/exec.json" && "$BENCH" report "$here/exec.json" >"$work/direct.txt"
if cmp -s "$work/report.txt" "$work/direct.txt"; then pass; else fail 'report written to a file'; fi
expect 'directory of the output is missing' 1 'no/such' "$BENCH" report -o "$work/no/such" "$here/exec.json"

[ "${update:-}" ] && git -C "$here" diff --stat -- .
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
