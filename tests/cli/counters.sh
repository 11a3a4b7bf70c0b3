#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Scopes of the counters and their options, as far as software events show them.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

count() { # scope
	run "$BENCH" cpu --workers=1 --duration=200ms --warmup=0 --trials=2 --no-probes -q \
		--counters=task-clock,context-switches --scope="$1" -o "$1.json"
	[ "$code" = 0 ] || fail "--scope=$1 runs" "$err"
}

# Value of a metric of a scope, or its status.
value() { # file name scope
	python3 - "$@" <<'PY'
import json, sys
for m in json.load(open(sys.argv[1]))["jobs"][0]["metrics"]:
    if m["name"] == sys.argv[2] and m["labels"].get("scope") == sys.argv[3]:
        print(m["value"] if m["value"] is not None else m["status"])
PY
}

check 'unknown scope' 2 'worker.*cpu.*both' "$BENCH" cpu --scope=core
check 'top-down on any host' 0 '' "$BENCH" cpu --duration=20ms --warmup=0 --trials=1 --no-probes \
	-q --counters=topdown,energy,task-clock --multiplex -o words.json
if ! command -v python3 >/dev/null; then
	skip 'scopes' 'python3 is not installed'
	finish
fi
if value words.json topdown.retiring worker | grep -q .; then
	pass 'top-down has a value or says why not'
else
	fail 'top-down has a value or says why not'
fi
# Where the numbers come from is told: perf events when they were asked for, else not.
for args in '' --counters=task-clock; do
	# shellcheck disable=SC2086
	run "$BENCH" cpu $args --duration=20ms --warmup=0 --trials=1 --no-probes -q -o source.json --force
	expect "note of task-clock with '$args'" \
		"$(json source.json '"getrusage" in metric(0, "task-clock").get("note", "")')" \
		"$([ "$args" ] && echo False || echo True)"
	expect "heading of the counters with '$args'" "$(printf '%s\n' "$out" | grep -c 'per trial, .*no perf event')" \
		"$([ "$args" ] && echo 0 || echo 1)"
done
for scope in worker cpu both; do
	count $scope
	for row in worker cpu; do
		v=$(value $scope.json task-clock $row)
		case $scope,$row in
		worker,cpu | cpu,worker) expect "--scope=$scope has no row of $row" "$v" '' ;;
		*,cpu)
			# A CPU's clock runs all the time, whoever has the CPU.
			if [ "$v" = not_permitted ]; then
				skip "--scope=$scope" 'CPUs may not be counted here'
			elif awk -v v="$v" 'BEGIN { exit !(v > 190e6 && v < 400e6) }'; then
				pass "--scope=$scope counts the whole time of the CPU"
			else
				fail "--scope=$scope counts the whole time of the CPU" "$v ns of 200 ms"
			fi
			;;
		*)
			if awk -v v="$v" 'BEGIN { exit !(v > 0 && v < 400e6) }'; then
				pass "--scope=$scope counts the worker's time"
			else
				fail "--scope=$scope counts the worker's time" "$v"
			fi
			;;
		esac
	done
done
finish
