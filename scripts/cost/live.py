#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the live view costs what it watches: throughput without it, with it, and with a stopped one.

    scripts/cost/live.py [--job JOB]... [--rounds N] [--seconds S] ...

Each round runs each job four times in random order: bare, bare again (the noise), with --live on a
terminal of its own, and with a --live whose viewer is stopped (SIGSTOP) as soon as it is there. Told
are the ratios to bare with distribution-free 95 % intervals, and the viewer's own CPU time (goal: at
most 1 % of a CPU). The default jobs leave it a CPU of its own, and none. About 1 minute a job.
"""

import argparse
import fcntl
import json
import os
import pty
import random
import select
import signal
import struct
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
import pairs  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def viewer_of(pid):
    """Process number of bench-view below bench, None when it is not there (yet)."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
            children = file.read().split()
    except OSError:
        return None
    for child in children:
        try:
            with open("/proc/%s/comm" % child, encoding="ascii") as file:
                if file.read().strip() == "bench-view":
                    return int(child)
        except OSError:
            pass
    return None


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def run(args, job, kind):
    """Operations per second, and the share of a CPU that the viewer took (None without one)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.json")
        argv = [args.bench, "run", "--trials=1", "--warmup=500ms", "--duration=%gs" % args.seconds,
                "-o", path, "--oversubscribe"] + ([] if kind.startswith("bare") else ["--live"]) + \
            job.split()
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "xterm-256color"
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            os.execv(argv[0], argv)
        viewer, state, samples = None, "going", []
        while True:
            ready, _, _ = select.select([terminal], [], [], 0.1)
            try:
                if ready and not os.read(terminal, 65536):
                    break
            except OSError:
                break  # EIO: its last descriptor is closed
            if kind.startswith("bare"):
                continue
            viewer = viewer or viewer_of(pid)
            if kind == "stopped" and viewer and state == "going":
                os.kill(viewer, signal.SIGSTOP)
                state = "stopped"
            if state == "stopped" and os.path.exists(path):
                os.kill(viewer, signal.SIGCONT)  # the run is over and waits for it
                state = "over"
            if viewer and kind == "live":
                try:
                    samples.append((time.monotonic(), cpu_seconds(viewer)))
                except OSError:
                    pass
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        if status:
            pairs.fail("%s: wait status %d" % (" ".join(argv), status))
        with open(path, encoding="utf-8") as file:
            row = json.load(file)["jobs"][0]
    if not row.get("metrics"):
        pairs.fail("%s: %s" % (job, row.get("reason")))
    ops = [m["value"] for m in row["metrics"] if m["name"] == "ops"][0]
    share = None
    if len(samples) > 1:
        (t0, c0), (t1, c1) = samples[0], samples[-1]
        share = (c1 - c0) / (t1 - t0)
    return ops, share


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(pairs.ROOT, "build"))
    parser.add_argument("--job", action="append", help="JOB, with options if need be")
    parser.add_argument("--rounds", type=int, default=9, help="at least 6 (default: 9)")
    parser.add_argument("--seconds", type=float, default=3, help="of a trial (default: 3)")
    args = parser.parse_args()
    if args.rounds < 6:
        parser.error("below 6 rounds no 95 % interval exists")
    args.bench = os.path.join(args.build, "bench")
    if not os.access(args.bench, os.X_OK):
        pairs.fail("%s does not exist: run make first" % args.bench)
    print("%d rounds in random order, load average %.2f; operations per second to those without a view"
          % (args.rounds, os.getloadavg()[0]))
    print("%-28s %-24s %-24s %-24s %s" % ("job", "bare again", "live", "stopped", "viewer's CPU"))
    for job in args.job or ["syscall --workers=1", "net_sync,mode=rr"]:
        ratios, shares = {"bare again": [], "live": [], "stopped": []}, []
        for _ in range(args.rounds):
            kinds = ["bare", *ratios]
            random.shuffle(kinds)
            got = {kind: run(args, job, kind) for kind in kinds}
            for kind, list_ in ratios.items():
                list_.append(got[kind][0] / got["bare"][0])
            shares.append(got["live"][1])
        told = ["%.3f [%.3f, %.3f]" % pairs.median_interval(list_) for list_ in ratios.values()]
        known = [share for share in shares if share is not None]
        print("%-28s %-24s %-24s %-24s %s" % (job, *told, "%.2f %%" % (
            100 * pairs.median_interval(known)[0]) if known else "not known"))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
