#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Take all free space of a filesystem: at once, or when a nameless file in it begins to grow.

    fill.py [--now] DIRECTORY

DIRECTORY.ready appears when it is looking.

Ends when that file is closed, at most 30 s later; the space is free again then.
"""

import os
import sys
import time


def growing(dev):
    """Does any process hold a deleted regular file of that device with data in it?"""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            for fd in os.listdir("/proc/%s/fd" % pid):
                st = os.stat("/proc/%s/fd/%s" % (pid, fd))
                if st.st_dev == dev and st.st_nlink == 0 and st.st_size > 0:
                    return True
        except OSError:
            continue  # it went away
    return False


def fill(fd):
    """By halves: what does not fit as a whole may fit in part."""
    at = 0
    step = 1 << 30
    while step >= 4096:
        try:
            os.posix_fallocate(fd, at, step)
            at += step
        except OSError:
            step //= 2


def main():
    now = sys.argv[1] == "--now"
    folder = sys.argv[-1]
    dev = os.stat(folder).st_dev
    end = time.monotonic() + 30
    free = os.statvfs(folder).f_bfree
    open(folder + ".ready", "w").close()
    # A file that grows takes space; this is seen faster than the file is found.
    while not now and os.statvfs(folder).f_bfree > free - 256 and time.monotonic() < end:
        time.sleep(0.0005)
    fd = os.open(os.path.join(folder, "fill"), os.O_RDWR | os.O_CREAT, 0o600)
    fill(fd)
    while growing(dev) and time.monotonic() < end:
        time.sleep(0.05)
    os.close(fd)
    os.unlink(os.path.join(folder, "fill"))


main()
