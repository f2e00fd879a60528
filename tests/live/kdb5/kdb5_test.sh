#!/bin/bash
# A realm whose master is on the KDB module, and a replica whose krb5kdc has a database of MIT's own, db2, klmdb or one
# in a directory, which krbrepl-replica --store kdb keeps in step. One promise a run.
#
#   kdb5_test.sh BIN PLUGIN_DIR PROMISE [LDAP_RECORDS CONFORMANCE]
#
# With KRBREPL_TEST_KLMDB=DIR, where klmdb.so is in DIR, the database of the replica is one of klmdb.
ROAD_BIN=$1
KDB_PLUGIN=$2
LDAP_RECORDS=$4
CONFORMANCE=$5
# A full copy into a directory or klmdb takes minutes where much else is to be done.
ROAD_PATIENCE=${ROAD_PATIENCE:-240}
# shellcheck source=tests/live/kdb/kdb.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../kdb/kdb.sh"
# shellcheck source=tests/live/kdb/slapd.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../kdb/slapd.sh"
# shellcheck source=tests/live/kdb/klmdb.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../kdb/klmdb.sh"

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

admin() { kadmin.local -r "$REALM" "$@"; }
util() { kdb5_util -r "$REALM" "$@"; }
login() { echo "$2" | kinit "$1" >"$work/kinit" 2>&1; } # PRINCIPAL PASSWORD
at_replica() { kdb_at replica-1 "$@"; }

# kdc.conf of the replica's host, with a database of MIT's own kind.
replica_config() {
    local here=$REALM_DIR/kdc.replica-1
    mkdir -p "$here" && cp "$REALM_DIR/stash" "$here/stash" || return 1
    (
        KDB_STORE='' REALM_DIR=$here
        REALM_PORT=$(port_free 20000 12000)
        realm_config
        [ -z "$LDAP_URI" ] || slapd_section "$here/kdc.conf"
        [ -z "$KRBREPL_TEST_KLMDB" ] || klmdb_section "$here/kdc.conf"
    )
}

# Its krb5.conf is that of the whole realm: tickets come from the master's KDC.
feed() { # [OPTION]...
    ROAD_ARGV[replica-1]=$(printf '%s\n' env "KRB5_KDC_PROFILE=$REALM_DIR/kdc.replica-1/kdc.conf" \
        "$ROAD_BIN/krbrepl-replica" --store kdb --side "$(road_store replica-1)" -r "$REALM" "$@" \
        --keytab "$REALM_DIR/replica-1.keytab" --principal "krbrepl/replica-1@$REALM" \
        --service "krbrepl/localhost@$REALM" "127.0.0.1:$ROAD_PORT")
    road_spawn replica-1
}

replica_kdc() {
    local tries
    for tries in $(seq 20); do
        kdb_kdc_start replica-1 && return 0
        replica_config || return 1
    done
    tail -n 30 "$(kdb_kdc_log replica-1)" "$REALM_DIR/krb5kdc.replica-1.log"
    return 1
}

has_content() { kdb_has_content replica-1 2>/dev/null; }

begin() {
    must kdb_begin "$work/realm"
    must road_serve master
    must replica_config
}

follow() {
    must feed
    must road_until "the first copy reaching the replica" has_content
    must replica_kdc
}

arrived() {
    local seq
    seq=$(road_seq master) && [ -n "$seq" ] || fail "the master's position"
    must road_until "the replica getting commit $seq" road_at replica-1 "$seq"
}

# What kdb5_util of each host sees, without what each KDC counts for itself.
dumps_are_equal() {
    local name
    for name in master replica-1; do
        quietly kdb_at "$name" util dump "$work/dump"
        awk -F'\t' -v OFS='\t' '$1 == "princ" { $13 = $14 = $15 = 0 } { print }' "$work/dump" | sort >"$work/dump.$name"
    done
    cmp "$work/dump.master" "$work/dump.replica-1" || fail "the replica dumps something else"
}

# ---- the promises -----------------------------------------------------------------------------------

changes_by_kadmin_are_in_the_database_of_a_replica() {
    begin
    follow
    if [ -n "$KRBREPL_TEST_KLMDB" ]; then
        [ -s "$REALM_DIR/kdc.replica-1/principal.mdb" ] || fail "there is no file of klmdb"
    else
        [ -s "$REALM_DIR/kdc.replica-1/principal" ] || fail "there is no db2 file"
    fi
    grep -q krbrepl "$REALM_DIR/kdc.replica-1/kdc.conf" && fail "the configuration of the KDC is not MIT's own"
    quietly admin addpol -minlength 4 -maxlife 90days -allowedkeysalts aes256-cts:normal staff
    quietly admin addpol "with blank"
    quietly admin addprinc -pw secret1 -policy staff +requires_preauth alice
    quietly admin addprinc -pw secret1 bob
    quietly admin addprinc -randkey "host/with space"
    quietly admin addprinc -randkey 'back\\slash'
    quietly admin addprinc -nokey -expire 2105-01-01 late
    quietly admin addprinc -randkey host/service
    quietly admin setstr alice color blue
    arrived
    must at_replica login alice secret1
    quietly at_replica kvno host/service
    dumps_are_equal
    quietly admin cpw -pw secret2 alice
    quietly admin cpw -keepold -pw secret2 bob
    quietly admin modpol -minlength 5 staff
    quietly admin renprinc -force bob robert
    quietly admin cpw -randkey -keepold "krbtgt/$REALM"
    arrived
    # A ticket of the old key still gets a service ticket, and a new one comes by the new password.
    quietly at_replica kvno krbrepl/replica-1
    must at_replica login alice secret2
    must_not at_replica login alice secret1
    must at_replica login robert secret2
    must_not at_replica login bob secret1
    dumps_are_equal
    quietly admin delprinc -force alice
    quietly admin delpol -force staff
    quietly admin purgekeys "krbtgt/$REALM"
    arrived
    must_not at_replica login alice secret2
    dumps_are_equal
    # A new master key, and all keys encrypted in it.
    printf 'second\nsecond\n' | quietly util add_mkey -s -e aes256-cts
    quietly util use_mkey 2
    quietly util update_princ_encryption -f
    arrived
    must at_replica login robert secret2
    dumps_are_equal
    # The stash file of the replica's host still has the old one alone.
    road_signal replica-1 TERM
    road_restart replica-1
    must road_until "the replica warning of the stash file" replica_says 'the stash file .* has version 1'
}

# Logs in at the replica again and again until $work/stop is there; each line of $work/failed is one that failed.
log_in_all_the_while() {
    : >"$work/failed"
    until [ -e "$work/stop" ]; do
        echo secret | at_replica kinit -c "FILE:$work/cc" always >"$work/kinit.loop" 2>&1 || cat "$work/kinit.loop" >>"$work/failed"
        echo . >>"$work/count"
    done
}

logins_begin() {
    rm -f "$work/stop" "$work/count"
    log_in_all_the_while &
    jobs_of_test+=($!)
}

logins_end() {
    touch "$work/stop"
    wait "${jobs_of_test[@]}"
    [ ! -s "$work/failed" ] || fail "logins failed: $(head -n 3 "$work/failed")"
    [ "$(wc -l <"$work/count")" -gt 5 ] || fail "too few logins"
    echo "$(wc -l <"$work/count") logins, none failed"
}

attempts() { at_replica admin getprinc "$1" | sed -n 's/^Failed password attempts: //p'; } # PRINCIPAL

# What a KDC counts, it counts for itself: steps of a principal who is locked out after some failures.
somebody_is_clumsy() { # FAILURES
    quietly admin addpol -maxfailure "$1" -failurecountinterval 0 -lockoutduration 0 strict
    quietly admin addprinc -pw secret +requires_preauth -policy strict clumsy
}

two_failures_are_counted() {
    must_not at_replica login clumsy wrong
    must_not at_replica login clumsy wrong
    [ "$(attempts clumsy)" = 2 ] || fail "the replica's KDC does not count"
}

a_change_leaves_the_count() {
    quietly admin modprinc -maxlife 3h clumsy
    arrived
    [ "$(attempts clumsy)" = 2 ] || fail "the change has taken the count away"
}

the_third_failure_locks_out_here_alone() {
    must_not at_replica login clumsy wrong
    must_not at_replica login clumsy secret
    must login clumsy secret
}

an_unlock_comes_from_the_master() {
    quietly admin modprinc -unlock clumsy
    arrived
    must at_replica login clumsy secret
}

a_full_copy_comes_under_a_running_kdc() {
    begin
    quietly admin addprinc -e aes256-cts:normal -pw secret always
    somebody_is_clumsy 5
    follow
    two_failures_are_counted
    logins_begin
    # More than one commit can hold: a new generation, which the replica copies.
    # The first attempt dies within it.
    (road_until "the copy beginning" replica_says 'state is copying' && kill -KILL "${ROAD_PID[replica-1]}") &
    local killer=$!
    must road_fill 70000 "$work/filled"
    must wait "$killer"
    must login user69999 secret
    must_not at_replica login user69999 secret
    road_restart replica-1
    arrived
    logins_end
    grep -q 'copy' "$REALM_DIR/replica-1.log" || fail "no full copy was made"
    must at_replica login user69999 secret
    [ "$(attempts clumsy)" = 2 ] || fail "the full copy has taken the counts away"
    dumps_are_equal
    [ -z "$(find "$REALM_DIR/kdc.replica-1" -name '*~*')" ] || fail "there are leftovers"
}

a_database_that_kprop_had_filled_is_taken_over() {
    begin
    quietly admin addprinc -e aes256-cts:normal -pw secret always
    quietly admin addprinc -pw secret gone
    quietly util dump "$work/older"
    quietly at_replica util load "$work/older"
    # One that the master has never heard of: no commit says that it goes.
    quietly at_replica admin addprinc -pw secret stranger
    must replica_kdc
    quietly admin delprinc -force gone
    quietly admin addprinc -pw secret newcomer
    logins_begin
    must feed
    arrived
    logins_end
    must at_replica login newcomer secret
    must_not at_replica login gone secret
    must_not at_replica login stranger secret
    dumps_are_equal
}

lockout_is_the_own_affair_of_a_replicas_kdc() {
    begin
    somebody_is_clumsy 3
    follow
    two_failures_are_counted
    # The count is no damage either.
    a_change_leaves_the_count
    quietly at_replica admin getprinc clumsy
    grep -q 'Maximum ticket life: 0 days 03:00:00' "$work/out" || fail "the change is not there"
    the_third_failure_locks_out_here_alone
    road_signal replica-1 KILL
    road_restart replica-1
    an_unlock_comes_from_the_master
    grep -qi 'alter\|damage\|repair' "$REALM_DIR/replica-1.log" && fail "counts are taken for damage"
    dumps_are_equal
}

burst() { # PREFIX N
    local i
    for i in $(seq "$2"); do
        echo "addprinc -pw secret $1-$i"
        [ $((i % 5)) -ne 0 ] || echo "modprinc -maxlife 2h $1-$((i - 1))"
        [ $((i % 7)) -ne 0 ] || echo "delprinc -force $1-$((i - 2))"
        [ $((i % 50)) -ne 0 ] || echo "addpol -minlength 3 $1-$i"
    done | admin >"$work/burst.$1" 2>&1
}

# The replica is killed again and again while they come, after LEAST tenths of a second or a little more.
bursts_with_kills() { # BURSTS CHANGES LEAST
    local round pid kills=0
    for round in $(seq "$1"); do
        burst "b$round" "$2" &
        pid=$!
        while kill -0 $pid 2>/dev/null; do
            sleep "0.$((RANDOM % 4 + $3))"
            road_signal replica-1 KILL
            road_restart replica-1
            kills=$((kills + 1))
        done
        wait $pid
    done
    echo "$kills kills"
}

nothing_is_lost_when_the_replica_is_killed_in_a_burst() {
    begin
    quietly admin addprinc -e aes256-cts:normal -pw secret always
    follow
    logins_begin
    bursts_with_kills 6 300 1
    arrived
    logins_end
    dumps_are_equal
    must at_replica login b6-300 secret
}

replica_says_plainly() { grep -qF "$1" "$REALM_DIR/replica-1.log"; }
replica_says() { grep -q "$1" "$REALM_DIR/replica-1.log"; }

a_record_that_a_database_cannot_hold_is_named_and_can_be_put_right() {
    begin
    follow
    local long
    long=$(printf 'n%.0s' $(seq 2100))
    quietly admin addprinc -nokey "$long"
    must road_until "the replica naming the record" \
        replica_says 'nnnn.*\(db2 loses records when a name is longer\|klmdb has no room for a name\)'
    # The KDC goes on with what it has.
    quietly at_replica admin getprinc krbrepl/localhost
    quietly admin addprinc -pw secret after
    quietly admin delprinc -force "$long"
    arrived
    must at_replica login after secret
    dumps_are_equal
}

# The content and what replaces it are in one file until the end.
a_full_copy_that_klmdb_has_no_room_for_changes_nothing() {
    KLMDB_OPTIONS="mapsize = 1" begin
    quietly admin addprinc -e aes256-cts:normal -pw secret always
    KLMDB_OPTIONS="mapsize = 1" follow
    # More than one commit can hold: a new generation, which the replica copies.
    must road_fill 70000 "$work/filled"
    must road_until "the replica telling that there is no room" replica_says 'MDB_MAP_FULL'
    must at_replica login always secret
    must_not at_replica login user00001 secret
    quietly at_replica admin getprinc always
    sed -i 's/mapsize = 1/mapsize = 200/' "$REALM_DIR/kdc.replica-1/kdc.conf"
    kdb_kdc_stop replica-1 TERM
    road_signal replica-1 TERM
    road_restart replica-1
    arrived
    must kdb_kdc_start replica-1
    must at_replica login user69999 secret
    dumps_are_equal
}

a_database_that_was_deleted_is_noticed() {
    begin
    quietly admin addprinc -pw secret alice
    follow
    kdb_kdc_stop replica-1 TERM
    road_signal replica-1 TERM
    wait "${ROAD_PID[replica-1]}" || fail "the replica does not end in good order: $?"
    rm "$REALM_DIR"/kdc.replica-1/principal*
    road_restart replica-1
    wait "${ROAD_PID[replica-1]}"
    [ $? -eq 1 ] || fail "the exit code is not 1"
    must replica_says 'it is another database; move that directory away'
    mv "$REALM_DIR/replica-1" "$work/away"
    road_restart replica-1
    must road_until "the copy reaching the replica" has_content
    must replica_kdc
    arrived
    must at_replica login alice secret
    dumps_are_equal
}

ended() { ! road_alive replica-1; }

# The database of -x, and not the one that kdc.conf names.
database_arguments_are_those_of_kadmin_local() {
    begin
    quietly admin addprinc -pw secret alice
    must feed -x "dbname=$work/named"
    must road_until "the first copy reaching the replica" has_content
    quietly at_replica kadmin.local -r "$REALM" -x "dbname=$work/named" getprinc alice
    [ ! -e "$REALM_DIR/kdc.replica-1/principal" ] || fail "the database of kdc.conf was made"
    road_signal replica-1 TERM
    wait "${ROAD_PID[replica-1]}"
    must feed --db-arg no-such-argument=1
    must road_until "the replica ending" ended
    grep -q 'no-such-argument' "$REALM_DIR/replica-1.log" || fail "it is not said what is wrong"
}

# ---- LDAP -------------------------------------------------------------------------------------------

# The replica's directory has a realm of its own making, with another master key, until the first copy.
begin_in_ldap() {
    must kdb_begin "$work/realm"
    slapd_begin
    must road_serve master
    must replica_config
    at_replica slapd_realm other || exit 1
    quietly at_replica admin addprinc -pw secret left-behind
    quietly at_replica admin addpol left-behind
    must replica_config
}

without_times() { grep -v "^Last succ\|^Last failed\|^Failed \|^Authenticating "; }

# What kadmin.local of each host shows, and what the replica says of each record when it reads it from the directory.
same_in_ldap() {
    local host
    for host in master replica-1; do
        kdb_at "$host" admin listprincs 2>/dev/null | sort >"$work/principals"
        kdb_at "$host" admin listpols 2>/dev/null | sort >"$work/policies"
        {
            cat "$work/principals" "$work/policies"
            {
                sed 's/.*/getprinc "&"\ngetstrs "&"/' "$work/principals"
                sed 's/.*/getpol "&"/' "$work/policies"
            } | kdb_at "$host" admin | without_times
        } >"$work/seen.$host" 2>&1
    done
    [ "$(grep -c '^Principal:' "$work/seen.master")" -gt 5 ] || fail "kadmin.local shows nothing: $(cat "$work/seen.master")"
    diff "$work/seen.master" "$work/seen.replica-1" || fail "kadmin.local shows something else on the replica"
    quietly "$ROAD_BIN/krbrepl" verify --live "$(road_store replica-1)"
}

changes_by_kadmin_are_in_the_ldap_of_a_replica() {
    begin_in_ldap
    quietly admin addprinc -pw secret0 first
    follow
    must at_replica login first secret0
    must_not at_replica login left-behind secret
    same_in_ldap
    quietly admin addpol -minlength 4 -maxlife 90days -history 3 -allowedkeysalts aes256-cts:normal,aes128-cts:normal staff
    quietly admin addpol "with blank"
    quietly admin addprinc -pw secret1 -policy staff +requires_preauth alice
    quietly admin addprinc -pw secret1 -policy "with blank" bob
    quietly admin addprinc -pw secret1 -policy missing carol
    quietly admin addprinc -randkey "host/with space"
    quietly admin addprinc -randkey 'back\\slash'
    quietly admin addprinc -randkey 'odd/(a*b)'
    quietly admin addprinc -nokey -expire 2105-01-01 late
    quietly admin addprinc -e aes256-cts:special -pw secret1 salted
    quietly admin addprinc -randkey host/service
    quietly admin addprinc -pw secret1 "krbtgt/OTHER.TEST"
    quietly admin setstr alice color blue
    quietly admin setstr alice require_auth "otp pkinit"
    quietly admin setstr alice shape round
    arrived
    must at_replica login bob secret1
    quietly at_replica kvno host/service
    same_in_ldap
    # Old passwords: three are kept, and the list begins anew in its middle.
    local i
    for i in 2 3 4 5; do
        quietly admin cpw -pw "secret$i" alice
    done
    quietly admin setstr alice require_auth otp
    quietly admin cpw -keepold -pw secret2 bob
    quietly admin modpol -allowedkeysalts - staff
    quietly admin modpol -minlength 5 staff
    quietly admin modprinc -clearpolicy carol
    quietly admin renprinc -force bob robert
    quietly admin delprinc -force late
    quietly admin cpw -randkey -keepold "krbtgt/$REALM"
    arrived
    quietly admin delstr alice require_auth
    arrived
    quietly at_replica kvno krbrepl/replica-1
    must at_replica login alice secret5
    must_not at_replica login alice secret1
    must at_replica login robert secret2
    must_not at_replica login bob secret1
    same_in_ldap
    # An entry that has lost what kldap cannot take away: the old passwords and the time of unlocking.
    quietly admin modprinc -unlock alice
    arrived
    road_signal replica-1 TERM
    quietly admin delprinc -force alice
    quietly admin addprinc -pw secret6 alice
    quietly admin delprinc -force first
    quietly admin delpol -force "with blank"
    quietly admin purgekeys "krbtgt/$REALM"
    road_restart replica-1
    arrived
    must at_replica login alice secret6
    must_not at_replica login first secret0
    same_in_ldap
    printf 'second\nsecond\n' | quietly util add_mkey -s -e aes256-cts
    quietly util use_mkey 2
    quietly util update_princ_encryption -f
    arrived
    must at_replica login robert secret2
    same_in_ldap
}

a_kdc_on_ldap_counts_for_itself_and_its_directory_may_go_away() {
    begin_in_ldap
    somebody_is_clumsy 3
    follow
    two_failures_are_counted
    a_change_leaves_the_count
    the_third_failure_locks_out_here_alone
    an_unlock_comes_from_the_master
    # Changes while the directory is away are there when it is back.
    road_signal slapd TERM
    wait "${ROAD_PID[slapd]}" 2>/dev/null
    quietly admin addprinc -pw secret meanwhile
    must road_until "the replica telling that its directory is away" replica_says 'meanwhile'
    road_restart slapd
    must road_until "slapd answering" slapd_up
    arrived
    must at_replica login meanwhile secret
    same_in_ldap
}

a_full_copy_into_ldap_is_begun_anew_after_a_death() {
    begin_in_ldap
    quietly admin addprinc -pw secret newcomer
    must road_fill 400 "$work/filled"
    follow_killed_once
    must at_replica login newcomer secret
    must at_replica login user00400 secret
    same_in_ldap
    # And so does a burst that its programs do not survive.
    bursts_with_kills 3 60 2
    arrived
    must at_replica login b3-60 secret
    same_in_ldap
}

ldap_dn() { ldapsearch -x -LLL -o ldif-wrap=no -H "$LDAP_URI" -D "$LDAP_ADMIN" -w secret -b dc=test "(krbPrincipalName=$1)" dn 2>/dev/null | sed -n 's/^dn: //p'; }
ldap_has_name() { [ -n "$(ldap_dn "$1")" ]; }
ldap_has() { ldap_has_name "$1@$REALM"; }

follow_killed_once() {
    must feed
    must road_until "some of the copy in the directory" ldap_has user00100
    road_signal replica-1 KILL
    road_restart replica-1
    must road_until "the first copy reaching the replica" has_content
    must replica_kdc
    arrived
}

a_record_that_ldap_cannot_hold_is_named() {
    begin_in_ldap
    quietly admin addpol Staff
    follow
    quietly admin addpol staff
    must road_until "the replica naming the policy" replica_says 'staff: the directory has a policy whose name it takes for the same'
    quietly at_replica admin getprinc krbrepl/localhost
    quietly admin addprinc -pw secret after
    quietly admin delpol -force staff
    arrived
    must at_replica login after secret
    # slapd has no room for it in the name of an entry.
    local long
    long=$(printf 'n%.0s' $(seq 500))
    quietly admin addprinc -nokey "$long"
    must road_until "the replica naming the principal" replica_says 'nnnn: the directory does not take it: '
    quietly admin addprinc -pw secret later
    quietly admin delprinc -force "$long"
    arrived
    must at_replica login later secret
    same_in_ldap
}

# A name that the directory itself has for another principal: a record of that name is refused, and when it goes
# from the master again, the principal stays.
a_name_that_the_directory_has_for_another_principal_is_left_to_it() {
    begin_in_ldap
    quietly admin addprinc -pw secret bob
    follow
    must arrived
    printf 'dn: %s\nchangetype: modify\nadd: krbPrincipalName\nkrbPrincipalName: nick@%s\n-\nreplace: krbCanonicalName\nkrbCanonicalName: bob@%s\n' \
        "$(ldap_dn "bob@$REALM")" "$REALM" "$REALM" | quietly ldapmodify -x -H "$LDAP_URI" -D "$LDAP_ADMIN" -w secret
    quietly admin addprinc -pw secret nick
    must road_until "the replica naming the name" replica_says 'nick@.*: in the directory this is another name of a principal'
    quietly admin delprinc -force nick
    quietly admin addprinc -pw secret after
    arrived
    must ldap_has nick
    must at_replica login bob secret
    must at_replica login after secret
    quietly "$ROAD_BIN/krbrepl" verify --live "$(road_store replica-1)"
}

# So it is where the directory does not say which of the names is the principal's: it is the first.
a_second_name_that_the_directory_has_for_a_principal_is_left_to_it() {
    begin_in_ldap
    quietly admin addprinc -pw secret bob
    quietly admin addprinc -pw secret 'odd/(a*b)'
    follow
    arrived
    local name
    for name in bob 'odd/(a*b)'; do
        printf 'dn: %s\nchangetype: modify\nadd: krbPrincipalName\nkrbPrincipalName: nick/%s@%s\n' \
            "$(ldap_dn "$(sed 's/[(*)]/*/g' <<<"$name")@$REALM")" "$name" "$REALM" |
            quietly ldapmodify -x -H "$LDAP_URI" -D "$LDAP_ADMIN" -w secret
    done
    for name in bob 'odd/(a*b)'; do
        quietly admin addprinc -pw other "nick/$name"
        must road_until "the replica naming $name" replica_says_plainly "nick/$name@$REALM: in the directory this is another name of a principal"
        quietly admin delprinc -force "nick/$name"
        # The principals themselves are as they were, and may change.
        quietly admin cpw -pw secret2 "$name"
        arrived
        must at_replica login "$name" secret2
    done
    must ldap_has nick/bob
    quietly "$ROAD_BIN/krbrepl" verify --live "$(road_store replica-1)"
    # A full copy leaves them, too, and does not end on them.
    road_signal replica-1 TERM
    wait "${ROAD_PID[replica-1]}"
    mv "$REALM_DIR/replica-1" "$work/away"
    quietly admin addprinc -pw secret after
    road_restart replica-1
    must road_until "the copy reaching the replica" has_content
    arrived
    must at_replica login bob secret2
    must at_replica login after secret
    must ldap_has nick/bob
    quietly "$ROAD_BIN/krbrepl" verify --live "$(road_store replica-1)"
}

theirs() { ldapsearch -x -LLL -H "$LDAP_URI" -D "$LDAP_ADMIN" -w secret -b cn=OTHER.TEST,cn=krb5,dc=test || fail "the other realm is gone"; }

# Realms whose trees are one: what carries the name of this realm and belongs to the other one stays as it is.
what_another_realm_has_in_the_same_directory_stays() {
    begin_in_ldap
    printf '[realms]\n OTHER.TEST = {\n  database_module = directory\n  key_stash_file = %s\n }\n' "$work/other.stash" \
        >>"$REALM_DIR/kdc.replica-1/kdc.conf"
    quietly at_replica kdb5_ldap_util -D "$LDAP_ADMIN" -w secret -H "$LDAP_URI" create -r OTHER.TEST -subtrees dc=test -s -P other
    printf 'addprinc -pw cross krbtgt/%s@OTHER.TEST\naddprinc -pw cross alice@OTHER.TEST\n' "$REALM" |
        quietly at_replica kadmin.local -r OTHER.TEST
    must ldap_has_name "krbtgt/$REALM@OTHER.TEST"
    follow
    arrived
    must_not ldap_has left-behind
    must ldap_has_name "alice@OTHER.TEST"
    must ldap_has_name "krbtgt/$REALM@OTHER.TEST"
    must ldap_has_name "krbtgt/OTHER.TEST@OTHER.TEST"
    theirs >"$work/theirs"
    quietly admin addprinc -randkey "krbtgt/$REALM@OTHER.TEST"
    must road_until "the replica naming the principal" replica_says 'OTHER.TEST: in the directory this belongs to another realm'
    quietly admin delprinc -force "krbtgt/$REALM@OTHER.TEST"
    quietly admin addprinc -pw secret after
    arrived
    must at_replica login after secret
    theirs | diff "$work/theirs" - || fail "what is of the other realm was changed"
    quietly "$ROAD_BIN/krbrepl" verify --live "$(road_store replica-1)"
}

a_realm_that_is_not_in_the_directory_is_told() {
    must kdb_begin "$work/realm"
    slapd_begin
    must road_serve master
    must replica_config
    printf 'secret\nsecret\n' | quietly at_replica kdb5_ldap_util stashsrvpw -f "$work/service.keyfile" "$LDAP_ADMIN"
    feed
    wait "${ROAD_PID[replica-1]}"
    [ $? -eq 1 ] || fail "the exit code is not 1"
    must replica_says 'opening the database of the KDC, a realm that kdb5_ldap_util has made in a directory: .*No such object'
}

random_records_come_back_from_ldap_byte_for_byte() {
    begin_in_ldap
    at_replica "$LDAP_RECORDS" "$REALM" 600 || fail "records are not what they were"
}

# Two realms of one name, each with a container of its own.
a_directory_keeps_every_promise_of_a_store() {
    REALM=KIT.TEST REALM_DIR=$work/kit REALM_PORT=1
    mkdir "$REALM_DIR"
    export KRB5_CONFIG=$REALM_DIR/krb5.conf KRB5_KDC_PROFILE
    slapd_begin
    local which both=
    for which in a b; do
        KDB_STORE='' realm_config
        slapd_section "$REALM_DIR/kdc.conf"
        sed -i "s/cn=krb5,dc=test/cn=$which,dc=test/" "$REALM_DIR/kdc.conf"
        KRB5_KDC_PROFILE=$REALM_DIR/$which.conf
        mv "$REALM_DIR/kdc.conf" "$KRB5_KDC_PROFILE"
        LDAP_TREES="cn=$which,dc=test" slapd_realm "key-$which"
        both="$both $KRB5_KDC_PROFILE"
    done
    quietly env "KRBREPL_TEST_KLDAP=${both# }" "$CONFORMANCE"
}

# While the directory is written, the node does what else it has to do.
a_full_copy_into_ldap_does_not_hold_up_the_node() {
    begin_in_ldap
    must road_fill 2000 "$work/filled"
    must feed
    must road_until "some of the copy in the directory" ldap_has user00100
    local answers=0
    # A node that waits for its directory does not answer, or says something else when it is over.
    until has_content; do
        [ "$(road_status replica-1 | road_json state)" != copying ] || answers=$((answers + 1))
        [ "$answers" -lt 3 ] || break
    done
    # The directory had some of the copy before the first of them, and the copy was not over when it was given.
    [ "$answers" -ge 1 ] || fail "the node did not answer while it copied"
    must road_until "the first copy reaching the replica" has_content
    arrived
    must ldap_has user02000
    quietly "$ROAD_BIN/krbrepl" verify --live "$(road_store replica-1)"
}

a_database_that_cannot_be_opened_is_told() {
    begin
    feed -x nonsense=1
    wait "${ROAD_PID[replica-1]}"
    [ $? -eq 1 ] || fail "the exit code is not 1"
    must replica_says 'opening the database of the KDC: .*nonsense'
}

"$3"
