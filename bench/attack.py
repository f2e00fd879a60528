"""Attacks a master's port until it is killed.

attack.py KIND PORT, KIND being one of

  silence    holds 1,000 connections and says nothing
  garbage    connects, sends random bytes, and connects again
  half_open  holds 1,000 connections with the beginning of a good handshake, and stops there

A connection that the master ends is opened again; RATE a second in all, because a flood of connections is
the business of the kernel and of packet filters, and would measure the processor that both sides share."""

import os
import random
import selectors
import socket
import sys
import time

CONNECTIONS = 1000
RATE = 500
# A preface, and the head of a frame with a GSS token that never comes.
PREFACE = b"KRBREPL\n" + bytes([0, 1, 0, 1, 0, 0, 0, 0]) + bytes([1, 0, 0, 4, 0])


def connect(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setblocking(False)
    try:
        s.connect(("127.0.0.1", port))
    except BlockingIOError:
        pass
    except OSError:
        s.close()
        return None
    return s


def hold(port, first):
    """Keeps CONNECTIONS connections open; one that the master ends is opened again."""
    selector = selectors.DefaultSelector()
    held = 0
    opened, begun = 0, time.monotonic()
    while True:
        while held < CONNECTIONS and opened < CONNECTIONS + RATE * (time.monotonic() - begun):
            s = connect(port)
            opened += 1
            if s is None:
                break
            selector.register(s, selectors.EVENT_READ | (selectors.EVENT_WRITE if first else 0))
            held += 1
        for key, events in selector.select(0.1):
            try:
                if events & selectors.EVENT_WRITE:
                    key.fileobj.send(first)
                    selector.modify(key.fileobj, selectors.EVENT_READ)
                    continue
                if key.fileobj.recv(4096):
                    continue
            except OSError:
                pass
            selector.unregister(key.fileobj)
            key.fileobj.close()
            held -= 1
        time.sleep(0.01)


def garbage(port):
    noise = random.Random(1)
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
                s.sendall(noise.randbytes(noise.randrange(1, 65536)))
                s.recv(4096)
        except OSError:
            pass
        time.sleep(1 / RATE)


def main():
    kind, port = sys.argv[1], int(sys.argv[2])
    # Not to take the processor from what is measured: the attack is on the port.
    os.nice(10)
    if kind == "garbage":
        garbage(port)
    hold(port, {"silence": b"", "half_open": PREFACE}[kind])


if __name__ == "__main__":
    main()
