#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""net and net_sync in mode=rr next to bare loops that do nothing but the transactions.

    scripts/peers/net_bare.py [--cpus CLIENT,SERVER] [--only net_sync|uring|epoll] [--pairs N] ...

net_sync next to a loop of send and recv, net with 1 and 32 flows next to a liburing loop, and net
with 32 flows next to an epoll loop. The loops are scripts/peers/bare_*.c, built by make; client and
server of all programs are bound to the same two CPUs. With one flow that mostly measures how the
host wakes an idle CPU, so these rows exist also for both ends on one CPU, where nothing but work is
left. Compared are transactions per second. Goals: at least 0.98 of the blocking and of the liburing
loop, no less than the epoll loop; met when the whole 95 % interval of the ratio is on the good side.
About 1 minute for each row. Exit status 1 when a goal is not met, 2 when there is no answer.
"""

import argparse
import os
import sys

import pairs


def bare(args, program, cpus, flows):
    path = os.path.join(args.build, "scripts", "peers", program)
    if not os.access(path, os.X_OK):
        pairs.fail("%s does not exist: run make first" % path)
    out = pairs.command([path, str(cpus[0]), str(cpus[1]), str(flows), str(args.warmup),
                         str(args.duration)])
    return {"trans/s": float(out)}


def ours(args, module, cpus, flows):
    job = "net_sync,mode=rr" if module == "net_sync" else "net,mode=rr,flows=%d" % flows
    m = pairs.bench(args, "blocking" if module == "net_sync" else "uring", cpus, job)
    return {"trans/s": m["ops"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cpus", help="CLIENT,SERVER (default: the first two allowed)")
    parser.add_argument("--only", choices=("net_sync", "uring", "epoll"))
    args = pairs.arguments(parser)
    cpus = tuple(int(c) for c in args.cpus.split(",")) if args.cpus else \
        tuple(pairs.allowed_cpus()[:2])
    if len(cpus) != 2:
        pairs.fail("two CPUs are needed")
    one = (cpus[0], cpus[0])
    rows = [("net_sync", "net_sync rr vs blocking loop", "bare_rr", 1, cpus, 0.98),
            ("net_sync", "the same, one CPU", "bare_rr", 1, one, 0.98),
            ("uring", "net rr flows=1 vs liburing loop", "bare_uring", 1, cpus, 0.98),
            ("uring", "the same, one CPU", "bare_uring", 1, one, 0.98),
            ("uring", "net rr flows=32 vs liburing loop", "bare_uring", 32, cpus, 0.98),
            ("uring", "the same, one CPU", "bare_uring", 32, one, 0.98),
            ("epoll", "net rr flows=32 vs epoll loop", "bare_epoll", 32, cpus, 1.00),
            ("epoll", "the same, one CPU", "bare_epoll", 32, one, 1.00)]
    pairs.header(args.pairs)
    goals = pairs.Goals(args.report)
    for kind, name, program, flows, where, goal in rows:
        if args.only not in (None, kind):
            continue
        module = "net_sync" if kind == "net_sync" else "net"
        c = pairs.Comparison(name, lambda m=module, f=flows, w=where: ours(args, m, w, f),
                             lambda p=program, f=flows, w=where: bare(args, p, w, f))
        c.run(args.pairs)
        c.row("trans/s", goals, goal)
    return goals.status()


if __name__ == "__main__":
    sys.exit(main())
