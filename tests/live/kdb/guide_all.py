"""What the programs of MIT krb5 say that they can do, beside what was done: every request of kadmin by every name, every
command of kdb5_util, every option and every attribute with either sign has to be among the command lines of USED.

guide_all.py requests USED      the requests that kadmin.local lists, with what their usage says
guide_all.py arguments USED     the options of kadmin.local and kadmin themselves
guide_all.py kdb5_util USED     commands and options of kdb5_util

A line of USED is a program and its arguments, quoted for a shell. The programs are asked in the present environment."""

import re
import shlex
import subprocess
import sys


def ask(*command):
    """What a program prints when it is called wrongly."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, timeout=60)
    return done.stdout


def options(usage):
    """The words that begin with a dash; -k[eytab] is two of them."""
    usage = re.sub(r"(-\w)\[(\w+)\]", r"\1 \1\2", usage)
    return sorted(set(re.findall(r"(?<![\w-])-[A-Za-z]\w*", usage)))


# ---- requests of kadmin ------------------------------------------------------------------------------


def requests():
    """[(names, usage)]"""
    found = []
    for line in ask("kadmin.local", "-q", "list_requests").splitlines():
        line = line.partition("  ")[0]
        if re.fullmatch(r"[a-z?_]+(, [a-z?_]+)*", line.strip()) and not line.startswith(" "):
            names = line.strip().split(", ")
            found.append((names, ask("kadmin.local", "-q", names[0] + (" x y" if names[0].startswith("list_p") else ""))
                          if names[0] not in ("lock", "unlock", "quit", "list_requests", "get_privs") else ""))
    if len(found) < 20:
        sys.exit(f"only {len(found)} requests were understood")
    return found


def attributes(usage):
    listed = re.search(r"attributes are:\n((?:\t\t.*\n)+)", usage)
    return listed.group(1).split() if listed else []


def words_of_requests(used):
    """[(request, arguments)]: of a command line, of -q and of what was typed into a session."""
    for program, *words in used:
        if program in ("typed", "kadmin.local", "kadmin"):
            while words and words[0].startswith("-") and program != "typed":
                if words[0] == "-q":
                    yield shlex.split(words[1])[0], shlex.split(words[1])[1:]
                words = words[1 if words[0] in ("-m", "-k", "-n", "-O", "-N") else 2:]
            if words:
                yield words[0], words[1:]


def missing_requests(used):
    done = list(words_of_requests(used))
    names_done = {name for name, _ in done}
    for names, usage in requests():
        for name in names:
            if name not in names_done:
                yield f"{name}: was not done"
        words = {word for name, arguments in done if name in names for word in arguments}
        for option in options(usage.partition("attributes are:")[0]):
            if option not in words:
                yield f"{names[0]} {option}: was not done"
        for attribute in attributes(usage):
            for sign in "+-":
                if sign + attribute not in words:
                    yield f"{names[0]} {sign}{attribute}: was not done"


def missing_arguments(used):
    for program in ("kadmin.local", "kadmin"):
        usage = ask(program, "-?").partition("where,")[0]
        kind = "local args:" if program == "kadmin.local" else "clnt args:"
        of_both = usage.partition("clnt args:")[0].replace("[clnt|local args]", "")
        mine = next(line for line in usage.splitlines() if kind in line)
        words = {word for name, *arguments in used if name == program for word in arguments}
        for option in options(of_both + mine):
            if option not in words:
                yield f"{program} {option}: was not done"


# ---- kdb5_util ----------------------------------------------------------------------------------------


def missing_commands(used):
    usage = ask("kdb5_util").partition("where,")[0]
    head, *parts = re.split(r"^\t(?=[a-z]\w+)", usage, flags=re.M)
    if len(parts) < 10:
        sys.exit(f"only {len(parts)} commands of kdb5_util were understood")
    names = [part.split()[0] for part in parts]
    lines = [arguments for program, *arguments in used if program == "kdb5_util"]
    for option in options(head):
        if not any(option in line for line in lines):
            yield f"kdb5_util {option}: was not done"
    for name, part in zip(names, parts):
        words = [line[line.index(name):] for line in lines if name in line]
        if not words:
            yield f"{name}: was not done"
        for option in options(part):
            if not any(option in line for line in words):
                yield f"{name} {option}: was not done"


def main():
    what, path = sys.argv[1:]
    with open(path, encoding="utf-8") as f:
        used = [shlex.split(line) for line in f]
    missing = {"requests": missing_requests, "arguments": missing_arguments, "kdb5_util": missing_commands}[what]
    bad = sorted(set(missing(used)))
    print("\n".join(bad) if bad else f"{len(used)} command lines, and nothing was left out")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
