#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a guest of the lab measured, against what docs/lab.md foresees.

    matrix.py compare FORESEEN GUEST RESULTS   exit 1 on any difference, each in a line
    matrix.py table LAB FILE                   all guests below LAB side by side, as Markdown

FORESEEN is a Markdown file. Its table whose first column is "what" has a column for each guest; a cell
is a word, or a word and letters ("no a"): reasons, in the list below it ("* a: text"), one of which the
guest's own words must contain. An empty cell is not measured there.
"""
import json
import os
import re
import sys

RESIDUAL = 0.01


class Guest:
    """Cells of a guest by row: a word and the detail behind it."""

    def __init__(self, directory):
        self.dir = directory
        self.cells = {}

    def text(self, name):
        try:
            with open(os.path.join(self.dir, name), encoding="utf-8", errors="replace") as f:
                return f.read().strip()
        except OSError:
            return ""

    def document(self, name):
        text = self.text(name + ".json")
        try:
            return json.loads(text) if text else {}
        except json.JSONDecodeError:
            return {}

    def put(self, row, word, detail=""):
        self.cells[row] = (word, str(detail))

    def check(self, row, good, detail=""):
        self.put(row, "ok" if good else "no", detail)


def metrics(job, name, **labels):
    return [m for m in job.get("metrics", []) if m["name"] == name and
            all(m.get("labels", {}).get(k) == v for k, v in labels.items())]


def value(job, name, default=None, **labels):
    found = [m["value"] for m in metrics(job, name, **labels) if m["value"] is not None]
    return found[0] if found else default


def job_of(document, start):
    for job in document.get("jobs", []):
        if job["name"].startswith(start):
            return job
    return {}


def runtimes(guest, uring, blocking):
    for name, doc in (("uring", uring), ("blocking", blocking)):
        runtime = doc.get("runtime", {})
        test = (runtime.get("selftest") or {}).get("passed", name == "blocking")
        guest.check("runtime " + name, runtime.get("active") == name and test, runtime.get("reason") or "")
    features = uring.get("runtime", {}).get("features", [])
    tier = [f for f in ("DEFER_TASKRUN", "COOP_TASKRUN") if f in features]
    guest.put("ring tier", tier[0] if tier else "plain", " ".join(features))


def jobs(guest, uring, blocking):
    for row, doc, name in (("job cpu", uring, "cpu"), ("job disk", uring, "disk,size"),
                           ("job disk on NVMe", uring, "disk,filename=/dev/nvme"), ("job net", uring, "net"),
                           ("job disk_sync", blocking, "disk_sync,size"), ("job net_sync", blocking, "net_sync")):
        job = job_of(doc, name)
        ops = value(job, "ops", 0)
        guest.check(row, job.get("status") == "ok" and value(job, "errors") == 0 and ops > 0,
                    "%s, %.0f ops/s" % (job.get("reason") or job.get("status"), ops))
    job = job_of(guest.document("exec"), "sh")
    # The kernel may write back a part of them by itself.
    written = value(job, "block.bytes", 0, op="write") + value(job, "block.other_bytes", 0, op="write")
    guest.check("exec", guest.text("exec.code") == "3" and "status 3" in str(job.get("reason")) and
                value(job, "block.bytes", 0, op="write") > 0 and written >= 1 << 20,
                "exit %s, %s bytes written" % (guest.text("exec.code"), written))


def probes(guest, documents):
    """Every metric of every probe, over all jobs: the worst status that it had. A label that alone is not
    supported, while others of the metric are, has a row of its own."""
    rows = {}
    for doc in documents:
        for job in doc.get("jobs", []):
            for m in job["metrics"]:
                if m["source"] == "probe" or m["name"] == "disk.cached":
                    rows.setdefault(m["name"], []).append(m)
    for name, found in rows.items():
        lacking = [m for m in found if m["status"] == "not_supported"]
        wrong = [m for m in found if m["status"] not in ("ok", "not_supported")]
        if wrong:
            guest.put(name, wrong[0]["status"], wrong[0].get("note") or "")
        elif len(lacking) == len(found):
            guest.put(name, "no", lacking[0].get("note") or "")
        else:
            guest.put(name, "ok", next((m["note"] for m in found if m["status"] == "ok" and m.get("note")), ""))
            for m in lacking:
                guest.put(" ".join([name, *m["labels"].values()]), "no", m.get("note") or "")


def modes(guest, uring):
    for key, word in (uring.get("overhead", {}).get("mode") or {}).items():
        guest.put("mode " + key, word)


def ledger(guest, documents):
    residual = [abs(m["value"]) for doc in documents for job in doc.get("jobs", [])
                for m in metrics(job, "wall.time", cause="unaccounted") if m["value"] is not None]
    guest.check("residual", residual and max(residual) <= RESIDUAL,
                "%.4f %% at most in %d jobs" % (100 * max(residual, default=1), len(residual)))
    failed = [text for doc in documents for text in doc.get("overhead", {}).get("failed_checks", [])]
    guest.check("self-check", all(documents) and not failed, "; ".join(failed))


def causes(guest, uring, blocking):
    """Is the wait of each kind of job told for what it is, by most of that job's blocked time? Without what
    workers wait for their window to open (a futex, a timer): an emulated CPU gets there late."""
    for row, job, cause in (("cause disk, uring", job_of(uring, "disk,filename"), "blocked.disk"),
                            ("cause net, uring", job_of(uring, "net"), "blocked.net"),
                            ("cause disk, blocking", job_of(blocking, "disk_sync,size"), "blocked.disk"),
                            ("cause net, blocking", job_of(blocking, "net_sync"), "blocked.net")):
        blocked = {m["labels"]["cause"]: m["value"] or 0 for m in metrics(job, "wall.time")
                   if m["labels"].get("cause", "").startswith("blocked.") and
                   m["labels"]["cause"] not in ("blocked.futex", "blocked.timer")}
        share = blocked.get(cause, 0) / (sum(blocked.values()) or 1)
        guest.check(row, share > 0.5, "%.0f %% of the blocked time" % (100 * share))


def counters(guest, uring):
    job = job_of(uring, "disk,size")
    for row, names in (("counters software", ("task-clock", "context-switches", "page-faults")),
                       ("counters hardware", ("cycles", "instructions", "branches", "cache-misses"))):
        found = [m for name in names for m in metrics(job, name)]
        bad = [m for m in found if m["status"] != "ok"]
        guest.check(row, len(found) == len(names) and not bad, bad[0].get("note") if bad else "")


def agreement(guest, uring, blocking):
    """The probes' bytes are those of the module, up to what was under way at the ends of the window."""
    for row, job in (("block.bytes as moved, disk", job_of(uring, "disk,size")),
                     ("block.bytes as moved, NVMe", job_of(uring, "disk,filename")),
                     ("block.bytes as moved, disk_sync", job_of(blocking, "disk_sync,size"))):
        seconds = (job.get("trial_ns") or 0) / 1e9
        moved = value(job, "bytes", 0) * seconds
        seen = value(job, "block.bytes", 0, op="read") + value(job, "block.bytes", 0, op="write")
        depth = 4096 * 64 * 2
        guest.check(row, moved > 0 and abs(seen - moved) <= max(depth, 0.01 * moved), "%.0f of %.0f" % (seen, moved))


def told(job):
    """Does the reason say which operation failed, where, and by which errno?"""
    return re.search(r"read of 4096 bytes at offset [0-9]+: Input/output error \(errno 5\)", str(job.get("reason")))


def rings(guest):
    """The rings that disk makes for itself."""
    polled, irqs = job_of(guest.document("iopoll"), "disk"), guest.text("iopoll.irqs").split()
    more = int(irqs[1]) - int(irqs[0]) if len(irqs) == 2 else -1
    ops = value(polled, "ops", 0) * (polled.get("trial_ns") or 0) / 1e9
    guest.check("job disk, iopoll", polled.get("status") == "ok" and ops > 50 and 0 <= more < ops / 2,
                "%s, %.0f reads, %d interrupts" % (polled.get("reason") or polled.get("status"), ops, more))
    job = job_of(guest.document("sqpoll"), "disk")
    guest.check("job disk, sqpoll", job.get("status") == "ok" and value(job, "errors") == 0 and value(job, "ops", 0) > 0,
                "%s, %.0f ops/s" % (job.get("reason") or job.get("status"), value(job, "ops", 0)))
    none = job_of(guest.document("iopoll-none"), "disk")
    guest.check("iopoll without a poll queue", none.get("status") == "failed" and "cannot be polled" in str(none.get("reason")),
                str(none.get("reason")))


def devices(guest):
    """What the build host lacks."""
    wrapped, irqs = job_of(guest.document("exec"), "sh"), guest.text("exec.irqs").split()
    found = metrics(wrapped, "block.latency", dev="nvme0n1", stage="device")
    moved = found[0]["hist"]["count"] if found else 0
    more = int(irqs[1]) - int(irqs[0]) if len(irqs) == 2 else -1
    guest.check("NVMe poll queue", moved == 500 and 0 <= more < 50 and value(wrapped, "block.unseen", 1) == 0,
                "%d requests, %d interrupts" % (moved, more))

    slow = job_of(guest.document("blocking"), "disk_sync,filename=/dev/mapper/slow")
    latency = next((m for m in metrics(slow, "latency")), {})
    least = (latency.get("value") or 0) / 1e6
    guest.check("dm-delay", slow.get("status") == "ok" and 30 <= least < 60 and value(slow, "wall.time", 0, cause="blocked.disk") > 0.7,
                "p50 %.1f ms of 30 ms, blocked.disk %.2f" % (least, value(slow, "wall.time", 0, cause="blocked.disk")))

    broken = job_of(guest.document("dm-flakey"), "disk_sync")
    guest.check("dm-flakey", guest.text("dm-flakey.code") == "1" and broken.get("status") == "failed" and
                told(broken) and not value(broken, "ops", 0),
                broken.get("reason") or guest.text("dm-flakey.why"))
    broken = job_of(guest.document("flakey-ring"), "disk")
    guest.check("dm-flakey, ring", guest.text("flakey-ring.code") == "1" and broken.get("status") == "failed" and
                told(broken) and not value(broken, "ops", 0), broken.get("reason"))
    rings(guest)

    far = job_of(guest.document("netem-delay"), "net_sync")
    latency = next((m for m in metrics(far, "latency")), {})
    least = (latency.get("value") or 0) / 1e6
    guest.check("netem delay", 40 <= least < 80, "p50 %.1f ms of 2 x 20 ms %s" % (least, guest.text("netem-delay.why")))

    lossy, sent = job_of(guest.document("netem-loss"), "net_sync"), guest.text("netem-loss.sent").split()
    counted = value(lossy, "net.retransmits", 0)
    more = int(sent[1]) - int(sent[0]) if len(sent) == 2 else 0
    guest.check("netem loss", 0 < counted <= more,
                "%d segments sent again, %d by the kernel's count %s" % (counted, more, guest.text("netem-loss.why")))


def programs(guest):
    for name in sorted(os.listdir(guest.dir)):
        if name.startswith("test_") and name.endswith(".code"):
            test = name[:-len(".code")]
            last = guest.text(test + ".txt").splitlines()[-1:]
            guest.check(test, guest.text(name) == "0", "".join(last))


def measure(directory):
    guest = Guest(directory)
    uring, blocking, wrapped = (guest.document(n) for n in ("uring", "blocking", "exec"))
    runtimes(guest, uring, blocking)
    jobs(guest, uring, blocking)
    modes(guest, uring)
    probes(guest, (uring, blocking, wrapped))
    ledger(guest, (uring, blocking, wrapped))
    causes(guest, uring, blocking)
    agreement(guest, uring, blocking)
    counters(guest, uring)
    devices(guest)
    programs(guest)
    return guest.cells


def foreseen(path, name):
    """Rows with a cell for this guest: word and the texts one of which its reason has."""
    cells, reasons, columns = {}, {}, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            found = re.match(r"\* ([a-z]+): `(.*)`", line)
            if found:
                reasons[found.group(1)] = found.group(2)
            if not line.startswith("|"):
                columns = None
                continue
            row = [c.strip() for c in line.strip().strip("|").split("|")]
            if columns is None:
                columns = row if row[0] == "what" else []
            elif name in columns and not set(row[0]) <= set("-: "):
                words = row[columns.index(name)].split()
                if words:
                    cells[row[0]] = (words[0], words[1:])
    return {row: (word, [reasons[key] for key in keys]) for row, (word, keys) in cells.items()}


def compare(path, name, directory):
    expected, measured = foreseen(path, name), measure(directory)
    differences = []
    if not expected:
        differences.append("%s has no column for %s" % (path, name))
    for row, (word, texts) in expected.items():
        have, detail = measured.get(row, ("nothing", ""))
        if have != word:
            differences.append("%s: foreseen %s, measured %s: %s" % (row, word, have, detail))
        elif texts and not any(text in detail for text in texts):
            differences.append("%s: %s for another reason: %s" % (row, word, detail))
    for row in measured.keys() - expected.keys():
        differences.append("%s: measured %s, not foreseen: %s" % (row, *measured[row]))
    for line in differences:
        print("differs: " + line)
    print("%d of %d as foreseen" % (len(expected) - len([d for d in differences if "not foreseen" not in d]),
                                    len(expected)))
    return 1 if differences else 0


def table(lab, path):
    guests = {}
    for name in sorted(os.listdir(lab)):
        directory = os.path.join(lab, name, "results")
        if os.path.exists(os.path.join(directory, "uring.json")):
            guests[name] = (Guest(directory), measure(directory))
    rows = []
    for _, cells in guests.values():
        rows += [row for row in cells if row not in rows]
    with open(path, "w", encoding="utf-8") as out:
        out.write("# What the guests measured\n\n| what | %s |\n" % " | ".join(guests))
        out.write("| --- |%s\n" % (" --- |" * len(guests)))
        for label, name in (("release", "release"), ("bench, sha256", "sha256"), ("booted, s", "booted"),
                            ("finished, s", "finished")):
            out.write("| %s | %s |\n" % (label, " | ".join(g.text(name)[:16] for g, _ in guests.values())))
        notes = []
        for row in rows:
            words = []
            for name, (_, cells) in guests.items():
                word, detail = cells.get(row, ("", ""))
                words.append(word)
                if detail:
                    notes.append("* %s, %s: %s" % (row, name, detail.replace("\n", " ")))
            out.write("| %s | %s |\n" % (row, " | ".join(words)))
        out.write("\n## In their own words\n\n%s\n" % "\n".join(notes))
    return 0


def main():
    if len(sys.argv) == 5 and sys.argv[1] == "compare":
        return compare(*sys.argv[2:])
    if len(sys.argv) == 4 and sys.argv[1] == "table":
        return table(*sys.argv[2:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
