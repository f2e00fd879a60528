"""Runs one promise: a function of the calling file, named on the command line, in a directory of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = ""
DIR = ""


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def text(self):
        return self.out.decode()

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def jsons(self):
        return [json.loads(line) for line in self.lines]


def fail(text):
    sys.exit(f"FAILED: {text}")


def check(what, text="a check failed"):
    if not what:
        raise AssertionError(text)


def equal(a, b):
    check(a == b, f"{a!r} is not {b!r}")


def run(program, *args, stdin=b"", code=0, env=None):
    """Runs a program to its end and checks its exit code."""
    argv = [os.path.join(BIN, program), *args]
    done = subprocess.run(argv, input=stdin, capture_output=True, cwd=DIR, timeout=100,
                          env={**os.environ, **(env or {})})
    r = Result(done.returncode, done.stdout, done.stderr.decode())
    if code is not None and r.code != code:
        raise AssertionError(f"{argv}: exit code {r.code}, not {code}\n{r.out!r}\n{r.err}")
    return r


def krbrepl(*args, **more):
    return run("krbrepl", *args, **more)


def until(what, text, seconds=60):
    """Waits for a condition; `what` may raise AssertionError for "not yet"."""
    end = time.monotonic() + seconds
    while True:
        try:
            answer = what()
        except AssertionError:
            answer = None
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"did not come true: {text}")
        time.sleep(0.05)


def out_of_time(_signal, _frame):
    raise TimeoutError("this takes too long")


def main(module):
    """RUNNER BIN PROMISE"""
    global BIN, DIR
    BIN, promise = os.path.abspath(sys.argv[1]), sys.argv[2]
    # So that it ends by itself and says where it was. One in a realm ends before the one that waits for it.
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(220 if os.environ.get("REALM_DIR") else 280)
    DIR = tempfile.mkdtemp(prefix="krbrepl-programs.")
    try:
        getattr(module, promise)()
    finally:
        shutil.rmtree(DIR)
