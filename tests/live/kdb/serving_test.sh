#!/bin/bash
# What KDCs and administrators see while a realm with two replicas goes on: content that is replaced under many
# workers, writes that wait for replicas, and settings of an older way to replicate. One promise a run.
#
#   serving_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/checks.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh"

# ---- workers ----------------------------------------------------------------------------------------

# How long the ticket of a cache is good for, in seconds.
life() { # CACHE
    local from to
    read -r from to < <(klist -c "$1" | awk '/krbtgt/ { print $1 "T" $2, $3 "T" $4; exit }')
    echo $(($(date -d "${to/T/ }" +%s) - $(date -d "${from/T/ }" +%s)))
}

# Logs in again and again; a line in $work/failed.NAME is one that failed, one in $work/life.NAME the life it got.
log_in() { # NAME
    local cache=FILE:$work/cc.$1
    until [ -e "$work/stop" ]; do
        if echo secret | kdb_at "$1" kinit -c "$cache" user00001 >"$work/kinit.$1" 2>&1; then
            life "$cache" >>"$work/life.$1"
        else
            cat "$work/kinit.$1" >>"$work/failed.$1"
        fi
    done
}

with_life() { # SECONDS FILE
    awk -F'\t' -v OFS='\t' -v life="$1" '$7 ~ /^user/ { $9 = life } { print }' "$work/dump" >"$2"
}

hang_up() { # NAME
    until [ -e "$work/stop" ]; do
        kill -HUP "${KDB_KDC[$1]}"
        sleep 0.2
    done
}

# From all workers of a KDC, however they share the work.
all_answers_are() { # NAME SECONDS
    local i got
    for i in $(seq 16); do
        must kdb_at "$1" login user00002 secret
        got=$(life "$(kdb_at "$1" sh -c 'echo "$KRB5CCNAME"')")
        [ "$got" = "$2" ] || fail "$1 gives a ticket for $got seconds, after the content that says $2 is there"
    done
}

answering_workers() { grep -o 'krb5kdc\[[0-9]*\](info): AS_REQ' "$(kdb_kdc_log "$1")" | sort -u | wc -l; }

workers_answer_while_content_is_replaced_under_them() {
    begin
    must road_fill 30000 "$work/dump"
    arrive
    local name seconds
    for name in $KDB_NODES; do
        kdb_kdc_stop "$name" TERM
        must kdb_kdc_start "$name" -w 3
    done
    for name in $KDB_NODES; do
        : >"$work/failed.$name"
        : >"$work/life.$name"
        log_in "$name" &
        jobs_of_test+=($!)
        log_in "$name" &
        jobs_of_test+=($!)
        hang_up "$name" &
        jobs_of_test+=($!)
    done
    # Each time more than one commit can hold: a new generation here, a copy there.
    for seconds in 7200 3600; do
        with_life $seconds "$work/next"
        quietly util load "$work/next"
        all_answers_are master $seconds
        applied || fail "the replicas do not get the new content: $(cat "$work/wait")"
        all_answers_are replica-1 $seconds
        all_answers_are replica-2 $seconds
    done
    krbrepl log --last 1 "$REALM_DIR/master" | grep -q 'whole content replaced' || fail "it was no new generation: $(krbrepl log --last 1 "$REALM_DIR/master")"
    touch "$work/stop"
    wait "${jobs_of_test[@]}"
    jobs_of_test=()
    for name in $KDB_NODES; do
        [ ! -s "$work/failed.$name" ] || fail "$(wc -l <"$work/failed.$name") logins failed at $name: $(sort "$work/failed.$name" | uniq -c | head -n 3)"
        [ "$(sort -u "$work/life.$name" | wc -l)" -ge 3 ] || fail "$name was asked too seldom"
        [ "$(answering_workers "$name")" -ge 2 ] || fail "one worker of $name answered everything"
        kill -0 "${KDB_KDC[$name]}" || fail "the KDC of $name has ended"
    done
    arrive
}

# ---- writes that wait -------------------------------------------------------------------------------

everyone_has_it() { # NAME: without waiting, for the command has waited
    local seq name
    seq=$(krbrepl log --last 1 "$REALM_DIR/master" | awk '{ print $1; exit }')
    for name in replica-1 replica-2; do
        [ "$(krbrepl log --last 1 "$REALM_DIR/$name" | awk '{ print $1; exit }')" -ge "$seq" ] || fail "$1 returned before $name had commit $seq"
    done
}

each_kind_of_write_waits_for_the_replicas() {
    begin
    # The settings are written anew with the ports of kadmind.
    KDB_OPTIONS=$'sync_replicas = 2\n        sync_timeout = 60s\n        sync_level = durable'
    must kdb_kadmind
    quietly admin addprinc -pw secret alice
    everyone_has_it addprinc
    quietly admin addpol -minlength 2 staff
    everyone_has_it addpol
    quietly util dump "$work/dump"
    quietly admin renprinc -force alice alicia
    everyone_has_it renprinc
    quietly admin delpol -force staff
    everyone_has_it delpol
    quietly util load "$work/dump"
    everyone_has_it load
    sed 's/alice@/other@/' "$work/dump" >"$work/part"
    quietly util load -update "$work/part"
    everyone_has_it "load -update"
    printf 'second\nsecond\n' | quietly util add_mkey -s -e aes256-cts
    quietly util use_mkey 2
    quietly util update_princ_encryption -f
    everyone_has_it update_princ_encryption
    quietly remote cpw -pw changed alice
    everyone_has_it "cpw over the network"
    [ "$(grep -c 'replicas that sync_replicas' "$REALM_DIR/kadmin.log")" = 0 ] || fail "$(cat "$REALM_DIR/kadmin.log")"
}

# The change stays and the client is told so; what is missing is in the log.
a_write_that_waits_in_vain_is_a_success_with_a_warning() {
    begin
    KDB_OPTIONS=$'sync_replicas = 2\n        sync_timeout = 8s\n        sync_level = received'
    must kdb_kadmind
    quietly remote addprinc -pw secret alice
    road_signal replica-2 TERM
    wait "${ROAD_PID[replica-2]}"
    : >"$REALM_DIR/kadmin.log"
    quietly remote cpw -pw changed alice
    grep -q "commit $(road_seq master) is stored here, but 1 of the 2 replicas that sync_replicas wants have it after 8000 ms" \
        "$REALM_DIR/kadmin.log" || fail "$(cat "$REALM_DIR/kadmin.log")"
    must road_until "the change at replica-1" road_at replica-1 "$(road_seq master)"
    must kdb_at replica-1 login alice changed
    must_not kdb_at replica-2 login alice changed
    # Without the daemon nobody can wait, and writing goes on all the same.
    road_signal master TERM
    wait "${ROAD_PID[master]}"
    : >"$REALM_DIR/kadmin.log"
    quietly remote cpw -pw again alice
    grep -q 'of the 2 replicas that sync_replicas wants' "$REALM_DIR/kadmin.log" || fail "$(cat "$REALM_DIR/kadmin.log")"
    must login alice again
    road_restart master
    road_restart replica-2
    arrive
    must kdb_at replica-2 login alice again
}

# ---- other ways to replicate ------------------------------------------------------------------------

# A kdc.conf of a realm that used incremental propagation is left as it is.
settings_of_iprop_change_nothing() {
    begin
    local conf
    for conf in "$REALM_DIR/kdc.conf" "$REALM_DIR"/kdc.replica-?/kdc.conf; do
        sed -i "s#^    $REALM = {#&\n        iprop_enable = true\n        iprop_port = 2121\n        iprop_master_ulogsize = 100\n        iprop_replica_poll = 5s\n        iprop_resync_timeout = 300\n        iprop_logfile = ${conf%/*}/ulog#" "$conf"
    done
    quietly util dump "$work/start"
    quietly util load "$work/start"
    quietly admin addpol -minlength 2 staff
    quietly admin addprinc -pw secret -policy staff alice
    quietly admin addprinc -pw secret bob
    quietly admin renprinc -force bob robert
    quietly admin modpol -minlength 3 staff
    quietly admin delprinc -force robert
    quietly admin setstr alice color blue
    arrive
    local name
    for name in $KDB_NODES; do
        must kdb_at "$name" login alice secret
        must_not kdb_at "$name" login bob secret
    done
    must_not kdb_at replica-1 admin addprinc -pw x carol >"$work/out" 2>&1
    arrive
}

"$3"
