# SPDX-License-Identifier: BSD-2-Clause
"""Strangers and enemies of `bench peer`: what they get, and whether it goes on serving.

usage: peer_fuzz.py HOST PORT KEYFILE CASE   prints what the server gave away, in bytes, or "timeout"
"""
import hashlib
import hmac
import os
import random
import socket
import struct
import sys
import time

HOST, PORT, KEYFILE, CASE = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
KEY = hashlib.blake2b(open(KEYFILE, "rb").read().rstrip(b"\r\n"), digest_size=32).digest()


def mac(key, purpose, *parts):
    return hmac.new(key, purpose.encode() + b"\0" + b"".join(parts), hashlib.sha256).digest()


def connect(source=None, timeout=10):
    s = socket.create_connection((HOST, PORT), timeout=timeout, source_address=source and (source, 0))
    s.settimeout(10)
    return s


def read_all(s, least=0):
    """Bytes until it closes, or until there are `least`."""
    got = b""
    while not least or len(got) < least:
        try:
            part = s.recv(65536)
        except OSError:
            break
        if not part:
            break
        got += part
    return got


def hello(key):
    nonce = os.urandom(32)
    return nonce, nonce + mac(key, "bench peer 1 hello", nonce)


def garbage():
    """Random bytes of many lengths: no answer to any."""
    rng = random.Random(7)
    given = 0
    for i in range(60):
        with connect() as s:
            try:
                s.sendall(rng.randbytes(rng.choice([64, 65, 100, 4096, 70000])))
                s.shutdown(socket.SHUT_WR)
                given += len(read_all(s))
            except OSError:
                pass  # it was closed meanwhile
    return given


def http():
    with connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: something long enough to fill it\r\n\r\n" * 2)
        return len(read_all(s))


def wrong_key():
    with connect() as s:
        s.sendall(hello(bytes(32))[1])
        return len(read_all(s))


def slow():
    """A byte now and then: it is not waited for without end."""
    begun = time.monotonic()
    with connect() as s:
        for byte in hello(KEY)[1]:
            try:
                s.sendall(bytes([byte]))
                s.settimeout(0.2)
                if not s.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        return f"closed within 10 s: {time.monotonic() - begun < 10}"


def half_open():
    """Many that say nothing and stay: a client is still served (the caller looks)."""
    held = [connect() for _ in range(64)]
    print("held", flush=True)
    sys.stdin.readline()
    for s in held:
        s.close()
    return "done"


def crowd():
    """Many from one address: who came before from another one keeps the place."""
    with connect() as first:
        held = [connect("10.77.0.3") for _ in range(40)]
        first.settimeout(0.5)
        try:
            return f"closed after {len(first.recv(1))} bytes"
        except TimeoutError:
            return "kept"
        finally:
            for s in held:
                s.close()


def workload():
    """The port of a job, from an address that is not its client's: how many connections."""
    taken = 0
    for _ in range(8):
        try:
            connect("10.77.0.3", 0.2).close()
            taken += 1
        except OSError:
            pass
    return taken


def replay():
    """A good first message again: a fresh answer each time, and no way on from there."""
    nonce, message = hello(KEY)
    with connect() as first, connect() as second:
        first.sendall(message)
        one = read_all(first, 64)
        proof = mac(KEY, "bench peer 1 client", nonce, one[:32])
        second.sendall(message)
        two = read_all(second, 64)
        second.sendall(proof + bytes(24))
        rest = len(read_all(second))
        return f"fresh: {one[:32] != two[:32]}, then {rest} bytes"


def cut():
    """The key, and then nothing that decrypts: closed."""
    lengths = [0, 1, 16, 17, 100, 1 << 16, (1 << 16) + 1, 1 << 24, 0xFFFFFFFF]
    given = 0
    for length in lengths:
        nonce, message = hello(KEY)
        with connect() as s:
            s.sendall(message)
            answer = read_all(s, 64)
            s.sendall(mac(KEY, "bench peer 1 client", nonce, answer[:32]) + os.urandom(24))
            header = read_all(s, 24)
            try:
                s.sendall(struct.pack("<I", length) + os.urandom(min(length, 1 << 17)))
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            rest = read_all(s)
            # Busy with the one before is a message of its own.
            given += len(rest) if len(rest) < 60 else 0
        time.sleep(0.2)
    return given


print({"garbage": garbage, "http": http, "wrong_key": wrong_key, "slow": slow, "half_open": half_open,
       "replay": replay, "cut": cut, "crowd": crowd, "workload": workload}[CASE]())
