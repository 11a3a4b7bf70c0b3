#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Both runtimes side by side: which jobs there are, that they run in turns, and what is compared.
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

b() { run "$BENCH" --runtime=uring,blocking --duration=60ms --warmup=20ms -q "$@"; }
plan() { b -n "$@"; }

plan disk,size=16m,bs=8k
expect 'a family: two jobs' "$(printf '%s\n' "$out" | grep -c '^job ')" 2
expect 'the async module, one operation at a time' \
	"$(printf '%s\n' "$out" | grep -c 'params .*bs=8k.* depth=1 ')" 1
expect 'its sibling with the same parameters' \
	"$(printf '%s\n' "$out" | grep -A4 'disk_sync,bs=8k,size=16m@blocking' | grep -c 'bs=8k')" 2
plan disk,size=16m,depth=32
expect 'what is given stays' "$(printf '%s\n' "$out" | grep -c ' depth=32 ')" 1
plan disk,size=16m,workers=1
expect 'the name says how to run it alone' "$(printf '%s\n' "$out" | grep -c 'disk_sync,size=16m,workers=1@blocking$')" 1
plan net_sync
expect 'the blocking module brings its family' \
	"$(printf '%s\n' "$out" | sed -n 's/^job [0-9]* *//p' | tr '\n' ' ')" 'net@uring net_sync@blocking '
plan net net_sync
expect 'both of a family are one pair' "$(printf '%s\n' "$out" | grep -c '^job ')" 2
plan cpu ring
expect 'others once on each, or on the one they can' \
	"$(printf '%s\n' "$out" | sed -n 's/^job [0-9]* *//p' | tr '\n' ' ')" 'cpu@uring cpu@blocking ring@uring '
plan 'disk,size=16m,depth={1,8}'
expect 'a sweep: a pair for each value' "$(printf '%s\n' "$out" | grep -c '^job ')" 4
plan
expect 'the suite: as many pairs in turns as jobs on blocking' \
	"$(printf '%s\n' "$out" | grep -c 'in turns')" "$(printf '%s\n' "$out" | grep -c '@blocking')"
printf '[general]\nruntime = uring,blocking\n[small]\nmodule = net\nflows = 4\n' >c.conf
run "$BENCH" --config c.conf -n -q
expect 'in a config file' "$(printf '%s\n' "$out" | sed -n 's/^job [0-9]* *//p' | tr '\n' ' ')" \
	'small@uring small@blocking '
check_one_line 'exec has one runtime' 125 'give --runtime=auto' "$BENCH" exec --runtime=uring,blocking -- true

b --trials=6 -o pair.json net_sync,mode=rr cpu
expect 'runs' "$code" 0
expect 'both are active' "$(json pair.json '[d["runtime"]["active"], d["runtime"]["requested"]]')" \
	"['both', 'both']"
expect 'each job names its own' "$(json pair.json '[j["runtime"] for j in d["jobs"]]')" \
	"['uring', 'blocking', 'uring', 'blocking']"
expect 'all ok' "$(json pair.json '{j["status"] for j in d["jobs"]}')" "{'ok'}"
expect 'compared by pairs of trials' \
	"$(json pair.json '[(c["base"], c["jobs"][0]["job"], c["jobs"][0]["pairs"]) for c in d["comparisons"]]')" \
	"[('net_sync,mode=rr@blocking', 'net,mode=rr@uring', 6), ('cpu@blocking', 'cpu@uring', 6)]"
expect 'what only one has' "$(json pair.json 'd["comparisons"][0]["jobs"][0]["unlike"].get("flows")')" 1
explained() { # METRIC of the first pair, blocking and uring
	json pair.json '[(e["base"], e["value"]) for e in d["comparisons"][0]["jobs"][0]["explained"] if e["metric"] == "'"$1"'"][0]'
}
# A round trip of blocking sockets is two system calls at each end; with a ring as many on two CPUs, or
# one at each where send and receive go together.
if [ "$(json pair.json 'metric(0, "syscalls.per_op")["status"]')" != ok ]; then
	skip 'system calls' "$(json pair.json 'metric(0, "syscalls.per_op").get("note")')"
else
	expect 'system calls of a round trip' \
		"$(json pair.json '[round(v) for e in d["comparisons"][0]["jobs"][0]["explained"] if e["metric"] == "syscalls.per_op" for v in (e["base"],)]')" '[4]'
	expect 'no more with a ring' "$(explained syscalls.per_op | python3 -c 'b, u = eval(input()); print(u < b + 1 or (b, u))')" True
fi
expect 'CPU time is that of the jobs' "$(explained cpu.per_op)" \
	"$(json pair.json '(metric(1, "cpu.per_op")["value"], metric(0, "cpu.per_op")["value"])')"
if [ "$(json pair.json 'metric(0, "wall.time", cause="user") is not None')" = True ]; then
	# Threads' time by cause sums to what two threads had for each operation.
	expect 'the causes explain the time' "$(json pair.json '[abs(sum(e[k] for e in d["comparisons"][0]["jobs"][0]["explained"] if e["metric"] == "wall.time.per_op") / (2e9 / metric(j, "ops")["value"]) - 1) < 0.1 for k, j in (("base", 1), ("value", 0))]')" '[True, True]'
else
	skip 'causes' 'no probes here'
fi
check 'the text report has it' 0 'runtimes, per op' "$BENCH" report pair.json
check 'by name' 0 'net,mode=rr@uring : net_sync,mode=rr@blocking' "$BENCH" report pair.json
run python3 "$here/../report/validate.py" "$here/../../docs/result.schema.json" pair.json
if [ "$code" = 77 ]; then skip 'schema' "$out"; else expect 'the schema' "$code $out" '0 '; fi
finish
