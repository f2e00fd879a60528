"""krbrepl-master and krbrepl-replica as their operators meet them, in a realm with a real KDC."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys

import runner
from runner import check, equal, krbrepl, run, until

REALM_SH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "common", "realm.sh")
REALM = "KRBREPL.TEST"


def path(name):
    return os.path.join(runner.DIR, name)


def in_realm(promise):
    """Runs the promise again inside of the environment of a new realm, in whose directory it works."""
    def outer():
        if os.environ.get("REALM_DIR"):
            return promise()
        argv = [REALM_SH, runner.DIR + "/realm", "--", sys.executable, "-B", os.path.abspath(__file__), runner.BIN,
                promise.__name__]
        os.mkdir(runner.DIR + "/realm")
        done = subprocess.run(["bash", *argv], capture_output=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout.decode() + done.stderr.decode())
        return None
    outer.__name__ = promise.__name__
    return outer


def principal(name, keytab):
    done = subprocess.run(["bash", REALM_SH, "--princ", name, path(keytab)], capture_output=True)
    if done.returncode != 0:
        raise AssertionError((done.stdout + done.stderr).decode())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pid_in_file():
    """None before all of it is written."""
    try:
        with open(path("pid"), encoding="ascii") as f:
            text = f.read()
    except FileNotFoundError:
        return None
    return int(text) if text.endswith("\n") else None


def name_of_loopback():
    """A name, so that one is looked up, on every system that knows it; one without /etc/hosts does not."""
    try:
        socket.getaddrinfo("localhost", None, socket.AF_INET)
    except OSError:
        return "127.0.0.1"
    return "localhost"


class Daemon:
    """A program that runs, with its log in a file."""
    all = []

    def __init__(self, program, *args, env=None):
        self.log_name = path(f"{program}.{len(Daemon.all)}.log")
        with open(self.log_name, "wb") as log:
            self.p = subprocess.Popen([os.path.join(runner.BIN, program), *args], cwd=runner.DIR, stderr=log,
                                      stdout=log, env={**os.environ, **(env or {})})
        Daemon.all.append(self)

    @property
    def log(self):
        with open(self.log_name, encoding="utf-8") as f:
            return f.read()

    def says(self, text, times=1):
        def said():
            check(self.p.poll() is None or self.log.count(text) >= times, f"it ended: {self.log}")
            return self.log.count(text) >= times
        try:
            until(said, text)
        except AssertionError as e:
            raise AssertionError(f"{e}; the log:\n{self.log}") from None

    @contextlib.contextmanager
    def still(self):
        """Stopped, and not only told to."""
        self.p.send_signal(signal.SIGSTOP)
        check(os.WIFSTOPPED(os.waitpid(self.p.pid, os.WUNTRACED)[1]), "it ended")
        try:
            yield
        finally:
            self.p.send_signal(signal.SIGCONT)

    def stop(self, sig=signal.SIGTERM):
        self.p.send_signal(sig)
        equal(self.p.wait(timeout=60), 0)


class Pair:
    """A master and a replica in this realm; the acl is written by the test."""

    def __init__(self, acl=None):
        self.port = free_port()
        principal("krbrepl/localhost", "m.kt")
        principal("krbrepl/replica", "r.kt")
        krbrepl("init", "-q", "--master", "m")
        krbrepl("init", "-q", "r")
        self.acl = acl
        if acl is not None:
            self.write_acl(acl)
        acl_options = ["--acl", "acl"] if acl is not None else []
        self.master = Daemon("krbrepl-master", "--store", "m", "--listen", f"127.0.0.1:{self.port}", "--keytab",
                             "m.kt", "--service", f"krbrepl/localhost@{REALM}", *acl_options)
        self.master.says("listening on")
        self.replica = self.follow()

    def follow(self):
        return self.follow_with()

    def follow_with(self, *options):
        replica = Daemon("krbrepl-replica", "--store", "r", "--keytab", "r.kt", "--principal",
                         f"krbrepl/replica@{REALM}", "--service", f"krbrepl/localhost@{REALM}", *options,
                         f"{name_of_loopback()}:{self.port}")
        replica.says("follows the master")
        return replica

    def write_acl(self, text):
        with open(path("acl"), "w", encoding="utf-8") as f:
            f.write(text)

    def connected(self):
        r = krbrepl("status", "--replicas", "1", "m", code=None)
        check(r.code in (0, 3), f"exit code {r.code}: {r.err}")
        return r.code == 0

    def stop(self):
        self.replica.stop()
        self.master.stop()


def wrong_command_lines_of_daemons_exit_with_2():
    for program in ("krbrepl-master", "krbrepl-replica"):
        for args in (["--nonsense"], ["--store"], ["--time-gone", "soon"], ["--time-gone", "0", "--store", "x", "h"],
                     ["--log-level", "loud", "--store", "x"], [], ["--store", "x", "a", "b"]):
            r = run(program, *args, code=2)
            check(len(r.err) > 20, f"{args}: {r.err}")
        check("[krbrepl]" in run(program, "h" if program.endswith("replica") else "-rX", code=2).err)
        check("--time-lost" in run(program, "--help").text)
        check(program in run(program, "--version").text)
    check("MASTER" in run("krbrepl-replica", "--store", "x", code=2).err)


@in_realm
def a_daemon_that_cannot_start_says_what_to_do():
    r = run("krbrepl-master", "--store", "nowhere", code=1)
    check("krbrepl init --master nowhere" in r.err, r.err)
    krbrepl("init", "-q", "u")
    r = run("krbrepl-master", "--store", "u", code=1)
    check("krbrepl promote u" in r.err, r.err)
    krbrepl("init", "-q", "--master", "m")
    r = run("krbrepl-replica", "--store", "m", "localhost", code=1)
    check("krbrepl demote m" in r.err, r.err)
    with open(path("acl"), "w", encoding="utf-8") as f:
        f.write("good@X\nbad line\n")
    r = run("krbrepl-master", "--store", "m", "--acl", "acl", code=1)
    check("acl, line 2" in r.err, r.err)
    r = run("krbrepl-master", "--store", "m", "--config-file", "nothing", code=1)
    check("--config-file" in r.err, r.err)
    r = run("krbrepl-master", "--store", "nowhere", "--detach", code=1)
    check("krbrepl init" in r.err, r.err)


@in_realm
def a_commit_travels_and_is_waited_for():
    pair = Pair(acl=f"krbrepl/replica@{REALM}\n")
    krbrepl("put", "m", "t", "k", "v")
    for level in ("received", "durable", "applied"):
        equal(krbrepl("wait", "--json", "--level", level, "--timeout", "50 s", "m").json,
              {"reached": True, "have": 1})
    equal(krbrepl("get", "r", "t", "k").text, "v\n")
    krbrepl("verify", "m", "r")
    status = krbrepl("status", "--json", "--max-lag", "0", "--replicas", "1", "m").json
    equal((status["role"], status["state"], status["running"]), ("master", "serving", True))
    equal(status["peers"][0]["principal"], f"krbrepl/replica@{REALM}")
    equal(status["peers"][0]["applied"], 2)
    check(f"krbrepl/replica@{REALM} at 127.0.0.1" in krbrepl("status", "m").text)
    status = krbrepl("status", "--json", "--max-lag", "1 min", "r").json
    equal((status["role"], status["state"], status["upstream_seq"]), ("replica", "streaming", 2))
    krbrepl("status", "--replicas", "2", "m", code=3)
    krbrepl("wait", "--replicas", "2", "--timeout", "0", "m", code=3)
    krbrepl("wait", "--seq", "3", "--timeout", "10 ms", "m", code=3)
    pair.replica.stop(signal.SIGINT)
    until(lambda: not pair.connected(), "the master notices")
    check("not connected, last seen" in krbrepl("status", "m").text)
    pair.master.stop()
    check("stopping on signal" in pair.master.log)


def alter(daemon, store, value):
    """Changes a value in the file, wherever a row has it. Behind the digest and the flags of a row; a journal entry has
    the length of the value there, which does not end in a zero byte. The daemon, whose store it is, holds still: it
    might put another page where an old one had the value."""
    check(len(value) % 256 != 0)
    with daemon.still(), open(path(f"{store}/data.mdb"), "r+b", buffering=0) as f:
        data, at, n = f.read(), -1, 0
        while (at := data.find(value, at + 1)) > 0:
            if data[at - 1] == 0:
                f.seek(at)
                f.write(b"altered")
                n += 1
    check(n > 0, "no row has this value")


@in_realm
def a_running_pair_is_verified_and_what_differs_is_named():
    pair = Pair(acl=f"krbrepl/replica@{REALM}\n")
    for i in range(20):
        krbrepl("put", "m", "t", f"k{i}", f"value of {i} " * 20)
    krbrepl("wait", "--timeout", "50 s", "m")
    for store in ("m", "r"):
        r = krbrepl("verify", "--live", store).text
        check("20 records" in r and "equal to 1 peer" in r, r)
    alter(pair.replica, "r", b"value of 7 " * 20)
    r = krbrepl("verify", "--live", "--json", "r", code=3).json
    equal((r["differed"], r["compared"], r["repaired"]), (True, 1, [{"change": "put", "record": "t k7"}]))
    equal(krbrepl("get", "r", "t", "k7").text, "value of 7 " * 20 + "\n")
    check("proved equal to 1 peer" in krbrepl("verify", "--live", "r").text)
    check("t k7" in pair.replica.log)
    equal(krbrepl("status", "--json", "r").json["position"], krbrepl("status", "--json", "m").json["position"])
    krbrepl("verify", "m", "r")
    # A master's own damage is nobody's to repair.
    alter(pair.master, "m", b"value of 3 " * 20)
    r = krbrepl("verify", "--live", "m", code=1)
    check("altered without a commit" in r.err, r.err)
    pair.stop()
    check("no node runs" in krbrepl("verify", "--live", "r", code=1).err)
    krbrepl("verify", "--live", "m", "r", code=2)


@in_realm
def nobody_may_follow_without_an_acl():
    pair = Pair(acl=None)
    pair.master.says("nobody may follow this master")
    pair.master.says(f"`krbrepl/replica@{REALM}`")
    check("--acl FILE" in pair.master.log)
    check(not pair.connected())
    equal(krbrepl("status", "--json", "r").json["position"]["seq"], 0)
    pair.stop()


@in_realm
def an_acl_is_read_again_on_a_signal():
    pair = Pair(acl="# nobody yet\n")
    pair.master.says("add the line")
    check(f"`krbrepl/replica@{REALM}` to acl" in pair.master.log, pair.master.log)
    # The realm may be left out: it is the default one.
    pair.write_acl("krbrepl/replica\n")
    pair.master.p.send_signal(signal.SIGHUP)
    pair.master.says("1 principals may follow")
    pair.replica.stop()
    pair.replica = pair.follow()
    until(pair.connected, "the replica is let in")
    pair.write_acl("krbrepl/somebody-else\n")
    pair.master.p.send_signal(signal.SIGHUP)
    until(lambda: not pair.connected(), "the live session is ended")
    krbrepl("put", "m", "t", "k", "v")
    krbrepl("wait", "--timeout", "1 s", "m", code=3)
    krbrepl("get", "r", "t", "k", code=1)
    pair.stop()


@in_realm
def a_broken_acl_leaves_the_old_one_in_force():
    pair = Pair(acl=f"krbrepl/replica@{REALM}\n")
    until(pair.connected, "the replica is there")
    pair.write_acl("krbrepl/nobody\ntwo words\n")
    pair.master.p.send_signal(signal.SIGHUP)
    pair.master.says("acl, line 2")
    pair.master.says("stays in force")
    os.unlink(path("acl"))
    pair.master.p.send_signal(signal.SIGHUP)
    pair.master.says("stays in force", times=2)
    krbrepl("put", "m", "t", "k", "v")
    krbrepl("wait", "--timeout", "50 s", "m")
    pair.stop()


@in_realm
def defaults_come_from_krb5_conf():
    principal("krbrepl/localhost", "m.kt")
    krbrepl("init", "-q", "--master", "m")
    port, other = free_port(), free_port()
    with open(path("more.conf"), "w", encoding="utf-8") as f:
        f.write(f"""[krbrepl]
    store = wrong
    listen = 127.0.0.1:{port}
    listen = 127.0.0.1:{other}
    keytab = m.kt
    {REALM} = {{
        store = m
        service = krbrepl/localhost@{REALM}
    }}
    time_gone = 2 min
""")
    master = Daemon("krbrepl-master", "-c", "more.conf", "--pid-file", "pid")
    master.says(f"listening on 127.0.0.1:{port}")
    master.says(f"listening on 127.0.0.1:{other}")
    equal(until(pid_in_file, "the pid file"), master.p.pid)
    equal(krbrepl("status", "--json", "m").json["pid"], master.p.pid)
    master.stop()
    check(not os.path.exists(path("pid")))
    with open(path("more.conf"), "a", encoding="utf-8") as f:
        f.write("    time_lost = soon\n")
    r = run("krbrepl-master", "-c", "more.conf", code=1)
    check("time_lost = soon" in r.err, r.err)


@in_realm
def a_detached_daemon_is_ready_when_its_first_process_ends():
    principal("krbrepl/localhost", "m.kt")
    krbrepl("init", "-q", "--master", "m")
    options = ["--store", "m", "--listen", f"127.0.0.1:{free_port()}", "--keytab", "m.kt", "--service",
               f"krbrepl/localhost@{REALM}", "--pid-file", "pid", "--detach"]
    run("krbrepl-master", *options)
    status = krbrepl("status", "--json", "m").json
    pid = pid_in_file()
    try:
        equal((status["running"], status["pid"]), (True, pid))
        r = run("krbrepl-master", *options, code=1)
        check("LOCKED" in r.err, r.err)
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not os.path.exists(path("pid")), "the orderly end")


def dump_into(store):
    """The realm's own database, made by the distribution's kdb5_util."""
    subprocess.run(["kdb5_util", "-r", REALM, "dump", path("realm.dump")], check=True, capture_output=True,
                   env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    krbrepl("load", "-q", store, "realm.dump")


@in_realm
def a_master_key_without_stash_is_warned_of():
    stash = os.path.join(os.environ["REALM_DIR"], "stash")
    pair = Pair(acl=f"krbrepl/replica@{REALM}\n")
    pair.replica.stop()
    pair.replica = pair.follow_with("--stash-file", "stash")
    dump_into("m")
    krbrepl("wait", "--timeout", "50 s", "m")
    pair.replica.says("holds no master key")
    check("kdb5_util stash" in pair.replica.log)
    shutil.copyfile(stash, path("stash"))
    pair.replica.says("as the database has")
    pair.stop()
    # With the stash file in its place there is nothing to warn of.
    again = pair.follow()
    again.says("follows the master")
    krbrepl("status", "r")
    again.stop()
    check("master key" not in again.log and "stash" not in again.log, again.log)


def open_files(pid):
    """What comes and goes meanwhile, as sockets do, may be left out."""
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return names


@in_realm
def a_replica_keeps_nothing_open_of_files_that_were_replaced():
    pair = Pair(acl=f"krbrepl/replica@{REALM}\n")
    pair.replica.stop()
    # While nobody writes into it, or the copy might be half of one content and half of another.
    shutil.copyfile(path("r/data.mdb"), path("r/new.mdb"))
    pair.replica = pair.follow_with("--stash-file", os.path.join(os.environ["REALM_DIR"], "stash"))
    os.rename(path("r/new.mdb"), path("r/data.mdb"))
    pair.replica.says("follows the master", times=2)
    equal([f for f in open_files(pair.replica.p.pid) if f.endswith("data.mdb (deleted)")], [])
    pair.stop()


if __name__ == "__main__":
    try:
        runner.main(sys.modules["__main__"])
    finally:
        for daemon in Daemon.all:
            if daemon.p.poll() is None:
                daemon.p.kill()
                daemon.p.wait()
