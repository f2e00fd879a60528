"""The measurements of bench/mit/run. Each takes turns between the two ways, so that whatever else the machine does
meets both; medians, and ratios of medians. See bench/README.md."""

import argparse
import json
import os
import re
import shutil
import statistics
import time
from pathlib import Path

from realm import (BUILD, HOST, PROGRAMS, REALM, Admin, Anonymous, Host, Realm, ports, until, wire_bytes)

BURST = 5000
AS_LOAD = BUILD / "bench" / "bench_as_load"


class Report:
    def __init__(self, name, as_json):
        self.name, self.as_json, self.cases, self.samples = name, as_json, [], {}

    def add(self, case, **values):
        for key, value in values.items():
            self.samples.setdefault(case, {}).setdefault(key, []).append(value)

    def median(self, case, key):
        return statistics.median(self.samples[case][key])

    def ratio(self, name, one, other, key):
        """How many times as much of something one needs as another."""
        self.cases.append((name, self.median(one, key) / self.median(other, key)))

    def show(self):
        medians = {c: {k: statistics.median(v) for k, v in s.items()} for c, s in self.samples.items()}
        if self.as_json:
            print(json.dumps({"bench": f"mit/{self.name}", "cases": medians, "ratios": dict(self.cases),
                              "samples": self.samples}), flush=True)
            return
        print(self.name)
        for case, values in medians.items():
            print(f"  {case:<34}" + "  ".join(f"{k} {v:.4g}" for k, v in values.items()))
        for name, value in self.cases:
            print(f"  ratio: {name:<50}{value:.3g}")
        print(flush=True)


# ---- both ways to replicate ---------------------------------------------------------------------------


class Krbrepl:
    """A master and a replica on the KDB module."""

    name = "krbrepl"

    def __init__(self, realm, n):
        self.primary = Host(realm, f"krbrepl{n}", "krbrepl")
        self.replica = Host(realm, f"krbrepl{n}r", "krbrepl")
        self.primary.fill(realm.dump(n))
        self.replica.as_replica()
        self.port = next(ports)
        self.daemons = [self.primary.start_master(self.port)]
        self.replica.run(PROGRAMS / "krbrepl", "init", "-q", self.replica.store)
        self.daemons.append(self.replica.start_replica(self.port))
        time.sleep(1)
        self.primary.reached()

    def end(self):
        for p in reversed(self.daemons):
            self.primary.stop(p)


class Iprop:
    """kadmind and kpropd with incremental propagation, at the shortest interval that kpropd takes."""

    name = "iprop"

    def __init__(self, realm, n):
        port, admin, prop = next(ports), next(ports), next(ports)
        lines = (f"iprop_enable = true\n iprop_port = {port}\n iprop_replica_poll = 1s\n iprop_ulogsize = 20000\n"
                 " iprop_resync_timeout = 60\n iprop_logfile = {}/ulog")
        base = realm.base
        self.primary = Host(realm, f"iprop{n}", "db2", admin=admin, realm_lines=lines.format(base / f"iprop{n}"))
        self.replica = Host(realm, f"iprop{n}r", "db2", admin=admin, realm_lines=lines.format(base / f"iprop{n}r"))
        self.primary.fill(realm.dump(n))
        self.replica.as_replica()
        self.daemons = [self.primary.start("kadmind", "-nofork", "-r", REALM, "-p", "/usr/sbin/kdb5_util", "-K",
                                           "/usr/sbin/kprop", "-k", prop, "-F", self.primary.dir / "dump", log="kadmind")]
        until("kadmind starting", lambda: "starting" in read(self.primary.dir / "kadmin.log"))
        self.daemons.append(self.replica.start_kpropd(prop, "-A", HOST))
        log = self.replica.dir / "ulog"
        until("the first full resync", lambda: (self.replica.dir / "principal").exists() and log.exists()
              and "user00001" in self.replica.run("kadmin.local", "-r", REALM, "getprinc", "user00001", check=False), pause=0.2)
        # The first change after a resync is seen to travel before anything is measured.
        one, other = Admin(self.primary), Admin(self.replica)
        one("modprinc -maxlife 5555s user00001")
        other.until("getprinc user00001", "01:32:35", pause=0.05)
        one.end()
        other.end()

    def end(self):
        for p in reversed(self.daemons):
            self.primary.stop(p)


def read(path):
    return path.read_text() if path.exists() else ""


def life(seconds):
    """As getprinc and getpol show it."""
    return f"0 days {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


# ---- propagation --------------------------------------------------------------------------------------


def follow(way, rounds, change, question, shown, pause):
    """Makes changes by one kadmin.local and asks another one at the replica until it shows them."""
    writer, reader = Admin(way.primary), Admin(way.replica)
    for i in range(rounds):
        time.sleep(0.3 + 0.13 * (i % 7))  # not in step with anybody's interval
        text = shown(4000 + i)
        before = wire_bytes()
        begin = time.monotonic()
        writer(change(4000 + i))
        returned = time.monotonic()
        seen = reader.until(question, text, pause=pause)
        # What is still acknowledged.
        time.sleep(0.05)
        sent = wire_bytes() - before
        begin_question = time.monotonic()
        reader(question)
        yield {"ms_from_return": max(seen - returned, 0) * 1e3, "ms_from_call": (seen - begin) * 1e3,
               "ms_of_a_question": (time.monotonic() - begin_question) * 1e3, "wire_bytes": sent}
    writer.end()
    reader.end()


def of_changes(realm, options, report, change, question, shown):
    n = options.principals[0]
    ways = [Krbrepl(realm, n), Iprop(realm, n)]
    for round_ in range(2):
        for way in ways:
            count = options.rounds * 4 if way.name == "krbrepl" else options.rounds
            # A busy loop tells milliseconds apart; where seconds are waited for it would only be in the way.
            pause = 0.0 if way.name == "krbrepl" else 0.005
            offset = 100 * round_ + (50 if way.name == "iprop" else 0)
            for got in follow(way, count, lambda v: change(v + offset), question, lambda v: shown(v + offset), pause):
                report.add(way.name, **got)
    for key in ("ms_from_return", "wire_bytes"):
        report.ratio(f"iprop to krbrepl, {key}", "iprop", "krbrepl", key)
    for way in ways:
        way.end()


def change(realm, options, report):
    of_changes(realm, options, report, lambda v: f"modprinc -maxlife {v}s user00002", "getprinc user00002",
               lambda v: f"Maximum ticket life: {life(v)}")


def policy(realm, options, report):
    of_changes(realm, options, report, lambda v: f"modpol -maxlife {v}s staff", "getpol staff",
               lambda v: f"Maximum password life: {life(v)}")


def orders(path, n, seconds):
    path.write_text("".join(f"modprinc -maxlife {seconds}s user{i % n + 1:05}\n" for i in range(BURST)) +
                    f"modprinc -maxlife {seconds + 1}s user00003\n")
    return path


def burst(realm, options, report):
    n = options.principals[0]
    ways = [Krbrepl(realm, n), Iprop(realm, n)]
    for i in range(options.rounds):
        for way in ways:
            reader = Admin(way.replica)
            path = orders(realm.base / "orders", n, 6000 + 10 * i)
            before = wire_bytes()
            begin = time.monotonic()
            with open(path) as commands:
                way.primary.run("kadmin.local", "-r", REALM, stdin=commands)
            written = time.monotonic()
            seen = reader.until("getprinc user00003", f"Maximum ticket life: {life(6001 + 10 * i)}", pause=0.005)
            report.add(way.name, seconds_in_all=seen - begin, seconds_after_the_last=seen - written,
                       wire_mb=(wire_bytes() - before) / 1e6)
            reader.end()
    for key in ("seconds_in_all", "seconds_after_the_last", "wire_mb"):
        report.ratio(f"iprop to krbrepl, {key}", "iprop", "krbrepl", key)
    for way in ways:
        way.end()


# ---- one database alone -------------------------------------------------------------------------------


def commit(realm, options, report):
    n = options.principals[0]
    ulog = f"iprop_enable = true\n iprop_port = {next(ports)}\n iprop_ulogsize = 1000\n iprop_logfile = {realm.base}/c-iprop/ulog"
    hosts = {"krbrepl": Host(realm, "c-krbrepl", "krbrepl"),
             "krbrepl, nosync": Host(realm, "c-nosync", "krbrepl", module_lines="nosync = true"),
             "db2": Host(realm, "c-db2", "db2"),
             "db2 with iprop": Host(realm, "c-iprop", "db2", realm_lines=ulog)}
    for host in hosts.values():
        host.fill(realm.dump(n))
    for i in range(options.rounds):
        for name, host in hosts.items():
            path = orders(realm.base / "orders", n, 6000 + 10 * i)
            begin = time.monotonic()
            with open(path) as commands:
                out = host.run("kadmin.local", "-r", REALM, stdin=commands)
            took = time.monotonic() - begin
            if len(re.findall(r'Principal ".*" modified', out)) != BURST + 1:
                raise SystemExit(f"bench/mit: not all changes were made: {out[-500:]}")
            report.add(name, per_second=(BURST + 1) / took)
    for name in ("krbrepl, nosync", "db2", "db2 with iprop"):
        report.ratio(f"krbrepl to {name}", "krbrepl", name, "per_second")


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def as_rate(realm, options, report):
    n = options.principals[0]
    off = "disable_last_success = true\n disable_lockout = true"
    cases = [(f"{kind}{text}", Host(realm, f"as-{kind}{i}", kind, module_lines=lines))
             for i, (text, lines) in enumerate((("", ""), (", counters off", off))) for kind in ("krbrepl", "db2")]
    kdcs = {}
    for name, host in cases:
        host.fill(realm.dump(n))
        kdcs[name] = host.start_kdc()
    for i in range(options.rounds):
        for name, host in cases:
            outs = [realm.base / f"asked.{k}" for k in range(2)]
            before = cpu_seconds(kdcs[name].pid)
            begin = time.monotonic()
            asking = [host.start(AS_LOAD, "--user", "user", "--count", n, "--realm", REALM, "--seconds", 4, "--preauth",
                                 "--out", out, own=True, log="asked") for out in outs]
            for p in asking:
                p.wait()
            took = time.monotonic() - begin
            done = [line.split() for out in outs for line in out.read_text().splitlines()]
            if any(fields[2] != "0" for fields in done):
                raise SystemExit(f"bench/mit: requests failed at {name}: {read(host.dir / 'asked.log')[:400]}")
            report.add(name, per_second=len(done) / took,
                       kdc_us_each=(cpu_seconds(kdcs[name].pid) - before) / len(done) * 1e6)
    for text in ("", ", counters off"):
        for key in ("per_second", "kdc_us_each"):
            report.ratio(f"krbrepl to db2{text}, {key}", f"krbrepl{text}", f"db2{text}", key)


# ---- full copies --------------------------------------------------------------------------------------


def watched(host, sides, *argv):
    p = host.start(*argv)
    sides["primary"].append(p.pid)
    if p.wait() != 0:
        raise SystemExit(f"bench/mit: {argv[0]} fails: {read(host.dir / 'out.log')[-400:]}")


def copy_by_kprop(realm, n, hosts, report):
    primary, replica = hosts
    for path in replica.dir.glob("principal*"):
        path.unlink()
    port = next(ports)
    daemon = replica.start_kpropd(port)
    sides = {"primary": [], "replica": [daemon.pid]}
    watch = Anonymous(sides)
    dump = primary.dir / "dump"
    before = wire_bytes()
    begin = time.monotonic()
    watched(primary, sides, "kdb5_util", "dump", dump)
    dumped = time.monotonic()
    watched(primary, sides, "kprop", "-r", REALM, "-f", dump, "-P", port, "-s", realm.base / "keytab", HOST)
    took = time.monotonic() - begin
    peak = watch.end()
    replica.stop(daemon)
    report.add(f"kprop {n}", seconds=took, of_these_dump=dumped - begin, wire_mb=(wire_bytes() - before) / 1e6,
               primary_mib=peak["primary"], replica_mib=peak["replica"])
    last_is_there(replica, n)


def copy_by_krbrepl(realm, n, hosts, report):
    primary, replica, master, port = hosts
    shutil.rmtree(replica.store, ignore_errors=True)
    replica.run(PROGRAMS / "krbrepl", "init", "-q", replica.store)
    wanted = primary.seq()
    before = wire_bytes()
    rest = Anonymous.of(master.pid)
    begin = time.monotonic()
    daemon = replica.start_replica(port)
    watch = Anonymous({"primary": [master.pid], "replica": [daemon.pid]})
    until("the copy", lambda: replica.seq() == wanted, pause=0.01)
    took = time.monotonic() - begin
    peak = watch.end()
    primary.reached()
    report.add(f"krbrepl {n}", seconds=took, wire_mb=(wire_bytes() - before) / 1e6, primary_mib=peak["primary"],
               before_mib=rest, replica_mib=peak["replica"])
    last_is_there(replica, n)
    replica.stop(daemon)


def last_is_there(host, n):
    if f"user{n:05}@" not in host.run("kadmin.local", "-r", REALM, "getprinc", f"user{n:05}"):
        raise SystemExit(f"bench/mit: {host.name} has not everything")


def full_copy(realm, options, report):
    for n in options.sizes:
        dump = realm.dump(n)
        mit = (Host(realm, f"f-mit{n}", "db2"), Host(realm, f"f-mit{n}r", "db2"))
        own = (Host(realm, f"f-own{n}", "krbrepl"), Host(realm, f"f-own{n}r", "krbrepl"))
        for primary, replica in (mit, own):
            primary.fill(dump)
            replica.as_replica()
        port = next(ports)
        master = own[0].start_master(port)
        for i in range(options.rounds):
            copy_by_krbrepl(realm, n, (*own, master, port), report)
            copy_by_kprop(realm, n, mit, report)
        own[0].stop(master)
        for key in ("seconds", "wire_mb", "replica_mib"):
            report.ratio(f"kprop to krbrepl, {n}, {key}", f"kprop {n}", f"krbrepl {n}", key)
        for host in (*mit, *own):
            shutil.rmtree(host.dir)


# ---- a KDC that serves while its content changes ------------------------------------------------------


class Asked:
    """Somebody who asks the KDC of a host again and again, over TCP, where nothing is asked twice in silence."""

    def __init__(self, host, n):
        self.out, self.host = host.dir / "asked", host
        self.p = host.start(AS_LOAD, "--user", "user", "--count", n, "--realm", REALM, "--pause", "1000", "--out", self.out,
                            own=True, log="asked")

    def end(self):
        self.p.terminate()
        self.p.wait()
        self.lines = [tuple(map(float, line.split())) for line in self.out.read_text().splitlines()]
        if any(code for _, _, code in self.lines):
            print(f"bench/mit: {sum(code != 0 for *_, code in self.lines)} requests failed at {self.host.name}")

    def between(self, begin, end):
        """What was asked, or still waited for, in that time."""
        got = [(at, ms) for at, ms, _ in self.lines if at >= begin and at - ms / 1e3 <= end]
        times = sorted(ms for _, ms in got)
        silence = max((b[0] - a[0] for a, b in zip(got, got[1:])), default=0) * 1e3
        return {"requests": len(times), "p50_ms": times[len(times) // 2], "p99_ms": times[int(len(times) * 0.99)],
                "silence_ms": silence}


def altered(dump, pattern, seconds, path):
    """The same dump with another life of tickets for some."""
    wanted = re.compile(pattern)
    with open(dump) as lines, open(path, "w") as out:
        for line in lines:
            if line.startswith("princ"):
                fields = line.split("\t")
                if wanted.match(fields[6]):
                    fields[8] = str(seconds)
                    line = "\t".join(fields)
            out.write(line)
    Path(f"{path}.dump_ok").write_bytes(b"\0")
    return path


def serve(realm, n, name, primary, replica, load, report):
    """A quiet time, then each new content loaded at the primary and brought to the replica, by load()."""
    kdcs = [primary.start_kdc(), replica.start_kdc()]
    asked = {"primary": Asked(primary, n), "replica": Asked(replica, n)}
    spans = []
    time.sleep(0.5)
    begin = time.monotonic()
    time.sleep(5)
    spans.append(("quiet", begin, time.monotonic()))
    for what, pattern, seconds in (("1 % differs", r"user[0-9]*00@", 7200), ("all differ", r"user", 9000)):
        path = altered(realm.dump(n), pattern, seconds, realm.base / "next.dump")
        begin = time.monotonic()
        load(path)
        spans.append((what, begin, time.monotonic()))
        time.sleep(1)
    for side, one in asked.items():
        one.end()
        for what, begin, end in spans:
            report.add(f"{name}, {side}, {what}", seconds=end - begin, **one.between(begin, end))
    for p in kdcs:
        primary.stop(p)


def serving(realm, options, report):
    n = options.principals[0]
    tcp = {"udp": False}
    own = Host(realm, "s-own", "krbrepl", **tcp), Host(realm, "s-ownr", "krbrepl", **tcp)
    mit = Host(realm, "s-mit", "db2", **tcp), Host(realm, "s-mitr", "db2", **tcp)
    for primary, replica in (own, mit):
        primary.fill(realm.dump(n))
        replica.as_replica()
    port, prop = next(ports), next(ports)
    master = own[0].start_master(port)
    own[1].run(PROGRAMS / "krbrepl", "init", "-q", own[1].store)
    daemon = own[1].start_replica(port)
    time.sleep(1)
    own[0].reached()
    mit[1].fill(realm.dump(n))
    kpropd = mit[1].start_kpropd(prop)

    def load_own(path):
        own[0].run("kdb5_util", "load", path)
        own[0].reached()

    def load_mit(path):
        mit[0].run("kdb5_util", "load", path)
        mit[0].run("kdb5_util", "dump", mit[0].dir / "dump")
        mit[0].kprop(mit[0].dir / "dump", prop)

    for _ in range(options.rounds):
        load_own(realm.dump(n))
        serve(realm, n, "krbrepl", *own, load_own, report)
        load_mit(realm.dump(n))
        serve(realm, n, "db2", *mit, load_mit, report)
    for side in ("primary", "replica"):
        for what in ("1 % differs", "all differ"):
            for key in ("p99_ms", "silence_ms"):
                for name in ("krbrepl", "db2"):
                    report.ratio(f"{name}, {side}: {what} to quiet, {key}", f"{name}, {side}, {what}", f"{name}, {side}, quiet", key)
                report.ratio(f"db2 to krbrepl, {side}, {what}, {key}", f"db2, {side}, {what}", f"krbrepl, {side}, {what}", key)
    for p in (daemon, master, kpropd):
        own[0].stop(p)


BENCHES = {f.__name__: f for f in (change, policy, burst, commit, as_rate, full_copy, serving)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--principals", type=lambda text: [int(n) for n in text.split(",")], default=None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHES:
            parser.error(f"there is no {name}; there are {', '.join(BENCHES)}")
    options.sizes = list(dict.fromkeys(options.principals or [10000, 100000]))
    options.principals = options.sizes[:1]
    realm = Realm(options.dir)
    try:
        for name in options.names or BENCHES:
            report = Report(name, options.json)
            BENCHES[name](realm, options, report)
            report.show()
    finally:
        realm.end()


if __name__ == "__main__":
    main()
