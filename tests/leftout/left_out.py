"""What was left out of a run of the tests, by the log that CTest writes with --output-junit.

left_out.py LOG ALLOWED told        names what was left out
left_out.py LOG ALLOWED complete    fails as well when ALLOWED does not have it

These are left out:

* a test that CTest has skipped, did not start or has disabled;
* a function that a cmocka program has skipped, for which CTest counts the program as passed;
* a check of a test that passes, which says so in a line that starts with "left out: ".

Such a line says why, and what to install, in the other cases too (krbrepl_left_out of cmake/KrbreplTest.cmake has CTest
skip what could not be built). ALLOWED has a line "NAME: WHY" for each test, or function of a program, that may be left
out, and for no other reason than this."""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

WHY = "left out: "
# What cmocka says when a function has come to its end. The names of all that were skipped follow once more.
ENDED = re.compile(r"\[ +(OK|SKIPPED|FAILED) +\] (\w+)$")


def inside(name, output):
    """What a test that passed has left out by its own account: (name, why) of its functions, or of the test."""
    found, why = {}, None
    for line in output.splitlines():
        ended = ENDED.match(line)
        if line.startswith(WHY):
            why = line[len(WHY):]
        elif ended:
            if why or ended[1] == "SKIPPED":
                found.setdefault(ended[2], why or "it does not say why")
            why = None
    if why:
        found[name] = why
    return list(found.items())


def left_out(log):
    """(name, why) of all that was left out."""
    for case in ET.parse(log).getroot().iter("testcase"):
        name, output = case.get("name"), case.findtext("system-out") or ""
        if case.get("status") in ("notrun", "disabled"):
            said = [line[len(WHY):] for line in output.splitlines() if line.startswith(WHY)]
            yield name, said[-1] if said else (output.strip() or "it does not say why").splitlines()[-1]
        else:
            yield from inside(name, output)


def read_allowed(path):
    """[(name, why), ...]"""
    allowed = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        entry = re.fullmatch(r"(\w+): (.*\S)", line)
        if not entry:
            sys.exit(f"{path}:{number}: a line is NAME: WHY")
        allowed.append(entry.groups())
    return allowed


def show(title, found):
    if found:
        print(f"\n{title}")
        print("\n".join(f"    {name}: {why}" for name, why in sorted(found)))


def main(log, path, mode):
    allowed = read_allowed(path)
    if not Path(log).exists():
        print(f"CTest has not written {log}: nobody knows what was left out.")
        return 1 if mode == "complete" else 0
    found = list(left_out(log))
    if mode != "complete":
        show("Tests that were left out; docs/testing.md says more:", found)
        return 0
    missing = [one for one in found if one not in allowed]
    show(f"Tests that were left out, as {Path(path).name} allows:", [one for one in found if one in allowed])
    show("This run is not complete, for these tests were left out:", missing)
    if missing:
        print(f"Install what is lacking. {path} is for what cannot be installed.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
