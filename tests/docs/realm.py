"""The walk through a realm of MIT krb5 is followed to the letter: each command of docs/mit-realm.md is executed in the
order of the page, at the host that its prompt names. The three hosts are directories of one machine: a path such as
/etc or /var/lib becomes one below the host's own directory, a host's name in the place of an address becomes a port of
loopback, scp copies between the directories, and systemctl starts and stops the real krb5kdc and kadmind.

realm.py PAGE BIN_DIR PLUGIN_DIR"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

REALM = "EXAMPLE.COM"
NAMES = ("kdc1", "kdc2", "kdc3")
PROGRAMS = ("krb5kdc", "kadmind", "krbrepl-master", "krbrepl-replica")
PLUGINS = "/usr/local/lib/krb5/plugins/kdb"  # of the page
LOST = "has lost its power"
PATIENCE = 60  # for one command
WRITABLE = "/var/lib/krb5kdc/"  # all that Debian's units let krb5kdc and kadmind write of what lasts
# What an operator finds on a host, where there is none.
PRELUDE = r"""
set -euo pipefail
scp() { cp "$@"; }
gone() { kill -0 "$1" 2>/dev/null && [ "$(awk '/^State/ {print $2}' "/proc/$1/status" 2>/dev/null)" != Z ]; }
start() { # PROGRAM OPTION LOG WORDS
    : >"$3"
    "$1" "$2" </dev/null >>"$3.out" 2>&1 &
    echo $! >"$HOST/run/$1.pid"
    for try in $(seq 600); do
        if grep -q "$4" "$3"; then return 0; fi
        kill -0 $! || { cat "$3" "$3.out"; return 1; }
        sleep 0.05
    done
    return 1
}
systemctl() { # ACTION UNIT
    local program=krb5kdc pid
    [ "$2" = krb5-kdc ] || program=kadmind
    [ "$1" != disable ] || return 0
    if [ "$1" != start ] && [ -e "$HOST/run/$program.pid" ]; then
        pid=$(cat "$HOST/run/$program.pid")
        kill "$pid"
        while gone "$pid"; do sleep 0.02; done
        rm "$HOST/run/$program.pid"
    fi
    [ "$1" != stop ] || return 0
    case $program in
    krb5kdc) start krb5kdc -n "$HOST/kdc.log" 'commencing operation' ;;
    kadmind) start kadmind -nofork "$HOST/kadmin.log" starting ;;
    esac
}
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Host:
    def __init__(self, place, name, programs):
        self.dir, self.name = place / name, name
        self.kdc, self.admin, self.kpasswd, self.replication = free_ports(4)
        for part in ("etc/krb5kdc", "var/lib/krb5kdc", "run", "root"):
            (self.dir / part).mkdir(parents=True)
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith("KRB5")},
                    "HOST": str(self.dir), "LC_ALL": "C",
                    "PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin",
                    "KRB5_CONFIG": str(self.dir / "etc/krb5.conf"), "KRB5CCNAME": f"FILE:{self.dir}/ccache",
                    "KRB5_KDC_PROFILE": str(self.dir / "etc/krb5kdc/kdc.conf")}

    def write(self, path, text):
        (self.dir / path).write_text(text, encoding="utf-8")

    def configure(self, hosts):
        """krb5.conf as section 1 of the page has it; the KDC of this host comes first."""
        kdcs = "".join(f"        kdc = 127.0.0.1:{h.kdc}\n" for h in sorted(hosts.values(), key=lambda h: h is not self))
        self.write("etc/krb5.conf", f"""[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    default_keytab_name = FILE:{self.dir}/etc/krb5.keytab
[realms]
    {REALM} = {{
{kdcs}    }}
[krbrepl]
    service = krbrepl/{self.name}.example.com
    principal = krbrepl/{self.name}.example.com
    listen = 127.0.0.1:{self.replication}
""")

    def kdc_conf(self, text):
        """kdc.conf of the page, on ports that a test can have."""
        own = (f"{REALM} = {{\n        kadmind_listen = 127.0.0.1:{self.admin}\n"
               f"        kpasswd_listen = 127.0.0.1:{self.kpasswd}\n")
        self.write("etc/krb5kdc/kdc.conf", f"""[kdcdefaults]
    kdc_listen = 127.0.0.1:{self.kdc}
    kdc_tcp_listen = 127.0.0.1:{self.kdc}
[logging]
    kdc = FILE:{self.dir}/kdc.log
    admin_server = FILE:{self.dir}/kadmin.log
    default = FILE:{self.dir}/krb5.log
""" + self.paths(text).replace(f"{REALM} = {{\n", own))

    def paths(self, text):
        return re.sub(r"(?<![\w/.:])/(etc|var|run|root)\b", rf"{self.dir}/\1", text)

    def run(self, command):
        with tempfile.TemporaryFile("w+") as out:
            # Daemons keep what they inherit: the output is a file and no pipe.
            try:
                code = subprocess.run(["bash", "-c", PRELUDE + command], cwd=self.dir / "root", env=self.env, stdout=out,
                                      stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=PATIENCE,
                                      check=False).returncode
            except subprocess.TimeoutExpired:
                code = "none: it did not end"
            out.seek(0)
            return code, out.read()

    def stop(self, number):
        for pid in self.dir.glob("run/*.pid"):
            try:
                process = int(pid.read_text(encoding="ascii"))
                # Only what was started here, never another one that got its number.
                if Path(f"/proc/{process}/comm").read_text(encoding="ascii").strip() in PROGRAMS:
                    os.kill(process, number)
            except (ValueError, OSError):
                pass
            pid.unlink(missing_ok=True)


def steps(page):
    """("conf", text), ("lost", name) and (host, command) in the order of the page."""
    pattern = r"^```(\w*)\n(.*?)^```$|`(kdc\d)` " + LOST
    for match in re.finditer(pattern, page, flags=re.S | re.M):
        if match.group(3):
            yield "lost", match.group(3)
        elif match.group(1) == "ini" and "database_module" in match.group(2):
            yield "conf", match.group(2)
        elif match.group(1) == "":
            for line in match.group(2).splitlines():
                found = re.fullmatch(r"(kdc\d)# (.*)", line)
                if not found:
                    sys.exit(f"a command without a prompt: {line}")
                yield found.groups()


def translated(command, host, hosts, last):
    command = re.sub(r"(kdc\d):/", lambda m: f"{hosts[m.group(1)].dir}/", command)
    command = re.sub(r" (kdc\d)\.example\.com$", lambda m: f" 127.0.0.1:{hosts[m.group(1)].replication}", command)
    return host.paths(command).replace("LAST", last)


def check_places(page):
    """The hosts of this test have no units, so that a store would work anywhere on them."""
    places = re.findall(r"(?:database_name = |--store |init |adopt |promote )(/\S+)", page)
    for place in places:
        if not place.startswith(WRITABLE):
            sys.exit(f"a KDC of Debian's cannot use a store in {place}")
    if len(places) < 10:
        sys.exit(f"only {len(places)} places of stores were found on the page")


def make_old_realm(host):
    """What the page finds: a realm on a database of MIT's own kind, with its KDC and kadmind."""
    host.kdc_conf(f"""[realms]
    {REALM} = {{
        database_name = /var/lib/krb5kdc/principal
        acl_file = /etc/krb5kdc/kadm5.acl
        key_stash_file = /etc/krb5kdc/stash
    }}
""")
    host.write("etc/krb5kdc/kadm5.acl", f"*/admin@{REALM} *\n")
    code, out = host.run("kdb5_util create -s -P master && kadmin.local addpol -minlength 6 staff && "
                         "kadmin.local addprinc -pw Another-Secret-0 -policy staff alice && "
                         "for i in $(seq 200); do echo addprinc -nokey user$i; done | kadmin.local >/dev/null 2>&1 && "
                         "systemctl start krb5-kdc && systemctl start krb5-admin-server")
    if code != 0:
        sys.exit(f"the old realm cannot be made:\n{out}")


def follow(page, hosts, plugins):
    seen, last, count = "", "", 0
    for what, text in steps(page):
        if what == "conf":
            for host in hosts.values():
                host.kdc_conf(text.replace(PLUGINS, plugins))
        elif what == "lost":
            hosts[text].stop(signal.SIGKILL)
        else:
            code, out = hosts[what].run(translated(text, hosts[what], hosts, last))
            seen += f"{what}# {text}\n{out}"
            count += 1
            if code != 0:
                logs = "".join(f"--- {p}\n{p.read_text(errors='replace')[-2000:]}" for h in hosts.values()
                               for p in h.dir.glob("*.log*"))
                sys.exit(f"{seen}\nThe last command ended with exit code {code}.\n{logs}")
            if " demote " in text:
                last = re.search(r"position\s+(\d+)", out).group(1)
    return seen, count


def main():
    page, programs, plugins = sys.argv[1:]
    page = Path(page).read_text(encoding="utf-8")
    # Not below the build directory, which may be on a file system that cannot hold a map of LMDB.
    place = Path(tempfile.mkdtemp(prefix="krbrepl-realm."))
    check_places(page)
    hosts = {name: Host(place, name, programs) for name in NAMES}
    try:
        for host in hosts.values():
            host.configure(hosts)
        make_old_realm(hosts["kdc1"])
        seen, count = follow(page, hosts, plugins)
        for text in ("adopted and checked: 20", "final: two readings", "opens the database", "lag 0 commits",
                     "0 added, 0 changed, 0 deleted"):
            if text not in seen:
                sys.exit(f"not seen: {text}\n{seen}")
        if count < 70:
            sys.exit(f"only {count} commands were found on the page")
    finally:
        for host in hosts.values():
            host.stop(signal.SIGTERM)
            host.stop(signal.SIGKILL)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
