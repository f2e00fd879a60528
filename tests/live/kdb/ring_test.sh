#!/bin/bash
# Kills the programs of a realm with SIGKILL at random moments, while it is written, loaded and asked for tickets:
# kadmind, kadmin.local, kdb5_util load, kdb5_util load -update, the krb5kdc of each node, krbrepl-master and
# krbrepl-replica, and the daemons of both ends at once. Every few rounds it stops for a moment and looks:
#
#   * the three stores are whole, and have one digest root at one position
#   * `kdb5_util dump` writes the same at all three
#   * every principal whose creation was acknowledged is there, and no load has been done in part
#
#   ring_test.sh BIN PLUGIN_DIR PROMISE
#
# KDB_RING_SECONDS is how long it goes on (40), KDB_RING_SEED which moments and victims are chosen.
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/checks.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh"

seconds=${KDB_RING_SECONDS:-40}
seed=${KDB_RING_SEED:-$((SRANDOM % 32768))}
declare -A killed=()
export BASE=16000

# ---- who writes and asks ----------------------------------------------------------------------------

# Loads and looks keep writers out, for what is written after a dump was made would be gone after its load.
while_writing() { flock -s "$work/writing" "$@"; }

local_writer() {
    local n i pid
    for n in $(seq 100000); do
        [ ! -e "$work/stop" ] || break
        for i in $(seq 40); do
            echo "addprinc -nokey local-$n-$i"
            echo "setstr user00001 turn $n.$i"
        done >"$work/orders"
        (
            flock -s 8
            exec setpriv --pdeathsig KILL kadmin.local -r "$REALM" <"$work/orders" >>"$work/done.local" 2>/dev/null
        ) 8>"$work/writing" &
        pid=$!
        echo $pid >"$work/pid.local"
        wait $pid 2>/dev/null
    done
}

remote_writer() {
    local n
    for n in $(seq 100000); do
        [ ! -e "$work/stop" ] || break
        while_writing kadmin -p root/admin -w Secret-9-Root -r "$REALM" addprinc -nokey "remote-$n" >>"$work/done.remote" 2>/dev/null
    done
}

asker() { # NAME
    local n
    for n in $(seq 1000000); do
        [ ! -e "$work/stop" ] || break
        if kdb_at "$1" login_quietly "user0$((n % 9 + 1))000" "$work/cc.$1"; then echo . >>"$work/tickets.$1"; fi
    done
}
login_quietly() { echo secret | kinit -c "FILE:$2" "$1" >/dev/null 2>&1; }

# ---- the victims ------------------------------------------------------------------------------------

a_while() { sleep "0.$((RANDOM % 5))$((RANDOM % 10))"; }

kill_kadmind() { road_signal kadmind KILL; must kdb_kadmind_start; }
kill_kadmin_local() { kill -KILL "$(cat "$work/pid.local")" 2>/dev/null; }
kill_kdc() { kdb_kdc_stop "$1" KILL; must kdb_kdc_start "$1"; }
kill_replica() { road_signal "$1" KILL; road_restart "$1"; }
restart_master() { road_restart master; must road_until "the master serving" road_serving master; }
kill_master() { road_signal master KILL; restart_master; }

kill_both_ends() {
    road_signal master KILL
    road_signal replica-1 KILL
    road_restart replica-1
    restart_master
}

# One life of tickets for one principal in a hundred, or for all of them: differences, or a content that is new.
next_day() { # DUMP
    next_life=$((3600 + RANDOM))
    awk -F'\t' -v OFS='\t' -v life=$next_life -v few=$((RANDOM % 2)) \
        '$7 ~ /^user/ && (!few || $7 ~ /00@/) { $9 = life } { print }' "$1" >"$work/next"
}

kill_load() {
    local pid
    exec 7>"$work/writing"
    flock 7
    quietly util dump "$work/day"
    next_day "$work/day"
    kdb5_util -r "$REALM" load "$work/next" >"$work/load.out" 2>&1 7>&- &
    pid=$!
    sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    # Done as a whole, or not at all.
    quietly util dump "$work/after"
    plain_users "$work/after" >"$work/users.after"
    if ! cmp -s "$work/users.after" <(plain_users "$work/day") && ! cmp -s "$work/users.after" <(plain_users "$work/next"); then
        fail "a killed load was done in part"
    fi
    exec 7>&-
}
plain_users() { awk -F'\t' '$7 ~ /^user/ { print $7, $9 }' "$1"; }

# Beside the writers, with principals of its own.
kill_update() {
    local pid
    kdb5_util -r "$REALM" load -update "$work/part" >"$work/load.out" 2>&1 &
    pid=$!
    sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
}

victims=("kill_kadmind" "kill_kadmin_local" "kill_kadmin_local" "kill_kdc master" "kill_kdc replica-1" "kill_kdc replica-2"
    "kill_replica replica-1" "kill_replica replica-2" "kill_master" "kill_both_ends" "kill_load" "kill_update")

one_round() {
    local victim=${victims[RANDOM % ${#victims[@]}]}
    a_while
    $victim 2>/dev/null
    killed[$victim]=$((${killed[$victim]:-0} + 1))
}

# ---- what must hold ---------------------------------------------------------------------------------

acknowledged() { sed -n 's/^Principal "\(.*\)" created.*/\1/p' "$work"/done.*; }

look() {
    local name missing
    exec 7>"$work/writing"
    flock 7
    for name in master replica-1 replica-2; do
        road_alive "$name" || fail "the daemon of $name ended by itself"
        kill -0 "${KDB_KDC[$name]}" || fail "the KDC of $name ended by itself"
    done
    road_alive kadmind || fail "kadmind ended by itself"
    arrive
    acknowledged | sort -u >"$work/acknowledged"
    cut -f 7 "$work/dump.replica-2" | sort >"$work/there"
    missing=$(comm -23 "$work/acknowledged" "$work/there" | wc -l)
    [ "$missing" = 0 ] || fail "$missing acknowledged principals are gone, such as $(comm -23 "$work/acknowledged" "$work/there" | head -n 3)"
    exec 7>&-
}

in_good_order() {
    local name
    for name in $KDB_NODES; do
        quietly krbrepl verify "$REALM_DIR/$name"
        must kdb_at "$name" login user00002 secret
        [ "$(wc -l <"$work/tickets.$name")" -gt 5 ] || fail "hardly a ticket at $name"
        ! grep -q 'CORRUPT\|does not match' "$REALM_DIR/$name.log" || fail "$name found damage"
    done
    [ "$(wc -l <"$work/acknowledged")" -gt 50 ] || fail "too little was done: $(wc -l <"$work/acknowledged")"
}

# Also on a machine with much else to do, on which that takes longer.
enough() {
    local name
    for name in $KDB_NODES; do
        [ "$(wc -l <"$work/tickets.$name")" -gt 5 ] || return 1
    done
    [ "$(acknowledged | sort -u | wc -l)" -gt 50 ]
}

every_invariant_holds_whatever_program_is_killed() {
    local round end name
    RANDOM=$seed
    echo "seed $seed, $seconds seconds"
    begin
    must kdb_kadmind
    must road_fill "$BASE" "$work/dump"
    sed -n '1p; /	user0[1-4]/p' "$work/dump" | sed 's/	user/	part/' | awk -F'\t' -v OFS='\t' '$1 == "princ" { $3 = length($7) } { print }' >"$work/part"
    arrive
    : >"$work/writing"
    : >"$work/pid.local"
    local_writer &
    jobs_of_test+=($!)
    remote_writer &
    jobs_of_test+=($!)
    for name in $KDB_NODES; do
        : >"$work/tickets.$name"
        asker "$name" &
        jobs_of_test+=($!)
    done
    end=$((SECONDS + seconds))
    for round in $(seq 100000); do
        [ $SECONDS -lt $end ] || ! enough || break
        one_round
        [ $((round % 12)) != 0 ] || look
    done
    look
    touch "$work/stop"
    wait "${jobs_of_test[@]}"
    jobs_of_test=()
    look
    in_good_order
    echo "$round rounds, $(wc -l <"$work/acknowledged") principals acknowledged, $(cat "$work"/tickets.* | wc -l) tickets"
    for name in "${!killed[@]}"; do echo "  ${killed[$name]} x $name"; done | sort -rn
}

"$3"
