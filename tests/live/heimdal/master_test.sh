#!/bin/bash
# master_test.sh PROGRAMS TAKELOG PROMISE: krbrepl-master serves Heimdal's unmodified ipropd-slave.
#
# A realm of Heimdal's is where changes are made; each record of its log becomes a commit of a store (takelog.c),
# and krbrepl-master serves that. What a slave has in the end is compared with what Heimdal's own master has.
# shellcheck source=case.sh
. "$(dirname "$0")/case.sh"
# shellcheck source=served.sh
. "$(dirname "$0")/served.sh"

# Whether a slave has something under this name, an alias too: it cannot be added (to a copy of its database).
knows()
{
    rm -rf "$HEIMDAL_DIR/probe"
    mkdir "$HEIMDAL_DIR/probe" && heimdal_config probe
    cp "$HEIMDAL_DIR/$1"/heimdal* "$HEIMDAL_DIR/$1/m-key" "$HEIMDAL_DIR/probe/"
    heimdal_on probe heimdal_tool kadmin -l -c "$HEIMDAL_DIR/probe/krb5.conf" -r "$REALM" \
        add --random-key --use-defaults "$2" >"$WORK/probe.out" 2>&1
    grep -q "already exists" "$WORK/probe.out"
}

slot() { "$PROGRAMS/krbrepl" slot --quiet "$1" "$WORK/store" "iprop/$2@$REALM"; }

# Whether the store says that the slave has answered for all that there is: a master that is killed knows it then.
answered()
{
    local seq
    seq=$("$PROGRAMS/krbrepl" status --json "$WORK/store" | python3 -c '
import json, sys
print(json.load(sys.stdin)["journal"]["last"])')
    "$PROGRAMS/krbrepl" slot --json list "$WORK/store" | python3 -c '
import json, sys
sys.exit(not [s for s in json.load(sys.stdin)["slots"]
              if s["principal"].startswith("iprop/%s@" % sys.argv[1]) and s["durable"] == int(sys.argv[2])])' "$1" "$seq"
}

# ---- promises -----------------------------------------------------------------------------------

a_fresh_slave_gets_a_complete_database()
{
    begin
    serve
    follow s1
    arrives s1
    must says "complete database is there"
    must heimdal_until 20 sealed s1
    "$PROGRAMS/krbrepl" status "$WORK/store" >"$WORK/status"
    must grep -q "speaks heimdal, version $(heimdal_version s1)" "$WORK/status"
}

# It has no key for native replicas, which is no error.
a_master_for_slaves_of_heimdal_alone_says_so()
{
    begin
    serve
    must says "NOTICE.*no native replica is served, for there is no key for that"
    must says "NOTICE.*Heimdal's slaves are served too"
    must says "NOTICE.*no --acl: no native replica may follow"
    says "ERROR\|WARN" && fail "there is something wrong"
    return 0
}

# The default realm at the master is another one; -r says which. (Heimdal's slave is named after its default realm,
# whatever -r says.)
a_slave_of_another_realm_than_the_default_is_served()
{
    begin OTHER.TEST
    sed -e 's/default_realm = .*/default_realm = DEFAULT.TEST/' "$HEIMDAL_DIR/master/mit.conf" >"$WORK/krb5.conf"
    MASTER_CONF=$WORK/krb5.conf serve -r OTHER.TEST
    must heimdal_slave_make s1
    allow s1
    take
    slave_port s1
    arrives s1
    add one
    take
    arrives s1
    must says "iprop/s1@OTHER.TEST .*: slave is up"
}

# Heimdal's own master has no such address; its slave takes what the name of the master has.
a_slave_may_come_by_ipv6()
{
    [ "$(cat /proc/sys/net/ipv6/conf/lo/disable_ipv6 2>/dev/null)" = 0 ] || heimdal_skip "there is no IPv6 here"
    # Of this mount namespace alone.
    if [ -n "$HEIMDAL_ALONE" ]; then
        printf '::1 localhost\n127.0.0.1 localhost\n' >"$WORK/hosts"
        mount --bind "$WORK/hosts" /etc/hosts
    fi
    python3 -c 'import socket; socket.create_server(("::1", 0), family=socket.AF_INET6)
socket.getaddrinfo("localhost", 1, socket.AF_INET6)' 2>"$WORK/python" || heimdal_skip "there is no IPv6 here"
    begin
    MASTER_AT="[::1]" serve
    follow s1
    arrives s1
    add one
    take
    arrives s1
    must says "s1@.* (\[::1\]:.*slave is up"
}

# What the log of a slave has behind a version: its operations, by iprop-log.
operations()
{
    heimdal_log "$1" dump | awk -v after="$2" '/^[a-z]+: ver = / { sub(",", "", $4); if ($4 > after) print $1 }' |
        sed 's/:$//' | tr '\n' ' '
}

a_change_is_one_record_where_it_is_known_what_was_there()
{
    local before
    begin
    serve
    follow s1
    arrives s1
    must heimdal_until 20 sealed s1
    before=$(heimdal_version s1)
    must heimdal_kadmin modify --max-ticket-life=3h iprop/s1
    take
    arrives s1
    must heimdal_until 20 sealed s1
    heimdal_slave_down s1
    [ "$(operations s1 "$before")" = "modify nop " ] || fail "the slave's log has: $(operations s1 "$before")"
    # One version is left out, and Heimdal's own program goes through that.
    [ "$(heimdal_log s1 last-version | grep -o '[0-9]*$')" = "$((before + 3))" ] ||
        fail "iprop-log says: $(heimdal_log s1 last-version)"
    must heimdal_log s1 truncate -K 1
    slave_port s1
    add two
    take
    arrives s1
    [ "$(said "complete database begins")" = 1 ] || fail "there was another complete database"
}

# What the store has of an entry that a modify may not carry: creator, start of validity, extensions.
fixed_part() { awk '/^one@/ { print $3, $5, $12 == "-" ? "none" : "some" }'; }

# One that no program of Heimdal's takes away.
is_made_anew()
{
    "$PROGRAMS/krbrepl" dump --quiet --format heimdal "$WORK/store" "$WORK/dump" || fail "dump"
    awk "/^one@/ { $1; print }" "$WORK/dump" >"$WORK/update"
    must "$PROGRAMS/krbrepl" load --quiet --update --format heimdal "$WORK/store" "$WORK/update"
    must heimdal_until 20 has_fixed_part "$(fixed_part <"$WORK/update")"
}

has_fixed_part() { [ "$(heimdal_dump s1 | fixed_part)" = "$1" ]; }

what_a_modify_of_heimdal_does_not_carry_arrives()
{
    local copies
    begin
    serve
    follow s1
    add one
    take
    arrives s1
    copies=$(said "complete database begins")
    is_made_anew '$5 = "20200101000000"'
    must has_fixed_part "$(heimdal_dump master | awk '/^one@/ { print $3 }') 20200101000000 some"
    is_made_anew '$5 = "-"'
    is_made_anew '$3 = "20210101000000:somebody@" substr($1, index($1, "@") + 1)'
    is_made_anew '$12 = "-"'
    is_made_anew '$5 = "20210101000000"'
    # The slave is away, and is told all the same.
    heimdal_slave_down s1
    "$PROGRAMS/krbrepl" dump --quiet --format heimdal "$WORK/store" "$WORK/dump" || fail "dump"
    awk '/^one@/ { $5 = "-"; print }' "$WORK/dump" >"$WORK/update"
    must "$PROGRAMS/krbrepl" load --quiet --update --format heimdal "$WORK/store" "$WORK/update"
    unserve
    serve
    slave_port s1
    must heimdal_until 20 has_fixed_part "$(fixed_part <"$WORK/update")"
    must says "slave is up"
    says "complete database begins" && fail "there was a complete database"
    [ "$copies" = 1 ] || fail "there was more than one complete database"
}

every_operation_arrives_as_an_increment()
{
    local copies
    begin
    serve
    follow s1
    arrives s1
    copies=$(said "complete database begins")
    must heimdal_kadmin add --password=first --use-defaults user
    take; arrives s1
    must heimdal_kadmin cpw --password=second user
    take; arrives s1
    must heimdal_kadmin cpw --random-key user
    take; arrives s1
    must heimdal_kadmin modify --max-ticket-life=3h --max-renewable-life=2d user
    take; arrives s1
    must heimdal_kadmin modify --attributes=+disallow-proxiable,+requires-pre-auth user
    take; arrives s1
    must heimdal_kadmin modify --expiration-time=2030-01-01 --pw-expiration-time=2031-01-01 user
    take; arrives s1
    must heimdal_kadmin modify --expiration-time=never --pw-expiration-time=never user
    take; arrives s1
    must heimdal_kadmin modify --policy=default user
    take; arrives s1
    must heimdal_kadmin modify --kvno=9 --hist-kvno-diff-clnt=3 --hist-kvno-diff-svc=4 user
    take; arrives s1
    must heimdal_kadmin modify --constrained-delegation=host/a.test --pkinit-acl=CN=somebody user
    take; arrives s1
    must heimdal_kadmin modify --alias=nick --alias=nack user
    take; arrives s1
    must knows s1 nack
    must heimdal_kadmin cpw --password=third user
    take; arrives s1
    must knows s1 nack
    must heimdal_kadmin modify --alias=nick user
    take; arrives s1
    knows s1 nack && fail "an alias that is gone is still known"
    must knows s1 nick
    must heimdal_kadmin modify --alias= user
    take; arrives s1
    knows s1 nick && fail "an alias that is gone is still known"
    must heimdal_kadmin rename user other
    take; arrives s1
    must heimdal_kadmin modify --alias=nick other
    take; arrives s1
    must heimdal_kadmin delete other
    take; arrives s1
    knows s1 nick && fail "an alias of an entry that is gone is still known"
    [ "$(said "complete database begins")" = "$copies" ] || fail "there was a complete database"
    says "cannot apply" && fail "the slave could not apply something"
    return 0
}

a_slave_that_comes_back_goes_on_where_it_was()
{
    local i
    begin
    serve
    follow s1
    arrives s1
    heimdal_slave_down s1
    for i in 1 2 3 4 5 6 7; do
        add "user$i"
    done
    take
    slave_port s1
    arrives s1
    [ "$(said "complete database begins")" = 1 ] || fail "it got a complete database"
}

a_master_that_was_killed_goes_on_where_it_was()
{
    begin
    serve
    follow s1
    arrives s1
    add one
    take
    arrives s1
    must heimdal_until 20 answered s1
    unserve KILL
    add two
    take
    serve
    arrives s1
    says "complete database begins" && fail "it got a complete database"
    return 0
}

slave_died() { ! kill -0 "$(cat "$HEIMDAL_DIR/slave-$1.pid")" 2>/dev/null; }
ups() { said "slave is up"; }

# Starts a slave that was killed. One of release 7.8 that was killed between writing its log and its database does
# not start again, whoever its master is: its log has to go.
slave_again()
{
    local before
    before=$(ups)
    slave_port "$1"
    must heimdal_until 20 eval "slave_died $1 || [ \"\$(ups)\" -gt $before ]"
    [ "$(ups)" -gt "$before" ] && return
    rm -f "$HEIMDAL_DIR/$1/log"
    slave_port "$1"
    must heimdal_until 20 eval "[ \"\$(ups)\" -gt $before ]"
}

# Kills a slave as soon as its log says another version than now: its database gets the pages after that.
kill_when_it_moves()
{
    python3 -c '
import os, signal, sys, time
log, group, end = os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2]), time.monotonic() + 30
was = os.pread(log, 4, 28)
print("looking", flush=True)
while os.pread(log, 4, 28) == was and time.monotonic() < end:
    pass
os.killpg(group, signal.SIGKILL)' "$HEIMDAL_DIR/$1/log" "$(cat "$HEIMDAL_DIR/slave-$1.pid")"
}

a_slave_that_was_killed_converges()
{
    local i
    begin
    serve
    follow s1
    arrives s1
    for i in $(seq 4); do
        add "user$i"
        must heimdal_kadmin modify --alias="nick$i" "user$i"
        take
        heimdal_slave_down s1 KILL
        slave_again s1
    done
    for i in $(seq 5); do
        arrives s1
        must heimdal_until 20 answered s1
        : >"$WORK/killer"
        kill_when_it_moves s1 >"$WORK/killer" &
        must heimdal_until 20 grep -q looking "$WORK/killer"
        add "late$i"
        take
        wait $!
        heimdal_slave_down s1 KILL
        slave_again s1
    done
    arrives s1
}

# A complete database takes less than a tenth of a second: no pause between two looks.
begins() # COUNT
{
    local end=$((SECONDS + 20))
    until [ "$(said "complete database begins")" -ge "$1" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "complete database $1 does not begin"
    done
}

a_slave_killed_within_a_complete_database_gets_another()
{
    local i
    begin
    for i in $(seq 1500); do
        echo "add --random-key --use-defaults bulk$i"
    done >"$WORK/commands"
    heimdal_kadmin <"$WORK/commands" >"$WORK/out" 2>&1
    serve
    must heimdal_slave_make s1
    allow s1
    take
    for i in 1 2 3 4 5; do
        slave_port s1
        begins $i
        heimdal_slave_down s1 KILL
        # One that had it all the same would go on from there.
        [ "$(said "complete database is there")" = 0 ] || rm -f "$HEIMDAL_DIR/s1/log"
    done
    [ "$(said "complete database is there")" -lt 5 ] || fail "no slave was killed within one"
    slave_port s1
    arrives s1 60
}

a_slave_that_was_away_for_long_gets_a_complete_database()
{
    local i
    begin
    must "$PROGRAMS/krbrepl" retention --quiet --keep-entries 2 --keep-hard-cap 4096 "$WORK/store"
    serve
    follow s1
    arrives s1
    heimdal_slave_down s1
    for i in $(seq 10); do
        add "user$i"
    done
    take
    must heimdal_until 20 trimmed 30
    slave_port s1
    arrives s1
    must says "complete database begins at .*: behind"
}

trimmed()
{
    "$PROGRAMS/krbrepl" status --json "$WORK/store" | python3 -c '
import json, sys
sys.exit(0 if json.load(sys.stdin)["journal"]["first"] >= int(sys.argv[1]) else 1)' "$1"
}

a_silent_slave_is_asked_and_a_stopped_one_delays_nobody()
{
    local pid
    begin
    serve --time-missing 1s --time-gone 4s
    follow s1 s2
    arrives s1
    arrives s2
    sleep 3 # three signs of life are asked for and given
    says "nothing was heard" && fail "a live slave was taken for gone"
    pid=$(cat "$HEIMDAL_DIR/slave-s1.pid")
    kill -STOP -- "-$pid"
    add one
    take
    arrives s2
    must heimdal_until 20 says "s1@.*nothing was heard of the slave"
    add two
    take
    arrives s2
    kill -CONT -- "-$pid"
    arrives s1
}

# Those who are connected and say nothing more: nothing at all, the first bytes of Heimdal's dialect, its whole greeting.
hold_connections()
{
    python3 -c '
import socket, sys, time
greeting = b"\0\0\0\x13KRB5_SENDAUTH_V1.0\0"
held = []
for n in range(42):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall((b"", greeting[:3], greeting)[n % 3])
    held.append(s)
print("held", flush=True)
time.sleep(600)' "$HEIMDAL_IPROP_PORT" >"$WORK/held" &
    HOLDER=$!
    must heimdal_until 20 grep -q held "$WORK/held"
}

silent_connections_delay_nobody()
{
    begin
    serve
    hold_connections
    follow s1
    arrives s1
    add one
    take
    arrives s1
    must kill "$HOLDER"
    says "ERROR" && fail "there is something wrong"
    return 0
}

# Under its own name: who may follow stands in the store's directory, and the table is written where it is told.
files_of_iprop_are_there_under_the_own_name_too()
{
    begin
    must heimdal_slave_make s1
    take
    echo "iprop/s1@$REALM" >"$WORK/store/slaves"
    KRB5_CONFIG=$HEIMDAL_DIR/master/mit.conf heimdal_daemon krbrepl-master "$PROGRAMS/krbrepl-master" -r "$REALM" \
        --store "$WORK/store" --listen "127.0.0.1:$HEIMDAL_IPROP_PORT" --heimdal-iprop --heimdal-service iprop/localhost \
        --heimdal-keytab "$HEIMDAL_DIR/master/keytab" --slave-stats-file "$WORK/stats" --time-missing "1 min" \
        --time-gone 5min
    must heimdal_until 20 says "listening on"
    slave_port s1
    arrives s1
    must heimdal_until 20 grep -q "^iprop/s1@$REALM  *IPv4:127.0.0.1  *$(heimdal_version s1)  Up  *20" "$WORK/stats"
    heimdal_slave_down s1
    must heimdal_until 20 grep -q "^iprop/s1@$REALM .*  Down  " "$WORK/stats"
    unserve
    must grep -q '^master down at 20' "$WORK/stats"
}

# The list allows it, and the program was not told to serve it.
a_slave_is_not_served_unless_that_is_asked_for()
{
    begin
    must heimdal_slave_make s1
    allow s1
    take
    echo "heimdal iprop/s1@$REALM" >"$WORK/acl"
    KRB5_CONFIG=$HEIMDAL_DIR/master/mit.conf heimdal_daemon krbrepl-master "$PROGRAMS/krbrepl-master" \
        --store "$WORK/store" --listen "127.0.0.1:$HEIMDAL_IPROP_PORT" --service "iprop/localhost@$REALM" \
        --keytab "$HEIMDAL_DIR/master/keytab" --acl "$WORK/acl" --log-level info
    must heimdal_until 20 says "listening on"
    slave_port s1
    must heimdal_until 20 says "does not speak krbrepl .*--heimdal-iprop"
    says "slave is up" && fail "it was let in"
    [ "$(heimdal_slave_at s1)" = - ] || fail "it has got something: $(heimdal_slave_at s1)"
    unserve
    serve
    arrives s1
}

nobody_else_is_served()
{
    begin
    serve
    must heimdal_slave_make s1
    must heimdal_slave_make s2
    allow s2
    slave_port s1
    must heimdal_until 20 says "iprop/s1@.* may not follow as a Heimdal slave"
    # The key of s2 is not the one that the realm knows now.
    must heimdal_princ other - && cp "$HEIMDAL_DIR/s2/keytab" "$WORK/keytab"
    must heimdal_kadmin cpw --random-key iprop/s2
    slave_port s2
    sleep 2
    take
    says "s2@.*slave is up" && fail "a slave with a wrong key is up"
    rm -f "$HEIMDAL_DIR/s2/keytab"
    must heimdal_kadmin ext_keytab -k "FILE:$HEIMDAL_DIR/s2/keytab" iprop/s2
    take
    heimdal_slave_down s2
    slave_port s2
    arrives s2
    allow s1 s2
    arrives s1
}

a_wrong_key_at_the_master_is_told()
{
    begin
    must heimdal_slave_make s1
    allow s1
    cp "$HEIMDAL_DIR/master/keytab" "$WORK/old.keytab"
    must heimdal_kadmin cpw --random-key iprop/localhost
    serve
    slave_port s1
    must heimdal_until 20 says "the ticket of the other end is refused"
    says "slave is up" && fail "it was let in"
    return 0
}

a_native_replica_is_not_talked_down()
{
    begin
    echo "iprop/s1@$REALM" >"$WORK/acl"
    serve --acl "$WORK/acl"
    must heimdal_slave_make s1
    allow s1
    slave_port s1
    must heimdal_until 20 says "iprop/s1@.* may not follow as a Heimdal slave"
    says "s1@.*slave is up" && fail "it was let in"
    heimdal_slave_down s1
    echo "heimdal iprop/s1@$REALM" >"$WORK/acl"
    rm "$HEIMDAL_DIR/master/slaves"
    unserve
    take
    serve --acl "$WORK/acl"
    slave_port s1
    arrives s1
}

a_slot_that_is_reset_gets_a_complete_database()
{
    begin
    serve
    follow s1
    arrives s1
    must slot reset s1
    must heimdal_until 30 eval '[ "$(said "complete database is there")" = 2 ]'
    arrives s1
    heimdal_slave_down s1
    must slot reset s1
    slave_port s1
    must heimdal_until 30 eval '[ "$(said "complete database is there")" = 3 ]'
    arrives s1
}

an_older_backup_at_the_master_is_noticed()
{
    begin
    serve
    follow s1
    arrives s1
    must "$PROGRAMS/krbrepl" backup --quiet "$WORK/store" "$WORK/backup"
    cp -r "$WORK/store" "$WORK/older"
    add one
    take
    arrives s1
    unserve
    # By the command made for it: a history of its own.
    rm -r "$WORK/store"
    must "$PROGRAMS/krbrepl" restore --quiet "$WORK/backup" "$WORK/store"
    add two
    take_all
    serve
    must heimdal_until 30 eval '[ "$(said "complete database is there")" = 1 ]'
    arrives s1
    # By putting older files back, which nothing tells of.
    unserve
    rm -r "$WORK/store"
    mv "$WORK/older" "$WORK/store"
    add three
    add four
    take_all
    serve
    must heimdal_until 30 eval '[ "$(said "complete database is there")" = 1 ]'
    arrives s1
}

# The store lost commits: all of the log is applied once more, which comes to the same.
take_all()
{
    echo 0 >"$WORK/taken"
    take
}

fifty_slaves_have_every_change()
{
    local names i
    names=$(seq -f "s%g" 50)
    begin
    serve
    follow $names
    for i in $names; do
        arrives "$i" 120
    done
    add one
    must heimdal_kadmin cpw --password=new one
    take
    for i in $names; do
        arrives "$i" 60
    done
    [ "$(said "complete database begins")" = 50 ] || fail "there were more complete databases than slaves"
}

the_content_is_replaced_as_a_whole()
{
    begin
    serve
    follow s1
    arrives s1
    must "$PROGRAMS/krbrepl" promote --quiet "$WORK/store"
    add one
    take
    must heimdal_until 30 eval '[ "$(said "complete database is there")" = 2 ]'
    arrives s1
}

"$PROMISE"
