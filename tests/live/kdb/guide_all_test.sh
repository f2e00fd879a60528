#!/bin/bash
# Every command of kadmin and kdb5_util by every name, with every option and attribute, on a master with two replicas.
# What there is, the programs say themselves: guide_all.py compares it with what was run here, so that what a release
# adds is missed.
#
#   guide_all_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/guide.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/guide.sh"
ALL_PY=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/guide_all.py

note() { printf '%q ' "$@" >>"$work/used" && echo >>"$work/used"; }
admin() {
    note kadmin.local -r "$REALM" "$@"
    kadmin.local -r "$REALM" "$@"
}
util() {
    note kdb5_util -r "$REALM" "$@"
    kdb5_util -r "$REALM" "$@"
}
network() { # ARGUMENT...
    note kadmin -r "$REALM" "$@"
    kadmin -r "$REALM" "$@"
}

nothing_is_left_out() { # KIND
    python3 -B "$ALL_PY" "$1" "$work/used" >"$work/missing" || fail "left out: $(cat "$work/missing")"
}

# A session as a person has it, with these lines.
session() { # LINE...
    local line words
    for line in "$@"; do
        read -ra words <<<"$line"
        note typed "${words[@]}"
    done
    printf '%s\n' "$@" | kadmin.local -r "$REALM" >"$work/out" 2>&1
}

# A command that asks, and gets these answers.
answers() { # ANSWERS PROGRAM ARGUMENT...
    printf '%b' "$1" | "${@:2}" >"$work/out" 2>&1
}

# ---- attributes -------------------------------------------------------------------------------------

attributes() { kadmin.local -r "$REALM" addprinc 2>&1 | sed -n '/attributes are:/,/^$/{/^\t\t/p}'; }

# Given to a new principal, taken from a new one, given to and taken from one that is there.
each_attribute() {
    local it
    for it in $(attributes); do
        quietly admin addprinc -nokey "+$it" "plus/$it"
        quietly admin addprinc -nokey "-$it" "minus/$it"
        quietly admin addprinc -nokey "-$it" "given/$it"
        quietly admin modprinc "+$it" "given/$it"
        quietly admin addprinc -nokey "+$it" "taken/$it"
        quietly admin modprinc "-$it" "taken/$it"
    done
}

flags_of() { kadmin.local -r "$REALM" getprinc "$1" 2>/dev/null | grep '^Attributes:'; }

each_attribute_means_something() {
    local it n=0
    for it in $(attributes); do
        [ "$(flags_of "plus/$it")" != "$(flags_of "minus/$it")" ] || fail "+$it and -$it are the same: $(flags_of "plus/$it")"
        [ "$(flags_of "plus/$it")" = "$(flags_of "given/$it")" ] || fail "+$it is another thing for modprinc"
        [ "$(flags_of "minus/$it")" = "$(flags_of "taken/$it")" ] || fail "-$it is another thing for modprinc"
        n=$((n + 1))
    done
    [ $n -ge 16 ] || fail "$n attributes"
}

# ---- kadmin -----------------------------------------------------------------------------------------

typed_commands() {
    answers 'first\nfirst\n' admin addprinc typed || fail "$(cat "$work/out")"
    answers 'second\nsecond\n' admin cpw typed || fail "$(cat "$work/out")"
    session 'addprinc -pw x inside' 'addprinc -pw x doomed' 'addpol doomed' '?' lr list_requests q || fail "$(cat "$work/out")"
    grep -q 'add_principal, addprinc, ank' "$work/out" || fail "$(cat "$work/out")"
    # A query asks before it removes something.
    local it
    for it in no yes; do
        quietly kadmin.local -r "$REALM" getprinc doomed
        quietly kadmin.local -r "$REALM" getpol doomed
        answers "$it\n" kadmin.local -r "$REALM" -q 'delprinc doomed'
        answers "$it\n" kadmin.local -r "$REALM" -q 'delpol doomed'
        answers "$it\n" kadmin.local -r "$REALM" -q 'renprinc inside within'
    done
    session exit
    session quit
}

locked_session() {
    session lock 'addprinc -nokey under-lock' 'setstr under-lock a b' unlock 'setstr under-lock c d' || fail "$(cat "$work/out")"
}

every_request_of_kadmin_by_every_name_with_every_option() {
    begin
    table <<'TABLE'
row principals are added and listed by every name of the command
local add_principal -pw one a1
local addprinc -pw two a2
local ank -pw three a3
same list_principals "a?"
same listprincs "a[12]*"
same get_principals "a*@KRBREPL.TEST"
same getprincs
opens a1 one
opens a2 two
opens a3 three

row the policy default is for whoever is not told otherwise
local add_policy -minlength 2 default
local addprinc -pw by-default b1
same getprinc b1
shows Policy: default$
local addprinc -clearpolicy -pw x b2
same getprinc b2
shows Policy: \[none\]
opens b2 x
local delete_policy -force default

row all that a principal is made with
local addprinc -randkey -expire 2031-02-03 -pwexpire 2032-03-04 -maxlife "3 hours" -maxrenewlife "2 days" -kvno 5 -policy nowhere -e aes128-cts:normal c1
same get_principal c1
shows Key: vno 5, aes128-cts-hmac-sha1-96
shows Password expiration date: .* 2032$
local addprinc -nokey c2
refused addprinc -x dn=cn=c3 -pw x c3
says Unsupported argument

row all that a principal is changed by
local modify_principal -expire 2033-01-01 -pwexpire 2034-01-01 -maxlife 4h -maxrenewlife 3d -kvno 6 -policy elsewhere c1
same getprinc c1
shows Key: vno 6,
shows Policy: elsewhere
local modprinc -clearpolicy -unlock c1
same getprinc c1
shows Policy: \[none\]
same getprinc -terse c1
shows "c1@KRBREPL.TEST"
refused modprinc -x tktpolicy=staff c1
says Unsupported argument

row every attribute, given and taken
run each_attribute
sameutil tabdump princ_flags
same getprinc plus/lockdown_keys
run each_attribute_means_something

row what attributes mean to the KDCs
local addprinc -pw x +needchange d1
local addprinc -pw x -allow_tix d2
local addprinc -pw x +requires_hwauth d3
local addprinc -randkey -allow_svr host/nosvr
local addprinc -randkey -allow_tgs_req host/notgs
local addprinc -randkey host/yes
shut d1 x
shut d2 x
shut d3 x
opens b2 x
noticket host/nosvr
noticket host/notgs
ticket host/yes 1
local modprinc +allow_tix d2
opens d2 x

row passwords by both names, and typed
local change_password -pw other a1
local cpw -randkey -keepold -e aes256-cts:normal a2
local cpw -keepold -pw third a2
same getprinc a2
shows vno 2, aes256
opens a1 other
opens a2 third
run typed_commands
opens typed second
opens within x
shut inside x
refused getprinc doomed

row a key of the history is made anew, and the old one is not kept
local addpol -history 3 remembers
local modprinc -policy remembers b2
local cpw -pw y b2
same getprinc kadmin/history
shows Key: vno 2,
refused cpw -randkey -keepold kadmin/history
says Cannot change protected principal
local cpw -randkey kadmin/history
same getprinc kadmin/history
shows Number of keys: 1
opens b2 y

row principals are renamed and deleted by both names
local rename_principal -force a3 a4
local renprinc -force a4 a5
opens a5 three
local delete_principal -force a5
local addprinc -nokey a6
local delprinc -force a6
same list_principals
shut a5 three

row policies by every name, with every option
local add_policy -maxlife 90days -minlife 1s -minlength 3 -minclasses 2 -history 2 -maxfailure 5 -failurecountinterval 5min -lockoutduration 10min -allowedkeysalts aes256-cts:normal p1
local addpol p2
same get_policy p1
same getpol -terse p1
same list_policies
same listpols "p*"
same get_policies "p?"
same getpols
local modify_policy -maxlife 80days -minlife 2s -minlength 4 -minclasses 3 -history 3 -maxfailure 6 -failurecountinterval 6min -lockoutduration 11min -allowedkeysalts aes128-cts:normal p2
local modpol -minlength 5 p2
same getpol p2
shows Minimum password length: 5
shows Maximum password failures before lockout: 6
local delete_policy -force p1
local delpol -force p2
same getpols

row string attributes by every name
local set_string b1 k v
local setstr b1 k2 "v 2"
same get_strings b1
shows k2: v 2
local del_string b1 k
same getstrs b1
local delstr b1 k2
same getstrs b1

row keys go into keytabs and out of them by every name
local addprinc -randkey host/x
local addprinc -randkey host/y
local ktadd -k $KT -q host/x
local xst -keytab $KT -e aes256-cts:normal host/y
key host/x $KT
key host/y $KT
local ktadd -norandkey -k $KT.glob -glob "host/[xy]"
key host/x $KT.glob
key host/y $KT.glob
local ktadd -k $KT host/x
local ktremove -q -k $KT host/x old
key host/x $KT
local ktrem -keytab $KT host/x all
nokey host/x $KT
local ktremove -k $KT host/y 2
nokey host/y $KT

row keys are purged
local cpw -keepold -pw fourth a2
local purgekeys -keepkvno 3 a2
same getprinc a2
opens a2 fourth
local purgekeys a2
same getprinc a2
opens a2 fourth
local purgekeys -all host/y
same getprinc host/y
shows Number of keys: 0

row what one may do, and a lock
same get_privs
same getprivs
run locked_session
same getstrs under-lock
shows c: d
TABLE
    [ "$rows" -ge 14 ] || fail "$rows rows"
    nothing_is_left_out requests
}

# ---- kadmin.local and kadmin themselves -------------------------------------------------------------

last_commit() { krbrepl log --last 1 "$REALM_DIR/master"; }

database_that_is_named() {
    quietly admin -d "$REALM_DIR/master" addprinc -pw d d
    quietly admin -x "dbname=$REALM_DIR/master" addprinc -pw x x
    must_not admin -d "$REALM_DIR/replica-1" addprinc -pw x nobody >"$work/out" 2>&1
    grep -q 'is a replica and takes no changes' "$work/out" || fail "-d: $(cat "$work/out")"
    must_not admin -x "dbname=$REALM_DIR/replica-2" addprinc -pw x nobody >"$work/out" 2>&1
    grep -q 'is a replica and takes no changes' "$work/out" || fail "-x: $(cat "$work/out")"
    must_not admin -d "$work/none" listprincs >"$work/out" 2>&1
    must_not admin -x nonsense=1 listprincs >"$work/out" 2>&1
    grep -q 'nonsense' "$work/out" || fail "$(cat "$work/out")"
}

master_key_that_is_typed() {
    answers 'throw-away\n' admin -m addprinc -pw m m || fail "$(cat "$work/out")"
    ! answers 'another\n' admin -m addprinc -pw m nobody || fail "a wrong master key was taken"
    quietly admin -w ignored addprinc -nokey w
}

name_of_the_administrator() {
    quietly admin -p somebody/admin addprinc -nokey p
    last_commit | grep -q "somebody/admin@$REALM \"kadmin.local: create principal p@$REALM\"" || fail "$(last_commit)"
}

over_the_network() {
    local pass=(-p root/admin -w Secret-9-Root) cache=FILE:$work/admin.cc
    quietly network "${pass[@]}" -s "127.0.0.1:$KDB_ADMIN_PORT" addprinc -pw net n1
    quietly network "${pass[@]}" -q 'addprinc -pw net n2'
    quietly network "${pass[@]}" -N addprinc -pw net n3
    quietly network "${pass[@]}" -O addprinc -pw net n4
    quietly admin ktadd -norandkey -k "$work/root.keytab" root/admin
    quietly network -k -t "$work/root.keytab" -p root/admin addprinc -pw net n5
    kinit -S kadmin/admin -k -t "$work/root.keytab" -c "$cache" root/admin || fail "no ticket for kadmin"
    quietly network -c "$cache" addprinc -pw net n6
    must_not network -n addprinc -pw net nobody >"$work/out" 2>&1
    must_not network "${pass[@]}" -s 127.0.0.1:1 addprinc -pw net nobody >"$work/out" 2>&1
}

every_option_of_kadmin_and_kadmin_local() {
    begin
    must kdb_kadmind
    table <<'TABLE'
row one query
local -q "addprinc -pw q q"
opens q q

row other kinds of keys
local -e aes128-cts:normal addprinc -randkey e
same getprinc e
shows Number of keys: 1
shows aes128-cts

row the database
run database_that_is_named
opens d d
opens x x

row the master key
run master_key_that_is_typed
opens m m

row who it is
run name_of_the_administrator
same getprinc p

row over the network
run over_the_network
opens n1 net
opens n2 net
opens n3 net
opens n4 net
opens n5 net
opens n6 net
refused getprinc nobody
TABLE
    nothing_is_left_out arguments
}

# ---- kdb5_util --------------------------------------------------------------------------------------

other_ways_to_the_master_key() {
    cp "$REALM_DIR/stash" "$work/stash.copy"
    quietly util -sf "$work/stash.copy" -k aes256-cts -M K/M list_mkeys
    quietly util -sf "$work/none" -P throw-away list_mkeys
    answers 'throw-away\n' util -m list_mkeys || fail "$(cat "$work/out")"
    grep -q 'KVNO: 1' "$work/out" || fail "$(cat "$work/out")"
    quietly util -kv 1 -x "dbname=$REALM_DIR/master" list_mkeys
    grep -q 'KVNO: 1' "$work/out" || fail "$(cat "$work/out")"
    quietly util -d "$REALM_DIR/replica-1" list_mkeys
    grep -q 'KVNO: 1' "$work/out" || fail "$(cat "$work/out")"
}

# A database of its own, of the same realm, with another master key; what it is asked before it goes.
another_database() {
    quietly util -d "$work/second" -sf "$work/second.stash" -P another -kv 3 create -s
    quietly util -d "$work/second" -sf "$work/second.stash" list_mkeys
    grep -q 'KVNO: 3' "$work/out" || fail "$(cat "$work/out")"
    must_not util -d "$work/second" -sf "$work/second.stash" -P another create -s >"$work/out" 2>&1
    ! answers 'no\n' util -d "$work/second" -sf "$work/second.stash" destroy || fail "it was destroyed all the same"
    [ -e "$work/second/data.mdb" ] || fail "the database is gone"
    answers 'yes\n' util -d "$work/second" -sf "$work/second.stash" destroy || fail "$(cat "$work/out")"
    [ ! -e "$work/second/data.mdb" ] || fail "the database is still there"
    # Without -s the stash file that is configured goes.
    quietly util -d "$work/third" -sf "$work/third.stash" -P another create
    quietly util -d "$work/third" -sf "$work/third.stash" -P another destroy -f
    [ ! -e "$work/third/data.mdb" ] || fail "the third database is still there"
}

dumps_under_other_keys() {
    quietly util dump -new_mkey_file "$work/second.stash" "$work/converted"
    answers 'other\nother\n' util dump -mkey_convert "$work/converted.typed" || fail "$(cat "$work/out")"
    [ "$(grep -c ^princ "$work/converted")" = "$(grep -c ^princ "$work/converted.typed")" ] || fail "the dumps differ in length"
    # It is loaded where the other key is the master key, and has that as a further one.
    quietly util -d "$work/fourth" -sf "$work/second.stash" load "$work/converted"
    quietly util -d "$work/fourth" -sf "$work/second.stash" list_mkeys
    grep -q 'KVNO: 2' "$work/out" || fail "$(cat "$work/out")"
}

tables_in_files() {
    local kind
    for kind in keydata keyinfo princ_flags princ_lockout princ_meta princ_stringattrs princ_tktpolicy; do
        everywhere table_at "$kind"
    done
}

table_at() { # NAME KIND
    quietly kdb_at "$1" util tabdump -H -c -e -n -o "$work/table.$1" "$2"
    [ -s "$work/table.master" ] && cmp "$work/table.master" "$work/table.$1" || fail "$1 has another table $2"
}

third_key() {
    answers 'third\nthird\n' util add_mkey -s || fail "$(cat "$work/out")"
    quietly util use_mkey 3
    ! answers 'no\n' util update_princ_encryption 'alice@*' || fail "it was done all the same"
    answers 'yes\n' util update_princ_encryption || fail "$(cat "$work/out")"
}

purge_that_is_asked_for() {
    ! answers 'no\n' util purge_mkeys || fail "it was done all the same"
    answers 'yes\n' util purge_mkeys || fail "$(cat "$work/out")"
}

stash_files() {
    local name
    for name in replica-1 replica-2; do
        quietly kdb_at "$name" util stash
    done
    quietly util stash -f "$work/stash.other"
    for name in $KDB_NODES; do
        kdb_kdc_stop "$name" TERM
        must kdb_kdc_start "$name"
    done
}

second_key() { answers 'second\nsecond\n' util add_mkey -e aes128-cts || fail "$(cat "$work/out")"; }

every_command_of_kdb5_util_with_every_option() {
    begin
    export DUMP=$work/saved
    table <<'TABLE'
row some content
local addpol -minlength 3 staff
local addprinc -pw secret -policy staff alice
local addprinc -pw secret bob
local addprinc -randkey host/a
local setstr alice color blue
sameutil tabdump princ_lockout
sameutil dump
sameutil dump -
sameutil dump -verbose - alice@KRBREPL.TEST
run tables_in_files
opens alice secret

row where the master key comes from
run other_ways_to_the_master_key

row databases are made and destroyed
run another_database
opens alice secret

row dumps of every kind
samedump -b7
samedump -r13
samedump -r18
samedump -verbose
samedump -rev
samedump -recurse
run dumps_under_other_keys

row loads of every kind
util dump -r18 $DUMP.r18
util dump -r13 $DUMP.r13
util dump -b7 $DUMP.b7
util dump $DUMP
local cpw -pw changed alice
util load -r18 -verbose $DUMP.r18
opens alice secret
local cpw -pw changed alice
util load -r13 $DUMP.r13
opens alice secret
local cpw -pw changed alice
util load -b7 -update $DUMP.b7
opens alice secret
local addprinc -pw secret carol
util load -update -verbose $DUMP
opens carol secret
opens alice secret
utilrefused load -r13 $DUMP.r18
utilrefused load -hash $DUMP
opens carol secret
same getpols

# Without -e kdb5_util 1.20 dies of a segmentation fault, with db2 as well.
row random keys
util ark -e aes128-cts host/a
same getprinc host/a
shows vno 2, aes128
ticket host/a 2

row a second master key
run second_key
util use_mkey 2
util update_princ_encryption -f -n -v
same getprinc alice
shows MKey: vno 1
util update_princ_encryption -f "al*"
same getprinc alice
shows MKey: vno 2
same getprinc bob
shows MKey: vno 1
util update_princ_encryption -f
same getprinc bob
shows MKey: vno 2
opens bob secret
util stash
run stash_files
util purge_mkeys -f -n -v
says KVNO: 1
util purge_mkeys -f
sameutil list_mkeys
opens alice secret

row a third one, with a question before each step
run third_key
same getprinc bob
shows MKey: vno 3
run stash_files
run purge_that_is_asked_for
sameutil list_mkeys
shows KVNO: 3
opens alice secret
opens bob secret
TABLE
    ! grep -q 'KVNO: [12],' "$work/answer.master" || fail "an old master key is still there: $(cat "$work/answer.master")"
    [ "$rows" -ge 8 ] || fail "$rows rows"
    nothing_is_left_out kdb5_util
}

"$3"
