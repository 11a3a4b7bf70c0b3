#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""disk next to fio: 4 KiB random reads past the page cache, queue depth 1 and 32.

    scripts/peers/disk_fio.py [--dir DIR] [--size MIB] [--cpu N] [--pairs N] ...

Both read the same file (bench by filename=) from one thread on the same CPU; fio uses its io_uring
engine with its default flags. Compared are operations per second (goal: at least 0.97 of fio's) and
CPU time (user + system) for each operation, fio's usr_cpu and sys_cpu of its job thread next to
bench's cpu.per_op (goal: at most 0.90 of fio's). A goal is met when the whole 95 % interval of the
ratio is on its good side. Needs fio (apt-get install fio), about 1.5 minutes for each depth, and free
space of --size. Exit status 1 when a goal is not met, 2 when there is no answer.
"""

import argparse
import json
import os
import sys
import tempfile

import pairs


def fio(args, path, cpu, depth):
    out = pairs.command([
        args.fio, "--name=peer", "--ioengine=io_uring", "--direct=1", "--rw=randread", "--bs=4k",
        "--iodepth=%d" % depth, "--filename=" + path, "--size=%dm" % args.size, "--readonly",
        "--thread", "--cpus_allowed=%d" % cpu, "--time_based",
        # fio takes no fractions of a unit: 0.8s is 0, and that is the whole file.
        "--runtime=%dms" % round(args.duration * 1000),
        "--ramp_time=%dms" % round(args.warmup * 1000), "--output-format=json"])
    # Some versions print notes before the document.
    job = json.loads(out[out.index("{"):])["jobs"][0]
    if job["error"]:
        pairs.fail("fio: error %d" % job["error"])
    iops = job["read"]["iops"]
    cpu_share = (job["usr_cpu"] + job["sys_cpu"]) / 100
    return {"iops": iops, "cpu_ns/op": cpu_share * 1e9 / iops}


def ours(args, path, cpu, depth):
    m = pairs.bench(args, "uring", [cpu], "disk,rw=randread,bs=4k,direct=1,depth=%d,size=%dm,"
                    "filename=%s,workers=1" % (depth, args.size, path.replace(",", "\\,")))
    return {"iops": m["ops"], "cpu_ns/op": m["cpu.per_op"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dir", default=".", help="where the file is made (default: here)")
    parser.add_argument("--size", type=int, default=1024, help="of the file, MiB (default: 1024)")
    parser.add_argument("--cpu", type=int, help="for both (default: the last allowed one)")
    args = pairs.arguments(parser)
    args.fio = pairs.need("fio", "fio")
    cpu = pairs.allowed_cpus()[-1] if args.cpu is None else args.cpu
    goals = pairs.Goals(args.report)
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="peers-") as folder:
        path = os.path.abspath(os.path.join(folder, "data"))
        # Random data: neither compressed nor stored once on the way down.
        with open(path, "wb") as file:
            for _ in range(args.size):
                file.write(os.urandom(1 << 20))
            file.flush()
            os.fsync(file.fileno())
        pairs.header(args.pairs)
        for depth in (1, 32):
            c = pairs.Comparison("disk depth=%d vs fio" % depth,
                                 lambda d=depth: ours(args, path, cpu, d),
                                 lambda d=depth: fio(args, path, cpu, d))
            c.run(args.pairs)
            c.row("iops", goals, 0.97)
            c.row("cpu_ns/op", goals, 0.90, higher=False)
    return goals.status()


if __name__ == "__main__":
    sys.exit(main())
