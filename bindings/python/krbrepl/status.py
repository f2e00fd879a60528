"""Asking the node that runs on a store, from any process: <krbrepl/status.h>."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ._calls import Walk
from ._krbrepl import ffi, lib
from ._structs import Given, Path, out, path
from .errors import new_errinfo, raise_for
from .values import Level, Peer, Status, from_struct

# Calls that wait do so in slices, so that Python handles signals in between.
_SLICE = 0.25


@dataclass(frozen=True)
class Answer:
    status: Status
    peers: tuple[Peer, ...]


def fetch_status(dir: Path, *, timeout: float = 5.0) -> Answer | None:
    """What the node on the store in `dir` says of itself and of its peers; None when no node runs."""
    peers: list[Peer] = []
    walk = Walk(peers.append)
    status, info = out("krbrepl_status"), new_errinfo()
    code = lib.krbrepl_status_fetch(path(dir), int(timeout * 1000), status, lib.krbrepl_py_peer, walk.handle, info)
    walk.again()
    if code == lib.KRBREPL_ERR_NOTFOUND:
        return None
    if code != 0:
        raise_for(code, info)
    return Answer(from_struct(Status, status), tuple(peers))


@dataclass(frozen=True)
class Waited:
    reached: bool  #: False: the time allowed has passed
    have: int  #: how many replicas had the commit at the end


def wait(dir: Path, seq: int = 0, *, replicas: int = 1, level: Level = Level.DURABLE, timeout: float = 0.0) -> Waited:
    """Waits until enough replicas have a commit (0: the last there is now), by asking the node that runs on the store
    in `dir`. Raises NotFound when none runs within the timeout."""
    have = ffi.new("uint64_t *")
    opt = Given("krbrepl_wait_options", seq=seq, replicas=replicas, level=int(level))
    end = time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        info = new_errinfo()
        opt.c.timeout_ms = max(0, int(min(left, _SLICE) * 1000))
        code = lib.krbrepl_wait(path(dir), opt.c, have, info)
        if code == 0:
            return Waited(True, have[0])
        if code not in (lib.KRBREPL_ERR_TIMEOUT, lib.KRBREPL_ERR_NOTFOUND):
            raise_for(code, info)
        if left <= _SLICE:
            break
    if code == lib.KRBREPL_ERR_NOTFOUND:
        raise_for(code, info)
    return Waited(False, have[0])
