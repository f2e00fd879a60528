"""Writes KRBREPL_WITH_HANDLE(name, handle) for every public function whose first parameter is a handle.

handles.py OUTPUT HEADER_DIR..."""

import re
import sys
from pathlib import Path

import headers


def main():
    output, *dirs = sys.argv[1:]
    paths = headers.headers(dirs)
    handles = headers.handles(paths)
    lines = []
    for name, _, parameters in headers.prototypes(paths):
        first = re.fullmatch(r"(?:const )?(\w+) \*\w*", parameters[0])
        if first and first.group(1) in handles:
            lines.append(f"KRBREPL_WITH_HANDLE({name}, {first.group(1)})")
    if not lines:
        sys.exit("no function takes a handle")
    Path(output).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
