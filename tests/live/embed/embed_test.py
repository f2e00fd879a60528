"""The embedding examples, run as their reader would. Inside of the environment of realm.sh:

embed_test.py BIN EXAMPLES PROMISE"""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

BIN, EXAMPLES = (os.path.abspath(p) for p in sys.argv[1:3])
REALM_SH, REALM, DIR = os.environ["REALM_SH"], os.environ["REALM"], os.environ["REALM_DIR"]
SERVICE = f"krbrepl/localhost@{REALM}"
PATIENCE = 60


def check(what, text="a check failed"):
    if not what:
        raise AssertionError(text)


def equal(a, b):
    check(a == b, f"{a!r} is not {b!r}")


def until(what, text):
    end = time.monotonic() + PATIENCE
    while not what():
        check(time.monotonic() < end, f"this did not come true: {text}")
        time.sleep(0.02)


def path(name):
    return os.path.join(DIR, name)


def krbrepl(*args, code=0):
    done = subprocess.run([os.path.join(BIN, "krbrepl"), *args], capture_output=True, text=True, timeout=PATIENCE)
    check(done.returncode == code, f"krbrepl {args}: {done.stdout}{done.stderr}")
    return done.stdout


def principal(name):
    keytab = path(f"{name}.keytab")
    subprocess.run(["bash", REALM_SH, "--princ", f"krbrepl/{name}", keytab], check=True, capture_output=True)
    return keytab


class Example:
    """One of the programs, with a socket as its standard input and its words in a file."""
    running = []

    def __init__(self, program, sock, *args):
        self.log_name = path(f"{program}.{len(Example.running)}.log")
        with open(self.log_name, "wb") as log:
            self.p = subprocess.Popen([os.path.join(EXAMPLES, program), *args], stdin=sock, stdout=log, stderr=log)
        Example.running.append(self)

    @property
    def log(self):
        with open(self.log_name, encoding="utf-8") as f:
            return f.read()

    def stop(self):
        """SIGTERM is an order to be carried out well: nothing leaks, nothing is left behind."""
        self.p.send_signal(signal.SIGTERM)
        equal((self.p.wait(timeout=PATIENCE), self.log), (0, self.log))


class AdminServer(Example):
    """On a new store, and a port that is free."""

    def __init__(self, *replicas):
        keytab = principal("localhost")
        krbrepl("init", "-q", "--master", path("master"))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.commands = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.commands.bind(path("admin.sock"))
        self.client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.client.bind(path("client.sock"))
        self.client.settimeout(PATIENCE)
        super().__init__("admin-server", self.commands, path("master"), f"127.0.0.1:{self.port}", SERVICE, keytab,
                         *(f"krbrepl/{r}@{REALM}" for r in replicas))

    def does(self, command):
        self.client.sendto(command.encode(), path("admin.sock"))
        return self.client.recv(4096).decode()

    def seq(self, command):
        answer = self.does(command)
        check(answer.startswith("ok "), answer)
        return int(answer[3:])


def follow(program, name, master, sock):
    """A replica of its own name; the store is new."""
    krbrepl("init", "-q", path(name))
    return Example(program, sock, path(name), f"127.0.0.1:{master.port}", SERVICE, f"krbrepl/{name}@{REALM}",
                   principal(name))


def listener():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(8)
    return s


def look_up(sock, name):
    with socket.create_connection(sock.getsockname(), timeout=PATIENCE) as s:
        s.sendall(name.encode())
        s.shutdown(socket.SHUT_WR)
        return s.makefile("rb").read().decode()


def look_up_udp(sock, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.sendto(name.encode(), sock.getsockname())
        return s.recv(4096).decode()


def status(store, code=0):
    done = subprocess.run([os.path.join(EXAMPLES, "status-json"), path(store)], capture_output=True, text=True,
                          timeout=PATIENCE)
    equal((done.returncode, done.stderr), (code, ""))
    return json.loads(done.stdout)


# ---- the promises --------------------------------------------------------------------------------

def an_admin_server_commits_and_serves_replicas_in_one_poll_loop():
    server = AdminServer("one", "two")
    seq = server.seq("alice@KRBREPL.TEST keys of alice")
    one, two = (follow("lookup-server", name, server, listener()) for name in ("one", "two"))
    for name in ("one", "two"):
        krbrepl("wait", "--seq", str(seq), "--timeout", f"{PATIENCE} s", path(name))
    equal(server.seq("bob@KRBREPL.TEST keys of bob"), seq + 1)
    equal(server.seq("alice@KRBREPL.TEST"), seq + 2)
    krbrepl("wait", "--replicas", "2", "--seq", str(seq + 2), "--timeout", f"{PATIENCE} s", path("master"))
    krbrepl("verify", "-q", path("master"), path("one"), path("two"))
    equal(server.does("alice@KRBREPL.TEST"), "NOTFOUND")
    equal(server.does(" "), "INVALID")
    for example in (one, two, server):
        example.stop()


def answers_from_its_copy(program, sock, ask):
    server = AdminServer("copy")
    seq = server.seq("alice first")
    copy = follow(program, "copy", server, sock)
    until(lambda: ask(sock, "alice") == "first", "the copy has the first commit")
    equal(ask(sock, "nobody"), "")
    # It answers on while the master is away, and goes on where it was when the master is back.
    server.stop()
    equal(ask(sock, "alice"), "first")
    copy.stop()
    equal(json.loads(krbrepl("status", "--json", path("copy")))["position"]["seq"], seq)


def a_server_that_blocks_answers_from_its_copy():
    answers_from_its_copy("lookup-server", listener(), look_up)


def a_host_on_libverto_answers_from_its_copy():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    answers_from_its_copy("verto-host", sock, look_up_udp)


def the_status_is_valid_json_with_every_peer():
    server = AdminServer("one", "two")
    server.seq("alice first")
    examples = [follow("lookup-server", name, server, listener()) for name in ("one", "two")]
    until(lambda: len([p for p in status("master")["peers"] if p["state"] == "streaming"]) == 2, "two stream")
    seq = server.seq("alice second")
    until(lambda: all(p["durable"] >= seq for p in status("master")["peers"]), "both have it")
    now = status("master")
    equal(sorted(p["principal"] for p in now["peers"]), [f"krbrepl/{n}@{REALM}" for n in ("one", "two")])
    equal((now["role"], now["state"], now["seq"], now["pid"]), ("master", "serving", seq, server.p.pid))
    until(lambda: status("one")["seq"] == seq, "the replica says so too")
    equal((status("one")["state"], status("one")["lag_commits"]), ("streaming", 0))
    for example in [*examples, server]:
        example.stop()
    gone = status("master", code=1)
    equal((gone["error"], gone["peers"]), ("NOTFOUND", []))


class HostStore(Example):
    """A replica whose records are in SQLite; what is there is read behind its back."""

    def __init__(self, master):
        keytab = principal("sql")
        super().__init__("host-store", subprocess.DEVNULL, path("records.db"), path("sql"),
                         f"127.0.0.1:{master.port}", SERVICE, f"krbrepl/sql@{REALM}", keytab)

    @staticmethod
    def records():
        if not os.path.exists(path("records.db")):
            return {}
        with contextlib.closing(sqlite3.connect(path("records.db"), timeout=PATIENCE)) as db:
            try:
                return {bytes(k).decode(): bytes(v).decode() for k, v in db.execute("SELECT key, value FROM record")}
            except sqlite3.OperationalError:  # not made yet
                return {}


def a_replica_keeps_its_records_in_a_database_of_its_own():
    server = AdminServer("sql")
    want = {}
    for i in range(50):
        want[f"user{i}"] = f"keys of {i}"
        server.seq(f"user{i} keys of {i}")
    copy = HostStore(server)
    until(lambda: copy.records() == want, "the stream is in SQLite")
    server.seq("user7")
    server.seq("user8 other keys")
    del want["user7"]
    want["user8"] = "other keys"
    until(lambda: copy.records() == want, "a change and a deletion are in SQLite")
    # Killed in the middle of a burst, it goes on where it was.
    for i in range(50, 150):
        want[f"user{i}"] = f"keys of {i}"
        server.seq(f"user{i} keys of {i}")
        if i == 100:
            copy.p.kill()
            copy.p.wait()
    copy = HostStore(server)
    until(lambda: copy.records() == want, "what came meanwhile is in SQLite")
    copy.stop()
    server.stop()


def a_database_of_its_own_is_replaced_by_a_full_copy_whole():
    server = AdminServer("sql")
    krbrepl("retention", "--keep-entries", "5", path("master"))
    want = {}
    for i in range(100):
        want[f"user{i}"] = f"keys of {i}"
        server.seq(f"user{i} keys of {i}")
    copy = HostStore(server)
    until(lambda: copy.records() == want, "the full copy is in SQLite")
    copy.stop()
    krbrepl("slot", "drop", path("master"), f"krbrepl/sql@{REALM}")
    for i in range(0, 100, 2):
        del want[f"user{i}"]
        server.seq(f"user{i}")
    copy = HostStore(server)
    until(lambda: copy.records() == want, "the next one too")
    until(lambda: "is live at" in copy.log, "it was a full copy")
    copy.stop()
    server.stop()


def a_proof_reads_the_values_of_a_database_of_its_own():
    """The digests beside the database are right all the while."""
    server = AdminServer("sql")
    want = {}
    for i in range(200):
        want[f"user{i}"] = f"keys of {i}"
        server.seq(f"user{i} keys of {i}")
    copy = HostStore(server)
    until(lambda: copy.records() == want, "the stream is in SQLite")
    check("proved equal to 1 peer" in krbrepl("verify", "--live", path("sql")))
    with contextlib.closing(sqlite3.connect(path("records.db"), timeout=PATIENCE)) as db, db:
        db.execute("UPDATE record SET value = ? WHERE key = ?", (b"keys of another", b"user7"))
        db.execute("DELETE FROM record WHERE key = ?", (b"user99",))
    check("has been repaired" in krbrepl("verify", "--live", path("sql"), code=3))
    equal(copy.records(), want)
    check("record principal user7 was altered" in copy.log)
    check("proved equal to 1 peer" in krbrepl("verify", "--live", path("sql")))
    copy.stop()
    server.stop()


def what_cannot_start_says_why_and_what_to_do():
    keytab = principal("localhost")
    replica = [SERVICE, f"krbrepl/x@{REALM}", keytab]
    krbrepl("init", "-q", path("empty"))
    krbrepl("init", "-q", "--master", path("master"))
    with listener() as sock:
        port = f"127.0.0.1:{sock.getsockname()[1]}"
        for program, args, words in (
                ("admin-server", [path("none"), port, SERVICE, keytab, "x"], "NOTFOUND: .*krbrepl init"),
                ("admin-server", [path("empty"), port, SERVICE, keytab, "x"], "STATE: .*krbrepl promote"),
                ("admin-server", [path("master"), port, SERVICE, keytab, "x"], "NET: "),
                ("admin-server", [path("master"), "127.0.0.1:0", SERVICE, path("none"), "x"], "AUTH: .*keytab"),
                ("lookup-server", [path("none"), port, *replica], "NOTFOUND: .*krbrepl init"),
                ("lookup-server", [path("master"), port, *replica], "STATE: .*krbrepl demote"),
                ("verto-host", [path("master"), port, *replica], "STATE: .*krbrepl demote")):
            if not os.path.exists(os.path.join(EXAMPLES, program)):
                continue
            done = subprocess.run([os.path.join(EXAMPLES, program), *args], stdin=sock, capture_output=True, text=True,
                                  timeout=PATIENCE)
            equal((program, done.returncode, done.stdout), (program, 1, ""))
            first, _, then = words.partition(".*")
            check(first in done.stderr and then in done.stderr, done.stderr)


def the_loss_of_the_mastership_ends_the_admin_server_with_its_reason():
    server = AdminServer("nobody")
    server.seq("alice first")
    krbrepl("demote", path("master"))
    equal(server.p.wait(timeout=PATIENCE), 1)
    check("NOT_MASTER" in server.log and "demoted" in server.log, server.log)


def main():
    # Sanitizers tell of leaks by their own exit code, which no example has.
    os.environ.setdefault("ASAN_OPTIONS", "exitcode=99")
    tempfile.tempdir = DIR
    try:
        globals()[sys.argv[3]]()
    except BaseException:
        for example in Example.running:
            sys.stderr.write(f"---- {example.log_name}\n{example.log}")
        raise
    finally:
        for example in Example.running:
            if example.p.poll() is None:
                example.p.kill()
                example.p.wait()


if __name__ == "__main__":
    main()
