#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# --threshold of run and exec: what it does to the exit status, the result and the report.
# shellcheck source=tests/cli/lib.sh
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/cli/lib.sh"

schema=$root/docs/result.schema.json
brief='--runtime=blocking --trials=1 --duration=20ms --warmup=0 --no-probes -q'
once='exec -q --no-probes --trials=1 --warmup=0'

# shellcheck disable=SC2086
{
	check 'one that holds' 0 'thresholds +ok +ops>1' "$BENCH" $brief -o ok.json --threshold='ops>1' cpu
	expect 'the result tells it' "$(json ok.json '[(t["metric"], t["limit"], t["status"]) for t in d["jobs"][0]["thresholds"]], d["thresholds"]')" \
		"([('ops', 1, 'ok')], [{'threshold': 'ops>1', 'jobs': 1, 'status': 'ok'}])"
	check 'one that is broken' 3 'thresholds +broken +ops<1 +ops is ' "$BENCH" $brief -o none --threshold='ops<1' cpu
	check 'one of two is broken' 3 'broken +errors>0' "$BENCH" $brief -o none --threshold='ops>1' --threshold='errors>0' cpu
	check 'a named job without the metric' 3 'the job has no such metric' "$BENCH" $brief -o none \
		--threshold='[cpu*] latency.p99<1s' cpu
	check 'no job has the metric' 3 '' "$BENCH" $brief -o lost.json --threshold='nosuch<1' cpu
	expect 'the result tells that, too' "$(json lost.json 'd["thresholds"], "thresholds" in d["jobs"][0]')" \
		"([{'threshold': 'nosuch<1', 'jobs': 0, 'status': 'unknown'}], False)"
	check 'a full disk weighs more' 1 'not saved' sh -c "'$BENCH' $brief -o - --threshold='ops<1' cpu >/dev/full"
	check_one_line 'one that says nothing' 2 "^bench: threshold 'ops': give METRIC" "$BENCH" $brief --threshold=ops cpu
	printf '[general]\nthreshold = ops>1;[cpu*] errors == 0\n' >conf
	check 'in the config file' 0 'errors == 0' "$BENCH" $brief -o none --config=conf cpu
	check 'the command line replaces those' 3 'ops<1' "$BENCH" $brief -o none --config=conf --threshold='ops<1' cpu

	check 'exec: one that holds' 0 'ok +wall<1h' "$BENCH" $once -o exec.json --threshold='wall<1h' -- true
	check 'exec: one that is broken' 3 'broken +wall>1h' "$BENCH" $once -o none --threshold='wall>1h' -- true
	check 'exec: the command'"'"'s own status' 7 'broken +wall>1h' "$BENCH" $once -o none --threshold='wall>1h' -- sh -c 'exit 7'
	check_one_line 'exec: one that says nothing' 125 "no value" "$BENCH" $once --threshold='wall<x' -- true
	"$BENCH" report --format=junit --threshold='wall>1h' exec.json >junit.xml
	expect 'report: a saved result' "$? $(grep -c '<failure type="threshold"' junit.xml)" '3 1'
}
if python3 -c 'import jsonschema' 2>/dev/null; then
	for f in ok lost exec; do
		check "$f.json is of the schema" 0 '' python3 "$root/tests/report/validate.py" "$schema" "$f.json"
	done
else
	skip 'the schema' 'python3-jsonschema is not installed'
fi
finish
