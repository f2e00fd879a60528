"""The native protocol between a node that is linked with MIT's Kerberos and one that is linked with Heimdal's.
Inside of the environment of realm.sh:

gss_test.py BIN-OF-MIT BIN-OF-HEIMDAL PROMISE"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

MIT, HEIMDAL = (os.path.abspath(p) for p in sys.argv[1:3])
REALM_SH, REALM, DIR = os.environ["REALM_SH"], os.environ["REALM"], os.environ["REALM_DIR"]
SERVICE = f"krbrepl/localhost@{REALM}"
PATIENCE = 60
ENCTYPES = {"aes256-cts-hmac-sha384-192": 20, "aes128-cts-hmac-sha256-128": 19, "aes256-cts-hmac-sha1-96": 18,
            "aes128-cts-hmac-sha1-96": 17}


def check(what, text="a check failed"):
    if not what:
        raise AssertionError(text)


def until(what, text):
    end = time.monotonic() + PATIENCE
    while not what():
        check(time.monotonic() < end, f"this did not come true: {text}")
        time.sleep(0.02)


def path(name):
    return os.path.join(DIR, name)


def krbrepl(*args):
    done = subprocess.run([os.path.join(MIT, "krbrepl"), *args], capture_output=True, text=True, timeout=2 * PATIENCE)
    check(done.returncode == 0, f"krbrepl {args}: {done.stdout}{done.stderr}")
    return done.stdout


def principal(name, keytab, *options):
    if os.path.exists(path(keytab)):
        os.remove(path(keytab))
    subprocess.run(["bash", REALM_SH, "--princ", name, path(keytab), *options], check=True, capture_output=True)


def libraries(program):
    return subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout


class Daemon:
    all = []

    def __init__(self, program, *args):
        self.log_name = path(f"{os.path.basename(program)}.{len(Daemon.all)}.log")
        with open(self.log_name, "wb") as log:
            self.p = subprocess.Popen([program, *args], stdout=log, stderr=log)
        Daemon.all.append(self)

    @property
    def log(self):
        with open(self.log_name, encoding="utf-8") as f:
            return f.read()

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        check(self.p.wait(timeout=PATIENCE) == 0, self.log)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_master(bin_dir, port):
    return Daemon(f"{bin_dir}/krbrepl-master", "--store", path("master"), "--listen", f"127.0.0.1:{port}",
                  "--acl", path("acl"), "--keytab", path("localhost.keytab"), "--service", SERVICE)


def start_replica(bin_dir, port):
    return Daemon(f"{bin_dir}/krbrepl-replica", "--store", path("replica"), "--master", f"localhost:{port}",
                  "--service", SERVICE, "--keytab", path("one.keytab"), "--principal", f"krbrepl/one@{REALM}")


def converse(of_master, of_replica, *options):
    """A full copy, then commits as they are made, then a proof that both are equal."""
    if options:  # A client of Heimdal's asks for no other session key than its keytab has.
        subprocess.run(["bash", REALM_SH, "--princ", f"krbtgt/{REALM}", "-", *options], check=True)
    principal("krbrepl/localhost", "localhost.keytab", *options)
    principal("krbrepl/one", "one.keytab", *options)
    with open(path("acl"), "w", encoding="utf-8") as f:
        f.write(f"krbrepl/one@{REALM}\n")
    krbrepl("init", "-q", "--master", path("master"))
    krbrepl("init", "-q", path("replica"))
    krbrepl("put", "-q", path("master"), "principal", "a@A", "before")
    port = free_port()
    master, replica = start_master(of_master, port), start_replica(of_replica, port)
    try:
        krbrepl("wait", "--replicas", "1", "--timeout", f"{PATIENCE} s", path("master"))
        for n in range(20):
            krbrepl("put", "-q", path("master"), "principal", f"{n}@A", "after")
        krbrepl("wait", "--replicas", "1", "--timeout", f"{PATIENCE} s", path("master"))
        krbrepl("verify", "-q", path("master"), path("replica"))
    except AssertionError as e:
        raise AssertionError(f"{e}\n{master.log}\n{replica.log}") from e
    replica.stop()
    master.stop()
    return master, replica


# ---- the promises --------------------------------------------------------------------------------

def each_program_holds_one_kerberos():
    for name in ("krbrepl-master", "krbrepl-replica"):
        with_mit, with_heimdal = libraries(f"{MIT}/{name}"), libraries(f"{HEIMDAL}/{name}")
        check("libgssapi_krb5.so" in with_mit and "libgssapi.so" not in with_mit, with_mit)
        check("libgssapi.so" in with_heimdal and "libgssapi_krb5.so" not in with_heimdal, with_heimdal)
        check("libkrb5.so.3" not in with_heimdal, with_heimdal)


def a_replica_on_heimdal_follows_a_master_on_mit():
    converse(MIT, HEIMDAL)


def a_replica_on_mit_follows_a_master_on_heimdal():
    converse(HEIMDAL, MIT)


def session_enctypes():
    """Of the tickets for the master that the KDC has given out, the newest last."""
    with open(path("kdc.log"), encoding="utf-8") as f:
        return [line.split(" ses=")[1].split("}")[0] for line in f
                if "TGS_REQ" in line and "ISSUE" in line and f"for {SERVICE}" in line]


def each_enctype_gives_both_libraries_the_same_key():
    principal("krbrepl/localhost", "localhost.keytab")
    for name, number in ENCTYPES.items():
        # Without this a KDC takes it for granted that every service can do AES-256.
        subprocess.run(["kadmin.local", "-r", REALM, "setstr", "krbrepl/localhost", "session_enctypes", name],
                       check=True, capture_output=True)
        for of_master, of_replica in ((MIT, HEIMDAL), (HEIMDAL, MIT)):
            converse(of_master, of_replica, "-e", f"{name}:normal")
            check(session_enctypes()[-1] == f"{name}({number})", f"{name}: {session_enctypes()}")
            for store in ("master", "replica"):
                shutil.rmtree(path(store))


def main():
    try:
        globals()[sys.argv[3]]()
    finally:
        for daemon in Daemon.all:
            if daemon.p.poll() is None:
                daemon.p.kill()
                daemon.p.wait()


main()
