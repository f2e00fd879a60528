#!/bin/bash
# follow_test.sh PROGRAMS PROMISE: krbrepl-replica follows Heimdal's unmodified ipropd-master, and serves a native
# replica, over IPv6 where there is any.
#
# What is in the store is compared by way of a dump: it is loaded into a database of Heimdal's, and that one's
# decrypted dump must be the master's.
# shellcheck source=case.sh
. "$(dirname "$0")/case.sh"

# ---- the krbrepl end ----------------------------------------------------------------------------

realm()
{
    must heimdal_start "$WORK/r" "$@"
    heimdal_allow iprop/k1
    mkdir -p "$HEIMDAL_DIR/k1"
    must heimdal_princ iprop/k1 "$HEIMDAL_DIR/k1/keytab"
    must heimdal_kadmin add -p secret --use-defaults alice
    must heimdal_master_up
}

follow()
{
    [ -d "$WORK/store" ] || quiet "$PROGRAMS/krbrepl" init "$WORK/store"
    heimdal_daemon follower "$PROGRAMS/krbrepl-replica" --store "$WORK/store" --dialect heimdal-iprop \
        --principal iprop/k1 --keytab "$HEIMDAL_DIR/k1/keytab" --mkey-file "$HEIMDAL_DIR/master/m-key" \
        --log-level debug "$@" "localhost:$HEIMDAL_IPROP_PORT"
}

unfollow() { heimdal_down follower "$@"; }
says() { grep -q -- "$1" "$HEIMDAL_DIR/follower.out"; }
field() { "$PROGRAMS/krbrepl" status --json "$1" | sed -n "s/.*\"$2\": *\"\{0,1\}\([^\",}]*\).*/\1/p" | head -n 1; }
store_at() { [ "$(field "$WORK/store" upstream_version)" = "$1" ]; }
is_even() { store_at "$(heimdal_version)"; }
wait_even() { heimdal_until "${1:-30}" is_even || fail "the store does not reach version $(heimdal_version)"; }

wait_known() { heimdal_until 20 says 'is known by its record' || fail "the master's history is not looked at"; }

same()
{
    heimdal_dump >"$WORK/theirs" && store_dump "${1:-$WORK/store}" >"$WORK/ours" || fail "a dump failed"
    [ -s "$WORK/theirs" ] || fail "the master's dump is empty"
    diff "$WORK/theirs" "$WORK/ours" >&2 || fail "the content of ${1:-the store} is another one"
}

# ---- a native replica of it ---------------------------------------------------------------------

NATIVE_PORT=$((12000 + RANDOM % 8000))
LISTEN="--listen *:$NATIVE_PORT"
native_keys()
{
    local host
    host=$(hostname)
    must heimdal_princ "krbrepl/${host,,}" "$HEIMDAL_DIR/k1/keytab"
    must heimdal_princ krbrepl/n1 "$WORK/n1.keytab"
    echo "krbrepl/n1@$REALM" >"$WORK/acl"
    chmod 600 "$WORK/acl"
    SERVICE=krbrepl/${host,,}
}

native_address()
{
    [ -e /proc/sys/net/ipv6/conf/lo/disable_ipv6 ] && [ "$(cat /proc/sys/net/ipv6/conf/lo/disable_ipv6)" = 0 ] &&
        echo "[::1]" || echo 127.0.0.1
}

native_up()
{
    [ -d "$WORK/native" ] || quiet "$PROGRAMS/krbrepl" init "$WORK/native"
    heimdal_daemon native "$PROGRAMS/krbrepl-replica" --store "$WORK/native" --principal krbrepl/n1 \
        --keytab "$WORK/n1.keytab" --service "$SERVICE" "$(native_address):$NATIVE_PORT"
}

position() { "$PROGRAMS/krbrepl" status "$1" | sed -n 's/^  position  //p'; }
native_has() { [ "$(position "$WORK/native")" = "$(position "$WORK/store")" ]; }

# ---- promises -----------------------------------------------------------------------------------

every_change()
{
    must heimdal_kadmin modify --max-ticket-life=2hours alice
    must heimdal_kadmin modify --max-renewable-life=3days alice
    must heimdal_kadmin modify --attributes=+requires-pre-auth alice
    must heimdal_kadmin modify --expiration-time=2030-01-02 alice
    must heimdal_kadmin modify --expiration-time=never alice
    must heimdal_kadmin modify --pw-expiration-time=2031-05-06 alice
    must heimdal_kadmin modify --kvno=7 alice
    must heimdal_kadmin modify --alias=ally@"$REALM" --alias=al@"$REALM" alice
    must heimdal_kadmin modify --alias=al@"$REALM" alice
    must heimdal_kadmin modify --policy=default alice
    must heimdal_kadmin modify --hist-kvno-diff-clnt=5 alice
    must heimdal_kadmin modify --constrained-delegation=host/x@"$REALM" alice
    must heimdal_kadmin cpw -p other alice
    must heimdal_kadmin cpw --random-key alice
    must heimdal_kadmin add --random-key --use-defaults host/b.example
    must heimdal_kadmin add -p x --use-defaults 'odd/na\/me'
    must heimdal_kadmin rename host/b.example host/c.example
    must heimdal_kadmin del_enctype host/c.example des3-cbc-sha1
    must heimdal_kadmin add --random-key --use-defaults gone
    must heimdal_kadmin del gone
    must heimdal_kadmin cpw -p third --keepold alice
}

every_change_is_here_and_at_a_native_replica()
{
    realm
    native_keys
    follow $LISTEN --acl "$WORK/acl"
    wait_even
    same
    native_up
    every_change >"$WORK/changes.out" 2>&1 || fail "kadmin: $(cat "$WORK/changes.out")"
    wait_even
    same
    heimdal_until 30 native_has || fail "the native replica does not get everything"
    same "$WORK/native"
    [ "$(field "$WORK/store" upstream_dialect)" = heimdal-iprop ] || fail "the status does not say what is followed"
    "$PROGRAMS/krbrepl" status "$WORK/store" | grep -q "heimdal-iprop, at its version $(heimdal_version)" ||
        fail "the status does not say how far"
    ! "$PROGRAMS/krbrepl" put "$WORK/store" t k v 2>"$WORK/put.err" || fail "somebody else could write"
    grep -q 'records come from iprop/localhost' "$WORK/put.err" || fail "it does not say why"
}

a_change_is_one_commit_and_comes_at_once()
{
    local before
    realm
    follow
    wait_even
    before=$("$PROGRAMS/krbrepl" log "$WORK/store" | wc -l)
    must heimdal_kadmin modify --max-ticket-life=5hours alice
    wait_even 10
    [ "$("$PROGRAMS/krbrepl" log "$WORK/store" | wc -l)" = $((before + 1)) ] || fail "it is not one commit"
    "$PROGRAMS/krbrepl" log "$WORK/store" | tail -n 1 | grep -q 'iprop/localhost' || fail "it does not say from whom"
}

burst()
{
    local i
    for i in $(seq "$1" "$2"); do
        echo "add -p pw --use-defaults user$i"
    done | heimdal_kadmin >"$WORK/burst.out" 2>&1
}

a_truncated_log_is_crossed_by_a_whole_database()
{
    realm
    follow
    wait_even
    unfollow
    must burst 1 30
    must heimdal_log master truncate -K 3
    follow
    wait_even
    same
    says 'sends its whole database' || fail "it was no whole database"
}

a_slave_that_was_stopped_for_long_catches_up()
{
    realm
    follow
    wait_even
    unfollow
    must burst 1 400
    follow
    wait_even 60
    same
    ! says 'sends its whole database' || fail "the log was there, and a whole database was sent"
}

a_master_killed_in_a_burst_loses_nothing()
{
    local i pid
    realm
    follow
    wait_even
    burst 1 200 &
    pid=$!
    for i in 1 2 3; do
        sleep 0.3
        heimdal_master_down KILL
        must heimdal_master_up
    done
    wait $pid
    wait_even 60
    same
}

# Many principals at once: alice, under other names. The log begins anew with that, so there is a change after it.
fill()
{
    heimdal_kadmin dump "$WORK/dump" &&
        awk -v n="$1" '{ print } /^alice@/ { for (i = 0; i < n; i++) { line = $0; sub(/^alice/, "many" i, line); print line } }' \
            "$WORK/dump" >"$WORK/full" && heimdal_kadmin load "$WORK/full" &&
        heimdal_kadmin add -p pw --use-defaults "full$1"
}

a_slave_killed_within_a_whole_database_keeps_the_old_content()
{
    local before tries within=0
    realm
    follow
    wait_even
    unfollow
    before=$(position "$WORK/store")
    must fill 20000
    for tries in $(seq 10); do
        follow
        heimdal_until 20 says 'sends its whole database' || fail "there is no whole database"
        unfollow KILL
        [ "$(position "$WORK/store")" = "$before" ] || break
        within=$((within + 1))
        quiet "$PROGRAMS/krbrepl" verify "$WORK/store"
    done
    [ $within -gt 0 ] || fail "it was never killed within the transfer"
    follow
    wait_even 60
    same
    quiet "$PROGRAMS/krbrepl" verify "$WORK/store"
}

backup_master() { mkdir "$WORK/backup" && cp -p "$HEIMDAL_DIR"/master/heimdal.db "$HEIMDAL_DIR"/master/log "$WORK/backup"; }
restore_master() { cp -p "$WORK"/backup/* "$HEIMDAL_DIR/master" && rm -f "$HEIMDAL_DIR/master/ipropd.dumpfile"; }

an_older_state_restored_at_the_master_is_noticed()
{
    realm
    must burst 1 5
    must backup_master
    must burst 6 9
    follow
    wait_even
    wait_known
    unfollow
    heimdal_master_down
    must restore_master
    # It has more versions than were seen here, and they are others.
    must burst 100 120
    must heimdal_master_up
    follow
    wait_even
    same
    says 'has another history' || fail "it was not noticed"
}

an_older_state_without_anything_new_is_noticed_too()
{
    realm
    must burst 1 5
    must backup_master
    must burst 6 6
    follow
    wait_even
    wait_known
    unfollow
    heimdal_master_down
    must restore_master
    must heimdal_master_up
    follow
    wait_even
    same
}

a_corrupt_log_ends_in_a_whole_database()
{
    local size
    realm
    follow
    wait_even
    must burst 1 3
    wait_even
    unfollow
    heimdal_master_down
    must burst 4 4
    # The confirmed end points into a record: whoever opens the log for writing begins a new one.
    size=$(stat -c %s "$HEIMDAL_DIR/master/log")
    truncate -s $((size - 7)) "$HEIMDAL_DIR/master/log"
    heimdal_kadmin add -p pw --use-defaults later >/dev/null 2>&1
    heimdal_kadmin add -p pw --use-defaults latest >/dev/null 2>&1
    must heimdal_master_up
    follow
    wait_even
    same
}

a_load_at_the_master_is_noticed()
{
    realm
    follow
    wait_even
    must burst 1 5
    wait_even
    must heimdal_kadmin dump "$WORK/dump"
    grep -v '^user3@' "$WORK/dump" >"$WORK/less"
    must heimdal_kadmin load "$WORK/less"
    must heimdal_kadmin add -p pw --use-defaults after
    unfollow
    follow
    wait_even
    same
}

status_says() { grep -q "$1" "$WORK/status"; }

# Under its own name: a master that says nothing for so long is lost, and asked again; the file says how things stand.
files_and_times_of_iprop_are_there_under_the_own_name_too()
{
    realm
    follow --status-file "$WORK/status" --time-lost "2 s" --retry-min "1 s" --retry-max "2 s"
    wait_even
    must heimdal_until 20 status_says "^up-to-date with version: $(heimdal_version) at 20"
    heimdal_until 60 status_says "^disconnected from master" || fail "a master that is silent is not lost"
    must says 'the master was silent for 2 s'
    must heimdal_kadmin modify --max-ticket-life=2hours alice
    wait_even 60
    must heimdal_until 20 status_says "^up-to-date with version: $(heimdal_version) at 20"
    unfollow
    must test ! -e "$WORK/status"
}

wholes() { grep -c 'sends its whole database' "$HEIMDAL_DIR/follower.out"; }
has_wholes() { [ "$(wholes)" -ge "$1" ]; }

# Whoever does not trust increments for ever.
a_whole_database_comes_as_often_as_is_told()
{
    local before
    realm
    follow --whole-every "2 s"
    wait_even
    heimdal_until 60 has_wholes 3 || fail "there were $(wholes) whole databases"
    must heimdal_kadmin modify --max-ticket-life=2hours alice
    wait_even 60
    same
    unfollow
    # Without being told it is once, and goes on from there.
    before=$(position "$WORK/store")
    follow
    wait_even
    [ "$(wholes)" = 0 ] || fail "there was another one"
    [ "$(position "$WORK/store")" = "$before" ] || fail "something was changed"
}

nobody_follows_who_may_not()
{
    realm
    heimdal_allow iprop/other
    follow
    heimdal_until 20 says 'does not list this one' || fail "it is not said that the slaves file does not list it"
    [ "$(field "$WORK/store" state)" = refused ] || fail "the state is not refused"
    unfollow
    must heimdal_princ iprop/k2 "$WORK/wrong.keytab"
    heimdal_allow iprop/k1
    follow --keytab "$WORK/wrong.keytab"
    heimdal_until 20 says 'keytab' || fail "the keytab without a key is not named"
    unfollow
    follow
    wait_even
    same
}

# The default realm of the library is another one; -r says which.
another_realm_than_the_default_is_followed()
{
    realm OTHER.TEST
    sed -e 's/default_realm = .*/default_realm = DEFAULT.TEST/' "$HEIMDAL_DIR/master/mit.conf" >"$WORK/krb5.conf"
    export KRB5_CONFIG=$WORK/krb5.conf
    follow -r OTHER.TEST
    wait_even
    must heimdal_kadmin add -p pw --use-defaults bob
    wait_even
    same
}

keys_in_clear_are_encrypted_when_there_is_a_master_key()
{
    realm
    follow
    wait_even
    must heimdal_kadmin cpw --random-key alice
    wait_even
    same
    "$PROGRAMS/krbrepl" dump --quiet --format heimdal "$WORK/store" "$WORK/dump"
    # A key without the number of a master key would stand as "::" here.
    ! cut -d' ' -f2 "$WORK/dump" | grep -q '::' || fail "a key is not encrypted"
    unfollow
    rm -rf "$WORK/store"
    heimdal_daemon follower true
    quiet "$PROGRAMS/krbrepl" init "$WORK/store"
    heimdal_daemon follower "$PROGRAMS/krbrepl-replica" --store "$WORK/store" --dialect heimdal-iprop \
        --principal iprop/k1 --keytab "$HEIMDAL_DIR/k1/keytab" "localhost:$HEIMDAL_IPROP_PORT"
    wait_even
    must heimdal_kadmin cpw --random-key alice
    wait_even
    says 'keys that are not encrypted' || fail "it is not said that keys come in clear"
    same
}

records_from_elsewhere_are_replaced_only_when_told()
{
    realm
    quiet "$PROGRAMS/krbrepl" init --master "$WORK/store"
    quiet "$PROGRAMS/krbrepl" put "$WORK/store" t k v
    follow
    heimdal_until 20 says 'came from elsewhere' || fail "it does not ask"
    heimdal_down follower
    follow --replace
    wait_even
    same
    # The way back: the store is its own master again, and then a slave once more.
    unfollow
    quiet "$PROGRAMS/krbrepl" promote "$WORK/store"
    quiet "$PROGRAMS/krbrepl" put "$WORK/store" t k v
    follow --replace
    wait_even
    same
}

a_promotion_ends_the_following()
{
    local pid
    realm
    follow
    wait_even
    quiet "$PROGRAMS/krbrepl" promote "$WORK/store"
    pid=$(cat "$HEIMDAL_DIR/follower.pid")
    heimdal_until 20 heimdal_group_gone "$pid" || fail "it goes on"
    quiet "$PROGRAMS/krbrepl" put "$WORK/store" t k v
}

slave_is_at() { [ "$(heimdal_slave_at "$1")" != - ]; }

# The way of docs/operations.md: away from ipropd-master, and back to it.
a_realm_moves_away_and_comes_back()
{
    realm
    native_keys
    must heimdal_princ iprop/master "$HEIMDAL_DIR/master/keytab"
    follow $LISTEN --acl "$WORK/acl"
    wait_even
    native_up
    heimdal_master_down
    unfollow
    quiet "$PROGRAMS/krbrepl" promote "$WORK/store"
    # The store is the master of its realm: a native replica goes on, and the old master is a slave.
    echo "iprop/master@$REALM" >"$WORK/slaves"
    chmod 600 "$WORK/slaves"
    heimdal_daemon krbrepl-master "$PROGRAMS/krbrepl-master" --store "$WORK/store" \
        $LISTEN --keytab "$HEIMDAL_DIR/k1/keytab" --acl "$WORK/acl" --heimdal-iprop \
        --heimdal-service iprop/localhost --heimdal-keytab "$HEIMDAL_DIR/master/keytab" \
        --heimdal-slaves "$WORK/slaves"
    heimdal_came_up krbrepl-master "$NATIVE_PORT" || fail "krbrepl-master does not start"
    must heimdal_slave_up master "$NATIVE_PORT"
    heimdal_until 30 slave_is_at master || fail "the old master does not follow"
    same
    "$PROGRAMS/krbrepl" dump --quiet --format heimdal "$WORK/store" "$WORK/dump"
    sed 's/^alice@/anna@/' "$WORK/dump" >"$WORK/changed"
    quiet "$PROGRAMS/krbrepl" load --format heimdal "$WORK/store" "$WORK/changed"
    heimdal_until 30 native_has || fail "the native replica does not follow"
    heimdal_until 30 old_master_has_anna || fail "the old master does not get a change"
    same
    # And back.
    heimdal_slave_down master
    heimdal_down krbrepl-master
    must heimdal_master_up
    must heimdal_kadmin add -p pw --use-defaults back
    follow --replace $LISTEN --acl "$WORK/acl"
    wait_even
    same
    heimdal_until 30 native_has || fail "the native replica does not follow the way back"
}

old_master_has_anna() { heimdal_dump | grep -q '^anna@'; }

"$PROMISE"
echo "ok: $PROMISE"
