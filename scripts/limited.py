#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run a command for at most so many seconds. One that takes longer is killed with all it started, after
saying where each of its threads was: a test that waits for ever is to be found, not to stop all others.

  limited.py SECONDS COMMAND...      exit as COMMAND did, or 124
"""
import contextlib
import os
import signal
import subprocess
import sys


def text(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return ""


def threads(session):
    """Of every process of a session: (pid, tid)."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(pid)) == session:
                yield from ((pid, tid) for tid in os.listdir(f"/proc/{pid}/task"))
        except OSError:
            pass


def tell(session):
    for pid, tid in threads(session):
        where = f"/proc/{pid}/task/{tid}"
        args = text(f"/proc/{pid}/cmdline").replace("\0", " ")
        state = [line for line in text(f"{where}/status").split("\n") if line.startswith("State:")]
        print(f"pid {pid} tid {tid} {text(where + '/comm')} ({args}) {''.join(state)}")
        print(text(f"{where}/stack") or text(f"{where}/wchan"))


def default_signals():
    for signo in signal.SIGINT, signal.SIGQUIT:
        signal.signal(signo, signal.SIG_DFL)


def main():
    limit, command = float(sys.argv[1]), sys.argv[2:]
    # As from a terminal, whoever started this: in the background of a script SIGINT is ignored.
    child = subprocess.Popen(command, start_new_session=True, preexec_fn=default_signals)

    def end(signo, _):
        os.killpg(child.pid, signal.SIGKILL)
        sys.exit(128 + signo)

    for signo in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(signo, end)
    try:
        code = child.wait(limit)
        return 128 - code if code < 0 else code
    except subprocess.TimeoutExpired:
        tell(child.pid)
        print(f"killed: it ran for more than {limit:g} s", flush=True)
        for pid in {pid for pid, _ in threads(child.pid)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return 124


if __name__ == "__main__":
    sys.exit(main())
