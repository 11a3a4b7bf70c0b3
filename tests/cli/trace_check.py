#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""trace_check.py FILE: is it a trace as Perfetto and Chrome want it, strictly? Prints counts.

Slices of a thread must not overlap (those of interrupts may lie within each other), spans must begin and end once each and not the other way round,
every process and thread with slices has a name, times are not negative.
"""

import collections
import json
import sys


def fail(text):
    print("FAIL: " + text)
    sys.exit(1)


def main():
    with open(sys.argv[1]) as file:
        document = json.load(file)
    slices = collections.defaultdict(list)
    nesting = set()
    begun, named, kinds = {}, set(), collections.Counter()
    for event in document["traceEvents"]:
        phase = event["ph"]
        kinds[phase + ":" + event.get("cat", event["name"] if phase == "M" else "counter")] += 1
        if phase == "M":
            named.add((event["name"], event["pid"], event["tid"] if event["name"] == "thread_name" else 0))
            continue
        if event["ts"] < 0 or event.get("dur", 0) < 0:
            fail("a time below 0: %r" % event)
        if phase == "X":
            if event["cat"] in ("irq", "softirq"):
                nesting.add((event["pid"], event["tid"]))
            slices[event["pid"], event["tid"]].append((event["ts"], event["dur"], event["name"]))
        elif phase == "b":
            key = event["pid"], event["cat"], event["id"]
            if key in begun:
                fail("begun twice: %r" % event)
            begun[key] = event["ts"]
        elif phase == "e":
            key = event["pid"], event["cat"], event["id"]
            if begun.pop(key, None) is None:
                fail("ended without beginning, or twice: %r" % event)
        elif phase == "C":
            if not isinstance(event["args"]["value"], (int, float)):
                fail("no number: %r" % event)
        else:
            fail("an event of another kind: %r" % event)
    if begun:
        fail("%d spans without an end" % len(begun))
    for (pid, tid), list_ in slices.items():
        list_.sort(key=lambda one: (one[0], -one[1]))
        around = []
        for two in list_:
            # Three decimals of us: a ns may be lost by rounding in floating point.
            while around and around[-1][0] + around[-1][1] <= two[0] + 0.0015:
                around.pop()
            if around and ((pid, tid) not in nesting or around[-1][0] + around[-1][1] < two[0] + two[1] - 0.0015):
                fail("slices of %d/%d overlap: %r %r" % (pid, tid, around[-1], two))
            around.append(two)
        if document["otherData"]["dropped"] != "0":
            continue  # names may be among them
        if ("thread_name", pid, tid) not in named:
            fail("thread %d/%d has no name" % (pid, tid))
        if ("process_name", pid, 0) not in named:
            fail("process %d has no name" % pid)
    print(json.dumps(dict(kinds, **{k: int(v) for k, v in document["otherData"].items() if k in ("lost", "dropped")})))


main()
