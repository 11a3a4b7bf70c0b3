#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""disk next to fio's io_uring engine, row by row.

    scripts/peers/disk_fio.py [--dir DIR] [--size MIB] [--cpu N] [--only WORD] [--pairs N] ...

Both run one thread on the same CPU. Rows that read use the same file (bench by filename=), the mixed one
a file of each one's own, because bench writes to none that exists.

    qd1, qd32, qd128    4 KiB random reads past the page cache, fio with its default flags
    seq                 128 KiB sequential reads, depth 8
    mixed               4 KiB, 70 % random reads, 30 % random writes, depth 32
    buffered            4 KiB random reads of a file that the page cache holds, depth 32
    equal               as qd32, fio with fixed buffers and registered files as bench has them
    rate                reads at half of what fio reaches at depth 32, arriving evenly: p99.9

Goals: at least 0.97 of fio's operations per second, at most 0.85 of its CPU time (user + system) for
each operation: fio's usr_cpu and sys_cpu of its job thread next to bench's cpu.per_op, which has io_uring's
kernel workers, too. Percentiles are shown next to fio's (its total latency). `equal` has no goals. At a
fixed rate bench's p99.9 may not be larger than fio's, both counted from when an operation was due, by the
block layer's tracepoints (block_trace.py; needs root and tracefs). By what the two tell themselves no such
comparison can be made: before fio sleeps until the next operation is due it waits until none is in flight
(its io_u_quiesce(); only io_submit_mode=offload does not, which its manual excludes for io_uring). While the
device stands still it so issues nothing, and what was due then counts from when it is issued at last; bench
issues what is due all the same. Both ways of counting are shown, from the issue without a goal, and how late
bench's own generator was.

A goal is met when the whole 95 % interval of the ratio is on its good side. Needs fio (apt-get install fio),
about 1.5 minutes for each row, and free space of three times --size. Exit status 1 when a goal is not met, 2
when there is no answer.
"""

import argparse
import json
import os
import sys
import tempfile

import block_trace
import pairs

COMMON = ["--name=peer", "--ioengine=io_uring", "--thread", "--time_based", "--lat_percentiles=1",
          "--percentile_list=50:99:99.9", "--output-format=json"]
EQUAL = ["--fixedbufs=1", "--registerfiles=1"]


class Row:
    """One comparison: what both are told, and the goals."""

    def __init__(self, name, ours, fio, goals=(0.97, 0.85), own=False):
        self.name = name
        self.ours = ours
        self.fio = fio
        self.iops_goal, self.cpu_goal = goals
        self.own = own  # each has a file of its own


ROWS = [
    Row("qd1", "rw=randread,bs=4k,depth=1", ["--rw=randread", "--bs=4k", "--iodepth=1", "--direct=1"]),
    Row("qd32", "rw=randread,bs=4k,depth=32", ["--rw=randread", "--bs=4k", "--iodepth=32", "--direct=1"]),
    Row("qd128", "rw=randread,bs=4k,depth=128",
        ["--rw=randread", "--bs=4k", "--iodepth=128", "--direct=1"]),
    Row("seq", "rw=read,bs=128k,depth=8", ["--rw=read", "--bs=128k", "--iodepth=8", "--direct=1"]),
    Row("mixed", "rw=randrw,rwmixread=70,bs=4k,depth=32",
        ["--rw=randrw", "--rwmixread=70", "--bs=4k", "--iodepth=32", "--direct=1"], own=True),
    Row("buffered", "rw=randread,bs=4k,depth=32,direct=0,cache=warm",
        ["--rw=randread", "--bs=4k", "--iodepth=32", "--direct=0", "--invalidate=0"]),
    Row("equal", "rw=randread,bs=4k,depth=32",
        ["--rw=randread", "--bs=4k", "--iodepth=32", "--direct=1"] + EQUAL, goals=(None, None)),
]


def fio(args, options, path, cpu):
    out = pairs.command([
        args.fio, *COMMON, *options, "--filename=" + path, "--size=%dm" % args.size,
        "--cpus_allowed=%d" % cpu,
        # fio takes no fractions of a unit: 0.8s is 0, and that is the whole file.
        "--runtime=%dms" % round(args.duration * 1000),
        "--ramp_time=%dms" % round(args.warmup * 1000)])
    # Some versions print notes before the document.
    job = json.loads(out[out.index("{"):])["jobs"][0]
    if job["error"]:
        pairs.fail("fio: error %d" % job["error"])
    iops = job["read"]["iops"] + job["write"]["iops"]
    cpu_share = (job["usr_cpu"] + job["sys_cpu"]) / 100
    percentile = job["read"]["lat_ns"]["percentile"]
    return {"iops": iops, "cpu_ns/op": cpu_share * 1e9 / iops, "p50_ns": percentile["50.000000"],
            "p99_ns": percentile["99.000000"], "p99.9_ns": percentile["99.900000"], "late_us": None}


def ours(args, options, path, cpu):
    where = "filename=" + path.replace(",", "\\,") if path else "directory=" + args.folder
    m = pairs.bench(args, "uring", [cpu], "disk,%s,size=%dm,%s,workers=1" % (options, args.size, where))
    late = m.get("arrival.lateness.p99")
    return {"iops": m["ops"], "cpu_ns/op": m["cpu.per_op"], "p50_ns": m["latency.p50"],
            "p99_ns": m["latency.p99"], "p99.9_ns": m["latency.p999"],
            "service": {q: m.get("service." + q) for q in ("p50", "p99", "p999")},
            "late_us": late / 1e3 if late is not None else None}


def lay_out(path, size):
    # Random data: neither compressed nor stored once on the way down.
    with open(path, "wb") as file:
        for _ in range(size):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())


def enough(comparison, metric):
    """Did both have operations enough for this percentile in every round?"""
    return all(r[kind][metric] for r in comparison.rounds for kind in ("ours", "peer", "again"))


def compare(args, row, path, peer_path, cpu, goals):
    c = pairs.Comparison("disk %s vs fio" % row.name,
                         lambda: ours(args, row.ours, None if row.own else path, cpu),
                         lambda: fio(args, row.fio + ([] if row.own else ["--readonly"]),
                                     peer_path if row.own else path, cpu))
    c.run(args.pairs)
    c.row("iops", goals, row.iops_goal)
    c.row("cpu_ns/op", goals, row.cpu_goal, higher=False)
    for metric in ("p50_ns", "p99_ns", "p99.9_ns"):
        if not row.own and enough(c, metric):
            c.row(metric, goals, None)


def told(values):
    """The median of those that were told, and of how many runs."""
    known = sorted(v for v in values if v is not None)
    return "%.1f us (median of %d of %d rounds)" % (known[len(known) // 2] / 1e3, len(known), len(values)) \
        if known else "not told: the generator was late in every round"


def traced(args, rate, path, run):
    """A run at a rate, with percentiles from when operations were due as the block layer saw it."""
    reason = block_trace.missing(path)
    if reason:
        return run()
    with block_trace.Trace(path, 4096) as trace:
        metrics = run()
    try:
        due = trace.latencies(rate, int(rate * args.duration))
    except block_trace.Lost as lost:
        pairs.fail(str(lost))
    for metric, q in (("due_p50", 0.5), ("due_p99", 0.99), ("due_p99.9", 0.999)):
        # Ten have to lie beyond it, as with the percentiles that bench tells.
        metrics[metric] = due[int(len(due) * q)] * 1e3 if len(due) * (1 - q) >= 9.999 else None
    return metrics


def issued(args, rate, path, cpu):
    """A run of bench at a rate, its percentiles from when operations were issued."""
    run = ours(args, "rw=randread,bs=4k,depth=128,rate=%d" % rate, path, cpu)
    run["told_p99.9"] = run["p99.9_ns"]
    for metric, q in (("p50_ns", "p50"), ("p99_ns", "p99"), ("p99.9_ns", "p999")):
        run[metric] = run["service"][q]
    return run


def fixed_rate(args, path, cpu, goals):
    top = fio(args, ["--rw=randread", "--bs=4k", "--iodepth=32", "--direct=1", "--readonly"], path, cpu)
    rate = int(top["iops"] / 2)
    options = ["--rw=randread", "--bs=4k", "--iodepth=128", "--direct=1", "--readonly",
               "--rate_iops=%d" % rate]
    c = pairs.Comparison("disk rate=%d vs fio" % rate,
                         lambda: traced(args, rate, path, lambda: issued(args, rate, path, cpu)),
                         lambda: traced(args, rate, path, lambda: fio(args, options, path, cpu)))
    c.run(args.pairs)
    for metric in ("iops", "p50_ns", "p99_ns", "p99.9_ns"):
        c.row(metric, goals, None)
    reason = block_trace.missing(path)
    if reason:
        print("from when operations were due: not told: " + reason)
        goals.add("open")
    else:
        c.row("due_p50", goals, None)
        c.row("due_p99", goals, None)
        c.row("due_p99.9", goals, 1.0, higher=False)
    print("    bench's own p99.9 from when it was due: " + told([r["ours"]["told_p99.9"] for r in c.rounds]))
    late, _, _ = pairs.median_interval([r["ours"]["late_us"] for r in c.rounds])
    print("    lateness of bench's generator: p99 %.1f us (median of %d rounds)" % (late, args.pairs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--dir", default=".", help="where the files are made (default: here)")
    parser.add_argument("--size", type=int, default=1024, help="of each file, MiB (default: 1024)")
    parser.add_argument("--cpu", type=int, help="for both (default: the last allowed one)")
    names = [row.name for row in ROWS] + ["rate"]
    parser.add_argument("--only", choices=names, action="append", help="this row (may be repeated)")
    args = pairs.arguments(parser)
    args.fio = pairs.need("fio", "fio")
    cpu = pairs.allowed_cpus()[-1] if args.cpu is None else args.cpu
    goals = pairs.Goals(args.report)
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="peers-") as folder:
        args.folder = os.path.abspath(folder).replace(",", "\\,")
        path, peer_path = (os.path.abspath(os.path.join(folder, name)) for name in ("data", "peer"))
        lay_out(path, args.size)
        if "mixed" in (args.only or names):
            lay_out(peer_path, args.size)
        pairs.header(args.pairs)
        for row in ROWS:
            if row.name in (args.only or names):
                compare(args, row, path, peer_path, cpu, goals)
        if "rate" in (args.only or names):
            fixed_rate(args, path, cpu, goals)
    return goals.status()


if __name__ == "__main__":
    sys.exit(main())
