#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Check lines of `perf stat -j`, read from standard input: the keys, their types and how many a line
may have, as the kernel's own check of that format has them. --many: lines carry the name of a job."""
import json
import sys

many = "--many" in sys.argv[1:]


def number(value):
    try:
        float(value)
        return True
    except (TypeError, ValueError):
        return False


CHECKS = {
    "thread": lambda v: isinstance(v, str),
    "counter-value": lambda v: isinstance(v, str)
    and (number(v) or v in ("<not counted>", "<not supported>")),
    "unit": lambda v: isinstance(v, str),
    "event": lambda v: isinstance(v, str) and v != "",
    "event-runtime": lambda v: number(v) and not isinstance(v, str),
    "pcnt-running": lambda v: number(v) and 0 <= v <= 100,
    "metric-value": lambda v: number(v) and not isinstance(v, str),
    "metric-unit": lambda v: isinstance(v, str),
}
MUST = ["counter-value", "unit", "event", "event-runtime", "pcnt-running"]

lines = sys.stdin.read().splitlines()
if not lines:
    sys.exit("no lines")
for line in lines:
    item = json.loads(line, parse_constant=lambda name: sys.exit(f"{name} is no JSON: {line}"))
    if len(item) not in ((6, 8) if many else (5, 7)):
        sys.exit(f"{len(item)} keys: {line}")
    for key in MUST + (["thread"] if many else []):
        if key not in item:
            sys.exit(f"no {key}: {line}")
    for key, value in item.items():
        if key not in CHECKS:
            sys.exit(f"unknown key {key}: {line}")
        if not CHECKS[key](value):
            sys.exit(f"bad {key}: {line}")
