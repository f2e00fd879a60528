#!/bin/bash
# dump_live.sh TOOL: what goes through a store comes out of it as kdb5_util wrote it.
#
# Runs in the environment of tests/common/realm.sh: a realm with a running krb5kdc. Each check is named by
# what it promises; the first that fails ends the script.
set -u
tool=$1
dir=$REALM_DIR/live
mkdir -p "$dir" && cd "$dir" || exit 1
export LC_ALL=C

die()
{
    echo "FAILED: $promise${1:+: $1}" >&2
    exit 1
}

promise()
{
    promise=$1
    echo "- $1"
}

run()
{
    "$@" >out.log 2>&1 || { cat out.log >&2; die "$*"; }
}

admin()
{
    kadmin.local -r "$REALM" >admin.log 2>&1 || { cat admin.log >&2; die kadmin.local; }
}

# Two dumps are equal when their lines are, in whatever order the back end keeps them.
same()
{
    sort "$1" >sorted.1 && sort "$2" >sorted.2 && cmp sorted.1 sorted.2 || die "$1 and $2 differ"
}

# kdb5_util on a second realm of the same name and master key, with its own database.
other()
{
    KRB5_KDC_PROFILE=$dir/kdc.conf kdb5_util -r "$REALM" "$@"
}

fresh_other()
{
    rm -rf "$dir/db" && mkdir "$dir/db"
    sed "s#database_name = .*#database_name = $dir/db/principal#" "$KRB5_KDC_PROFILE" >"$dir/kdc.conf"
}

make_odd_records()
{
    local long i
    long=$(printf 'n%.0s' $(seq 600))
    {
        echo 'addpol -minlife 1day -maxlife 90days -minlength 8 -minclasses 3 -history 5 strict'
        echo 'addpol -maxfailure 5 -failurecountinterval 10min -lockoutduration 1h locking'
        echo 'addpol -allowedkeysalts aes256-cts:normal,aes128-cts:normal salts'
        echo 'addprinc -pw Secret-1-Alice -policy strict +requires_preauth alice'
        echo 'addprinc -pw Secret-1-Bob -policy locking +requires_preauth bob'
        echo 'addprinc -randkey -expire 2105-01-01 -pwexpire 2037-12-31 -maxlife 1h -maxrenewlife 7d late'
        echo 'addprinc -nokey nokey'
        echo 'addprinc -randkey "host/with space"'
        echo 'addprinc -randkey at\@sign\/slash'
        echo 'addprinc -randkey tab\there'
        echo 'addprinc -randkey back\\slash'
        printf 'addprinc -randkey J\303\274rgen\n'
        echo "addprinc -randkey $long"
        echo 'addprinc -randkey many'
        for i in $(seq 49); do
            echo 'cpw -randkey -keepold many'
        done
        echo 'addprinc -randkey purged'
        echo 'purgekeys -all purged'
        echo 'addprinc -pw Secret-1-Salt -e aes256-cts:special,aes128-cts:norealm salted'
        echo 'addprinc -randkey attributes'
        echo 'setstr attributes otp [{"type":"x"}]'
        for i in $(seq 300); do
            echo "addprinc -nokey filler$i"
        done
    } | admin
    run kadmin.local -r "$REALM" setstr attributes four "$(printf 'v%.0s' $(seq 4096))"
    run kadmin.local -r "$REALM" setstr attributes sixty "$(printf 'w%.0s' $(seq 60000))"
}

# Makes the KDC count: one success, two failures.
make_lockout_values()
{
    echo Secret-1-Alice | run kinit alice
    echo wrong | kinit bob >/dev/null 2>&1
    echo wrong | kinit bob >/dev/null 2>&1
}

make_odd_records
make_lockout_values
run kdb5_util -r "$REALM" dump original

promise odd_records_are_all_in_the_dump
for name in 'host/with space@' 'at\\@sign\\/slash@' 'tab\\there@' 'back\\\\slash@' $'J\303\274rgen@' 'n\{600\}@'; do
    grep -q "	$name$REALM	" original || die "$name"
done
[ "$(grep "	many@" original | cut -f 5)" -ge 100 ] || die 'many keys'
[ "$(grep "	purged@" original | cut -f 5)" = 0 ] || die 'purged keys'
[ "$(grep "	bob@" original | cut -f 15)" = 2 ] || die 'failed attempts'
[ "$(grep "	alice@" original | cut -f 13)" != 0 ] || die 'last success'

promise dump_after_load_equals_the_original
run "$tool" create store
run "$tool" load store original
run "$tool" dump store back
same original back

promise loading_the_same_again_makes_no_commit
[ "$("$tool" load store original)" = "kind 0 commits 0 added 0 changed 0 deleted 0" ] || die
[ "$("$tool" update store original)" = "kind 0 commits 0 added 0 changed 0 deleted 0" ] || die

promise kdb5_util_loads_the_dump_and_gives_it_back
fresh_other
run other load back
run other dump again
same original again

promise kprop_finds_the_dump_ok_file_that_it_wants
[ -s back.dump_ok ] && ! [ back -nt back.dump_ok ] || die

promise changes_of_an_administrator_are_one_commit_of_few_changes
printf '%s\n' 'delprinc -force filler7' 'modprinc -maxlife 2h filler8' 'addprinc -randkey newcomer' \
    'modpol -minlength 9 strict' 'renprinc -force filler9 renamed' | admin
run kdb5_util -r "$REALM" dump changed
[ "$("$tool" load store changed)" = "kind 1 commits 1 added 2 changed 2 deleted 2" ] || die
run "$tool" dump store back
same changed back

promise files_of_older_formats_are_read
for format in b7 r13 r18; do
    run kdb5_util -r "$REALM" dump -$format older.$format
    rm -rf older && run "$tool" create older
    run "$tool" load older older.$format
    run "$tool" dump older back
    fresh_other
    run other load back
    run other dump -$format again
    same older.$format again
done

promise update_adds_the_records_of_a_part
run kdb5_util -r "$REALM" dump part "many@$REALM"
rm -rf older && run "$tool" create older
run "$tool" load older changed
printf '%s\n' 'cpw -randkey many' | admin
run kdb5_util -r "$REALM" dump part "many@$REALM"
[ "$("$tool" update older part)" = "kind 1 commits 1 added 0 changed 1 deleted 0" ] || die
run kdb5_util -r "$REALM" dump changed
run "$tool" dump older back
same changed back

promise files_made_for_iprop_keep_the_lockout_values
sed "s#^    $REALM = {#&\n        iprop_enable = true\n        iprop_logfile = $dir/ulog#" "$KRB5_KDC_PROFILE" \
    >iprop.conf
for format in i i0 i1; do
    KRB5_KDC_PROFILE=$dir/iprop.conf run kdb5_util -r "$REALM" dump -$format iprop.$format
    run "$tool" load older iprop.$format
    grep -q 'made for iprop' out.log || die "-$format is not noted"
done
run "$tool" dump older back
same changed back

promise cut_file_is_refused_and_changes_nothing
head -c -1 original >cut
"$tool" load older cut 2>out.log && die
grep -q "cut:$(wc -l <original): .*truncated" out.log || die "$(cat out.log)"
run "$tool" dump older again
same back again

promise newest_version_of_the_master_key_is_told_from_database_and_stash
[ "$("$tool" mkey older "$REALM_DIR/stash")" = "1 1" ] || die
printf 'second\nsecond\n' | run kdb5_util -r "$REALM" add_mkey -e aes256-cts
run kdb5_util -r "$REALM" dump changed
run "$tool" load older changed
[ "$("$tool" mkey older "$REALM_DIR/stash")" = "2 1" ] || die 'after add_mkey'
run kdb5_util -r "$REALM" stash
[ "$("$tool" mkey older "$REALM_DIR/stash")" = "2 2" ] || die 'after stash'
run "$tool" dump older back
same changed back

promise records_are_described_without_their_keys
"$tool" describe older >lines || die
grep -q "^alice@$REALM: kvno 1 (aes256-cts, aes128-cts), policy strict, attributes 0x80, .*modified .* by " lines ||
    die "$(grep ^alice lines)"
grep -q "^strict: .*length 9, classes 3, history 5" lines || die "$(grep ^strict lines)"
key=$(grep '	alice@' changed | grep -o '2000[0-9a-f]\{80,\}')
[ -n "$key" ] || die 'no key found'
! grep -q "${key:8:32}" lines || die 'a key is in a line'
exit 0
