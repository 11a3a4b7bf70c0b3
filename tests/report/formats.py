#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Read back a CSV and a Prometheus report of tests/report/run.sh whose strings come from an enemy."""
import csv
import re
import sys

EVIL = '=cmd|"x",\n\\{}'
rows = list(csv.DictReader(open(sys.argv[1], newline="", encoding="utf-8")))
assert len(rows) > 50, len(rows)
assert all(None not in r and None not in r.values() for r in rows), "a row of another length"
assert rows[0]["job"] == "'" + EVIL, rows[0]["job"]
assert rows[0]["host"] == "'@SUM(1)", rows[0]["host"]
assert rows[0]["labels"] == 'job=a"b\nc', rows[0]["labels"]
assert float(rows[0]["value"]) > 0

LABEL = r'[a-z_][a-z0-9_]*="(?:[^"\\\n]|\\[\\n"])*"'
SAMPLE = re.compile(rf"^([a-zA-Z_:][a-zA-Z0-9_:]*)\{{{LABEL}(?:,{LABEL})*\}} \S+$")
families, current, samples = set(), None, 0
for line in open(sys.argv[2], encoding="utf-8").read().removesuffix("\n").split("\n"):
    if line.startswith("# HELP "):
        current = line.split()[2]
        assert current not in families, f"family {current} comes twice"
        families.add(current)
    elif not line.startswith("# TYPE "):
        m = SAMPLE.match(line)
        assert m, line
        assert m[1] in (current, current + "_sum", current + "_count"), line
        samples += 1
assert samples > 50 and len(families) > 10, (samples, len(families))
assert open(sys.argv[2], encoding="utf-8").read().count('of="a\\"b\\nc"') >= 1
