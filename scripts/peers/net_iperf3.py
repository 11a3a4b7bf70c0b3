#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""net and net_sync in mode=stream next to iperf3: one TCP flow over loopback.

    scripts/peers/net_iperf3.py [--cpus CLIENT,SERVER] [--pairs N] ...

iperf3 -c 127.0.0.1 with its default message of 128 KiB; client and server of both programs are
bound to the same two CPUs. Compared are the bytes per second that the servers received within the
timed window: iperf3's end.sum_received, bench's net.rx. The goal is that net is faster: the whole
95 % interval of the ratio at 1.05 or above; net_sync and recv=multishot are shown for orientation,
and so is one CPU for both ends. Needs iperf3 (apt-get
install iperf3) and about 1 minute for each module. Exit status 1 when the goal is not met, 2 when
there is no answer.
"""

import argparse
import json
import subprocess
import sys
import time

import pairs


def iperf3(args, cpus):
    """A server for one test, then the client; both bound by taskset."""
    server = subprocess.Popen(["taskset", "-c", str(cpus[1]), args.iperf3, "-s", "-1", "-B",
                               "127.0.0.1", "-p", str(args.port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = ["taskset", "-c", str(cpus[0]), args.iperf3, "-c", "127.0.0.1", "-p", str(args.port),
              "-J", "-t", "%d" % max(1, round(args.duration)), "-O",
              "%d" % max(1, round(args.warmup))]
    try:
        for _ in range(50):  # until the server listens
            done = subprocess.run(client, stdout=subprocess.PIPE, text=True)
            end = json.loads(done.stdout)
            if "unable to connect" not in end.get("error", ""):
                break
            time.sleep(0.1)
        if "error" in end:
            pairs.fail("iperf3: " + end["error"])
        return {"bytes/s": end["end"]["sum_received"]["bits_per_second"] / 8}
    finally:
        server.kill()
        server.wait()


def ours(args, job, cpus):
    m = pairs.bench(args, "blocking" if job.startswith("net_sync") else "uring", cpus, job)
    return {"bytes/s": m["net.rx"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cpus", help="CLIENT,SERVER (default: the first two allowed)")
    parser.add_argument("--port", type=int, default=5209, help="of iperf3 (default: 5209)")
    args = pairs.arguments(parser)
    args.iperf3 = pairs.need("iperf3", "iperf3")
    pairs.need("taskset", "util-linux")
    cpus = tuple(int(c) for c in args.cpus.split(",")) if args.cpus else \
        tuple(pairs.allowed_cpus()[:2])
    if len(cpus) != 2:
        pairs.fail("two CPUs are needed")
    pairs.header(args.pairs)
    goals = pairs.Goals(args.report)
    one = (cpus[0], cpus[0])
    rows = [("net stream vs iperf3", "net,mode=stream", cpus, 1.05),
            ("the same, one CPU", "net,mode=stream", one, None),
            ("net recv=multishot vs iperf3", "net,mode=stream,recv=multishot", cpus, None),
            ("net_sync stream vs iperf3", "net_sync,mode=stream", cpus, None)]
    for name, job, where, goal in rows:
        c = pairs.Comparison(name, lambda j=job, w=where: ours(args, j, w),
                             lambda w=where: iperf3(args, w))
        c.run(args.pairs)
        c.row("bytes/s", goals, goal)
    return goals.status()


if __name__ == "__main__":
    sys.exit(main())
