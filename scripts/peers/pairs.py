# SPDX-License-Identifier: BSD-2-Clause
"""Bench and a peer side by side: interleaved runs, paired ratios, and the noise of the same run.

Each round runs bench once and the peer twice, in random order. The ratio bench / peer of a round
compares runs that are seconds apart, so slow drift of the host cancels; the ratio peer / peer of
the same round shows what the host does to two equal runs. Both are told as the median over the
rounds with a distribution-free interval (order statistics of the binomial distribution; no
assumption about the shape of the noise).
"""

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def fail(text):
    """The run cannot give an answer: exit status 2."""
    sys.stderr.write(text.rstrip() + "\n")
    sys.exit(2)


def need(program, package):
    """Path of a peer, or say what to install."""
    path = shutil.which(program)
    if not path:
        fail("%s is not installed: apt-get install %s" % (program, package))
    return path


def arguments(parser):
    """Options that every script takes."""
    parser.add_argument("--build", default=os.path.join(ROOT, "build"),
                        help="build folder with bench and the bare loops (default: build)")
    parser.add_argument("--pairs", type=int, default=7,
                        help="rounds, at least 6 for an interval (default: 7)")
    parser.add_argument("--duration", type=float, default=2.0, help="seconds a run (default: 2)")
    parser.add_argument("--warmup", type=float, default=1.0,
                        help="seconds before it that do not count (default: 1)")
    parser.add_argument("--counters", action="store_true",
                        help="count hardware events as well; perf events cost about 1 us for each "
                             "context switch, which a peer does not pay")
    parser.add_argument("--report", action="store_true",
                        help="only report: exit status 0 also when a goal is not met")
    parser.add_argument("--raw", action="store_true", help="print each round's values as well")
    parser.add_argument("--seed", type=int, help="of the random order")
    args = parser.parse_args()
    Comparison.raw = args.raw
    if args.pairs < 6:
        parser.error("below 6 pairs no 95 % interval exists")
    random.seed(args.seed)
    args.bench = os.path.join(args.build, "bench")
    if not os.access(args.bench, os.X_OK):
        fail("%s does not exist: run make first" % args.bench)
    return args


def allowed_cpus():
    return sorted(os.sched_getaffinity(0))


def command(argv, **kwargs):
    """Standard output of a command; its failure ends the script with what it said."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)
    if done.returncode != 0:
        fail("%s\nended with status %d\n%s%s" %
             (" ".join(argv), done.returncode, done.stdout[-2000:], done.stderr[-2000:]))
    return done.stdout


def tell(text):
    """Progress, for a person only."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K" + text)
        sys.stderr.flush()


def bench(args, runtime, cpus, job):
    """Run one job of bench; the metrics without labels by name, percentiles as "latency.p99". cpus in the order of the workers;
    a single one for several workers means that they share it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "result.json")
        command([args.bench, "run", "--runtime=" + runtime, "--no-probes", "--trials=1",
                 "--duration=%gs" % args.duration, "--warmup=%gs" % args.warmup,
                 "--cpus=" + ",".join(map(str, dict.fromkeys(cpus))), "-o", path, "--force"] +
                (["--counters"] if args.counters else []) +
                (["--oversubscribe"] if len(set(cpus)) < len(cpus) else []) + [job])
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    (row,) = result["jobs"]
    if row["status"] != "ok":
        fail("bench: %s: %s: %s" % (job, row["status"], row.get("reason")))
    values = {}
    for m in row["metrics"]:
        if not m.get("labels"):
            values[m["name"]] = m["value"]
            for q in ("p50", "p90", "p99", "p999"):
                values["%s.%s" % (m["name"], q)] = (m.get("hist") or {}).get(q)
    return values


def median_interval(values, coverage=0.95):
    """Median with the narrowest symmetric pair of order statistics that covers it with at least
    this probability: P(X(k) <= median <= X(n+1-k)) = 1 - 2 P(Binomial(n, 1/2) < k)."""
    s = sorted(values)
    n = len(s)
    median = s[n // 2] if n % 2 else (s[n // 2 - 1] + s[n // 2]) / 2
    rank = 0
    tail = 0.0
    for k in range(1, n // 2 + 1):
        tail += math.comb(n, k - 1) / 2.0 ** n
        if 1 - 2 * tail < coverage:
            break
        rank = k
    if rank == 0:
        return median, float("nan"), float("nan")
    return median, s[rank - 1], s[n - rank]


def verdict(interval, goal, higher=True):
    """Where the whole interval lies decides: met, missed, or open when the goal lies within it (or
    there is none, as with too few rounds)."""
    low, high = interval
    if (low >= goal) if higher else (high <= goal):
        return "met"
    if (high < goal) if higher else (low > goal):
        return "missed"
    return "open"


class Goals:
    """The verdicts of all rows, and the exit status that follows from them."""

    def __init__(self, report):
        self.report = report
        self.verdicts = []

    def add(self, word):
        self.verdicts.append(word)

    def status(self):
        """0 when every goal is met. Open is not met: more rounds or a quieter host may tell."""
        n = {w: self.verdicts.count(w) for w in ("met", "missed", "open")}
        print("goals: %d met, %d missed, %d open" % (n["met"], n["missed"], n["open"]))
        if self.report:
            return 0
        return 0 if self.verdicts and n["met"] == len(self.verdicts) else 1


class Comparison:
    """One row: bench against a peer. ours() and peer() run once and give {metric: value}."""

    raw = False

    def __init__(self, name, ours, peer):
        self.name = name
        self.ours = ours
        self.peer = peer
        self.rounds = []

    def run(self, pairs):
        for i in range(pairs):
            kinds = ["ours", "peer", "again"]
            random.shuffle(kinds)
            got = {}
            for kind in kinds:
                tell("%s: round %d/%d, %s" %
                     (self.name, i + 1, pairs, "bench" if kind == "ours" else "peer"))
                got[kind] = self.ours() if kind == "ours" else self.peer()
            self.rounds.append(got)
        tell("")

    def row(self, metric, goals, goal, higher=True):
        """Print the metric's row and add its verdict to the goals. goal None: there is none, the
        row is for orientation. A value that a run did not give (a percentile of too few) is no
        answer."""
        missing = sum(r[kind].get(metric) is None for r in self.rounds for kind in r)
        if missing:
            if goal is not None:
                goals.add("open")
            print("%-34s %-10s not told by %d of %d runs" %
                  (self.name, metric, missing, 3 * len(self.rounds)))
            return
        ratios = [r["ours"][metric] / r["peer"][metric] for r in self.rounds]
        noise = [r["again"][metric] / r["peer"][metric] for r in self.rounds]
        ours, _, _ = median_interval([r["ours"][metric] for r in self.rounds])
        peer, _, _ = median_interval([r["peer"][metric] for r in self.rounds])
        m, low, high = median_interval(ratios)
        nm, nlow, nhigh = median_interval(noise)
        text = "none"
        if goal is not None:
            word = verdict((low, high), goal, higher)
            goals.add(word)
            text = "%s %.2f  %s" % (">=" if higher else "<=", goal, word)
        print("%-34s %-10s %12.6g %12.6g  %6.3f [%.3f, %.3f]  %6.3f [%.3f, %.3f]  %s" %
              (self.name, metric, ours, peer, m, low, high, nm, nlow, nhigh, text))
        if self.raw:
            for r in self.rounds:
                print("    bench %-12.6g peer %-12.6g peer again %-12.6g" %
                      tuple(r[kind][metric] for kind in ("ours", "peer", "again")))
        sys.stdout.flush()


def header(pairs):
    print("%d rounds in random order; medians; 95 %% intervals from order statistics" % pairs)
    # Two programs that differ in how they start and sleep get different shares of a busy CPU; random
    # order does not cancel that.
    load = os.getloadavg()[0]
    print("load average at the start: %.2f%s" %
          (load, "; the host is busy: these ratios are no evidence, repeat on an idle one"
           if load > 1.5 else ""))
    print("%-34s %-10s %12s %12s  %-22s  %-22s  %-7s  %s" %
          ("comparison", "metric", "bench", "peer", "bench / peer", "peer / itself", "goal",
           "result"))
