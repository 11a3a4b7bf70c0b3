#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Check results against docs/result.schema.json and the laws a schema cannot say.

usage: validate.py SCHEMA RESULT...   exit 0: all good, 1: not, 77: python3-jsonschema is missing
"""
import json
import sys

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is missing")
    sys.exit(77)


def metric_laws(job, metric):
    """Yield what is wrong with one metric."""
    trials = metric["trials"]
    if job["trials"] and len(trials) != job["trials"]:
        yield f"{len(trials)} trials, the job has {job['trials']}"
    values = sorted(t for t in trials if t is not None)
    value, ci = metric["value"], metric["ci"]
    if value is not None:
        if not values:
            yield "a value without a trial"
        elif not values[0] <= value <= values[-1]:
            yield "the value is outside its trials"
    if ci is not None and not ci[0] <= value <= ci[1]:
        yield "the value is outside its interval"
    if ci is not None and len(values) < 6:
        yield "an interval from fewer than 6 trials"
    if metric["status"] != "ok" and metric["status"] != "scaled" and not metric.get("note"):
        yield f"status {metric['status']} without a reason"
    hist = metric.get("hist")
    if hist:
        if sum(b[2] for b in hist["buckets"]) != hist["count"]:
            yield "the buckets do not sum up to count"
        for low, high, number in hist["buckets"]:
            if low >= high or number < 1:
                yield f"bucket {low}..{high} of {number}"
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
            if (hist["count"] * (1 - share) >= 10 - 1e-6) != (hist[name] is not None):
                yield f"{name} of {hist['count']} values is {hist[name]}"


def job_laws(job):
    """Yield what is wrong with one job."""
    seen = set()
    for metric in job["metrics"]:
        name = metric["name"] + json.dumps(metric["labels"], sort_keys=True)
        if name in seen:
            yield f"{name}: twice"
        seen.add(name)
        for wrong in metric_laws(job, metric):
            yield f"{name}: {wrong}"
    wall = [m for m in job["metrics"] if m["name"] == "wall.time" and m["value"] is not None]
    if wall and abs(sum(m["value"] for m in wall) - 1) > 0.02:
        yield f"wall.time sums to {sum(m['value'] for m in wall):.4f}"


def check(validator, path):
    """Print what is wrong with one file; true when nothing is."""
    with open(path, encoding="utf-8") as file:
        result = json.load(file)
    wrong = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}"
             for e in validator.iter_errors(result)]
    if not wrong:
        for job in result["jobs"]:
            wrong += [f"job {job['name']}: {w}" for w in job_laws(job)]
    for line in wrong:
        print(f"{path}: {line}")
    return not wrong


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    cls = jsonschema.validators.validator_for(schema)
    cls.check_schema(schema)
    sys.exit(0 if all([check(cls(schema), path) for path in sys.argv[2:]]) else 1)


main()
