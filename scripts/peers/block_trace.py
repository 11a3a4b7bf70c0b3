# SPDX-License-Identifier: BSD-2-Clause
"""What the block layer saw of a run of equal reads at a fixed rate: an independent look at two programs that
count latency from different moments.

The kernel's tracepoints block_rq_issue and block_rq_complete, by an instance of tracefs of our own, so that
nobody's tracing is touched. Of each request it is known when it went to the device and when the device was
done. When it was due follows from the rate: operation n at start + n / rate. The start is not seen from there,
so the latest due times are taken that no request precedes, going back from the last one:
due(n) = min(issued(n), due(n + 1) - 1 / rate). A program is thus never counted later than it was.
"""

import os
import re

TRACEFS = "/sys/kernel/tracing"
EVENT = re.compile(rb"(\d+)\.(\d+): block_rq_(issue|complete): \d+,\d+ R.*? (\d+) \+ \d+ .*\[(.*)\]")
KIB_PER_CPU = 48 << 10  # some 8 s at 40,000 reads a second on one CPU


def disk_of(path):
    """(major, minor) of the disk that holds a file, or None where that is not one block device."""
    dev = os.stat(path).st_dev
    place = "/sys/dev/block/%d:%d" % (os.major(dev), os.minor(dev))
    if os.path.exists(place + "/partition"):
        place += "/.."
    try:
        with open(place + "/dev", encoding="ascii") as file:
            return tuple(map(int, file.read().split(":")))
    except OSError:
        return None


def missing(path):
    """Why it cannot be used for a file, or None."""
    if not os.access(TRACEFS + "/instances", os.W_OK):
        return "no %s (as root: mount -t tracefs nodev %s)" % (TRACEFS, TRACEFS)
    if not os.path.isdir(TRACEFS + "/events/block"):
        return "the kernel has no tracepoints of the block layer"
    if not disk_of(path):
        return "%s is on no block device" % path
    return None


class Lost(Exception):
    """The buffer was too small, or something else left requests without their other half."""


class Trace:
    """with Trace(path, size) as trace: run; trace.latencies(rate, nr) afterwards."""

    def __init__(self, path, size):
        major, minor = disk_of(path)
        self.filter = "dev == %d && nr_sector == %d" % (major << 20 | minor, size // 512)
        self.root = "%s/instances/bench-peers-%d" % (TRACEFS, os.getpid())
        self.requests = []

    def _write(self, name, text):
        with open(os.path.join(self.root, name), "w", encoding="ascii") as file:
            file.write(text)

    def __enter__(self):
        os.mkdir(self.root)
        try:
            self._write("trace_clock", "mono")
            self._write("buffer_size_kb", str(KIB_PER_CPU))
            for event in ("block_rq_issue", "block_rq_complete"):
                self._write("events/block/%s/filter" % event, self.filter)
                self._write("events/block/%s/enable" % event, "1")
        except BaseException:
            os.rmdir(self.root)
            raise
        return self

    def __exit__(self, *_):
        try:
            self._write("tracing_on", "0")
            self.requests = self._read()
        finally:
            os.rmdir(self.root)

    def _read(self):
        """(issued, done) of each read, in us, by when it was issued. What was done before the buffer begins
        is left out; so is what never was, and the few reads that others made meanwhile."""
        issued, by_task = {}, {}
        with open(self.root + "/trace", "rb") as file:
            for line in file:
                m = EVENT.search(line)
                if not m:
                    continue
                us = int(m[1]) * 1000000 + int(m[2])
                if m[3] == b"issue":
                    issued[m[4]] = us, m[5]
                elif m[4] in issued:
                    begun, task = issued.pop(m[4])
                    by_task.setdefault(task, []).append((begun, us))
        nr = sum(map(len, by_task.values()))
        return sorted(r for requests in by_task.values() if len(requests) > nr / 100 for r in requests)

    def latencies(self, rate, nr):
        """Of the last nr reads: us from when they were due until the device was done, sorted."""
        if len(self.requests) < nr:
            raise Lost("%d of %d reads seen at the block layer" % (len(self.requests), nr))
        due = float("inf")
        latencies = []
        for issued, done in reversed(self.requests[-nr:]):
            due = min(issued, due - 1e6 / rate)
            latencies.append(done - due)
        return sorted(latencies)
