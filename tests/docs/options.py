"""Every option that a program's --help tells is on its manual page, and every option of the page is in --help.

options.py KRBREPL MASTER REPLICA MAN_DIR"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def helped(*command):
    """{--long: -s or None} of what --help prints under `options:`."""
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    listed = done.stdout.partition("\noptions:\n")[2]
    found = re.findall(r"^(?:  (-\w), |      )--([\w-]+)", listed, flags=re.M)
    if not found:
        sys.exit(f"{command}: no options understood in\n{done.stdout}")
    return {name: short or None for short, name in found}


def fits(what, told, there, defined):
    """`told` by --help; `there`: all options that the page's text names; `defined`: those that it lists."""
    bad = []
    for name, short in told.items():
        if name not in there:
            bad.append(f"{what}: --{name} is in --help, and not on the manual page")
        elif short is not None and short[1:] not in there:
            bad.append(f"{what}: {short} is in --help, and not on the manual page")
    short = {s[1:] for s in told.values() if s is not None}
    for name in sorted(defined - set(told) - short):
        bad.append(f"{what}: {'-' if len(name) == 1 else '--'}{name} is on the manual page, and not in --help")
    return bad


def flags(text):
    return set(re.findall(r"\bFl Fl ([\w-]+)", text)) | set(re.findall(r"(?<!Fl )\bFl (\w)\b(?! *Fl)", text))


# ---- the tool


def sections(page):
    """{subcommand: (its lines that define, all of its text)}"""
    found, now = {}, None
    for line in page.splitlines():
        item = re.match(r"\.It Cm ([\w-]+)", line)
        if item:
            now = item.group(1)
            heads, body = found.setdefault(now, ([], []))
            heads.append(line)
        elif line.startswith((".Ss", ".Sh")):
            now = None
        if now is not None:
            found[now][1].append(line)
            if line.startswith(".It Fl"):
                found[now][0].append(line)
    return {name: ("\n".join(heads), "\n".join(body)) for name, (heads, body) in found.items()}


def tool(program, page):
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ([a-z-]+) +\w", text.partition("is the directory of a store.")[2], flags=re.M)
    if len(names) < 20:
        sys.exit(f"only {len(names)} subcommands understood in\n{text}")
    common = flags(page[page.index("All subcommands take"):page.index(".Ss Making stores")])
    at = sections(page)
    lent = {"keep-options": flags(at["retention"][0]), "status-options": flags(at["status"][0])}
    bad = [f"{name}: on the manual page, and no subcommand" for name in sorted(set(at) - set(names))]
    for name in names:
        if name not in at:
            bad.append(f"{name}: no word on the manual page")
            continue
        heads, body = at[name]
        more = set().union(*(options for word, options in lent.items() if word in heads))
        bad += fits(f"krbrepl {name}", helped(program, name), flags(body) | common | more, flags(heads) | more)
    return bad


# ---- the daemons


def daemon(program, page):
    """Under its own name; what it takes under that of Heimdal's program stands in a part of its own."""
    own, _, _ = page.partition("\n.Sh THE NAME IPROPD")
    listed = "\n".join(re.findall(r"^\.It Fl.*$", own, flags=re.M))
    return fits(Path(program).name, helped(program), flags(own), flags(listed))


def renamed(program, name, page):
    with tempfile.TemporaryDirectory() as place:
        os.symlink(program, Path(place, name))
        listed = "\n".join(re.findall(r"^\.Op Fl.*$", page[page.index(f".Nm {name}"):], flags=re.M))
        return fits(name, helped(str(Path(place, name))), flags(page), flags(listed))


def main():
    krbrepl, master, replica, man = sys.argv[1:]
    pages = {name: Path(man, name).read_text(encoding="utf-8")
             for name in ("krbrepl.1", "krbrepl-master.8", "krbrepl-replica.8")}
    bad = tool(krbrepl, pages["krbrepl.1"])
    bad += daemon(master, pages["krbrepl-master.8"])
    bad += daemon(replica, pages["krbrepl-replica.8"])
    bad += renamed(master, "ipropd-master", pages["krbrepl-master.8"])
    # Its page leads to that of the master for what both take.
    bad += renamed(replica, "ipropd-slave", pages["krbrepl-replica.8"] + pages["krbrepl-master.8"].replace(".Op", ""))
    print("\n".join(bad + ["the options were compared"]))
    return 1 if bad else 0


sys.exit(main())
