#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# --trace: a timeline that viewers accept, of what the result says.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

short='--trials=2 --duration=200ms --warmup=50ms -q'

# trace NAME: checks it; its counts go to counts.json.
trace() { # name file
	if out=$(python3 "$root/tests/cli/trace_check.py" "$2" 2>&1); then
		pass "$1: the trace is strict"
		printf '%s\n' "$out" >counts.json
	else
		fail "$1: the trace is strict" "$out"
		echo '{}' >counts.json
	fi
}

for runtime in uring blocking; do
	if [ $runtime = uring ] && "$BENCH" list runtimes | grep -q '^uring .*not here'; then
		skip "$runtime" 'no io_uring here'
		continue
	fi
	job=disk_sync,size=16m,workers=1
	[ $runtime = blocking ] || job=disk,size=16m,depth=4,workers=1
	# shellcheck disable=SC2086
	check "$runtime: a run" 0 '' "$BENCH" $short --runtime=$runtime --trace -o $runtime.json \
		"$job" net_sync,mode=rr
	trace "$runtime" $runtime.trace.json
	expect "$runtime: the result names it" \
		"$(json $runtime.json '[a["path"] for a in d["artifacts"] if a["kind"] == "trace"]')" \
		"['$runtime.trace.json']"
	expect "$runtime: each trial" "$(json counts.json 'd.get("X:trial")')" 4
	expect "$runtime: slow operations" \
		"$(json counts.json 'd.get("b:slow")')" \
		"$(json $runtime.json 'sum(len(j["slow"]) for j in d["jobs"])')"
	if [ "$(json $runtime.json 'metric(0, "wall.time", cause="runqueue")["status"]')" = ok ]; then
		expect "$runtime: what threads did" "$(json counts.json 'd.get("X:thread", 0) > 100')" True
		# What the slices of the worker say it did on its CPU is what the ledger says.
		expect "$runtime: slices agree with the ledger" "$(python3 - $runtime <<'PY'
import json, sys
d = json.load(open(sys.argv[1] + ".json"))
t = json.load(open(sys.argv[1] + ".trace.json"))["traceEvents"]
job = d["jobs"][0]
wall = {m["labels"]["cause"]: m["value"] for m in job["metrics"] if m["name"] == "wall.time"}
blocked = sum(v for k, v in wall.items() if k.startswith("blocked.") and v)
sums, trials = {}, 0
for e in t:
    if e["ph"] == "X" and e["pid"] == 3:
        if e["cat"] == "trial":
            trials += e["dur"]
        else:
            sums[e["name"]] = sums.get(e["name"], 0) + e["dur"]
ours = sum(v for k, v in sums.items() if k.startswith("blocked.")) / trials
# A worker that was on its CPU when the window opened has no transition before its first switch.
print(abs(ours - blocked) < 0.02 or (ours, blocked))
PY
)" True
		expect "$runtime: interrupts are those that are counted" "$(python3 - $runtime <<'PY'
import json, sys
d = json.load(open(sys.argv[1] + ".json"))
t = json.load(open(sys.argv[1] + ".trace.json"))["traceEvents"]
apart = []
for n, job in enumerate(d["jobs"]):
    counted = sum(sum(m["trials"]) for m in job["metrics"]
                  if m["name"] in ("irq.count", "softirq.count") and m["value"])
    spans = [(e["ts"], e["ts"] + e["dur"]) for e in t if e["ph"] == "X" and e["cat"] == "trial" and e["pid"] == n + 3]
    # Counted are those that ended on the workers' CPUs in the windows.
    drawn = sum(e["ph"] == "X" and e["cat"] in ("irq", "softirq") and e["tid"] in job["placement"] and
                any(a < e["ts"] + e["dur"] <= b + 0.001 for a, b in spans) for e in t)
    if abs(drawn - counted) > 0.01 * counted + 5:
        apart.append((job["name"], counted, drawn))
print(apart or True)
PY
)" True
	else
		skip "$runtime: what threads did" 'no ledger here'
	fi
done

# shellcheck disable=SC2086
check 'a command' 0 '' "$BENCH" exec --trials=2 --warmup=0 -q --trace -o exec.json -- sh -c 'sleep 0.05; :'
trace 'a command' exec.trace.json
# shellcheck disable=SC2086
check 'no room' 0 'trace: [0-9]* events did not fit' "$BENCH" $short --trace=20k -o small.json net_sync,mode=rr
trace 'no room' small.trace.json
expect 'it is no larger than that' "$([ "$(wc -c <small.trace.json)" -le 20480 ] && echo True)" True
check 'without probes' 0 'without probes' "$BENCH" --trials=1 --duration=50ms --warmup=0 -q --no-probes \
	--trace -o none.json cpu
trace 'without probes' none.trace.json
check_one_line 'no result to stand beside' 2 'choose one with --output' "$BENCH" --trace -o none cpu
echo kept >there.trace.json
check_one_line 'it replaces nothing' 2 'there.trace.json' "$BENCH" --trace -o there.json cpu
expect 'what was there is there' "$(cat there.trace.json)" kept
finish
