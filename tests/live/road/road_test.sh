#!/bin/bash
# The whole road with real programs: kdb5_util and krb5kdc as the distribution ships them, krbrepl-master and
# krbrepl-replica. One promise a run.
#
#   road_test.sh BIN PROMISE
ROAD_BIN=$1
# shellcheck source=tests/common/road.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../common/road.sh"

work=$(mktemp -d) || exit 1
trap 'road_end; rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP

fail() {
    echo "FAILED: $*"
    road_logs
    exit 1
}
must() { "$@" || fail "$*"; }

krbrepl() { "$ROAD_BIN/krbrepl" "$@"; }

# A realm with users, a master that has them, two replicas that got them.
begin() { # USERS
    must road_begin "$work/realm"
    must road_fill "$1" "$REALM_DIR/realm.dump"
    must road_master
    must krbrepl load -q "$REALM_DIR/master" "$REALM_DIR/realm.dump"
    must road_replica replica-1
    must road_replica replica-2
    all_arrive replica-1 replica-2
}

# The stores have what the master has, with the same digest root.
all_arrive() { # NAME...
    local name seq
    seq=$(road_seq master) && [ -n "$seq" ] || fail "the master's position"
    for name in "$@"; do
        must road_until "$name getting commit $seq" road_at "$name" "$seq"
    done
    must road_equal master "$@"
}

edit() { must road_edit user00001 "$1"; }

# Full copies that a replica has had since its program was started.
copies() { road_status "$1" | road_json copies_in; }

sorted() { sort "$1" >"$1.sorted"; }

# ---- the promises -----------------------------------------------------------------------------------

a_realm_travels_and_its_copy_answers_kinit() {
    begin 2000
    must krbrepl dump -q "$REALM_DIR/replica-2" "$REALM_DIR/replica.dump"
    sorted "$REALM_DIR/realm.dump"
    sorted "$REALM_DIR/replica.dump"
    # Nobody has asked this realm for a ticket yet but the nodes, so no login counter differs.
    without_counters "$REALM_DIR/realm.dump.sorted" >"$work/a"
    without_counters "$REALM_DIR/replica.dump.sorted" >"$work/b"
    must cmp "$work/a" "$work/b"
    must road_kdc "$work/kdc" "$REALM_DIR/replica.dump"
    kinit user01234 <<<secret || fail "no ticket from the replica's KDC"
    kinit user01234 <<<wrong && fail "a ticket for a wrong password"
    must kinit -k -t "$REALM_DIR/replica-1.keytab" krbrepl/replica-1
}

# Last success, last failure, failed attempts: each node's own.
without_counters() { awk -F'\t' -v OFS='\t' '$1 == "princ" { $13 = $14 = $15 = 0 } { print }' "$1"; }

a_change_travels_as_one_commit() {
    local before after
    begin 200
    before=$(road_seq master)
    must realm_kadmin cpw -pw changed user00007
    must realm_kadmin delprinc -force user00008
    must kdb5_util -r "$REALM" dump "$REALM_DIR/realm.dump"
    must krbrepl load -q "$REALM_DIR/master" "$REALM_DIR/realm.dump"
    after=$(road_seq master)
    [ "$after" -eq $((before + 1)) ] || fail "from commit $before to $after"
    must krbrepl wait --replicas 2 --level durable --timeout "60 s" "$REALM_DIR/master"
    all_arrive replica-1 replica-2
    must krbrepl dump -q "$REALM_DIR/replica-1" "$REALM_DIR/replica.dump"
    must road_kdc "$work/kdc" "$REALM_DIR/replica.dump"
    kinit user00007 <<<changed || fail "the new password did not arrive"
    kinit user00008 <<<secret && fail "the deleted user is still there"
    return 0
}

a_killed_replica_catches_up_from_the_journal() {
    begin 200
    edit 5
    all_arrive replica-1 replica-2
    must road_signal replica-2 KILL
    edit 40
    all_arrive replica-1
    must road_restart replica-2
    all_arrive replica-2
    [ "$(copies replica-2)" = 0 ] || fail "replica-2 was copied to, though the journal reached back"
}

a_killed_master_loses_nothing_and_is_found_again() {
    local before
    begin 200
    edit 10
    before=$(road_proof master)
    must road_signal master KILL
    [ "$(road_proof master)" = "$before" ] || fail "the killed master's store is at another position"
    # Writers do not need the daemon; what they commit meanwhile travels once it is back.
    edit 10
    must road_restart master
    all_arrive replica-1 replica-2
    edit 10
    all_arrive replica-1 replica-2
}

daemons_killed_in_turn_while_commits_are_made() {
    local round name writer
    begin 200
    for round in 1 2 3; do
        for name in replica-1 master replica-2; do
            road_edit "user0001$round" 12 &
            writer=$!
            must road_signal "$name" KILL
            must road_restart "$name"
            wait "$writer" || fail "a commit failed while $name was killed"
        done
    done
    all_arrive replica-1 replica-2
}

replication_goes_on_while_the_kdc_is_dead() {
    begin 200
    realm_kdc_down
    edit 5
    all_arrive replica-1 replica-2
    # Without a KDC there is no ticket for a new connection; with one again, nobody has to help.
    must road_signal replica-1 KILL
    must road_restart replica-1
    edit 5
    all_arrive replica-2
    must realm_kdc_up
    all_arrive replica-1
}

# The planned way: nothing is lost, and nobody is copied to, for the histories do not part.
a_replica_is_promoted_and_the_others_follow() {
    local last
    begin 200
    edit 5
    must krbrepl demote "$REALM_DIR/master"
    last=$(road_seq master)
    must road_until "krbrepl-master ending" neither_alive master
    road_edit user00001 1 2>/dev/null && fail "a demoted store took a commit"
    must road_until "commit $last at replica-1" road_at replica-1 "$last"
    stop replica-1 replica-2
    must krbrepl promote "$REALM_DIR/replica-1"
    must road_serve replica-1
    # The old master follows in the name of the replica that took its place.
    must road_follow master replica-1
    must road_follow replica-2 replica-2
    must krbrepl put -q "$REALM_DIR/replica-1" note promoted yes
    must road_until "the old master following" equal_to replica-1 master
    must road_until "the other replica following" equal_to replica-1 replica-2
    [ "$(copies master) $(copies replica-2)" = "0 0" ] || fail "a full copy was made"
}

# The master is gone for good with commits that nobody has; later its store comes back.
a_lost_master_comes_back_as_a_replica_and_leaves_evidence() {
    begin 200
    stop replica-1 replica-2
    edit 3
    must road_signal master KILL
    must krbrepl promote "$REALM_DIR/replica-1"
    must road_serve replica-1
    must road_follow replica-2 replica-2
    must krbrepl demote "$REALM_DIR/master"
    must road_follow master replica-1
    must krbrepl put -q "$REALM_DIR/replica-1" note promoted yes
    must road_until "the old master following" equal_to replica-1 master
    must road_until "the other replica following" equal_to replica-1 replica-2
    [ "$(road_status master | road_json last_copy_reason)" = fork ] || fail "the reason of the copy"
    [ -n "$(ls "$REALM_DIR/master/evidence")" ] || fail "the commits that were given up are nowhere"
}

equal_to() { road_equal "$1" "$2" 2>/dev/null; }

stop() { # NAME...
    local name
    for name in "$@"; do
        must road_signal "$name" TERM
    done
    must road_until "$* ending" neither_alive "$@"
}

neither_alive() {
    local name
    for name in "$@"; do
        road_alive "$name" && return 1
    done
    return 0
}

a_removed_principal_loses_its_session() {
    begin 200
    sed -i /replica-2/d "$REALM_DIR/acl"
    must road_signal master HUP
    must road_until "replica-2 being refused" refused replica-2
    edit 5
    all_arrive replica-1
    road_equal master replica-2 && fail "replica-2 still gets commits"
    echo "krbrepl/replica-2@$REALM" >>"$REALM_DIR/acl"
    must road_signal master HUP
    all_arrive replica-2
}

# Two KDCs of one realm on one port answer in turns, and nothing else in these tests would tell why a login fails.
a_port_that_a_kdc_has_is_given_to_no_other() {
    must road_begin "$work/realm"
    port_free "$REALM_PORT" 1 && fail "the port $REALM_PORT of the KDC"
    must port_free 20000 12000
}

refused() { [ "$(road_status "$1" | road_json state)" = refused ]; }

"$2"
