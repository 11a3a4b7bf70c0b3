#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What sampling costs: a fixed piece of work, half of it system calls, that times itself; bare, under
`perf record -F HZ -g`, under `bench exec`, and under `bench exec --sample=HZ`. Each round runs all of
them once in random order, the bare case twice ("bare again" is what the host does to equal runs).
The cost of sampling is that of perf against bare, and of --sample against bench without it: both by
the CPU time of the work, of which a round's own ratio is taken, and the median of the rounds. Needs
root and perf. Exit status 1 when --sample costs more than perf by over --points percent, 2 when there
is no answer."""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile

WORK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static double now(clockid_t c) { struct timespec t; clock_gettime(c, &t); return t.tv_sec + t.tv_nsec / 1e9; }
__attribute__((noinline)) static unsigned long chunk(unsigned long v) { for (int i = 0; i < 20000; i++) v = v * 6364136223846793005UL + i; return v; }
int main(int argc, char **argv) {
	unsigned long v = 1, rounds = argc > 1 ? strtoul(argv[1], 0, 0) : 30000;
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
	for (unsigned long i = 0; i < rounds; i++) { v = chunk(v); for (int k = 0; k < 50; k++) syscall(SYS_getppid); }
	fprintf(stderr, "WORK %.6f %.6f %lu\n", now(CLOCK_PROCESS_CPUTIME_ID) - cpu, now(CLOCK_MONOTONIC) - wall, v);
	return 0;
}
"""


def measure(argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    for line in done.stderr.splitlines():
        if line.startswith("WORK"):
            return float(line.split()[1])
    sys.exit("no time from %s:\n%s" % (" ".join(argv), done.stderr[-800:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/bench")
    parser.add_argument("--hz", type=int, default=999)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--work", type=int, default=30000)
    parser.add_argument("--points", type=float, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        work = os.path.join(folder, "work")
        with open(work + ".c", "w") as file:
            file.write(WORK)
        try:
            subprocess.run(["gcc", "-O2", "-fno-omit-frame-pointer", "-o", work, work + ".c"],
                           check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 2
        run = [work, str(args.work)]
        bench = [os.path.abspath(args.bench), "exec", "-q", "--trials=1", "--warmup=0", "--force",
                 "-o", os.path.join(folder, "r.json")]
        cases = {
            "bare": run,
            "bare again": run,
            "perf record": ["perf", "record", "-q", "-F", str(args.hz), "-g", "-o",
                            os.path.join(folder, "p.data"), "--"] + run,
            "bench": bench + ["--"] + run,
            "bench --sample": bench + ["--sample=%d" % args.hz, "--"] + run,
        }
        times = {name: [] for name in cases}
        for _ in range(args.rounds):
            for name in random.sample(list(cases), len(cases)):
                times[name].append(measure(cases[name]))
    def cost(name, base):
        ratios = [a / b for a, b in zip(times[name], times[base])]
        return 100 * (statistics.median(ratios) - 1)
    for name in cases:
        print("%-16s %8.4f s CPU  %+6.2f %% against bare" %
              (name, statistics.median(times[name]), cost(name, "bare")))
    theirs, ours = cost("perf record", "bare"), cost("bench --sample", "bench")
    print("sampling at %d Hz costs %.2f %% by perf, %.2f %% by bench" % (args.hz, theirs, ours))
    return 0 if ours <= theirs + args.points else 1


if __name__ == "__main__":
    sys.exit(main())
