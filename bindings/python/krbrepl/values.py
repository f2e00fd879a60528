"""The values that cross the library's door, as Python has them: enumerations and frozen dataclasses.

Times are microseconds of wall clock since 1970, and 0 is never, as in the C headers. Key and value are bytes; a value
may hold keys of a realm, and Python does not wipe what it frees."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Any, TypeVar

from ._krbrepl import ffi


_T = TypeVar("_T")

# Some fields are called `bytes`, as in C, and hide the type within their class.
_Bytes = bytes


class _Number(enum.IntEnum):
    """A number of the library. One that only a newer library knows keeps its value, and has no name."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, int):
            return None
        one = int.__new__(cls, value)
        one._name_ = f"UNKNOWN_{value}"
        one._value_ = value
        return one


class Advice(_Number):
    NONE = 0
    RETRY = 1
    RESYNC = 2
    OPERATOR = 3
    BUG = 4


class Role(_Number):
    UNSET = 0
    MASTER = 1
    REPLICA = 2
    FENCED = 3


class State(_Number):
    """What a node is doing."""

    STOPPED = 0
    SERVING = 1
    CONNECTING = 2
    COPYING = 3
    STREAMING = 4
    REFUSED = 5


class CopyReason(_Number):
    """Why a full copy was made."""

    NONE = 0
    EMPTY = 1
    BEHIND = 2
    RESET = 3
    FORK = 4
    UNVERIFIABLE = 5
    FAILED = 6
    DIFFERS = 7


class Dialect(_Number):
    """What a session speaks."""

    NONE = 0
    NATIVE = 1
    HEIMDAL = 2


class Level(_Number):
    """What an acknowledgment of a replica says."""

    RECEIVED = 1
    DURABLE = 2
    APPLIED = 3


class Op(_Number):
    PUT = 1
    DELETE = 2


class CommitKind(_Number):
    NONE = 0
    CHANGES = 1
    RESET = 2
    LINEAGE = 3


class Cause(_Number):
    """What a lineage commit records."""

    NONE = 0
    CREATE = 1
    PROMOTE = 2
    DEMOTE = 3
    RESTORE = 4
    RESOLVE = 5


class Resolve(_Number):
    KEEP_MASTER = 1
    KEEP_REPLICA = 2


class LogLevel(_Number):
    ERROR = 1
    WARN = 2
    NOTICE = 3
    INFO = 4
    DEBUG = 5


class Allow(enum.IntFlag):
    """What `authorize` may grant."""

    NOTHING = 0
    REPLICA = 1
    MONITOR = 2
    HEIMDAL = 4


class HostFlag(enum.IntFlag):
    """What a database of the program's own is like."""

    TEARS = 1  #: a process that dies in `apply` may take more records with it than were to be changed


class StoreFlag(enum.IntFlag):
    READONLY = 1
    NOSYNC = 2
    GIVES_UP = 4
    OLD = 8
    HOSTED = 16
    JOURNALED = 32


@dataclass(frozen=True)
class Position:
    """A point in the life of one database; equal positions mean equal content."""

    lineage: bytes
    epoch: int
    seq: int
    chain: bytes


@dataclass(frozen=True)
class Digest:
    """Two stores of one database with equal digests have equal content."""

    root: bytes
    records: int


@dataclass(frozen=True)
class Retention:
    """How much journal to keep; 0 is the default."""

    entries: int = 0
    bytes: int = 0
    seconds: int = 0
    hard_cap: int = 0
    slot_seconds: int = 0


@dataclass(frozen=True)
class MasterOptions:
    """How replicas are served; 0 and None are the default. With `heimdal` unmodified slaves of Heimdal's are served
    too, those whom `authorize` gives Allow.HEIMDAL."""

    listen: str | None = None
    service: str | None = None
    keytab: str | None = None
    max_peers: int = 0
    max_unauth: int = 0
    max_per_address: int = 0
    handshake_ms: int = 0
    missing_ms: int = 0
    gone_ms: int = 0
    window: int = 0
    repairs_max: int = 0
    heimdal: bool = False
    heimdal_service: str | None = None
    heimdal_keytab: str | None = None
    heimdal_missing_ms: int = 0
    heimdal_gone_ms: int = 0


@dataclass(frozen=True)
class StoreInfo:
    database_id: bytes
    role: Role
    pos: Position
    known_epoch: int
    records: int
    cumulative: int
    journal_first: int
    journal_last: int
    journal_bytes: int
    format: int
    flags: StoreFlag
    retention_entries: int
    retention_bytes: int
    retention_seconds: int
    retention_hard_cap: int
    retention_slot_seconds: int


@dataclass(frozen=True)
class Record:
    table: str
    key: bytes
    value: bytes


@dataclass(frozen=True)
class Change:
    op: Op
    table: str
    key: bytes
    value: bytes


@dataclass(frozen=True)
class Commit:
    kind: CommitKind
    pos: Position
    time_us: int
    cumulative: int
    who: str
    why: str
    changes: tuple[Change, ...]
    records: int
    root: _Bytes
    cause: Cause
    bytes: int


@dataclass(frozen=True)
class LoadResult:
    pos: Position
    kind: CommitKind
    records: int
    added: int
    changed: int
    deleted: int


@dataclass(frozen=True)
class Slot:
    """A replica's place in the journal, as the master remembers it."""

    principal: str
    hold: int
    durable: int
    last_seen_us: int
    expires_us: int
    last_copy_us: int
    last_copy_reason: CopyReason
    dialect: Dialect
    base: int
    version: int


@dataclass(frozen=True)
class Peer:
    id: int
    principal: str
    address: str
    name: str
    state: State
    last_err: int
    received: int
    durable: int
    applied: int
    lag_commits: int
    lag_us: int
    connected_us: int
    last_seen_us: int
    last_copy_us: int
    last_copy_reason: CopyReason
    bytes_out: int
    bytes_in: int
    proved_seq: int
    proved_us: int
    dialect: Dialect
    version: int


@dataclass(frozen=True)
class Status:
    database_id: bytes
    role: Role
    state: State
    flags: StoreFlag
    last_err: int
    pos: Position
    known_epoch: int
    records: int
    journal_first: int
    journal_last: int
    journal_bytes: int
    peers: int
    upstream_seq: int
    lag_commits: int
    lag_us: int
    last_heard_us: int
    commits_in: int
    commits_out: int
    bytes_in: int
    bytes_out: int
    copies_in: int
    copies_out: int
    refused: int
    unauth: int
    last_copy_us: int
    last_copy_reason: CopyReason
    started_us: int
    pid: int
    last_error: str
    proved_seq: int
    proved_us: int
    proofs: int
    differs: int
    copies_by_reason: tuple[int, ...]
    slots: int
    slots_cut: int
    held_from: int
    held_commits: int
    held_bytes: int
    hard_cap: int
    headroom_commits: int
    repairs_by_reason: tuple[int, ...]
    repair_records: int
    repair_bytes: int
    upstream_dialect: Dialect
    upstream_version: int


# ---- from C -----------------------------------------------------------------------------------------


# Fields that are not plain numbers, and what becomes of each.
_ENUMS: dict[str, Any] = {
    "role": Role, "state": State, "op": Op, "kind": CommitKind, "cause": Cause, "last_copy_reason": CopyReason,
    "flags": StoreFlag, "dialect": Dialect, "upstream_dialect": Dialect}


def text_of(c: Any) -> str:
    """A C string. What is no UTF-8 is kept: surrogateescape gives the same bytes back."""
    return str(ffi.string(c).decode(errors="surrogateescape")) if c else ""


def bytes_of(c: Any) -> bytes:
    """A copy of a krbrepl_bytes."""
    return bytes(ffi.buffer(c.data, c.len)) if c.len else b""


def position_of(c: Any) -> Position:
    return Position(bytes(ffi.buffer(c.lineage)), c.epoch, c.seq, bytes(ffi.buffer(c.chain)))


def _convert(name: str, value: Any) -> Any:
    if name in _ENUMS:
        return _ENUMS[name](value)
    if name == "pos":
        return position_of(value)
    if isinstance(value, int):
        return value
    kind = ffi.typeof(value)
    if kind.kind == "pointer":
        return text_of(value)
    if kind.item.cname == "char":
        return text_of(value)
    if kind.item.cname == "uint8_t":
        return bytes(ffi.buffer(value))
    return tuple(value)


def from_struct(cls: type[_T], c: Any) -> _T:
    """A dataclass out of the C struct whose fields have the same names. What a shorter struct of an older library
    does not have is zero."""
    whole = ffi.new(ffi.typeof(c[0]).cname + " *") if c.size < ffi.sizeof(c[0]) else c
    if whole is not c:
        ffi.memmove(whole, c, c.size)
    return cls(**{f.name: _convert(f.name, getattr(whole, f.name)) for f in dataclasses.fields(cls)})


def change_of(c: Any) -> Change:
    return Change(Op(c.op), text_of(c.table), bytes_of(c.key), bytes_of(c.value))


def commit_of(c: Any) -> Commit:
    return Commit(
        CommitKind(c.kind), position_of(c.pos), c.time_us, c.cumulative, text_of(c.who), text_of(c.why),
        tuple(change_of(c.changes[i]) for i in range(c.nchanges)), c.records, bytes(ffi.buffer(c.root)),
        Cause(c.cause), c.bytes)
