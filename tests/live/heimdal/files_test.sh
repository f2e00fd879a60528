#!/bin/bash
# files_test.sh PROGRAMS PROMISE: the files of Heimdal's kadmin and hprop, and its log, go into a store and come out
# of it. What came out is loaded by Heimdal's own programs into another database, and the decrypted dump of that
# one must be the master's.
# shellcheck source=case.sh
. "$(dirname "$0")/case.sh"
STORE=$WORK/store

krbrepl() { quiet "$PROGRAMS/krbrepl" "$@"; }
kadmin() { quiet heimdal_kadmin "$@"; }

# Everything that kadmin can do to a database.
make_content()
{
    kadmin add --password=one --use-defaults alice
    kadmin add --password=two --use-defaults 'odd\@na\/me\\x'
    kadmin add --random-key --use-defaults host/a.example.org
    kadmin add --random-key --use-defaults --attributes=requires-pre-auth bob/admin
    kadmin passwd --password=three alice
    kadmin passwd --random-key --keepold host/a.example.org
    kadmin passwd --random-key bob/admin
    kadmin modify --max-ticket-life=5h --max-renewable-life=3d alice
    kadmin modify --expiration-time=2031-02-03 --pw-expiration-time=2030-01-02 alice
    kadmin modify --attributes=+disallow-proxiable,+requires-pre-auth alice
    kadmin modify --alias="alias1@$REALM" --alias="alias2@$REALM" alice
    kadmin modify --policy=default bob/admin
    kadmin modify --constrained-delegation=host/a.example.org host/a.example.org
    kadmin modify --pkinit-acl=CN=alice,DC=example,DC=org alice
    kadmin add --password=four --use-defaults old
    kadmin rename old new
    kadmin add --password=five --use-defaults gone
    kadmin delete gone
    kadmin modify --alias="alias2@$REALM" alice
    kadmin modify --kvno=9 new
}

begin()
{
    must heimdal_start "$WORK/realm" "$@"
    make_content
    krbrepl init --master "$STORE"
    # The database that what comes out is loaded into, under the same master key.
    mkdir "$HEIMDAL_DIR/other"
    heimdal_config other
    cp "$HEIMDAL_DIR/master/m-key" "$HEIMDAL_DIR/other/m-key"
    quiet on_other init --realm-max-ticket-life=1day --realm-max-renewable-life=1week "$REALM"
}

on_other()
{
    heimdal_on other heimdal_tool kadmin -l -c "$HEIMDAL_DIR/other/krb5.conf" -r "$REALM" "$@"
}

# The other database has the content of the master's.
same_as_master()
{
    heimdal_dump master >"$WORK/want"
    heimdal_dump other >"$WORK/have"
    must [ -s "$WORK/want" ]
    diff "$WORK/want" "$WORK/have" >"$WORK/diff.out" || fail "the databases differ"
    # kadmin shows no aliases, but their names are taken.
    on_other add --random-key --use-defaults "alias2@$REALM" >"$WORK/add.out" 2>&1
    must grep -q "already exists" "$WORK/add.out"
}

alias_is_there() { "$PROGRAMS/krbrepl" list --json "$STORE" | grep -q 'alias of alice@'; }

# ---- the promises -------------------------------------------------------------------------------

a_dump_of_kadmin_goes_through_a_store()
{
    begin
    kadmin dump "$WORK/in"
    krbrepl load "$STORE" "$WORK/in"
    must alias_is_there
    krbrepl dump --format heimdal "$STORE" "$WORK/out"
    must cmp <(LC_ALL=C sort "$WORK/in") <(LC_ALL=C sort "$WORK/out")
    quiet on_other load "$WORK/out"
    same_as_master
}

a_decrypted_dump_goes_through_a_store()
{
    begin
    kadmin dump -d "$WORK/in"
    krbrepl load --format heimdal "$STORE" "$WORK/in"
    must grep -q 'keys in clear' "$WORK/quiet.out"
    krbrepl dump --format heimdal "$STORE" "$WORK/out"
    must cmp <(LC_ALL=C sort "$WORK/in") <(LC_ALL=C sort "$WORK/out")
    quiet on_other load "$WORK/out"
    same_as_master
}

keys_in_clear_are_encrypted_by_the_master_key()
{
    begin
    kadmin dump -d "$WORK/in"
    krbrepl load --mkey-file "$HEIMDAL_DIR/master/m-key" "$STORE" "$WORK/in"
    krbrepl dump --format heimdal "$STORE" "$WORK/sealed"
    must grep -q ":1:18:" "$WORK/sealed"
    grep -q "::18:" "$WORK/sealed" && fail "a key is in clear"
    krbrepl dump --format heimdal --mkey-file "$HEIMDAL_DIR/master/m-key" "$STORE" "$WORK/clear"
    must cmp <(cut -d' ' -f1-11 "$WORK/in" | LC_ALL=C sort) <(cut -d' ' -f1-11 "$WORK/clear" | LC_ALL=C sort)
    quiet on_other load "$WORK/sealed"
    same_as_master
    # The same keys, encrypted anew, are no change.
    krbrepl load --mkey-file "$HEIMDAL_DIR/master/m-key" "$STORE" "$WORK/in"
    must grep -q 'no commit was made' "$WORK/quiet.out"
    krbrepl load --update --mkey-file "$HEIMDAL_DIR/master/m-key" "$STORE" "$WORK/in"
    must grep -q 'no commit was made' "$WORK/quiet.out"
    # A log has keys in clear too.
    krbrepl init --master "$STORE.2"
    krbrepl replay --mkey-file "$HEIMDAL_DIR/master/m-key" --heimdal-log "$HEIMDAL_DIR/master/log" "$STORE.2"
    krbrepl dump --format heimdal "$STORE.2" "$WORK/sealed"
    grep -q "::18:" "$WORK/sealed" && fail "a key of the log is in clear"
    quiet on_other load "$WORK/sealed"
    same_as_master
    krbrepl replay --json --mkey-file "$HEIMDAL_DIR/master/m-key" --heimdal-log "$HEIMDAL_DIR/master/log" "$STORE.2"
    must grep -q '"commits": *0' "$WORK/quiet.out"
}

a_file_of_hprop_goes_through_a_store()
{
    begin
    heimdal_hprop --stdout >"$WORK/in" || fail hprop
    krbrepl load "$STORE" "$WORK/in"
    must alias_is_there
    krbrepl dump --format hprop "$STORE" "$WORK/out"
    must [ "$(stat -c %s "$WORK/in")" = "$(stat -c %s "$WORK/out")" ]
    heimdal_on other heimdal_tool hpropd --stdin -d "$HEIMDAL_DIR/other/heimdal" <"$WORK/out" \
        >"$WORK/hpropd.out" 2>&1 || fail hpropd
    same_as_master
    # Both formats are the same content.
    kadmin dump "$WORK/text"
    krbrepl load "$STORE" "$WORK/text"
    must grep -q 'no commit was made' "$WORK/quiet.out"
}

a_log_that_is_replayed_makes_the_database()
{
    begin
    krbrepl replay --heimdal-log "$HEIMDAL_DIR/master/log" "$STORE"
    must alias_is_there
    krbrepl dump --format heimdal "$STORE" "$WORK/out"
    quiet on_other load "$WORK/out"
    same_as_master
    krbrepl replay --json --heimdal-log "$HEIMDAL_DIR/master/log" "$STORE"
    must grep -q '"commits": *0' "$WORK/quiet.out"
    # What was added to the log since is all that a further replay changes.
    kadmin modify --max-ticket-life=7h alice
    krbrepl replay --json --heimdal-log "$HEIMDAL_DIR/master/log" "$STORE"
    must grep -q '"commits": *1' "$WORK/quiet.out"
    must grep -q '"changed": *1' "$WORK/quiet.out"
}

# As iprop-log replays from one version to another one.
a_log_is_replayed_and_shown_in_parts()
{
    local log last
    begin
    log=$HEIMDAL_DIR/master/log
    last=$(heimdal_version)
    krbrepl log --heimdal-log "$log" --from 5 --to 7
    must [ "$(cut -d' ' -f1 "$WORK/quiet.out" | tr '\n' ' ')" = "5 6 7 " ]
    krbrepl log --heimdal-log "$log" --last 2
    must [ "$(cut -d' ' -f1 "$WORK/quiet.out" | tr '\n' ' ')" = "$((last - 1)) $last " ]
    krbrepl replay --json --to 9 --heimdal-log "$log" "$STORE"
    must grep -q '"last_version": *9' "$WORK/quiet.out"
    krbrepl replay --json --from 10 --to 15 --heimdal-log "$log" "$STORE"
    must grep -q '"records": *6' "$WORK/quiet.out"
    krbrepl replay --json --from 16 --heimdal-log "$log" "$STORE"
    must grep -q "\"last_version\": *$last" "$WORK/quiet.out"
    krbrepl dump --format heimdal "$STORE" "$WORK/out"
    quiet on_other load "$WORK/out"
    same_as_master
}

a_log_is_shown_as_iprop_log_shows_it()
{
    begin
    heimdal_log dump >"$WORK/theirs" 2>/dev/null
    krbrepl log --heimdal-log "$HEIMDAL_DIR/master/log"
    # "create: ver = 4, timestamp = ..." against "4 TIME create NAME ...".
    sed -n 's/^\([a-z]*\): ver = \([1-9][0-9]*\),.*/\2 \1/p' "$WORK/theirs" >"$WORK/theirs.cut"
    sed -n 's/^\([0-9]*\) [^ ]* \([a-z]*\) .*/\1 \2/p' "$WORK/quiet.out" >"$WORK/ours.cut"
    must cmp "$WORK/theirs.cut" "$WORK/ours.cut"
    must [ "$("$PROGRAMS/krbrepl" log --heimdal-log "$HEIMDAL_DIR/master/log" --last-version)" = \
        "version: $(heimdal_version)" ]
    # After a truncation the oldest version is a later one, and the last one the same.
    heimdal_log truncate -K 5 >/dev/null 2>&1 || fail truncate
    krbrepl log --heimdal-log "$HEIMDAL_DIR/master/log"
    must [ "$(wc -l <"$WORK/quiet.out")" = 5 ]
    must [ "$("$PROGRAMS/krbrepl" log --heimdal-log "$HEIMDAL_DIR/master/log" --last-version)" = \
        "version: $(heimdal_version)" ]
}

versions_of() { tr '\n' ' ' <"$1"; }

a_log_is_shown_backwards_and_cut_to_a_size_as_by_iprop_log()
{
    local sizes sum=0 n=0 size
    begin
    heimdal_log dump -R >"$WORK/theirs" 2>/dev/null
    sed -n 's/^[a-z]*: ver = \([1-9][0-9]*\),.*/\1/p' "$WORK/theirs" >"$WORK/theirs.cut"
    must [ "$(head -n 1 "$WORK/theirs.cut")" = "$(heimdal_version)" ]
    krbrepl log -R --heimdal-log "$HEIMDAL_DIR/master/log"
    cut -d' ' -f1 "$WORK/quiet.out" >"$WORK/ours.cut"
    must [ "$(versions_of "$WORK/theirs.cut")" = "$(versions_of "$WORK/ours.cut")" ]
    krbrepl log --reverse --json --heimdal-log "$HEIMDAL_DIR/master/log"
    grep '"op"' "$WORK/quiet.out" | sed 's/.*"version": *\([0-9]*\).*/\1/' >"$WORK/ours.cut"
    must [ "$(versions_of "$WORK/theirs.cut")" = "$(versions_of "$WORK/ours.cut")" ]
    # The same of a store's own journal.
    for n in 1 22 333 4444 55555 666666; do
        krbrepl put "$STORE" notes "note$n" "$n"
    done
    n=0
    krbrepl log -v "$STORE"
    grep '^[0-9]' "$WORK/quiet.out" | tac >"$WORK/want"
    krbrepl log -v -R "$STORE"
    must cmp "$WORK/want" <(grep '^[0-9]' "$WORK/quiet.out")
    krbrepl log -R -n 3 "$STORE"
    must cmp <(head -n 3 "$WORK/want") "$WORK/quiet.out"
    # As many commits as fit, and not one more.
    krbrepl log --reverse --json -n 4 "$STORE"
    sizes=$(sed -n 's/.*"bytes": *\([0-9]*\),"changes_so_far.*/\1/p' "$WORK/quiet.out")
    for size in $sizes; do
        n=$((n + 1)) sum=$((sum + size))
    done
    must [ $n = 4 ]
    krbrepl trim -B "$sum" "$STORE"
    must [ "$("$PROGRAMS/krbrepl" log "$STORE" | wc -l)" = 4 ]
    krbrepl trim -B $((sum - 1)) "$STORE"
    must [ "$("$PROGRAMS/krbrepl" log "$STORE" | wc -l)" = 3 ]
    krbrepl trim --keep 2 --bytes 1G "$STORE"
    must [ "$("$PROGRAMS/krbrepl" log "$STORE" | wc -l)" = 2 ]
    krbrepl trim --bytes 1 "$STORE"
    must [ "$("$PROGRAMS/krbrepl" log "$STORE" | wc -l)" = 1 ]
    "$PROGRAMS/krbrepl" log -R -f "$STORE" 2>/dev/null && fail "it follows backwards"
    return 0
}

a_damaged_log_is_refused_with_the_offset()
{
    begin
    cp "$HEIMDAL_DIR/master/log" "$WORK/log"
    printf '\377' | dd of="$WORK/log" bs=1 seek=52 conv=notrunc 2>/dev/null
    "$PROGRAMS/krbrepl" log --heimdal-log "$WORK/log" >"$WORK/log.out" 2>&1 && fail "a damaged log was shown"
    must grep -q 'offset 40: ' "$WORK/log.out"
    "$PROGRAMS/krbrepl" replay --heimdal-log "$WORK/log" "$STORE" >"$WORK/log.out" 2>&1 &&
        fail "a damaged log was replayed"
    must grep -q 'offset 40: ' "$WORK/log.out"
    must [ -z "$("$PROGRAMS/krbrepl" list "$STORE")" ]
}

"$PROMISE"
