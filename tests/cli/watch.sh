#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bench exec -p and --cgroup: what runs already, watched and left alone.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

watch="exec -q --force"

# Two threads that sleep, and one that begins to spin when the file "go" appears; a child is forked
# then, which spins, too. What they have spun is known: 0.3 s each. With a word it ends at once then.
cat >load.py <<'PY'
import os, sys, threading, time
def spin():
    t = time.thread_time()
    while time.thread_time() - t < 0.3:
        pass
for i in range(2):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
open("ready", "w").close()
while not os.path.exists("go"):
    time.sleep(0.02)
pid = os.fork()
spin()
if not pid:
    os._exit(0)
os.waitpid(pid, 0)
open("spun", "w").close()
time.sleep(0 if len(sys.argv) > 1 else 60)
PY
start() {
	rm -f ready go spun
	python3 load.py "$@" &
	load=$!
	until [ -e ready ]; do sleep 0.05; done
}
stop() {
	kill "$load" 2>/dev/null
	wait "$load" 2>/dev/null
}
# Spin when bench is at it: it has loaded its probes by then (or not, then it is early).
cat >later.py <<'PY'
import glob, os, signal, subprocess, sys, time
argv = sys.argv[2:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of sh ignores it
end = sys.argv[1]  # what ends the watch: a signal, or - for nothing
p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=open("watch.err", "w"))
time.sleep(float(os.environ.get("AFTER", "5")))
open("go", "w").close()
while not os.path.exists("spun"):
    time.sleep(0.05)
    if p.poll() is not None:
        break
time.sleep(0.3)
if end != "-" and p.poll() is None:
    p.send_signal(getattr(signal, "SIG" + end))
code = p.wait(timeout=30)
print(code if code >= 0 else 128 - code)
PY

ledger='lambda j: {m["labels"]["cause"]: m["value"] or 0 for m in d["jobs"][j]["metrics"] if m["name"] == "wall.time"}'
probes=$("$BENCH" exec -q --trials=1 --warmup=0 -o have.json true 2>/dev/null
	json have.json "len(($ledger)(0)) > 0 and sum(($ledger)(0).values()) > 0.9")

# --- a process ---

start
# shellcheck disable=SC2086
AFTER=3 run python3 later.py INT "$BENCH" $watch --no-probes --counters=task-clock,context-switches -o p.json -p $load
expect '^C ends a watch: exit code' "$out" 0
expect 'the job is whole' "$(json p.json '[(j["module"], j["status"], j["trials"], j["params"]["pid"]) for j in d["jobs"]]')" \
	"[('watch', 'ok', 1, $load)]"
expect 'counters: all threads, and the child that it forked' \
	"$(json p.json '570e6 < metric(0, "task-clock", scope="tree")["value"] < 700e6')" True
expect 'it runs on' "$(kill -0 $load && echo yes)" yes
stop

if [ "$probes" = True ]; then
	start
	# shellcheck disable=SC2086
	AFTER=8 run python3 later.py TERM "$BENCH" $watch -o p.json -p $load
	expect 'SIGTERM: exit code' "$out" 143
	expect 'SIGTERM: what was watched is there' "$(json p.json 'd["jobs"][0]["status"], metric(0, "wall")["value"] > 1e9')" "('interrupted', True)"
	# Shares are of the time of all threads: three, and for a while the child.
	expect 'ledger: who slept and who span' \
		"$(json p.json "(lambda l, w: 0.55e9 < (l['user'] + l['kernel']) * 3.1 * w < 0.8e9 and l['blocked.timer'] + l['blocked.futex'] > 0.5)(($ledger)(0), metric(0, 'wall')['value'])")" True
	expect 'ledger: it sums to all' "$(json p.json "0.98 < sum(($ledger)(0).values()) < 1.02")" True
	expect 'run-queue figures' "$(json p.json 'metric(0, "sched.runq_latency")["hist"]["count"] > 0')" True
	stop
else
	skip 'ledger of a process' 'no probes'
fi

start end
# shellcheck disable=SC2086
AFTER=2 run python3 later.py - "$BENCH" $watch --no-probes --counters=task-clock -o end.json --duration=25s -p $load
expect 'a process that ends, ends the watch' "$out" 0
expect 'with what there was' "$(json end.json '570e6 < metric(0, "task-clock")["value"] < 700e6, 0.5e9 < metric(0, "wall")["value"] < 20e9')" '(True, True)'
expect 'and says so' "$(json end.json 'sum("ended after" in w for w in d["warnings"])')" 1
stop

start
if command -v strace >/dev/null; then
	# shellcheck disable=SC2086
	run strace -f -qq -e trace=kill,tkill,tgkill,pidfd_send_signal,ptrace,process_vm_readv,process_vm_writev,setpriority,sched_setscheduler,sched_setattr,sched_setaffinity,prlimit64,ioprio_set \
		-o trace "$BENCH" $watch --counters -o none --duration=0.5s -p $load
	expect 'watched: exit code' "$code" 0
	expect 'it is not touched' "$(grep -E "\(($(ls /proc/$load/task | paste -sd '|'))\b" trace)" ''
else
	skip 'it is not touched' 'no strace'
fi
# shellcheck disable=SC2086
run sh -c '"$@"; :' sh sh -c 'exec "$@" -p $PPID' sh "$BENCH" $watch --no-probes --counters=task-clock --duration=0.5s -o self.json
expect 'bench itself is not in it' "$code $(json self.json 'metric(0, "watched.processes")["value"], (metric(0, "task-clock")["value"] or 0) < 1e6')" '0 (1, True)'

# --- refusals ---

tid=$(ls /proc/$load/task | tail -n 1)
# shellcheck disable=SC2086
{
	check_one_line 'a thread' 125 "^bench: -p: $tid is a thread; give its process" "$BENCH" $watch -p $tid
	check_one_line 'no such process' 125 'no process 4194305' "$BENCH" $watch -p 4194305
	check_one_line 'no cgroup' 125 'no cgroup.procs there' "$BENCH" $watch --cgroup="$work"
	check_one_line 'both' 125 'not both' "$BENCH" $watch -p $load --cgroup="$work"
	check_one_line 'a command, too' 125 'either a command or something' "$BENCH" $watch -p $load -- true
	check_one_line 'nothing to watch with' 125 'nothing to watch with' "$BENCH" $watch --no-probes -p $load
	check_one_line 'nothing to compare' 125 'needs runs to compare' "$BENCH" $watch --observer=ab -p $load
}
stop

# --- a cgroup ---

in_cgroup() { # name folder
	group=$2/bench-test-$$
	if ! mkdir "$group" 2>/dev/null; then
		skip "$1" "no cgroup can be made in $2"
		return
	fi
	mkdir "$group/below"
	# shellcheck disable=SC2086
	check_one_line "$1: empty" 125 'no process is in it' "$BENCH" $watch --cgroup="$group"
	start end
	echo $load >"$group/below/cgroup.procs"
	# shellcheck disable=SC2086
	AFTER=2 run python3 later.py - "$BENCH" $watch --no-probes --counters=task-clock --duration=25s \
		-o group.json --cgroup="$group"
	expect "$1: ends with its last process" "$out" 0
	expect "$1: counters" "$(json group.json '570e6 < metric(0, "task-clock")["value"] < 700e6')" True
	stop
	sleep 60 &
	first=$!
	echo $first >"$group/cgroup.procs"
	start
	(
		sleep 2
		echo $load >"$group/below/cgroup.procs"
	) &
	# shellcheck disable=SC2086
	AFTER=4 run python3 later.py INT "$BENCH" $watch --no-probes --counters=task-clock -o join.json --cgroup="$group"
	if grep -q 'cannot be counted as a cgroup' watch.err; then
		skip "$1: what joins is counted from then on" 'this hierarchy has no perf events'
	else
		expect "$1: what joins is counted from then on" "$out $(json join.json '570e6 < metric(0, "task-clock")["value"] < 700e6, metric(0, "watched.processes")["value"]')" '0 (True, 3)'
	fi
	if [ "$probes" = True ]; then
		rm -f go spun
		stop
		(
			sleep 4
			python3 -c 'import time
t = time.time()
while time.time() < t + 20: pass' &
			echo $! >"$group/below/cgroup.procs"
			echo $! >spinner
		) &
		# shellcheck disable=SC2086
		run "$BENCH" $watch -o join.json --duration=8s --cgroup="$group"
		kill "$(cat spinner)"
		# Two threads for the most part; the second one never slept since it joined.
		expect "$1: the ledger of what joins begins there" \
			"$(json join.json "(lambda l: 0.98 < sum(l.values()) < 1.02 and l['user'] + l['runqueue'] > 0.1 and l['blocked.timer'] > 0.5 and l['blocked.timer'] + l['user'] + l['kernel'] + l['runqueue'] > 0.9)(($ledger)(0))")" True
	fi
	kill $first
	stop
	wait
	rmdir "$group/below" "$group"
}
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
v1=$(awk '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ { print $2; exit }' /proc/mounts)
if [ "$v2" ]; then in_cgroup 'cgroup v2' "$v2"; else skip 'cgroup v2' 'not mounted'; fi
if [ "$v1" ]; then in_cgroup 'cgroup v1' "$v1"; else skip 'cgroup v1' 'not mounted'; fi
finish
