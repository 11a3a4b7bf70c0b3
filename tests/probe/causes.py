# SPDX-License-Identifier: BSD-2-Clause
"""causes.py FILE KIND CAUSE: what one run of causes.sh measured; fails when it is not as it has to be."""
import json, sys

path, kind, cause = sys.argv[1:]
metrics = json.load(open(path))["jobs"][0]["metrics"]


def wall(name, task=None):
    return {m["labels"]["cause"]: m["value"] or 0 for m in metrics if m["name"] == name
            and "cause" in m["labels"] and (task is None or m["labels"].get("task") == task)}


def value(name):
    return next((m["value"] for m in metrics if m["name"] == name and not m["labels"]), None)


job = wall("wall.time")
if not job:
    sys.exit("no wall.time")
errors = []
if abs(sum(job.values()) - 1) > 1e-6:
    errors.append("the shares sum to %.9f" % sum(job.values()))
if abs(job["unaccounted"]) > 0.001:
    errors.append("%.4f %% unaccounted" % (100 * job["unaccounted"]))
text = ""
if cause.startswith("blocked."):
    waiter = wall("wall.time_of", "waiter")
    blocked = sum(v for c, v in waiter.items() if c.startswith("blocked."))
    share = waiter.get(cause, 0) / blocked if blocked else 0
    text = "%6.2f %% of the blocked time is %s" % (100 * share, cause)
    if share < 0.98:
        errors.append("the rest: %s" % {c: round(v / blocked, 3) for c, v in waiter.items()
                                       if c.startswith("blocked.") and c != cause})
elif cause == "oncpu":
    # The kernel charges whole interrupts and switches to a thread that we charge elsewhere, and
    # may be 13 % off itself: a tolerance, not equality.
    life = sum(wall("wall.time_of", "waiter").values())
    on = sum(job[c] for c in ("user", "kernel", "hardirq", "softirq", "steal", "observer"))
    cpu, wall_ns = value("user") + value("sys"), value("wall")
    text = "on CPU %.1f ms, rusage %.1f ms" % (on * wall_ns / 1e6, cpu / 1e6)
    if abs(on * wall_ns - cpu) > 0.1 * cpu + 5e6:
        errors.append("further apart than 10 % and 5 ms")
else:
    tasks = {m["labels"]["task"] for m in metrics if m["name"] == "wall.time_of"}
    text = "followed: %s" % ", ".join(sorted(tasks))
    for task in cause.split(","):
        if task not in tasks:
            errors.append("%s was not followed" % task)
print("%-10s %s; unaccounted %.4f %%" % (kind, text, 100 * job["unaccounted"]))
if errors:
    sys.exit("  " + "; ".join(errors))
