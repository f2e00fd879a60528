#!/bin/bash
# realm.sh: a throw-away Kerberos realm with a real krb5kdc on a free loopback port.
#
#   realm.sh DIR -- COMMAND...    starts the realm KRBREPL.TEST in DIR, runs COMMAND in its environment, stops
#                                 the KDC again, and exits as COMMAND did. DIR "-": a temporary directory that
#                                 is removed at the end, also after a failure.
#   realm.sh --princ NAME KEYTAB [OPTION]...   inside of COMMAND: makes a principal (see realm_princ)
#   realm.sh --kdc stop|start                  inside of COMMAND: takes the KDC down, brings it up again
#
# or, sourced by a bash script:
#
#   realm_start DIR               makes the realm, starts its KDC, exports the environment below
#   realm_princ NAME KEYTAB [OPTION]...
#                                 a principal with random keys, appended to KEYTAB ("-": no keytab); OPTIONs
#                                 are those of kadmin's addprinc (-maxlife 10s, -e aes256-cts:normal); a
#                                 principal that exists gets new keys
#   realm_stop                    ends the KDC; the caller removes DIR. Call it from a trap on EXIT.
#
# Exported: KRB5_CONFIG, KRB5_KDC_PROFILE, KRB5CCNAME, REALM (KRBREPL.TEST), REALM_DIR, REALM_PORT,
# REALM_SH (this file). REALM_WEAK=1 before the start: the realm and its clients also take arcfour-hmac
# and des3 keys. The default keytab is DIR/default.keytab. Needs no root, no DNS and no network.

REALM_SH=$(readlink -f "${BASH_SOURCE[0]}")
REALM=KRBREPL.TEST
PATH=$PATH:/usr/sbin:/sbin
export REALM_SH REALM PATH
# shellcheck source=tests/common/ports.sh
source "$(dirname "$REALM_SH")/ports.sh"

realm_enctypes()
{
    local strong="aes256-cts-hmac-sha384-192 aes128-cts-hmac-sha256-128 aes256-cts-hmac-sha1-96"
    strong="$strong aes128-cts-hmac-sha1-96"
    [ -n "$REALM_WEAK" ] && strong="$strong des3-cbc-sha1 arcfour-hmac"
    echo "$strong"
}

realm_config()
{
    local weak=false
    [ -n "$REALM_WEAK" ] && weak=true
    cat >"$REALM_DIR/krb5.conf" <<CONF
[libdefaults]
    default_realm = $REALM
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    allow_weak_crypto = $weak
    permitted_enctypes = $(realm_enctypes)
    default_keytab_name = FILE:$REALM_DIR/default.keytab
    default_client_keytab_name = FILE:$REALM_DIR/client.keytab
[realms]
    $REALM = {
        kdc = 127.0.0.1:$REALM_PORT
    }
[domain_realm]
    localhost = $REALM
    $(hostname | tr A-Z a-z) = $REALM
CONF
    cat >"$REALM_DIR/kdc.conf" <<CONF
[kdcdefaults]
    kdc_listen = 127.0.0.1:$REALM_PORT
    kdc_tcp_listen = 127.0.0.1:$REALM_PORT
[realms]
    $REALM = {
        database_name = $REALM_DIR/principal
        key_stash_file = $REALM_DIR/stash
        acl_file = $REALM_DIR/kadm5.acl
        master_key_type = aes256-cts
        supported_enctypes = aes256-cts:normal aes128-cts:normal
        max_life = 1d
    }
[logging]
    kdc = FILE:$REALM_DIR/kdc.log
    admin_server = FILE:$REALM_DIR/kadmin.log
    default = FILE:$REALM_DIR/krb5.log
CONF
}

# Starts krb5kdc on REALM_PORT. 0 once it serves, 1 when it ended (the port was taken).
realm_kdc_up()
{
    local guard= tries
    # The KDC is not to outlive a test that is killed.
    setpriv --pdeathsig TERM true 2>/dev/null && guard="setpriv --pdeathsig TERM"
    : >"$REALM_DIR/kdc.log"
    [ "$1" = detached ] && guard=
    $guard krb5kdc -n -r "$REALM" </dev/null >"$REALM_DIR/kdc.out" 2>&1 &
    REALM_KDC_PID=$!
    echo "$REALM_KDC_PID" >"$REALM_DIR/kdc.pid"
    for tries in $(seq 600); do
        kill -0 "$REALM_KDC_PID" 2>/dev/null || return 1
        grep -q 'commencing operation' "$REALM_DIR/kdc.log" && return 0
        sleep 0.05
    done
    realm_kdc_down
    return 1
}

realm_kdc_down()
{
    local pid tries
    pid=$(cat "$REALM_DIR/kdc.pid" 2>/dev/null) || return 0
    rm -f "$REALM_DIR/kdc.pid"
    # Only the process that was started here, never another one that got its number.
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = krb5kdc ] || return 0
    kill "$pid" 2>/dev/null
    for tries in $(seq 200); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = krb5kdc ] || break
        # A KDC that ended but is still a zombie of this shell is down too.
        grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && break
        sleep 0.02
    done
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return 0
}

realm_start()
{
    local tries
    mkdir -p "$1" && chmod 700 "$1" || return 1
    REALM_DIR=$(cd "$1" && pwd) || return 1
    export REALM_DIR REALM_PORT
    export KRB5_CONFIG=$REALM_DIR/krb5.conf KRB5_KDC_PROFILE=$REALM_DIR/kdc.conf
    export KRB5CCNAME=FILE:$REALM_DIR/ccache
    unset KRB5_KTNAME KRB5_CLIENT_KTNAME KRB5RCACHENAME KRB5RCACHETYPE KRB5_TRACE
    REALM_PORT=1
    realm_config
    if ! kdb5_util -r "$REALM" create -s -P throw-away >"$REALM_DIR/create.out" 2>&1; then
        cat "$REALM_DIR/create.out" >&2
        return 1
    fi
    for tries in $(seq 20); do
        REALM_PORT=$(port_free 20000 12000)
        realm_config
        realm_kdc_up && return 0
    done
    echo "realm.sh: krb5kdc does not start:" >&2
    cat "$REALM_DIR/kdc.out" "$REALM_DIR/kdc.log" >&2
    return 1
}

realm_kadmin()
{
    kadmin.local -r "$REALM" "$@" >"$REALM_DIR/kadmin.out" 2>&1
}

realm_princ()
{
    local name=$1 keytab=$2 enctypes=
    shift 2
    # cpw takes no -maxlife, so only the enctypes of a new principal's options matter to it.
    [ "$1" = -e ] && enctypes="-e $2"
    if ! realm_kadmin addprinc -randkey "$@" "$name"; then
        # shellcheck disable=SC2086
        if ! grep -q 'already exists' "$REALM_DIR/kadmin.out" ||
            ! realm_kadmin cpw -randkey $enctypes "$name"; then
            cat "$REALM_DIR/kadmin.out" >&2
            return 1
        fi
    fi
    [ "$keytab" = - ] && return 0
    realm_kadmin ktadd -q -k "$keytab" -norandkey "$name" && return 0
    cat "$REALM_DIR/kadmin.out" >&2
    return 1
}

realm_stop()
{
    [ -n "$REALM_DIR" ] && realm_kdc_down
    return 0
}

realm_main()
{
    local dir=$1 own= code
    if [ "$1" = --princ ]; then
        shift
        realm_princ "$@"
        return
    fi
    if [ "$1" = --kdc ]; then
        case $2 in
        stop) realm_kdc_down ;;
        start) realm_kdc_up detached ;;
        esac
        return
    fi
    if [ "$2" != -- ] || [ $# -lt 3 ]; then
        echo "usage: realm.sh DIR -- COMMAND..." >&2
        return 2
    fi
    shift 2
    if [ "$dir" = - ]; then
        own=$(mktemp -d) || return 1
        dir=$own
    fi
    # shellcheck disable=SC2064
    trap "realm_stop; [ -n '$own' ] && rm -rf '$own'" EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    realm_start "$dir" || return 1
    # In the background, so that a signal to this script is handled at once and not after COMMAND.
    "$@" <&0 &
    wait $!
    code=$?
    [ $code -ne 0 ] && [ -n "$REALM_VERBOSE" ] && cat "$REALM_DIR/kdc.log" >&2
    return $code
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    realm_main "$@"
    exit
fi
