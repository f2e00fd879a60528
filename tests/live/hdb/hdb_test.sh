#!/bin/bash
# The HDB module under Heimdal's own kdc, kadmind, kadmin and hpropd, in a realm of its own.
#
#   hdb_test.sh BIN PLUGINS PROMISE [KDC]
#
# KDC is the embedding example, which has a KDC and a replica in one process.
# shellcheck source=../../common/heimdal.sh
. "$(dirname "$(readlink -f "$0")")/../../common/heimdal.sh"
heimdal_alone "$@"
set -eE

BIN=$1 HEIMDAL_PLUGINS=$2 PROMISE=$3 OWN_KDC=${4:-}
HEIMDAL_BACKEND=krbrepl:
export HEIMDAL_BACKEND HEIMDAL_PLUGINS
DIR=$(mktemp -d)
STORE=$DIR/master/heimdal

tidy()
{
    local pid
    heimdal_stop
    for pid in $(jobs -p); do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$DIR"
}
trap tidy EXIT
trap 'echo "line $LINENO: $BASH_COMMAND" >&2; tail -n 20 "$DIR"/*.out "$DIR"/*.log 2>/dev/null >&2' ERR

fail() { echo "$*" >&2; return 1; }
kadmin() { heimdal_kadmin "$@"; }
# As a client of the kdc on a port: kinit and the like.
client() # PORT COMMAND...
{
    local port=$1
    shift
    sed "s|kdc = tcp/127.0.0.1:.*|kdc = ${TRANSPORT:-tcp}/127.0.0.1:$port|; s/udp_preference_limit.*//" "$DIR/master/krb5.conf" >"$DIR/client.conf"
    KRB5_CONFIG=$DIR/client.conf heimdal_tool "$@"
}
kinit_works() # PORT PRINCIPAL PASSWORD [OPTION]...
{
    local port=$1 who=$2
    echo "$3" >"$DIR/password"
    shift 3
    client "$port" kinit --password-file="$DIR/password" "$@" "$who" >"$DIR/kinit.out" 2>&1
}
kinit_fails() { ! kinit_works "$@"; }
seq_of() { "$BIN/krbrepl" status --json "$1" | sed -n 's/.*"seq": *\([0-9]*\).*/\1/p' | head -1; }
last_why() { "$BIN/krbrepl" log "$STORE" | tail -n 1; }
# Runs a command that must make exactly so many commits.
commits() # N COMMAND...
{
    local n=$1 before after
    shift
    before=$(seq_of "$STORE")
    "$@" >"$DIR/command.out" 2>&1 || { cat "$DIR/command.out" >&2; return 1; }
    after=$(seq_of "$STORE")
    [ $((after - before)) = "$n" ] || fail "$*: $((after - before)) commits and not $n"
}
sound() { "$BIN/krbrepl" verify -q "$1"; }
dump() { heimdal_dump "$@"; }

# ---- with a replica -----------------------------------------------------------------------------

one_make()
{
    heimdal_slave_make one
    "$BIN/krbrepl" init -q "$DIR/one/heimdal"
    echo "iprop/one@$REALM" >"$DIR/acl"
    NATIVE=$(heimdal_port)
    master_up
}

one_up()
{
    one_make
    KRB5_CONFIG=$DIR/master/mit.conf "$BIN/krbrepl-replica" --store "$DIR/one/heimdal" \
        --service "iprop/localhost@$REALM" --principal "iprop/one@$REALM" --keytab "$DIR/one/keytab" \
        "localhost:$NATIVE" >"$DIR/replica.log" 2>&1 &
    "$BIN/krbrepl" wait --replicas 1 --timeout "60 s" "$STORE"
}

master_up()
{
    KRB5_CONFIG=$DIR/master/mit.conf "$BIN/krbrepl-master" --store "$STORE" --listen "127.0.0.1:$NATIVE" \
        --service "iprop/localhost@$REALM" --keytab "$DIR/master/keytab" --acl "$DIR/acl" >"$DIR/native.log" 2>&1 &
    MASTER=$!
}

arrived() { "$BIN/krbrepl" wait --replicas 1 --timeout "60 s" "$STORE"; }

second_kdc_up()
{
    local tries
    for tries in $(seq 20); do
        SECOND=$(heimdal_port)
        heimdal_on one heimdal_daemon kdc-one "$(heimdal_path kdc)" -c "$DIR/one/krb5.conf" \
            --ports="$SECOND/tcp $SECOND/udp" --addresses=127.0.0.1
        heimdal_came_up kdc-one "$SECOND" && return
        heimdal_down kdc-one
    done
    return 1
}

# ---- the promises -------------------------------------------------------------------------------

the_module_brings_no_second_kerberos()
{
    local maps
    kinit_fails "$HEIMDAL_PORT" nobody secret
    maps=$(cat /proc/"$(cat "$DIR/kdc.pid")"/maps)
    grep -q hdb_krbrepl.so <<<"$maps"
    grep -q 'libkrb5\.so\.26' <<<"$maps"
    ! grep -E 'libkrb5\.so\.3|libgssapi_krb5|libk5crypto|libkrbrepl' <<<"$maps"
}

every_operation_of_kadmin_is_one_commit()
{
    commits 1 kadmin add --password=secret --use-defaults alice
    commits 1 kadmin cpw --password=other alice
    commits 1 kadmin modify --max-ticket-life=3h --attributes=requires-pre-auth alice
    commits 1 kadmin rename alice bob
    last_why | grep -q "rename alice@$REALM to bob@$REALM"
    last_why | grep -q "1 put, 1 deleted"
    commits 1 kadmin modify --alias="carol@$REALM" --alias="dave@$REALM" bob
    last_why | grep -q "3 put, 0 deleted"
    commits 1 kadmin modify --policy=default bob
    kadmin get bob >"$DIR/bob"
    kadmin get -o policy bob | grep -q default
    grep -q "Aliases: carol@$REALM dave@$REALM" "$DIR/bob"
    commits 1 kadmin cpw --random-key bob
    commits 1 kadmin delete bob
    last_why | grep -q "0 put, 3 deleted"
    kadmin list '*' >"$DIR/names"
    ! grep -E '^(alice|bob|carol|dave)$' "$DIR/names"
    sound "$STORE"
}

what_reads_only_makes_no_commit()
{
    kadmin add --password=secret --use-defaults alice
    commits 0 kadmin get alice
    commits 0 kadmin list '*'
    commits 0 dump
    commits 0 kinit_works "$HEIMDAL_PORT" alice secret
    commits 0 kadmin ext_keytab --keytab="FILE:$DIR/keytab" iprop/localhost
}

what_fails_changes_nothing()
{
    kadmin add --password=secret --use-defaults alice
    kadmin add --password=secret --use-defaults bob
    kadmin modify --alias="carol@$REALM" alice
    dump >"$DIR/before"
    commits 0 bash -c ". $HEIMDAL_SH; ! heimdal_kadmin rename alice bob"
    commits 0 bash -c ". $HEIMDAL_SH; ! heimdal_kadmin add --password=x --use-defaults bob"
    commits 0 bash -c ". $HEIMDAL_SH; ! heimdal_kadmin modify --alias=carol@$REALM bob"
    commits 0 bash -c ". $HEIMDAL_SH; ! heimdal_kadmin delete nobody"
    dump | cmp - "$DIR/before"
}

the_kdc_gives_tickets_out_of_the_store()
{
    kadmin add --password=secret --use-defaults alice
    kinit_works "$HEIMDAL_PORT" alice secret
    kadmin cpw --password=other alice
    kinit_fails "$HEIMDAL_PORT" alice secret
    kinit_works "$HEIMDAL_PORT" alice other
    kadmin modify --alias="carol@$REALM" alice
    kinit_works "$HEIMDAL_PORT" carol other --canonicalize
    kadmin modify --alias= alice
    kinit_fails "$HEIMDAL_PORT" carol other --canonicalize
    kadmin rename alice bob
    kinit_fails "$HEIMDAL_PORT" alice other
    kadmin delete bob
    kinit_fails "$HEIMDAL_PORT" bob other
}

a_restored_store_is_noticed_by_the_kdc()
{
    kadmin add --password=secret --use-defaults alice
    kinit_works "$HEIMDAL_PORT" alice secret
    "$BIN/krbrepl" backup "$STORE" "$DIR/backup"
    kadmin cpw --password=other alice
    kinit_works "$HEIMDAL_PORT" alice other
    mv "$STORE" "$STORE.old"
    kinit_fails "$HEIMDAL_PORT" alice other
    "$BIN/krbrepl" restore "$DIR/backup" "$STORE"
    kinit_works "$HEIMDAL_PORT" alice secret
    kinit_fails "$HEIMDAL_PORT" alice other
    commits 1 kadmin cpw --password=third alice
    kinit_works "$HEIMDAL_PORT" alice third
}

kadmind_changes_the_store()
{
    kadmin add --password=boss --use-defaults root/admin
    echo "root/admin@$REALM all" >"$DIR/master/kadmind.acl"
    kadmin ext_keytab --keytab="FILE:$DIR/master/keytab" kadmin/admin
    heimdal_kadmind_up
    remote() { echo boss | KRB5_CONFIG=$DIR/master/krb5.conf heimdal_tool kadmin -p root/admin "$@"; }
    kinit_works "$HEIMDAL_PORT" root/admin boss --server="kadmin/admin@$REALM"
    commits 1 remote add --password=secret --use-defaults alice
    "$BIN/krbrepl" log "$STORE" | tail -n 1 | grep -q "root/admin@$REALM.*kadmind"
    commits 1 remote rename alice bob
    kinit_works "$HEIMDAL_PORT" bob secret
    commits 1 remote delete bob
    kinit_fails "$HEIMDAL_PORT" bob secret
}

a_kdc_on_a_replica_sees_a_change_at_the_master()
{
    one_up
    second_kdc_up
    kadmin add --password=secret --use-defaults alice
    arrived
    kinit_works "$SECOND" alice secret
    kadmin cpw --password=other alice
    arrived
    kinit_fails "$SECOND" alice secret
    kinit_works "$SECOND" alice other
    kadmin modify --alias="carol@$REALM" alice
    arrived
    kinit_works "$SECOND" carol other --canonicalize
    kadmin modify --alias= alice
    kadmin rename alice bob
    kadmin delete bob
    arrived
    kinit_fails "$SECOND" bob other
    kadmin add --random-key --use-defaults host/one
    arrived
    dump >"$DIR/dump.master"
    dump one | cmp - "$DIR/dump.master"
    "$BIN/krbrepl" verify -q "$STORE" "$DIR/one/heimdal"
}

a_replica_refuses_changes_and_names_the_master()
{
    one_up
    kadmin add --password=secret --use-defaults alice
    arrived
    on_one() { heimdal_on one heimdal_tool kadmin -l -c "$DIR/one/krb5.conf" -r "$REALM" "$@"; }
    on_one get alice | grep -q "Principal: alice@$REALM"
    commits 0 on_one list '*'
    for what in "add --password=x --use-defaults bob" "cpw --password=x alice" "rename alice bob" "delete alice"; do
        # shellcheck disable=SC2086
        ! on_one $what >"$DIR/refused" 2>&1 || fail "$what was done"
        cat "$DIR/refused"
        grep -q "is a replica and takes no changes; its master is iprop/localhost@$REALM" "$DIR/refused"
    done
    dump >"$DIR/dump.master"
    dump one | cmp - "$DIR/dump.master"
}

a_killed_kadmin_leaves_whole_operations()
{
    local round pid n
    one_up
    for round in 1 2 3; do
        for n in $(seq 400); do
            echo "add --random-key --use-defaults r$round-$n"
            echo "rename r$round-$n s$round-$n"
            echo "modify --alias=a$round-$n@$REALM s$round-$n"
        done >"$DIR/burst"
        before=$(seq_of "$STORE")
        # A program that reads its commands from a file, and is killed in the middle of them.
        (KRB5_CONFIG=$DIR/master/krb5.conf LD_LIBRARY_PATH=$HEIMDAL_LIBRARIES exec "$(heimdal_path kadmin)" -l \
            -c "$DIR/master/krb5.conf" -r "$REALM" <"$DIR/burst" >"$DIR/burst.out" 2>&1) &
        pid=$!
        enough() { [ "$(seq_of "$STORE")" -gt $((before + 20 * round)) ]; }
        heimdal_until 60 enough
        kill -KILL "$pid"
        { wait "$pid"; } 2>/dev/null || true
        sound "$STORE"
        # Neither both names of an entry, nor none, nor an entry without the row of its alias.
        kadmin list '*' >"$DIR/names"
        sed -n 's/^[rs]\([0-9]*-[0-9]*\)$/\1/p' "$DIR/names" | sort | uniq -d >"$DIR/twice"
        [ ! -s "$DIR/twice" ] || fail "two names: $(cat "$DIR/twice")"
        kadmin add --random-key --use-defaults "after-$round"
    done
    arrived
    dump >"$DIR/dump.master"
    dump one | cmp - "$DIR/dump.master"
    "$BIN/krbrepl" verify -q "$STORE" "$DIR/one/heimdal"
}

a_dump_is_loaded_in_one_commit()
{
    kadmin add --password=secret --use-defaults alice
    kadmin modify --alias="carol@$REALM" alice
    kadmin dump "$DIR/all.dump"
    dump >"$DIR/before"
    "$BIN/krbrepl" put -q "$STORE" notes here kept
    kadmin add --password=secret --use-defaults later
    commits 1 kadmin load "$DIR/all.dump"
    dump | cmp - "$DIR/before"
    [ "$("$BIN/krbrepl" get "$STORE" notes here)" = kept ]
    kinit_works "$HEIMDAL_PORT" carol secret --canonicalize
    sound "$STORE"
    # The same name twice: the load fails as a whole.
    cat "$DIR/all.dump" "$DIR/all.dump" >"$DIR/twice.dump"
    commits 0 bash -c ". $HEIMDAL_SH; ! heimdal_kadmin load $DIR/twice.dump"
    dump | cmp - "$DIR/before"
}

a_killed_load_changes_nothing()
{
    local pid
    kadmin add --password=secret --use-defaults alice
    dump >"$DIR/before"
    kadmin dump "$DIR/all.dump"
    mkfifo "$DIR/endless.dump"
    before=$(seq_of "$STORE")
    (KRB5_CONFIG=$DIR/master/krb5.conf LD_LIBRARY_PATH=$HEIMDAL_LIBRARIES exec "$(heimdal_path kadmin)" -l \
        -c "$DIR/master/krb5.conf" -r "$REALM" load "$DIR/endless.dump" >"$DIR/load.out" 2>&1) &
    pid=$!
    exec 5>"$DIR/endless.dump"
    # More than a pipe holds: when this is written most of it was read.
    awk '/^alice@/ { for (n = 0; n < 3000; n++) { line = $0; sub(/^alice@/, "loaded" n "@", line); print line } }' \
        "$DIR/all.dump" >&5
    kill -0 "$pid"
    kill -KILL "$pid"
    { wait "$pid"; } 2>/dev/null || true
    exec 5>&-
    [ "$(seq_of "$STORE")" = "$before" ]
    dump | cmp - "$DIR/before"
}

a_merge_makes_few_commits()
{
    local n before
    for n in $(seq 60); do
        echo "add --random-key --use-defaults m$n"
    done | kadmin >"$DIR/command.out" 2>&1
    kadmin dump "$DIR/all.dump"
    grep '^m[0-9]*@' "$DIR/all.dump" >"$DIR/part.dump"
    for n in $(seq 60); do
        echo "delete m$n"
    done | kadmin >"$DIR/command.out" 2>&1
    commits 1 kadmin merge "$DIR/part.dump"
    [ "$(kadmin list 'm*' | grep -c '^m[0-9]')" = 60 ]
    sound "$STORE"
}

hpropd_puts_a_whole_database_in_place()
{
    kadmin add --password=secret --use-defaults alice
    kadmin modify --alias="carol@$REALM" alice
    dump >"$DIR/before"
    heimdal_hprop --decrypt -n >"$DIR/stream"
    kadmin delete alice
    before=$(seq_of "$STORE")
    heimdal_on master heimdal_tool hpropd -n -d "krbrepl:$STORE" <"$DIR/stream"
    [ "$(seq_of "$STORE")" = $((before + 1)) ]
    [ ! -e "$STORE~" ]
    dump >"$DIR/after"
    cut -d' ' -f1 "$DIR/before" >"$DIR/names.before"
    cut -d' ' -f1 "$DIR/after" | cmp - "$DIR/names.before"
    sound "$STORE"
}

who_has_locked_the_database_writes_alone()
{
    coproc LOCKER { heimdal_kadmin 2>&1; }
    local out=${LOCKER[0]} in=${LOCKER[1]} pid=$LOCKER_PID
    echo lock >&"$in"
    echo "add --random-key --use-defaults mine" >&"$in"
    mine() { kadmin list '*' | grep -qx mine; }
    heimdal_until 60 mine
    ! kadmin add --random-key --use-defaults yours >"$DIR/refused" 2>&1 || fail "it was not locked"
    cat "$DIR/refused"
    grep -q 'is locked by another program' "$DIR/refused"
    # Nobody who reads waits.
    kadmin get mine | grep -q "Principal: mine@$REALM"
    echo unlock >&"$in"
    yours() { kadmin add --random-key --use-defaults yours >/dev/null 2>&1; }
    heimdal_until 60 yours
    eval "exec $in>&-"
    wait "$pid"
}

a_kdc_of_ones_own_answers_from_its_replica()
{
    local port tries idle
    one_make
    for tries in $(seq 20); do
        port=$(heimdal_port)
        heimdal_on one heimdal_daemon own "$OWN_KDC" "$DIR/one/heimdal" "localhost:$NATIVE" "iprop/localhost@$REALM" \
            "iprop/one@$REALM" "$DIR/one/keytab" 127.0.0.1 "$port"
        heimdal_came_up own "$port" && break
        heimdal_down own
    done
    for TRANSPORT in tcp udp; do
        kadmin add --password=secret --use-defaults "alice-$TRANSPORT"
        arrived
        kinit_works "$port" "alice-$TRANSPORT" secret
        client "$port" kgetcred "iprop/localhost@$REALM"
        kadmin cpw --password=other "alice-$TRANSPORT"
        arrived
        kinit_fails "$port" "alice-$TRANSPORT" secret
        kinit_works "$port" "alice-$TRANSPORT" other
    done
    TRANSPORT=tcp
    # Those who say nothing, or only the beginning of something, keep nobody waiting.
    for idle in $(seq 40); do
        exec {idle}<>"/dev/tcp/127.0.0.1/$port"
        printf '\0\0\1' >&"$idle"
    done
    kinit_works "$port" alice-udp other
    printf '\377\377\377\377' >"/dev/tcp/127.0.0.1/$port"
    kinit_works "$port" alice-udp other
    # Without a master it goes on with what it has.
    kill -KILL "$MASTER"
    kinit_works "$port" alice-tcp other
    grep -q 'libkrb5\.so\.26' "/proc/$(cat "$DIR/own.pid")/maps"
    ! grep -E 'libkrb5\.so\.3|libgssapi_krb5' "/proc/$(cat "$DIR/own.pid")/maps"
    kill -TERM "$(cat "$DIR/own.pid")"
    rm "$DIR/own.pid"
    { wait -n; } 2>/dev/null || true
    "$BIN/krbrepl" verify -q "$STORE" "$DIR/one/heimdal"
}

a_missing_store_says_how_to_make_one()
{
    sed "s|krbrepl:$STORE|krbrepl:$DIR/nothing|" "$DIR/master/krb5.conf" >"$DIR/nothing.conf"
    ! KRB5_CONFIG=$DIR/nothing.conf heimdal_tool kadmin -l -c "$DIR/nothing.conf" -r "$REALM" dump \
        >"$DIR/refused" 2>&1 || true
    cat "$DIR/refused"
    grep -q "there is no database in $DIR/nothing; make one with" "$DIR/refused"
    [ ! -e "$DIR/nothing" ]
}

heimdal_start "$DIR"
"$PROMISE"
