"""C structs out of Python's arguments."""

from __future__ import annotations

import os
from typing import Any, Union

from ._krbrepl import ffi
from .errors import Invalid

Path = Union[str, "os.PathLike[str]"]
Bytes = Union[bytes, bytearray, memoryview]


def chars(text: str | bytes | None) -> Any:
    """A C string, or NULL for None. C would cut it at a zero byte, and take it for another name."""
    if text is None:
        return ffi.NULL
    raw = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    if b"\0" in raw:
        raise Invalid("krbrepl: a text with a zero byte in it")
    return ffi.new("char[]", raw)


def path(name: Path) -> Any:
    return chars(os.fsencode(name))


class Given:
    """A sized struct with the fields that were given, and what its pointers point to."""

    def __init__(self, struct: str, **fields: Any) -> None:
        self.c = ffi.new(struct + " *")
        self.c.size = ffi.sizeof(struct)
        self._kept: list[Any] = []
        for name, value in fields.items():
            if isinstance(value, (str, bytes)):
                value = chars(value)
                self._kept.append(value)
            if value is not None:
                setattr(self.c, name, value)


def out(struct: str) -> Any:
    """A sized struct for the library to fill."""
    return Given(struct).c


class Span:
    """A krbrepl_bytes that borrows from a Python object for as long as this is kept."""

    def __init__(self, data: Bytes) -> None:
        self._from = ffi.from_buffer(data)
        self.c = ffi.new("krbrepl_bytes *", (self._from, len(self._from)))


def id_of(raw: bytes | None) -> Any:
    if raw is None:
        return None
    if len(raw) != 16:
        raise Invalid("krbrepl: a database id has 16 bytes")
    return ffi.new("uint8_t[]", raw)
