#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What observing costs where it costs most: a ping-pong over a pipe on one CPU, all of it context
switches. The time that `perf bench sched pipe` takes by itself, and under each observer:

  bench    bench exec with its default probes
  tools    runqlat, offcputime, cpudist, wakeuptime, softirqs and hardirqs together, which see what
           the default probes see
  perf     perf sched record

Each round runs all of them once, and the bare case twice, in random order; a ratio compares runs of
one round, so that slow drift of the host cancels. The row "bare again" shows what the host does to
two equal runs. The second ratio is of the CPU time of the ping-pong, which other load on the host
does not enter; programs at its context switches do. Needs root and perf; a column whose programs are not installed is left out with the
reason. Exit status 1 when bench is above its goal, 2 when there is no answer.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
import pairs  # noqa: E402  (it is in the folder beside)

TOOLS = ("runqlat", "offcputime", "cpudist", "wakeuptime", "softirqs", "hardirqs")
GOAL = 1.25


class Unusable(Exception):
    """This observer cannot run here."""


def bare(args):
    return ["taskset", "-c", str(args.cpu), "bash", "-c",
            'exec 2>&1; TIMEFORMAT="CPU time: %U %S"; time "$@"', "bash",
            args.perf, "bench", "sched", "pipe", "-l", str(args.loops)]


def seconds(argv):
    """Run it, and read from its output what the ping-pong itself took, by the clock and of CPU."""
    out = pairs.command(argv, stdin=subprocess.DEVNULL)
    found = re.search(r"Total time:\s*([0-9.]+)\s*\[sec\]", out)
    cpu = re.search(r"CPU time: ([0-9.]+) ([0-9.]+)", out)
    if not found or not cpu:
        raise Unusable("no time in the output of %s:\n%s" % (" ".join(argv), out[-500:]))
    return float(found[1]), float(cpu[1]) + float(cpu[2])


def run_bare(args):
    return seconds(bare(args))


def run_bench(args, *options):
    return seconds([args.bench, "exec", "-q", "-o", "none", "--trials=1", "--warmup=0", *options,
                    "--"] + bare(args))


def run_perf(args):
    with tempfile.TemporaryDirectory() as folder:
        return seconds([args.perf, "sched", "record", "-o", os.path.join(folder, "data"), "--"] +
                       bare(args))


def attached(pid):
    """Has the process a BPF link, so that its programs see events by now?"""
    folder = "/proc/%d/fdinfo" % pid
    for name in os.listdir(folder):
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                if "link_id" in file.read():
                    return True
        except OSError:
            pass
    return False


def tools_start():
    started = []
    for tool in TOOLS:
        path = shutil.which(tool)
        started.append((tool, subprocess.Popen([path], stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL)))
    return started


def tools_stop(started):
    for _, process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for _, process in started:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_tools(args):
    started = tools_start()
    try:
        deadline = time.monotonic() + 30
        for tool, process in started:
            while not attached(process.pid):
                if process.poll() is not None:
                    raise Unusable("%s ends at once, with status %d" % (tool, process.returncode))
                if time.monotonic() > deadline:
                    raise Unusable("%s does not attach within 30 s" % tool)
                time.sleep(0.05)
        time.sleep(0.2)  # a tool may attach several programs
        return seconds(bare(args))
    finally:
        tools_stop(started)


def columns(args):
    """Name and function of each observer that can run here; the reason for each that cannot."""
    usable = [("bare", run_bare), ("bare again", run_bare), ("bench", run_bench)]
    if args.no_probes:
        usable.append(("bench --no-probes", lambda a: run_bench(a, "--no-probes")))
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    candidates = [("six BPF tools", run_tools), ("perf sched record", run_perf)]
    for name, run in candidates:
        try:
            if name == "six BPF tools" and missing:
                raise Unusable("%s not installed: apt-get install libbpf-tools" %
                               ", ".join(missing))
            run(args)  # also a warm-up
        except Unusable as why:
            print("left out: %s: %s" % (name, why))
            continue
        except SystemExit:
            print("left out: %s: it fails here, see above" % name)
            continue
        usable.append((name, run))
    return usable


def over_bare(got, name, what):
    """Against the mean of the round's two bare runs, and those against each other."""
    if name.startswith("bare"):
        return got[name][what] / got["bare"][what]
    return 2 * got[name][what] / (got["bare"][what] + got["bare again"][what])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(pairs.ROOT, "build"),
                        help="build folder with bench (default: build)")
    parser.add_argument("--rounds", type=int, default=7, help="at least 6 (default: 7)")
    parser.add_argument("--loops", type=int, default=200000,
                        help="round trips of the ping-pong (default: 200000)")
    parser.add_argument("--cpu", type=int, help="CPU of the ping-pong (default: the last allowed)")
    parser.add_argument("--no-probes", action="store_true",
                        help="one more column: bench exec without probes")
    parser.add_argument("--raw", action="store_true", help="print each round's values as well")
    args = parser.parse_args()
    if args.rounds < 6:
        parser.error("below 6 rounds no 95 % interval exists")
    args.bench = os.path.join(args.build, "bench")
    if os.geteuid() != 0:
        pairs.fail("observing needs root")
    if not os.access(args.bench, os.X_OK):
        pairs.fail("%s does not exist: run make first" % args.bench)
    args.perf = pairs.need("perf", "linux-perf")
    args.cpu = pairs.allowed_cpus()[-1] if args.cpu is None else args.cpu

    kinds = columns(args)
    rounds = []
    for i in range(args.rounds):
        got = {}
        for name, run in random.sample(kinds, len(kinds)):
            pairs.tell("round %d/%d: %s" % (i + 1, args.rounds, name))
            got[name] = run(args)
        rounds.append(got)
    pairs.tell("")

    print("perf bench sched pipe, %d round trips on CPU %d; %d rounds in random order; medians, "
          "95 %% intervals" % (args.loops, args.cpu, args.rounds))
    print("%-20s %12s   %-24s %s" % ("observer", "us per trip", "time / bare", "CPU time / bare"))
    above = False
    for name, _ in kinds:
        took, _, _ = pairs.median_interval([r[name][0] for r in rounds])
        ratio, low, high = pairs.median_interval([over_bare(r, name, 0) for r in rounds])
        cpu = pairs.median_interval([over_bare(r, name, 1) for r in rounds])
        note = ""
        if name == "bench":
            above = low > GOAL
            note = "  goal <= %.2f: %s" % (GOAL, "missed" if above else
                                           "met" if high <= GOAL else "open")
        print("%-20s %12.3f   %6.3f %-17s %6.3f [%.3f, %.3f]%s" %
              (name, took / args.loops * 1e6, ratio, "[%.3f, %.3f]" % (low, high), *cpu, note))
        if args.raw:
            print("    " + " ".join("%.4f/%.4f" % r[name] for r in rounds))
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
