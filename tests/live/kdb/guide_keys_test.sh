#!/bin/bash
# The commands of the database guide on master keys and on the keys of realms, on a master with two replicas.
#
#   guide_keys_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/guide.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/guide.sh"

# ---- master keys ------------------------------------------------------------------------------------

master_keys_roll_over_on_two_replicas() {
    begin
    table <<'TABLE'
row some content
run fill 50
local addprinc -pw secret alice
sameutil list_mkeys
opens alice secret
opens user50 secret

row a second master key
run second_key
sameutil list_mkeys
shows KVNO: 2
opens alice secret

row it is to be used in days to come
util use_mkey 2 "12/31/2036 00:00:00"
sameutil list_mkeys
shows KVNO: 2.*Active on: Wed Dec 31 00:00:00 UTC 2036
local addprinc -pw secret early
same getprinc early
shows MKey: vno 1
opens early secret

row it is used from now on
util use_mkey 2
sameutil list_mkeys
shows KVNO: 2.*\*
local addprinc -pw secret late
same getprinc late
shows MKey: vno 2
opens late secret
opens alice secret

row a run that only says what would be done
util update_princ_encryption -f -n -v
says would be updated|would update
same getprinc alice
shows MKey: vno 1

row one principal is encrypted under it
util update_princ_encryption -f alice
same getprinc alice
shows MKey: vno 2
same getprinc user7
shows MKey: vno 1
opens alice secret

row all are
util update_princ_encryption -f
same getprinc user7
shows MKey: vno 2
opens user7 secret
opens early secret

row a key is not purged before the stash file has the new one
utilrefused purge_mkeys -f
says stash file needs updating
sameutil list_mkeys
shows KVNO: 1

row stash files and KDCs know the new key, and the old one goes
run stash_everywhere
util purge_mkeys -f -n
says KVNO: 1
sameutil list_mkeys
shows KVNO: 1
util purge_mkeys -f
sameutil list_mkeys
opens alice secret
opens user50 secret
opens late secret
local addprinc -pw secret newcomer
opens newcomer secret

row a third one, and back to the second
run second_key
util use_mkey 3
util update_princ_encryption -f
util use_mkey 2
util update_princ_encryption -f
sameutil list_mkeys
same getprinc user7
shows MKey: vno 2
opens user7 secret
opens alice secret
TABLE
    ! grep -q 'KVNO: 1,' "$work/answer.master" || fail "the first key is still there"
    [ "$rows" -ge 10 ] || fail "$rows rows"
}

fill() {
    local i
    for i in $(seq "$1"); do echo "addprinc -pw secret user$i"; done | admin >/dev/null 2>&1
}

second_key() { printf 'second\nsecond\n' | util add_mkey -e aes256-cts >"$work/out" 2>&1 || fail "$(cat "$work/out")"; }

stash_everywhere() {
    local name
    quietly util stash
    for name in replica-1 replica-2; do
        cp "$REALM_DIR/stash" "$REALM_DIR/kdc.$name/stash"
    done
    for name in $KDB_NODES; do
        kdb_kdc_stop "$name" TERM
        must kdb_kdc_start "$name"
    done
}

# ---- other realms, and the key of all tickets ------------------------------------------------------

# Another realm with a database of MIT's own kind and a KDC of its own.
other_realm() {
    local here=$work/other tries
    mkdir "$here"
    other_config() {
        sed "s#$REALM_DIR/stash#$here/stash#; s#KRBREPL.TEST = {#OTHER.TEST = {#; s#database_module = .*#database_name = $here/principal#; s#kdc_listen = .*#kdc_listen = 127.0.0.1:$1#; s#kdc_tcp_listen = .*#kdc_tcp_listen = 127.0.0.1:$1#; s#$REALM_DIR/kdc.log#$here/kdc.log#; /\[dbmodules\]/,\$d" \
            "$REALM_DIR/kdc.conf" >"$here/kdc.conf"
    }
    other_config 1
    KRB5_KDC_PROFILE=$here/kdc.conf quietly kdb5_util -r OTHER.TEST create -s -P throw-away
    for tries in $(seq 20); do
        OTHER_PORT=$(port_free 20000 12000)
        other_config "$OTHER_PORT"
        (KRB5_KDC_PROFILE=$here/kdc.conf exec setpriv --pdeathsig KILL krb5kdc -n -r OTHER.TEST) >"$here/kdc.out" 2>&1 </dev/null &
        ROAD_PID[other]=$!
        : >>"$here/kdc.log"
        must road_until "the other realm's KDC starting" other_up_or_dead "$here"
        road_alive other && break
    done
    road_alive other || fail "the other realm's KDC does not start: $(cat "$here/kdc.log")"
    for tries in "$REALM_DIR/krb5.conf" "$REALM_DIR"/kdc.replica-?/krb5.conf; do
        sed -i "s#^\[realms\]#&\n    OTHER.TEST = {\n        kdc = 127.0.0.1:$OTHER_PORT\n    }#" "$tries"
    done
}

other_up_or_dead() { grep -q 'commencing operation' "$1/kdc.log" || ! road_alive other; }
other() { KRB5_KDC_PROFILE=$work/other/kdc.conf quietly kadmin.local -r OTHER.TEST "$@"; }

pair() { # KVNO: the same key at both ends, as the manual has it
    other addprinc -pw Between-Us -kvno "$1" "krbtgt/OTHER.TEST@KRBREPL.TEST"
    other addprinc -pw Between-Us -kvno "$1" "krbtgt/KRBREPL.TEST@OTHER.TEST"
    other addprinc -randkey host/there
}

new_pair() { # PASSWORD
    other cpw -pw "$1" -keepold "krbtgt/OTHER.TEST@KRBREPL.TEST"
}

keep_tickets() {
    local name
    for name in $KDB_NODES; do
        must kdb_at "$name" login alice secret
        cp "$(kdb_at "$name" sh -c 'echo "${KRB5CCNAME#FILE:}"')" "$work/tickets.$name"
    done
}

old_ticket() { kdb_at "$1" env KRB5CCNAME="FILE:$work/tickets.$1" kvno "$2" >"$work/out" 2>&1; }

tickets_still_work() { # SERVICE
    local name
    settle
    for name in $KDB_NODES; do
        old_ticket "$name" "$1" || fail "$name: a ticket of before is worth nothing: $(cat "$work/out")"
    done
}

tickets_are_over() { # SERVICE
    local name
    settle
    for name in $KDB_NODES; do
        ! old_ticket "$name" "$1" || fail "$name still takes a ticket under a key that was purged"
    done
}

keys_of_realms_change_on_two_replicas_while_tickets_are_in_use() {
    begin
    other_realm
    table <<'TABLE'
row some content
local addprinc -pw secret alice
local addprinc -randkey host/a
local addprinc -randkey host/b
local addprinc -randkey host/c
local addprinc -randkey host/d

row a pair of keys with another realm, of one version on both sides
local addprinc -pw Between-Us -kvno 3 krbtgt/OTHER.TEST
local addprinc -pw Between-Us -kvno 3 krbtgt/KRBREPL.TEST@OTHER.TEST
run pair 3
same getprinc krbtgt/OTHER.TEST
shows Key: vno 3,
same getprinc krbtgt/KRBREPL.TEST@OTHER.TEST
opens alice secret
ticket krbtgt/OTHER.TEST@KRBREPL.TEST 3
ticket host/there@OTHER.TEST

row the version of a principal is set
local modprinc -kvno 5 krbtgt/OTHER.TEST
same getprinc krbtgt/OTHER.TEST
shows Key: vno 5,
local modprinc -kvno 3 krbtgt/OTHER.TEST
same getprinc krbtgt/OTHER.TEST

row the pair gets a new key, first where tickets are read
run new_pair Between-Us-2
local cpw -pw Between-Us-2 -keepold krbtgt/OTHER.TEST
same getprinc krbtgt/OTHER.TEST
shows vno 3,
shows vno 4,
opens alice secret
ticket krbtgt/OTHER.TEST@KRBREPL.TEST 4
ticket host/there@OTHER.TEST

row the realm's own key changes while tickets are in use
run keep_tickets
local cpw -randkey -keepold krbtgt/KRBREPL.TEST
same getprinc krbtgt/KRBREPL.TEST
run tickets_still_work host/a
opens alice secret
ticket host/a
local cpw -randkey -keepold krbtgt/KRBREPL.TEST
run tickets_still_work host/b
opens alice secret
ticket host/b

row the old keys are purged, and what they made is worth nothing
local purgekeys krbtgt/KRBREPL.TEST
same getprinc krbtgt/KRBREPL.TEST
run tickets_are_over host/c
opens alice secret
ticket host/c

row without -keepold it happens at once
run keep_tickets
local cpw -randkey krbtgt/KRBREPL.TEST
run tickets_are_over host/d
opens alice secret
ticket host/d
TABLE
    [ "$rows" -ge 7 ] || fail "$rows rows"
}

"$3"
