#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bench exec: what is left behind, what is counted, what is told about failures.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

once="exec -q --no-probes --trials=1 --warmup=0"

# Uses 0.4 s of CPU time, says so with the file "spun", then sleeps for as long as it is told.
cat >spin.py <<'PY'
import sys, time
while time.process_time() < 0.4:
    pass
open("spun", "w").close()
time.sleep(float(sys.argv[1]))
PY

# --- what is left behind ---

# Start bench, send signals at their times, print its exit code (128 + signal when killed).
cat >send.py <<'PY'
import signal, subprocess, sys, time
plan, argv = sys.argv[1], sys.argv[2:]
p = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
for word in plan.split(","):
    name, at = word.split("@")
    time.sleep(float(at))
    p.send_signal(getattr(signal, "SIG" + name))
try:
    code = p.wait(timeout=10)
    print(code if code >= 0 else 128 - code)
except subprocess.TimeoutExpired:
    p.kill()
    print("hangs")
PY

alive() { # pattern; a killed tree may take a moment to go
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		pgrep -f "$1" >/dev/null || return 0
		sleep 0.1
	done
	pgrep -af "$1"
	pkill -KILL -f "$1"
}

survives() { # name plan code pattern command...
	name=$1 plan=$2 expected=$3 pattern=$4
	shift 4
	# shellcheck disable=SC2086
	run python3 send.py "$plan" "$BENCH" $once -o none -- "$@"
	expect "$name: exit code" "$out" "$expected"
	expect "$name: nothing lives on" "$(alive "$pattern")" ''
}

survives 'SIGTERM' TERM@.8 143 'sleep 7[.]31' sh -c 'sleep 7.31; true'
survives 'SIGINT, sent by kill' INT@.8 130 'sleep 7[.]32' sh -c 'sleep 7.32; true'
survives 'SIGTERM, ignored by the command' TERM@.8 143 'sleep 7[.]33' \
	sh -c 'trap "" TERM; sleep 7.33; sleep 7.33'
survives 'a second signal' TERM@.8,TERM@.3 143 'sleep 7[.]34' \
	sh -c 'trap "" TERM; sleep 7.34; sleep 7.34'
survives 'SIGKILL' KILL@.8 137 'sleep 7[.]35' sh -c 'sleep 7.35; true'
survives 'SIGTERM, in a session of its own' TERM@.8 143 'sleep 7[.]36' \
	sh -c 'setsid sh -c "sleep 7.36; true" & sleep 7.36; true'
survives 'SIGKILL, double fork and session of its own' KILL@.8 137 'sleep 7[.]37' \
	sh -c '(setsid sleep 7.37 &) ; sleep 7.37; true'

# The grace is there to be used.
# shellcheck disable=SC2086
run python3 send.py TERM@.8 "$BENCH" $once -o none -- \
	sh -c 'trap "sleep 0.5; echo bye >bye; exit 3" TERM; sleep 7.38 & wait'
expect 'a command has time to clean up' "$(cat bye 2>&1)" bye

# shellcheck disable=SC2086
run "$BENCH" $once -o none -- sh -c 'setsid sleep 3.39 >/dev/null 2>&1 & exit 0'
expect 'a run that ends normally leaves what it started' "$code $(pgrep -fc '^sleep 3[.]39')" '0 1'
pkill -f '^sleep 3[.]39'

# --- ^C ---

cat >terminal.py <<'PY'
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
while not os.path.exists("ready"):
    time.sleep(0.05)
os.write(fd, b"\x03")
while True:
    try:
        if not os.read(fd, 4096):
            break
    except OSError:
        break
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
cat >count.py <<'PY'
import signal, time
n = 0
def on(signo, frame):
    global n
    n += 1
signal.signal(signal.SIGINT, on)
open("ready", "w").close()
end = time.monotonic() + 1.6
while time.monotonic() < end:
    time.sleep(0.01)
open("ints", "w").write(str(n))
PY
# shellcheck disable=SC2086
run timeout 20 python3 terminal.py "$BENCH" $once -o none -- python3 count.py
expect '^C on a terminal: exit code' "$out" 130
expect '^C on a terminal comes once' "$(cat ints 2>&1)" 1

# --- what is counted ---

# Wait for it, on a busy host, too; then for its end.
cat >spun.sh <<'SH'
until [ -e spun ]; do sleep 0.1; done
rm spun
sleep 0.3
SH
cpu='round(metric(0, "user")["value"] + metric(0, "sys")["value"]) >= 380e6'
# shellcheck disable=SC2086
run "$BENCH" $once -o orphan.json -- sh -c '(setsid python3 spin.py 0 &) ; . ./spun.sh'
expect 'CPU time of an orphan that ended within the run' "$(json orphan.json "$cpu")" True
# shellcheck disable=SC2086
run "$BENCH" $once -o running.json -- sh -c 'python3 "$PWD/spin.py" 14.41 & . ./spun.sh'
expect 'CPU time of a child that still runs' "$(json running.json "$cpu")" True
expect 'that children still run is told in the result' \
	"$(json running.json 'metric(0, "user")["note"][:23]')" '1 process still running'
case $err in
*'1 process still running'*) pass 'and in the report' ;;
*) fail 'and in the report' "$err" ;;
esac
expect 'it goes on' "$(pgrep -fc "$work/spin.py 14[.]41")" 1
pkill -f "$work/spin.py 14[.]41"
cat >later.sh <<'SH'
[ -e first ] && . ./spun.sh && exit
touch first
python3 spin.py 0 &
SH
# shellcheck disable=SC2086
run "$BENCH" $once --trials=2 -o later.json -- sh later.sh
expect 'what an earlier run left is not counted in a later one' \
	"$(json later.json 'metric(0, "user")["trials"][1] + metric(0, "sys")["trials"][1] < 200e6')" True
# The peak of bench, in bytes, on the last line.
run python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)' "$BENCH" exec -q --trials=1 --warmup=0 -o rss.json -- true
if grep -q __asan_init "$BENCH"; then
	skip 'maxrss of next to nothing' 'a sanitized bench holds far more when it forks'
else
	expect 'maxrss is not that of bench' "$(json rss.json "metric(0, 'maxrss')['value'] < $out / 2")" True
	expect 'maxrss of next to nothing is an upper bound' \
		"$(json rss.json 'metric(0, "maxrss")["note"].startswith("at most")')" True
fi
# shellcheck disable=SC2086
run "$BENCH" $once -o big.json -- sh -c 'true; python3 -c "bytearray(100 << 20)"; true'
expect 'maxrss is that of the largest process' \
	"$(json big.json '100 << 20 < metric(0, "maxrss")["value"] < 150 << 20')" True

for counters in '' --counters; do
	# shellcheck disable=SC2086
	run "$BENCH" $once $counters -o counted$counters.json -- python3 spin.py 0
	for name in task-clock context-switches page-faults; do
		expect "$name ${counters:-without counters}" \
			"$(json counted$counters.json "metric(0, '$name', scope='tree')['value'] > 0")" True
	done
	expect "task-clock is the CPU time ${counters:-without counters}" \
		"$(json counted$counters.json '380e6 < metric(0, "task-clock")["value"] < 1500e6')" True
done

# --- failures ---

cat >flaky <<'SH'
#!/bin/sh
n=$(cat n 2>/dev/null || echo 0)
echo $((n + 1)) >n
exit $((n % 2 * 7))
SH
chmod +x flaky
check 'runs that fail decide the exit code' 7 '2 of 4 runs failed \(status 7\)' \
	"$BENCH" exec -q -i --no-probes --trials=4 --warmup=0 -o flaky.json -- ./flaky
expect 'the status of the first run that failed' "$(json flaky.json 'metric(0, "exit_status")["value"]')" 7
expect 'all statuses' "$(json flaky.json 'metric(0, "exit_status")["trials"]')" '[0, 7, 0, 7]'
expect 'a warning' "$(json flaky.json 'sum("2 of 4 runs failed" in w for w in d["warnings"])')" 1
rm n
check 'without -i the first failure is the end' 7 'exited with status 7' \
	"$BENCH" exec -q --no-probes --trials=4 --warmup=0 -o none -- ./flaky
check 'no run failed' 0 'exit status +0' "$BENCH" exec -q -i --no-probes --trials=2 -o none -- true

# --- a series: short runs that follow each other without a way to bench and back ---

# Says how often it ran; fails in the run whose number the file "bad" has.
cat >count <<'SH'
#!/bin/sh
read -r n <n
n=$((n + 1))
echo $n >n
read -r bad <bad
[ $n != "$bad" ]
SH
chmod +x count
series="exec -q --no-probes --warmup=0 --discard-output"
counted() { # number of the run that fails, options...
	echo 0 >n
	echo "$1" >bad
	shift
	# shellcheck disable=SC2086
	run "$BENCH" $series --trials=150 --force -o series.json "$@" -- ./count
}
counted 0
expect 'a series: so many runs as were asked for' "$code $(cat n)" '0 150'
expect 'each of them is in the result' "$(json series.json 'len(metric(0, "wall")["trials"]), min(metric(0, "wall")["trials"]) > 0')" \
	'(150, True)'
expect 'each of them has its own time' "$(json series.json 'len(set(metric(0, "wall")["trials"])) > 100')" True
counted 77
expect 'a series ends with the run that fails' "$code $(cat n)" '1 77'
expect 'that run is in the result, after those before it' \
	"$(json series.json 'len(metric(0, "exit_status")["trials"]), metric(0, "exit_status")["trials"][75:]')" '(77, [0, 1])'
counted 77 -i
expect 'with -i it goes on' "$code $(cat n)" '1 150'
expect 'with the status of the one' "$(json series.json 'metric(0, "exit_status")["trials"].index(1)')" 76
echo 0 >n
echo 60 >bad
cat >vanish <<'SH'
#!/bin/sh
read -r n <n
n=$((n + 1))
echo $n >n
read -r bad <bad
[ $n != "$bad" ] || rm "$0"
SH
chmod +x vanish
# shellcheck disable=SC2086
run "$BENCH" $series --trials=150 --force -o series.json -- ./vanish
expect 'a command that goes away in a series' "$code $(cat n)" '127 60'
expect 'its runs are kept' "$(json series.json 'len(metric(0, "wall")["trials"])')" 60
# What a run leaves running is no part of the next one.
# shellcheck disable=SC2086,SC2016
run "$BENCH" $series --trials=5 --force -o series.json -- sh -c 'sleep 8.17 & exit 0'
expect 'a run of a series that leaves something running' "$(json series.json 'len(metric(0, "wall")["trials"])')" 5
expect 'what was left goes on' "$(pgrep -fc 'sleep 8[.]17')" 5
pkill -f 'sleep 8[.]17'
echo 0 >n
echo 0 >bad
# shellcheck disable=SC2086
run python3 send.py INT@.4 "$BENCH" $series --trials=1000 --force -o series.json -- ./count
expect '^C in a series: exit code' "$out" 130
n=$(cat n)
expect 'what had finished is saved' \
	"$(json series.json "$n - 1 <= len(metric(0, 'wall')['trials']) <= $n, d['jobs'][0]['status']")" "(True, 'interrupted')"

printf '#!/no/such/interpreter -x\necho\n' >bad && chmod +x bad
printf '#!/bin/sh\r\necho\n' >dos && chmod +x dos
printf 'text' >plain
# shellcheck disable=SC2086
{
	check_one_line 'a script with a bad interpreter' 126 "bad interpreter '/no/such/interpreter'" \
		"$BENCH" $once -o none -- ./bad
	check_one_line 'a bad interpreter, by PATH' 126 'bad interpreter' \
		env PATH="$work:$PATH" "$BENCH" $once -o none -- bad
	check_one_line 'a script with DOS line ends' 126 'carriage return' "$BENCH" $once -o none -- ./dos
	check_one_line 'not executable' 126 'Permission denied' "$BENCH" $once -o none -- ./plain
	check_one_line 'not found' 127 'No such file' "$BENCH" $once -o none -- ./nowhere
	check_one_line 'not found in PATH' 127 'No such file' "$BENCH" $once -o none -- no-such-command
}

# --- which program is run ---

mkdir path1 path2
printf '#!/bin/sh\necho first\nrm "$0"\n' >path1/which-one
printf '#!/bin/sh\necho second\n' >path2/which-one
chmod +x path1/which-one path2/which-one
run env PATH="$work/path1:$work/path2:$PATH" "$BENCH" exec -q --no-probes --trials=3 --warmup=0 -o none \
	-- which-one
expect 'a program that goes away is looked for again' "$(printf '%s\n' "$out" | sed '/^bench /,$d')" 'first
second
second'
mkdir path3
printf 'echo no interpreter line\n' >path3/plain-one
chmod +x path3/plain-one
# shellcheck disable=SC2086
run env PATH="$work/path3:$PATH" "$BENCH" $once -o none -- plain-one
expect 'a script without an interpreter, by PATH' "$(printf '%s\n' "$out" | sed '/^bench /,$d')" \
	'no interpreter line'
if command -v strace >/dev/null; then
	run env PATH="$work/no1:$work/no2:$PATH" strace -f -qq -e trace=execve -o calls \
		"$BENCH" exec -q --no-probes --trials=5 --warmup=0 -o none -- true
	expect 'PATH is searched before it is timed' "$(grep -c '/no[12]/true' calls)" 0
else
	skip 'PATH is searched before it is timed' 'no strace'
fi

# --- its worst waits ---

if [ "$(id -u)" = 0 ]; then
	# shellcheck disable=SC2086
	run "$BENCH" exec -q --trials=2 --warmup=0 --force -o worst.json -- \
		sh -c '(sleep 0.31); sleep 0.05; sleep 0.05'
	worst='[m for m in d["jobs"][0]["metrics"] if m["name"] == "wall.worst" and m["labels"]["cause"] == "blocked.timer"]'
	expect 'the longest wait of the tree: by whom' \
		"$(json worst.json "' '.join(m['labels']['task'] for m in $worst)")" sleep
	expect 'the longest wait of the tree: how long' \
		"$(json worst.json "all(0.31e9 <= t < 0.45e9 for m in $worst for t in m['trials'])")" True
	expect 'the longest wait is in the report' \
		"$(printf '%s\n' "$out" "$err" | grep -cE 'blocked[.]timer 3[1-4][0-9](\.[0-9]+)? ms [(]sleep[)]')" 1
else
	skip 'the longest wait of the tree' 'probes need root'
fi

# --- the rest ---

# shellcheck disable=SC2086
run "$BENCH" $once -o lines.json -- sh -c 'echo 1
echo 2'
expect 'a command of several lines has a title of one' "$(json lines.json 'd["jobs"][0]["name"]')" \
	'sh -c echo 1...'
expect 'its arguments are all there' "$(json lines.json 'd["jobs"][0]["params"]["argv"][2]')" 'echo 1
echo 2'

# shellcheck disable=SC2086
run "$BENCH" $once -o none -- grep -E '^Sig(Blk|Ign)' /proc/self/status
expect 'no signal is blocked' "$(printf '%s\n' "$out" | sed -n 's/^SigBlk:\t//p')" 0000000000000000
expect 'SIGPIPE and SIGXFSZ have their default action' \
	"$((0x$(printf '%s\n' "$out" | sed -n 's/^SigIgn:\t//p') & 0x1001000))" 0
finish
