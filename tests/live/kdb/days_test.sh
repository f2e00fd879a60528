#!/bin/bash
# What the users of a large realm see of a day's work on its database: nothing. The krb5kdc of each node is asked for
# tickets, without a pause longer than some milliseconds, while content changes under it. One promise a run.
#
#   days_test.sh BIN PLUGIN_DIR PROMISE AS_LOAD
#
# KDB_DAYS_PRINCIPALS is how many principals the realm has (10,000).
ROAD_BIN=$1
KDB_PLUGIN=$2
AS_LOAD=$4
principals=${KDB_DAYS_PRINCIPALS:-10000}
# A machine that is busy loads 200,000 principals in more than a minute.
ROAD_PATIENCE=${ROAD_PATIENCE:-$((60 + principals / 500))}
# shellcheck source=tests/live/kdb/checks.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh"

# ---- who asks ---------------------------------------------------------------------------------------

# Over TCP, where nothing is asked again behind our back: a request that the KDC did not answer is a failure.
ask() { # NAME
    # Its own pid, and not that of a shell around it, is what the signal has to reach.
    (kdb_env "$1" && exec setpriv --pdeathsig KILL "$AS_LOAD" --user user --count "$principals" --realm "$REALM" \
        --pause 4000 --out "$work/asked.$1" 2>"$work/failed.$1") &
    jobs_of_test+=($!)
}

nobody_failed() {
    local name asked
    for name in $KDB_NODES; do
        [ ! -s "$work/failed.$name" ] || fail "$(wc -l <"$work/failed.$name") requests failed at $name: $(head -n 3 "$work/failed.$name")"
        asked=$(wc -l <"$work/asked.$name")
        [ "$asked" -ge 100 ] || fail "$name was asked $asked times only"
        [ "$(awk '$3 != 0' "$work/asked.$name" | wc -l)" = 0 ] || fail "failures at $name"
        printf '%-10s %7d requests, %s\n' "$name" "$asked" "$(worst "$work/asked.$name")"
    done
}

# Of all requests of a file, for whoever reads the log of this test.
worst() { # FILE
    awk '{ print $2 }' "$1" | sort -n | awk '{ v[NR] = $1 } END {
        printf "p50 %.1f ms, p99 %.1f ms, longest %.1f ms", v[int(NR * 0.5 + 1)], v[int(NR * 0.99 + 0.5)], v[NR] }'
}

# ---- the days ---------------------------------------------------------------------------------------

# One principal in a hundred gets another life of tickets, as kdb5_util would dump it a day later.
next_day() { # DUMP
    awk -F'\t' -v OFS='\t' '$7 ~ /^user[0-9]*00@/ { $9 = 7200 } { print }' "$1" >"$work/next"
}

# All of them get a string attribute, which is more than one commit can hold.
another_generation() { # DUMP
    local note
    note=6e6f746500$(printf '78%.0s' $(seq 400))00
    awk -F'\t' -v OFS='\t' -v note="$note" '
        $7 ~ /^user/ { $4++; $16 = 11 OFS length(note) / 2 OFS note OFS $16 }
        { print }' "$1" >"$work/next"
}

last_commit() { krbrepl log --last 1 "$REALM_DIR/master"; }
# A replica's KDC is put to use when it has what the master has; until then it answers from an earlier commit.
reached() { krbrepl wait -q --replicas "$1" --level applied --timeout "${ROAD_PATIENCE}s" "$REALM_DIR/master"; }
has_life() { # NAME PRINCIPAL LIFE
    quietly kdb_at "$1" admin getprinc "$2"
    grep -q "Maximum ticket life: 0 days $3" "$work/out" || fail "$1: $(cat "$work/out")"
}

no_login_fails_while_a_day_is_loaded_a_replica_made_and_content_replaced() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw Secret-9-Root root/admin
    must road_serve master
    must road_fill "$principals" "$work/dump"
    must kdb_replica replica-1
    must reached 1
    ask master
    ask replica-1

    echo "the next day's dump is loaded"
    next_day "$work/dump"
    quietly util load "$work/next"
    must reached 1
    last_commit | grep -q " $((principals / 100)) put, 0 deleted" || fail "not what differs: $(last_commit)"
    has_life replica-1 user00100 02:00:00

    echo "a replica is made from nothing"
    must kdb_replica replica-2
    must reached 2
    ask replica-2

    echo "a generation takes the place of another"
    quietly util dump "$work/dump"
    another_generation "$work/dump"
    quietly util load "$work/next"
    last_commit | grep -q 'whole content replaced' || fail "it was no new generation: $(last_commit)"
    must reached 2
    quietly kdb_at replica-2 admin getstrs user00100
    grep -q '^note: xxx' "$work/out" || fail "replica-2 has the old content: $(cat "$work/out")"

    echo "the end"
    kill -TERM "${jobs_of_test[@]}"
    wait "${jobs_of_test[@]}"
    jobs_of_test=()
    nobody_failed
    arrive
}

"$3"
