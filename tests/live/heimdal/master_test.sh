#!/bin/bash
# master_test.sh PROGRAMS TAKELOG PROMISE: krbrepl-master serves Heimdal's unmodified ipropd-slave.
#
# A realm of Heimdal's is where changes are made; each record of its log becomes a commit of a store (takelog.c),
# and krbrepl-master serves that. What a slave has in the end is compared with what Heimdal's own master has.
. "$(dirname "$0")/../../common/heimdal.sh"
heimdal_alone "$@"
PROGRAMS=$1 TAKELOG=$2 PROMISE=$3
WORK=$(mktemp -d)
trap 'cleanup' EXIT

cleanup()
{
    heimdal_stop
    rm -rf "$WORK"
}

fail()
{
    echo "FAILED: $*" >&2
    tail -n 40 "$HEIMDAL_DIR"/*.out "$HEIMDAL_DIR"/s*/heimdal.log >&2 2>/dev/null
    exit 1
}

must() { "$@" || fail "$*"; }

# ---- the krbrepl end ----------------------------------------------------------------------------

store_make()
{
    must "$PROGRAMS/krbrepl" init --quiet --master "$WORK/store"
    echo 0 >"$WORK/taken"
}

# What was changed in the realm since the last call becomes commits.
take()
{
    "$TAKELOG" "$WORK/store" "$HEIMDAL_DIR/master/log" "$(cat "$WORK/taken")" >"$WORK/taken.new" ||
        fail "takelog"
    mv "$WORK/taken.new" "$WORK/taken"
}

serve()
{
    KRB5_CONFIG=$HEIMDAL_DIR/master/mit.conf heimdal_daemon krbrepl-master "$PROGRAMS/krbrepl-master" \
        --store "$WORK/store" --listen "127.0.0.1:$HEIMDAL_IPROP_PORT" --heimdal-iprop \
        --heimdal-service iprop/localhost --heimdal-keytab "$HEIMDAL_DIR/master/keytab" \
        --heimdal-slaves "$HEIMDAL_DIR/master/slaves" --log-level info "$@"
    heimdal_came_up krbrepl-master "$HEIMDAL_IPROP_PORT" || fail "krbrepl-master does not start"
}

unserve() { heimdal_down krbrepl-master "$@"; }

says() { grep -q -- "$1" "$HEIMDAL_DIR/krbrepl-master.out"; }
said() { grep -c -- "$1" "$HEIMDAL_DIR/krbrepl-master.out"; }

allow()
{
    local name
    for name in "$@"; do
        echo "iprop/$name@$REALM"
    done >"$HEIMDAL_DIR/master/slaves"
}

# The version that the master has sent up to, as its slot says.
sent() { "$PROGRAMS/krbrepl" slot list --json "$WORK/store" | python3 -c '
import json, sys
for s in json.load(sys.stdin)["slots"]:
    if s["principal"].startswith("iprop/%s@" % sys.argv[1]):
        print(s["version"])' "$1"; }

same() { [ "$(heimdal_dump master)" = "$(heimdal_dump "$1")" ]; }

arrives()
{
    heimdal_until "${2:-30}" same "$1" && return
    diff <(heimdal_dump master) <(heimdal_dump "$1") >&2
    fail "$1 is not what the master is"
}

begin()
{
    must heimdal_start "$WORK/realm"
    store_make
    take
}

follow()
{
    local name
    for name in "$@"; do
        must heimdal_slave_make "$name"
    done
    allow "$@"
    take
    for name in "$@"; do
        heimdal_slave_up "$name" "$HEIMDAL_IPROP_PORT"
    done
}

# ---- promises -----------------------------------------------------------------------------------

a_fresh_slave_gets_a_complete_database()
{
    begin
    serve
    follow s1
    arrives s1
    must says "complete database is there"
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
    must heimdal_kadmin cpw --password=third user
    take; arrives s1
    must heimdal_kadmin modify --alias=nick user
    take; arrives s1
    must heimdal_kadmin modify --alias= user
    take; arrives s1
    must heimdal_kadmin rename user other
    take; arrives s1
    must heimdal_kadmin delete other
    take; arrives s1
    [ "$(said "complete database begins")" = "$copies" ] || fail "there was a complete database"
    says "cannot apply" && fail "the slave could not apply something"
    return 0
}

"$PROMISE"
