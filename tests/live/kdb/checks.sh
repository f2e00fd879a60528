#!/bin/bash
# checks.sh: what the tests of a replicated realm have in common: a master with two replicas, and what is compared
# on them. On top of kdb.sh; sourced by bash, with ROAD_BIN and KDB_PLUGIN set.
#
#   begin                    a realm, krbrepl-master, and two replicas with a KDC each; $work is a directory for the
#                            test, and goes with it
#   arrive                   waits until both replicas have applied the master's last commit; then the three stores
#                            have one digest root, and `kdb5_util dump` writes the same at all three
#   must, must_not, quietly, fail
#   admin, util, remote      kadmin.local, kdb5_util, and kadmin over the network as root/admin
#   login PRINCIPAL PASSWORD

# shellcheck source=tests/live/kdb/kdb.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kdb.sh"

KDB_NODES="master replica-1 replica-2"
work=$(mktemp -d) || exit 1
jobs_of_test=()
trap 'kill "${jobs_of_test[@]}" 2>/dev/null; kill -CONT "${ROAD_PID[@]}" 2>/dev/null; kdb_end; rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
export LC_ALL=C TZ=UTC

# What a test says is seen also where its own output is kept in a file.
exec 3>&1
fail() {
    {
        echo "FAILED: ${row:+in \"$row\": }$*"
        [ ! -s "$work/kinit" ] || echo "--- the last kinit: $(cat "$work/kinit")"
        road_logs
    } >&3
    exit 1
}
must() { "$@" || fail "$*"; }
must_not() { if "$@"; then fail "this should have failed: $*"; fi; }
quietly() { "$@" >"$work/out" 2>&1 || { cat "$work/out"; fail "$*"; }; }

krbrepl() { "$ROAD_BIN/krbrepl" "$@"; }
admin() { kadmin.local -r "$REALM" "$@"; }
util() { kdb5_util -r "$REALM" "$@"; }
remote() { kadmin -p root/admin -w Secret-9-Root -r "$REALM" "$@"; }
login() { echo "$2" | kinit "$1" >"$work/kinit" 2>&1; } # PRINCIPAL PASSWORD

begin() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw Secret-9-Root root/admin
    must road_serve master
    must kdb_replica replica-1
    must kdb_replica replica-2
}

applied() { krbrepl wait -q --replicas 2 --level applied --timeout "${ROAD_PATIENCE}s" "$REALM_DIR/master" >"$work/wait" 2>&1; }

# A dump as it is compared: in order, and without what each KDC counts for itself.
plain_dump() { # NAME FILE [OPTION]... [-- PRINCIPAL...]
    local name=$1 file=$2 options=()
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    quietly kdb_at "$name" util dump "${options[@]}" "$work/dump.$name" "${@:2}"
    awk -F'\t' -v OFS='\t' '$1 == "princ" { $13 = $14 = $15 = 0 } { print }' "$work/dump.$name" | sort >"$file"
}

dumps_are_equal() { # [OPTION]... [-- PRINCIPAL...]
    local name
    for name in $KDB_NODES; do
        plain_dump "$name" "$work/plain.$name" "$@"
        cmp -s "$work/plain.master" "$work/plain.$name" || {
            diff "$work/plain.master" "$work/plain.$name" | cut -c 1-200 | head -n 6
            fail "$name dumps something else"
        }
    done
}

arrive() {
    applied || fail "the replicas do not get the last commit: $(cat "$work/wait")"
    road_equal master replica-1 replica-2 || fail "the stores differ"
    dumps_are_equal
}
