#!/bin/bash
# kdb.sh: a realm whose database is a krbrepl store, read and written by krb5kdc, kadmind, kadmin.local and
# kdb5_util of the distribution through the KDB module. On top of road.sh; sourced by bash with these set:
#
#   ROAD_BIN      the directory that holds krbrepl, krbrepl-master and krbrepl-replica
#   KDB_PLUGIN    the directory that holds krbrepl.so
#   KDB_OPTIONS   lines for the module's section of [dbmodules], may be empty
#
#   kdb_begin DIR            the realm, with its KDC; its store is $REALM_DIR/master
#   kdb_db2 COMMAND...       runs a command with a database of MIT's own kind for the same realm and master key
#   kdb_kadmind              kadmind on free ports; kadmin and kpasswd of this environment find it
#   kdb_replica NAME         a store that krbrepl-replica fills, and a KDC of its own on it
#   kdb_at NAME COMMAND...   runs a command where that KDC is the only one
#   kdb_kdc_start NAME [OPTION]...  and
#   kdb_kdc_stop NAME SIGNAL the KDC of a replica, or with NAME master the first one
#   kdb_end                  stops everything
#
# The log of a program is $REALM_DIR/NAME.log; a replica's KDC has its files in $REALM_DIR/kdc.NAME.

# shellcheck source=tests/common/road.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../common/road.sh"

declare -A KDB_KDC=()
KDB_STORE=
KDB_ADMIN_PORT=1
KDB_KPASSWD_PORT=1

eval "$(declare -f realm_config | sed '1s/realm_config/kdb_plain_config/')"

# kdc.conf of realm.sh, with a section for the module. Without KDB_STORE the database is of MIT's own kind.
realm_config()
{
    kdb_plain_config
    sed -i "s#kdc = .*#&\n        admin_server = 127.0.0.1:$KDB_ADMIN_PORT\n        kpasswd_server = 127.0.0.1:$KDB_KPASSWD_PORT#" \
        "$REALM_DIR/krb5.conf"
    [ -n "$KDB_STORE" ] || return 0
    sed -i "s#database_name = .*#database_module = krbrepl\n        kadmind_listen = 127.0.0.1:$KDB_ADMIN_PORT\n        kpasswd_listen = 127.0.0.1:$KDB_KPASSWD_PORT#" \
        "$REALM_DIR/kdc.conf"
    cat >>"$REALM_DIR/kdc.conf" <<CONF
[dbmodules]
    db_module_dir = $KDB_PLUGIN
    krbrepl = {
        db_library = krbrepl
        database_name = $KDB_STORE
        ${KDB_OPTIONS:-}
    }
CONF
}

kdb_begin() # DIR
{
    KDB_STORE=$1/master
    echo '*/admin@KRBREPL.TEST *' >"$1.acl"
    road_begin "$1" && mv "$1.acl" "$REALM_DIR/kadm5.acl" || return 1
    KDB_KDC[master]=$REALM_KDC_PID
}

kdb_db2() # COMMAND...
{
    local dir=$REALM_DIR/db2
    if ! [ -d "$dir" ]; then
        mkdir "$dir"
        sed "/\[dbmodules\]/,\$d; s#database_module = .*#database_name = $dir/principal#" "$KRB5_KDC_PROFILE" >"$dir/kdc.conf"
    fi
    KRB5_KDC_PROFILE=$dir/kdc.conf "$@"
}

# ---- kadmind ---------------------------------------------------------------------------------------

kdb_kadmind_up() { grep -q 'starting' "$REALM_DIR/kadmin.log" 2>/dev/null; }
kdb_kadmind_up_or_dead() { kdb_kadmind_up || ! road_alive kadmind; }

kdb_kadmind_start()
{
    : >"$REALM_DIR/kadmin.log"
    ROAD_ARGV[kadmind]=$(printf '%s\n' kadmind -nofork -r "$REALM")
    road_spawn kadmind
    road_until "kadmind starting" kdb_kadmind_up_or_dead && road_alive kadmind
}

kdb_kadmind()
{
    local tries
    for tries in $(seq 20); do
        KDB_ADMIN_PORT=$(port_free 33000 20000)
        KDB_KPASSWD_PORT=$(port_free 53000 7000)
        realm_config
        kdb_kadmind_start && return 0
    done
    cat "$REALM_DIR/kadmind.log" "$REALM_DIR/kadmin.log"
    return 1
}

# ---- KDCs ------------------------------------------------------------------------------------------

kdb_env() # NAME
{
    [ "$1" = master ] && return 0
    export KRB5_CONFIG=$REALM_DIR/kdc.$1/krb5.conf KRB5_KDC_PROFILE=$REALM_DIR/kdc.$1/kdc.conf
    export KRB5CCNAME=FILE:$REALM_DIR/kdc.$1/ccache
}

kdb_at() # NAME COMMAND...
{
    local name=$1
    shift
    (kdb_env "$name" && "$@")
}

kdb_kdc_log() { [ "$1" = master ] && echo "$REALM_DIR/kdc.log" || echo "$REALM_DIR/kdc.$1/kdc.log"; }
kdb_kdc_up() { grep -q 'commencing operation' "$(kdb_kdc_log "$1")" || ! kill -0 "${KDB_KDC[$1]}" 2>/dev/null; }

kdb_kdc_start() # NAME [OPTION]...
{
    local name=$1 guard=()
    shift
    setpriv --pdeathsig KILL true 2>/dev/null && guard=(setpriv --pdeathsig KILL)
    : >"$(kdb_kdc_log "$name")"
    # Its own pid, and not that of a shell around it, is what signals have to reach.
    (kdb_env "$name" && exec "${guard[@]}" krb5kdc -n -r "$REALM" "$@") </dev/null >>"$REALM_DIR/krb5kdc.$name.log" 2>&1 &
    KDB_KDC[$name]=$!
    road_until "krb5kdc of $name starting" kdb_kdc_up "$name" && kill -0 "${KDB_KDC[$name]}" 2>/dev/null
}

kdb_kdc_stop() # NAME SIGNAL
{
    kill "-$2" "${KDB_KDC[$1]}" 2>/dev/null
    wait "${KDB_KDC[$1]}" 2>/dev/null
    unset "KDB_KDC[$1]"
    [ "$1" != master ] || rm -f "$REALM_DIR/kdc.pid"
}

kdb_replica_config() # NAME
{
    local here=$REALM_DIR/kdc.$1
    mkdir -p "$here" && cp "$REALM_DIR/stash" "$here/stash" || return 1
    (
        KDB_STORE=$REALM_DIR/$1 REALM_DIR=$here
        REALM_PORT=$(port_free 20000 12000)
        realm_config
    )
}

kdb_replica() # NAME
{
    local tries
    road_replica "$1" || return 1
    road_until "the first copy reaching $1" kdb_has_content "$1" || return 1
    for tries in $(seq 20); do
        kdb_replica_config "$1" || return 1
        kdb_kdc_start "$1" && return 0
    done
    tail -n 30 "$(kdb_kdc_log "$1")" "$REALM_DIR/krb5kdc.$1.log"
    return 1
}

kdb_has_content() { [ "$(road_status "$1" | road_json records)" -gt 0 ]; }

kdb_end()
{
    local name
    for name in "${!KDB_KDC[@]}"; do
        kill "${KDB_KDC[$name]}" 2>/dev/null
        wait "${KDB_KDC[$name]}" 2>/dev/null
    done
    road_end
}
