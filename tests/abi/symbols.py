"""The symbol map, the public headers and the shared library name the same functions.

symbols.py LIBRARY MAP HEADER_DIR..."""

import re
import subprocess
import sys
from pathlib import Path

import headers


def of_map(path):
    """(node, names) of a version script with one node."""
    text = re.sub(r"/\*.*?\*/", " ", Path(path).read_text(encoding="utf-8"), flags=re.S)
    nodes = re.findall(r"(\w+(?:\.\w+)*)\s*\{", text)
    if len(nodes) != 1:
        sys.exit(f"{path}: one node expected, found {nodes}")
    if not re.search(r"local:\s*\*;\s*\}", text):
        sys.exit(f"{path}: everything that is not named must be local")
    return nodes[0], sorted(re.findall(r"\b(krbrepl_\w+);", text))


def of_library(path):
    """{name: version} of what the library defines for others."""
    out = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", path],
                         check=True, capture_output=True, text=True).stdout
    shown = {}
    for line in out.splitlines():
        _, kind, symbol = line.split()
        name, _, version = symbol.partition("@")
        if kind == "A":  # the version node itself
            continue
        shown[name] = version.lstrip("@")
    return shown


def compare(left, right, left_names, right_names):
    only_left = sorted(set(left_names) - set(right_names))
    only_right = sorted(set(right_names) - set(left_names))
    for name in only_left:
        print(f"{name}: in {left}, not in {right}")
    for name in only_right:
        print(f"{name}: in {right}, not in {left}")
    return not only_left and not only_right


def main():
    library, map_file, *dirs = sys.argv[1:]
    node, mapped = of_map(map_file)
    declared = headers.functions(headers.headers(dirs))
    shown = of_library(library)
    good = compare("the headers", "the map", declared, mapped)
    good &= compare("the map", "the library", mapped, shown)
    for names, where in ((declared, "headers"), (mapped, "map")):
        for name in {n for n in names if names.count(n) > 1}:
            print(f"{name}: twice in the {where}")
            good = False
    for name, version in shown.items():
        if version != node:
            print(f"{name}: version {version or 'none'}, not {node}")
            good = False
    print(f"{len(shown)} functions in {node}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
