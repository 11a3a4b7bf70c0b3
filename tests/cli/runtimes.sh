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

# The limit of locked memory, for real, as a user who has no rings besides.
# shellcheck disable=SC2016,SC2086
if [ "$(id -u)" != 0 ]; then
	skip 'memlock' 'needs root, to become another user'
else
	chmod 755 . && mkdir -p user && chmod 777 user
	cp "$BENCH" user/bench # the project may lie where only root can look
	uid=$((60000 + $$ % 5000))
	limited() { # KIB arguments...
		kib=$1
		shift
		run setpriv --reuid=$uid --regid=$uid --clear-groups sh -c \
			'cd user && ulimit -l "$0" && exec ./bench "$@"' "$kib" "$@"
	}
	limited 0 list runtimes
	if ! printf '%s' "$out" | grep -q 'RLIMIT_MEMLOCK = 0 KiB'; then
		skip 'memlock' 'this kernel does not count rings as locked memory'
	else
		limited 64 $short --runtime=uring -o none cpu
		expect 'no memory for a ring: exit 2' "$code" 2
		expect 'no memory for a ring: one line with cause and remedy' \
			"$(printf '%s\n' "$err" | grep -cE '^bench: make a ring: .*RLIMIT_MEMLOCK = 64 KiB: .*remedy: ulimit -l unlimited') $(printf '%s\n' "$err" | wc -l)" '1 1'
		limited 64 $short -o auto.json cpu
		expect 'auto goes on' "$code $(json user/auto.json '[d["runtime"]["active"], d["jobs"][0]["status"]]')" \
			"0 ['blocking', 'ok']"
		expect 'auto says why' "$(printf '%s\n' "$err" | grep -c 'warning: falling back to the blocking runtime: .*RLIMIT_MEMLOCK.*remedy')" 1
		expect 'and in the result' "$(json user/auto.json '"RLIMIT_MEMLOCK" in d["runtime"]["reason"]')" True
		# Room for the orchestrator's ring and no worker's.
		limited 128 $short --runtime=uring -o none cpu,workers=1
		expect 'no memory for the ring of a worker: exit 2, before any workload' \
			"$code $(printf '%s\n' "$err" | grep -c '^bench: cpu.*: 1 worker: make a ring: .*RLIMIT_MEMLOCK = 128 KiB')" '2 1'
		limited 128 $short -o auto2.json cpu,workers=1
		expect 'auto goes on without rings' "$code $(json user/auto2.json '[d["runtime"]["active"], d["runtime"]["requested"], d["jobs"][0]["status"]]')" \
			"0 ['blocking', 'auto', 'ok']"
		expect 'and says for whom there was none' "$(printf '%s\n' "$err" | grep -c 'warning: falling back to the blocking runtime: cpu.*: 1 worker: make a ring')" 1
		limited 128 $short -o suite.json -n
		expect 'the plan is made anew' "$code $(printf '%s' "$out" | grep -c 'skipped .*needs the uring runtime')" \
			"0 $("$BENCH" -n --runtime=blocking | grep -c 'skipped .*needs the uring runtime')"
		# Just enough, again and again: what a closed ring held comes back.
		for _ in 1 2 3 4 5; do
			limited 172 $short --runtime=uring -o none cpu,workers=1
			[ "$code" = 0 ] || break
		done
		expect 'two rings fit, five times' "$code" 0
		HOME=/root XDG_CONFIG_HOME='' limited 8192 $short --runtime=uring -o none cpu
		expect "a home that is another user's is no error" "$code" 0
	fi
fi

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
