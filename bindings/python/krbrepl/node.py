"""A running master or replica: <krbrepl/node.h>."""

from __future__ import annotations

import atexit
import os
import select
import sys
import threading
import time
import warnings
import weakref
from types import TracebackType
from typing import Any, Callable

from ._calls import Events, Walk, _Unraised
from ._krbrepl import ffi, lib
from ._own import close_stranded
from ._structs import Given, id_of, out
from .errors import Error, Forked, new_errinfo, raise_for
from .errors import State as StateError
from .store import DirStore
from .values import LogLevel, MasterOptions, Peer, State, Status, from_struct

Authorize = Callable[[str, str], int]
OnPeer = Callable[[Peer, "Error | None"], object]
OnState = Callable[[State, State, "Error | None"], object]
OnLog = Callable[[LogLevel, str, str], object]

# Nodes that are open. The interpreter must not end while a thread of the library calls into it.
_open: weakref.WeakSet[Node] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for node in list(_open):
        node._close_at_exit()
    close_stranded()


def _serving(o: MasterOptions) -> Given:
    return Given("krbrepl_master_options", listen=o.listen, service=o.service, keytab=o.keytab, max_peers=o.max_peers,
                 max_unauth=o.max_unauth, max_per_address=o.max_per_address, handshake_ms=o.handshake_ms,
                 missing_ms=o.missing_ms, gone_ms=o.gone_ms, window=o.window, repairs_max=o.repairs_max,
                 flags=lib.KRBREPL_MASTER_HEIMDAL if o.heimdal else 0, heimdal_service=o.heimdal_service,
                 heimdal_keytab=o.heimdal_keytab, heimdal_missing_ms=o.heimdal_missing_ms,
                 heimdal_gone_ms=o.heimdal_gone_ms)


class _Inside:
    """A call on a node: it cannot be freed meanwhile. Nodes lock themselves, so calls of several threads may be
    under way. The lock may be entered twice by one thread, for a signal handler may call quit at any time."""

    def __init__(self, c: Any) -> None:
        self.c = c
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.calls = 0

    def __enter__(self) -> Any:
        if os.getpid() != self.pid:
            raise Forked("krbrepl: this node was made before fork(); make another one in this process")
        with self.lock:
            if self.c is None:
                raise StateError("krbrepl: this node is closed; make another one")
            self.calls += 1
            return self.c

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.calls -= 1


class Node:
    """Joins a store to its peers. All callbacks are optional but `authorize`: without it nobody may connect to a
    master. It is asked with a principal and an address and answers Allow.REPLICA, another of Allow, or 0.

    Drive it by run(); by spawn(), which takes a thread of the library's, where the callbacks are called then; by
    krbrepl.aio; or in a loop of your own: wait until fileno() is readable, no longer than `timeout`, then process().

    What a callback raises comes out of the call that it ran in (process, run, start_..., stop); after spawn(), out of
    check() or stop()."""

    def __init__(self, store: DirStore, *, authorize: Authorize | None = None, peer: OnPeer | None = None,
                 state: OnState | None = None, log: OnLog | None = None, name: str | None = None,
                 log_level: LogLevel = LogLevel.INFO) -> None:
        self._events = Events(authorize, peer, state, log)
        self._quit = False
        self._spawned = False
        calls = Given("krbrepl_events")
        self._events.fill(calls.c)
        config = Given("krbrepl_config", store=store._handle(), events=calls.c, events_ctx=self._events.handle,
                       name=name, log_level=int(log_level))
        handle, info = ffi.new("krbrepl_node **"), new_errinfo()
        code = lib.krbrepl_node_new(handle, config.c, info)
        if code != 0:
            raise_for(code, info)
        self._store = store
        self._free = store._adopt(handle[0], self._events)
        self._inside = _Inside(handle[0])
        _open.add(self)

    # ---- start and stop

    def start_master(self, *, listen: str | None = None, service: str | None = None, keytab: str | None = None,
                     max_peers: int = 0, max_unauth: int = 0, max_per_address: int = 0, handshake_ms: int = 0,
                     missing_ms: int = 0, gone_ms: int = 0, window: int = 0, repairs_max: int = 0,
                     heimdal: bool = False, heimdal_service: str | None = None, heimdal_keytab: str | None = None,
                     heimdal_missing_ms: int = 0, heimdal_gone_ms: int = 0) -> None:
        """Serves replicas. The store must be master. What each is: see MasterOptions."""
        opt = _serving(MasterOptions(
            listen, service, keytab, max_peers, max_unauth, max_per_address, handshake_ms, missing_ms, gone_ms, window,
            repairs_max, heimdal, heimdal_service, heimdal_keytab, heimdal_missing_ms, heimdal_gone_ms))
        with self._inside as c:
            self._quit = False
            self._finish(c, lib.krbrepl_master_start(c, opt.c))

    def start_replica(self, master: str, *, service: str | None = None, principal: str | None = None,
                      keytab: str | None = None, database_id: bytes | None = None, retry_min_ms: int = 0,
                      retry_max_ms: int = 0, handshake_ms: int = 0, missing_ms: int = 0, lost_ms: int = 0,
                      dialect: int = 0, mkey_file: str | None = None, replace: bool = False, renew_ms: int = 0,
                      whole_ms: int = 0, serve: MasterOptions | None = None) -> None:
        """Follows a master. One that cannot be reached is tried again, for ever. With Dialect.HEIMDAL it is an
        ipropd-master, and the store is master of a history of its own; the last five are for that dialect. `serve`:
        native replicas are served by the same node."""
        ident = id_of(database_id)
        served = _serving(serve) if serve is not None else None
        opt = Given("krbrepl_replica_options", master=master, service=service, principal=principal, keytab=keytab,
                    database_id=ident, retry_min_ms=retry_min_ms, retry_max_ms=retry_max_ms,
                    handshake_ms=handshake_ms, missing_ms=missing_ms, lost_ms=lost_ms, dialect=int(dialect),
                    flags=lib.KRBREPL_REPLICA_REPLACE if replace else 0, mkey_file=mkey_file, renew_ms=renew_ms,
                    whole_ms=whole_ms, serve=served.c if served else None)
        with self._inside as c:
            self._quit = False
            self._finish(c, lib.krbrepl_replica_start(c, opt.c))

    def stop(self) -> None:
        """Says goodbye to the peers and stops; it can be started again."""
        with self._inside as c:
            code = lib.krbrepl_node_stop(c)
            self._spawned = self._spawned and code != 0
            self._finish(c, code)

    def close(self) -> None:
        """Stops and frees the node. Refuses from inside of a callback, and while another thread is in a call. Closing
        twice is harmless. In a forked child it only frees memory."""
        inside = self._inside
        if inside.c is None:
            return
        if os.getpid() == inside.pid:
            with inside as c:
                self._alone(1)
                code = lib.krbrepl_node_stop(c)
                if code != 0:
                    self._raise(c, code)
            self._spawned = False
            with inside.lock:
                if inside.c is None:
                    return
                self._alone(0)
                inside.c = None
        inside.c = None
        _open.discard(self)
        self._free()
        self._again()

    def _alone(self, calls: int) -> None:
        if self._inside.calls > calls:
            raise StateError("krbrepl: the node is in use, by a callback of it or by another thread; end that first")

    def _close_at_exit(self) -> None:
        try:
            if os.getpid() == self._inside.pid and not self._spawned:
                self.quit()
                self._wait_for_others()
            self.close()
        except BaseException as exc:
            sys.unraisablehook(_Unraised(exc, self.close))  # type: ignore[arg-type]

    def _wait_for_others(self) -> None:
        """Lets a daemon thread come out of run; one that does not is left to Python, which ends it."""
        end = time.monotonic() + 5
        while self._inside.calls > 0 and time.monotonic() < end:
            time.sleep(0.005)

    @property
    def closed(self) -> bool:
        return self._inside.c is None

    def __enter__(self) -> Node:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.close()
        except BaseException as late:
            if exc is None:
                raise
            # What the block raised is what the program is to see.
            sys.unraisablehook(_Unraised(late, self.close))  # type: ignore[arg-type]

    def __del__(self) -> None:
        inside = getattr(self, "_inside", None)
        if inside is not None and inside.c is not None:
            warnings.warn("a Node was not closed", ResourceWarning)
            inside.c = None
            self._free()

    # ---- the loop

    def fileno(self) -> int:
        with self._inside as c:
            fd = lib.krbrepl_node_fd(c)
            if fd < 0:
                self._raise(c, fd)
            return int(fd)

    @property
    def timeout(self) -> float | None:
        """Seconds until process() is due; None: never."""
        with self._inside as c:
            ms = lib.krbrepl_node_timeout(c)
        return None if ms < 0 else ms / 1000

    def process(self) -> None:
        """One turn; never waits on the network."""
        with self._inside as c:
            self._finish(c, lib.krbrepl_node_process(c))

    def run(self) -> None:
        """Processes until quit(). The loop is Python's own, so that signals are handled as they come."""
        with self._inside as c:
            poll = select.poll()
            poll.register(self.fileno(), select.POLLIN)
            while not self._quit:
                poll.poll(lib.krbrepl_node_timeout(c))
                self.process()
            self._quit = False

    def spawn(self) -> None:
        """Runs the loop in a thread of the library's own, until stop()."""
        with self._inside as c:
            self._finish(c, lib.krbrepl_node_spawn(c))
            self._spawned = True

    def check(self) -> None:
        """Raises what a callback has raised since the last time, after spawn()."""
        with self._inside:
            self._again()

    # ---- from any thread, and from a signal handler

    def wake(self) -> None:
        with self._inside as c:
            self._finish_plain(lib.krbrepl_node_wake(c))

    def quit(self) -> None:
        """Ends run(), here or in another thread, and krbrepl.aio.run."""
        with self._inside as c:
            self._quit = True
            self._finish_plain(lib.krbrepl_node_quit(c) if self._spawned else lib.krbrepl_node_wake(c))

    def reauthorize(self) -> None:
        """Asks `authorize` about every session, and every replica that is known, once more."""
        with self._inside as c:
            self._finish_plain(lib.krbrepl_node_reauthorize(c))

    # ---- also from inside of a callback

    def status(self) -> Status:
        status = out("krbrepl_status")
        with self._inside as c:
            code = lib.krbrepl_node_status(c, status)
            if code != 0:
                self._raise(c, code)
        return from_struct(Status, status)

    def peers(self) -> list[Peer]:
        found: list[Peer] = []
        walk = Walk(found.append)
        with self._inside as c:
            code = lib.krbrepl_node_peers(c, lib.krbrepl_py_peer, walk.handle)
            walk.again()
            if code != 0:
                self._raise(c, code)
        return found

    # ---- failures

    def _again(self) -> None:
        self._events.again()
        self._store._again()

    def _raise(self, c: Any, code: int) -> None:
        info = new_errinfo()
        lib.krbrepl_node_errinfo(c, info)
        raise_for(code, info)

    def _finish(self, c: Any, code: int) -> None:
        """The exception of a callback goes before the error of the call, of which it may be the cause."""
        self._again()
        if code != 0:
            self._raise(c, code)

    @staticmethod
    def _finish_plain(code: int) -> None:
        if code != 0:
            raise_for(code)
