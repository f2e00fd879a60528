#!/bin/bash
# The KDB module under the tools of the distribution: kdb5_util, kadmin.local, kadmind, kadmin, kpasswd and
# krb5kdc. One promise a run.
#
#   module_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/kdb.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kdb.sh"

work=$(mktemp -d) || exit 1
trap 'kdb_end; rm -rf "$work"' EXIT
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

krbrepl() { "$ROAD_BIN/krbrepl" "$@"; }
admin() { kadmin.local -r "$REALM" "$@"; }
util() { kdb5_util -r "$REALM" "$@"; }
login() { echo "$2" | kinit "$1" >"$work/kinit" 2>&1; } # PRINCIPAL PASSWORD
field() { admin getprinc "$2" 2>&1 | sed -n "s/^$1: //p"; } # FIELD PRINCIPAL
sorted_dump() { quietly util dump "$work/dump.$1" && sort "$work/dump.$1" >"$work/sorted.$1"; } # NAME
commits() { road_seq master; }

# ---- administration ---------------------------------------------------------------------------------

# What administrators do, with what each command prints; keys are random, so only their kinds are seen.
all_commands() {
    cat <<'COMMANDS'
addpol -minlife 1day -maxlife 90days -minlength 8 -minclasses 3 -history 5 strict
addpol -maxfailure 5 -failurecountinterval 10min -lockoutduration 1h locking
addpol -allowedkeysalts aes256-cts:normal,aes128-cts:normal salts
addpol strict
addprinc -pw Secret-1-Alice -policy strict +requires_preauth alice
addprinc -pw Secret-1-Alice alice
addprinc -pw short -policy strict bob
addprinc -pw Secret-1-Bob -policy nowhere bob
addprinc -randkey -expire 2105-01-01 -pwexpire 2037-12-31 -maxlife 1h -maxrenewlife 7d late
addprinc -nokey nokey
addprinc -randkey "host/with space"
addprinc -randkey at\@sign\/slash
addprinc -randkey back\\slash
addprinc -pw x -x dn=cn=alice ldaponly
cpw -pw Secret-2-Alice alice
cpw -pw Secret-2-Bob -keepold bob
cpw -pw Secret-3-Bob -keepold bob
cpw -e aes128-cts:special -pw Secret-4-Bob bob
cpw -randkey nobody
purgekeys -keepkvno 3 bob
modprinc -maxlife 2h -allow_svr alice
modprinc -clearpolicy bob
modprinc -policy locking late
modprinc -expire never late
modprinc -unlock late
modprinc -maxlife 1h nobody
setstr alice otp []
setstr alice color blue
getstrs alice
delstr alice otp
getstrs alice
renprinc -force bob robert
renprinc -force nobody somebody
renprinc -force late alice
addprinc -randkey krbtgt/OTHER.TEST
cpw -randkey -keepold krbtgt/OTHER.TEST
cpw -randkey -keepold krbtgt/KRBREPL.TEST
modpol -minlength 9 -history 2 strict
modpol -minlength 9 nowhere
delpol -force salts
delpol -force nowhere
delprinc -force nokey
delprinc -force nokey
listprincs
listprincs *b*
listpols
listpols s*
getpol strict
getpol locking
getpol nowhere
getprinc alice
getprinc robert
getprinc late
getprinc "host/with space"
getprinc nobody
getprinc krbtgt/KRBREPL.TEST
getprivs
COMMANDS
}

# Times differ from run to run, and so do the messages in which a module names itself.
without_times() { sed -E 's/[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} [A-Z]+ [0-9]{4}/TIME/g; s/ for (db2|krbrepl) while/ while/'; }
run_commands() { all_commands | admin 2>&1 | without_times; }

every_command_answers_as_with_mits_own_database() {
    must kdb_begin "$work/realm"
    quietly util dump "$work/start"
    quietly kdb_db2 kdb5_util -r "$REALM" load "$work/start"
    run_commands >"$work/ours"
    kdb_db2 run_commands >"$work/theirs"
    # Without an order of its own, db2 lists principals as they hash.
    diff <(sort "$work/theirs") <(sort "$work/ours") || fail "the answers differ"
    [ "$(wc -l <"$work/ours")" -gt 180 ] || fail "too few answers: $(cat "$work/ours")"
}

a_dump_goes_into_mits_own_database_and_back_unchanged() {
    must kdb_begin "$work/realm"
    all_commands | admin >/dev/null 2>&1
    login late x
    # An entry larger than iprop can carry.
    quietly admin setstr alice long "$(printf 'w%.0s' $(seq 60000))"
    quietly admin setstr alice more "$(printf 'v%.0s' $(seq 5000))"
    sorted_dump ours
    quietly kdb_db2 kdb5_util -r "$REALM" load "$work/dump.ours"
    quietly kdb_db2 kdb5_util -r "$REALM" dump "$work/db2"
    sort "$work/db2" | cmp - "$work/sorted.ours" || fail "the dump changed on its way through db2"
    local before
    before=$(commits)
    quietly util load "$work/db2"
    [ "$(commits)" = "$before" ] || fail "loading what is there made a commit"
    quietly util destroy -f
    [ ! -e "$REALM_DIR/master/data.mdb" ] || fail "the database is still there"
    quietly util load "$work/db2"
    sorted_dump again
    cmp "$work/sorted.ours" "$work/sorted.again" || fail "the dump changed on its way through the store"
}

loads_change_what_differs_and_updates_leave_the_rest() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw one one
    quietly admin addprinc -pw two two
    quietly util dump "$work/both"
    quietly util dump "$work/part" "two@$REALM"
    quietly admin cpw -pw other two
    quietly admin addprinc -pw three three
    local before
    before=$(commits)
    quietly util load -update "$work/part"
    [ "$(commits)" = $((before + 1)) ] || fail "an update of one principal is not one commit"
    must login two two
    must login three three
    quietly util load "$work/both"
    [ "$(commits)" = $((before + 2)) ] || fail "a load is not one commit"
    krbrepl log --last 1 "$REALM_DIR/master" | grep -q '"kdb5_util: load" 0 put, 1 deleted' ||
        fail "the load is not a commit of the difference: $(krbrepl log --last 1 "$REALM_DIR/master")"
    must_not login three three
    must login one one
}

a_load_that_fails_leaves_the_live_database_alone() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw one one
    sorted_dump before
    head -n 5 "$work/dump.before" >"$work/damaged"
    echo 'princ	38	this is no principal' >>"$work/damaged"
    must_not util load "$work/damaged" >"$work/out" 2>&1
    must login one one
    sorted_dump after
    cut -f 1-12,16- "$work/sorted.before" >"$work/a"
    cut -f 1-12,16- "$work/sorted.after" | cmp - "$work/a" || fail "the failed load changed something"
    must_not util create -s -P other >"$work/out" 2>&1
    grep -q 'there is a database' "$work/out" || fail "$(cat "$work/out")"
}

a_load_during_a_change_fails_and_keeps_the_change() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw one one
    quietly util dump "$work/whole"
    mkfifo "$work/pipe"
    # kdb5_util begins before it reads the last line.
    util load "$work/pipe" >"$work/load.out" 2>&1 &
    local load=$!
    exec 9>"$work/pipe"
    head -n 3 "$work/whole" >&9
    must road_until "the load beginning" test -e "$REALM_DIR/master/load.lock"
    quietly admin addprinc -pw two two
    tail -n +4 "$work/whole" >&9
    exec 9>&-
    must_not wait $load
    grep -q 'changed' "$work/load.out" || fail "$(cat "$work/load.out")"
    must login two two
}

a_master_key_is_rolled_over() {
    must kdb_begin "$work/realm"
    local i
    for i in $(seq 300); do echo "addprinc -pw secret user$i"; done | admin >/dev/null
    quietly util dump "$work/old"
    printf 'second\nsecond\n' | quietly util add_mkey -s -e aes256-cts
    quietly util use_mkey 2
    quietly util list_mkeys
    grep -q 'KVNO: 2.*\*' "$work/out" || fail "key 2 is not active: $(cat "$work/out")"
    must login user7 secret
    quietly util update_princ_encryption -f
    grep -q '30[0-9] principals processed: 30[0-9] updated' "$work/out" || fail "$(cat "$work/out")"
    [ "$(field MKey user7)" = 'vno 2' ] || fail "user7 is not re-encrypted: $(field MKey user7)"
    must login user300 secret
    quietly util purge_mkeys -f
    quietly util list_mkeys
    grep -q 'KVNO: 1' "$work/out" && fail "key 1 is still there"
    quietly util stash
    kdb_kdc_stop master TERM
    must kdb_kdc_start master
    must login user150 secret
}

re_encryption_overwrites_nothing_that_changes_meanwhile() {
    must kdb_begin "$work/realm"
    local i user
    for i in 1 2 3 4; do echo "addprinc -pw secret user$i"; done | admin >/dev/null 2>&1
    printf 'second\nsecond\n' | quietly util add_mkey -s -e aes256-cts
    # Each user gets one policy after the other, while the key is changed to and fro.
    for i in $(seq 400); do
        for user in 1 2 3 4; do echo "modprinc -policy p$i user$user"; done
    done >"$work/changes"
    (admin <"$work/changes" >"$work/changed" 2>&1; : >"$work/done") &
    for i in $(seq 1000); do
        [ ! -e "$work/done" ] || break
        quietly util use_mkey $((i % 2 + 1))
        quietly util update_princ_encryption -f
    done
    wait $!
    [ "$i" -gt 3 ] || fail "re-encrypted $i times only"
    [ "$(grep -c ' modified' "$work/changed")" = 1600 ] || fail "kadmin was kept out: $(grep -v modified "$work/changed" | head)"
    # What re-encryption had read before a change and wrote after it would show as an older policy.
    krbrepl log -v "$REALM_DIR/master" | sed -n 's/.* put *principal \(user[1-4]\)@.*, policy p\([0-9]*\),.*/\1 \2/p' >"$work/history"
    [ "$(wc -l <"$work/history")" -ge 1600 ] || fail "the log is short"
    awk '$2 < last[$1] { print $1 " went from policy " last[$1] " back to " $2; bad = 1 } { last[$1] = $2 } END { exit bad }' \
        "$work/history" >"$work/bad" || fail "$(head -n 3 "$work/bad")"
    must login user3 secret
}

iterations_run_forward_backward_and_while_they_write() {
    must kdb_begin "$work/realm"
    local i
    for i in $(seq 700); do echo "addprinc -nokey n$i"; done | admin >/dev/null
    quietly util dump "$work/forward"
    quietly util dump -rev "$work/backward"
    quietly util dump -recurse "$work/recurse"
    grep -c '^princ' "$work/forward" >"$work/n"
    [ "$(cat "$work/n")" = 707 ] || fail "$(cat "$work/n") principals"
    sed 1d "$work/forward" | grep ^princ | tac >"$work/a"
    sed 1d "$work/backward" | grep ^princ | cmp - "$work/a" || fail "backward is not forward reversed"
    cmp "$work/forward" "$work/recurse" || fail "-recurse differs"
    [ "$(cut -f 7 "$work/forward" | sort | uniq -d)" = "" ] || fail "a principal comes twice"
}

principals_of_a_dump_are_of_one_position() {
    must kdb_begin "$work/realm"
    local i last='' new writer count seen=''
    for i in $(seq 1500); do echo "addprinc -nokey n$i"; done | admin >/dev/null 2>&1
    # At any moment there are one or two of these, now here and now there in the order of names.
    for i in $(seq 600); do
        new=n$((i * 7919 % 1500))-moving-$i
        echo "addprinc -nokey $new"
        [ -z "$last" ] || echo "delprinc -force $last"
        last=$new
    done >"$work/moves"
    quietly admin <"$work/moves"
    quietly admin delprinc -force "$last"
    (admin <"$work/moves" >/dev/null 2>&1; : >"$work/done") &
    writer=$!
    until [ -e "$work/done" ]; do
        quietly util dump "$work/d"
        count=$(grep -c -- '-moving-[1-9]' "$work/d")
        [ "$count" -le 2 ] || fail "$count principals that are never there together"
        [ "$count" -ge 1 ] || [ -z "$seen" ] || fail "no principal of those of which there is always one"
        [ "$count" -lt 1 ] || seen=1
    done
    wait $writer
}

# ---- over the network -------------------------------------------------------------------------------

remote() { kadmin -p root/admin -w Secret-9-Root -r "$REALM" "$@"; }

kadmin_and_kpasswd_work_over_the_network() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw Secret-9-Root root/admin
    quietly admin addprinc -pw Secret-1-Alice alice
    must kdb_kadmind
    quietly remote addpol -minlength 6 -history 3 staff
    quietly remote modprinc -policy staff alice
    quietly remote addprinc -pw Secret-1-Carol carol
    quietly remote addprinc -randkey host/a
    quietly remote ktadd -k "$work/keytab" host/a
    quietly kinit -k -t "$work/keytab" host/a
    must login alice Secret-1-Alice
    printf 'Secret-1-Alice\nSecret-2-Alice\nSecret-2-Alice\n' | kpasswd alice >"$work/out" 2>&1 || fail "kpasswd: $(cat "$work/out")"
    must login alice Secret-2-Alice
    must_not login alice Secret-1-Alice
    # The history holds: an old password is refused.
    remote cpw -pw Secret-1-Alice alice >"$work/out" 2>&1
    grep -q 'Cannot reuse password' "$work/out" || fail "$(cat "$work/out")"
    quietly remote renprinc -force carol caroline
    quietly remote delprinc -force host/a
    quietly remote listprincs
    grep -q caroline "$work/out" || fail "$(cat "$work/out")"
    grep -q host/a "$work/out" && fail "host/a is still there"
    krbrepl log "$REALM_DIR/master" >"$work/log"
    grep -q "root/admin@$REALM \"kadmind: create principal carol@$REALM\"" "$work/log" || fail "no origin: $(cat "$work/log")"
    grep -q "kadmind@$REALM \"kadmind: change keys of alice@$REALM\"" "$work/log" || fail "kpasswd has no origin: $(cat "$work/log")"
    grep -q '"kadmind: create policy staff"' "$work/log" || fail "no policy in the log"
}

a_lock_keeps_other_administrators_out() {
    must kdb_begin "$work/realm"
    mkfifo "$work/pipe"
    admin <"$work/pipe" >"$work/locker" 2>&1 &
    local locker=$!
    exec 9>"$work/pipe"
    echo lock >&9
    echo 'addprinc -nokey inside' >&9
    must road_until "the lock being held" grep -q inside "$work/locker"
    admin addprinc -pw x outside >"$work/out" 2>&1
    must_not admin getprinc outside >"$work/got" 2>&1
    grep -q '^Principal' "$work/got" && fail "somebody wrote under a lock"
    quietly admin getprinc "krbtgt/$REALM"
    echo unlock >&9
    exec 9>&-
    wait $locker
    quietly admin addprinc -pw x outside
    must login outside x
}

# ---- the KDC ----------------------------------------------------------------------------------------

attempts() { field 'Failed password attempts' "$1"; }

failed_logins_lock_as_the_policy_says() {
    must kdb_begin "$work/realm"
    quietly admin addpol -maxfailure 3 -failurecountinterval 0 -lockoutduration 0 three
    quietly admin addprinc -pw right -policy three +requires_preauth alice
    quietly admin addprinc -pw right +requires_preauth bob
    local i before
    before=$(commits)
    must login alice right
    for i in 1 2; do must_not login alice wrong; done
    [ "$(attempts alice)" = 2 ] || fail "$(attempts alice) attempts"
    [ "$(field 'Last failed authentication' alice)" != '[never]' ] || fail "no last failure"
    must login alice right
    [ "$(attempts alice)" = 0 ] || fail "a success does not clear the count"
    [ "$(field 'Last successful authentication' alice)" != '[never]' ] || fail "no last success"
    for i in 1 2 3; do must_not login alice wrong; done
    must_not login alice right
    grep -q revoked "$work/kinit" || fail "$(cat "$work/kinit")"
    grep -q 'LOCKED_OUT' "$REALM_DIR/kdc.log" || fail "the KDC does not say why"
    [ "$(attempts alice)" = 3 ] || fail "attempts while locked are counted: $(attempts alice)"
    for i in 1 2 3 4 5; do must_not login bob wrong; done
    must login bob right
    [ "$(commits)" = "$before" ] || fail "logins made commits"
    # kadmin puts the whole entry back, but not the counters.
    quietly admin modprinc -maxlife 5h alice
    [ "$(attempts alice)" = 3 ] || fail "an unrelated change cleared the count"
    quietly admin modprinc -unlock alice
    must login alice right
}

# What passes with time, on the database of the KDC that is running.
times_of_lockout() {
    quietly admin addpol -maxfailure 2 -failurecountinterval 1h -lockoutduration 1h long
    quietly admin addpol -maxfailure 2 -failurecountinterval 1s -lockoutduration 1h forgetful
    quietly admin addprinc -pw right -policy long +requires_preauth locked
    quietly admin addprinc -pw right -policy long +requires_preauth counted
    quietly admin addprinc -pw right -policy forgetful +requires_preauth forgotten
    must_not login locked wrong
    must_not login counted wrong
    must_not login forgotten wrong
    must_not login locked wrong
    must_not login locked right
    grep -q revoked "$work/kinit" || fail "$1: $(cat "$work/kinit")"
    # Longer than one second, and less than an hour.
    sleep 2.2
    must_not login forgotten wrong
    [ "$(attempts forgotten)" = 1 ] || fail "$1: $(attempts forgotten) attempts after the interval"
    must login forgotten right
    must_not login counted wrong
    [ "$(attempts counted)" = 2 ] || fail "$1: $(attempts counted) attempts within the interval"
    must_not login counted right
    must_not login locked right
    quietly admin modpol -lockoutduration 1s long
    sleep 2.2
    must login locked right
    [ "$(attempts locked)" = 0 ] || fail "$1: $(attempts locked) attempts after a success"
    must login counted right
}

locks_end_and_counts_begin_anew_as_with_mits_own_database() {
    must kdb_begin "$work/realm"
    quietly util dump "$work/start"
    times_of_lockout "the module"
    quietly kdb_db2 kdb5_util -r "$REALM" load "$work/start"
    kdb_kdc_stop master TERM
    export KRB5_KDC_PROFILE=$REALM_DIR/db2/kdc.conf
    must kdb_kdc_start master
    times_of_lockout db2
}

one_option_turns_one_counter_off() {
    KDB_OPTIONS='disable_last_success = true
        disable_lockout = false'
    must kdb_begin "$work/realm"
    quietly admin addpol -maxfailure 2 -failurecountinterval 0 -lockoutduration 0 two
    quietly admin addprinc -pw right -policy two +requires_preauth alice
    quietly admin addprinc -pw right -policy two +requires_preauth bob
    must login alice right
    [ "$(field 'Last successful authentication' alice)" = '[never]' ] || fail "successes are noted"
    must_not login alice wrong
    [ "$(attempts alice)" = 1 ] || fail "failures are not counted"
    must login alice right
    [ "$(attempts alice)" = 0 ] || fail "a success does not end the count"
    must_not login alice wrong
    must_not login alice wrong
    must_not login alice right
    kdb_kdc_stop master TERM
    sed 's/disable_last_success = .*/disable_last_success = false/; s/disable_lockout = .*/disable_lockout = true/' \
        "$KRB5_KDC_PROFILE" >"$work/kdc.conf"
    export KRB5_KDC_PROFILE=$work/kdc.conf
    must kdb_kdc_start master
    must_not login bob wrong
    must_not login bob wrong
    [ "$(attempts bob)" = 0 ] || fail "failures are counted"
    must login bob right
    [ "$(field 'Last successful authentication' bob)" != '[never]' ] || fail "successes are not noted"
}

options_turn_the_counters_off() {
    KDB_OPTIONS='disable_last_success = true
        disable_lockout = true'
    must kdb_begin "$work/realm"
    quietly admin addpol -maxfailure 1 one
    quietly admin addprinc -pw right -policy one +requires_preauth alice
    must_not login alice wrong
    must_not login alice wrong
    must login alice right
    [ "$(attempts alice)" = 0 ] || fail "failures are counted"
    [ "$(field 'Last successful authentication' alice)" = '[never]' ] || fail "successes are noted"
}

a_load_for_iprop_keeps_the_counters() {
    must kdb_begin "$work/realm"
    quietly admin addpol -maxfailure 9 nine
    quietly admin addprinc -pw right -policy nine +requires_preauth alice
    must login alice right
    quietly util dump "$work/plain"
    must_not login alice wrong
    must_not login alice wrong
    sed "s#^    $REALM = {#&\n        iprop_enable = true\n        iprop_logfile = $REALM_DIR/ulog#" "$KRB5_KDC_PROFILE" >"$work/iprop.conf"
    KRB5_KDC_PROFILE=$work/iprop.conf quietly util dump -i1 "$work/iprop"
    KRB5_KDC_PROFILE=$work/iprop.conf quietly util load -i "$work/iprop"
    [ "$(attempts alice)" = 2 ] || fail "the counters did not stay: $(attempts alice)"
    quietly util load "$work/plain"
    [ "$(attempts alice)" = 0 ] || fail "the counters did not come from the dump: $(attempts alice)"
}

workers_of_a_kdc_answer_and_count_together() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw right +requires_preauth alice
    kdb_kdc_stop master TERM
    must kdb_kdc_start master -w 4
    local i pids=()
    for i in $(seq 20); do
        (echo wrong | KRB5CCNAME=FILE:$work/cc.$i kinit alice >/dev/null 2>&1) &
        pids+=($!)
    done
    wait "${pids[@]}"
    [ "$(attempts alice)" = 20 ] || fail "$(attempts alice) of 20 attempts were counted"
    kill -HUP "${KDB_KDC[master]}"
    quietly admin cpw -pw new alice
    must login alice new
    # The answers came from more than one process.
    [ "$(grep -o 'krb5kdc\[[0-9]*\](info): AS_REQ' "$REALM_DIR/kdc.log" | sort -u | wc -l)" -gt 1 ] ||
        fail "one worker answered everything"
}

# krb5kdc and kadmind open the database, and go on in a child.
programs_that_became_daemons_leave_nothing_behind() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw Secret-9-Root root/admin
    quietly admin addprinc -pw right +requires_preauth alice
    kdb_kdc_stop master TERM
    must kdb_kadmind
    road_signal kadmind TERM
    wait "${ROAD_PID[kadmind]}"
    local kdc kadmind
    quietly krb5kdc -r "$REALM" -P "$work/kdc.pid"
    quietly kadmind -r "$REALM" -P "$work/kadmind.pid"
    must road_until "the KDC's process id" test -s "$work/kdc.pid"
    must road_until "kadmind's process id" test -s "$work/kadmind.pid"
    kdc=$(cat "$work/kdc.pid") kadmind=$(cat "$work/kadmind.pid")
    ROAD_PID[kdc]=$kdc
    ROAD_PID[kadmind]=$kadmind
    must road_until "a login" login alice right
    must_not login alice wrong
    quietly remote setstr alice color blue
    quietly remote cpw -pw new alice
    must login alice new
    must_not login alice wrong
    must_not login alice wrong
    kill "$kdc" "$kadmind"
    must road_until "the daemons ending" gone "$kdc" "$kadmind"
    # The last one that closes the counters says that they are whole: else a restart of the machine ends them.
    [ -e "$REALM_DIR/master/local/clean" ] || fail "the counters were not closed"
    [ "$(attempts alice)" = 2 ] || fail "$(attempts alice) attempts"
}

gone() { ! kill -0 "$1" 2>/dev/null && ! kill -0 "$2" 2>/dev/null; }

a_kdc_sees_a_database_that_was_put_in_the_place_of_its_own() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw old alice
    quietly krbrepl backup "$REALM_DIR/master" "$work/backup"
    quietly admin cpw -pw new alice
    must login alice new
    quietly krbrepl restore "$work/backup" "$REALM_DIR/master.new"
    mv "$REALM_DIR/master" "$REALM_DIR/master.old"
    mv "$REALM_DIR/master.new" "$REALM_DIR/master"
    must login alice old
    must_not login alice new
    quietly util destroy -f
    must_not login alice old
}

a_replica_takes_no_administrative_change() {
    must kdb_begin "$work/realm"
    quietly admin addpol -maxfailure 2 two
    quietly admin addprinc -pw right -policy two +requires_preauth alice
    must road_serve master
    must kdb_replica replica-1
    must kdb_at replica-1 login alice right
    kdb_at replica-1 admin addprinc -pw x bob >"$work/out" 2>&1
    grep -q "is a replica and takes no changes; its master is krbrepl/localhost@$REALM" "$work/out" ||
        fail "$(cat "$work/out")"
    quietly util dump "$work/dump"
    must_not kdb_at replica-1 util load "$work/dump" >"$work/out" 2>&1
    grep -q "its master is" "$work/out" || fail "$(cat "$work/out")"
    must_not kdb_at replica-1 util load -update "$work/dump" >"$work/out" 2>&1
    grep -q "its master is" "$work/out" || fail "$(cat "$work/out")"
    must_not kdb_at replica-1 login alice wrong
    must_not kdb_at replica-1 login alice wrong
    must_not kdb_at replica-1 login alice right
    # It counts for itself, and the unlock of an administrator arrives.
    must login alice right
    quietly admin modprinc -unlock alice
    must road_until "the unlock arriving" kdb_at replica-1 login alice right
}

the_role_moves_under_running_kdcs() {
    must kdb_begin "$work/realm"
    quietly admin addprinc -pw right alice
    must road_serve master
    must kdb_replica replica-1
    road_signal master TERM
    wait "${ROAD_PID[master]}"
    quietly krbrepl demote "$REALM_DIR/master"
    road_signal replica-1 TERM
    wait "${ROAD_PID[replica-1]}"
    quietly krbrepl promote "$REALM_DIR/replica-1"
    quietly kdb_at replica-1 admin addprinc -pw later bob
    must kdb_at replica-1 login bob later
    must kdb_at replica-1 login alice right
    admin addprinc -pw x carol >"$work/out" 2>&1
    grep -q 'is a replica and takes no changes; its master is not known' "$work/out" || fail "$(cat "$work/out")"
    must login alice right
}

a_database_that_is_replicated_is_not_destroyed() {
    must kdb_begin "$work/realm"
    must road_serve master
    must_not util destroy -f >"$work/out" 2>&1
    [ -e "$REALM_DIR/master/data.mdb" ] || fail "the database is gone"
}

# ---- configuration ----------------------------------------------------------------------------------

# SECTION NAME: what check-config makes of a setting.
verdict() {
    python3 -c '
import json, sys
for s in json.load(open(sys.argv[1]))["settings"]:
    if s["section"] == sys.argv[2] and s["name"] == sys.argv[3]:
        print(s["verdict"])' "$work/check" "$1" "$2"
}

settings_of_the_module_and_of_iprop_are_checked() {
    KDB_OPTIONS='sync_replicas = 2
        sync_timeout = 0s
        mapsize = 1024
        max_readers = 500
        nosync = false
        ldap_servers = ldapi:///'
    must kdb_begin "$work/realm"
    quietly krbrepl check-config
    grep -q "is the store $REALM_DIR/master: master" "$work/out" || fail "$(cat "$work/out")"
    must krbrepl check-config --json >"$work/check"
    [ "$(verdict '[dbmodules] krbrepl' database_name)" = used ] || fail "database_name"
    [ "$(verdict '[dbmodules] krbrepl' sync_replicas)" = used ] || fail "sync_replicas"
    [ "$(verdict '[dbmodules] krbrepl' ldap_servers)" = unused ] || fail "ldap_servers"
    local name all=$KRB5_KDC_PROFILE
    sed "s#^    $REALM = {#&\n        iprop_enable = true\n        iprop_port = 2121\n        iprop_listen = 127.0.0.1:2121\n        iprop_master_ulogsize = 5000\n        iprop_ulogsize = 5000\n        iprop_replica_poll = 5s\n        iprop_slave_poll = 5s\n        iprop_resync_timeout = 300\n        iprop_logfile = /ulog\n        sunw_dbprop_enable = true\n        sunw_dbprop_master_ulogsize = 200000\n        sunw_dbprop_slave_poll = 9s#" \
        "$all" >"$work/iprop.conf"
    must krbrepl check-config --json --kdc-conf "$work/iprop.conf" >"$work/check"
    for name in iprop_enable iprop_listen iprop_replica_poll iprop_slave_poll iprop_resync_timeout iprop_logfile \
        sunw_dbprop_enable sunw_dbprop_slave_poll; do
        [ "$(verdict "[realms] $REALM" $name)" = unused ] || fail "$name is not explained"
    done
    for name in iprop_port iprop_master_ulogsize iprop_ulogsize sunw_dbprop_master_ulogsize; do
        [ "$(verdict "[realms] $REALM" $name)" = mapped ] || fail "$name is not mapped"
    done
    krbrepl check-config --kdc-conf "$work/iprop.conf" >"$work/out"
    grep -q "krbrepl retention --keep-entries 200000 $REALM_DIR/master" "$work/out" || fail "$(cat "$work/out")"
    # The module runs with all of them.
    KRB5_KDC_PROFILE=$work/iprop.conf quietly admin getprinc "krbtgt/$REALM"
    sed 's/sync_replicas = 2/sync_replicas = two/' "$all" >"$work/wrong.conf"
    krbrepl check-config --kdc-conf "$work/wrong.conf" >"$work/out"
    [ $? = 3 ] || fail "a wrong setting is not wrong"
    KRB5_KDC_PROFILE=$work/wrong.conf must_not admin listprincs >"$work/out" 2>&1
    grep -q 'sync_replicas is not a number' "$work/out" || fail "$(cat "$work/out")"
    # Without database_module it is the section of the realm's name.
    sed "/database_module/d; s/^    krbrepl = {/    $REALM = {/" "$all" >"$work/named.conf"
    KRB5_KDC_PROFILE=$work/named.conf quietly admin getprinc "krbtgt/$REALM"
    must krbrepl check-config -q --kdc-conf "$work/named.conf"
    # What keeps every tool from opening the database, and a KDC from starting.
    sed "s#db_module_dir = .*#db_module_dir = $work#" "$all" >"$work/nowhere.conf"
    if [ -z "$(ls /usr/lib/*/krb5/plugins/kdb/krbrepl.so 2>/dev/null)" ]; then
        krbrepl check-config --kdc-conf "$work/nowhere.conf" >"$work/out"
        [ $? = 3 ] || fail "a module that is not there is not wrong"
        grep -q '^WRONG *\[dbmodules\]: db_module_dir' "$work/out" || fail "$(cat "$work/out")"
    fi
    sed "s#key_stash_file = .*#key_stash_file = $work/none#" "$all" >"$work/nostash.conf"
    krbrepl check-config --kdc-conf "$work/nostash.conf" >"$work/out"
    [ $? = 3 ] || fail "a stash file that is not there is not wrong"
    grep -q "^WRONG *the stash file: $work/none" "$work/out" || fail "$(cat "$work/out")"
}

"$3"
