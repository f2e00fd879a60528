"""Reads the public headers: which functions, structs and enums they declare.

The headers are written in one plain way, so a few patterns are enough; a declaration that the patterns do
not understand stops the test instead of being passed over."""

import re
import sys
from pathlib import Path


def text_of(path):
    text = re.sub(r"/\*.*?\*/", " ", Path(path).read_text(encoding="utf-8"), flags=re.S)
    return text.replace("\\\n", " ")


def headers(dirs):
    """The headers in `dirs`, in a fixed order."""
    found = sorted(p for d in dirs for p in Path(d).glob("*.h"))
    if not found:
        sys.exit(f"no headers in {dirs}")
    return found


def without_directives(text):
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def functions(paths):
    names = []
    for path in paths:
        body = without_directives(text_of(path))
        marks = len(re.findall(r"\bKRBREPL_API\b", body))
        here = re.findall(r"\bKRBREPL_API\b[^;(]*?\b(krbrepl_\w+)\s*\(", body)
        if len(here) != marks:
            sys.exit(f"{path}: {marks} KRBREPL_API, but {len(here)} functions understood")
        names += here
    return sorted(names)


def prototypes(paths):
    """[(name, what it answers, [parameter, ...])] for every function, each parameter as it is written."""
    found = []
    for path in paths:
        body = re.sub(r"\s+", " ", without_directives(text_of(path)))
        for answer, name, inner in re.findall(
                r"KRBREPL_API ([^;(]*?)\b(krbrepl_\w+) ?\(((?:[^()]|\([^()]*\))*)\) ?;", body):
            parameters = [p.strip() for p in re.split(r",(?![^(]*\))", inner)]
            found.append((name, answer.strip(), parameters))
    if len(found) != len(functions(paths)):
        sys.exit(f"{len(functions(paths))} functions, but {len(found)} prototypes understood")
    return sorted(found)


def handles(paths):
    """The opaque structs: the names of all that hosts only ever have a pointer to."""
    declared = set()
    for path in paths:
        declared |= set(re.findall(r"typedef struct (\w+) \1;", without_directives(text_of(path))))
    return sorted(declared - {name for name, _ in structs(paths)})


def fields(body):
    """The field names of a struct, in order."""
    names = []
    for declaration in body.split(";"):
        declaration = declaration.strip()
        if not declaration:
            continue
        pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", declaration)
        if pointer:
            names.append(pointer.group(1))
            continue
        for part in declaration.split(","):
            name = re.search(r"(\w+)\s*(\[[^\]]*\]\s*)*$", part.strip())
            if not name:
                sys.exit(f"field not understood: {declaration}")
            names.append(name.group(1))
    return names


def structs(paths):
    """[(name, [field, ...])] for every struct whose members are public."""
    found = []
    for path in paths:
        body = without_directives(text_of(path))
        opened = len(re.findall(r"\bstruct\s+\w+\s*\{", body))
        here = re.findall(r"typedef\s+struct\s+(\w+)\s*\{(.*?)\}\s*(\w+)\s*;", body, flags=re.S)
        if len(here) != opened:
            sys.exit(f"{path}: {opened} structs, but {len(here)} understood")
        found += [(alias, fields(inner)) for _, inner, alias in here]
    return found


def constants(paths):
    """The names of all enum constants and of all numeric macros, in order."""
    found = []
    for path in paths:
        text = text_of(path)
        for inner in re.findall(r"\benum\s+\w+\s*\{(.*?)\}", without_directives(text), flags=re.S):
            found += re.findall(r"\b(KRBREPL_\w+)\s*=", inner)
        for line in text.splitlines():
            macro = re.match(r"\s*#\s*define\s+(KRBREPL_\w+)\s+(\(?\d.*)$", line)
            if macro:
                found.append(macro.group(1))
        if "KRBREPL_ERROR_MAP" in text:
            found += [f"KRBREPL_ERR_{n}" for n in re.findall(r"\bX\((\w+),\s*-\d+", text)]
    return [c for c in found if not c.startswith("KRBREPL_VERSION_")]
