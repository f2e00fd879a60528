"""Replication of Kerberos databases: libkrbrepl from Python.

    with krbrepl.DirStore("/var/lib/krbrepl") as store:
        with store.begin(who="admin", why="a new user") as txn:
            txn.put("principal", b"alice", record)

The functions are those of <krbrepl/krbrepl.h>, which is the reference for what they do; names, errors and lifetimes are
Python's. Errors are classes by number and by advice (krbrepl.errors). What a callback raises comes out of the outer
call. A handle that is closed, of another thread or of another process refuses; it never crashes."""

from __future__ import annotations

from ._krbrepl import ffi as _ffi
from ._krbrepl import lib as _lib

if _lib.krbrepl_version(_lib.KRBREPL_VERSION_NUMBER) == _ffi.NULL:
    raise ImportError("libkrbrepl is older than the headers that this module was compiled with; install "
                      "version 0x%06x or a newer one" % _lib.KRBREPL_VERSION_NUMBER)

from . import aio
from .errors import (Abi, Ahead, Auth, BugError, Conflict, Corrupt, Denied, Diverged, Error, Exists, Fenced, Foreign,
                     Forked, Format, Host, Input, Invalid, Io, Locked, Net, NoMem, NoSpace, NotFound, NotMaster,
                     OperatorError, Proto, ResyncError, RetryError, Timeout, TooBig, Trimmed)
from .errors import State as StateError
from .host import Store
from .node import Node
from .status import Answer, Proved, Waited, fetch_status, prove, wait
from .store import DirStore, Load, Txn, View, create, restore, upgrade
from .values import (Advice, Allow, Cause, Change, Commit, CommitKind, CopyReason, Dialect, Digest, HostFlag, Level,
                     LoadResult, LogLevel, MasterOptions, Op, Peer, Position, Record, Resolve, Retention, Role, Slot,
                     State, Status, StoreFlag, StoreInfo)

#: The version of the library that is loaded.
__version__: str = _ffi.string(_lib.krbrepl_version(0).text).decode()

#: Limits: bytes of a table's name, of a key, of a value, of one commit; changes in one commit.
MAX_TABLE: int = _lib.KRBREPL_MAX_TABLE
MAX_KEY: int = _lib.KRBREPL_MAX_KEY
MAX_VALUE: int = _lib.KRBREPL_MAX_VALUE
MAX_COMMIT: int = _lib.KRBREPL_MAX_COMMIT
MAX_CHANGES: int = _lib.KRBREPL_MAX_CHANGES

__all__ = [
    "Abi", "Advice", "Ahead", "Allow", "Answer", "Auth", "BugError", "Cause", "Change", "Commit", "CommitKind",
    "Conflict", "CopyReason", "Corrupt", "Denied", "Dialect", "Digest", "DirStore", "Diverged", "Error", "Exists",
    "Fenced", "Foreign", "Forked", "Format", "Host", "HostFlag", "Input", "Invalid", "Io", "Level", "Load",
    "LoadResult", "Locked", "LogLevel", "MAX_CHANGES", "MAX_COMMIT", "MAX_KEY", "MAX_TABLE", "MAX_VALUE",
    "MasterOptions", "Net", "NoMem", "NoSpace", "Node", "NotFound", "NotMaster", "Op", "OperatorError", "Peer",
    "Position", "Proto", "Proved", "Record", "Resolve", "ResyncError", "Retention", "RetryError", "Role", "Slot",
    "State", "StateError", "Status", "Store", "StoreFlag", "StoreInfo", "Timeout", "TooBig", "Trimmed", "Txn",
    "View", "Waited", "aio", "create", "fetch_status", "prove", "restore", "upgrade", "wait"]
