#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Modules of the host next to the tools for one purpose each.

    scripts/peers/host_tools.py [--cpu N] [--only ROW,ROW] [--pairs N] ...

syscall    syscall,kind=getppid                 perf bench syscall basic
futex      syscall,kind=futex                   perf bench futex hash, one thread
pingpong   sched,mode=pingpong, one CPU         perf bench sched pipe -T, same CPU
clockcost  bare_pingpong.c with a clock         without one: what our latencies cost
pingclock  the same                             bare_pingpong.c, a clock read per round trip
messaging  sched,mode=messaging, two CPUs       perf bench sched messaging -t, same CPUs
hackbench  the same                             hackbench -T, same CPUs
timer      sched,mode=timer, fifo, shallow      cyclictest -m -p80 -i1000, same CPU
triad      memory,mode=copy and mode=triad      stress-ng --stream, equal arrays
fault      fault,kind=anon                      bare_fault.c, a call that touches a page in a loop
faultloop  the same                             bare_fault.c, a loop without calls
returns    bare_fault.c with a call             without one: where that row's difference comes from
faultfile  fault,kind=file                      stress-ng --fault on a file in memory: a touch
nop1, 32   ring,stamps=0                        bare_nop.c, liburing and nothing else
nopstamp   ring,batch=32                        the same: what stamps and latencies cost
faultnew   bare_fault.c, new mappings           the same: where that row's difference comes from

bare_nop.c fills each SQE anew; bench leaves one that is a NOP already as it is, but for its user_data.
bare_nop.c looks at the clock after each call, bench without stamps after some (25 us together at most): that
is 5 % of a NOP with one a call, and 1 % with 32.

The peers of messaging and hackbench do all their loops in one round, ours does 1000 in each: a round begins and
ends with tasks that wait for the others, which with 100 takes 7 % (and as much of perf's with -l 100).

All run on the same CPUs. Goals are 0.97 of the peer's rate, or 1.03 of its mean latency; met when the
whole 95 % interval of the ratio is on the good side. stress-ng's stream rate is over copy, scale, add and
triad together; ours is that of two copies and two triads. Its fault stressor times the first touch of
a mapping of one page, which finds no page table yet, between two reads of the clock; ours goes on in a
table that is there. A bare loop that does what the stressor does shows that this is all of it. A loop without
calls is no peer of an operation that a module does when it is called: on some CPUs, Zen 4 with the kernel's
"Safe RET" for one, a return in user space after each fault makes every return within the kernel slower, and
a fault by a fifth. Exit status 1 when a goal is not met, 2 when there is no answer.
"""

import argparse
import json
import os
import re
import sys
import tempfile

import pairs

MIB = 1 << 20


def number(pattern, text):
    found = re.search(pattern, text)
    if not found:
        pairs.fail("no %r in: %s" % (pattern, text[-800:]))
    return float(found.group(1))


def on(cpus, argv):
    # stress-ng reports on standard error.
    return pairs.command(["sh", "-c", 'exec "$@" 2>&1', "sh", "taskset", "-c",
                          ",".join(map(str, cpus))] + argv)


def loops(args, cpus, argv, per_loop=1, seconds=r"Total time: *([0-9.]+)"):
    """A tool that takes a number of loops, and tells its time: as many as last the duration."""
    if tuple(argv) not in loops.rate:
        few = 2000 if per_loop == 1 else 20
        took = max(number(seconds, on(cpus, argv + ["-l", str(few)])), 1e-3)
        loops.rate[tuple(argv)] = few / took
    nr = max(int(loops.rate[tuple(argv)] * args.duration), 1)
    return {"ops/s": nr * per_loop / number(seconds, on(cpus, argv + ["-l", str(nr)]))}


loops.rate = {}


def ops(args, cpus, job, metric="ops"):
    return {"ops/s": pairs.bench(args, "blocking", cpus, job)[metric]}


def timer(args, cpu):
    """Mean latency: cyclictest gives no other average."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        pairs.command([args.bench, "run", "--runtime=blocking", "--no-probes", "-q", "--trials=1",
                       "--duration=%gs" % args.duration, "--warmup=%gs" % args.warmup,
                       "--cpus=%d" % cpu, "-o", path,
                       "sched,mode=timer,interval=1ms,policy=fifo,idle=shallow"])
        with open(path, encoding="utf-8") as file:
            (job,) = json.load(file)["jobs"]
    (hist,) = [m["hist"] for m in job["metrics"] if m["name"] == "latency"]
    return {"mean ns": hist["sum"] / hist["count"]}


def cyclictest(args, cpu):
    out = on([cpu], ["cyclictest", "-q", "-N", "-m", "-p80", "-i1000", "-t1", "-a%d" % cpu,
                     "-l", str(int(args.duration * 1000))])
    return {"mean ns": number(r"Avg: *([0-9]+)", out)}


def stream(args, cpu):
    copy, triad = (pairs.bench(args, "blocking", [cpu], "memory,mode=%s,size=128m" % mode)["bytes"]
                   for mode in ("copy", "triad"))
    return {"B/s": 10 / (4 / copy + 6 / triad)}


def stress_stream(args, cpu):
    """Four arrays' worth of a cache of 32 MiB: 128 MiB each. It tells a rate after 4.5 s only."""
    out = on([cpu], ["stress-ng", "--stream", "1", "--stream-l3-size", "32m", "--metrics",
                     "-t", "%ds" % max(args.duration, 7)])
    return {"B/s": number(r"memory rate: ([0-9.]+) MB", out) * MIB}


def bare_fault(args, cpu, *kind):
    path = os.path.join(args.build, "scripts", "peers", "bare_fault")
    return {"ops/s": float(pairs.command([path, str(cpu), str(args.warmup), str(args.duration)] +
                                         list(kind)))}


def bare_nop(args, cpu, batch):
    path = os.path.join(args.build, "scripts", "peers", "bare_nop")
    return {"ops/s": float(pairs.command([path, str(cpu), str(batch), str(args.warmup), str(args.duration)]))}


def nop(args, cpu, job):
    return {"ops/s": pairs.bench(args, "uring", [cpu], job)["ops"]}


def touch(args, cpu, kind):
    """Touches per second of the time in them."""
    return {"ops/s": 1e9 / pairs.bench(args, "blocking", [cpu], "fault,kind=" + kind)["fault.touch"]}


def bare_pingpong(args, cpu, clock):
    path = os.path.join(args.build, "scripts", "peers", "bare_pingpong")
    return {"ops/s": float(pairs.command([path, str(cpu), str(args.warmup), str(args.duration),
                                          str(clock)]))}


def stress_fault(args, cpu):
    out = on([cpu], ["stress-ng", "--fault", "1", "--temp-path", "/dev/shm", "--metrics", "-t",
                     "%ds" % max(args.duration, 1)])
    return {"ops/s": 1e9 / number(r"([0-9.]+) nanosecs per page fault", out)}


def rows(args):
    """Name, what it is, ours, the peer, metric, goal, higher is better."""
    cpu = args.cpu
    two = pairs.allowed_cpus()[:2]
    messages = "sched,mode=messaging,by=socket,groups=1,tasks=20,loops=1000,size=100"
    return [
        ("syscall", "getppid vs perf bench syscall",
         lambda: ops(args, [cpu], "syscall,kind=getppid"),
         lambda: loops(args, [cpu], ["perf", "bench", "syscall", "basic"]), "ops/s", 0.97, True),
        ("futex", "futex wait vs perf bench futex hash",
         lambda: ops(args, [cpu], "syscall,kind=futex"),
         lambda: {"ops/s": number(r"Averaged ([0-9]+)", on([cpu], [
             "perf", "bench", "futex", "hash", "-t", "1", "-r", str(max(int(args.duration), 1))]))},
         "ops/s", 0.97, True),
        ("pingpong", "pipe, one CPU vs perf bench sched pipe",
         lambda: ops(args, [cpu, cpu], "sched,mode=pingpong,by=pipe"),
         lambda: loops(args, [cpu], ["perf", "bench", "sched", "pipe", "-T"]), "ops/s", 0.97, True),
        ("pingclock", "the same vs a bare loop with a clock",
         lambda: ops(args, [cpu, cpu], "sched,mode=pingpong,by=pipe"),
         lambda: bare_pingpong(args, cpu, 1), "ops/s", 0.97, True),
        ("clockcost", "that loop vs itself without a clock", lambda: bare_pingpong(args, cpu, 1),
         lambda: bare_pingpong(args, cpu, 0), "ops/s", None, True),
        ("messaging", "groups vs perf bench messaging",
         lambda: ops(args, two, messages, "messages"),
         lambda: loops(args, two, ["perf", "bench", "sched", "messaging", "-t", "-g", "1"], 400),
         "ops/s", 0.97, True),
        ("hackbench", "groups vs hackbench", lambda: ops(args, two, messages, "messages"),
         lambda: loops(args, two, ["hackbench", "-T", "-g", "1", "-f", "20", "-s", "100"], 400,
                       r"Time: *([0-9.]+)"), "ops/s", 0.97, True),
        ("timer", "timer vs cyclictest", lambda: timer(args, cpu), lambda: cyclictest(args, cpu),
         "mean ns", 1.03, False),
        ("triad", "copy and triad vs stress-ng stream", lambda: stream(args, cpu),
         lambda: stress_stream(args, cpu), "B/s", 0.97, True),
        ("fault", "anon vs a bare call", lambda: ops(args, [cpu], "fault,kind=anon"),
         lambda: bare_fault(args, cpu, "call"), "ops/s", 0.97, True),
        ("faultloop", "anon vs a loop without calls", lambda: ops(args, [cpu], "fault,kind=anon"),
         lambda: bare_fault(args, cpu), "ops/s", None, True),
        ("returns", "a bare call vs a loop without", lambda: bare_fault(args, cpu, "call"),
         lambda: bare_fault(args, cpu), "ops/s", None, True),
        ("faultfile", "touch of a file vs stress-ng fault", lambda: touch(args, cpu, "file"),
         lambda: stress_fault(args, cpu), "ops/s", 0.97, True),
        ("nop1", "a NOP a call vs liburing", lambda: nop(args, cpu, "ring,batch=1,stamps=0"),
         lambda: bare_nop(args, cpu, 1), "ops/s", 0.95, True),
        ("nop32", "32 NOPs a call vs liburing", lambda: nop(args, cpu, "ring,batch=32,stamps=0"),
         lambda: bare_nop(args, cpu, 32), "ops/s", 0.95, True),
        ("nopstamp", "the same with stamps", lambda: nop(args, cpu, "ring,batch=32"),
         lambda: bare_nop(args, cpu, 32), "ops/s", None, True),
        ("faultnew", "bare new mappings vs stress-ng", lambda: bare_fault(args, cpu, "new"),
         lambda: stress_fault(args, cpu), "ops/s", None, True),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cpu", type=int, default=pairs.allowed_cpus()[0],
                        help="CPU of what takes one (default: the first allowed)")
    parser.add_argument("--only", help="rows, separated by commas")
    args = pairs.arguments(parser)
    for program, package in (("perf", "linux-perf"), ("cyclictest", "rt-tests"), ("hackbench", "rt-tests"),
                             ("stress-ng", "stress-ng")):
        pairs.need(program, package)
    only = args.only.split(",") if args.only else None
    unknown = set(only or []) - {r[0] for r in rows(args)}
    if unknown:
        pairs.fail("no row %s" % ", ".join(sorted(unknown)))
    pairs.header(args.pairs)
    goals = pairs.Goals(args.report)
    for key, name, ours, peer, metric, goal, higher in rows(args):
        if only and key not in only:
            continue
        c = pairs.Comparison(name, ours, peer)
        c.run(args.pairs)
        c.row(metric, goals, goal, higher)
    return goals.status()


if __name__ == "__main__":
    sys.exit(main())
