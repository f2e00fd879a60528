"""Every public struct keeps its layout, every public constant its value.

layout.py check|print GOLDEN CC WORK_DIR HEADER_DIR [DIR_NEEDED]...

The headers measured are those of the first directory, and a generated version.h beside it.

A C program with every sizeof, offsetof and constant is made from the headers, compiled and run. Whatever
was recorded must be there unchanged, and a sized struct may only grow at its end. New lines are to be
recorded with `print`, by hand, in the commit that adds them. On any machine: no sized struct has tail
padding, for a caller's padding is not zero and would be taken for a newer field."""

import subprocess
import sys
from pathlib import Path

import headers

# Without a size; never grow.
FROZEN = ("krbrepl_bytes", "krbrepl_pos", "krbrepl_mit_item", "krbrepl_mit_key", "krbrepl_mit_lockout")


def program(paths):
    lines = ["#include <stddef.h>", "#include <stdio.h>"]
    lines += [f"#include <krbrepl/{p.name}>" for p in paths]
    lines += ["#define END(s, f) (offsetof(s, f) + sizeof(((s *)0)->f))", "int main(void)", "{"]

    def say(what, value):
        lines.append(f'    printf("{what} %lld\\n", (long long)({value}));')

    for name, members in headers.structs(paths):
        say(f"struct {name} sizeof", f"sizeof({name})")
        say(f"struct {name} tail", f"sizeof({name}) - END({name}, {members[-1]})")
        for field in members:
            say(f"struct {name} .{field} at", f"offsetof({name}, {field})")
            say(f"struct {name} .{field} size", f"sizeof((({name} *)0)->{field})")
    for constant in headers.constants(paths):
        say(f"constant {constant}", constant)
    say("pointer", "sizeof(void *)")
    return "\n".join(lines + ["    return 0;", "}", ""])


def measure(compiler, work, dirs):
    paths = headers.headers(dirs if (Path(dirs[0]) / "krbrepl.h").exists() else dirs[:1])
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    (work / "layout.c").write_text(program(paths), encoding="utf-8")
    roots = sorted({str(Path(d).parent) for d in dirs})
    subprocess.run([compiler, "-std=c99", *[f"-I{r}" for r in roots], str(work / "layout.c"), "-o",
                    str(work / "layout")], check=True)
    out = subprocess.run([str(work / "layout")], check=True, capture_output=True, text=True).stdout
    return dict(line.rsplit(" ", 1) for line in out.splitlines())


def recorded(path):
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))


def complaints(golden, now):
    for key, value in now.items():
        struct = key.split()[1] if key.startswith("struct") else None
        if key.endswith(" tail") and struct not in FROZEN and value != "0":
            yield f"{struct}: {value} bytes of padding at the end"
        if key.endswith(".size at") and value != "0":
            yield f"{struct}: size is not the first field"
        if key.endswith(" sizeof") and struct not in FROZEN and f"struct {struct} .size at" not in now:
            yield f"{struct}: has no size field"
    if golden.get("pointer") != now["pointer"]:
        return
    for key, value in golden.items():
        grown = key.endswith(" sizeof") and key.split()[1] not in FROZEN
        if key not in now:
            yield f"{key}: gone (was {value})"
        elif now[key] != value and not (grown and int(now[key]) > int(value)):
            yield f"{key}: was {value}, is {now[key]}"
    for key, value in now.items():
        if golden.get(key) is None:
            yield f"{key} {value}: not recorded"
        elif golden[key] != value and key.endswith(" sizeof"):
            yield f"{key}: grew from {golden[key]} to {value}; record it"


def main():
    verb, golden, compiler, work, *dirs = sys.argv[1:]
    now = measure(compiler, work, dirs)
    if verb == "print":
        print("# Layout of the public structs and values of the public constants (tests/abi/layout.py).")
        for key, value in now.items():
            print(key, value)
        return 0
    bad = list(complaints(recorded(golden), now))
    for line in bad:
        print(line)
    print(f"{len(now)} facts compared")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
