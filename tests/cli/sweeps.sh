#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the jobs of a sweep say together: knees, the curve over another metric, scaling; in the result, by
# the schema, and in the report.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

short='--trials=1 --duration=30ms --warmup=10ms --no-probes -q --force'
nr_cpus=$(python3 -c 'import os; print(len(os.sched_getaffinity(0)))')

valid() { # name file
	python3 "$root/tests/report/validate.py" "$root/docs/result.schema.json" "$2" >valid.out 2>&1
	case $? in
	0) pass "$1" ;;
	77) skip "$1" "$(cat valid.out)" ;;
	*) fail "$1" "$(cat valid.out)" ;;
	esac
}

# --- knees ---
# Any core has 16 KiB at the speed of 8 KiB and none has 32 MiB at it. Whether 64 MiB are slower still, or
# the curve settles from 32 MiB on, is the host's matter. A busy host has its moments.
knees=0
for _ in 1 2 3 4 5; do
	run "$BENCH" --trials=3 --duration=60ms --warmup=10ms --no-probes -q --force -o size.json \
		'memory,workers=1,size={8k,12k,16k,32m,64m}'
	knees=$(json size.json 'sum(k["kind"] == "leaves" and k["low"] == 16 << 10 for k in d["sweeps"][0]["curves"][0]["knees"])')
	[ "$knees" = 0 ] || break
done
expect 'a sweep over sizes' "$code" 0
expect 'a level ends between 16 KiB and 32 MiB' "$knees" 1
valid 'its result is by the schema' size.json
expect 'a job says what stands for it' "$(json size.json 'd["jobs"][0]["figure"]')" memory.load
expect 'the curve is that of the loads' \
	"$(json size.json '[d["sweeps"][0]["curves"][0][k] for k in ("x", "x_unit", "y", "y_unit")]')" \
	"['size', 'B', 'memory.load', 'ns']"
expect 'the report marks it' "$(printf '%s\n' "$out" | grep -cE '◂ knee$')" \
	"$(json size.json 'len({k["job"] for k in d["sweeps"][0]["curves"][0]["knees"]})')"
case $out in
*'  knee '*' between '*) pass 'the report tells it' ;;
*) fail 'the report tells it' "$out" ;;
esac
run "$BENCH" report size.json
case $out in
*'◂ knee'*) pass 'a saved result has it, too' ;;
*) fail 'a saved result has it, too' "$out" ;;
esac
# shellcheck disable=SC2086
run "$BENCH" $short -o few.json 'memory,workers=1,size={8k,16k,32m}'
expect 'three values have no shape' "$(json few.json 'd["sweeps"][0]["curves"]')" '[]'

# --- loaded latency, scaling ---
if [ "$nr_cpus" -lt 2 ]; then
	skip 'loaded latency and scaling' 'there is one CPU'
	finish
fi
# shellcheck disable=SC2086
run "$BENCH" $short -o loaded.json 'memory,mode=loaded,size=16m,delay={0,1000,10000,1000000}'
expect 'a delay ladder' "$code" 0
valid 'its result is by the schema' loaded.json
expect 'the curve is over the traffic' "$(json loaded.json 'd["sweeps"][0]["curves"][0]["x"]')" \
	memory.traffic
expect 'half and four fifths of the most' \
	"$(json loaded.json '[s["of"] for s in d["sweeps"][0]["curves"][0]["shares"]]')" '[0.5, 0.8]'
expect 'the report has both axes' \
	"$(printf '%s\n' "$out" | grep -cE '^  delay=[0-9]+ +[0-9.]+ .?B/s +[0-9.]+ .s ')" 4

# shellcheck disable=SC2086
run "$BENCH" $short -o scale.json cpu,kernel=lz,workers=1..2
expect 'a sweep over workers' "$code" 0
valid 'its result is by the schema' scale.json
expect 'two workers to one' "$(json scale.json '[r["workers"] for r in d["sweeps"][0]["scaling"]]')" '[2]'
# On a busy host it may be anything between; twice of one is more than two can do.
expect 'the speed-up is one' \
	"$(json scale.json '0.2 < d["sweeps"][0]["scaling"][0]["speedup"]["value"] < 4')" True
case $out in
*'  scaling '*'2 workers on '*) pass 'the report tells it' ;;
*) fail 'the report tells it' "$out" ;;
esac
# shellcheck disable=SC2086
check 'spread' 0 '' "$BENCH" $short -o spread.json 'cpu,spread={one,core,pu}'
valid 'its result is by the schema' spread.json
expect 'one worker, then more' "$(json spread.json 'len(d["jobs"][0]["placement"])')" 1
# shellcheck disable=SC2086
check_one_line 'spread and workers' 2 'either workers= or spread=' "$BENCH" $short -o none \
	cpu,spread=core,workers=2
# shellcheck disable=SC2086
check_one_line 'spread of a pair' 2 'any number of workers' "$BENCH" $short -o none c2c,spread=core
finish
