#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every module in every mode as the program runs it, on both runtimes: it ends well, says what an op is,
# and its numbers agree with those that the core counts.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

short='--trials=1 --duration=150ms --warmup=50ms --no-probes -q --force --oversubscribe'
cpu=$(python3 -c 'import os; print(min(os.sched_getaffinity(0)))')

# A figure of the only job of r.json: name[.label value]
value() {
	python3 - "$1" <<'PY'
import json, sys
(job,) = json.load(open("r.json"))["jobs"]
name, _, label = sys.argv[1].partition(":")
for m in job["metrics"]:
    if m["name"] == name and label in ("", *(m.get("labels") or {}).values()):
        print(m["value"] if m["value"] is not None else m["status"])
        break
else:
    print("none")
PY
}

# below NAME A B: A <= B, as numbers
below() {
	if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a + 0 <= b + 0) }'; then
		pass "$1"
	else
		fail "$1" "$2 is more than $3"
	fi
}

sync_jobs='syscall,kind=floor syscall,kind=getppid syscall,kind=read syscall,kind=write syscall,kind=stat
syscall,kind=open syscall,kind=epoll syscall,kind=futex syscall,kind=clock syscall,kind=clock-syscall
memory,size=4m memory,size=4m,pages=2m memory,mode=read,size=8m memory,mode=write,size=8m
memory,mode=copy,size=8m memory,mode=triad,size=8m memory,mode=loaded,size=8m
memory,mode=loaded,size=8m,traffic=triad,delay=1000 memory,size=4m,node=0
cpu,kernel=int cpu,kernel=mul cpu,kernel=div cpu,kernel=float cpu,kernel=fma128,form=throughput
cpu,kernel=fma256 cpu,kernel=fma512,form=throughput cpu,kernel=branch cpu,kernel=sha256 cpu,kernel=lz
sched,mode=pingpong sched,mode=pingpong,by=futex sched,mode=timer sched,mode=wakeup
sched,mode=wakeup,load=120 sched,mode=timer,load=50
sched,mode=messaging,loops=5 sched,mode=messaging,loops=5,by=pipe sched,mode=create sched,mode=fork
sched,mode=exec sched,mode=yield
fault,kind=anon fault,kind=file fault,kind=cow fault,kind=fork fault,kind=populate fault,kind=huge fault,kind=present
fault,kind=unmap fault,kind=protect fault,kind=dontneed
ipc,kind=pipe ipc,kind=eventfd ipc,kind=unix,size=100k ipc,kind=futex ipc,kind=tcp c2c c2c,pairs=all'
runtimes=blocking
"$BENCH" list runtimes | grep -q '^uring .*not here' || runtimes='blocking uring'
for runtime in $runtimes; do
	jobs=$sync_jobs
	# Blocking modules run by the same loop on either: one of each will do.
	[ $runtime = blocking ] ||
		jobs='syscall memory,size=4m sched fault ipc c2c ring ring,batch=32 ring,mode=wake ring,mode=message
ring,setup=plain ring,setup=coop ring,setup=single ring,setup=defer,batch=8'
	for job in $jobs; do
		# shellcheck disable=SC2086
		run "$BENCH" $short --runtime=$runtime -o r.json "$job"
		if [ "$code" != 0 ]; then
			fail "$job on $runtime" "exit $code: $out$err"
		elif printf '%s\n' "$err$out" | grep -q ' skipped: '; then
			skip "$job on $runtime" "$(printf '%s\n' "$err" | grep ' skipped: ' | head -1)"
		else
			pass "$job on $runtime"
		fi
	done
done

# Children and threads of a module cost what they cost: more than the worker's own time, by a part that is
# never small.
for mode in fork create; do
	# shellcheck disable=SC2086
	run "$BENCH" $short --runtime=blocking --cpus="$cpu" -o r.json sched,mode=$mode
	below "CPU time of an op of mode=$mode has the part of what it makes" \
		"$(value task-clock.per_op | awk '{ print $1 * 1.05 }')" "$(value cpu.per_op)"
done

# One CPU: a round trip is two switches of two workers, by the kernel's count.
for job in ipc,kind=futex sched,mode=pingpong; do
	# shellcheck disable=SC2086
	run "$BENCH" $short --runtime=blocking --cpus="$cpu" -o r.json $job
	below "$job on one CPU takes two switches at least" 1.99 "$(value switches.per_round_trip)"
	below "$job on one CPU takes hardly more" "$(value switches.per_round_trip)" 2.2
done

# What a module finds wrong fails the job.
# shellcheck disable=SC2086
check 'a program that fails' 1 'wait status' "$BENCH" $short -o none sched,mode=exec,program=/usr/bin/false
# shellcheck disable=SC2086
run "$BENCH" $short --runtime=blocking --cpus="$cpu" -o r.json memory,mode=triad,size=1m
expect 'arrays below four times the caches are noted' "$(grep -c 'STREAM' r.json)" 1
# core-to-core-latency has pairs of 0 ns where the clock is coarse.
# shellcheck disable=SC2086
[ "$(nproc)" -lt 2 ] || {
	run "$BENCH" $short -o r.json c2c
	expect 'no transfer takes no time' "$(json r.json 'min(m["value"] for m in d["jobs"][0]["metrics"]
		if m["name"] == "c2c.round_trip") > 0')" True
}
# PerfSpect changes nr_hugepages, and leaves it changed when it is killed.
if command -v strace >/dev/null; then
	# shellcheck disable=SC2086
	run strace -f -qq -e trace=open,openat,openat2,creat -o calls "$BENCH" $short --runtime=blocking -o none \
		memory,size=4m,pages=2m fault,kind=huge sched,mode=timer,policy=fifo cpu
	expect 'something was opened' "$(grep -c '"/sys/kernel/mm/transparent_hugepage/enabled"' calls | sed 's/^[1-9].*/yes/')" yes
	expect 'no setting of the host is opened to be written' \
		"$(grep -E '"/(sys|proc/sys)/' calls | grep -cE 'O_WRONLY|O_RDWR|O_CREAT')" 0
else
	skip 'no setting of the host is changed' 'no strace'
fi
# shellcheck disable=SC2086
check 'a NUMA node that no host has' 0 'skipped: this host has no NUMA node 1000 ' "$BENCH" $short -o none memory,node=1000
# shellcheck disable=SC2086
check_one_line 'a NUMA node that is none' 2 'node=near: give local or' "$BENCH" $short -o none memory,node=near
# shellcheck disable=SC2086
check_one_line 'throughput of a hash' 2 'form=throughput is for' "$BENCH" $short -o none cpu,kernel=sha256,form=throughput
# shellcheck disable=SC2086
check 'bytes that no host has' 0 'skipped: [0-9]+ MiB are wanted' "$BENCH" $short -o none memory,mode=read,size=100g
# shellcheck disable=SC2086
check 'one CPU for c2c' 2 '1 CPU' "$BENCH" --trials=1 --no-probes -q -o none --cpus="$cpu" c2c
# shellcheck disable=SC2086
check_one_line 'workers that a mode does not take' 2 'this module takes 2 to 2' \
	"$BENCH" $short -o none sched,mode=wakeup,workers=3
check_one_line 'a flag that liburing does not know' 2 'setup=no-sqarray: the linked liburing does not know' \
	"$BENCH" -o none --no-probes ring,setup=no-sqarray
check_one_line 'load where nobody sleeps' 2 'load= is for modes timer and wakeup' \
	"$BENCH" -o none --no-probes sched,mode=yield,load=10
# shellcheck disable=SC2086
run "$BENCH" $short --runtime=blocking -o r.json c2c,pairs=all
expect 'a pair of CPUs for each pair of workers' \
	"$(json r.json 'len([m for m in d["jobs"][0]["metrics"] if m["name"] == "c2c.pair"]) == (lambda n: min(n * (n - 1) // 2, 120))(len(d["jobs"][0]["placement"]))')" True
check 'they are a matrix in the report' 0 'c2c\.pair +cpu 0 +cpu 1' "$BENCH" report r.json
# Beside a load the sleeper waits for its CPU; alone it hardly does.
# shellcheck disable=SC2086
run "$BENCH" --trials=1 --duration=400ms --no-probes -q --runtime=blocking --force -o r.json 'sched,mode=wakeup,load={0,150}'
below 'run delay comes with the load' "$(json r.json 'metric(0, "wakeup.run_delay")["hist"]["sum"]')" \
	"$(json r.json 'metric(1, "wakeup.run_delay")["hist"]["sum"]')"
expect 'run delay and the rest are the latency' "$(json r.json 'all(metric(i, "wakeup.run_delay")["hist"]["sum"] + metric(i, "wakeup.residual")["hist"]["sum"] == metric(i, "latency")["hist"]["sum"] for i in (0, 1))')" True
# What a ring waits for is an eventfd here, and no disk. Without the probes there is no answer.
run "$BENCH" --trials=1 --duration=300ms --warmup=50ms -q --force --oversubscribe --probes=sched -o wake.json \
	ring,mode=wake
blocked='{m["labels"]["cause"]: m["value"] for m in d["jobs"][0]["metrics"] if m["name"] == "wall.time" and m["value"]}'
if [ "$code" = 0 ] && [ "$(json wake.json "len($blocked) > 1")" = True ]; then
	expect 'ring,mode=wake waits for an eventfd' \
		"$(json wake.json "(lambda b: b.get('blocked.ipc', 0) > 0.01 and b.get('blocked.disk', 0) < 0.05 * b['blocked.ipc'] or b)($blocked)")" True
else
	skip 'ring,mode=wake waits for an eventfd' 'there is no ring or no ledger here'
fi
# shellcheck disable=SC2086
check_one_line 'ring on blocking' 2 "needs the uring runtime" "$BENCH" $short --runtime=blocking -o none ring
finish
