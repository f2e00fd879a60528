#!/bin/bash
# Moving a realm into a store, from the modules of MIT krb5 itself, and out of it again. One promise a run.
#
#   adopt_test.sh BIN PLUGIN_DIR PROMISE
ROAD_BIN=$1
KDB_PLUGIN=$2
# shellcheck source=tests/live/kdb/kdb.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kdb.sh"
# shellcheck source=tests/live/kdb/slapd.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/slapd.sh"
# shellcheck source=tests/live/kdb/klmdb.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/klmdb.sh"

work=$(mktemp -d) || exit 1
jobs_of_test=()
trap 'touch "$work/stop"; kill "${jobs_of_test[@]}" 2>/dev/null; kdb_end; wait; rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
export LC_ALL=C TZ=UTC

fail() {
    echo "FAILED: $*"
    road_logs
    exit 1
}
must() { "$@" || fail "$*"; }
must_not() { if "$@"; then fail "this should have failed: $*"; fi; }
refused() { if "$@" >"$work/out" 2>&1; then fail "this should have failed: $*: $(cat "$work/out")"; fi; }
quietly() { "$@" >"$work/out" 2>&1 || { cat "$work/out"; fail "$*"; }; }
told() { grep -q -- "$1" "$work/out" || fail "not told: $1: $(cat "$work/out")"; }

krbrepl() { "$ROAD_BIN/krbrepl" "$@"; }
admin() { kadmin.local -r "$REALM" "$@"; }
util() { kdb5_util -r "$REALM" "$@"; }
login() { echo "$2" | kinit "$1" >"$work/kinit" 2>&1; } # PRINCIPAL PASSWORD

# The realm of realm.sh: a database of MIT's own kind, with policies, a locked user, old keys and odd entries.
old_realm() {
    KDB_STORE=
    must road_begin "$work/realm"
    KDB_KDC[master]=$REALM_KDC_PID
    must road_fill "${1:-300}" "$work/start"
    admin >/dev/null 2>&1 <<'COMMANDS'
addpol -maxfailure 2 -failurecountinterval 0 -lockoutduration 0 locking
addpol -minlength 6 -history 3 -allowedkeysalts aes256-cts:normal,aes128-cts:normal strict
addprinc -pw Secret-1 -policy strict +requires_preauth alice
cpw -pw Secret-2 -keepold alice
setstr alice color blue
addprinc -pw Secret-1 -policy locking +requires_preauth mallory
addprinc -nokey nokey
addprinc -randkey krbtgt/OTHER.TEST
COMMANDS
    must_not login mallory wrong
    must_not login mallory wrong
    must_not login mallory Secret-1
    told_by_kdc 'revoked'
    new_conf=$work/new.conf
}

told_by_kdc() { grep -q "$1" "$work/kinit" || fail "kinit says: $(cat "$work/kinit")"; }

# kdc.conf as `krbrepl adopt` says it is to be, with what else stood in it.
switch() { # OUTPUT-OF-ADOPT
    sed "/database_name/d; /database_module/d; /^\[dbmodules\]/,/^    }/d" "$KRB5_KDC_PROFILE" >"$new_conf"
    sed -n '/^\[realms\]/,/^    }$/p; /^\[dbmodules\]/,/^    }$/p' "$1" |
        sed "s#^\[dbmodules\]#&\n    db_module_dir = $KDB_PLUGIN#" >"$work/section"
    grep -q 'db_library = krbrepl' "$work/section" || fail "adopt prints no section: $(cat "$1")"
    cat "$work/section" >>"$new_conf"
    export KRB5_KDC_PROFILE=$new_conf
}

sorted_dump() { quietly util dump "$work/dump.$1" && sort "$work/dump.$1" >"$work/sorted.$1"; } # NAME

write_all_the_while() {
    local i
    for i in $(seq 100000); do
        [ ! -e "$work/stop" ] || break
        admin addprinc -nokey "writer$i" >/dev/null 2>&1
    done
}

# ---- the promises -----------------------------------------------------------------------------------

a_realm_on_db2_is_adopted_while_it_is_written() {
    old_realm
    write_all_the_while &
    jobs_of_test+=($!)
    quietly krbrepl adopt "$work/store"
    told 'adopted and checked'
    quietly admin cpw -pw Secret-3 alice
    quietly admin delprinc -force user00007
    quietly krbrepl adopt "$work/store"
    told 'changed *principal alice@'
    told 'deleted *principal user00007@'
    krbrepl log --last 1 "$work/store" | grep -q '"adopt db2 of KRBREPL.TEST".* 1 deleted' ||
        fail "the second run is not a commit of the difference: $(krbrepl log --last 1 "$work/store")"
    touch "$work/stop"
    wait "${jobs_of_test[@]}"
    quietly admin modpol -minlength 7 strict
    quietly krbrepl adopt --final "$work/store"
    told 'changed *policy strict'
    told 'final: '
    told 'stash: .* opens the database'
    cp "$work/out" "$work/final"
    sorted_dump old
    switch "$work/final"
    sorted_dump new
    cmp "$work/sorted.old" "$work/sorted.new" || fail "the dumps differ: $(diff "$work"/sorted.* | cut -c 1-300)"
    kdb_kdc_stop master TERM
    must kdb_kdc_start master
    must login alice Secret-3
    must login user00008 secret
    must_not login user00007 secret
    # Who was locked stays so, until an administrator unlocks.
    must_not login mallory Secret-1
    told_by_kdc 'revoked'
    quietly admin modprinc -unlock mallory
    must login mallory Secret-1
    quietly krbrepl check-config
}

a_database_that_goes_on_being_written_is_not_called_final() {
    old_realm 20
    # Each reading finds something new, for the one who reads writes.
    cat >"$work/kdb5_util" <<SCRIPT
#!/bin/bash
kdb5_util "\$@" || exit
[ "\$3" != dump ] || kadmin.local -r $REALM addprinc -nokey new\$RANDOM\$RANDOM >/dev/null 2>&1
SCRIPT
    chmod +x "$work/kdb5_util"
    krbrepl adopt --final --kdb5-util "$work/kdb5_util" "$work/store" >"$work/out" 2>&1
    [ $? = 3 ] || fail "the exit code is not 3: $(cat "$work/out")"
    told 'still being written'
}

what_was_written_in_the_store_is_not_undone() {
    old_realm 20
    local old=$KRB5_KDC_PROFILE
    quietly krbrepl adopt --final "$work/store"
    cp "$work/out" "$work/final"
    # Somebody has not heard of the switch.
    quietly admin addprinc -pw Secret-1 late
    switch "$work/final"
    quietly admin addprinc -pw Secret-1 carol
    refused krbrepl adopt --kdc-conf "$old" "$work/store"
    told 'create principal carol@'
    krbrepl adopt --compare --kdc-conf "$old" "$work/store" >"$work/out" 2>&1
    [ $? = 3 ] || fail "the exit code is not 3: $(cat "$work/out")"
    told 'added *principal late@KRBREPL.TEST$'
    told 'deleted *principal carol@KRBREPL.TEST (written in the store since)$'
    quietly admin getprinc carol
    # The old section is found by its name too.
    sed -i 's#^\[dbmodules\]#&\n    old = {\n        db_library = db2\n        database_name = '"$REALM_DIR"'/principal\n    }#' \
        "$new_conf"
    refused krbrepl adopt "$work/store"
    told 'no old database'
    quietly krbrepl adopt --over --module old "$work/store"
    refused admin getprinc -terse carol
}

an_adoption_that_fails_or_is_killed_leaves_both_as_they_were() {
    old_realm 3000
    local before pid i
    sorted_dump before
    refused krbrepl adopt --kdb5-util false "$work/store"
    [ ! -e "$work/store" ] || fail "a store was made before there was a dump"
    # A dump that is cut off, by a program that says that it failed, and by one that says nothing.
    printf '#!/bin/bash\n[ $3 = dump ] && kdb5_util "$@" | head -c 100000\nexit ${CODE:-0}\n' >"$work/cut"
    chmod +x "$work/cut"
    quietly krbrepl adopt "$work/store"
    before=$(krbrepl verify -q "$work/store")
    CODE=1 refused krbrepl adopt --kdb5-util "$work/cut" "$work/store"
    refused krbrepl adopt --kdb5-util "$work/cut" "$work/store"
    [ "$(krbrepl verify -q "$work/store")" = "$before" ] || fail "the store changed"
    quietly admin modprinc -maxlife 3h user00003
    for i in 1 2 3 4 5 6 7 8 9; do
        # The program itself, and not a shell around it, is what is to be killed.
        "$ROAD_BIN/krbrepl" adopt "$work/store" >/dev/null 2>&1 &
        pid=$!
        sleep "0.0$i"
        kill -KILL $pid 2>/dev/null
        wait $pid 2>/dev/null
        "$ROAD_BIN/krbrepl" adopt "$work/fresh$i" >/dev/null 2>&1 &
        pid=$!
        sleep "0.0$i"
        kill -KILL $pid 2>/dev/null
        wait $pid 2>/dev/null
        quietly krbrepl adopt "$work/fresh$i"
    done
    # One that died in the middle of making the store.
    mkdir -m 700 "$work/stillborn"
    head -c 8192 /dev/zero >"$work/stillborn/data.mdb"
    quietly krbrepl adopt "$work/stillborn"
    # A name may be left by a kill between making a file and taking its name away, but never with a byte in it.
    [ -z "$(find "$work" -name 'adopt.??????' -size +0)" ] || fail "files were left: $(find "$work" -name 'adopt.*')"
    quietly krbrepl verify "$work/store"
    quietly krbrepl adopt "$work/store"
    quietly krbrepl dump "$work/store" "$work/ours"
    sorted_dump after
    sort "$work/ours" | cmp - "$work/sorted.after" || fail "the store is not the old database"
    grep -v user00003 "$work/sorted.before" >"$work/a"
    grep -v user00003 "$work/sorted.after" | cmp - "$work/a" || fail "the old database changed"
}

# ---- LDAP -------------------------------------------------------------------------------------------

# The same realm, its database in a directory.
ldap_realm() {
    slapd_begin
    slapd_section "$KRB5_KDC_PROFILE"
    slapd_realm master
}

a_realm_in_ldap_is_adopted() {
    KDB_STORE=
    must road_begin "$work/realm"
    KDB_KDC[master]=$REALM_KDC_PID
    new_conf=$work/new.conf
    kdb_kdc_stop master TERM
    ldap_realm
    admin >/dev/null 2>&1 <<'COMMANDS'
addpol -maxfailure 2 -failurecountinterval 0 -lockoutduration 0 locking
addprinc -pw Secret-1 -policy locking +requires_preauth mallory
addprinc -pw Secret-1 alice
cpw -pw Secret-2 -keepold alice
setstr alice color blue
COMMANDS
    must kdb_kdc_start master
    must login alice Secret-2
    must_not login mallory wrong
    must_not login mallory wrong
    quietly krbrepl adopt "$work/store"
    told 'old database: kldap'
    told 'adopted and checked'
    quietly admin addprinc -pw Secret-1 bob
    quietly admin addpol -minlength 5 later
    quietly krbrepl adopt --final "$work/store"
    told 'added *principal bob@'
    told 'added *policy later'
    told 'disable_last_success = true'
    cp "$work/out" "$work/final"
    sorted_dump old
    switch "$work/final"
    sorted_dump new
    cmp "$work/sorted.old" "$work/sorted.new" || fail "the dumps differ: $(diff "$work"/sorted.* | cut -c 1-300)"
    kdb_kdc_stop master TERM
    road_signal slapd TERM
    must kdb_kdc_start master
    must login alice Secret-2
    must login bob Secret-1
    must_not login mallory Secret-1
    told_by_kdc 'revoked'
    quietly admin cpw -pw Secret-3 alice
    must login alice Secret-3
    quietly admin getstrs alice
    told 'color: blue'
}

# ---- LMDB -------------------------------------------------------------------------------------------

remote() { kadmin -r "$REALM" -p root/admin -w Secret-1-Admin "$@"; }

write_over_the_network_all_the_while() {
    local i
    for i in $(seq 100000); do
        [ ! -e "$work/stop" ] || break
        remote addprinc -nokey "writer$i" >/dev/null 2>&1
    done
}

a_realm_on_klmdb_is_adopted() {
    eval "$(declare -f realm_config | sed '1s/realm_config/db2_config/')"
    realm_config() {
        db2_config
        klmdb_section "$REALM_DIR/kdc.conf"
    }
    old_realm
    [ -s "$REALM_DIR/principal.mdb" ] || fail "the database is not klmdb's"
    quietly admin addprinc -pw Secret-1-Admin root/admin
    echo '*/admin@KRBREPL.TEST *' >"$REALM_DIR/kadm5.acl"
    KDB_ADMIN_PORT=$(port_free 33000 20000) KDB_KPASSWD_PORT=$(port_free 53000 7000)
    realm_config
    sed -i "s#acl_file = .*#&\n        kadmind_listen = 127.0.0.1:$KDB_ADMIN_PORT\n        kpasswd_listen = 127.0.0.1:$KDB_KPASSWD_PORT#" \
        "$REALM_DIR/kdc.conf"
    must kdb_kadmind_start
    quietly remote getprinc alice
    write_over_the_network_all_the_while &
    jobs_of_test+=($!)
    quietly krbrepl adopt "$work/store"
    told 'old database: klmdb'
    told 'adopted and checked'
    quietly remote cpw -pw Secret-3 alice
    quietly remote delprinc -force user00007
    quietly krbrepl adopt "$work/store"
    told 'changed *principal alice@'
    told 'deleted *principal user00007@'
    krbrepl log --last 1 "$work/store" | grep -q '"adopt klmdb of KRBREPL.TEST".* 1 deleted' ||
        fail "the second run is not a commit of the difference: $(krbrepl log --last 1 "$work/store")"
    touch "$work/stop"
    wait "${jobs_of_test[@]}"
    quietly remote modpol -minlength 7 strict
    road_signal kadmind TERM
    wait "${ROAD_PID[kadmind]}"
    quietly krbrepl adopt --final "$work/store"
    told 'changed *policy strict'
    told 'stash: .* opens the database'
    cp "$work/out" "$work/final"
    sorted_dump old
    switch "$work/final"
    sorted_dump new
    cmp "$work/sorted.old" "$work/sorted.new" || fail "the dumps differ: $(diff "$work"/sorted.* | cut -c 1-300)"
    kdb_kdc_stop master TERM
    must kdb_kdc_start master
    must login alice Secret-3
    must login user00008 secret
    must_not login user00007 secret
    must_not login mallory Secret-1
    told_by_kdc 'revoked'
    quietly admin modprinc -unlock mallory
    must login mallory Secret-1
    quietly admin getstrs alice
    told 'color: blue'
}

# ---- the way back -----------------------------------------------------------------------------------

without_times() { grep -v '^Last \|^Failed '; }
seen() { # what kadmin shows of everything
    local name
    admin listprincs 2>/dev/null | sort | while read -r name; do admin getprinc "$name" 2>&1 | without_times; done
    admin listpols 2>/dev/null | sort | while read -r name; do admin getpol "$name" 2>&1; done
}

the_way_back_leads_to_a_kdc_on_db2() {
    old_realm 20
    quietly krbrepl adopt --final "$work/store"
    cp "$work/out" "$work/final"
    switch "$work/final"
    kdb_kdc_stop master TERM
    must kdb_kdc_start master
    quietly admin cpw -pw Secret-5 alice
    quietly admin cpw -randkey -keepold "krbtgt/$REALM"
    quietly admin addprinc -pw Secret-1 -policy strict bob
    quietly admin modpol -minlength 8 strict
    must login user00001 secret
    seen >"$work/seen.store"
    sorted_dump store
    kdb_db2 quietly util load "$work/dump.store"
    kdb_db2 sorted_dump db2
    cmp "$work/sorted.store" "$work/sorted.db2" || fail "the dumps differ"
    kdb_db2 seen >"$work/seen.db2"
    diff "$work/seen.store" "$work/seen.db2" || fail "kadmin shows something else"
    grep -q 'Key: vno 3' "$work/seen.db2" || fail "no key of version 3: $(grep vno "$work/seen.db2" | sort | uniq -c)"
    kdb_kdc_stop master TERM
    export KRB5_KDC_PROFILE=$REALM_DIR/db2/kdc.conf
    must kdb_kdc_start master
    # A ticket of the time on the store is good with the KDC on db2, and its key is of the same version.
    quietly kvno "krbrepl/replica-1"
    must login alice Secret-5
    must login bob Secret-1
    must login user00002 secret
    must_not login mallory Secret-1
    told_by_kdc 'revoked'
    refused admin cpw -pw short bob
    quietly admin cpw -pw Secret-22 bob
    must login bob Secret-22
}

"$3"
