"""The guide for embedders is followed to the letter by somebody who has only the installed tree: each program of
docs/embedding.md is written to the file that its text names, each block of commands is executed, in the order of the
page, in an empty directory.

guide.py GUIDE BUILD_DIR WORK_DIR LIBDIR CC"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

PATIENCE = 150
PORTS = ("7788", "2121", "2122")  # of the page; a test must not count on them
END = """
finish() {
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    [ ! -e kdc.pid ] || kill "$(cat kdc.pid)" 2>/dev/null || true
}
trap finish EXIT
"""


def blocks(page):
    """[(language, name of the file or None, text)] in order."""
    found = []
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", page, flags=re.S | re.M):
        before = page[:match.start()].rpartition("```")[2]
        named = re.findall(r"`(\w+\.c)`", before)
        found.append((match.group(1), named[-1] if named else None, match.group(2)))
    return found


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


def install(build, prefix, libdir):
    subprocess.run(["cmake", "--install", build, "--prefix", str(prefix)], check=True, stdout=subprocess.DEVNULL)
    lib = str(prefix / libdir)
    return {**os.environ, "PKG_CONFIG_PATH": f"{lib}/pkgconfig", "LD_LIBRARY_PATH": lib,
            "PATH": f"{prefix}/bin:{prefix}/sbin:{os.environ['PATH']}"}


def follow(guide, place, env, compiler):
    page = Path(guide).read_text(encoding="utf-8")
    for old, new in zip(PORTS, free_ports(len(PORTS))):
        page = page.replace(old, new)
    script, programs, loose = ["set -euo pipefail", END], 0, 0
    for language, name, text in blocks(page):
        if language == "c":
            if name is None:
                loose += 1
                name = f"part{loose}.c"
                script.append(f"cc -c $(pkg-config --cflags krbrepl) {name}")
            programs += 1
            (place / name).write_text(text, encoding="utf-8")
        elif language == "sh":
            script.append(text)
    if programs < 7:
        sys.exit(f"only {programs} programs were found on the page")
    script.insert(1, f'cc() {{ command "{compiler}" -std=c99 -Wall -Wextra -Werror "$@"; }}')
    run = subprocess.Popen(["bash", "-c", "\n".join(script)], cwd=place, env=env, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        out, _ = run.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        out, _ = run.communicate()
        run.returncode = -1
    return run.returncode, out


def expect(place, out):
    """What the page promises its reader to see."""
    answers = (place / "answers").read_text(encoding="utf-8")
    for text, where in (("libkrbrepl ", out), ("commit 2", out), ("krbrepl/replica@EXAMPLE.ORG is streaming", out),
                        ("this master is at commit 3", out), ("krbrepl/master@EXAMPLE.ORG is streaming", out), ("bob: the keys of bob", answers),
                        ("carol: the keys of carol", answers)):
        if text not in where:
            sys.exit(f"not seen: {text}\n{out}\n{answers}")


def main():
    guide, build, work, libdir, compiler = sys.argv[1:]
    # Not below the build directory, which may be on a file system that cannot hold a map of LMDB.
    place = Path(tempfile.mkdtemp(prefix="krbrepl-guide."))
    prefix = Path(work, "prefix")
    shutil.rmtree(prefix, ignore_errors=True)
    try:
        code, out = follow(guide, place, install(build, prefix, libdir), compiler)
        if code != 0:
            sys.exit(f"the guide ends with exit code {code}:\n{out}")
        expect(place, out)
    finally:
        pid = place / "kdc.pid"
        if pid.exists():
            try:
                os.kill(int(pid.read_text(encoding="ascii")), signal.SIGTERM)
            except (ProcessLookupError, ValueError):
                pass
        shutil.rmtree(place)
        shutil.rmtree(prefix, ignore_errors=True)


if __name__ == "__main__":
    main()
