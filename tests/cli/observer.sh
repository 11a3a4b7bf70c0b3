#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# --observer=ab: trials without probes beside those that count, and what is said of them.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

run "$BENCH" --observer=ab --no-probes -o none cpu
expect 'nothing to compare is refused' "$code" 2
run "$BENCH" --observer=on -o none cpu
expect 'an unknown mode is refused' "$code" 2

if [ "$(id -u)" != 0 ] || ! "$BENCH" --dry-run --probes=sched cpu 2>/dev/null | grep -q 'sched.switches' ||
	"$BENCH" --dry-run --probes=sched cpu | grep -q 'sched.switches  *no:'; then
	skip 'comparing trials with probes and without' 'probes do not work here'
	finish
fi

cat >look.py <<'PY'
import json, sys
result = json.load(open(sys.argv[1]))
(job,) = result["jobs"]
metrics = {m["name"]: m for m in job["metrics"] if not m["labels"]}
cost = metrics.get("overhead.observer", {})
print("trials", job["trials"], "control", job.get("control_trials"))
print("values", sum(v is not None for v in cost.get("trials", [])), "status", cost.get("status"))
print("interval", isinstance(cost.get("ci"), list))
speed = metrics.get("ops") or metrics["wall"]
print("speeds", len(speed["trials"]))
(row,) = result["overhead"]["observer"]["jobs"]
print("summary", row["cost"] == cost["value"], row["ci"] == cost["ci"], row["pairs"])
# The probes saw the job's own trials, and nothing of the others.
windows = result["overhead"]["window_ns"]
print("windows", abs(windows / (job["trials"] * job["trial_ns"]) - 1) < 0.2 if job["trial_ns"] else "-")
PY
run "$BENCH" -q --observer=ab --trials=6 --duration=200ms --warmup=0 -o ab.json --workers=1 cpu
expect 'the run works' "$code" 0
run python3 look.py ab.json
expect 'a job has its trials and as many to compare with' "$out" 'trials 6 control 6
values 6 status ok
interval True
speeds 6
summary True True 6
windows True'

run "$BENCH" exec -q --observer=ab --trials=2 --warmup=0 -o exec.json -- sleep 0.05
expect 'exec works' "$code" 0
run python3 look.py exec.json
expect 'exec has its runs and as many to compare with' "$out" 'trials 2 control 2
values 2 status ok
interval False
speeds 2
summary True True 2
windows -'
run "$BENCH" report ab.json
case $out in
*'probes cost'*'6 without probes'* | *'6 without probes'*'probes cost'*) pass 'the report tells the cost' ;;
*) fail 'the report tells the cost' "$out" ;;
esac

# A check that fails stands with the job whose numbers it is about, and above all jobs.
run env BENCH_PROBE_FAULT=clock "$BENCH" -q --trials=1 --duration=200ms --warmup=0 -o none cpu
case $out in
*'1 self-check failed'*'cpu module'*'check failed  probe self-check: '*'wall.time'*) pass 'a failed check is in the report' ;;
*) fail 'a failed check is in the report' "$out" ;;
esac

# A trial that does not add up is left out, and only that one.
run env BENCH_PROBE_FAULT=clock@2 "$BENCH" -q --trials=3 --duration=200ms --warmup=0 -o one.json --workers=1 cpu
expect 'one bad trial: the run' "$code" 0
case $out in
*'wall time'*'left out'*'trial 2: '*'of the wall time is unaccounted for'*) pass 'one bad trial: the report tells which' ;;
*) fail 'one bad trial: the report tells which' "$out" ;;
esac
expect 'one bad trial: the others are there' \
	"$(json one.json '(lambda r: [r["status"], [t is None for t in r["trials"]], [l["trial"] for l in r["left_out"]], r["value"] > 0.3])(metric(0, "wall.time", cause="user"))')" \
	"['ok', [False, True, False], [2], True]"
expect 'one bad trial: the shares sum to 1' \
	"$(json one.json 'abs(sum(m["value"] or 0 for m in d["jobs"][0]["metrics"] if m["name"] == "wall.time") - 1) < 0.02')" True
run env BENCH_PROBE_FAULT=clock "$BENCH" -q --trials=2 --duration=200ms --warmup=0 -o all.json --workers=1 cpu
expect 'all trials bad: no value, and all numbers' \
	"$(json all.json '(lambda r: [r["status"], r["value"], None in r["trials"], "left_out" in r])(metric(0, "wall.time", cause="user"))')" \
	"['invalid', None, False, False]"
finish
