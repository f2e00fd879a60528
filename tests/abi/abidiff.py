"""The shared library has the ABI of the last release, whose dump is kept in the repository (libabigail).

abidiff.py check DUMP LIBRARY SOURCE_DIR          needs abidiff; without it exit code 77: left out
abidiff.py dump  DUMP CC SONAME MAP WORK_DIR HEADER_DIR [DIR_NEEDED]...
                                                  needs abidw; `cmake --build BUILD --target abi-dump` calls it

A dump holds what the headers say, and nothing of what is inside of the library: it is made of a library that has
the same functions with nothing in them. What may be added is not told: functions, and fields at the end of a
struct. A dump is made anew with each release, and in a release that breaks the ABI, which changes the soname."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import headers

LEFT_OUT = 77
ADDITIONS = """[suppress_type]
  type_kind = struct
  has_data_member_inserted_at = end
"""


def tool(name):
    found = shutil.which(name)
    if not found:
        print(f"left out: {name}, which compares the ABI with that of the last release, is not installed (Debian has it "
              "in abigail-tools)")
        sys.exit(LEFT_OUT)
    return found


def hollow(paths, mine):
    """A library with the functions of `mine`, each of which does nothing."""
    lines = [f"#include <krbrepl/{p.name}>" for p in paths]
    for name, answer, parameters in headers.prototypes(mine):
        body = "" if answer == "void" else "return 0;"
        lines.append(f"{answer} {name}({', '.join(parameters)}) {{ {body} }}")
    return "\n".join(lines) + "\n"


def dump(output, compiler, soname, symbol_map, work, *dirs):
    abidw = tool("abidw")
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    own = headers.headers(dirs if Path(dirs[0], "krbrepl.h").exists() else dirs[:1])
    source, library = work / "hollow.c", work / "hollow.so"
    source.write_text(hollow(headers.headers(dirs), own), encoding="utf-8")
    roots = sorted({f"-I{Path(d).parent}" for d in dirs})
    subprocess.run([compiler, "-std=c11", "-g", "-w", "-shared", "-fPIC", *roots, f"-Wl,--version-script={symbol_map}",
                    f"-Wl,-soname,{soname}", str(source), "-o", str(library)], check=True)
    subprocess.run([abidw, "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed",
                    "--type-id-style", "hash", "--out-file", output, str(library)], check=True)
    return 0


def check(golden, library, source_dir):
    abidiff = tool("abidiff")
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as additions:
        additions.write(ADDITIONS)
        additions.flush()
        done = subprocess.run([abidiff, "--suppressions", additions.name, "--no-added-syms", "--drop-private-types",
                               "--headers-dir2", str(Path(source_dir, "include")), golden, library], check=False)
    if done.returncode != 0:
        print(f"The ABI is not that of {Path(golden).name}. Additions go to the end of a struct; for anything else "
              "the soname has to change.")
    return 1 if done.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit({"check": check, "dump": dump}[sys.argv[1]](*sys.argv[2:]))
