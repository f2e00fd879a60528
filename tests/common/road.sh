#!/bin/bash
# road.sh: a master and replicas with the real programs, on top of the throw-away realm of realm.sh. Used by
# scripts/demo and by the tests in tests/live. Sourced by bash, after `set -u` or not, with these set:
#
#   ROAD_BIN    the directory that holds krbrepl, krbrepl-master and krbrepl-replica
#
#   road_begin DIR                the realm, a keytab for each node, an acl for two replicas
#   road_fill N DUMP              N principals user00001... in the realm's database; its dump by kdb5_util
#   road_master                   a new master on a free port of loopback; sets ROAD_PORT
#   road_replica NAME             a new replica of it, NAME being replica-1 or replica-2
#   road_serve NAME               krbrepl-master on a store that is there, on another free port
#   road_follow NAME PRINCIPAL    krbrepl-replica on a store that is there, as krbrepl/PRINCIPAL
#   road_restart NAME             starts the program of a node again, on the store that is there
#   road_signal NAME SIGNAL       sends a signal to the program of a node; for KILL, waits until it is gone
#   road_until WHAT COMMAND...    waits until COMMAND succeeds; after ROAD_PATIENCE seconds it says that WHAT
#                                 did not happen, shows the end of every log and returns 1
#   road_seq NAME                 the seq of a store's position
#   road_proof NAME               a store's position and digest root, each record read and checked
#   road_equal NAME...            true when these stores are at one position with one digest root
#   road_at NAME SEQ              true when a store has commit SEQ
#   road_edit USER N              changes user USER's record N times, each in a commit of its own
#   road_kdc DIR DUMP             a KDC of its own that serves DUMP, loaded by kdb5_util; sets KRB5_CONFIG
#   road_end                      stops everything that was started here
#
# Stores are $REALM_DIR/master, $REALM_DIR/replica-1 and so on, the logs of the programs stand beside them
# in NAME.log.

ROAD_PATIENCE=${ROAD_PATIENCE:-60}
declare -A ROAD_PID=()
declare -A ROAD_ARGV=()

# shellcheck source=tests/common/realm.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/realm.sh"

road_store() { echo "$REALM_DIR/$1"; }

road_begin() # DIR
{
    local name
    ROAD_PID=()
    realm_start "$1" || return 1
    realm_princ "krbrepl/localhost" "$REALM_DIR/master.keytab" || return 1
    : >"$REALM_DIR/acl"
    for name in replica-1 replica-2; do
        realm_princ "krbrepl/$name" "$REALM_DIR/$name.keytab" || return 1
        echo "krbrepl/$name@$REALM" >>"$REALM_DIR/acl"
    done
}

# One principal is made the ordinary way; its line of the dump is multiplied, and the result loaded, so that
# ten thousand take a second. All have the password "secret": its salt is the realm's name alone.
road_fill() # N DUMP
{
    local few=$REALM_DIR/few.dump many=$REALM_DIR/many.dump
    realm_kadmin addprinc -e aes256-cts:onlyrealm -pw secret template || return 1
    realm_kadmin addpol -minlength 3 staff || return 1
    kdb5_util -r "$REALM" dump "$few" || return 1
    awk -F'\t' -v OFS='\t' -v n="$1" -v realm="$REALM" '
        $1 == "princ" && $7 == "template@" realm {
            for (i = 1; i <= n; i++) {
                $7 = sprintf("user%05d@%s", i, realm)
                $3 = length($7)
                print
            }
            next
        }
        { print }' "$few" >"$many" || return 1
    kdb5_util -r "$REALM" load "$many" || return 1
    kdb5_util -r "$REALM" dump "$2" || return 1
    rm -f "$few" "$few.dump_ok" "$many"
}

# ---- the programs ---------------------------------------------------------------------------------

# Starts what ROAD_ARGV says. A program that is not to outlive a script that is killed is tied to it.
road_spawn() # NAME
{
    local guard=()
    setpriv --pdeathsig KILL true 2>/dev/null && guard=(setpriv --pdeathsig KILL)
    local IFS=$'\n'
    # shellcheck disable=SC2206 # one argument a line
    local argv=(${ROAD_ARGV[$1]})
    "${guard[@]}" "${argv[@]}" </dev/null >>"$REALM_DIR/$1.log" 2>&1 &
    ROAD_PID[$1]=$!
}

road_alive() { kill -0 "${ROAD_PID[$1]}" 2>/dev/null; }

road_signal() # NAME SIGNAL
{
    kill "-$2" "${ROAD_PID[$1]}" || return 1
    [ "$2" != KILL ] || wait "${ROAD_PID[$1]}" 2>/dev/null
    return 0
}

road_restart() # NAME
{
    wait "${ROAD_PID[$1]}" 2>/dev/null
    road_spawn "$1"
}

road_serving() { road_alive "$1" && [ "$(road_status "$1" 2>/dev/null | road_json state 2>/dev/null)" = serving ]; }
road_up_or_dead() { road_serving "$1" || ! road_alive "$1"; }

road_master()
{
    "$ROAD_BIN/krbrepl" init -q --master "$(road_store master)" && road_serve master
}

road_serve() # NAME
{
    local tries
    for tries in $(seq 20); do
        ROAD_PORT=$(port_free 33000 20000)
        ROAD_ARGV[$1]=$(printf '%s\n' "$ROAD_BIN/krbrepl-master" --store "$(road_store "$1")" \
            --listen "127.0.0.1:$ROAD_PORT" --keytab "$REALM_DIR/master.keytab" \
            --service "krbrepl/localhost@$REALM" --acl "$REALM_DIR/acl")
        road_spawn "$1"
        road_until "krbrepl-master starting" road_up_or_dead "$1" || return 1
        road_alive "$1" && return 0
        grep -qi 'in use' "$REALM_DIR/$1.log" || break
    done
    echo "krbrepl-master does not start:"
    cat "$REALM_DIR/$1.log"
    return 1
}

road_replica() # NAME
{
    "$ROAD_BIN/krbrepl" init -q "$(road_store "$1")" && road_follow "$1" "$1"
}

road_follow() # NAME PRINCIPAL
{
    ROAD_ARGV[$1]=$(printf '%s\n' "$ROAD_BIN/krbrepl-replica" --store "$(road_store "$1")" \
        --keytab "$REALM_DIR/$2.keytab" --principal "krbrepl/$2@$REALM" \
        --service "krbrepl/localhost@$REALM" "127.0.0.1:$ROAD_PORT")
    road_spawn "$1"
}

# ---- conditions -----------------------------------------------------------------------------------

road_logs()
{
    local log
    for log in "$REALM_DIR"/*.log "$REALM_DIR"/kdc.*/kdc.log; do
        [ -e "$log" ] || continue
        echo "--- the end of ${log#"$REALM_DIR"/}"
        tail -n 20 "$log"
    done
}

road_until() # WHAT COMMAND...
{
    local what=$1 end=$((SECONDS + ROAD_PATIENCE))
    shift
    until "$@"; do
        if [ $SECONDS -ge $end ]; then
            echo "This did not happen in $ROAD_PATIENCE seconds: $what"
            road_logs
            return 1
        fi
        sleep 0.05
    done
}

# One value of the JSON on standard input, its place given as keys and indices.
road_json() # KEY...
{
    python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[int(key)] if isinstance(value, list) else value[key]
print(value)' "$@"
}

# These work whether a node runs on the store or not.
road_proof() { "$ROAD_BIN/krbrepl" verify -q "$(road_store "$1")"; }

road_status() { "$ROAD_BIN/krbrepl" status --json "$(road_store "$1")"; }

road_seq() { road_status "$1" | road_json position seq; }

road_at() { [ "$(road_seq "$1" 2>/dev/null)" -ge "$2" ] 2>/dev/null; }

road_equal() # NAME...
{
    local name dirs=()
    for name in "$@"; do
        dirs+=("$(road_store "$name")")
    done
    "$ROAD_BIN/krbrepl" verify -q "${dirs[@]}" >/dev/null
}

# ---- changes ----------------------------------------------------------------------------------------

# kdb5_util dumps the one principal, and the longest life of a ticket, in seconds, is altered in its line.
road_edit() # USER N
{
    local one=$REALM_DIR/one.dump i
    kdb5_util -r "$REALM" dump "$one" "$1@$REALM" || return 1
    for i in $(seq "$2"); do
        awk -F'\t' -v OFS='\t' -v life=$((3600 + i)) '$1 == "princ" { $9 = life } { print }' "$one" >"$one.edited"
        "$ROAD_BIN/krbrepl" load -q --update "$(road_store master)" "$one.edited" || return 1
    done
}

# ---- a replica's KDC --------------------------------------------------------------------------------

# The stash file does not travel with the database: it is copied, as an operator would.
road_kdc() # DIR DUMP
{
    local here=$1 dump=$2
    mkdir -m 700 "$here" || return 1
    cp "$REALM_DIR/stash" "$here/stash" || return 1
    local REALM_DIR=$here tries
    for tries in $(seq 20); do
        REALM_PORT=$(port_free 20000 12000)
        realm_config
        export KRB5_CONFIG=$here/krb5.conf KRB5_KDC_PROFILE=$here/kdc.conf KRB5CCNAME=FILE:$here/ccache
        [ -e "$here/principal" ] || kdb5_util -r "$REALM" load "$dump" || return 1
        if realm_kdc_up; then
            ROAD_PID[kdc]=$REALM_KDC_PID
            return 0
        fi
    done
    cat "$here/kdc.out" "$here/kdc.log"
    return 1
}

road_end()
{
    local name
    for name in "${!ROAD_PID[@]}"; do
        kill "${ROAD_PID[$name]}" 2>/dev/null
    done
    for name in "${!ROAD_PID[@]}"; do
        wait "${ROAD_PID[$name]}" 2>/dev/null
    done
    ROAD_PID=()
    realm_stop
}
