"""What the pages tell an operator to do is done, on hosts as tests/docs/realm.py makes them: the commands of a block are
executed as they stand, each block at its host. A dump goes in at one end and comes out at the others.

readme.py first_look README BIN_DIR          the first look by hand
readme.py two_replicas OPERATIONS BIN_DIR    the setup of a realm with two replicas"""

import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import realm


def block(page, where, words):
    """The commands behind `where` that begin with a block which has these words."""
    for text in re.findall(r"^```sh\n(.*?)^```$", page[page.index(where):], flags=re.S | re.M):
        if words in text:
            return text
    sys.exit(f"no commands with `{words}` were found behind `{where}`")


class Hosts:
    def __init__(self, place, programs, names):
        self.all = {name: realm.Host(place, name, programs) for name in names}
        self.master = self.all[names[0]]

    def begin(self):
        for host in self.all.values():
            host.configure(self.all)
            conf = (host.dir / "etc/krb5.conf").read_text(encoding="utf-8")
            host.write("etc/krb5.conf", conf + f"    pid_file = {host.dir}/run/krbrepl.pid\n")
        realm.make_old_realm(self.master)

    def run(self, host, text):
        # The page calls the master by its name, after which its principal is called.
        name = f"{self.master.name}.example.com"
        text = text.replace(f" {name}\n", f" --service krbrepl/{name} 127.0.0.1:{self.master.replication}\n")
        code, out = host.run(host.paths(text))
        if code != 0:
            sys.exit(f"{host.name}:\n{text}\n{out[-4000:]}\nThe commands ended with exit code {code}.")
        return out

    def prepare(self, replica):
        """What the page says to bring there before: the keytab, the configuration, the stash file."""
        conf = (self.master.dir / "etc/krb5kdc/kdc.conf").read_text(encoding="utf-8")
        for old, new in ((str(self.master.dir), str(replica.dir)), (f":{self.master.kdc}\n", f":{replica.kdc}\n")):
            conf = conf.replace(old, new)
        replica.write("etc/krb5kdc/kdc.conf", conf)
        for name, there in ((f"root/{replica.name}.keytab", "etc/krb5.keytab"),
                            ("etc/krb5kdc/stash", "etc/krb5kdc/stash")):
            shutil.copy(self.master.dir / name, replica.dir / there)

    def expect(self):
        for host in self.all.values():
            names = self.run(host, "kadmin.local listprincs")
            if "alice@EXAMPLE.COM" not in names or "user200@EXAMPLE.COM" not in names:
                sys.exit(f"{host.name} has only\n{names}")

    def stop(self):
        for host in self.all.values():
            host.stop(signal.SIGTERM)
            host.stop(signal.SIGKILL)


def first_look(page, hosts):
    text = block(page, "## A first look by hand", "# on the master")
    first, mark, second = text.partition("# on the replica")
    hosts.run(hosts.master, first)
    hosts.prepare(hosts.all["replica"])
    hosts.run(hosts.all["replica"], mark + second)


def two_replicas(page, hosts):
    where = "## Set up a realm with two replicas"
    hosts.run(hosts.master, block(page, where, "krbrepl init --master"))
    for name in ("kdc2", "kdc3"):
        hosts.prepare(hosts.all[name])
        # It goes to the background; the test wants to end it.
        text = block(page, where, "krbrepl-replica").replace("\nkrb5kdc\n", '\nkrb5kdc -P "$HOST/run/krb5kdc.pid"\n')
        hosts.run(hosts.all[name], text)
        hosts.run(hosts.all[name], "echo Another-Secret-0 | kinit alice")
    hosts.run(hosts.master, "krbrepl status --max-lag '5 min' --replicas 2 /var/lib/krbrepl")


def main():
    what, page, programs = sys.argv[1:]
    names = {"first_look": ("master", "replica"), "two_replicas": ("kdc1", "kdc2", "kdc3")}[what]
    place = Path(tempfile.mkdtemp(prefix="krbrepl-readme."))
    hosts = Hosts(place, programs, names)
    try:
        hosts.begin()
        {"first_look": first_look, "two_replicas": two_replicas}[what](Path(page).read_text(encoding="utf-8"), hosts)
        hosts.expect()
    finally:
        hosts.stop()
        shutil.rmtree(place, ignore_errors=True)


main()
