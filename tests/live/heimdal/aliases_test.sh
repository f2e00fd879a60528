#!/bin/bash
# aliases_test.sh PROGRAMS TAKELOG PROMISE: names that change hands within one commit, and Heimdal's ipropd-slave.
#
# It stops at a record that removes or makes a name which is an alias, until it has got a complete database. Heimdal's
# own functions change one entry at a time; a file that is loaded and a log that is replayed make one commit of many.
# shellcheck source=case.sh
. "$(dirname "$0")/case.sh"
# shellcheck source=served.sh
. "$(dirname "$0")/served.sh"

# What was changed in the realm comes into the store as one commit: by its dump or by its log.
by_load()
{
    rm -f "$WORK/dump"
    quiet heimdal_kadmin dump "$WORK/dump"
    quiet "$PROGRAMS/krbrepl" load --quiet --format heimdal "$WORK/store" "$WORK/dump"
}

by_replay()
{
    local from
    from=$(($(cat "$WORK/taken") + 1))
    heimdal_version >"$WORK/taken"
    quiet "$PROGRAMS/krbrepl" replay --quiet --from "$from" --heimdal-log "$HEIMDAL_DIR/master/log" "$WORK/store"
}

commits() { "$PROGRAMS/krbrepl" status --json "$WORK/store" | python3 -c 'import json, sys; print(json.load(sys.stdin)["journal"]["last"])'; }

# The lines of standard input are commands of kadmin. Aliases that sort before their entry, and behind it.
together() # HOW
{
    local before
    quiet heimdal_kadmin
    before=$(commits)
    "$1"
    [ "$(commits)" = $((before + 1)) ] || fail "it is not one commit"
    arrives s1 120
    says "cannot apply" && fail "the slave could not apply something"
    [ "$(said "complete database begins")" = "$copies" ] || fail "there was a complete database"
}

names_change_hands()
{
    local round how=$1
    begin
    serve
    follow s1
    arrives s1
    copies=$(said "complete database begins")
    # A file has everything, and the first one changes how each entry is written.
    together "$how" <<<"add --random-key --use-defaults first"
    for round in 1 2; do
        # The second time with so much beside it that nothing is known of what was there.
        [ "$round" = 1 ] || seq -f "add --random-key --use-defaults more%g" 30 >"$WORK/more"
        : >>"$WORK/more"
        together "$how" < <(
            for i in b d f h j l n p; do
                echo "add --random-key --use-defaults $i"
            done
            cat "$WORK/more"
            echo "modify --alias=a --alias=c d"
            echo "modify --alias=i --alias=g h"
            echo "modify --alias=m l"
        )
        # Entries go with their aliases.
        together "$how" < <(
            sed s/more/still/ "$WORK/more"
            echo "modify --max-ticket-life=3h d"
            echo "modify --max-ticket-life=3h h"
            echo "delete d"
            echo "delete h"
        )
        # Aliases go from one entry to another, in both directions, and are added and taken away.
        together "$how" < <(
            sed s/more/again/ "$WORK/more"
            echo "modify --alias=c --alias=a b"
            echo "modify --alias=k --alias=g j"
        )
        together "$how" < <(
            sed s/more/other/ "$WORK/more"
            echo "modify --alias=e b"
            echo "modify --alias=q j"
            echo "modify --alias=a --alias=g n"
            echo "modify --alias=c --alias=k f"
        )
        # What was an alias is an entry.
        together "$how" < <(
            sed s/more/name/ "$WORK/more"
            echo "modify --alias=o n"
            echo "modify --alias=c f"
            echo "add --random-key --use-defaults a"
            echo "add --random-key --use-defaults k"
            echo "add --random-key --use-defaults g"
        )
        # What was an entry is an alias, and its own aliases are gone.
        together "$how" < <(
            sed s/more/last/ "$WORK/more"
            echo "delete b"
            echo "delete j"
            echo "modify --alias=b p"
            echo "modify --alias=o --alias=j n"
        )
        # Renamed, with an alias that goes to another one.
        together "$how" < <(
            echo "modify --alias= f"
            echo "modify --alias= l"
            echo "rename f r"
            echo "modify --alias=f --alias=m r"
            echo "rename l t"
            echo "modify --alias=l --alias=c t"
        )
        together "$how" < <(
            for i in a g k n p r t; do
                echo "delete $i"
            done
        )
    done
}

names_that_change_hands_in_a_file_arrive_as_increments() { names_change_hands by_load; }
names_that_change_hands_in_a_log_arrive_as_increments() { names_change_hands by_replay; }

# More than a message has room for, and more than a commit has whose place is known.
an_entry_of_more_than_a_message_arrives()
{
    local i option
    begin
    serve
    follow s1
    arrives s1
    add large
    for option in alias=a constrained-delegation=host/a pkinit-acl=CN=a; do
        printf 'modify'
        for i in $(seq 240); do
            printf ' --%s-name-that-is-longer-than-anybody-needs-it-so-that-much-comes-together-%s' "$option" "$i"
        done
        echo " large"
    done >"$WORK/commands"
    quiet heimdal_kadmin <"$WORK/commands"
    take
    arrives s1
    [ "$(heimdal_dump s1 | wc -L)" -gt 140000 ] || fail "it is not so large: $(heimdal_dump s1 | wc -L)"
    must heimdal_kadmin modify --max-ticket-life=3h large
    take
    arrives s1
    must heimdal_kadmin modify --alias=one large
    take
    arrives s1
    must heimdal_kadmin delete large
    take
    arrives s1
    says "cannot apply" && fail "the slave could not apply something"
    [ "$(said "complete database begins")" = 1 ] || fail "there was another complete database"
}

"$PROMISE"
