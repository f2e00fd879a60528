"""Runs the promises of a test file: its functions without an underscore in front. A promise is broken by an exception,
by one that nobody could raise, and by a handle that was not closed."""

import gc
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings

_dirs = []


def scratch():
    """A directory that is removed after the promise."""
    _dirs.append(tempfile.mkdtemp(prefix="krpy."))
    return _dirs[-1]


def equal(a, b):
    if a != b:
        raise AssertionError(f"{a!r} is not {b!r}")


def check(what, text="a check failed"):
    if not what:
        raise AssertionError(text)


def raises(cls, fn, *args, **more):
    """Calls `fn`, which must raise exactly this class, and answers the exception."""
    try:
        fn(*args, **more)
    except BaseException as exc:
        if type(exc) is not cls:
            raise
        return exc
    raise AssertionError(f"{fn} raised nothing, {cls.__name__} was expected")


def until(what, text, seconds=60):
    """Waits for a condition; the bound is there to end a test that has failed."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError(f"did not come true: {text}")
        time.sleep(0.01)


def in_child(fn):
    """Calls `fn` in a forked child, and checks that it returned there."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fn()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)


def _keep(promise):
    unraised = []
    sys.unraisablehook = unraised.append
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            promise()
        finally:
            gc.collect()
            while _dirs:
                shutil.rmtree(_dirs.pop(), ignore_errors=True)
    for one in unraised:
        raise AssertionError(f"an exception was lost: {one.exc_value!r}")
    for one in warned:
        raise AssertionError(f"a warning: {one.message}")


def main(module):
    names = sys.argv[1:] or [
        name for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        and callable(value) and not isinstance(value, type)]
    broken = 0
    for name in names:
        try:
            _keep(getattr(module, name))
            print("kept   ", name, flush=True)
        except BaseException:
            print("BROKEN ", name, flush=True)
            traceback.print_exc()
            broken += 1
    sys.exit(1 if broken or not names else 0)
