#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""exec --no-probes next to hyperfine: what a run takes, the tool's own part included.

    scripts/peers/exec_hyperfine.py [--runs N] [--pairs N] ...

Ten commands, each run N times by either, without a shell (-N) and without output. Compared is what a
run takes from the outside, command and tool together: elapsed time, and CPU time of the tool and all
its children (wait4). Both are differences between many runs and two, so that starting and ending the
tool cancels; the command is the same, so that who takes longer has the larger overhead. wall is the
median that the tool itself reports: bench's clock starts just before execve(2), hyperfine's before the
fork. beside is elapsed time less the tool's own sum of wall times, for orientation. The goal is that
elapsed, cpu and wall are no larger than hyperfine's: the whole 95 % interval of the ratio at 1.00 or
below. Needs hyperfine (apt-get install hyperfine) and about 30 s a command. Exit
status 1 when the goal is not met, 2 when there is no answer.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time

import pairs

COMMANDS = [
    ["true"], ["echo", "hello"], ["sleep", "0.001"], ["sleep", "0.01"], ["cat", "/etc/passwd"],
    ["ls", "-l", "/usr/bin"], ["sh", "-c", "true"], ["sh", "-c", "for i in 1 2 3; do /bin/true; done"],
    ["sort", "/etc/services"], ["python3", "-S", "-c", "pass"],
]


def timed(argv):
    """Elapsed and CPU time of a program with its children."""
    start = time.monotonic()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    took = time.monotonic() - start
    if status:
        pairs.fail("%s\nended with status %d" % (" ".join(argv), os.waitstatus_to_exitcode(status)))
    return took, usage.ru_utime + usage.ru_stime


def quote(argv):
    return " ".join("'%s'" % word if set(word) - set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") else word
        for word in argv)


def ours(args, argv, runs, path):
    took, cpu = timed([args.bench, "exec", "-q", "--no-probes", "--discard-output", "--warmup=0",
                       "--trials=%d" % runs, "--force", "-o", path, "--"] + argv)
    with open(path, encoding="utf-8") as file:
        (job,) = json.load(file)["jobs"]
    (wall,) = [m for m in job["metrics"] if m["name"] == "wall"]
    return took, cpu, sum(wall["trials"]) / 1e9, wall["value"] / 1e9


def hyperfine(args, argv, runs, path):
    took, cpu = timed([args.hyperfine, "-N", "--warmup=0", "--style=none", "--runs=%d" % runs,
                       "--export-json=" + path, quote(argv)])
    with open(path, encoding="utf-8") as file:
        (result,) = json.load(file)["results"]
    return took, cpu, sum(result["times"]), result["median"]


def measure(tool, args, argv):
    """Of the difference between many runs and few: starting and ending the tool cancels."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "result.json")
        few, many = tool(args, argv, 2, path), tool(args, argv, args.runs + 2, path)
    return {"beside": (many[0] - many[2] - few[0] + few[2]) / args.runs,
            "elapsed": (many[0] - few[0]) / args.runs,
            "cpu": (many[1] - few[1]) / args.runs,
            "wall": many[3]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=100, help="runs a measurement (default: 100)")
    parser.add_argument("--only", help="commands that contain this text")
    args = pairs.arguments(parser)
    args.hyperfine = pairs.need("hyperfine", "hyperfine")
    goals = pairs.Goals(args.report)
    pairs.header(args.pairs)
    for argv in COMMANDS:
        name = " ".join(argv)
        if args.only and args.only not in name:
            continue
        c = pairs.Comparison(name[:34], lambda argv=argv: measure(ours, args, argv),
                             lambda argv=argv: measure(hyperfine, args, argv))
        c.run(args.pairs)
        c.row("elapsed", goals, 1, higher=False)
        c.row("cpu", goals, 1, higher=False)
        c.row("wall", goals, 1, higher=False)
        c.row("beside", goals, None)
    return goals.status()


if __name__ == "__main__":
    raise SystemExit(main())
