#!/bin/bash
# kadmin, kpasswd and kinit as Debian ships them, over the network, in a realm with two replicas. One promise a run.
#
#   network_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/checks.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh"

begin_with_kadmind() {
    begin
    must kdb_kadmind
}

everywhere() { # COMMAND...
    local name
    for name in $KDB_NODES; do
        kdb_at "$name" "$@" || fail "$name: $*"
    done
}
nowhere() {
    local name
    for name in $KDB_NODES; do
        ! kdb_at "$name" "$@" || fail "$name: $*"
    done
}

what_kadmin_does_over_the_network_is_the_same_everywhere() {
    begin_with_kadmind
    local command
    # One session with many commands, as a script of an administrator has it.
    while read -r command; do
        echo "$command"
    done >"$work/session" <<'COMMANDS'
addpol -minlength 6 -minclasses 2 -history 3 -maxfailure 3 staff
addpol -minlength 4 "two words"
addprinc -pw Secret-1-Alice -policy staff +requires_preauth alice
addprinc -pw Secret-1-Bob -policy "two words" bob
addprinc -randkey -maxlife 2h host/a
addprinc -nokey bare
modprinc -expire "2105-06-01" bob
setstr alice color blue
setstr bare color red
delstr bare color
cpw -pw Secret-2-Bob -keepold bob
cpw -randkey -keepold host/a
purgekeys bob
modpol -maxlife 90days staff
renprinc -force bare dressed
delpol -force nowhere
delprinc -force dressed
listprincs
listpols
getprivs
COMMANDS
    remote <"$work/session" >"$work/out" 2>&1
    grep -q 'Principal "alice@KRBREPL.TEST" created' "$work/out" || fail "$(cat "$work/out")"
    [ "$(grep -c 'kadmin: ' "$work/out")" -ge 20 ] || fail "the session is short: $(cat "$work/out")"
    quietly remote ktadd -k "$work/keytab" host/a
    arrive
    everywhere login alice Secret-1-Alice
    everywhere login bob Secret-2-Bob
    nowhere login bob Secret-1-Bob
    everywhere kinit -k -t "$work/keytab" host/a
    # With a ticket and with a keytab too.
    quietly admin addprinc -randkey robot/admin
    quietly admin ktadd -k "$work/robot" robot/admin
    quietly kadmin -k -t "$work/robot" -p robot/admin -r "$REALM" setstr alice shape round
    kinit -S kadmin/admin -k -t "$work/robot" -c "FILE:$work/admin.cc" robot/admin || fail "no ticket for kadmin"
    quietly kadmin -c "FILE:$work/admin.cc" -r "$REALM" setstr alice size small
    arrive
    # Who did it is in the log of every node.
    local name
    for name in $KDB_NODES; do
        krbrepl log "$REALM_DIR/$name" >"$work/log"
        grep -q "root/admin@$REALM \"kadmind: create principal alice@$REALM\"" "$work/log" || fail "$name: $(cat "$work/log")"
        grep -q "robot/admin@$REALM \"kadmind: modify principal alice@$REALM\"" "$work/log" || fail "$name: $(cat "$work/log")"
    done
    # Who has no right is refused, and nothing is written.
    local before
    before=$(road_seq master)
    must_not kadmin -p alice -w Secret-1-Alice -r "$REALM" addprinc -pw x intruder >"$work/out" 2>&1
    [ "$(road_seq master)" = "$before" ] || fail "something was written"
}

passwd() { # PRINCIPAL OLD NEW
    printf '%s\n%s\n%s\n' "$2" "$3" "$3" | kpasswd "$1" >"$work/out" 2>&1
}

a_password_changed_with_kpasswd_opens_everywhere_and_its_history_holds() {
    begin_with_kadmind
    quietly remote addpol -minlength 8 -minclasses 3 -history 3 staff
    quietly remote addprinc -pw Secret-1-Alice -policy staff alice
    must passwd alice Secret-1-Alice Secret-2-Alice
    arrive
    everywhere login alice Secret-2-Alice
    nowhere login alice Secret-1-Alice
    # Too short, too plain, the present one, and one of before.
    local bad
    for bad in short plainplain Secret-2-Alice Secret-1-Alice; do
        must_not passwd alice Secret-2-Alice "$bad"
    done
    must passwd alice Secret-2-Alice Secret-3-Alice
    must passwd alice Secret-3-Alice Secret-4-Alice
    must_not passwd alice Secret-4-Alice Secret-2-Alice
    # The history of three is over for the first one.
    must passwd alice Secret-4-Alice Secret-1-Alice
    arrive
    everywhere login alice Secret-1-Alice
    nowhere login alice Secret-4-Alice
    # A password that has expired is changed on the way in.
    quietly remote modprinc -pwexpire yesterday alice
    arrive
    printf 'Secret-1-Alice\nSecret-5-Alice\nSecret-5-Alice\n' | kinit alice >"$work/out" 2>&1 || fail "$(cat "$work/out")"
    arrive
    everywhere login alice Secret-5-Alice
}

attempts() { kdb_at "$1" admin getprinc "$2" 2>/dev/null | sed -n 's/^Failed password attempts: //p'; }

is_later() { [ "$(date +%s)" -gt "$1" ]; }

a_lockout_stays_at_its_kdc_and_an_administrators_unlock_travels() {
    begin_with_kadmind
    local i name before now
    quietly remote addpol -maxfailure 3 -failurecountinterval 0 -lockoutduration 0 three
    quietly remote addprinc -pw right -policy three +requires_preauth alice
    arrive
    before=$(road_seq master)
    for i in 1 2 3; do must_not kdb_at replica-1 login alice wrong; done
    must_not kdb_at replica-1 login alice right
    grep -q revoked "$work/kinit" || fail "$(cat "$work/kinit")"
    must kdb_at replica-2 login alice right
    must login alice right
    [ "$(attempts replica-1 alice)" = 3 ] || fail "$(attempts replica-1 alice) attempts at replica-1"
    [ "$(attempts replica-2 alice)" = 0 ] || fail "replica-2 counts what others saw"
    [ "$(attempts master alice)" = 0 ] || fail "the master counts what others saw"
    [ "$(road_seq master)" = "$before" ] || fail "failed logins made commits"
    # Neither another change nor a restart of its KDC unlocks it.
    quietly remote modprinc -maxlife 5h alice
    quietly remote cpw -pw changed alice
    arrive
    kdb_kdc_stop replica-1 TERM
    must kdb_kdc_start replica-1
    must_not kdb_at replica-1 login alice changed
    must kdb_at replica-2 login alice changed
    quietly remote modprinc -unlock alice
    arrive
    everywhere login alice changed
    # An unlock is a time in seconds, and forgives what fails in that second too.
    now=$(date +%s)
    must road_until "the next second" is_later "$now"
    # Each is locked by itself, and one word unlocks them all.
    for name in $KDB_NODES; do
        for i in 1 2 3; do must_not kdb_at "$name" login alice wrong; done
        must_not kdb_at "$name" login alice changed
    done
    quietly remote modprinc -unlock alice
    arrive
    everywhere login alice changed
}

# kpropd as inetd starts it: one connection, which is its standard input. It and kprop go by the name of this host.
kpropd_for_one() { # ARGUMENT...
    setpriv --pdeathsig KILL python3 -c '
import socket, subprocess, sys
s = socket.create_server((socket.gethostbyname(socket.gethostname()), 0))
print(s.getsockname()[1], flush=True)
connection, _ = s.accept()
sys.exit(subprocess.run(["kpropd", *sys.argv[1:]], stdin=connection, stdout=sys.stderr, check=False).returncode)' "$@" \
        >"$work/port" 2>"$REALM_DIR/kpropd.log" </dev/null &
    jobs_of_test+=($!)
    must road_until "a port for kpropd" test -s "$work/port"
}

a_dump_that_kprop_brings_is_a_commit_of_what_differs() {
    local host before name
    host=$(hostname | tr A-Z a-z)
    begin
    quietly admin addprinc -randkey "host/$host"
    quietly admin ktadd -k "$REALM_DIR/default.keytab" "host/$host"
    quietly admin addprinc -pw secret gone
    quietly util dump "$work/start"
    # A primary on db2, from which kprop goes on until the day of the change.
    kdb_db2 quietly kdb5_util -r "$REALM" load "$work/start"
    kdb_db2 quietly kadmin.local -r "$REALM" addpol -minlength 4 staff
    kdb_db2 quietly kadmin.local -r "$REALM" addprinc -pw secret -policy staff newcomer
    kdb_db2 quietly kadmin.local -r "$REALM" delprinc -force gone
    kdb_db2 quietly kdb5_util -r "$REALM" dump "$work/sent"
    echo "host/$host@$REALM" >"$work/kpropd.acl"
    arrive
    before=$(road_seq master)
    kpropd_for_one -r "$REALM" -f "$work/received" -p "$(command -v kdb5_util)" -a "$work/kpropd.acl" \
        -s "$REALM_DIR/default.keytab"
    quietly kprop -P "$(cat "$work/port")" -r "$REALM" -f "$work/sent" -s "$REALM_DIR/default.keytab" "$host"
    grep -q SUCCEEDED "$work/out" || fail "kprop: $(cat "$work/out") $(cat "$REALM_DIR/kpropd.log")"
    [ "$(road_seq master)" = $((before + 1)) ] || fail "it is not one commit: $(krbrepl log --last 3 "$REALM_DIR/master")"
    krbrepl log --last 1 "$REALM_DIR/master" | grep -q '"kdb5_util: load" 2 put, 1 deleted' || fail "$(krbrepl log --last 1 "$REALM_DIR/master")"
    arrive
    for name in $KDB_NODES; do
        must kdb_at "$name" login newcomer secret
        must_not kdb_at "$name" login gone secret
    done
}

"$3"
