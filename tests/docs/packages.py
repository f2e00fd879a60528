"""What the scripts install is on the page of dependencies, and what that page names for Debian is installed by them.

packages.py LIB_SH DEPENDENCIES_MD"""

import re
import sys
from pathlib import Path


def installed(text):
    """The packages in the lists of scripts/lib.sh."""
    found = set()
    for words in re.findall(r"^KRBREPL_\w+_PACKAGES=\(([^)]*)\)", text, flags=re.M):
        found.update(words.split())
    return found


def named(text):
    """The packages that the page names: in the last column of its tables, and in what else looks like a list of them."""
    found = set()
    for cell in re.findall(r"`([a-z0-9][a-z0-9.+ -]+)`", text.replace("\n", " ")):
        found.update(cell.split())
    return found


def column(text):
    """The packages in the columns that are headed by a Debian release."""
    found, inside = set(), False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[-1].startswith("Debian"):
            inside = True
        elif inside and not set(cells[-1]) <= set("-"):
            # What another package brings is not installed by its own name.
            names = re.findall(r"`([^`]*)`", cells[-1]) if ", which" not in cells[-1] else []
            found.update(" ".join(names).split())
    return found


def main():
    script, page = (Path(path).read_text(encoding="utf-8") for path in sys.argv[1:])
    lists, words, table = installed(script), named(page), column(page)
    if len(lists) < 20 or len(table) < 20:
        sys.exit(f"{len(lists)} packages were understood in the script, {len(table)} on the page")
    bad = [f"{name}: is installed, and not on the page" for name in sorted(lists - words)]
    bad += [f"{name}: is on the page, and nothing installs it" for name in sorted(table - lists)]
    print("\n".join(bad) if bad else f"{len(lists)} packages")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
