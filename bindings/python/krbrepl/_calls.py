"""How C calls Python, and how an exception of a callback gets through C.

1. A walk or a node hands C a handle of an object of this module as `ctx`.
2. C calls one of the functions below, which finds the object again and calls the program's function.
3. When that raises, the exception is kept in the object (Catch), and C is told that the host failed.
4. C returns; whoever called it asks the object for what was kept, and raises that same exception again.

Only the first exception is kept. Those that follow before it is raised are mostly its consequences, and are handed to
sys.unraisablehook so that none is lost."""

from __future__ import annotations

import collections
import sys
from typing import Any, Callable

from ._krbrepl import ffi, lib
from .errors import Error, error_of
from .values import LogLevel, Peer, Record, Slot, State, bytes_of, commit_of, from_struct, text_of

GO_ON = 0
STOPPED = 1
THREW = lib.KRBREPL_ERR_HOST


class _Unraised:
    """What sys.unraisablehook is given."""

    def __init__(self, exc: BaseException, where: object) -> None:
        self.exc_type = type(exc)
        self.exc_value = exc
        self.exc_traceback = exc.__traceback__
        self.err_msg = "Another exception of a krbrepl callback waits to be raised; this one is ignored in"
        self.object = where


class Catch:
    """Where an exception waits until C has returned. A deque, because its calls are atomic: a callback of a
    spawned node runs in a thread of the library's."""

    def __init__(self) -> None:
        self._kept: collections.deque[BaseException] = collections.deque()

    def keep(self, exc: BaseException, where: object) -> None:
        if self._kept:
            sys.unraisablehook(_Unraised(exc, where))  # type: ignore[arg-type]
        else:
            self._kept.append(exc)

    def again(self) -> None:
        """Raises what was kept."""
        try:
            exc = self._kept.popleft()
        except IndexError:
            return
        try:
            raise exc
        finally:
            del exc  # its traceback holds this frame

    def __bool__(self) -> bool:
        return bool(self._kept)


class Walk(Catch):
    """One walk: `visit` is called for each item, and ends the walk by returning False."""

    def __init__(self, visit: Callable[[Any], object]) -> None:
        super().__init__()
        self._visit = visit
        self.handle = ffi.new_handle(self)

    def step(self, make: Callable[..., Any], *args: Any) -> int:
        try:
            return STOPPED if self._visit(make(*args)) is False else GO_ON
        except BaseException as exc:
            self.keep(exc, self._visit)
            return int(THREW)


class Progress(Catch):
    """The listener of one load."""

    def __init__(self, tell: Callable[[str, int, int], object] | None) -> None:
        super().__init__()
        self._tell = tell
        self.handle = ffi.new_handle(self)

    def told(self, phase: Any, done: int, total: int) -> None:
        try:
            if self._tell is not None:
                self._tell(text_of(phase), done, total)
        except BaseException as exc:
            self.keep(exc, self._tell)


class Events(Catch):
    """The callbacks of one node."""

    def __init__(self, authorize: Callable[[str, str], int] | None,
                 peer: Callable[[Peer, Error | None], object] | None,
                 state: Callable[[State, State, Error | None], object] | None,
                 log: Callable[[LogLevel, str, str], object] | None) -> None:
        super().__init__()
        self.authorize = authorize
        self.peer = peer
        self.state = state
        self.log = log
        self.handle = ffi.new_handle(self)

    def fill(self, calls: Any) -> None:
        """Points the struct krbrepl_events at what there is."""
        if self.authorize is not None:
            calls.authorize = lib.krbrepl_py_authorize
        if self.peer is not None:
            calls.peer = lib.krbrepl_py_peer_event
        if self.state is not None:
            calls.state = lib.krbrepl_py_state
        if self.log is not None:
            calls.log = lib.krbrepl_py_log

    def call(self, fn: Any, *args: Any) -> int:
        """Answers what `fn` did; 0, which refuses a peer, when it raised."""
        try:
            return int(fn(*args) or 0)
        except BaseException as exc:
            self.keep(exc, fn)
            return 0

    def tell(self, fn: Any, make: Callable[[], tuple[Any, ...]]) -> None:
        try:
            fn(*make())
        except BaseException as exc:
            self.keep(exc, fn)


def _record(table: Any, key: Any, value: Any) -> Record:
    return Record(text_of(table), bytes_of(key), bytes_of(value))


@ffi.def_extern(error=THREW)
def krbrepl_py_record(ctx: Any, table: Any, key: Any, value: Any) -> int:
    return int(ffi.from_handle(ctx).step(_record, table, key, value))


@ffi.def_extern(error=THREW)
def krbrepl_py_commit(ctx: Any, commit: Any) -> int:
    return int(ffi.from_handle(ctx).step(commit_of, commit))


@ffi.def_extern(error=THREW)
def krbrepl_py_slot(ctx: Any, slot: Any) -> int:
    return int(ffi.from_handle(ctx).step(from_struct, Slot, slot))


@ffi.def_extern(error=THREW)
def krbrepl_py_peer(ctx: Any, peer: Any) -> int:
    return int(ffi.from_handle(ctx).step(from_struct, Peer, peer))


@ffi.def_extern()
def krbrepl_py_progress(ctx: Any, phase: Any, done: int, total: int) -> None:
    ffi.from_handle(ctx).told(phase, done, total)


@ffi.def_extern(error=0)
def krbrepl_py_authorize(ctx: Any, principal: Any, address: Any) -> int:
    events = ffi.from_handle(ctx)
    return int(events.call(events.authorize, text_of(principal), text_of(address)))


@ffi.def_extern()
def krbrepl_py_peer_event(ctx: Any, peer: Any, err: int) -> None:
    events = ffi.from_handle(ctx)
    events.tell(events.peer, lambda: (from_struct(Peer, peer), error_of(err)))


@ffi.def_extern()
def krbrepl_py_state(ctx: Any, was: int, now: int, err: int) -> None:
    events = ffi.from_handle(ctx)
    events.tell(events.state, lambda: (State(was), State(now), error_of(err)))


@ffi.def_extern()
def krbrepl_py_log(ctx: Any, level: int, area: Any, msg: Any, length: int) -> None:
    events = ffi.from_handle(ctx)
    events.tell(events.log, lambda: (
        LogLevel(level), text_of(area), bytes(ffi.buffer(msg, length)).decode(errors="surrogateescape")))
