"""Asking the node that runs on a store, from any process: <krbrepl/status.h>."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable

from ._calls import Progress, Walk
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


class Waiting:
    """One wait, in slices. look() waits for one and answers when it was the last."""

    def __init__(self, dir: Path, seq: int, replicas: int, level: Level, timeout: float) -> None:
        self._dir = path(dir)
        self._have = ffi.new("uint64_t *")
        self._opt = Given("krbrepl_wait_options", seq=seq, replicas=replicas, level=int(level))
        self._end = time.monotonic() + timeout

    def _fix(self, timeout_ms: int, info: Any) -> int:
        """The last commit is that of the beginning; the next slice would take a later one."""
        if self._opt.c.seq != 0:
            return 0
        status = out("krbrepl_status")
        code = lib.krbrepl_status_fetch(self._dir, max(timeout_ms, 1000), status, ffi.NULL, ffi.NULL, info)
        self._opt.c.seq = max(status.pos.seq, status.upstream_seq)
        return int(code)

    def look(self) -> Waited | None:
        left = self._end - time.monotonic()
        info = new_errinfo()
        slice_ms = max(0, int(min(left, _SLICE) * 1000))
        code = self._fix(slice_ms, info)
        if code == 0:
            self._opt.c.timeout_ms = slice_ms
            code = lib.krbrepl_wait(self._dir, self._opt.c, self._have, info)
        if code == 0:
            return Waited(True, self._have[0])
        not_yet = code in (lib.KRBREPL_ERR_TIMEOUT, lib.KRBREPL_ERR_NOTFOUND)
        if not_yet and left > _SLICE:
            return None
        if code == lib.KRBREPL_ERR_TIMEOUT:
            return Waited(False, self._have[0])
        raise_for(code, info)


def wait(dir: Path, seq: int = 0, *, replicas: int = 1, level: Level = Level.DURABLE, timeout: float = 0.0) -> Waited:
    """Waits until enough replicas have a commit (0: the last there is now), by asking the node that runs on the store
    in `dir`. Raises NotFound when none runs within the timeout."""
    waiting = Waiting(dir, seq, replicas, level, timeout)
    while True:
        answer = waiting.look()
        if answer is not None:
            return answer


@dataclass(frozen=True)
class Proved:
    seq: int  #: where the store was at the end
    records: int  #: how many it has
    compared: int  #: peers whose content was proved equal: the master, or the replicas that are connected
    differed: int  #: 1: something differed; a replica has repaired it by now, and evidence/ lists it


def prove(dir: Path, *, timeout: float = 3600.0, progress: Callable[[str, int, int], object] | None = None) -> Proved:
    """Has the node on the store in `dir` read every record again and compare its content with that of its master, or
    of its replicas; see krbrepl_prove. Raises Timeout when that is not done in time. `progress` is told a phase, how
    much is done, and of how much (0: not known yet); what it raises comes out of here when the proof is over. Signals are
    handled while `progress` is told, and at the end."""
    told = Progress(progress)
    opt = Given("krbrepl_prove_options", timeout_ms=max(1, int(timeout * 1000)))
    opt.c.progress, opt.c.progress_ctx = lib.krbrepl_py_progress, told.handle
    result, info = out("krbrepl_proved"), new_errinfo()
    code = lib.krbrepl_prove(path(dir), opt.c, result, info)
    told.again()
    if code != 0:
        raise_for(code, info)
    return from_struct(Proved, result)
