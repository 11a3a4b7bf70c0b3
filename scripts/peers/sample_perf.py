#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Are our samples those of perf? Five programs, each recorded by `perf record -F HZ -g` and by
`bench exec --sample=HZ` in turns, several times; perf's own report on both kinds of files, added up,
must have the same functions on top (those of at least --least percent), with shares that differ by
at most --points. A function whose share moves more than that between two recordings of perf itself
is held against that instead. Both record context switches and nothing else besides; "probes" is bench with
its probes, as it is by default: what those do at each switch is the kernel's time, which shows in a
program that does little but switch (`observer` in bench's wall.time). Needs root, perf, g++, sysbench, python3. Exit status 1 when a program
differs, 2 when there is no answer."""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

CXX = r"""
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>
namespace app {
struct Mix { unsigned long v; unsigned long step(unsigned long x) { return (v = v * 6364136223846793005UL + x) >> 33; } };
template <class T> __attribute__((noinline)) T heavy(T n) { Mix m{1}; T s = 0; for (T i = 0; i < n; i++) s += m.step(i); return s; }
__attribute__((noinline)) void sorter(std::vector<unsigned long> &v) { std::sort(v.begin(), v.end()); }
}
int main() {
	unsigned long s = 0;
	for (unsigned long k = 0; k < 20; k++) {
		std::vector<unsigned long> v; app::Mix m{k};
		s += app::heavy<unsigned long>(30000000);
		for (int i = 0; i < 400000; i++) v.push_back(m.step(i));
		app::sorter(v);
		std::map<unsigned long, std::string> map;
		for (int i = 0; i < 30000; i++) map[v[i]] = std::to_string(i);
		s += map.size() + v[7];
	}
	printf("%lu\n", s);
}
"""
SPIN = r"""
static volatile unsigned long x;
#define F(name, n) __attribute__((noinline)) void name(void) { for (unsigned long i = 0; i < n; i++) x += i ^ (x >> 3); }
F(alpha, 4000000) F(beta, 2000000) F(gamma_, 1000000) F(delta, 500000)
int main(void) { for (int i = 0; i < 90; i++) { alpha(); beta(); gamma_(); delta(); } return 0; }
"""
READER = ("import os\nfd = os.open(%r, os.O_RDONLY)\nfor k in range(6):\n"
          "    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)\n    os.lseek(fd, 0, 0)\n"
          "    while os.read(fd, 65536): pass\n")
SCRIPT = "i=0; while [ $i -lt 900 ]; do /bin/true; x=$(echo $i); i=$((i + 1)); done"


def programs(folder):
    for name, text, compiler in (("cxx.cpp", CXX, "g++"), ("spin.c", SPIN, "gcc")):
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(text)
        subprocess.run([compiler, "-O2", "-g", "-fno-omit-frame-pointer", "-o",
                        os.path.splitext(path)[0], path], check=True)
    data = os.path.join(folder, "data")
    with open(data, "wb") as file:
        file.write(os.urandom(1 << 20) * 64)
        file.flush()
        os.fsync(file.fileno())
    return {
        "CPU-bound": [os.path.join(folder, "spin")],
        "sysbench threads": ["sysbench", "threads", "--threads=4", "--time=2", "run"],
        "disk reader": ["python3", "-c", READER % data],
        "forking script": ["sh", "-c", SCRIPT],
        "C++ with inlining": [os.path.join(folder, "cxx")],
    }


def quiet(argv):
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def shares(path, event):
    """{function: weight} of an event, by perf report; and what perf had to complain of."""
    out = subprocess.run(["perf", "report", "-i", path, "--stdio", "--no-children", "-g", "none",
                          "-F", "period,dso,sym", "-t", "\t", "--stdio-color=never"],
                         capture_output=True, text=True)
    found, here = collections.Counter(), False
    for line in out.stdout.splitlines():
        if line.startswith("# Samples"):
            here = "'%s" % event in line
        cells = [cell.strip() for cell in line.split("\t")]
        if here and len(cells) >= 3 and cells[0].isdigit():
            name = re.sub(r"^\[[.k]\] ", "", cells[2])
            # An address that nothing covers is a row of its own each.
            name = "[unknown]" if re.match(r"(0x)?[0-9a-f]{8,}$", name) else name
            found[cells[1] + " " + name] += int(cells[0])
    return found, [l for l in out.stderr.splitlines() if l.strip()]


def percent(counter):
    total = sum(counter.values())
    return {name: 100 * n / total for name, n in counter.items()} if total else {}


def compare(title, args, argv, folder):
    runs = {"perf": [], "bench": [], "probes": []}
    complaints = []
    for turn in range(args.turns):
        path = os.path.join(folder, "t.perf.data")
        quiet(["perf", "record", "--switch-events", "-F", str(args.hz), "-e", "cpu-clock", "-g", "-o", path,
               "--", *argv])
        runs["perf"].append(shares(path, "cpu-clock")[0])
        for case, options in (("bench", ["--no-probes"]), ("probes", [])):
            done = quiet([args.bench, "exec", "-q", "--sample=%d" % args.hz, "--trials=1", "--warmup=0",
                          "--discard-output", "--force", "-o", os.path.join(folder, "t.json"), *options,
                          "--", *argv])
            if done.returncode:
                sys.exit("bench: " + done.stderr)
            found, said = shares(path, "cpu-clock")
            runs[case].append(found)
            complaints += said
    theirs, ours, probed = (percent(sum(runs[k], collections.Counter())) for k in runs)
    each = [percent(run) for run in runs["perf"]]
    top = sorted(theirs, key=theirs.get, reverse=True)[:10]
    good = True
    print("%s\n  %7s %7s %7s %7s  function" % (title, "perf", "bench", "probes", "noise"))
    for name in top:
        if theirs[name] < args.least:
            break
        noise = max(e.get(name, 0) for e in each) - min(e.get(name, 0) for e in each)
        off = abs(theirs[name] - ours.get(name, 0))
        bad = off > max(args.points, noise)
        good &= not bad
        print("  %7.2f %7.2f %7.2f %7.2f  %s%s" % (theirs[name], ours.get(name, 0), probed.get(name, 0), noise, name[:70],
                                              "  <-- differs" if bad else ""))
    common = [n for n in sorted(ours, key=ours.get, reverse=True)[:10] if n in top]
    print("  %d of the first ten are the same" % len(common))
    for said in set(complaints):
        print("  perf says:", said)
        good = False
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/bench")
    parser.add_argument("--hz", type=int, default=999)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--points", type=float, default=2)
    parser.add_argument("--least", type=float, default=1)
    args = parser.parse_args()
    args.bench = os.path.abspath(args.bench)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        try:
            all_programs = programs(folder)
            good = [compare(title, args, argv, folder) for title, argv in all_programs.items()]
        except (OSError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 2
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
