"""A store whose records, or commits, stay in a database of the program's own: <krbrepl/host.h>.

The library calls the Store from within calls on the DirStore that was opened with it, and on a node that runs on that.
The node has a handle of its own, so that after spawn() both may call at once, in two threads."""

from __future__ import annotations

import threading
from typing import Any, Callable, Sequence

from ._calls import GO_ON, THREW, Catch
from ._krbrepl import ffi, lib
from ._structs import Given
from .errors import Corrupt, Invalid, State
from .values import Change, HostFlag, Position, bytes_of, change_of, position_of, text_of

_IMPORT = ("import_begin", "import_change", "import_commit", "import_abort")
_JOURNAL = ("journal_append", "journal_read", "journal_cut")


class Store:
    """The program's database. Derive from it, and open with DirStore(dir, host=...), which keeps it.

    What these raise comes out of the call that they ran in: of the DirStore or what was opened on it; of a node, as with
    its other callbacks. They must not call the library on the same store. With Node.spawn() they are called from a
    thread of the library's as well."""

    #: What the library has to know of the database; read when it is opened.
    flags: HostFlag = HostFlag(0)

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a record, or None."""
        raise NotImplementedError

    def apply(self, changes: Sequence[Change], pos: Position | None) -> None:
        """Makes these changes in their order, durably. `pos` is the position that they lead to (None: to none), which
        is not asked for. Doing it a second time must change nothing; deleting what is not there is no failure. Corrupt,
        when it is raised here, says that other records may be lost as well: see HostFlag.TEARS."""
        raise NotImplementedError

    # All four or none: a whole new content beside the present one. Without them a full copy changes the present
    # content piece by piece.

    def import_begin(self) -> None:
        raise NotImplementedError

    def import_change(self, change: Change) -> None:
        """First the records in the order of their keys, then changes of any of them."""
        raise NotImplementedError

    def import_commit(self, pos: Position | None) -> None:
        """From now on `get` sees the new content whole and nothing else, durably."""
        raise NotImplementedError

    def import_abort(self) -> None:
        """The new content is forgotten; that of before goes on."""
        raise NotImplementedError

    def import_step(self) -> bool:
        """Optional, with those four: a piece of what takes long between the last change and import_commit; True to be
        called again, after whatever else a node has to do. From its first call on the present content may be changed,
        and counts as none until import_commit."""
        raise NotImplementedError

    # All three or none: the commits, of a store made with journaled=True. Who has these alone has no records.

    def journal_append(self, first: int, commits: Sequence[bytes]) -> None:
        """Takes these commits, the first of which has the seq `first`, durably, in the place of whatever it has from
        `first` on."""
        raise NotImplementedError

    def journal_read(self, seq: int) -> bytes | None:
        """The commit `seq`, or None."""
        raise NotImplementedError

    def journal_cut(self, first: int, last: int) -> None:
        """Only the commits from `first` to `last` are wanted any more; `first` above `last`: none."""
        raise NotImplementedError


def _own(store: Store, names: Sequence[str], what: str) -> list[str]:
    """Those of them that the program has written: all or none."""
    own = [name for name in names if getattr(type(store), name) is not getattr(Store, name)]
    if len(own) not in (0, len(names)):
        raise Invalid(f"krbrepl: {type(store).__name__} has a part of {what}; give it all of "
                      f"{', '.join(names)}, or none")
    return own


def _position(pos: Any) -> Position | None:
    return position_of(pos) if pos else None


class Hosted:
    """A Store for as long as C may call it. An exception waits for the DirStore when it was raised in a call on that,
    and else for the node."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.of_calls = Catch()
        self.of_nodes = Catch()
        self._thread: int | None = None  # that is in a call on the DirStore
        self._busy: set[int] = set()  # threads that are in the program's database
        self._lent: dict[int, Any] = {}  # by thread: the value that C borrows until the next call
        self.handle = ffi.new_handle(self)
        step = lib.krbrepl_py_host_import_step if _own(store, ("import_step",), "an import") else ffi.NULL
        self.ops = Given("krbrepl_host_ops", get=lib.krbrepl_py_host_get, apply=lib.krbrepl_py_host_apply,
                         flags=int(store.flags), import_step=step)
        for name in _own(store, _IMPORT, "an import"):
            setattr(self.ops.c, name, getattr(lib, "krbrepl_py_host_" + name))
        self.journal = Given("krbrepl_journal_ops", append=lib.krbrepl_py_host_journal_append,
                             read=lib.krbrepl_py_host_journal_read, cut=lib.krbrepl_py_host_journal_cut)
        self.has_journal = bool(_own(store, _JOURNAL, "a journal"))
        self.has_records = not self.has_journal or bool(_own(store, ("get", "apply"), "a database"))

    def put_into(self, opt: Any) -> None:
        """Into krbrepl_store_options."""
        if self.has_records:
            opt.host, opt.host_ctx = self.ops.c, self.handle
        if self.has_journal:
            opt.journal, opt.journal_ctx = self.journal.c, self.handle

    def enter(self) -> None:
        if threading.get_ident() in self._busy:
            raise State("krbrepl: a Store was to call the library on the store that it is called by")

    def entered(self) -> None:
        self._thread = threading.get_ident()

    def leave(self) -> None:
        self._thread = None
        self.of_calls.again()

    def close(self) -> None:
        self._lent.clear()

    def call(self, fn: Callable[[], int]) -> int:
        me = threading.get_ident()
        self._busy.add(me)
        try:
            return fn()
        except BaseException as exc:
            (self.of_calls if self._thread == me else self.of_nodes).keep(exc, self.store)
            return int(lib.KRBREPL_ERR_CORRUPT if isinstance(exc, Corrupt) else THREW)
        finally:
            self._busy.discard(me)

    def get(self, table: Any, key: Any, value: Any) -> int:
        return self._lend(self.store.get(text_of(table), bytes_of(key)), value)

    def _lend(self, found: bytes | None, value: Any) -> int:
        if found is None:
            return int(lib.KRBREPL_ERR_NOTFOUND)
        lent = ffi.from_buffer(found)
        self._lent[threading.get_ident()] = lent
        value.data, value.len = lent, len(lent)
        return GO_ON

    def apply(self, changes: Any, n: int, pos: Any) -> int:
        self.store.apply([change_of(changes[i]) for i in range(n)], _position(pos))
        return GO_ON

    def import_begin(self) -> int:
        self.store.import_begin()
        return GO_ON

    def import_change(self, change: Any) -> int:
        self.store.import_change(change_of(change))
        return GO_ON

    def import_commit(self, pos: Any) -> int:
        self.store.import_commit(_position(pos))
        return GO_ON

    def import_step(self, more: Any) -> int:
        more[0] = int(self.store.import_step())
        return GO_ON

    def import_abort(self) -> int:
        self.store.import_abort()
        return GO_ON

    def journal_append(self, first: int, commits: Any, n: int) -> int:
        self.store.journal_append(first, [bytes_of(commits[i]) for i in range(n)])
        return GO_ON

    def journal_read(self, seq: int, commit: Any) -> int:
        return self._lend(self.store.journal_read(seq), commit)

    def journal_cut(self, first: int, last: int) -> int:
        self.store.journal_cut(first, last)
        return GO_ON


def _call(ctx: Any, name: str, *args: Any) -> int:
    hosted: Hosted = ffi.from_handle(ctx)
    return hosted.call(lambda: int(getattr(hosted, name)(*args)))


@ffi.def_extern(error=THREW)
def krbrepl_py_host_get(ctx: Any, table: Any, key: Any, value: Any) -> int:
    return _call(ctx, "get", table, key, value)


@ffi.def_extern(error=THREW)
def krbrepl_py_host_apply(ctx: Any, changes: Any, n: int, pos: Any) -> int:
    return _call(ctx, "apply", changes, n, pos)


@ffi.def_extern(error=THREW)
def krbrepl_py_host_import_begin(ctx: Any) -> int:
    return _call(ctx, "import_begin")


@ffi.def_extern(error=THREW)
def krbrepl_py_host_import_change(ctx: Any, change: Any) -> int:
    return _call(ctx, "import_change", change)


@ffi.def_extern(error=THREW)
def krbrepl_py_host_import_commit(ctx: Any, pos: Any) -> int:
    return _call(ctx, "import_commit", pos)


@ffi.def_extern(error=THREW)
def krbrepl_py_host_import_step(ctx: Any, more: Any) -> int:
    return _call(ctx, "import_step", more)


@ffi.def_extern()
def krbrepl_py_host_import_abort(ctx: Any) -> None:
    _call(ctx, "import_abort")


@ffi.def_extern(error=THREW)
def krbrepl_py_host_journal_append(ctx: Any, first: int, commits: Any, n: int) -> int:
    return _call(ctx, "journal_append", first, commits, n)


@ffi.def_extern(error=THREW)
def krbrepl_py_host_journal_read(ctx: Any, seq: int, commit: Any) -> int:
    return _call(ctx, "journal_read", seq, commit)


@ffi.def_extern(error=THREW)
def krbrepl_py_host_journal_cut(ctx: Any, first: int, last: int) -> int:
    return _call(ctx, "journal_cut", first, last)
