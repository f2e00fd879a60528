"""Primaries and slaves of the three ways that bench/heimdal/run compares. The environment is that of
tests/common/heimdal.sh; heimdal.sh writes the configuration of each node."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

BUILD = Path(os.environ["BENCH_BUILD"])
PROGRAMS = BUILD / "examples"
BASE = Path(os.environ["HEIMDAL_DIR"])
REALM = os.environ["REALM"]
LIBRARIES = {"LD_LIBRARY_PATH": os.environ["HEIMDAL_LIBRARIES"]}
started = []
ports = iter(range(33000, 60000))


def heimdal(command, **env):
    """A command in the words of heimdal.sh."""
    done = subprocess.run(["bash", "-c", f'. "$HEIMDAL_SH"; {command}'], env=dict(os.environ, **env), text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=590)
    if done.returncode != 0:
        raise SystemExit(f"bench/heimdal: {command}: {done.stdout[-800:]}")
    return done.stdout


def path_of(program):
    return heimdal(f"heimdal_path {program}").strip()


def start(argv, log, env):
    with open(log, "ab") as out:
        p = subprocess.Popen([str(a) for a in argv], env=dict(os.environ, **env), stdin=subprocess.DEVNULL, stdout=out,
                             stderr=out, start_new_session=True)
    started.append(p)
    return p


def stop(p):
    """With its children: Heimdal's daemons have some."""
    try:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait(10)
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
    p.wait()
    if p in started:
        started.remove(p)


def listening(port):
    wanted = f":{port:04X}"
    return any(f[1].endswith(wanted) and f[3] == "0A"
               for f in (line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]))


def until(what, condition, seconds=120, pause=0.01):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"bench/heimdal: this did not happen in {seconds} s: {what}")
        time.sleep(pause)


class Watch:
    """heimdal_watch on some databases."""

    def __init__(self, *what):
        self.p = subprocess.Popen([BUILD / "bench" / "heimdal_watch", *what], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()

    def answer(self):
        line = self.p.stdout.readline()
        if not line:
            raise SystemExit("bench/heimdal: heimdal_watch ended")
        return line.split()

    def now(self):
        self.ask("now")
        return [None if v == "-" else int(v) for v in self.answer()]

    def expect(self, versions):
        self.ask("until " + " ".join(str(v) for v in versions))

    def times(self):
        return [float(t) for t in self.answer()]

    def end(self):
        self.p.stdin.close()
        self.p.wait()


class Way:
    """A primary of n users with its daemon. module: on the HDB module, served by krbrepl-master; native: followed by
    krbrepl-replica and not by ipropd-slave."""

    def __init__(self, name, module, native, dump, label=""):
        self.name, self.module, self.native = name, module, native
        self.short = {(False, False): "h", (True, False): "d", (True, True): "n"}[module, native] + label
        self.dir = BASE / self.short
        self.database = self.dir / "heimdal"
        self.port = next(ports)
        self.configure(self.dir, module)
        self.kadmin(f"init --realm-max-ticket-life=1day --realm-max-renewable-life=1week {REALM}")
        self.kadmin(f"load {dump}")
        # A database that has never been changed since is at version 0, where ipropd-master sends nothing.
        self.kadmin("modify --max-ticket-life=20h user1")
        self.master = self.start_master()
        until(f"{name}: the master listening", lambda: listening(self.port))

    # What Heimdal's clients of this node find; changes on the module need no log beside it.
    def configure(self, directory, module):
        directory.mkdir()
        env = {"HEIMDAL_BACKEND": "krbrepl:", "HEIMDAL_PLUGINS": str(BUILD / "hosts/heimdal/hdb/plugin")} if module else {}
        heimdal(f"heimdal_config {directory.name}", **env)
        shutil.copy(BASE / "master" / "m-key", directory / "m-key")
        if module:
            conf = directory / "krb5.conf"
            conf.write_text(conf.read_text().replace(f"log_file = {directory}/log", "log_file = /dev/null"))

    def conf_env(self, directory, name="krb5.conf"):
        return {"KRB5_CONFIG": str(directory / name), "HEIM_PIDFILE_DIR": f"{directory}/"}

    def kadmin_argv(self):
        return [path_of("kadmin"), "-l", "-c", str(self.dir / "krb5.conf"), "-r", REALM]

    def kadmin(self, command):
        heimdal(f"heimdal_tool kadmin -l -c {self.dir}/krb5.conf -r {REALM} {command}", **self.conf_env(self.dir))

    def writer(self, **more):
        """A kadmin that takes its commands from standard input."""
        return subprocess.Popen(self.kadmin_argv(), env=dict(os.environ, **self.conf_env(self.dir), **LIBRARIES),
                                stdout=subprocess.DEVNULL, **more)

    def start_master(self):
        keytab, slaves = BASE / "keytab", BASE / "slaves"
        if not self.module:
            shutil.copy(slaves, self.dir / "slaves")
            return start([path_of("ipropd-master"), "-c", self.dir / "krb5.conf", "-r", REALM, "--hostname=localhost",
                          f"--port={self.port}", "-d", self.database, "-k", f"FILE:{keytab}"], self.dir / "out",
                         {**self.conf_env(self.dir), **LIBRARIES})
        argv = [PROGRAMS / "krbrepl-master", "--store", self.database, "--listen", f"127.0.0.1:{self.port}"]
        if self.native:
            argv += ["--service", f"iprop/localhost@{REALM}", "--keytab", keytab, "--acl", slaves]
        else:
            argv += ["--heimdal-iprop", "--heimdal-service", "iprop/localhost", "--heimdal-keytab", keytab,
                     "--heimdal-slaves", slaves]
        return start(argv, self.dir / "out", self.conf_env(self.dir, "mit.conf"))

    def slave_dir(self, slave):
        return BASE / f"{self.short}-{slave}"

    def make_slave(self, slave):
        """A new one, with nothing in it."""
        directory = self.slave_dir(slave)
        shutil.rmtree(directory, ignore_errors=True)
        self.configure(directory, False)
        if self.native:
            subprocess.run([PROGRAMS / "krbrepl", "init", "-q", directory / "heimdal"], check=True)

    def start_slave(self, slave):
        directory, keytab = self.slave_dir(slave), BASE / "keytab"
        if self.native:
            return start([PROGRAMS / "krbrepl-replica", "--store", directory / "heimdal", "--service",
                          f"iprop/localhost@{REALM}", "--principal", f"iprop/{slave}@{REALM}", "--keytab", keytab,
                          f"localhost:{self.port}"], directory / "out", self.conf_env(directory, "mit.conf"))
        return start([path_of("ipropd-slave"), "-c", directory / "krb5.conf", "-r", REALM, f"--hostname={slave}",
                      f"--port={self.port}", "-k", f"FILE:{keytab}", f"--status-file={directory}/status", "localhost"],
                     directory / "out", {**self.conf_env(directory), **LIBRARIES})

    def seen_master(self):
        return f"store:{self.database}" if self.module else f"log:{self.dir}/log"

    def seen_slave(self, slave):
        return f"store:{self.slave_dir(slave)}/heimdal" if self.native else f"log:{self.slave_dir(slave)}/log"

    def version_after(self, version, changes):
        """What a slave has when it has so many changes more. Of krbrepl-master's three numbers for each, the last one
        is that of a record which changes nothing and comes after it."""
        return version + (3 * changes - 1 if self.module and not self.native else changes)

    def first_version(self, master_now):
        """What a slave has at least when it has the complete database."""
        return 1 if self.module and not self.native else master_now

    def end(self):
        stop(self.master)


def prepare(slaves):
    """Principals of the slaves and one keytab with all of them, in the realm whose kdc serves."""
    heimdal("heimdal_kadmin add --password=secret --use-defaults template")
    lines = "".join(f"add --random-key --use-defaults iprop/s{i}\next_keytab -k FILE:{BASE}/keytab iprop/s{i}\n"
                    for i in range(1, slaves + 1))
    (BASE / "orders").write_text(lines + f"ext_keytab -k FILE:{BASE}/keytab iprop/localhost\n")
    heimdal('heimdal_kadmin <"$HEIMDAL_DIR/orders"')
    (BASE / "slaves").write_text("".join(f"iprop/s{i}@{REALM}\n" for i in range(1, slaves + 1)))
    heimdal('heimdal_kadmin dump "$HEIMDAL_DIR/few.dump"')


def dump_of(n):
    """A dump with n users, who have the keys of one; kept for the next that asks."""
    path = BASE / f"{n}.dump"
    if not path.exists():
        lines = (BASE / "few.dump").read_text().splitlines(keepends=True)
        template = next(line for line in lines if line.startswith("template@"))
        with open(path, "w") as out:
            out.writelines(lines)
            out.writelines(f"user{i}" + template[len("template"):] for i in range(1, n + 1))
    return path
