#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every module for long, without growth of memory or descriptors: `make soak`.

    scripts/soak.py [--time SECONDS] [--module-path DIR] [NAME...]

Each module takes --time seconds (default 600), split over the jobs that the suites have of it, each of them
on both runtimes where it can run on both. A job runs
three times in one process, in many trials, with all probes. Meanwhile the process is looked at: memory that
is its own (RssAnon), descriptors, BPF maps and programs among them, threads. What the second run of the job
needed must do for the third; afterwards no file, process or pinned BPF object may be left. NAME picks modules.
"""

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The result grows by what it keeps of each trial and each run: values, and distributions as JSON. That is
# no leak.
KIB_PER_TRIAL = 12
KIB_MORE = 2048
RUNS = 3
LEAST = 6.0  # seconds a job, or its runs cannot be told apart


def status(pid):
    """KiB of memory that is the process's own, and its threads."""
    with open("/proc/%d/status" % pid, encoding="utf-8") as file:
        text = file.read()
    return (int(re.search(r"RssAnon:\s*(\d+)", text).group(1)),
            int(re.search(r"Threads:\s*(\d+)", text).group(1)))


def descriptors(pid):
    """How many there are, and how many of them are of BPF."""
    folder = "/proc/%d/fd" % pid
    names = []
    for fd in os.listdir(folder):
        try:
            names.append(os.readlink(os.path.join(folder, fd)))
        except OSError:
            pass  # closed since
    return len(names), sum("bpf" in n for n in names)


class Sample:
    def __init__(self, pid, at):
        self.at = at
        self.memory, self.threads = status(pid)
        self.files, self.bpf = descriptors(pid)


def watch(process):
    """Samples of a process until it has ended."""
    samples = []
    begin = time.monotonic()
    while process.poll() is None:
        try:
            samples.append(Sample(process.pid, time.monotonic() - begin))
        except (OSError, AttributeError):
            break  # it is ending
        time.sleep(0.02)  # between two runs there is little time
    process.wait()
    return samples


def session_of(pid):
    """Processes that are still in the session that this one led."""
    left = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if os.getsid(int(entry)) == pid:
                left.append(int(entry))
        except OSError:
            pass
    return left


def pinned():
    found = set()
    for folder, _, names in os.walk("/sys/fs/bpf"):
        found.update(os.path.join(folder, n) for n in names)
    return found


def stretch(samples, begin, end):
    """Samples from one moment to another, in runs of the job, 0 to RUNS. Before the first and after the last,
    when probes are loaded and unloaded, the process has few descriptors."""
    many = 0.75 * max(s.files for s in samples)
    busy = [s.at for s in samples if s.files >= many]
    length = (busy[-1] - busy[0]) / RUNS
    return [s for s in samples if begin <= (s.at - busy[0]) / length <= end]


def growth(samples, trials):
    """What the last run of the job had more than the one before, in words; empty when all is well."""
    if not samples:
        return ["it ended at once"]
    first, second = (stretch(samples, n + 0.2, n + 0.8) for n in (RUNS - 2, RUNS - 1))
    if len(first) < 3 or len(second) < 3:
        return ["too few samples: it ended after %.1f s" % samples[-1].at]
    bad = []
    # What stays raises the least that there ever is, what there mostly is and the most. Some is there, or
    # not there, for a moment only: a file to read a counter from, a thread or the memory between two jobs.
    for name, more, words, unit in (("files", 0, "descriptors", ""), ("bpf", 0, "BPF descriptors", ""),
                                    ("threads", 0, "threads", ""),
                                    ("memory", KIB_MORE + KIB_PER_TRIAL * trials, "memory", " KiB")):
        a, b = ([f(getattr(s, name) for s in part) for f in (min, statistics.median_low, max)]
                for part in (first, second))
        if all(y > x + more for x, y in zip(a, b)):
            bad.append("%s grew from %d to %d%s in %d trials" % (words, a[1], b[1], unit, trials))
    return bad


def soak(args, job, runtime, seconds):
    """One job: what is wrong, None when it was skipped with a reason, and a line about it."""
    folder = tempfile.mkdtemp(prefix="bench-soak-", dir=args.directory)
    trials = int(min(500, max(6, seconds / RUNS)))
    before = pinned()
    argv = [args.bench, "run", "-q", "--runtime=" + runtime, "--trials=%d" % trials, "--warmup=100ms", "--force",
            "--duration=%dms" % max(10, seconds / RUNS / trials * 1000), "-o", "result.json",
            "--directory=" + folder]
    if args.module_path:
        argv.append("--module-path=" + args.module_path)
    with open(os.path.join(folder, "output"), "w+", encoding="utf-8") as output:
        process = subprocess.Popen(argv + RUNS * [job], cwd=folder, stdout=output, stderr=output,
                                   stdin=subprocess.DEVNULL, start_new_session=True,
                                   env=dict(os.environ, TMPDIR=folder))
        try:
            samples = watch(process)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        output.seek(0)
        text = output.read()
    bad = []
    skipped = re.findall(r"skipped: (.*)", text)
    if process.returncode != 0:
        bad.append("exit status %d: %s" % (process.returncode, text.strip()[-400:]))
    elif not skipped:
        bad += growth(samples, trials)
    left = sorted(set(os.listdir(folder)) - {"output", "result.json"})
    if left:
        bad.append("files are left: " + " ".join(left))
    left = session_of(process.pid)
    if left:
        bad.append("processes are left: " + " ".join(map(str, left)))
    left = pinned() - before
    if left and any("bench" in name for name in left):
        bad.append("BPF objects are left: " + " ".join(sorted(left)))
    shutil.rmtree(folder, ignore_errors=True)
    about = "%d samples" % len(samples)
    if samples:
        last = samples[-1]
        about += ", at the end %d KiB, %d descriptors (%d BPF), %d threads" % (
            last.memory, last.files, last.bpf, last.threads)
    return bad, skipped[0] if skipped and not bad else None, about


def jobs_of(args):
    """The jobs of the suite `full` by module; of other modules one with defaults."""
    env = dict(os.environ)
    run = [args.bench, "run", "--suite=full", "--dry-run", "--no-probes"]
    out = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                         check=False)
    if out.returncode != 0:
        sys.exit("%s\n%s" % (" ".join(run), out.stderr))
    modules = {}
    for name in re.findall(r"^job \d+ +(.*)$", out.stdout, re.M):
        jobs = modules.setdefault(name.split(",")[0], [])
        if name not in jobs:
            jobs.append(name)
    listing = subprocess.run([args.bench, "list"] +
                             (["--module-path=" + args.module_path] if args.module_path else []) +
                             ["modules"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in re.findall(r"^([a-z][a-z0-9_]*) +\S", listing.split("\nEvery job")[0], re.M):
        modules.setdefault(name, [name])
    return modules


def needs(args):
    """What `bench list modules` says that each module needs, by its name."""
    listing = subprocess.run([args.bench, "list"] +
                             (["--module-path=" + args.module_path] if args.module_path else []) +
                             ["modules"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return dict(re.findall(r"^([a-z][a-z0-9_]*) +\S.*\n(?:  .*\n)*?  needs: (.*)$", listing, re.M))


def runtimes_of(args, need):
    if args.runtime != "both":
        return [args.runtime]
    return ["uring", "blocking"] if need.startswith("any runtime") else ["uring"]


def chosen(args):
    modules = jobs_of(args)
    if not args.names:
        return modules
    some = {}
    for name in args.names:
        module = name.split(",")[0]
        if module not in modules:
            sys.exit("no module '%s'" % module)
        some.setdefault(module, [])
        some[module] += modules[module] if name == module else [name]
    return some


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", type=float, default=600, help="seconds of each module (default 600)")
    parser.add_argument("--runtime", choices=("both", "uring", "blocking", "auto"), default="both",
                        help="both (default): each job on each that it can run on")
    parser.add_argument("--bench", default=os.path.join(ROOT, "build", "bench"))
    parser.add_argument("--directory", default=os.environ.get("TMPDIR", "/var/tmp"),
                        help="where jobs make their files (default: TMPDIR or /var/tmp)")
    parser.add_argument("--module-path", help="directory with further modules")
    parser.add_argument("names", nargs="*", metavar="NAME", help="module, or job of a module")
    args = parser.parse_args()
    args.bench = os.path.abspath(args.bench)
    args.directory = os.path.abspath(args.directory)
    if args.module_path:
        args.module_path = os.path.abspath(args.module_path)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    need = needs(args)
    for module, jobs in sorted(chosen(args).items()):
        pairs = [(job, runtime) for job in jobs for runtime in runtimes_of(args, need[module])]
        seconds = max(args.time / len(pairs), LEAST)
        for job, runtime in pairs:
            bad, skipped, about = soak(args, job, runtime, seconds)
            job += "@" + runtime
            word = "failed" if bad else "skipped" if skipped else "passed"
            counts[word] += 1
            print("%-5s %s (%s)" % ({"failed": "FAIL", "skipped": "skip", "passed": "ok"}[word], job,
                                    skipped if skipped and not bad else about))
            for line in bad:
                print("      " + line)
            sys.stdout.flush()
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
