#!/bin/bash
# What incremental propagation of MIT krb5 was seen to lose, on a master with two replicas. One promise a run.
#
#   losses_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/checks.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh"

# Adds principals as fast as one process can, and notes those whose creation was acknowledged.
burst() { # PREFIX
    local i
    for i in $(seq 3000); do echo "addprinc -nokey $1-$i"; done >"$work/orders"
    exec setpriv --pdeathsig KILL kadmin.local -r "$REALM" <"$work/orders" >"$work/burst.$1" 2>/dev/null
}

acknowledged() { sed -n 's/^Principal "\(.*\)" created.*/\1/p' "$work"/burst.*; }
some_done() { [ "$(grep -c created "$work/burst.$1" 2>/dev/null)" -ge "$2" ]; }

replicas_equal() {
    applied || fail "the replicas do not get the last commit: $(cat "$work/wait")"
    road_equal master replica-1 replica-2 || fail "the stores differ"
}

nothing_is_missing() {
    local name
    acknowledged | sort >"$work/acknowledged"
    for name in $KDB_NODES; do
        kdb_at "$name" admin listprincs 2>/dev/null | sort >"$work/there"
        [ -z "$(comm -23 "$work/acknowledged" "$work/there")" ] || fail "$name has lost $(comm -23 "$work/acknowledged" "$work/there" | wc -l)"
    done
}

# MIT: in some rounds of these the replica misses the last change for ever, and nobody says so.
twenty_bursts_that_are_killed_leave_no_difference() {
    begin
    local round pid
    for round in $(seq 20); do
        : >"$work/burst.$round"
        burst "$round" &
        pid=$!
        must road_until "a burst beginning" some_done "$round" $((round * 3))
        sleep "0.0$((RANDOM % 9 + 1))"
        kill -KILL $pid
        wait $pid 2>/dev/null
        # A commit whose process was killed before LMDB had told the others of it is seen from the next writer on.
        quietly admin addprinc -nokey "after-$round"
        replicas_equal
    done 2>/dev/null
    nothing_is_missing
    dumps_are_equal
}

# MIT: the replica's kpropd ends at the change of a principal that it has never got, again and again.
a_principal_whose_creation_was_cut_off_can_be_changed() {
    begin
    local round pid last
    for round in 1 2 3 4 5; do
        : >"$work/burst.$round"
        burst "$round" &
        pid=$!
        must road_until "a burst beginning" some_done "$round" 5
        kill -KILL $pid
        wait $pid 2>/dev/null
        # The newest one that there is, whether its creation was acknowledged or not.
        last=$(krbrepl log --last 1 "$REALM_DIR/master" | sed -n 's/.*create principal \([^"]*\)".*/\1/p')
        [ -n "$last" ] || fail "no creation in the log"
        quietly admin modprinc -maxlife 3h "$last"
        quietly admin cpw -pw secret "$last"
        arrive
        must kdb_at replica-1 login "$last" secret
        must kdb_at replica-2 login "$last" secret
    done
}

keys_of() { awk -F'\t' -v who="$2@$REALM" '$1 == "princ" && $7 == who' "$work/plain.$1"; }

# MIT: what has the same key version is taken to be the same.
keys_that_are_encrypted_anew_under_their_version_travel() {
    begin
    local name before
    quietly admin addprinc -pw secret alice
    printf 'second\nsecond\n' | quietly util add_mkey -s -e aes256-cts
    quietly util use_mkey 2
    arrive
    before=$(keys_of replica-1 alice)
    quietly util update_princ_encryption -f
    arrive
    for name in replica-1 replica-2; do
        [ "$(keys_of "$name" alice)" != "$before" ] || fail "$name has the keys under the old master key"
        quietly kdb_at "$name" admin getprinc alice
        grep -q 'Key: vno 1,' "$work/out" || fail "another version: $(cat "$work/out")"
        grep -q 'MKey: vno 2' "$work/out" || fail "$(cat "$work/out")"
        must kdb_at "$name" login alice secret
    done
}

times_after_2038_travel() {
    begin
    quietly admin addprinc -pw secret -expire '2105-12-31 23:00:00' -pwexpire '2100-06-01 12:00:00' alice
    quietly admin addprinc -pw secret -expire '2038-01-19 03:14:08' bob
    arrive
    local name
    for name in $KDB_NODES; do
        quietly kdb_at "$name" admin getprinc alice
        grep -q '^Expiration date: .* 2106$\|^Expiration date: .* 2105$' "$work/out" || fail "$name: $(cat "$work/out")"
        grep -q '^Password expiration date: .* 2100$' "$work/out" || fail "$name: $(cat "$work/out")"
        quietly kdb_at "$name" admin getprinc bob
        grep -q '^Expiration date: Tue Jan 19 03:14:08 UTC 2038' "$work/out" || fail "$name: $(cat "$work/out")"
        must kdb_at "$name" login alice secret
        must kdb_at "$name" login bob secret
    done
}

tagged_data_that_is_removed_is_gone() {
    begin
    local name
    quietly admin addpol -minlength 2 staff
    quietly admin addprinc -pw secret -policy staff alice
    quietly admin setstr alice color blue
    quietly admin setstr alice otp '[]'
    arrive
    quietly admin delstr alice color
    quietly admin delstr alice otp
    quietly admin modprinc -clearpolicy alice
    arrive
    for name in $KDB_NODES; do
        quietly kdb_at "$name" admin getstrs alice
        ! grep -q 'color\|otp' "$work/out" || fail "$name: $(cat "$work/out")"
        quietly kdb_at "$name" admin getprinc alice
        grep -q '^Policy: \[none\]' "$work/out" || fail "$name: $(cat "$work/out")"
    done
}

was_copied() { krbrepl status "$REALM_DIR/$1" | grep -q '  last copy'; }

# MIT: the log cannot hold it, and everything is copied.
an_entry_of_more_than_63_KiB_travels_as_one_change() {
    begin
    local name before
    quietly admin addprinc -pw secret alice
    quietly admin setstr alice long "$(printf 'w%.0s' $(seq 60000))"
    arrive
    before=$(road_seq master)
    quietly admin setstr alice more "$(printf 'v%.0s' $(seq 5000))"
    quietly admin cpw -pw changed alice
    arrive
    [ "$(road_seq master)" = $((before + 2)) ] || fail "it is not a commit of its own"
    must_not was_copied replica-1
    for name in $KDB_NODES; do
        [ "$(kdb_at "$name" admin getstrs alice | wc -c)" -gt 65000 ] || fail "$name has less"
        must kdb_at "$name" login alice changed
    done
}

# MIT: the log can have two changes in the other order than the database.
writers_in_competition_leave_no_difference() {
    begin
    must kdb_kadmind
    local i writers=()
    quietly admin addprinc -nokey shared
    for i in $(seq 300); do echo "setstr shared first $i"; echo "modprinc -maxlife ${i}min shared"; done >"$work/first"
    for i in $(seq 300); do echo "setstr shared second $i"; echo "modprinc -maxlife ${i}hours shared"; done >"$work/second"
    for i in $(seq 150); do echo "setstr shared third $i"; echo "modprinc -maxrenewlife ${i}hours shared"; done >"$work/third"
    admin <"$work/first" >"$work/first.out" 2>&1 &
    writers+=($!)
    admin <"$work/second" >"$work/second.out" 2>&1 &
    writers+=($!)
    remote <"$work/third" >"$work/third.out" 2>&1 &
    writers+=($!)
    wait "${writers[@]}"
    for i in first second third; do
        [ "$(grep -c 'set for\|modified' "$work/$i.out")" -ge 300 ] || fail "$i: $(sort "$work/$i.out" | uniq -c | sort -rn | head -n 4)"
    done
    arrive
}

after_a_rollover_of_the_master_key_every_login_works() {
    begin
    local i name
    for i in $(seq 60); do echo "addprinc -pw secret user$i"; done | admin >/dev/null 2>&1
    printf 'second\nsecond\n' | quietly util add_mkey -s -e aes256-cts
    quietly util use_mkey 2
    quietly util update_princ_encryption -f
    quietly util stash
    arrive
    for name in replica-1 replica-2; do
        cp "$REALM_DIR/stash" "$REALM_DIR/kdc.$name/stash"
        kdb_kdc_stop "$name" TERM
        must kdb_kdc_start "$name"
    done
    quietly util purge_mkeys -f
    arrive
    for i in $(seq 60); do
        must kdb_at replica-1 login "user$i" secret
        must kdb_at replica-2 login "user$i" secret
    done
}

# MIT's module for LMDB removes the live database then.
a_load_that_fails_is_no_loss_anywhere() {
    begin
    local name before
    quietly admin addprinc -pw secret alice
    quietly util dump "$work/whole"
    arrive
    before=$(road_seq master)
    head -n 4 "$work/whole" >"$work/damaged"
    printf 'princ\t38\tno principal\n' >>"$work/damaged"
    must_not util load "$work/damaged" >"$work/out" 2>&1
    must_not util load /nonexistent >"$work/out" 2>&1
    must_not util load -x nonsense "$work/whole" >"$work/out" 2>&1
    [ "$(road_seq master)" = "$before" ] || fail "a failed load made a commit"
    quietly admin cpw -pw changed alice
    arrive
    for name in $KDB_NODES; do
        must kdb_at "$name" login alice changed
    done
}

# MIT: no replica can load a dump with such a policy.
a_policy_named_with_a_space_reaches_also_a_new_replica() {
    begin
    quietly admin addpol -minlength 5 'two words'
    quietly admin addprinc -pw secret -policy 'two words' alice
    arrive
    road_signal replica-2 TERM
    wait "${ROAD_PID[replica-2]}"
    kdb_kdc_stop replica-2 TERM
    rm -rf "$REALM_DIR/replica-2"
    quietly admin modpol -minlength 6 'two words'
    must kdb_replica replica-2
    arrive
    quietly kdb_at replica-2 admin getpol 'two words'
    grep -q 'Minimum password length: 6' "$work/out" || fail "$(cat "$work/out")"
    must kdb_at replica-2 login alice secret
}

# ---- files that are put back under a running master -------------------------------------------------

in_log() { grep -q "ERROR.*$2" "$REALM_DIR/$1.log"; }
is_refused() { [ "$(road_status "$1" | road_json state)" = refused ]; }

both_are_refused() {
    must road_until "the master noticing" in_log master "$1"
    must road_until "replica-1 being refused" is_refused replica-1
    must road_until "replica-2 being refused" is_refused replica-2
}

# Whoever opens it again writes, and a person has decided which side is kept.
decide_for_the_master() {
    local name
    road_signal master TERM
    wait "${ROAD_PID[master]}"
    kdb_kdc_stop master TERM
    road_restart master
    must road_until "the master serving" road_serving master
    must kdb_kdc_start master
    quietly admin addprinc -pw secret afterwards
    for name in replica-1 replica-2; do
        must_not kdb_at "$name" login afterwards secret
        quietly krbrepl resolve -q --keep-master "$REALM_DIR/$name"
    done
    arrive
    for name in $KDB_NODES; do
        must kdb_at "$name" login afterwards secret
        must_not kdb_at "$name" login late3 secret
        must kdb_at "$name" login early secret
    done
}

put_back() { # HOW
    local i
    begin
    quietly admin addprinc -pw secret early
    # Until all programs have opened it again, they may see the last commit of what is put back or the one before.
    quietly admin addprinc -nokey before-1
    quietly admin addprinc -nokey before-2
    arrive
    cp "$REALM_DIR/master/data.mdb" "$work/old.mdb"
    for i in 1 2 3; do quietly admin addprinc -pw secret "late$i"; done
    arrive
    "$1"
    must_not admin addprinc -pw secret other >"$work/out" 2>&1
    grep -q 'was replaced while programs had it open' "$work/out" || fail "$(cat "$work/out")"
    both_are_refused "$2"
    must login early secret
    decide_for_the_master
}

another_file() { cp "$work/old.mdb" "$REALM_DIR/master/new.mdb" && mv "$REALM_DIR/master/new.mdb" "$REALM_DIR/master/data.mdb"; }
the_same_file() { dd if="$work/old.mdb" of="$REALM_DIR/master/data.mdb" conv=notrunc bs=1M status=none; }

an_old_file_in_the_place_of_the_database_is_noticed() { put_back another_file 'another database was put in the place'; }
an_old_copy_written_over_the_database_is_noticed() { put_back the_same_file 'the history of the store'; }

a_backup_restored_under_a_running_master_is_what_the_replicas_have() {
    begin
    quietly admin addprinc -pw secret early
    quietly krbrepl backup -q "$REALM_DIR/master" "$work/backup"
    quietly admin addprinc -pw secret late
    arrive
    quietly krbrepl restore -q "$work/backup" "$REALM_DIR/master.new"
    mv "$REALM_DIR/master" "$REALM_DIR/master.old"
    mv "$REALM_DIR/master.new" "$REALM_DIR/master"
    must login early secret
    must_not login late secret
    quietly admin addprinc -pw secret afterwards
    must road_until "the master noticing" in_log master 'another database was put in the place'
    must road_until "the master serving" road_serving master
    arrive
    local name
    for name in $KDB_NODES; do
        must kdb_at "$name" login afterwards secret
        must_not kdb_at "$name" login late secret
    done
    [ -n "$(ls "$REALM_DIR/replica-1/evidence")" ] || fail "replica-1 keeps no evidence of what it gave up"
}

"$3"
