"""The measurements of bench/heimdal/run. Each takes turns between the ways, so that whatever else the machine does
meets all of them; medians, and ratios of medians. See bench/README.md."""

import argparse
import json
import statistics
import subprocess
import time

import nodes
from nodes import Watch, Way, dump_of, stop, until

BURST = 5000
HEIMDAL, DIALECT, NATIVE = "ipropd-master", "krbrepl to ipropd-slave", "krbrepl to krbrepl"
WAYS = ((HEIMDAL, False, False), (DIALECT, True, False), (NATIVE, True, True))


class Report:
    def __init__(self, name, as_json):
        self.name, self.as_json, self.ratios, self.samples = name, as_json, {}, {}

    def add(self, case, **values):
        for key, value in values.items():
            self.samples.setdefault(case, {}).setdefault(key, []).append(value)

    def median(self, case, key):
        return statistics.median(self.samples[case][key])

    def against_heimdal(self, key, suffix="", upside_down=False):
        """How many times as well as Heimdal's daemons each of the others does."""
        theirs = self.median(HEIMDAL + suffix, key)
        for name in (DIALECT, NATIVE):
            own = self.median(name + suffix, key)
            if own and theirs:
                self.ratios[f"{name}{suffix}, {key}"] = own / theirs if upside_down else theirs / own

    def show(self):
        medians = {c: {k: statistics.median(v) for k, v in s.items()} for c, s in self.samples.items()}
        if self.as_json:
            print(json.dumps({"bench": f"heimdal/{self.name}", "cases": medians, "ratios": self.ratios,
                              "samples": self.samples}), flush=True)
            return
        print(self.name)
        for case, values in medians.items():
            print(f"  {case:<34}" + "  ".join(f"{k} {v:.4g}" for k, v in values.items()))
        for name, value in self.ratios.items():
            print(f"  ratio: {HEIMDAL} to {name:<50} {value:.3g}")
        print(flush=True)


def ways_of(n):
    return [Way(*way, dump_of(n)) for way in WAYS]


def follow(way, slaves):
    """Starts slaves from nothing; a watch on the primary (twice) and on them once they have everything."""
    for slave in slaves:
        way.make_slave(slave)
    daemons = [way.start_slave(slave) for slave in slaves]
    watch = Watch(way.seen_master(), way.seen_master(), *(way.seen_slave(s) for s in slaves))
    first = way.first_version(watch.now()[0])
    watch.expect([0, 0] + [first] * len(slaves))
    watch.times()
    # The first change after a complete database is seen to travel before anything is measured.
    for i in range(2):
        before = watch.now()
        watch.expect([0, before[1] + 1] + [way.version_after(v, 1) for v in before[2:]])
        way.kadmin(f"modify --max-ticket-life={21 + i}h user1")
        watch.times()
    return daemons, watch


def one_change(way, watch, writer, order):
    before = watch.now()
    watch.expect([0, before[1] + 1] + [way.version_after(v, 1) for v in before[2:]])
    time.sleep(0.02)
    begin = time.monotonic()
    writer.stdin.write(order.encode() + b"\n")
    writer.stdin.flush()
    _, master, *slaves = watch.times()
    return begin, master, slaves


def changes(report, n, slaves, count):
    ways = ways_of(n)
    followed = {way.name: follow(way, slaves) for way in ways}
    writers = {way.name: way.writer(stdin=subprocess.PIPE) for way in ways}
    # A disk has moods of a second and less: the ways change with every change.
    for made in range(1, count + 1):
        order = f"modify --max-ticket-life={made % 200 + 1}h user{made % n + 1}"
        for way in ways:
            begin, master, seen = one_change(way, followed[way.name][1], writers[way.name], order)
            values = {"ms_from_change": max(max(seen) - master, 0) * 1e3, "ms_from_call": (max(seen) - begin) * 1e3}
            if len(seen) > 1:
                values["ms_half_of_them"] = max(statistics.median(seen) - master, 0) * 1e3
            report.add(way.name, **values)
    for way in ways:
        writers[way.name].stdin.close()
        writers[way.name].wait()
        daemons, watch = followed[way.name]
        watch.end()
        for p in daemons:
            stop(p)
        way.end()
    for key in report.samples[HEIMDAL]:
        report.against_heimdal(key)


def change(options, report):
    changes(report, options.sizes[0], ["s1"], 40 * options.rounds)


def fan_out(options, report):
    """Fifty slaves wait for one change; a small database, for all copies of it share the disk."""
    changes(report, min(options.sizes[0], 1000), [f"s{i}" for i in range(1, options.slaves + 1)], 10 * options.rounds)


def burst(options, report):
    n = options.sizes[0]
    ways = ways_of(n)
    followed = {way.name: follow(way, ["s1"]) for way in ways}
    orders = nodes.BASE / "orders"
    for i in range(options.rounds):
        orders.write_text("".join(f"modify --max-ticket-life={i + 30}h user{k % n + 1}\n" for k in range(BURST)))
        for way in ways:
            watch = followed[way.name][1]
            before = watch.now()
            watch.expect([before[0] + 1, before[1] + BURST, way.version_after(before[2], BURST)])
            with open(orders, "rb") as commands:
                writer = way.writer(stdin=commands)
                first, last, slave = watch.times()
                writer.wait()
            report.add(way.name, commits_per_second=(BURST - 1) / (last - first), lag_seconds=max(slave - last, 0),
                       seconds_in_all=slave - first)
    for way in ways:
        daemons, watch = followed[way.name]
        watch.end()
        for p in daemons:
            stop(p)
        way.end()
    report.against_heimdal("commits_per_second", upside_down=True)
    report.against_heimdal("lag_seconds")
    report.against_heimdal("seconds_in_all")


def copy(way, case, report):
    way.make_slave("s1")
    watch = Watch(way.seen_master(), way.seen_slave("s1"))
    first = way.first_version(watch.now()[0])
    watch.expect([0, first])
    begin = time.monotonic()
    daemon = way.start_slave("s1")
    report.add(case, seconds=watch.times()[1] - begin)
    watch.end()
    stop(daemon)


def full_copy(options, report):
    for n in options.sizes:
        ways = [Way(*way, dump_of(n), str(n)) for way in WAYS]
        for i in range(options.rounds):
            for way in ways:
                # ipropd-master keeps the file that it dumps its database to, for the next slave: both are measured.
                for path in way.dir.glob("ipropd.dumpfile*"):
                    path.unlink()
                copy(way, f"{way.name} {n}", report)
                if way.name == HEIMDAL:
                    copy(way, f"{way.name} {n}, dumped before", report)
        report.against_heimdal("seconds", f" {n}")
        for name in (DIALECT, NATIVE):
            report.ratios[f"{name} {n}, seconds, dumped before"] = (
                report.median(f"{HEIMDAL} {n}, dumped before", "seconds") / report.median(f"{name} {n}", "seconds"))
        for way in ways:
            way.end()
            nodes.shutil.rmtree(way.slave_dir("s1"))
            nodes.shutil.rmtree(way.dir)
        dump_of(n).unlink()


BENCHES = {f.__name__: f for f in (change, burst, fan_out, full_copy)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--principals", type=lambda text: [int(n) for n in text.split(",")], default=None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slaves", type=int, default=50)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    for name in [name for name in options.names if name.isdecimal()]:
        options.slaves = int(name)
        options.names.remove(name)
    for name in options.names:
        if name not in BENCHES:
            parser.error(f"there is no {name}; there are {', '.join(BENCHES)}")
    options.sizes = options.principals or [10000, 100000]
    nodes.prepare(options.slaves)
    try:
        for name in options.names or BENCHES:
            for old in nodes.BASE.glob("[hdn]*"):
                if old.is_dir() and old.name != "master":
                    nodes.shutil.rmtree(old)
            report = Report(name, options.json)
            BENCHES[name](options, report)
            report.show()
    finally:
        for p in list(nodes.started):
            stop(p)


if __name__ == "__main__":
    main()
