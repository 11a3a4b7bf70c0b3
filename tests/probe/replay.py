#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Replay a perf trace of scheduler events and compare with what the probes said of the same window.

    perf script --ns -F tid,cpu,time,event,trace | replay.py PROBES.json [LIMIT]

The replay knows nothing of the probes' code: it keeps, per task, whether it is runnable and where,
from sched_switch, sched_wakeup, sched_wakeup_new and sched_migrate_task, and integrates. Tasks that
have not been seen yet get their state from their first event. Prints one line per value and exits
with 1 when one differs by more than 2 %, or by the share that is given.
"""
import json
import re
import sys

LINE = re.compile(r"^\s*(-?\d+)\s+\[(\d+)\]\s+(\d+)\.(\d+):\s+sched:(\w+):\s+(.*)$")
SWITCH = re.compile(r"prev_pid=(\d+) prev_prio=-?\d+ prev_state=(\S+) ==> .*next_pid=(\d+) ")
WAKE = re.compile(r"pid=(\d+) prio=-?\d+.* target_cpu=(\d+)")
MOVE = re.compile(r"pid=(\d+) prio=-?\d+ orig_cpu=(\d+) dest_cpu=(\d+)")


def events(lines):
    for line in lines:
        m = LINE.match(line)
        if m:
            yield int(m[3]) * 10**9 + int(m[4]), int(m[2]), m[5], m[6]


def intervals(trace):
    """Per task: (begin, end, state, cpu) with state run, wait or block."""
    now = {}  # pid: (since, state, cpu)
    running = {}  # cpu: pid
    moved = {}  # pid: [(at, from, to)] of a task that nothing else is known of yet
    done = []
    last = first = None

    def enter(pid, at, state, cpu, before):
        old = now.get(pid)
        if old is None:
            old = (first, before, cpu)
        done.append((pid, old[0], at, old[1], old[2]))
        now[pid] = (at, state, cpu)

    def waited(pid):
        """A task that moved without being woken had been waiting all the time."""
        for at, here, there in moved.pop(pid, []):
            now.setdefault(pid, (first, "wait", here))
            enter(pid, at, "wait", there, "wait")

    for at, cpu, name, text in trace:
        first = at if first is None else first
        last = at
        if name == "sched_switch":
            m = SWITCH.search(text)
            if not m:
                continue
            prev, state, nxt = int(m[1]), m[2], int(m[3])
            gone = running.get(cpu, 0)
            if gone not in (0, prev) and now[gone][1:] == ("run", cpu):
                # It left unseen (a host may hide some events), soon after it came.
                now[gone] = (at, "block", cpu)
            running[cpu] = nxt
            if prev:
                # R+ is preempted, whatever its state was about to become.
                enter(prev, at, "wait" if state.startswith("R") else "block", cpu, "run")
            if nxt:
                waited(nxt)
                enter(nxt, at, "run", cpu, "wait")
        elif name in ("sched_wakeup", "sched_wakeup_new"):
            m = WAKE.search(text)
            pid, target = int(m[1]), int(m[2])
            moved.pop(pid, None)  # a wake-up puts a task where it is to run
            if name == "sched_wakeup_new":
                now[pid] = (at, "wait", target)
            elif now.get(pid, (0, "block"))[1] == "block":
                enter(pid, at, "wait", target, "block")
        elif name == "sched_migrate_task":
            m = MOVE.search(text)
            pid = int(m[1])
            if pid not in now:
                moved.setdefault(pid, []).append((at, int(m[2]), int(m[3])))
            elif now[pid][1] == "wait":
                enter(pid, at, "wait", int(m[3]), "wait")
    for pid in list(moved):
        waited(pid)
    for pid, (since, state, cpu) in now.items():
        done.append((pid, since, last, state, cpu))
    return done


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        probes = json.load(f)
    start, end = probes["start_ns"], probes["end_ns"]
    length = end - start
    depth, waiting = {}, {}
    latency = offcpu = 0
    tids = set(probes["tids"])

    trace = list(events(sys.stdin))
    if not trace or trace[0][0] > start or trace[-1][0] < end:
        print("FAIL: the trace does not cover the window")
        return 1
    for pid, since, until, state, cpu in intervals(trace):
        ns = min(until, end) - max(since, start)
        if ns <= 0:
            continue
        if state != "block":
            depth[cpu] = depth.get(cpu, 0) + ns
        if state == "wait":
            waiting[cpu] = waiting.get(cpu, 0) + ns
        if pid in tids and state == "wait":
            latency += ns
        if pid in tids and state != "run":
            offcpu += ns

    failed = 0
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else 0.02

    def compare(what, mine, theirs, floor, most=limit):
        nonlocal failed
        off = abs(mine - theirs) / max(abs(theirs), floor)
        failed += off > most
        print(f"{'FAIL' if off > most else 'ok'}: {what}: probes {mine:.6g}, trace {theirs:.6g}, "
              f"{100 * off:.2f} % apart")

    for cpu, values in sorted(probes["cpus"].items()):
        theirs = depth.get(int(cpu), 0) / length
        theirs_waiting = waiting.get(int(cpu), 0) / length
        # Some hosts hide switches of tasks of their own from tracers. On a CPU that idles a trace then
        # has too little, or tasks that seem to stay: how much there can be, its idle time says.
        if values["idle"] < 0.1:
            compare(f"depth of CPU {cpu}", values["depth"], theirs, 0.1)
            compare(f"waiting on CPU {cpu}", values["waiting"], theirs_waiting, 0.1)
            continue
        most = max(1 - values["idle"], 0) + min(theirs_waiting, 1)
        nearest = min(max(values["depth"], min(theirs, most)), most)
        compare(f"depth of CPU {cpu}, which idled {100 * values['idle']:.0f} %", values["depth"], nearest, 1, 0.03)
        if theirs <= most:
            compare(f"waiting on CPU {cpu}", values["waiting"], theirs_waiting, 1, 0.02)
    compare("run-queue latency, sum in ms", probes["latency"]["sum"] / 1e6, latency / 1e6, 1)
    compare("off-CPU time, sum in ms", probes["offcpu"]["sum"] / 1e6, offcpu / 1e6, 1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
