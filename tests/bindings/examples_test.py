"""The examples of bindings/README.md, taken out of the page, compiled, and run together in a realm: a master in C++, a
replica in Python."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def examples(page):
    """{file name: text}; the first line of an example begins with its name."""
    blocks = re.findall(r"^```(?:cpp|python)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return {re.match(r"(?://|#) (\w+\.\w+)", block).group(1): block for block in blocks}


def compile_cpp(source, flags):
    done = subprocess.run(["pkg-config", "--cflags", "--libs", "krbrepl"], check=True, stdout=subprocess.PIPE)
    subprocess.run([os.environ["CXX"], "-std=c++17", "-Wall", "-Wextra", "-Werror", *flags, str(source),
                    *done.stdout.decode().split(), "-o", str(source.with_suffix(""))], check=True)


def keytab(name):
    file = os.path.join(os.environ["REALM_DIR"], name + ".keytab")
    subprocess.run([os.environ["REALM_SH"], "--princ", "krbrepl/" + name, file], check=True)
    return f"krbrepl/{name}@{os.environ['REALM']}", file


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout.decode()


def check(what, text):
    if not what:
        raise AssertionError(text)


def until(what, text):
    end = time.monotonic() + 60
    while not what():
        check(time.monotonic() < end, "did not come true: " + text)
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def story(top):
    service, master_keys = keytab("ex-master")
    own, replica_keys = keytab("ex-replica")
    master, replica, at = str(top / "store"), str(top / "copy"), f"127.0.0.1:{free_port()}"
    said = output(str(top / "commit"), master)
    check(said == "alice: 10 bytes\nat commit 2\n", said)
    said = output(sys.executable, str(top / "hosted.py"), str(top / "hosted"))
    check(said == "[(b'alice', b'the record'), (b'bob', b'another record')] at commit 3\n", said)
    running = []
    try:
        running.append(subprocess.Popen([str(top / "master"), master, at, service, master_keys, own],
                                        stdout=open(top / "master.log", "wb")))
        until(lambda: "serving" in (top / "master.log").read_text(), "the master serves")
        running.append(subprocess.Popen([sys.executable, str(top / "replica.py"), replica, at, service, own,
                                         replica_keys], stdout=open(top / "replica.log", "wb")))
        said = output(sys.executable, str(top / "commit.py"), master)
        check("3 admin a new user [b'bob']" in said and "b'the record' 2" in said, said)
        until(lambda: "3 admin [b'bob']" in (top / "replica.log").read_text(), "the commit arrives")
        check("streaming" in output(sys.executable, "-m", "krbrepl", "status", replica), "the replica follows")
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            check(process.wait(60) == 0, f"{process.args} ended with {process.returncode}")
    finally:
        for process in running:
            process.kill()


def main():
    page, flags = Path(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="krex.") as name:
        top = Path(name)
        found = examples(page)
        check(set(found) == {"commit.cpp", "master.cpp", "commit.py", "replica.py", "hosted.py"}, f"the page has {set(found)}")
        for file, text in found.items():
            (top / file).write_text(text, encoding="utf-8")
            if file.endswith(".cpp"):
                compile_cpp(top / file, flags)
        story(top)
    print("all examples ran")


main()
