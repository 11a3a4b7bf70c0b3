#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the scripts next to peers conclude from their rounds: medians, intervals, verdicts, exit
# status. The measurements themselves need a quiet host and are no test.
PYTHONPATH=$(dirname "$0")/../../scripts/peers PYTHONDONTWRITEBYTECODE=1 python3 - <<'PY'
import contextlib, io, sys
import pairs

failed = 0


def expect(name, got, wanted):
    global failed
    failed += got != wanted
    print("%s: %s%s" % ("ok" if got == wanted else "FAIL", name,
                        "" if got == wanted else ": got %r, expected %r" % (got, wanted)))


expect("the bound decides, not the median", pairs.verdict((0.96, 1.2), 0.97), "open")
expect("the bound on the goal meets it", pairs.verdict((0.97, 1.2), 0.97), "met")
expect("the whole interval below misses it", pairs.verdict((0.9, 0.969), 0.97), "missed")
expect("lower is better: met", pairs.verdict((0.5, 0.90), 0.90, higher=False), "met")
expect("lower is better: open", pairs.verdict((0.5, 0.91), 0.90, higher=False), "open")
expect("lower is better: missed", pairs.verdict((0.91, 0.95), 0.90, higher=False), "missed")
nan = float("nan")
expect("no interval is open", pairs.verdict((nan, nan), 0.97), "open")
expect("six values: lowest and highest", pairs.median_interval([3, 1, 2, 6, 5, 4]), (3.5, 1, 6))
expect("nine values: second and second last", pairs.median_interval(range(1, 10)), (5, 2, 8))
expect("five values have no interval", str(pairs.median_interval(range(5))[1:]), "(nan, nan)")


def status(words, report=False):
    goals = pairs.Goals(report)
    for word in words:
        goals.add(word)
    with contextlib.redirect_stdout(io.StringIO()):
        return goals.status()


expect("all met", status(["met", "met"]), 0)
expect("open is not met", status(["met", "open"]), 1)
expect("missed is not met", status(["missed", "met"]), 1)
expect("no goal looked at is not met", status([]), 1)
expect("--report only reports", status(["missed"], report=True), 0)


def row(ours, peer, goal, higher=True):
    c = pairs.Comparison("x", None, None)
    c.rounds = [{"ours": {"m": ours}, "peer": {"m": peer}, "again": {"m": peer}}] * 7
    goals = pairs.Goals(False)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        c.row("m", goals, goal, higher)
    return goals.verdicts, out.getvalue().split("  ")[-1].strip()


expect("a row adds its verdict", row(99, 100, 0.98), (["met"], "met"))
expect("a row of time", row(99, 100, 0.98, higher=False), (["missed"], "missed"))
expect("a row for orientation adds none", row(1, 2, None), ([], "none"))
sys.exit(failed != 0)
PY
