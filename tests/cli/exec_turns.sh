#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bench exec: what runs around the command, several commands in turns, parameters, timeout.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

quick="exec -q --no-probes"

# Append a word to the file "log".
# shellcheck disable=SC2016
printf '#!/bin/sh\nprintf "%%s " "$@" >>log\n' >say
chmod +x say
logged() {
	cat log 2>/dev/null
	rm -f log
}

# --- around the command ---

# shellcheck disable=SC2086
{
	run "$BENCH" $quick --trials=2 --warmup=1 -o hooks.json --setup='./say setup' \
		--prepare='./say prepare' --cleanup='./say cleanup' -- ./say run
	expect 'set-up, preparation, clean-up: exit code' "$code" 0
	expect 'set-up, preparation, clean-up: order' "$(logged)" \
		'setup prepare run prepare run prepare run cleanup '
	expect 'they are in the result' \
		"$(json hooks.json '[d["jobs"][0]["params"][k] for k in ("setup", "prepare", "cleanup")]')" \
		"['./say setup', './say prepare', './say cleanup']"
	run "$BENCH" $quick --trials=2 --warmup=0 -o slow.json --prepare='sleep 0.4' -- true
	expect 'preparation is not in the wall time' "$(json slow.json 'metric(0, "wall")["value"] < 300e6')" True
	run "$BENCH" $quick --trials=2 --warmup=0 -o burn.json --counters=task-clock \
		--prepare='python3 -c "for i in range(9000000): pass"' -- true
	expect 'nor in CPU time' "$(json burn.json \
		'max(metric(0, "user")["value"] + metric(0, "sys")["value"], metric(0, "task-clock")["value"]) < 100e6')" True

	check_one_line 'a set-up that fails' 125 "^bench: --setup: '.*exit 3' exited with status 3$" \
		"$BENCH" $quick -o none --setup='./say setup; exit 3' --cleanup='./say cleanup' -- ./say run
	expect 'then nothing runs but the clean-up' "$(logged)" 'setup cleanup '
	check 'a preparation that fails' 125 "^bench: --prepare: '.*' exited with status 4$" \
		"$BENCH" $quick -o none --prepare='./say prepare; [ ! -e ran ] || exit 4' --warmup=0 \
		--cleanup='./say cleanup' -- sh -c './say run; touch ran'
	expect 'then nothing runs but the clean-up, either' "$(logged)" 'prepare run prepare cleanup '
	check 'a preparation that is killed' 125 '^bench: --prepare: .* was killed by signal 9' \
		"$BENCH" $quick -o none --prepare='kill -9 $$' -- true
	check 'a clean-up that fails' 125 "^bench: --cleanup: 'false' exited with status 1$" \
		"$BENCH" $quick --trials=1 -o cleanup.json --cleanup=false -- true
	expect 'the trials are there all the same' "$(json cleanup.json 'd["jobs"][0]["status"], d["jobs"][0]["trials"]')" "('ok', 1)"
	run "$BENCH" $quick -o none --cleanup='./say cleanup' -- sh -c './say run; exit 9'
	expect 'clean-up after a failure' "$code $(logged)" '9 run cleanup '
	run "$BENCH" $quick -o none --cleanup='./say cleanup' -- no-such-command
	expect 'clean-up when the command is not found' "$code $(logged)" '127 cleanup '

	# Not SIGINT: a shell has its background jobs ignore it, and bench leaves that alone.
	for signal in HUP TERM; do
		"$BENCH" $quick -o none --cleanup='sleep 0.3; ./say cleanup' -- \
			sh -c './say run; sleep 7.61' 2>/dev/null &
		for _ in $(seq 100); do [ -e log ] && break; sleep 0.1; done
		kill -$signal $!
		wait $!
		code=$?
		expect "clean-up after SIG$signal" "$((code > 128)) $(logged)" '1 run cleanup '
	done
	run "$BENCH" $quick --discard-output --trials=1 --warmup=0 -o none --setup='echo out; echo err >&2' -- echo x
	expect 'output of a set-up is discarded, too, but not what it says on stderr' \
		"$out/$(printf '%s' "$err" | grep -xc err)" /1
}

# A failure of bench's own ends the job that it is of, and no other.
# shellcheck disable=SC2086
{
	check 'a preparation that fails for one of two' 125 "^bench: echo 2: --prepare: .* exited with status 1$" \
		"$BENCH" $quick -o one.json --trials=3 --warmup=0 --parameter='n={1,2}' --prepare='[ {n} = 1 ]' -- echo '{n}'
	expect 'the other is measured' "$(json one.json '[(j["status"], j["trials"]) for j in d["jobs"]]')" \
		"[('ok', 3), ('failed', 0)]"
}

# --- timeout ---

# A lease on a file holds up whoever opens it, and so execve(2), until its holder gives way; after 45 s
# (fs.lease-break-time) the kernel takes it away.
cat >lease.py <<'PY'
import fcntl, os, signal, subprocess, sys, time
os.set_blocking(0, True)
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open("held", os.O_RDONLY | os.O_CLOEXEC)
try:
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
except OSError:
    sys.exit(77)
start = time.monotonic()
code = subprocess.call(sys.argv[1:])
sys.exit(code if time.monotonic() - start < 20 else 1)
PY
printf '#!/bin/sh\ntrue\n' >held
chmod +x held
# shellcheck disable=SC2086
run python3 lease.py "$BENCH" $quick -o none --trials=1 --warmup=0 --timeout=300ms -- ./held
if [ "$code" = 77 ]; then
	skip 'a command that hangs in execve' 'no leases on this file system'
else
	expect 'a command that hangs in execve is late like any other' "$code" 124
fi

# shellcheck disable=SC2086
{
	check 'a command that takes too long' 124 'ran longer than 0.3 s' \
		"$BENCH" $quick -o none --timeout=300ms --warmup=0 -- sh -c 'sleep 7.62 & sleep 7.62'
	expect 'its process tree is gone' "$(pgrep -fc '^sleep 7[.]62')" 0
	run "$BENCH" $quick -i --trials=2 --warmup=0 -o late.json --timeout=500ms -- \
		sh -c '[ -e once ] && sleep 7.63; touch once'
	expect 'the trial that was late does not count' \
		"$code $(json late.json 'd["jobs"][0]["status"], d["jobs"][0]["trials"]')" "124 ('failed', 1)"
	run "$BENCH" $quick --trials=2 -o none --timeout=20 -- true
	expect 'a command that does not' "$code" 0
}

# --- several commands ---

# shellcheck disable=SC2086
{
	run "$BENCH" $quick --trials=8 --warmup=1 -o turns.json --command='./say a' --command="./say 'b'" \
		--command='sleep 0.2' -n A --name=B
	expect 'names' "$(json turns.json '[j["name"] for j in d["jobs"]]')" "['A', 'B', 'sleep 0.2']"
	expect 'arguments' "$(json turns.json '[j["params"]["argv"] for j in d["jobs"]]')" \
		"[['./say', 'a'], ['./say', 'b'], ['sleep', '0.2']]"
	rounds=$(logged | sed 's/\(.\) \(.\) /\1\2\n/g')
	expect 'each round runs each command once' "$(printf '%s\n' "$rounds" | grep -cxE 'ab|ba')" 9
	expect 'the slower one is told' "$(json turns.json '[(j["job"], j["verdict"], j["pairs"]) for j in d["comparison"]["jobs"]][1]')" \
		"('sleep 0.2', 'slower', 8)"
	expect 'the interval is that of the pairs' "$(json turns.json '(lambda c, r: c["ci"] == [r[0], r[7]] and c["ratio"] == float("%.15g" % (metric(2, "wall")["value"] / metric(0, "wall")["value"])))(
		d["comparison"]["jobs"][1], sorted(float("%.15g" % (b / a)) for a, b in zip(metric(0, "wall")["trials"], metric(2, "wall")["trials"])))')" True
	case $err in
	*compared*'sleep 0.2 '*' slower'*) pass 'and in the report' ;;
	*) fail 'and in the report' "$err" ;;
	esac
	# The helper may be told of the start and of the end at once.
	run "$BENCH" $quick --trials=300 --warmup=0 -o short.json -- true
	expect 'no run ends before it began' \
		"$(json short.json 'all(0 < w < 20e9 for w in metric(0, "wall")["trials"])')" True
	# Order is random: the same in all of many rounds happens once in 2^29.
	run "$BENCH" $quick --trials=30 --warmup=0 -o none --command='./say a' --command='./say b'
	rounds=$(logged | sed 's/\(.\) \(.\) /\1\2\n/g')
	case $(printf '%s\n' "$rounds" | sort -u | tr '\n' ' ') in
	'ab ba ') pass 'in random order' ;;
	*) fail 'in random order' "$rounds" ;;
	esac
	run "$BENCH" $quick --trials=8 --warmup=0 -o same.json --command='sleep 0.05' --command='sleep 0.05'
	expect 'equal commands have names of their own' "$(json same.json '[j["name"] for j in d["jobs"]]')" \
		"['sleep 0.05', 'sleep 0.05 (2)']"
	expect 'an interval that holds 1 is noise' "$(json same.json '(lambda c: (c["ci"][0] <= 1 <= c["ci"][1]) == (c["verdict"] == "noise"))(d["comparison"]["jobs"][0])')" True
	run "$BENCH" $quick --trials=3 --warmup=0 -o few.json --command=true --command=true
	expect 'too few rounds for an interval' "$(json few.json '[d["comparison"]["jobs"][0][k] for k in ("ci", "verdict")]')" "[None, 'unknown']"
	run "$BENCH" $quick --trials=7 --warmup=0 -o fails.json --command=true --command='sh -c "exit 5"' --command=true
	expect 'one that fails does not stop the others' \
		"$code $(json fails.json '[(j["status"], j["trials"]) for j in d["jobs"]]')" \
		"5 [('ok', 7), ('failed', 1), ('ok', 7)]"
	run "$BENCH" $quick --trials=1 --warmup=0 -o none --command='echo $((3 * 14)) | cat'
	expect 'a line that needs a shell gets one' "$out" 42
	run "$BENCH" $quick --trials=1 --warmup=0 -o none --command='exit 6'
	expect 'and so does a built-in' "$code" 6
	run "$BENCH" exec -q --trials=3 --warmup=0 -o probed.json --command='sleep 0.1' \
		--command='i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done'
	asleep='[sum(m["value"] for m in j["metrics"] if m["name"] == "wall.time" and m["value"]
		and m["labels"]["cause"].startswith("blocked")) for j in d["jobs"]]'
	if [ "$(json probed.json "all($asleep)")" = True ]; then
		expect 'each has its own ledger' "$(json probed.json "(lambda s: s[1] < 0.4 < s[0])($asleep)")" True
	else
		skip 'each has its own ledger' 'no probes'
	fi
}

# --- parameters ---

# shellcheck disable=SC2086
{
	run "$BENCH" $quick --trials=1 --warmup=0 -o scan.json --parameter='n=1..3' --parameter='w={x,y}' \
		--setup='./say {w}' --prepare='./say n{n}' -- ./say '{n}{w}' '{m}'
	expect 'a job for each value' "$(json scan.json '[j["name"] for j in d["jobs"]]')" \
		"['./say 1x {m}', './say 1y {m}', './say 2x {m}', './say 2y {m}', './say 3x {m}', './say 3y {m}']"
	expect 'they are a sweep' "$(json scan.json 'd["jobs"][3]["sweep"]')" \
		"{'name': './say {n}{w} {m}', 'params': {'n': 2, 'w': 'y'}}"
	log=$(logged)
	expect 'a set-up for each value that it has' "${log%%n*}" 'x y '
	case " $log" in
	*' n3 3y {m} '*) pass 'the preparation is of the same value' ;;
	*) fail 'the preparation is of the same value' "$log" ;;
	esac
	case $err in
	*sweep*'n=2 w=y '*) pass 'the report draws the curve' ;;
	*) fail 'the report draws the curve' "$err" ;;
	esac
	run "$BENCH" $quick --trials=1 --warmup=0 -o sizes.json --parameter='s=4k..16k*2' --name=X -- echo '{s}'
	expect 'sizes' "$(json sizes.json '[(j["name"], j["params"]["argv"][1], j["sweep"]["params"]["s"]) for j in d["jobs"]]')" \
		"[('X,s=4k', '4k', 4096), ('X,s=8k', '8k', 8192), ('X,s=16k', '16k', 16384)]"

	check_one_line 'a parameter of one value' 125 "is one value" "$BENCH" $quick --parameter=n=3 -- echo '{n}'
	check_one_line 'a parameter without a name' 125 'give NAME=VALUES' "$BENCH" $quick --parameter='{1,2}' -- true
	check_one_line 'a parameter that is used nowhere' 125 'write \{n\} into the command' \
		"$BENCH" $quick --parameter='n={1,2}' -- true
	check_one_line 'a parameter given twice' 125 'given twice' \
		"$BENCH" $quick --parameter='n={1,2}' --parameter='n={1,2}' -- echo '{n}'
	check_one_line 'a range backwards' 125 'from the lower value' "$BENCH" $quick --parameter=n=5..1 -- echo '{n}'
	check_one_line 'too many jobs' 125 'more than 1000' "$BENCH" $quick --parameter=n=1..40 \
		--parameter=m=1..40 -- echo '{n}{m}'
	check_one_line 'two ways at once' 125 'not both' "$BENCH" $quick --command=true -- true
	check_one_line 'more names than commands' 125 '2 names for 1 command' "$BENCH" $quick -n a -n b -- true
	check_one_line 'an empty command' 125 'there is no word' "$BENCH" $quick --command=' '
	check_one_line 'an empty set-up' 125 'command is empty' "$BENCH" $quick --setup= -- true
}

printf '[exec]\nsetup = ./say conf\ntrials = 1\nwarmup = 0\n' >conf
# shellcheck disable=SC2086
run "$BENCH" $quick --config=conf -o none -- ./say run
expect 'a set-up from the config file' "$(logged)" 'conf run '
finish
