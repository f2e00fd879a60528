"""Lists of what the public headers hold, for tests that must leave nothing out. Writes into OUTPUT_DIR

    handles.inc   KRBREPL_WITH_HANDLE(function, handle) for each function whose first parameter is a handle
    errinfos.inc  KRBREPL_WITH_ERRINFO(function) for each function that fills in a caller's errinfo
    sized.inc     KRBREPL_SIZED(struct) for each struct that starts with its size

lists.py OUTPUT_DIR HEADER_DIR [DIR_NEEDED]...

Listed is what the first directory holds, and a generated version.h beside it. Handles may be those of any."""

import re
import sys
from pathlib import Path

import headers


def with_handle(paths, handles):
    for name, _, parameters in headers.prototypes(paths):
        first = re.fullmatch(r"(?:const )?(\w+) \*\w*", parameters[0])
        if first and first.group(1) in handles:
            yield f"KRBREPL_WITH_HANDLE({name}, {first.group(1)})"


def with_errinfo(paths, _):
    for name, _, parameters in headers.prototypes(paths):
        if any(re.match(r"krbrepl_errinfo \*", p) for p in parameters):
            yield f"KRBREPL_WITH_ERRINFO({name})"


def sized(paths, _):
    for name, fields in headers.structs(paths):
        if fields[0] == "size":
            yield f"KRBREPL_SIZED({name})"


# Of a static library that makes no promise about its ABI.
WITHOUT_ABI = ("testing.h",)


def main():
    output, *dirs = sys.argv[1:]
    paths = headers.headers(dirs if Path(dirs[0], "krbrepl.h").exists() else dirs[:1])
    paths = [p for p in paths if p.name not in WITHOUT_ABI]
    handles = headers.handles(headers.headers(dirs))
    for name, lines in (("handles", with_handle), ("errinfos", with_errinfo), ("sized", sized)):
        text = "".join(f"{line}\n" for line in lines(paths, handles))
        if not text:
            sys.exit(f"nothing for {name}.inc was found")
        Path(output, f"{name}.inc").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
