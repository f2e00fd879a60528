"""Real processes, killed with SIGKILL at random moments: a master, two replicas, and whoever writes.

    ring.py BIN [--rounds N] [--seed S] [--seconds T]

It works in a realm of its own with a real KDC. In each round somebody writes, and one or several of the processes
are killed while that goes on. Then the real stores are looked at:

  * `krbrepl verify` reads every record and commit of each store whose process died, before anything else runs on it;
  * every commit that was answered is in the master's store, whole;
  * what was killed is started again. Every few rounds, and at the end, everybody has to get to one position with one
    digest root.

The rounds follow from the seed; at which instruction a process dies does not, and is another one each time. A
failure names seed and round. T bounds the time: fewer rounds are made when it is over, never fewer than a tenth.
"""

import argparse
import hashlib
import os
import random
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REALM_SH = os.path.join(HERE, "..", "common", "realm.sh")
REALM = "KRBREPL.TEST"
REPLICAS = ["replica-1", "replica-2"]
# So that a full copy takes a while, and a load is a real one.
RECORDS = 2000
# Longer than a replica rests between two tries, which may each fail on a machine with much else to do.
PATIENCE = 150
# What runs is not to outlive this program.
GUARD = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


class Broken(Exception):
    pass


def check(what, text):
    if not what:
        raise Broken(text)


class Ring:
    def __init__(self, bin_dir, work, rng):
        self.bin, self.work, self.rng = bin_dir, work, rng
        self.daemons = {}
        self.port = 0
        self.acked = 0      # the last commit that was answered
        self.value = 0      # what it had put
        self.next = 1       # what will be put next
        self.deed = "the beginning"
        self.count = {}     # of each kind of deed

    # ---- processes ------------------------------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.work, name)

    def tool(self, *args, code=0, stdin=b""):
        done = subprocess.run([os.path.join(self.bin, "krbrepl"), *args], input=stdin, capture_output=True,
                              timeout=120, check=False)
        check(done.returncode == code, f"krbrepl {' '.join(args)}: exit code {done.returncode}\n"
              f"{done.stdout.decode(errors='replace')}{done.stderr.decode(errors='replace')}")
        return done.stdout

    def spawn(self, program, *args, log=None, **pipes):
        if log is None:
            return subprocess.Popen([*GUARD, os.path.join(self.bin, program), *args], **pipes)
        with open(self.path(log), "ab") as out:
            return subprocess.Popen([*GUARD, os.path.join(self.bin, program), *args], stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=out)

    def start_master(self):
        self.daemons["master"] = self.spawn(
            "krbrepl-master", "--store", self.path("master"), "--listen", f"127.0.0.1:{self.port}", "--keytab",
            self.path("master.keytab"), "--service", f"krbrepl/localhost@{REALM}", "--acl", self.path("acl"),
            log="master.log")

    def start_replica(self, name):
        self.daemons[name] = self.spawn(
            "krbrepl-replica", "--store", self.path(name), "--keytab", self.path(name + ".keytab"), "--principal",
            f"krbrepl/{name}@{REALM}", "--service", f"krbrepl/localhost@{REALM}", f"127.0.0.1:{self.port}",
            log=name + ".log")

    def start(self, name):
        if name == "master":
            self.start_master()
        else:
            self.start_replica(name)

    def kill(self, name):
        self.daemons[name].kill()
        self.daemons[name].wait()

    def stop_all(self):
        for p in self.daemons.values():
            p.kill()
        for p in self.daemons.values():
            p.wait()

    # ---- the beginning --------------------------------------------------------------------------------

    def principal(self, name, keytab):
        done = subprocess.run(["bash", REALM_SH, "--princ", name, self.path(keytab)], capture_output=True, check=False)
        check(done.returncode == 0, (done.stdout + done.stderr).decode())

    def begin(self):
        self.principal("krbrepl/localhost", "master.keytab")
        with open(self.path("acl"), "w", encoding="utf-8") as acl:
            for name in REPLICAS:
                self.principal("krbrepl/" + name, name + ".keytab")
                acl.write(f"krbrepl/{name}@{REALM}\n")
        self.tool("init", "-q", "--master", self.path("master"))
        lines = [f'put principal user{i:05d}@{REALM} "{"x" * 300}"\n' for i in range(RECORDS)]
        self.tool("batch", "-q", self.path("master"), stdin=("".join(lines) + "commit\n").encode())
        # A port that is free now; should another program take it, the master does not start, which is told.
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.start("master")
        for name in REPLICAS:
            self.tool("init", "-q", self.path(name))
            self.start(name)

    # ---- what is looked at ----------------------------------------------------------------------------

    def sound(self, name):
        """Every record and every commit of the store is whole."""
        self.tool("verify", "-q", self.path(name))

    def number(self, key):
        out = self.tool("get", self.path("master"), "ring", key)
        return int(out.strip() or b"0")

    def nothing_is_lost(self):
        seq = int(self.tool("status", "--json", self.path("master")).split(b'"seq":')[1].split(b",")[0])
        check(seq >= self.acked, f"commit {self.acked} was answered, the store ends at {seq}")
        if self.value == 0:
            return
        # Two views: a commit whose writer died before it was answered, and before other processes were told of it,
        # may come into sight between them, when the next one takes the writer lock. That happens once.
        for _ in range(2):
            left, right = self.number("left"), self.number("right")
            if left == right:
                break
        check(left == right, f"half a commit: {left} and {right}")
        check(left >= self.value, f"{self.value} was answered, {left} is there")

    def equal(self):
        done = subprocess.run([os.path.join(self.bin, "krbrepl"), "verify", "-q",
                               *[self.path(n) for n in ["master", *REPLICAS]]], capture_output=True, check=False)
        check(done.returncode in (0, 3), "verify: " + done.stderr.decode(errors="replace"))
        return done.returncode == 0

    def become_equal(self):
        end = time.monotonic() + PATIENCE
        while not self.equal():
            for name, p in self.daemons.items():
                check(p.poll() is None, f"{name} has ended by itself, exit code {p.returncode}")
            check(time.monotonic() < end, f"not equal after {PATIENCE} s")
            time.sleep(0.1)

    # ---- those who write ------------------------------------------------------------------------------

    def batch(self):
        p = self.spawn("krbrepl", "batch", self.path("master"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, bufsize=0)
        os.set_blocking(p.stdin.fileno(), False)
        p.unanswered = []
        p.rest = b""
        return p

    def feed(self, p):
        """One commit more: two records that always agree."""
        line = f'put ring left {self.next}\nput ring right {self.next}\nput principal user{self.rng.randrange(RECORDS):05d}' \
               f'@{REALM} "{"y" * self.rng.randrange(2000)}"\ncommit\n'.encode()
        if len(p.unanswered) > 20:
            return
        try:
            sent = os.write(p.stdin.fileno(), line)
        except (BrokenPipeError, BlockingIOError):
            return
        check(sent == len(line), "a pipe took a part of a line")
        p.unanswered.append(self.next)
        self.next += 1

    def answers(self, p):
        """Takes what was answered so far. False at the end of the answers."""
        data = os.read(p.stdout.fileno(), 65536)
        *lines, p.rest = (p.rest + data).split(b"\n")
        for line in lines:
            self.acked = int(line)
            self.value = p.unanswered.pop(0)
        return data != b""

    def write_for(self, p, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.feed(p)
            if select.select([p.stdout], [], [], 0.002)[0] and not self.answers(p):
                break

    def finish(self, p, killed):
        if killed:
            p.kill()
        else:
            p.stdin.close()
        while self.answers(p):
            pass
        p.wait()
        text = p.stderr.read().decode(errors="replace")
        check(killed or p.returncode == 0, f"the writer failed: {text}")
        check(killed or not p.unanswered, "a commit was not answered")
        p.stdout.close()
        p.stderr.close()

    # ---- deeds ----------------------------------------------------------------------------------------

    def pause(self, most):
        # More often soon than late: most of what can break is at the beginning of something.
        return most * self.rng.random() ** 2

    def kill_writer(self):
        p = self.batch()
        self.write_for(p, 0.005 + self.pause(0.15))
        self.finish(p, True)
        self.sound("master")

    def kill_daemons(self, names):
        p = self.batch()
        self.write_for(p, 0.005 + self.pause(0.1))
        for name in names:
            self.kill(name)
        self.write_for(p, self.pause(0.05))
        self.finish(p, False)
        for name in names:
            self.sound(name)
        for name in names:
            self.start(name)

    def kill_one(self):
        self.kill_daemons([self.rng.choice(["master", *REPLICAS])])

    def kill_some(self):
        self.kill_daemons(self.rng.sample(["master", *REPLICAS], 2 + self.rng.randrange(2)))

    def kill_early(self):
        """A daemon that has only just begun, again and again."""
        name = self.rng.choice(["master", *REPLICAS])
        for _ in range(3):
            self.kill(name)
            self.start(name)
            time.sleep(self.pause(0.1))
        self.kill(name)
        self.sound(name)
        self.start(name)

    def kill_copy(self):
        """A replica that has nothing, while it is copied to; or the master of it."""
        name = self.rng.choice(REPLICAS)
        self.kill(name)
        shutil.rmtree(self.path(name))
        self.tool("init", "-q", self.path(name))
        self.start(name)
        time.sleep(self.pause(0.4))
        victim = self.rng.choice([name, name, "master"])
        self.kill(victim)
        self.sound(victim)
        self.start(victim)

    def kill_tool(self, *args):
        p = self.spawn("krbrepl", *args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(0.01 + self.pause(0.2))
        except subprocess.TimeoutExpired:
            p.kill()
        p.wait()
        self.sound("master")

    def kill_load(self):
        """Half of the records get another value; the load is there whole, or not at all."""
        file = self.path("load")
        with open(file, "wb") as f:
            f.write(self.tool("dump", "-q", "--format", "native", self.path("master"), "-"))
        other = self.path("native")
        value = f"{self.next}"
        self.next += 1
        with open(file, "rb") as f, open(other, "wb") as out:
            body = f.read().rsplit(b"\nend ", 1)[0] + b"\n"
            out.write(native(body.replace(b"x" * 300, (value * 300)[:300].encode())))
        self.kill_tool("load", "-q", "--format", "native", self.path("master"), other)

    def kill_backup(self):
        file = self.path("backup")
        self.kill_tool("backup", "-q", self.path("master"), file)
        if os.path.exists(file):
            self.tool("restore", "-q", file, self.path("restored"))
            self.sound("restored")
            shutil.rmtree(self.path("restored"))
            os.unlink(file)

    DEEDS = ["kill_writer"] * 4 + ["kill_one"] * 6 + ["kill_some"] * 3 + ["kill_early", "kill_copy", "kill_copy",
                                                                         "kill_load", "kill_load", "kill_backup"]

    def round(self):
        self.deed = self.rng.choice(self.DEEDS)
        self.count[self.deed] = self.count.get(self.deed, 0) + 1
        getattr(self, self.deed)()
        self.nothing_is_lost()


def native(text):
    records = text.count(b"\nput ")
    return text + b"end %d 0x%s\n" % (records, hashlib.sha256(text).hexdigest().encode())


def tails(work):
    for name in sorted(os.listdir(work)):
        if name.endswith(".log"):
            with open(os.path.join(work, name), "rb") as f:
                lines = f.read().decode(errors="replace").splitlines()[-15:]
            print(f"--- the end of {name}", *lines, sep="\n")


def in_realm(options):
    ring = Ring(os.path.abspath(options.bin), os.environ["REALM_DIR"], random.Random(options.seed))
    began, number = time.monotonic(), 0
    try:
        ring.begin()
        ring.become_equal()
        for number in range(1, options.rounds + 1):
            ring.round()
            if number % 10 == 0:
                ring.become_equal()
            if time.monotonic() - began > options.seconds and number * 10 >= options.rounds:
                break
        ring.become_equal()
        ring.nothing_is_lost()
    except (Broken, subprocess.TimeoutExpired) as e:
        print(f"FAILED in round {number} ({ring.deed}) of seed {options.seed}: {e}")
        tails(ring.work)
        return 1
    finally:
        ring.stop_all()
    print(f"{number} rounds in {time.monotonic() - began:.0f} s, {ring.acked} commits, seed {options.seed}: "
          + ", ".join(f"{n} {name}" for name, n in sorted(ring.count.items())))
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9)
    options = parser.parse_args()
    if os.environ.get("REALM_DIR"):
        return in_realm(options)
    work = tempfile.mkdtemp(prefix="krbrepl-ring.")
    try:
        return subprocess.run(["bash", REALM_SH, os.path.join(work, "realm"), "--", sys.executable, "-B", __file__,
                               *sys.argv[1:]], check=False).returncode
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
