#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compare a result of `bench exec` with a perf trace of the same run.

    perf script --ns -F tid,cpu,time,event,trace | perf_sched.py RESULT.json COMMAND

COMMAND is the file that was executed; its first execution in the trace is the run. The trace is
replayed without any knowledge of the probes' code: per task, whether it is runnable and where; the
tasks of the run are those that descend from it. Prints one line per value and exits with 1 when one
differs by more than 2 %, with 3 when the trace itself is not whole.
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "probe"))
import replay  # noqa: E402

LIMIT = 0.02
FORK = re.compile(r" pid=(\d+) child_comm=.* child_pid=(\d+)")
EXEC = re.compile(r"filename=(\S+) pid=(\d+)")
EXIT = re.compile(r" pid=(\d+) ")
ON_CPU = ("user", "kernel", "hardirq", "softirq", "steal", "observer")


def life(trace, command):
    """Start and end of the run, and its tasks with the time of birth and death."""
    root, start, end = None, None, None
    born, died = {}, {}
    for at, _, name, text in trace:
        if name == "sched_process_exec" and root is None:
            m = EXEC.search(text)
            if m and m[1] == command:
                root, start = int(m[2]), at
                born[root] = at
        elif name == "sched_process_fork":
            m = FORK.search(" " + text)
            if m and int(m[1]) in born:
                born[int(m[2])] = at
        elif name == "sched_switch":
            m = replay.SWITCH.search(text)
            # Z and X: it will not run again.
            if m and int(m[1]) in born and m[2][0] in "ZX":
                died[int(m[1])] = at
        elif name == "sched_process_exit":
            m = EXIT.search(" " + text + " ")
            if m and root is not None and int(m[1]) == root:
                end = at
    return start, end, born, died


def value(job, name, **labels):
    for m in job["metrics"]:
        if m["name"] == name and all(m["labels"].get(k) == v for k, v in labels.items()):
            return m
    return {}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        (job,) = json.load(file)["jobs"]
    trace = list(replay.events(sys.stdin))
    start, end, born, died = life(trace, sys.argv[2])
    if not start or not end:
        print("FAIL: the run is not in the trace")
        return 3
    depth = waiting = on_cpu = wait = wall = 0
    for pid in born:
        wall += max(0, min(died.get(pid, end), end) - born[pid])
    for pid, since, until, state, _ in replay.intervals(trace):
        ns = min(until, end) - max(since, start)
        if ns <= 0 or state == "block":
            continue
        depth += ns
        waiting += ns if state == "wait" else 0
        if pid in born:
            ns = min(until, end, died.get(pid, end)) - max(since, born[pid])
            on_cpu += max(0, ns) if state == "run" else 0
            wait += max(0, ns) if state == "wait" else 0

    failed = 0

    def compare(what, mine, theirs):
        nonlocal failed
        if mine is None:
            print(f"FAIL: {what}: the probes have no value")
            failed += 1
            return
        off = abs(mine - theirs) / theirs
        failed += off > LIMIT
        print(f"{'FAIL' if off > LIMIT else 'ok'}: {what}: probes {mine:.6g}, trace {theirs:.6g}, "
              f"{100 * off:.2f} % apart")

    length = end - start
    shares = {m["labels"]["cause"]: m["value"] for m in job["metrics"]
              if m["name"] == "wall.time" and m["value"] is not None}
    compare("run-queue depth, mean", value(job, "sched.runq_depth", cpu="all").get("value"),
            depth / length)
    compare("waiting tasks, mean", value(job, "sched.runq_waiting", cpu="all").get("value"),
            waiting / length)
    compare("run-queue wait of the run, ms",
            value(job, "sched.runq_latency").get("hist", {}).get("sum", 0) / 1e6, wait / 1e6)
    compare("run-queue wait, share of wall time", shares.get("runqueue"), wait / wall)
    compare("on-CPU time, share of wall time",
            sum(shares[c] for c in ON_CPU if c in shares) if shares else None, on_cpu / wall)
    return 1 if failed else 0


sys.exit(main())
