#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The live view for long, without growth of memory or descriptors: part of `make soak`.

    scripts/soak_view.py [--time SECONDS] [RESULT.json]

A saved result is played over and over at 1024 times its speed on a terminal whose size changes, while
keys go through all screens, orders, filters and help. After a first tenth of the time (default 3600 s),
the viewer's own memory (RssAnon) and descriptors must not grow. One line says how it went.
"""

import argparse
import fcntl
import os
import pty
import random
import select
import struct
import sys
import termios
import time

import soak

KIB_MORE = 256
# Home and Space play from the start; + up to the highest speed.
BEGIN = [b"\x1b[H", b" "] + [b"+"] * 10
KEYS = [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"\t", b"s", b"?", b"\x1b", b"\r", b"\x1b[A", b"\x1b[B",
        b"\x1b[C", b"\x1b[D", b"/oncpu\r", b"/\x1b", b"\x1b[<0;10;4M\x1b[<0;10;4m"]
SIZES = [(24, 80), (40, 120), (60, 200), (5, 20)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", type=float, default=3600, help="seconds (default 3600)")
    parser.add_argument("--bench", default=os.path.join(soak.ROOT, "build", "bench"))
    parser.add_argument("result", nargs="?", metavar="RESULT.json",
                        default=os.path.join(soak.ROOT, "tests", "view", "run.json"))
    args = parser.parse_args()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(args.bench, [args.bench, "view", args.result])
    begin = told = time.monotonic()
    samples, plays, drawn = [], 0, 0
    queue, warm, warmed = [], sorted(SIZES, reverse=True), None
    while time.monotonic() - begin < args.time:
        ready, _, _ = select.select([terminal], [], [], 0.02)
        if ready:
            try:
                drawn += len(os.read(terminal, 1 << 16))
            except OSError:
                break  # EIO: it has ended
        now = time.monotonic()
        if now - told < 0.05:
            continue
        told = now
        if not queue:
            # First each key at each size, the largest first: what that takes is no growth.
            size = warm.pop(0) if warm else None
            if size is None and warmed is None:
                warmed = now - begin
            queue = BEGIN + (KEYS if size else random.choices(KEYS, k=40))
            plays += 1
            fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                        struct.pack("HHHH", *(size or random.choice(SIZES)), 0, 0))
        try:
            os.write(terminal, queue.pop(0))
            samples.append(soak.Sample(pid, now - begin))
        except OSError:
            break
    ended, wait_status = os.waitpid(pid, os.WNOHANG)
    bad = []
    if ended:
        bad.append("it ended by itself, wait status %d" % wait_status)
    else:
        os.kill(pid, 15)
        os.close(terminal)
        os.waitpid(pid, 0)
    steady = [s for s in samples if warmed is not None and s.at > max(warmed, args.time / 10)]
    half = len(steady) // 2
    if half < 10:
        bad.append("too few samples")
    else:
        # What it holds changes with the moment that is shown; what is lost shows in the least, too.
        a, b = (min(s.memory for s in part) for part in (steady[:half], steady[half:]))
        if b - a > KIB_MORE:
            bad.append("memory grew from %d KiB to %d KiB" % (a, b))
        a, b = (max(s.files for s in part) for part in (steady[:half], steady[half:]))
        if b > a:
            bad.append("descriptors grew from %d to %d" % (a, b))
    last = samples[-1] if samples else None
    print("%-5s view, played %d times, %d KiB drawn%s" %
          ("FAIL" if bad else "ok", plays, drawn // 1024, ", at the end %d KiB, %d descriptors" % (
              last.memory, last.files) if last else ""))
    for line in bad:
        print("      " + line)
    print("%d passed, %d failed, 0 skipped" % (not bad, bool(bad)))
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
