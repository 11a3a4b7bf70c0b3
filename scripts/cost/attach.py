#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long loading and attaching all probes takes, and how many programs that is.

Runs bench several times with all probes on a trial of 300 ms and prints the median over the runs with
its 95 % interval. Needs root. Exit status 1 when the goal is missed, 2 when there is no answer.
"""

import argparse
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
import pairs  # noqa: E402  (it is in the folder beside)

GOAL_MS = 100


def once(bench):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "result.json")
        pairs.command([bench, "run", "-q", "--probes=all", "--trials=1", "--duration=300ms",
                       "--warmup=0", "-o", path, "cpu"])
        with open(path, encoding="utf-8") as file:
            return json.load(file)["overhead"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(pairs.ROOT, "build"),
                        help="build folder with bench (default: build)")
    parser.add_argument("--runs", type=int, default=9, help="at least 6 (default: 9)")
    args = parser.parse_args()
    if args.runs < 6:
        parser.error("below 6 runs no 95 % interval exists")
    bench = os.path.join(args.build, "bench")
    if os.geteuid() != 0:
        pairs.fail("loading BPF programs needs root")
    if not os.access(bench, os.X_OK):
        pairs.fail("%s does not exist: run make first" % bench)

    runs = []
    for i in range(args.runs):
        pairs.tell("run %d/%d" % (i + 1, args.runs))
        runs.append(once(bench))
    pairs.tell("")
    if not all("open_ns" in run for run in runs):
        pairs.fail("no probe was loaded")
    print("%d programs at tracepoints" % len(runs[0]["programs"]))
    for name, key in (("loaded and attached", "open_ns"), ("self-check", "check_ns")):
        took, low, high = pairs.median_interval([run[key] / 1e6 for run in runs])
        goal = "  goal <= %d ms: %s" % (GOAL_MS, "missed" if low > GOAL_MS else
                                        "met" if high <= GOAL_MS else "open")
        print("%-20s %8.1f ms [%.1f, %.1f]%s" %
              (name, took, low, high, goal if key == "open_ns" else ""))
    return 1 if pairs.median_interval([r["open_ns"] for r in runs])[1] > GOAL_MS * 1e6 else 0


if __name__ == "__main__":
    sys.exit(main())
