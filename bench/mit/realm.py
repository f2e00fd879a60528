"""A realm for measuring: databases of the same content, on db2 and on the KDB module, with the programs around them.

Everything runs in a network namespace where kdc.bench is 192.0.2.1 (bench/mit/run makes it): kpropd does not listen on
a host that has loopback addresses alone, and the counter of the interface counts this realm and nothing else."""

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

REALM = "BENCH.TEST"
HOST = "kdc.bench"
BUILD = Path(os.environ.get("BENCH_BUILD", "."))
PROGRAMS = BUILD / "examples"
TEMPLATES = 32

KRB5_CONF = """[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    default_keytab_name = FILE:{base}/keytab
    default_client_keytab_name = FILE:{base}/keytab
    {udp}
[realms]
    {realm} = {{
        kdc = {host}:{port}
        admin_server = {host}:{admin}
    }}
[domain_realm]
    {host} = {realm}
"""

KDC_CONF = """[realms]
    {realm} = {{
        {database}
        key_stash_file = {dir}/stash
        acl_file = {dir}/kadm5.acl
        master_key_type = aes256-cts
        supported_enctypes = aes256-cts:normal aes128-cts:normal
        max_life = 1d
        kdc_listen = {host}:{port}
        kdc_tcp_listen = {host}:{port}
        kadmind_listen = {host}:{admin}
        kpasswd_listen = {host}:{kpasswd}
        {realm_lines}
    }}
[dbmodules]
    {modules}
[logging]
    kdc = FILE:{dir}/kdc.log
    admin_server = FILE:{dir}/kadmin.log
    default = FILE:{dir}/krb5.log
"""

ports = iter(range(20000, 60000))


def until(what, condition, seconds=300, pause=0.002):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"bench/mit: this did not happen in {seconds} s: {what}")
        time.sleep(pause)


def wire_bytes():
    """All bytes on the interface, with every header and acknowledgment."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[0])
    return 0


class Realm:
    """The first host, whose KDC gives tickets to all daemons, and dumps of any size."""

    def __init__(self, base):
        self.base = base
        self.started = []
        self.auth = None
        self.auth_port = next(ports)
        self.auth = Host(self, "auth", "db2", port=self.auth_port)
        self.auth.create()
        self.auth.kadmin("\n".join(
            [f"addprinc -e aes256-cts:onlyrealm,aes128-cts:onlyrealm -pw secret +requires_preauth template{i:02}"
             for i in range(TEMPLATES)] +
            ["addpol -minlength 3 staff"] +
            [line for name in (f"krbrepl/{HOST}", "krbrepl/replica", f"host/{HOST}", f"kiprop/{HOST}")
             for line in (f"addprinc -randkey {name}", f"ktadd -q -k {base}/keytab -norandkey {name}")]) + "\n")
        self.auth.start_kdc()
        self.few = base / "few.dump"
        self.auth.run("kdb5_util", "dump", self.few)

    def dump(self, n):
        """A dump with n users, each with the keys of one of the templates; kept for the next that asks."""
        path = self.base / f"{n}.dump"
        if path.exists():
            return path
        lines = self.few.read_text().splitlines(keepends=True)
        templates = [line.split("\t") for line in lines if line.startswith("princ") and "\ttemplate" in line]
        rng = random.Random(n)
        with open(path, "w") as out:
            out.write(lines[0])
            for line in lines[1:]:
                if line.startswith("princ"):
                    out.write(line)
            for i in range(1, n + 1):
                fields = list(rng.choice(templates))
                fields[6] = f"user{i:05}@{REALM}"
                fields[2] = str(len(fields[6]))
                out.write("\t".join(fields))
            out.writelines(line for line in lines if line.startswith("policy"))
        Path(f"{path}.dump_ok").write_bytes(b"\0")
        return path

    def end(self):
        for p in reversed(self.started):
            if p.poll() is None:
                p.terminate()
        for p in self.started:
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()


class Host:
    """One database with its configuration; kind is db2 or krbrepl."""

    def __init__(self, realm, name, kind, port=None, realm_lines="", module_lines="", udp=True, admin=None):
        self.realm, self.name, self.kind = realm, name, kind
        self.dir = realm.base / name
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = port or next(ports)
        self.admin = admin or next(ports)
        self.store = self.dir / "store"
        values = {"realm": REALM, "base": realm.base, "dir": self.dir, "host": HOST, "port": self.port,
                  "admin": self.admin, "kpasswd": next(ports), "realm_lines": realm_lines,
                  "udp": "" if udp else "udp_preference_limit = 1"}
        if kind == "db2":
            database = "database_module = own"
            modules = f"own = {{\n db_library = db2\n database_name = {self.dir}/principal\n {module_lines}\n }}"
        else:
            database = "database_module = krbrepl"
            modules = (f"db_module_dir = {BUILD}/hosts/mit/kdb/plugin\n krbrepl = {{\n db_library = krbrepl\n"
                       f" database_name = {self.store}\n {module_lines}\n }}")
        (self.dir / "kdc.conf").write_text(KDC_CONF.format(database=database, modules=modules, **values))
        # The daemons get their tickets from one KDC; own.conf is for those who are to ask this one.
        (self.dir / "own.conf").write_text(KRB5_CONF.format(**values))
        values["port"] = realm.auth_port
        (self.dir / "krb5.conf").write_text(KRB5_CONF.format(**values))
        (self.dir / "kadm5.acl").write_text(f"kiprop/{HOST}@{REALM} p\n*/admin@{REALM} *\n")
        (self.dir / "acl").write_text(f"host/{HOST}@{REALM}\n")

    def env(self, own=False):
        return dict(os.environ, KRB5_CONFIG=f"{self.dir}/{'own' if own else 'krb5'}.conf",
                    KRB5_KDC_PROFILE=f"{self.dir}/kdc.conf", KRB5CCNAME=f"FILE:{self.dir}/ccache",
                    KRB5_KTNAME=f"FILE:{self.realm.base}/keytab", LC_ALL="C", TZ="UTC")

    def run(self, *argv, check=True, **more):
        done = subprocess.run([str(a) for a in argv], env=self.env(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=580, **more)
        if check and done.returncode != 0:
            raise SystemExit(f"bench/mit: {' '.join(map(str, argv))} at {self.name}: {done.stdout[-800:]}")
        return done.stdout

    def start(self, *argv, own=False, log="out"):
        with open(self.dir / f"{log}.log", "a") as out:
            p = subprocess.Popen([str(a) for a in argv], env=self.env(own), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.realm.started.append(p)
        return p

    def stop(self, p, signal_number=signal.SIGTERM):
        p.send_signal(signal_number)
        p.wait()

    def create(self):
        self.run("kdb5_util", "create", "-s", "-P", "throw-away")

    def fill(self, dump):
        """A database with the content of a dump, whose master key is that of the first host."""
        self.create()
        (self.dir / "stash").write_bytes((self.realm.auth.dir / "stash").read_bytes())
        self.run("kdb5_util", "load", dump)

    def as_replica(self):
        (self.dir / "stash").write_bytes((self.realm.auth.dir / "stash").read_bytes())

    def kadmin(self, commands):
        return self.run("kadmin.local", "-r", REALM, input=commands)

    def start_kdc(self):
        log = self.dir / "kdc.log"
        log.write_text("")
        p = self.start("krb5kdc", "-n", "-r", REALM, log="krb5kdc")
        until("krb5kdc starting", lambda: "commencing operation" in log.read_text() or p.poll() is not None)
        if p.poll() is not None:
            raise SystemExit(f"bench/mit: krb5kdc of {self.name}: {log.read_text()}")
        return p

    # ---- krbrepl ----

    def start_master(self, listen):
        (self.dir / "replicas").write_text(f"krbrepl/replica@{REALM}\n")
        p = self.start(PROGRAMS / "krbrepl-master", "--store", self.store, "--listen", f"192.0.2.1:{listen}", "--keytab",
                       self.realm.base / "keytab", "--service", f"krbrepl/{HOST}@{REALM}", "--acl", self.dir / "replicas",
                       log="master")
        until("krbrepl-master serving", lambda: "listening on" in (self.dir / "master.log").read_text())
        return p

    def start_replica(self, port):
        return self.start(PROGRAMS / "krbrepl-replica", "--store", self.store, "--keytab", self.realm.base / "keytab",
                          "--principal", f"krbrepl/replica@{REALM}", "--service", f"krbrepl/{HOST}@{REALM}",
                          f"192.0.2.1:{port}", log="replica")

    def seq(self):
        out = self.run(PROGRAMS / "krbrepl", "status", "--json", self.store, check=False)
        return json.loads(out)["position"]["seq"] if out.startswith("{") else None

    def reached(self, replicas=1):
        """Waits until the replicas of this master show its last commit to readers."""
        self.run(PROGRAMS / "krbrepl", "wait", "-q", "--replicas", replicas, "--level", "applied", "--timeout", "300 s",
                 self.store)

    # ---- kprop ----

    def start_kpropd(self, port, *more):
        p = self.start("kpropd", "-D", "-r", REALM, "-P", port, "-a", self.dir / "acl", "-f", self.dir / "from_master",
                       "-s", self.realm.base / "keytab", *more, log="kpropd")
        until("kpropd listening", lambda: listening(port))
        return p

    def kprop(self, dump, port):
        out = self.run("kprop", "-r", REALM, "-f", dump, "-P", port, "-s", self.realm.base / "keytab", HOST)
        if "SUCCEEDED" not in out:
            raise SystemExit(f"bench/mit: kprop: {out}")


def listening(port):
    wanted = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(wanted) and fields[3] == "0A":
                return True
    return False


class Admin:
    """One kadmin.local that takes commands one by one."""

    PROMPT = b"kadmin.local:  "

    def __init__(self, host):
        self.p = subprocess.Popen(["kadmin.local", "-r", REALM], env=host.env(), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.answer()

    def answer(self):
        got = b""
        while not got.endswith(self.PROMPT):
            piece = os.read(self.p.stdout.fileno(), 65536)
            if not piece:
                raise SystemExit(f"bench/mit: kadmin.local ended: {got.decode()}")
            got += piece
        return got.decode()

    def __call__(self, line):
        self.p.stdin.write(line.encode() + b"\n")
        return self.answer()

    def until(self, line, pattern, pause=0.0, seconds=120):
        """Asks again and again until the answer has the pattern; the time when it had."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self(line)):
            if time.monotonic() > end:
                raise SystemExit(f"bench/mit: {line} never shows {pattern}")
            time.sleep(pause)
        return time.monotonic()

    def end(self):
        self.p.stdin.close()
        self.p.wait()


class Anonymous(threading.Thread):
    """Peak of the anonymous memory of some processes with their children, in MiB; names maps a side to pids."""

    def __init__(self, sides):
        super().__init__(daemon=True)
        self.sides, self.peak, self.on = sides, {name: 0 for name in sides}, True
        self.start()

    @staticmethod
    def of(pid):
        total = 0
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    total = int(line.split()[1]) / 1024
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                total += Anonymous.of(child)
        except OSError:
            pass
        return total

    def run(self):
        while self.on:
            for name, pids in self.sides.items():
                self.peak[name] = max(self.peak[name], sum(self.of(pid) for pid in list(pids)))
            time.sleep(0.005)

    def end(self):
        self.on = False
        self.join()
        return self.peak
