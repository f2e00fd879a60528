#!/bin/bash
# The commands of the database guide on principals, policies and whole databases, on a master with two replicas.
#
#   guide_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/guide.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/guide.sh"

# ---- principals -------------------------------------------------------------------------------------

commands_on_principals_are_the_same_on_two_replicas() {
    begin
    table <<'TABLE'
row a principal is added with a password
local addprinc -pw Secret-1-Alice alice
same getprinc alice
opens alice Secret-1-Alice
shut alice Secret-0-Alice

row a principal that is there is not added again
refused addprinc -pw other alice
says already exists
opens alice Secret-1-Alice

row a principal with everything that can be said of it
local addprinc -pw x -expire 2105-01-01 -pwexpire 2037-12-31 -maxlife 1h -maxrenewlife 7d -kvno 7 +requires_preauth -allow_svr +ok_as_delegate +lockdown_keys full
same getprinc full
shows Key: vno 7,
shows LOCKDOWN_KEYS
shows Expiration date: .* 2105$
opens full x

row a random key, and a name that must be quoted
local addprinc -randkey "host/with space"
local addprinc -randkey at\\@sign\\/slash
local addprinc -randkey back\\\\slash
same getprinc "host/with space"
same listprincs

row a principal without keys
local addprinc -nokey bare
same getprinc bare
shows Number of keys: 0
shut bare ""

row it gets keys
local cpw -pw dressed bare
opens bare dressed

row a principal is modified
local modprinc -maxlife 2h -allow_tix alice
same getprinc alice
shows DISALLOW_ALL_TIX
shut alice Secret-1-Alice

row and back
local modprinc +allow_tix -maxlife 3h +allow_forwardable alice
same getprinc alice
shows Maximum ticket life: 0 days 03:00:00
opens alice Secret-1-Alice

row a password changes
local cpw -pw Secret-2-Alice alice
opens alice Secret-2-Alice
shut alice Secret-1-Alice

row a service gets a key in a keytab
local addprinc -randkey -e aes256-cts:normal host/a
local ktadd -k $KT host/a
same getprinc host/a
key host/a $KT

row ktadd makes a new key, and without -norandkey the old one is gone
run eval 'cp "$KT" "$KT.old"'
local ktadd -k $KT host/a
key host/a $KT
nokey host/a $KT.old

row ktadd with -norandkey changes nothing
local ktadd -norandkey -k $KT.same host/a
key host/a $KT.same
key host/a $KT

row the keytab is thinned out
local ktremove -k $KT host/a old
key host/a $KT

row new keys beside the old ones
opens alice Secret-2-Alice
ticket host/a 3
local cpw -randkey -keepold host/a
same getprinc host/a
shows Number of keys: 4
opens alice Secret-2-Alice
ticket host/a 4

row a chosen kind of key and salt
local cpw -e aes128-cts:special -pw Secret-3-Alice alice
same getprinc alice
shows aes128-cts-hmac-sha1-96:special
opens alice Secret-3-Alice

row old keys are kept, and purged
local cpw -keepold -pw Secret-4-Alice alice
same getprinc alice
shows vno 3,
shows vno 4,
opens alice Secret-4-Alice
local purgekeys alice
same getprinc alice
shows Number of keys: 2
opens alice Secret-4-Alice

row keys up to a version are purged
local cpw -keepold -pw Secret-5-Alice alice
local cpw -keepold -pw Secret-6-Alice alice
local purgekeys -keepkvno 5 alice
same getprinc alice
shows Number of keys: 4
opens alice Secret-6-Alice

row all keys are purged
local purgekeys -all bare
same getprinc bare
shows Number of keys: 0
shut bare dressed

row a key that kdb5_util adds
util ark -e aes256-cts host/a
same getprinc host/a
shows vno 5,
ticket host/a

row string attributes
local setstr alice color blue
local setstr alice session_enctypes aes256-cts
local setstr alice require_auth ""
same getstrs alice
shows color: blue
same getprinc alice
local delstr alice color
same getstrs alice
local setstr alice color "a b  c"
same getstrs alice
shows color: a b  c

row a principal is renamed, and its password still opens
local renprinc -force alice alicia
same getprinc alicia
opens alicia Secret-6-Alice
shut alice Secret-6-Alice
refused renprinc -force nobody somebody
refused renprinc -force full alicia
same listprincs

row a principal is deleted
local delprinc -force alicia
refused getprinc alicia
shut alicia Secret-6-Alice
refused delprinc -force alicia
refused modprinc -maxlife 1h alicia
refused cpw -pw x alicia
refused setstr alicia a b
refused getstrs alicia
same listprincs "a*"

row it comes back as another one
local addprinc -pw Secret-7-Alice alicia
same getprinc alicia
shows Key: vno 1,
opens alicia Secret-7-Alice

row arguments of a directory are answered as by db2
refused addprinc -pw x -x dn=cn=dora,dc=example dora
says Unsupported argument .dn=cn=dora,dc=example. for
refused addprinc -pw x -x linkdn=cn=dora,dc=example dora
says Unsupported argument
refused addprinc -pw x -x containerdn=dc=example dora
says Unsupported argument
refused modprinc -x tktpolicy=staff alicia
says Unsupported argument
refused getprinc dora
says does not exist
run ldap_tool_refuses
TABLE
    [ "$rows" -ge 24 ] || fail "$rows rows"
}

# The tool of MIT's module for directories asks a directory, whatever the database of the realm is.
ldap_tool_refuses() {
    local command
    if ! command -v kdb5_ldap_util >/dev/null; then
        echo "left out: kdb5_ldap_util is not installed (Debian has it in krb5-kdc-ldap)"
        return 0
    fi
    if [ -n "${LD_PRELOAD:-}" ]; then
        echo "left out: kdb5_ldap_util ends by a segmentation fault, in which a preloaded sanitizer hangs"
        return 0
    fi
    kdb_db2 true
    for command in 'list' 'view' 'list_policy' 'view_policy staff' 'create_policy -maxtktlife 1day staff' \
        'modify_policy -maxtktlife 2days staff' 'destroy_policy -force staff' 'modify -maxtktlife 1day' \
        'create -subtrees dc=nowhere -P x' 'destroy -f'; do
        # shellcheck disable=SC2086
        must_not kdb5_ldap_util -D cn=admin -w x -H ldapi:///nowhere $command -r "$REALM" >"$work/ours" 2>&1 </dev/null
        # shellcheck disable=SC2086
        KRB5_KDC_PROFILE=$REALM_DIR/db2/kdc.conf must_not kdb5_ldap_util -D cn=admin -w x -H ldapi:///nowhere $command -r "$REALM" >"$work/theirs" 2>&1 </dev/null
        sed -i -n '/^kdb5_ldap_util/p' "$work/ours" "$work/theirs"
        [ -s "$work/ours" ] && cmp -s "$work/ours" "$work/theirs" || fail "kdb5_ldap_util $command: $(cat "$work/ours" "$work/theirs")"
    done
}

# ---- policies ---------------------------------------------------------------------------------------

commands_on_policies_are_the_same_on_two_replicas() {
    begin
    table <<'TABLE'
row a policy is added with everything that it can say
local addpol -minlife 1s -maxlife 90days -minlength 8 -minclasses 3 -history 3 -maxfailure 4 -failurecountinterval 10min -lockoutduration 1h -allowedkeysalts aes256-cts:normal,aes128-cts:normal strict
same getpol strict
shows Allowed key/salt types: aes256-cts:normal,aes128-cts:normal
refused addpol strict
says already exists

row a policy named with a space
local addpol -minlength 3 "two words"
same getpol "two words"
same listpols
local addprinc -pw secret -policy "two words" spaced
same getprinc spaced
shows Policy: two words
refused cpw -pw no spaced
opens spaced secret

row a policy is attached to a new principal, and holds
refused addprinc -pw short -policy strict alice
says too short
local addprinc -pw Secret-1-Alice -policy strict alice
same getprinc alice
shows Policy: strict
opens alice Secret-1-Alice

row a policy that does not exist is attached
local addprinc -pw x -policy nowhere bob
same getprinc bob
shows Policy: nowhere \[does not exist\]
opens bob x
local modprinc -policy elsewhere bob
same getprinc bob
shows Policy: elsewhere \[does not exist\]

row and is made afterwards
local addpol -minlength 6 elsewhere
same getprinc bob
shows Policy: elsewhere$
refused cpw -pw x bob
local cpw -pw longer-than-six bob
opens bob longer-than-six

row a policy is modified
local modpol -minlength 9 -history 2 strict
same getpol strict
shows Minimum password length: 9
local modpol -maxlife 0 -allowedkeysalts - strict
same getpol strict
refused modpol -minlength 9 nowhere

row a password history
run wait_min_life
local cpw -pw Secret-2-Alice alice
refused cpw -pw Secret-1-Alice alice
says reuse
refused cpw -pw Secret-2-Alice alice
opens alice Secret-2-Alice

row a new key of the history: what it kept can be read no more
local cpw -randkey kadmin/history
same getprinc kadmin/history
run wait_min_life
local cpw -pw Secret-3-Alice alice
opens alice Secret-3-Alice
run wait_min_life
refused cpw -pw Secret-3-Alice alice
says reuse

row a policy is taken off
local modprinc -clearpolicy alice
same getprinc alice
shows Policy: \[none\]
local cpw -pw x alice
opens alice x

row policies are deleted, one of them in use
local delpol -force strict
local delpol -force "two words"
same listpols
refused getpol strict
refused delpol -force strict
same getprinc spaced
shows does not exist
local cpw -pw no spaced
opens spaced no
TABLE
    [ "$rows" -ge 10 ] || fail "$rows rows"
}

wait_min_life() { sleep 1.1; }

# ---- dump, load, stash, destroy ---------------------------------------------------------------------

dumps_loads_and_destroy_are_the_same_on_two_replicas() {
    begin
    export DUMP=$work/saved
    table <<'TABLE'
row some content
local addpol -minlength 3 staff
local addprinc -pw secret -policy staff +requires_preauth alice
local addprinc -pw secret bob
local addprinc -randkey host/a
local setstr alice color blue
opens alice secret

row dumps of every kind
samedump
samedump -verbose
samedump -b7
samedump -r13
samedump -r18
samedump -rev
samedump -recurse
samedump -- alice@KRBREPL.TEST host/a@KRBREPL.TEST
samedump -verbose -- bob@KRBREPL.TEST
sameutil tabdump keyinfo
sameutil tabdump keydata
sameutil tabdump princ_flags
sameutil tabdump princ_meta
sameutil tabdump princ_stringattrs
sameutil tabdump princ_tktpolicy

row a dump with another master key, which leaves the database alone
run new_mkey_dump
opens alice secret

row a load of what is there changes nothing
run saved_dump
run load_without_commit

row a load of an older day
local cpw -pw changed alice
local addprinc -pw secret carol
local delprinc -force bob
local delpol -force staff
opens alice changed
util load $DUMP
opens alice secret
opens bob secret
shut carol secret
same listprincs
same getpol staff

row an update of some principals
util dump $DUMP.some alice@KRBREPL.TEST
local cpw -pw changed alice
local addprinc -pw secret dora
util load -update $DUMP.some
opens alice secret
opens dora secret
same getprinc alice

row a dump in the form of an old release
util dump -r13 $DUMP.r13
util load $DUMP.r13
opens alice secret
shut nobody secret
same getprinc alice

row a load that fails
run damaged_dump
utilrefused load $DUMP.damaged
opens alice secret
utilrefused load $DUMP.none
opens dora secret

row the stash file is written again, and is the same
run stash_again
sameutil list_mkeys
opens alice secret
TABLE
    destroyed_and_made_again
    [ "$rows" -ge 9 ] || fail "$rows rows"
}

saved_dump() { quietly util dump "$DUMP"; }
damaged_dump() { head -n 4 "$DUMP" >"$DUMP.damaged" && printf 'princ\t38\tno principal\n' >>"$DUMP.damaged"; }

load_without_commit() {
    local before
    before=$(road_seq master)
    quietly util load "$DUMP"
    [ "$(road_seq master)" = "$before" ] || fail "it made a commit"
}

new_mkey_dump() {
    printf 'other\nother\n' | util dump -mkey_convert "$work/converted" >"$work/out" 2>&1 || fail "$(cat "$work/out")"
    [ "$(wc -l <"$work/converted")" -gt 5 ] || fail "the dump is short"
}

# A stash file is a keytab, whose entries have the time at which they were written: the keys are compared.
stashed() { quietly kdb_at "$1" util stash -f "$work/stash.$1" && klist -k -e -K "$work/stash.$1" | tail -n +2; } # NAME

stash_again() {
    local name
    for name in $KDB_NODES; do
        rm -f "$work/stash.$name"
        stashed "$name" >"$work/keys.$name"
        grep -q '(0x' "$work/keys.$name" || fail "no key in the stash file of $name: $(cat "$work/keys.$name")"
    done
    cmp "$work/keys.master" "$work/keys.replica-1" && cmp "$work/keys.master" "$work/keys.replica-2" || fail "the stash files differ"
}

# Refused where the database is replicated; afterwards the realm comes out of its dump, with a history of its own.
destroyed_and_made_again() {
    local name
    quietly util dump "$DUMP.last"
    for name in $KDB_NODES; do
        must_not kdb_at "$name" util destroy -f >"$work/out" 2>&1
    done
    must kdb_at replica-2 login alice secret
    for name in $KDB_NODES; do
        road_signal "$name" TERM
        wait "${ROAD_PID[$name]}"
        quietly kdb_at "$name" util destroy -f
        must_not kdb_at "$name" login alice secret
    done
    quietly util load "$DUMP.last"
    must road_serve master
    for name in replica-1 replica-2; do
        quietly krbrepl init -q "$REALM_DIR/$name"
        must road_follow "$name" "$name"
        must road_until "the first copy reaching $name" kdb_has_content "$name"
    done
    arrive
    for name in $KDB_NODES; do
        must kdb_at "$name" login alice secret
    done
}

"$3"
