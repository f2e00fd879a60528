"""One exception class for each number of <krbrepl/error.h>, below one class for each advice.

    except krbrepl.RetryError:      the same call can work later
    except krbrepl.ResyncError:     the library mends it by copying
    except krbrepl.OperatorError:   a person has to change something
    except krbrepl.BugError:        the calling program is wrong
    except krbrepl.Diverged:        exactly that
    except krbrepl.Error:           any of them
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from ._krbrepl import ffi, lib
from .values import Advice


class Error(Exception):
    """A call of the library failed; str() says in one line where, why, and what to do next."""

    code: int = 0
    advice: ClassVar[Advice] = Advice.NONE

    def __init__(self, text: str, code: int | None = None, host_code: int = 0, sys_errno: int = 0) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code
        self.host_code = host_code
        self.sys_errno = sys_errno

    @property
    def name(self) -> str:
        """The stable name, for logs and metrics: "DIVERGED"."""
        return str(ffi.string(lib.krbrepl_err_name(self.code)).decode())


class RetryError(Error):
    advice = Advice.RETRY


class ResyncError(Error):
    advice = Advice.RESYNC


class OperatorError(Error):
    advice = Advice.OPERATOR


class BugError(Error):
    advice = Advice.BUG


class NoMem(RetryError):
    code = -1


class Invalid(BugError):
    code = -2


class Abi(BugError):
    code = -3


class State(BugError):
    code = -4


class Forked(BugError):
    code = -5


class Host(OperatorError):
    code = -6


class Timeout(RetryError, TimeoutError):
    code = -7


class NotFound(Error, LookupError):
    code = -8


class Exists(Error):
    code = -9


class Io(OperatorError):
    code = -10


class Locked(RetryError):
    code = -11


class Corrupt(OperatorError):
    code = -12


class NoSpace(OperatorError):
    code = -13


class TooBig(BugError):
    code = -14


class Format(OperatorError):
    code = -15


class Input(OperatorError):
    code = -16


class Conflict(RetryError):
    code = -17


class Trimmed(ResyncError):
    code = -20


class Diverged(OperatorError):
    code = -21


class Ahead(OperatorError):
    code = -22


class Fenced(OperatorError):
    code = -23


class Foreign(OperatorError):
    code = -24


class NotMaster(OperatorError):
    code = -25


class Net(RetryError):
    code = -30


class Proto(OperatorError):
    code = -31


class Auth(OperatorError):
    code = -32


class Denied(OperatorError):
    code = -33


_ADVICES: dict[int, type[Error]] = {
    Advice.NONE: Error, Advice.RETRY: RetryError, Advice.RESYNC: ResyncError,
    Advice.OPERATOR: OperatorError, Advice.BUG: BugError}


def _numbered(base: type[Error]) -> dict[int, type[Error]]:
    found = {}
    for cls in base.__subclasses__():
        if cls.code != 0:
            found[cls.code] = cls
        found.update(_numbered(cls))
    return found


CLASSES: dict[int, type[Error]] = _numbered(Error)


def class_of(code: int) -> type[Error]:
    """The class of a number. One that a newer library has is told by its advice."""
    if code in CLASSES:
        return CLASSES[code]
    return _ADVICES.get(lib.krbrepl_err_advice(code), Error)


def new_errinfo() -> Any:
    """A struct krbrepl_errinfo for a call to fill."""
    info = ffi.new("krbrepl_errinfo *")
    info.size = ffi.sizeof("krbrepl_errinfo")
    return info


def raise_for(code: int, info: Any = None) -> NoReturn:
    """Raises for a number that a call answered. The detail counts only when it is of that failure."""
    if info is not None and info.code == code:
        text = ffi.string(info.text).decode(errors="replace")
        raise class_of(code)(text, code, info.host_code, info.sys_errno)
    raise class_of(code)(ffi.string(lib.krbrepl_strerror(code)).decode(), code)


def error_of(code: int) -> Error | None:
    """What a callback gets for a number: an exception that is not raised, or None for 0."""
    if code == 0:
        return None
    return class_of(code)(ffi.string(lib.krbrepl_strerror(code)).decode(), code)
