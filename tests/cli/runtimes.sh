#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Both runtimes: chosen by option and config file, async modules rejected or skipped on blocking.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

short='--trials=1 --duration=50ms --warmup=20ms --no-probes -q'
# shellcheck disable=SC2086
b() { run "$BENCH" $short "$@"; }

b --runtime=uring -o u.json disk,size=16m disk_sync,size=16m net net_sync cpu
expect 'uring runs all' "$code" 0
expect 'uring is active' "$(json u.json 'd["runtime"]["active"]')" uring
expect 'all jobs ok' "$(json u.json '{j["status"] for j in d["jobs"]}')" "{'ok'}"
expect 'self-test passed' "$(json u.json 'd["runtime"]["selftest"]["passed"]')" True

b --runtime=blocking -o b.json disk_sync,size=16m net_sync cpu
expect 'blocking runs blocking modules' "$code" 0
expect 'blocking is active' "$(json b.json 'd["runtime"]["active"]')" blocking
expect 'all jobs ok on blocking' "$(json b.json '{j["status"] for j in d["jobs"]}')" "{'ok'}"

# shellcheck disable=SC2086
check_one_line 'an async module named on blocking' 2 "'disk'.*'disk_sync'" "$BENCH" $short --runtime=blocking disk
# shellcheck disable=SC2086
check_one_line 'another' 2 "'net'.*'net_sync'" "$BENCH" $short --runtime=blocking net,mode=stream

b --runtime=blocking -o s.json
expect 'the suite on blocking' "$code" 0
expect 'async jobs of the suite are skipped' \
	"$(json s.json '{j["status"] for j in d["jobs"] if j["exec"] == "async"}')" "{'skipped'}"
expect 'with a reason' \
	"$(json s.json 'all("_sync" in j["reason"] for j in d["jobs"] if j["exec"] == "async")')" True
expect 'and a warning each' \
	"$(json s.json 'sum("skipped" in w for w in d["warnings"]) >= sum(j["exec"] == "async" for j in d["jobs"])')" True

printf '[general]\nruntime = blocking\ntrials = 2\n' >c.conf
b --config c.conf -o c.json cpu
expect 'config file chooses the runtime' "$(json c.json 'd["runtime"]["active"]')" blocking
expect 'command line wins over the config file' "$(json c.json 'd["jobs"][0]["trials"]')" 1
b --config c.conf --runtime=uring -o cu.json cpu
expect 'also for the runtime' "$(json cu.json 'd["runtime"]["active"]')" uring
printf '[general]\ntrials = 1\n[one]\nmodule = cpu\nkernel = float\n[two]\nmodule = net_sync\n' >j.conf
b --config j.conf -o j.json
expect 'jobs of a config file' "$(json j.json '[j["name"] for j in d["jobs"]]')" "['one', 'two']"

# io_uring is not even probed when blocking was asked for.
if command -v strace >/dev/null && strace -f -e trace=none true 2>/dev/null; then
	# shellcheck disable=SC2086
	run strace -f -o trace -e trace=io_uring_setup,io_uring_enter,io_uring_register "$BENCH" $short --runtime=blocking -o t.json cpu
	expect 'a run on blocking under strace' "$code" 0
	expect 'strace wrote its trace to the end' "$(grep -c '+++ exited with 0 +++' trace)" \
		"$(grep -c '+++ exited' trace)"
	expect 'no io_uring call on blocking' "$(grep -c io_uring_ trace)" 0
	# shellcheck disable=SC2086
	run strace -f -o trace -e trace=io_uring_setup "$BENCH" $short --runtime=uring -o t2.json cpu
	expect 'a run on uring under strace' "$code" 0
	if grep -q io_uring_setup trace; then pass 'strace sees io_uring calls'; else fail 'strace sees io_uring calls'; fi
else
	skip 'no io_uring call on blocking' 'strace cannot trace here'
fi
finish
