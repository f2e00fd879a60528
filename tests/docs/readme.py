"""The first look by hand of README.md is taken: its commands are executed in their order, first those of the master, then
those of the replica, on two hosts as tests/docs/realm.py makes them. A dump goes in at one end and comes out at the other.

readme.py PAGE BIN_DIR"""

import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import realm

PARTS = ("# on the master", "# on the replica")


def commands(page):
    """(those of the master, those of the replica)"""
    found = [text for text in re.findall(r"^```sh\n(.*?)^```$", page, flags=re.S | re.M) if text.startswith(PARTS[0])]
    if len(found) != 1 or PARTS[1] not in found[0]:
        sys.exit("the commands of the first look were not found")
    first, _, second = found[0].partition(PARTS[1])
    return first, PARTS[1] + second


def main():
    page, programs = sys.argv[1:]
    place = Path(tempfile.mkdtemp(prefix="krbrepl-readme."))
    hosts = {name: realm.Host(place, name, programs) for name in ("master", "replica")}
    master, replica = hosts["master"], hosts["replica"]

    def run(host, text):
        code, out = host.run(host.paths(text))
        if code != 0:
            sys.exit(f"{text}\n{out[-4000:]}\nThe commands ended with exit code {code}.")
        return out

    try:
        for host in hosts.values():
            host.configure(hosts)
            conf = (host.dir / "etc/krb5.conf").read_text(encoding="utf-8")
            host.write("etc/krb5.conf", conf + f"    pid_file = {host.dir}/run/krbrepl.pid\n")
        realm.make_old_realm(master)
        replica.write("etc/krb5kdc/kdc.conf", (master.dir / "etc/krb5kdc/kdc.conf").read_text(encoding="utf-8")
                      .replace(str(master.dir), str(replica.dir)))
        first, second = commands(Path(page).read_text(encoding="utf-8"))
        run(master, first)
        for name, there in (("root/replica.keytab", "etc/krb5.keytab"), ("etc/krb5kdc/stash", "etc/krb5kdc/stash")):
            shutil.copy(master.dir / name, replica.dir / there)
        # The page calls the master by its name, after which its principal is called.
        at = f" --service krbrepl/master.example.com 127.0.0.1:{master.replication}\n"
        run(replica, second.replace(" master.example.com\n", at))
        for host in (master, replica):
            names = run(host, "kadmin.local listprincs")
            if "alice@EXAMPLE.COM" not in names or "user200@EXAMPLE.COM" not in names:
                sys.exit(f"{host.name} has only\n{names}")
    finally:
        for host in hosts.values():
            host.stop(signal.SIGTERM)
            host.stop(signal.SIGKILL)
        shutil.rmtree(place, ignore_errors=True)


main()
