"""The library's own store, a database in one directory: <krbrepl/store.h>.

Its records may stay in a database of the program's own (krbrepl.host.Store). Node asks a store for no more than
_handle, _adopt and _again."""

from __future__ import annotations

import os
import threading
import warnings
from types import TracebackType
from typing import Any, Callable, Iterator

from ._calls import STOPPED, Progress, Walk
from ._krbrepl import ffi, lib
from ._own import Owned, Use, free_node
from ._structs import Bytes, Given, Path, Span, chars, id_of, out, path
from .errors import State, new_errinfo, raise_for
from .host import Hosted, Store
from .values import (Commit, CommitKind, Digest, LoadResult, Position, Record, Resolve, Retention, Slot, StoreInfo,
                     bytes_of, from_struct, position_of)

_BATCH = 256
_BATCH_BYTES = 1 << 20


def _retention(keep: Retention) -> Given:
    return Given("krbrepl_retention", entries=keep.entries, bytes=keep.bytes, seconds=keep.seconds,
                 hard_cap=keep.hard_cap, slot_seconds=keep.slot_seconds)


def create(dir: Path, *, master: bool = False, hosted: bool = False, journaled: bool = False, group: str | None = None,
           database_id: bytes | None = None, retention: Retention | None = None) -> None:
    """Makes a new store in `dir`. With `master` it is one at once, else it waits for a master to follow. With `hosted`
    its records are in a database of the program's own, with `journaled` its commits: see Store."""
    keep = _retention(retention) if retention is not None else None
    ident = id_of(database_id)
    flags = ((lib.KRBREPL_CREATE_MASTER if master else 0) | (lib.KRBREPL_CREATE_HOSTED if hosted else 0)
             | (lib.KRBREPL_CREATE_JOURNALED if journaled else 0))
    opt = Given("krbrepl_create_options", flags=flags, group=group, database_id=ident,
                retention=keep.c if keep else None)
    info = new_errinfo()
    code = lib.krbrepl_store_create(path(dir), opt.c, info)
    if code != 0:
        raise_for(code, info)


def restore(file: Path, dir: Path, *, who: str | None = None) -> None:
    """Makes a store in `dir` out of a backup."""
    info = new_errinfo()
    code = lib.krbrepl_restore(path(file), path(dir), chars(who), info)
    if code != 0:
        raise_for(code, info)


def upgrade(dir: Path) -> None:
    """Brings a store of an older format to today's, in place. Nobody may have it open."""
    info = new_errinfo()
    code = lib.krbrepl_upgrade(path(dir), info)
    if code != 0:
        raise_for(code, info)


class _Part:
    """What Txn, View and Load have in common."""

    _gone = ""

    def __init__(self, use: Use, what: Owned) -> None:
        self._use = use
        self._what: Owned | None = what
        self._key = use.own(what)
        self._walks = 0  # calls with callbacks that are under way

    def _c(self) -> Any:
        what = self._what
        if what is None or self._key not in self._use.owned:
            raise State(self._gone)
        if not what.may_end():
            raise State("krbrepl: a transaction stays with the thread that began it")
        return what.c

    def _last(self) -> Any:
        """For what frees the handle."""
        c = self._c()
        if self._walks != 0:
            raise State("krbrepl: a callback was to end what it is called from")
        return c

    def _end(self) -> None:
        with self._use:
            self._last()
            self._use.end(self._key)
            self._what = None

    def _taken(self) -> Any:
        """For the C function that frees the handle in any case."""
        c = self._last()
        self._use.owned.pop(self._key)
        self._what = None
        return c

    @property
    def closed(self) -> bool:
        return self._what is None or self._key not in self._use.owned

    def __del__(self) -> None:
        if getattr(self, "_what", None) is not None and not self.closed:
            warnings.warn(f"a {type(self).__name__} was not closed", ResourceWarning)
            self._use.let_go(self._key)


class Txn(_Part):
    """One commit being made. As a context manager it commits at the end, and aborts when the block raises."""

    _gone = "krbrepl: this transaction is over; begin another one"

    #: The position of the commit, once it was made.
    pos: Position | None = None

    def put(self, table: str, key: Bytes, value: Bytes) -> None:
        k, v = Span(key), Span(value)
        with self._use:
            self._use.check(lib.krbrepl_txn_put(self._c(), chars(table), k.c[0], v.c[0]))

    def delete(self, table: str, key: Bytes) -> bool:
        """False when there is no such record."""
        k = Span(key)
        with self._use:
            return _found(self._use, lib.krbrepl_txn_delete(self._c(), chars(table), k.c[0]))

    def get(self, table: str, key: Bytes) -> bytes | None:
        """Sees the changes made so far."""
        k, value = Span(key), ffi.new("krbrepl_bytes *")
        with self._use:
            found = _found(self._use, lib.krbrepl_txn_get(self._c(), chars(table), k.c[0], value))
            return bytes_of(value) if found else None

    def prepare(self) -> None:
        """Makes the changes durable as a promise, so that the program may write its own database now (see Store).
        Afterwards only commit and abort are legal."""
        with self._use:
            self._use.check(lib.krbrepl_txn_prepare(self._c()))

    def commit(self) -> Position:
        """Durable when it returns. The transaction is over in any case; when this raises, nothing was changed, but
        see Store: a commit whose `apply` failed may count when it was written in part."""
        pos = ffi.new("krbrepl_pos *")
        with self._use:
            self._use.check(lib.krbrepl_txn_commit(self._taken(), pos))
        self.pos = position_of(pos)
        return self.pos

    def abort(self) -> None:
        self._end()

    def __enter__(self) -> Txn:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self.closed:
            return
        if kind is None:
            self.commit()
        else:
            self.abort()


class View(_Part):
    """All records at one position. Keep it short, for it keeps old pages of the database alive."""

    _gone = "krbrepl: this view is closed; open another one"

    @property
    def pos(self) -> Position:
        pos = ffi.new("krbrepl_pos *")
        with self._use:
            self._use.check(lib.krbrepl_view_pos(self._c(), pos))
        return position_of(pos)

    def get(self, table: str, key: Bytes) -> bytes | None:
        k, value = Span(key), ffi.new("krbrepl_bytes *")
        with self._use:
            found = _found(self._use, lib.krbrepl_view_get(self._c(), chars(table), k.c[0], value))
            return bytes_of(value) if found else None

    def each(self, visit: Callable[[Record], object], table: str | None = None, start: Bytes | None = None,
             end: Bytes | None = None, *, reverse: bool = False) -> bool:
        """Calls `visit` for each record of `table` (None: of all) whose key lies between the bounds, both included.
        False when `visit` ended the walk by returning False. What it raises comes out of here."""
        walk = Walk(visit)
        low = Span(start) if start is not None else None
        high = Span(end) if end is not None else None
        with self._use:
            c = self._c()
            self._walks += 1
            try:
                code = lib.krbrepl_view_each(
                    c, chars(table), low.c if low else ffi.NULL, high.c if high else ffi.NULL,
                    lib.KRBREPL_EACH_REVERSE if reverse else 0, lib.krbrepl_py_record, walk.handle)
            finally:
                self._walks -= 1
            walk.again()
            return _whole(self._use, code)

    def records(self, table: str, start: Bytes | None = None, end: Bytes | None = None, *,
                reverse: bool = False) -> Iterator[Record]:
        """The same as an iterator, which reads a few hundred records at a time."""
        last: bytes | None = None
        while True:
            batch: list[Record] = []
            size = 0

            def take(record: Record) -> bool:
                nonlocal size
                if record.key != last:
                    batch.append(record)
                    size += len(record.key) + len(record.value)
                return len(batch) < _BATCH and size < _BATCH_BYTES

            whole = self.each(take, table, start, end, reverse=reverse)
            yield from batch
            if whole:
                return
            last = batch[-1].key
            start, end = (start, last) if reverse else (last, end)

    def digest(self) -> Digest:
        """Reads every record, checks each, and computes the digest root."""
        root, records = ffi.new("uint8_t[32]"), ffi.new("uint64_t *")
        with self._use:
            self._use.check(lib.krbrepl_view_digest(self._c(), root, records))
        return Digest(bytes(ffi.buffer(root)), records[0])

    def close(self) -> None:
        if not self.closed:
            self._end()

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Load(_Part):
    """A whole new content being brought in. As a context manager it commits at the end, and aborts when the block
    raises."""

    _gone = "krbrepl: this load is over; begin another one"

    #: What the commit did, once it was made.
    result: LoadResult | None = None

    def __init__(self, use: Use, what: Owned, progress: Progress) -> None:
        super().__init__(use, what)
        self._progress = progress

    def put(self, table: str, key: Bytes, value: Bytes) -> bool:
        """False when the key was given before; the load goes on."""
        k, v = Span(key), Span(value)
        with self._use:
            c = self._c()
            self._walks += 1
            try:
                code = lib.krbrepl_load_put(c, chars(table), k.c[0], v.c[0])
            finally:
                self._walks -= 1
            self._progress.again()
            if code != lib.KRBREPL_ERR_EXISTS:
                self._use.check(code)
            return bool(code == 0)

    def commit(self) -> LoadResult:
        """What `progress` raises meanwhile comes out of here after the commit was made, for nothing stops that."""
        result = out("krbrepl_load_result")
        with self._use:
            self._use.check(lib.krbrepl_load_commit(self._taken(), result))
            self.result = LoadResult(position_of(result.pos), CommitKind(result.kind), result.records,
                                     result.added, result.changed, result.deleted)
            self._progress.again()
        return self.result

    def abort(self) -> None:
        self._end()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self.closed:
            return
        if kind is None:
            self.commit()
        else:
            self.abort()


def _found(use: Use, code: int) -> bool:
    if code == lib.KRBREPL_ERR_NOTFOUND:
        return False
    use.check(code)
    return True


def _whole(use: Use, code: int) -> bool:
    """Whether a walk went to its end."""
    if code == STOPPED:
        return False
    use.check(code)
    return True


class DirStore:
    """An open store. One thread at a time: a call from another one meanwhile raises State. `host` is the database of a
    hosted store, or of one whose commits are the program's, and is kept for as long as the store is open; without it
    these stay closed."""

    def __init__(self, dir: Path, *, host: Store | None = None, readonly: bool = False, nosync: bool = False,
                 map_size: int = 0, max_readers: int = 0) -> None:
        flags = (lib.KRBREPL_STORE_READONLY if readonly else 0) | (lib.KRBREPL_STORE_NOSYNC if nosync else 0)
        opt = Given("krbrepl_store_options", flags=flags, map_size=map_size, max_readers=max_readers)
        hosted = Hosted(host) if host is not None else None
        if hosted is not None:
            hosted.put_into(opt.c)
        handle, info = ffi.new("krbrepl_store **"), new_errinfo()
        code = lib.krbrepl_store_open(handle, path(dir), opt.c, info)
        if code != 0:
            raise_for(code, info)
        self._use = Use(handle[0], os.fspath(dir), hosted)

    def close(self) -> None:
        """Ends its views, and aborts its transactions and loads. Refuses while a node uses it. Closing twice is
        harmless. In a forked child it only frees memory."""
        use = self._use
        if use.c is None:
            return
        if os.getpid() == use.pid:
            with use:
                if use.depth > 1:
                    raise State("krbrepl: the store was to be closed from inside of one of its calls")
                if any(what.holds for what in use.owned.values()):
                    raise State("krbrepl: a node uses this store; close that first")
                if not all(what.may_end() for what in use.owned.values()):
                    raise State("krbrepl: another thread has a transaction on this store; end that first")
                use.close()
        else:
            use.close()

    @property
    def closed(self) -> bool:
        return self._use.c is None

    def __enter__(self) -> DirStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- for Node

    def _handle(self) -> Any:
        with self._use as c:
            return c

    def _again(self) -> None:
        """Raises what a Store has raised in a node."""
        if self._use.host is not None:
            self._use.host.of_nodes.again()

    def _adopt(self, node: Any, kept: object) -> Callable[[], None]:
        """Keeps the store open for a node, until what this answers is called, which frees the node."""
        use = self._use
        key = use.own(Owned(node, free_node, kept=kept, holds=True))
        return lambda: use.end(key)

    # ---- what it is

    @property
    def dir(self) -> str:
        with self._use as c:
            return os.fsdecode(ffi.string(lib.krbrepl_store_dir(c)))

    def info(self) -> StoreInfo:
        info = out("krbrepl_store_info")
        with self._use as c:
            self._use.check(lib.krbrepl_store_info_get(c, info))
        return from_struct(StoreInfo, info)

    def set_retention(self, keep: Retention) -> None:
        opt = _retention(keep)
        with self._use as c:
            self._use.check(lib.krbrepl_store_set_retention(c, opt.c))

    def trim(self, keep: int) -> int:
        """Drops the oldest commits of the journal until ``keep`` remain, but none that a known replica still needs.
        How many went."""
        dropped = ffi.new("uint64_t *")
        with self._use as c:
            self._use.check(lib.krbrepl_store_trim(c, keep, dropped))
        return int(dropped[0])

    # ---- roles and backups

    def promote(self, who: str | None = None) -> Position:
        pos = ffi.new("krbrepl_pos *")
        with self._use as c:
            self._use.check(lib.krbrepl_promote(c, chars(who), pos))
        return position_of(pos)

    def demote(self, who: str | None = None) -> Position:
        pos = ffi.new("krbrepl_pos *")
        with self._use as c:
            self._use.check(lib.krbrepl_demote(c, chars(who), pos))
        return position_of(pos)

    def resolve(self, which: Resolve, who: str | None = None) -> Position:
        pos = ffi.new("krbrepl_pos *")
        with self._use as c:
            self._use.check(lib.krbrepl_resolve(c, which, chars(who), pos))
        return position_of(pos)

    def backup(self, file: Path) -> None:
        with self._use as c:
            self._use.check(lib.krbrepl_backup(c, path(file)))

    # ---- writing and reading

    def begin(self, *, who: str | None = None, why: str | None = None) -> Txn:
        """Begins a commit, waiting for other writers. It stays with this thread."""
        opt = Given("krbrepl_txn_options", who=who, why=why)
        handle = ffi.new("krbrepl_txn **")
        with self._use as c:
            self._use.check(lib.krbrepl_txn_begin(c, handle, opt.c))
            return Txn(self._use, Owned(handle[0], lib.krbrepl_txn_abort, thread=threading.get_ident()))

    def view(self) -> View:
        handle = ffi.new("krbrepl_view **")
        with self._use as c:
            self._use.check(lib.krbrepl_view_open(c, handle))
            return View(self._use, Owned(handle[0], lib.krbrepl_view_close))

    def load(self, *, who: str | None = None, why: str | None = None,
             progress: Callable[[str, int, int], object] | None = None) -> Load:
        """Begins to replace the whole content. `progress` is told a phase, how much is done, and of how much."""
        told = Progress(progress)
        opt = Given("krbrepl_load_options", who=who, why=why)
        if progress is not None:
            opt.c.progress = lib.krbrepl_py_progress
            opt.c.progress_ctx = told.handle
        handle = ffi.new("krbrepl_load **")
        with self._use as c:
            self._use.check(lib.krbrepl_load_begin(c, handle, opt.c))
            return Load(self._use, Owned(handle[0], lib.krbrepl_load_abort, kept=told), told)

    def each_commit(self, visit: Callable[[Commit], object], start: int = 0, end: int = 0) -> bool:
        """Calls `visit` for the commits from seq `start` (0: the oldest there is) to `end` (0: the last). False when
        `visit` ended the walk by returning False. What it raises comes out of here."""
        walk = Walk(visit)
        with self._use as c:
            code = lib.krbrepl_journal_each(c, start, end, lib.krbrepl_py_commit, walk.handle)
            walk.again()
            return _whole(self._use, code)

    def commits(self, start: int = 0, end: int = 0) -> Iterator[Commit]:
        """The same as an iterator, up to the commit that is the last when it begins."""
        end = end or self.info().journal_last
        while start <= end:
            batch: list[Commit] = []
            size = 0

            def take(commit: Commit) -> bool:
                nonlocal size
                batch.append(commit)
                size += commit.bytes
                return len(batch) < _BATCH and size < _BATCH_BYTES

            whole = self.each_commit(take, start, end)
            yield from batch
            if whole:
                return
            start = batch[-1].pos.seq + 1

    # ---- what a master remembers of its replicas

    def slots(self) -> list[Slot]:
        found: list[Slot] = []
        walk = Walk(found.append)
        with self._use as c:
            code = lib.krbrepl_slot_each(c, lib.krbrepl_py_slot, walk.handle)
            walk.again()
            self._use.check(code)
        return found

    def drop_slot(self, principal: str) -> bool:
        """Forgets a replica. False when it is not known."""
        with self._use as c:
            return _found(self._use, lib.krbrepl_slot_drop(c, chars(principal)))

    def reset_slot(self, principal: str) -> bool:
        """A slave of Heimdal's gets its complete database anew. False when it is not known; raises State for a replica
        in the native protocol."""
        with self._use as c:
            return _found(self._use, lib.krbrepl_slot_reset(c, chars(principal)))

    # ---- what belongs to this node alone

    def local_put(self, table: str, key: Bytes, value: Bytes) -> None:
        k, v = Span(key), Span(value)
        with self._use as c:
            self._use.check(lib.krbrepl_local_put(c, chars(table), k.c[0], v.c[0]))

    def local_get(self, table: str, key: Bytes) -> bytes | None:
        k, room, length = Span(key), 256, ffi.new("size_t *")
        with self._use as c:
            while True:
                buf = ffi.new("uint8_t[]", room)
                length[0] = room
                code = lib.krbrepl_local_get(c, chars(table), k.c[0], buf, length)
                if code != lib.KRBREPL_ERR_TOOBIG or length[0] <= room:
                    break
                room = length[0]
            return bytes(ffi.buffer(buf, length[0])) if _found(self._use, code) else None

    def local_delete(self, table: str, key: Bytes) -> bool:
        k = Span(key)
        with self._use as c:
            return _found(self._use, lib.krbrepl_local_delete(c, chars(table), k.c[0]))
