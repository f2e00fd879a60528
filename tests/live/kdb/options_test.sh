#!/bin/bash
# What the options of the module's section of [dbmodules] do, and that krbrepl check-config knows it. One promise a run.
#
#   options_test.sh BIN PLUGIN_DIR PROMISE SYNCS
#
# SYNCS is syncs.c, built as a library.
ROAD_BIN=$1
KDB_PLUGIN=$2
SYNCS_SO=$4
# shellcheck source=tests/live/kdb/checks.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh"

begin_with() { # LINES
    KDB_OPTIONS=$1
    must kdb_begin "$work/realm"
}

# kdc.conf with an option changed, which is there already.
with_option() { # NAME VALUE FILE
    sed "s/^        $1 = .*/        $1 = $2/" "$KRB5_KDC_PROFILE" >"$3"
}

# ---- values -----------------------------------------------------------------------------------------

opens_with() { KRB5_KDC_PROFILE=$1 admin listprincs >"$work/out" 2>&1; }
checks_with() { krbrepl check-config --kdc-conf "$1" >"$work/checked" 2>&1; }

# The module takes a value if and only if check-config has nothing against it, and says which option it is else.
understood() { # NAME VALUE...
    local name=$1 value
    shift
    for value in "$@"; do
        with_option "$name" "$value" "$work/kdc.conf"
        opens_with "$work/kdc.conf" || fail "$name = $value is refused: $(cat "$work/out")"
        checks_with "$work/kdc.conf" || fail "$name = $value is taken, and check-config says: $(cat "$work/checked")"
        grep -q "^used .*: $name = " "$work/checked" || fail "$name = $value: $(cat "$work/checked")"
    done
}

refused() { # NAME VALUE...
    local name=$1 value
    shift
    for value in "$@"; do
        with_option "$name" "$value" "$work/kdc.conf"
        ! opens_with "$work/kdc.conf" || fail "$name = $value is taken"
        grep -q "krbrepl: $name is not " "$work/out" || fail "$name = $value: $(cat "$work/out")"
        checks_with "$work/kdc.conf"
        [ $? = 3 ] || fail "$name = $value is refused, and check-config says: $(cat "$work/checked")"
        grep -q "^WRONG .*: $name = " "$work/checked" || fail "$name = $value: $(cat "$work/checked")"
    done
}

each_option_is_understood_or_refused_as_check_config_says() {
    local it
    begin_with $'mapsize = 1024\n        max_readers = 200\n        nosync = false\n        disable_last_success = false
        disable_lockout = false\n        sync_replicas = 0\n        sync_timeout = 1s\n        sync_level = durable'
    for it in nosync disable_last_success disable_lockout; do
        understood $it true false yes no y n on off 1 0 t nil
        refused $it maybe 2 trueish
    done
    understood mapsize 0 1 1024 1048576
    refused mapsize much -1 1.5 99999999999 1048576000000
    understood max_readers 0 1 5000
    refused max_readers many -1 99999999
    understood sync_replicas 0
    refused sync_replicas two -1 99999
    understood sync_timeout 0 5 5s 1m 1h 2d 1:30
    refused sync_timeout soon -1 -5s s5
    understood sync_level received durable applied
    refused sync_level sometimes DURABLE
}

# Where somebody has a database there, it is not opened, let alone changed, by a test.
a_store_without_a_name_is_looked_for_where_units_let_the_kdc_write() {
    local dir=/var/lib/krb5kdc/krbrepl
    begin_with ''
    sed '/^        database_name = /d' "$KRB5_KDC_PROFILE" >"$work/kdc.conf"
    checks_with "$work/kdc.conf"
    grep -q "$dir" "$work/checked" || fail "check-config: $(cat "$work/checked")"
    [ -e "$dir" ] && return
    ! opens_with "$work/kdc.conf" || fail "a database is opened that is not there"
    grep -q "$dir" "$work/out" || fail "kadmin.local: $(cat "$work/out")"
}

# ---- what they do -----------------------------------------------------------------------------------

big() { # NAME: a principal with an attribute of some size
    admin addprinc -nokey "$1" >"$work/out" 2>&1 && admin setstr "$1" long "$(printf 'w%.0s' $(seq 30000))" >"$work/out" 2>&1
}

a_map_that_is_full_refuses_changes_and_a_larger_one_takes_them() {
    local i
    begin_with 'mapsize = 1'
    quietly admin addprinc -pw secret alice
    for i in $(seq 60); do
        big "big$i" || break
    done
    [ "$i" -gt 3 ] && [ "$i" -lt 60 ] || fail "1 MiB takes $i of them"
    grep -q 'mapsize' "$work/out" || fail "it is not said what to do: $(cut -c 1-300 "$work/out")"
    must login alice secret
    with_option mapsize 64 "$work/kdc.conf"
    export KRB5_KDC_PROFILE=$work/kdc.conf
    for i in 100 101 102; do
        big "big$i" || fail "64 MiB do not help: $(cut -c 1-300 "$work/out")"
    done
    # The KDC goes on with the map that it has, or the larger one.
    must login alice secret
    quietly admin cpw -pw changed alice
    must login alice changed
}

locks() { stat -c %s "$REALM_DIR/master/lock.mdb"; }

# The table is made larger, never smaller, by the program that opens the store when nobody has it open.
max_readers_is_what_the_first_program_says() {
    local before
    begin_with 'max_readers = 30'
    before=$(locks)
    with_option max_readers 20000 "$work/kdc.conf"
    KRB5_KDC_PROFILE=$work/kdc.conf quietly admin listprincs
    [ "$(locks)" = "$before" ] || fail "it was changed under the KDC"
    kdb_kdc_stop master TERM
    KRB5_KDC_PROFILE=$work/kdc.conf quietly admin listprincs
    [ "$(locks)" -ge $((20000 * 64)) ] || fail "$before bytes of locks became $(locks)"
}

syncs_of() { # COMMAND...
    : >"$work/syncs"
    SYNCS=$work/syncs LD_PRELOAD=$SYNCS_SO quietly "$@"
    stat -c %s "$work/syncs"
}

a_commit_is_synced_before_it_returns_unless_nosync_says_otherwise() {
    begin_with 'nosync = false'
    local i n
    for i in 1 2 3; do
        n=$(syncs_of kadmin.local -r "$REALM" addprinc -nokey "synced$i")
        [ "$n" -ge 1 ] || fail "no sync"
    done
    n=$(syncs_of kdb5_util -r "$REALM" dump "$work/dump")
    [ "$n" = 0 ] || fail "a dump made $n syncs"
    with_option nosync true "$work/kdc.conf"
    export KRB5_KDC_PROFILE=$work/kdc.conf
    # The KDC has it open with syncs: the store itself says what holds.
    kdb_kdc_stop master TERM
    n=$(syncs_of kadmin.local -r "$REALM" addprinc -nokey "unsynced")
    [ "$n" = 0 ] || fail "$n syncs with nosync"
    quietly admin getprinc unsynced
}

"$3"
