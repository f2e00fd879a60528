"""The command lines that Heimdal's program takes are taken by ours under its name, and what that refuses is refused.

options.py THEIRS OURS LIBRARIES    two programs of one name, and where the libraries of the first are

The options are those that the first one's --help names. Each stands before --version in every form that an option can
have: a program that understands the command line prints its version and ends, without having done anything. Left out is
what ours does differently: it takes `--realm R` for `--realm=R`, and no empty value."""

import os
import re
import subprocess
import sys

VALUES = {"string": "x", "kspec": "FILE:/x", "file": "/x", "time": "2 min 30 s", "port": "4711", "integer": "3",
          "hostname": "host.test"}


def run(program, words, libraries=None):
    env = {**os.environ, **({"LD_LIBRARY_PATH": libraries} if libraries else {})}
    return subprocess.run([program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, timeout=60, env=env)


def listed(text):
    """{name without dashes: kind of its value or None}"""
    usage = " ".join(text.partition("Usage:")[2].split("\n-")[0].split())
    found = re.findall(r"\[(--[\w-]+|-\w)(?:[= ](\w+))?\]", usage)
    return {name.lstrip("-"): kind or None for name, kind in found}


def shortest(name, names):
    others = [n for n in names if len(n) > 1 and n != name]
    return next(name[:n] for n in range(1, len(name) + 1) if not any(o.startswith(name[:n]) for o in others))


def forms(name, kind, names):
    if len(name) == 1:
        return [["-" + name, VALUES[kind]], ["-" + name + VALUES[kind]], ["-" + name]]
    written = [name, shortest(name, names), name + "x"]
    if kind is not None:
        return [[f"--{form}={VALUES[kind]}"] for form in written] + [["--" + name], ["--no-" + name]]
    return [["--" + no + form + more] for form in written for no in ("", "no-")
            for more in ("", "=yes", "=no", "=true", "=maybe") if not (no and more)] + [["--" + name, "--" + name]]


def lines(options):
    for name, kind in options.items():
        if name not in ("version", "help"):
            yield from ([*words, "--version"] for words in forms(name, kind, options))
    # A beginning that two options have, and one that version and help have for themselves.
    for words in ("--version", "--vers", "--ver", "--he", "--help", "--h", "--d", "--nonsense", "--nonsense=x", "-Z"):
        yield [words]


def main():
    theirs, ours, libraries = sys.argv[1:]
    options = listed(run(theirs, ["--help"], libraries).stdout)
    if len(options) < 14:
        sys.exit(f"only {len(options)} options were understood")
    bad = [f"--{name}: not in our --help" for name in options
           if not re.search(rf"^ .*-{name}\b", run(ours, ["--help"]).stdout, flags=re.M)]
    tried = 0
    for words in lines(options):
        a, b = run(theirs, words, libraries), run(ours, words)
        tried += 1
        if (a.returncode == 0) != (b.returncode == 0):
            bad.append(f"{words}: Heimdal's ends with {a.returncode}, ours with {b.returncode}: {b.stdout.strip()[:200]}")
    print("\n".join(bad + [f"{tried} command lines of {os.path.basename(ours)}"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
