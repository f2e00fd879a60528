#!/bin/bash
# names_test.sh PROGRAMS TAKELOG PROMISE: krbrepl-master and krbrepl-replica under the names of ipropd-master and
# ipropd-slave take the place of Heimdal's, with the command lines and settings that these have.
# shellcheck source=case.sh
. "$(dirname "$0")/case.sh"
TAKELOG=$2

# ---- whose programs the realm is run with -------------------------------------------------------

# The library of the fixture starts what heimdal_path finds: here these links, when OURS has their name.
OURS=
mkdir "$WORK/links"
ln -s "$PROGRAMS/krbrepl-master" "$WORK/links/ipropd-master"
ln -s "$PROGRAMS/krbrepl-replica" "$WORK/links/ipropd-slave"
eval "theirs_$(declare -f heimdal_path)"
heimdal_path()
{
    if [[ " $OURS " == *" $1 "* ]]; then
        echo "$WORK/links/$1"
    else
        theirs_heimdal_path "$1"
    fi
}

# Heimdal's own libraries are not for programs of ours.
eval "their_$(declare -f heimdal_daemon)"
heimdal_daemon()
{
    if [[ $2 == "$WORK"/* ]]; then
        HEIMDAL_LIBRARIES=$LD_LIBRARY_PATH their_heimdal_daemon "$@"
    else
        their_heimdal_daemon "$@"
    fi
}

# MIT's library does not know the word before an address.
known_to_both() { sed -i 's|kdc = tcp/|kdc = |' "$HEIMDAL_DIR/$1/krb5.conf"; }

begin()
{
    must heimdal_start "$WORK/r"
    known_to_both master
    must heimdal_kadmin add -p secret --use-defaults alice
    must heimdal_slave_make s1
    known_to_both s1
    heimdal_allow iprop/s1
}

# What was changed in the realm since the last call becomes commits of the store that the master's configuration means
# where it says nothing.
take()
{
    local store=$HEIMDAL_DIR/master/krbrepl
    [ -d "$store" ] || quiet "$PROGRAMS/krbrepl" init --quiet --master "$store"
    take_into "$store"
}

stats_say() { grep -Eq "$1" "$HEIMDAL_DIR/master/slaves-stats"; }
status_says() { grep -q "$1" "$HEIMDAL_DIR/s1/status"; }

# ---- promises -----------------------------------------------------------------------------------

ipropd_master_is_replaced_by_the_link()
{
    begin
    must heimdal_master_up
    heimdal_slave_up s1 "$HEIMDAL_IPROP_PORT"
    arrives s1
    must heimdal_master_down
    take
    OURS=ipropd-master
    # The command line is the same one.
    must heimdal_master_up --time-missing="2min 30 sec" --time-gone="1 hour"
    must test -s "$HEIMDAL_DIR/master/ipropd-master.pid"
    must heimdal_kadmin add -p secret --use-defaults bob
    take
    arrives s1
    heimdal_until 30 stats_say "^iprop/s1@$REALM  *IPv4:127.0.0.1  *$(heimdal_version s1)  Up  *20" ||
        fail "the table of the slaves does not have it"
    must stats_say "^Master version: $(heimdal_version s1)\$"
    heimdal_slave_down s1
    heimdal_until 30 stats_say "^iprop/s1@$REALM .*  Down  " || fail "the slave is not shown as gone"
    heimdal_master_down
    must stats_say "^master down at 20"
    must test ! -e "$HEIMDAL_DIR/master/ipropd-master.pid"
    # The way back.
    OURS=
    must heimdal_master_up
    heimdal_slave_up s1 "$HEIMDAL_IPROP_PORT"
    must heimdal_kadmin add -p secret --use-defaults carol
    arrives s1
}

same_store() { [ "$(heimdal_dump master)" = "$(store_dump "$HEIMDAL_DIR/s1/krbrepl" 2>/dev/null)" ]; }
at_last() { [ "$(heimdal_slave_at s1)" = "$(heimdal_version)" ]; }

ipropd_slave_is_replaced_by_the_link()
{
    begin
    must heimdal_master_up
    OURS=ipropd-slave
    heimdal_slave_up s1 "$HEIMDAL_IPROP_PORT" --time-lost="5 minutes"
    heimdal_until 30 at_last || fail "the status file does not have the master's version"
    must same_store
    must heimdal_kadmin modify --max-ticket-life=2hours alice
    heimdal_until 30 at_last || fail "the status file does not follow"
    must same_store
    must test -s "$HEIMDAL_DIR/s1/ipropd-slave.pid"
    heimdal_master_down
    heimdal_until 30 status_says "^disconnected from master" || fail "the master's end is not told"
    heimdal_slave_down s1
    must test ! -e "$HEIMDAL_DIR/s1/status"
}

both_are_replaced_by_the_links()
{
    begin
    take
    OURS="ipropd-master ipropd-slave"
    must heimdal_master_up
    heimdal_slave_up s1 "$HEIMDAL_IPROP_PORT"
    heimdal_until 30 same_store || fail "the stores are not equal"
    must heimdal_kadmin add -p secret --use-defaults bob
    take
    heimdal_until 30 same_store || fail "the stores are not equal after a change"
    heimdal_until 30 stats_say "^iprop/s1@$REALM .*  Up  " || fail "the table does not have it"
}

a_keytab_in_the_database_is_refused_with_what_to_do()
{
    begin
    take
    if KRB5_CONFIG=$HEIMDAL_DIR/master/krb5.conf "$WORK/links/ipropd-master" -k HDB: 2>"$WORK/err"; then
        fail "it started"
    fi
    must grep -q 'ext_keytab' "$WORK/err"
}

every_option_is_taken_in_every_form_that_heimdals_programs_take()
{
    local name
    for name in ipropd-master ipropd-slave; do
        python3 -B "$(dirname "$0")/options.py" "$(theirs_heimdal_path "$name")" "$WORK/links/$name" \
            "$HEIMDAL_LIBRARIES" >"$WORK/options.out" || fail "$name takes something else"
    done
}

# PROGRAM NODE OPTION... in the background, which is over when its pid file is gone.
detached()
{
    local name=$1 node=$2
    shift 2
    quiet heimdal_on "$node" env HEIM_PIDFILE_DIR="$WORK/elsewhere" "$WORK/links/$name" --detach \
        --config-file="$HEIMDAL_DIR/$node/krb5.conf" --realm="$REALM" --port="$HEIMDAL_IPROP_PORT" \
        --keytab="FILE:$HEIMDAL_DIR/$node/keytab" "$@"
    must test -s "$WORK/elsewhere/$name.pid"
    cp "$WORK/elsewhere/$name.pid" "$HEIMDAL_DIR/detached-$name.pid"
}

ended() { [ ! -e "$WORK/elsewhere/$1.pid" ]; }
end_detached()
{
    kill "$(cat "$WORK/elsewhere/$1.pid")"
    heimdal_until 20 ended "$1" || fail "$1 does not end"
    rm "$HEIMDAL_DIR/detached-$1.pid"
}

what_the_options_name_is_used_and_nothing_else()
{
    begin
    quiet "$PROGRAMS/krbrepl" init --quiet --master "$WORK/other"
    take_into "$WORK/other"
    mkdir "$WORK/elsewhere"
    detached ipropd-master master --hostname=localhost --database="krbrepl:$WORK/other" \
        --slave-stats-file="$WORK/elsewhere/stats" --time-missing=1m --time-gone="5 min"
    heimdal_slave_up s1 "$HEIMDAL_IPROP_PORT"
    arrives s1
    heimdal_until 30 grep -q "^iprop/s1@$REALM .*  Up  " "$WORK/elsewhere/stats" || fail "the table does not have it"
    heimdal_slave_down s1
    end_detached ipropd-master
    must grep -q '^master down at ' "$WORK/elsewhere/stats"
    must test ! -e "$HEIMDAL_DIR/master/slaves-stats"
    must test ! -e "$HEIMDAL_DIR/master/ipropd-master.pid"
    rm -f "$HEIMDAL_DIR"/s1/ipropd-slave*
    must heimdal_master_up
    detached ipropd-slave s1 --hostname=s1 --status-file="$WORK/elsewhere/status" --time-lost=300 localhost
    heimdal_until 30 grep -q "^up-to-date with version: $(heimdal_version) " "$WORK/elsewhere/status" ||
        fail "the status file does not say so"
    must same_store
    end_detached ipropd-slave
    heimdal_master_down
    for file in master/krbrepl s1/ipropd-slave-status s1/ipropd-slave.pid; do
        must test ! -e "$HEIMDAL_DIR/$file"
    done
}

"$PROMISE"
