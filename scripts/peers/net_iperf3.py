#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""net and net_sync in mode=stream next to iperf3: one TCP flow over loopback.

    scripts/peers/net_iperf3.py [--cpus CLIENT,SERVER] [--pairs N] ...

iperf3 -c 127.0.0.1 with its default message of 128 KiB; client and server of both programs are
bound to the same two CPUs. Compared are the bytes per second that the servers received within the
timed window: iperf3's end.sum_received, bench's net.rx. The goal is that net is no slower: the whole
95 % interval of the ratio at 1.00 or above; net_sync is shown for orientation. Needs iperf3 (apt-get
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


def ours(args, module, cpus):
    m = pairs.bench(args, "uring" if module == "net" else "blocking", cpus,
                    module + ",mode=stream")
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
    for module, goal in (("net", 1.00), ("net_sync", None)):
        c = pairs.Comparison("%s stream vs iperf3" % module,
                             lambda m=module: ours(args, m, cpus), lambda: iperf3(args, cpus))
        c.run(args.pairs)
        c.row("bytes/s", goals, goal)
    return goals.status()


if __name__ == "__main__":
    sys.exit(main())
