#!/bin/bash
# A realm on the KDB module: a master with kadmind and krb5kdc, krbrepl-master, and two replicas with
# krbrepl-replica and a krb5kdc each. One promise a run.
#
#   realm_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/kdb.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kdb.sh"

work=$(mktemp -d) || exit 1
jobs_of_test=()
trap 'kill "${jobs_of_test[@]}" 2>/dev/null; kill -CONT "${ROAD_PID[@]}" 2>/dev/null; kdb_end; rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
export LC_ALL=C TZ=UTC

fail() {
    echo "FAILED: $*"
    road_logs
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

all_arrive() {
    local name seq
    seq=$(road_seq master) && [ -n "$seq" ] || fail "the master's position"
    for name in replica-1 replica-2; do
        must road_until "$name getting commit $seq" road_at "$name" "$seq"
    done
    must road_equal master replica-1 replica-2
}

# The databases as their own tools see them, without what each KDC counts for itself.
all_dump_the_same() {
    local name
    for name in master replica-1 replica-2; do
        quietly kdb_at "$name" util dump "$work/dump"
        awk -F'\t' -v OFS='\t' '$1 == "princ" { $13 = $14 = $15 = 0 } { print }' "$work/dump" >"$work/dump.$name"
    done
    cmp "$work/dump.master" "$work/dump.replica-1" || fail "replica-1 dumps something else"
    cmp "$work/dump.master" "$work/dump.replica-2" || fail "replica-2 dumps something else"
}

# ---- the promises -----------------------------------------------------------------------------------

changes_by_kadmin_are_in_the_kdcs_of_all_replicas() {
    begin
    must kdb_kadmind
    quietly remote addpol -minlength 4 staff
    quietly remote addprinc -pw secret1 -policy staff +requires_preauth alice
    quietly remote addprinc -pw secret1 bob
    quietly remote addprinc -randkey host/service
    quietly remote setstr alice color blue
    all_arrive
    local name
    for name in replica-1 replica-2; do
        must kdb_at "$name" login alice secret1
        quietly kdb_at "$name" kvno host/service
        quietly kdb_at "$name" admin getstrs alice
        grep -q 'color: blue' "$work/out" || fail "$name has no string attribute"
    done
    quietly remote cpw -pw secret2 alice
    quietly remote modpol -minlength 5 staff
    quietly remote renprinc -force bob robert
    quietly remote cpw -randkey -keepold "krbtgt/$REALM"
    all_arrive
    for name in replica-1 replica-2; do
        # A ticket of the old key still gets a service ticket, and a new one comes by the new password.
        quietly kdb_at "$name" kvno "krbrepl/$name"
        must kdb_at "$name" login alice secret2
        must_not kdb_at "$name" login alice secret1
        must kdb_at "$name" login robert secret1
        must_not kdb_at "$name" login bob secret1
    done
    quietly remote delprinc -force alice
    quietly remote delpol -force staff
    all_arrive
    must_not kdb_at replica-2 login alice secret2
    all_dump_the_same
}

a_master_key_rolls_over_on_all_nodes() {
    begin
    local i name
    for i in $(seq 50); do echo "addprinc -pw secret user$i"; done | admin >/dev/null 2>&1
    printf 'second\nsecond\n' | quietly util add_mkey -s -e aes256-cts
    quietly util use_mkey 2
    quietly admin addprinc -pw secret newcomer
    all_arrive
    for name in replica-1 replica-2; do
        must kdb_at "$name" login newcomer secret
        must kdb_at "$name" login user7 secret
    done
    quietly util update_princ_encryption -f
    all_arrive
    for name in replica-1 replica-2; do
        must kdb_at "$name" login user7 secret
    done
    # Before the old key goes, the stash file is copied, and the KDCs read it.
    quietly util stash
    for name in replica-1 replica-2; do
        cp "$REALM_DIR/stash" "$REALM_DIR/kdc.$name/stash"
        kdb_kdc_stop "$name" TERM
        must kdb_kdc_start "$name"
    done
    quietly util purge_mkeys -f
    all_arrive
    for name in replica-1 replica-2; do
        must kdb_at "$name" login user50 secret
    done
    all_dump_the_same
}

# Logs in again and again until $work/stop is there; each line of $work/logins.NAME is one that failed.
log_in_all_the_while() { # NAME
    : >"$work/logins.$1"
    until [ -e "$work/stop" ]; do
        echo secret | KRB5CCNAME=FILE:$work/cc.$1 kdb_at "$1" kinit -c "FILE:$work/cc.$1" user00001 \
            >"$work/kinit.$1" 2>&1 || cat "$work/kinit.$1" >>"$work/logins.$1"
        echo . >>"$work/count.$1"
    done
}

has_logins() { [ "$(wc -l <"$work/count.$1")" -gt 5 ]; } # NAME

content_is_replaced_under_running_kdcs() {
    begin
    # More than one commit can hold: it becomes a new generation, which the replicas copy.
    must road_fill 70000 "$work/dump"
    all_arrive
    local name
    for name in master replica-1 replica-2; do
        log_in_all_the_while "$name" &
        jobs_of_test+=($!)
    done
    awk -F'\t' -v OFS='\t' '$7 ~ /^user/ { $9 = 7200 } { print }' "$work/dump" >"$work/next"
    sed -i "/	user70000@/d" "$work/next"
    quietly util load "$work/next"
    krbrepl log --last 1 "$REALM_DIR/master" | grep -q 'whole content replaced' || fail "it was no new generation"
    # On the master there is no stale answer from the moment the load returns.
    quietly admin getprinc user00002
    grep -q '0 days 02:00:00' "$work/out" || fail "$(cat "$work/out")"
    must_not login user70000 secret
    all_arrive
    for name in replica-1 replica-2; do
        quietly kdb_at "$name" admin getprinc user00002
        grep -q '0 days 02:00:00' "$work/out" || fail "$name: $(cat "$work/out")"
        must_not kdb_at "$name" login user70000 secret
        must kdb_at "$name" login user69999 secret
    done
    # The running KDC, not a new process, gives the new life.
    for name in master replica-1 replica-2; do
        must road_until "logins at $name" has_logins "$name"
    done
    touch "$work/stop"
    wait "${jobs_of_test[@]}"
    for name in master replica-1 replica-2; do
        [ ! -s "$work/logins.$name" ] || fail "logins failed at $name: $(head -n 3 "$work/logins.$name")"
        kdb_at "$name" login user00003 secret
        quietly kdb_at "$name" klist
    done
    all_dump_the_same
}

writes_wait_for_replicas_and_say_when_these_do_not_answer() {
    begin
    KDB_OPTIONS='sync_replicas = 2
        sync_timeout = 60s
        sync_level = applied'
    realm_config
    local i name
    for i in 1 2 3 4 5; do
        quietly admin addprinc -pw secret "user$i"
        # No waiting here: the command has waited.
        for name in replica-1 replica-2; do
            must kdb_at "$name" login "user$i" secret
        done
    done
    # This is waited in vain for, and long enough for the other one.
    KDB_OPTIONS=${KDB_OPTIONS/60s/8s}
    realm_config
    : >"$REALM_DIR/kadmin.log"
    road_signal replica-2 STOP
    quietly admin addprinc -pw secret late
    grep -q '1 of the 2 replicas' "$REALM_DIR/kadmin.log" || fail "the numbers are not told"
    must login late secret
    must kdb_at replica-1 login late secret
    road_signal replica-2 CONT
    all_arrive
    must kdb_at replica-2 login late secret
    # kadmind says it in its log, and its client sees a success.
    must kdb_kadmind
    road_signal replica-1 STOP
    quietly remote addprinc -pw secret later
    grep -q '1 of the 2 replicas' "$REALM_DIR/kadmin.log" || fail "kadmind does not log the numbers"
    road_signal replica-1 CONT
    all_arrive
}

# Adds principals as fast as one process can, and notes those whose creation was acknowledged.
burst() { # PREFIX
    local i
    for i in $(seq 5000); do echo "addprinc -nokey $1-$i"; done |
        exec setpriv --pdeathsig KILL kadmin.local -r "$REALM" >"$work/burst.$1" 2>/dev/null
}

acknowledged() { sed -n "s/^Principal \"\(.*\)\" created.*/\1/p" "$work"/burst.* "$work"/remote.* 2>/dev/null; }

remote_burst() {
    local i
    for i in $(seq 100000); do
        [ ! -e "$work/stop" ] || break
        remote addprinc -nokey "remote-$i" >>"$work/remote.1" 2>/dev/null
    done
}

# Kills the children of a process that have this name. Without another program: under a sanitizer that is loaded before
# everything else, pkill has hung in its first steps.
kill_children() {
    local child
    for child in $(<"/proc/$1/task/$1/children"); do
        [ "$(<"/proc/$child/comm")" != "$2" ] || kill -KILL "$child"
    done 2>/dev/null
}

nothing_acknowledged_is_lost_when_programs_are_killed() {
    begin
    must kdb_kadmind
    remote_burst &
    jobs_of_test+=($!)
    local round pid name end=$((SECONDS + ${KDB_KILL_SECONDS:-12}))
    for round in $(seq 1000); do
        [ $SECONDS -lt $end ] || [ "$(acknowledged | wc -l)" -le 50 ] || break
        burst "$round" &
        pid=$!
        sleep "0.$((RANDOM % 9 + 1))"
        # The pipeline's last process is kadmin.local: it goes with SIGKILL in the middle of its work.
        kill_children "$pid" kadmin.local
        wait "$pid" 2>/dev/null
        case $((RANDOM % 6)) in
        0) road_signal kadmind KILL; must kdb_kadmind_start ;;
        1) kdb_kdc_stop master KILL; must kdb_kdc_start master ;;
        2) kdb_kdc_stop replica-1 KILL; must kdb_kdc_start replica-1 ;;
        3) road_signal replica-1 KILL; road_restart replica-1 ;;
        4) road_signal replica-2 KILL; road_restart replica-2 ;;
        5) road_signal master KILL; road_restart master; must road_until "the master serving" road_serving master ;;
        esac
    done
    touch "$work/stop"
    wait "${jobs_of_test[@]}"
    all_arrive
    acknowledged | sort -u >"$work/acknowledged"
    [ "$(wc -l <"$work/acknowledged")" -gt 50 ] || fail "too little was done: $(wc -l <"$work/acknowledged")"
    for name in master replica-1 replica-2; do
        quietly krbrepl verify "$REALM_DIR/$name"
        kdb_at "$name" admin listprincs 2>/dev/null | sort >"$work/there"
        [ -z "$(comm -23 "$work/acknowledged" "$work/there")" ] ||
            fail "$name has lost $(comm -23 "$work/acknowledged" "$work/there" | wc -l) principals"
    done
    # MIT: a change after such a crash ends kpropd for good.
    quietly admin modprinc -maxlife 3h "$(tail -n 1 "$work/acknowledged")"
    all_arrive
    all_dump_the_same
}

a_killed_load_changes_nothing() {
    begin
    must road_fill 20000 "$work/dump"
    all_arrive
    local before pid i
    before=$(road_seq master)
    awk -F'\t' -v OFS='\t' '$7 ~ /^user/ { $9 = 7200 } { print }' "$work/dump" >"$work/next"
    for i in 1 2 3 4 5 6; do
        kdb5_util -r "$REALM" load "$work/next" >/dev/null 2>&1 &
        pid=$!
        sleep "0.0$i"
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
        must login user00001 secret
    done
    quietly krbrepl verify "$REALM_DIR/master"
    [ "$(road_seq master)" -le $((before + 1)) ] || fail "more than one load took place"
    quietly util load "$work/next"
    [ "$(road_seq master)" = $((before + 1)) ] || fail "the load is not one commit"
    all_arrive
}

"$3"
