"""Who frees what: the C handles that were opened on a store belong to it, because a garbage collector keeps no order."""

from __future__ import annotations

import collections
import os
import threading
import warnings
from typing import TYPE_CHECKING, Any, Callable

from ._krbrepl import lib
from .errors import Forked, State, new_errinfo, raise_for

if TYPE_CHECKING:
    from .host import Hosted


class Owned:
    """A C handle that was opened on a store. The store has the list of them, so that each is freed once, whichever
    of the Python objects goes first."""

    def __init__(self, c: Any, end: Callable[[Any], object], *, thread: int | None = None, kept: object = None,
                 holds: bool = False) -> None:
        self.c = c
        self.end = end
        self.thread = thread  # the only one that may free it
        self.kept = kept  # what C points to
        self.holds = holds  # the store is not closed before it is gone

    def may_end(self) -> bool:
        return self.thread is None or self.thread == threading.get_ident()


# Stores that could not be closed when they were forgotten, with what C still points to.
stranded: list[Use] = []


def close_stranded() -> None:
    """When the program ends, outside of all callbacks: a node that was forgotten in its own callback still runs."""
    for use in list(stranded):
        if use.pid == os.getpid() and all(what.may_end() for what in use.owned.values()) and use.close():
            stranded.remove(use)


def free_node(c: Any) -> bool:
    """False from inside of a callback of the node, which goes on then."""
    if lib.krbrepl_node_stop(c) not in (0, lib.KRBREPL_ERR_FORKED):
        return False
    lib.krbrepl_node_free(c)
    return True


class Use:
    """An open C store. Each call enters it, which refuses what C must not see. It is shared by the DirStore and by
    what was opened on it, and closes when the last of them is gone."""

    def __init__(self, c: Any, dir: str, host: Hosted | None = None) -> None:
        self.c = c
        self.dir = dir
        self.host = host  # what C calls, for as long as the store is open
        self.pid = os.getpid()
        self.depth = 0
        self.lock = threading.RLock()
        self.owned: dict[int, Owned] = {}
        self.orphans: collections.deque[int] = collections.deque()

    def __del__(self) -> None:
        if self.c is None:
            return
        warnings.warn(f"the store in {self.dir} was not closed", ResourceWarning)
        # With a transaction of another thread it stays open: nobody can end that any more.
        if os.getpid() == self.pid and not all(what.may_end() for what in self.owned.values()) or not self.close():
            stranded.append(self)

    def __enter__(self) -> Any:
        if os.getpid() != self.pid:
            raise Forked("krbrepl: this store was opened before fork(); open it again in this process")
        if self.host is not None:
            self.host.enter()
        if not self.lock.acquire(blocking=False):
            raise State("krbrepl: another thread is using this store; open one for each thread")
        if self.c is None:
            self.lock.release()
            raise State("krbrepl: this store is closed; open it again")
        self.depth += 1
        if self.host is not None:
            self.host.entered()
        if self.orphans:
            self.reap()
        return self.c

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        try:
            if self.host is not None and self.depth == 0:
                self.host.leave()
        finally:
            self.lock.release()

    def check(self, code: int) -> None:
        if code != 0:
            info = new_errinfo()
            lib.krbrepl_store_errinfo(self.c, info)
            raise_for(code, info)

    def own(self, what: Owned) -> int:
        key = id(what)
        self.owned[key] = what
        return key

    def end(self, key: int) -> None:
        what = self.owned.pop(key, None)
        if what is not None and what.end(what.c) is False:
            self.owned[key] = what

    def let_go(self, key: int) -> None:
        """For finalizers, which run in any thread: what may not be freed now is freed by a later call."""
        if key not in self.owned:
            return
        if os.getpid() != self.pid:
            self.end(key)
        elif self.owned[key].may_end() and self.lock.acquire(blocking=False):
            self.end(key)
            self.lock.release()
        else:
            self.orphans.append(key)

    def reap(self) -> None:
        for _ in range(len(self.orphans)):
            key = self.orphans.popleft()
            if key in self.owned and self.owned[key].may_end():
                self.end(key)
            elif key in self.owned:
                self.orphans.append(key)

    def close(self) -> bool:
        for key in list(self.owned):
            self.end(key)
        if self.owned:
            return False
        c, self.c = self.c, None
        lib.krbrepl_store_close(c)
        if self.host is not None:
            self.host.close()
        return True
