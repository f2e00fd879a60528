# shellcheck shell=bash
# served.sh: a realm of Heimdal's whose slaves follow a krbrepl-master. Sourced after case.sh by a test that is called
# as TEST PROGRAMS TAKELOG PROMISE.
#
#   begin [REALM]            the realm, and a store with what it has
#   serve [OPTION]...        krbrepl-master serves the store, MASTER_AT and MASTER_CONF being set; unserve [SIGNAL]
#   says TEXT, said TEXT     its log has this; how often, since it was started
#   allow NAME...            writes the slaves file
#   follow NAME...           makes slaves and starts them
#   slave_port NAME [OPTION]...    starts one that is there, at SLAVE_PORT or where krbrepl-master listens
#   take                     what was changed in the realm becomes commits
#   add NAME                 a principal in the realm
#   sealed NAME              the only slave has all that was sent to it, and the seal behind it
TAKELOG=$2

store_make() { quiet "$PROGRAMS/krbrepl" init --quiet --master "$WORK/store"; }
take() { take_into "$WORK/store"; }

serve()
{
    KRB5_CONFIG=${MASTER_CONF:-$HEIMDAL_DIR/master/mit.conf} heimdal_daemon krbrepl-master \
        "$PROGRAMS/krbrepl-master" \
        --store "$WORK/store" --listen "${MASTER_AT:-127.0.0.1}:$HEIMDAL_IPROP_PORT" --heimdal-iprop \
        --heimdal-service iprop/localhost --heimdal-keytab "$HEIMDAL_DIR/master/keytab" \
        --heimdal-slaves "$HEIMDAL_DIR/master/slaves" --log-level info "$@"
    must heimdal_until 20 says "listening on"
}

unserve() { heimdal_down krbrepl-master "$@"; }

says() { grep -q -- "$1" "$HEIMDAL_DIR/krbrepl-master.out"; }
said() { grep -c -- "$1" "$HEIMDAL_DIR/krbrepl-master.out"; }

allow()
{
    local name
    for name in "$@"; do
        echo "iprop/$name@$REALM"
    done >"$HEIMDAL_DIR/master/slaves"
}

slave_port()
{
    local name=$1
    shift
    heimdal_slave_up "$name" "${SLAVE_PORT:-$HEIMDAL_IPROP_PORT}" "$@"
}

add() { must heimdal_kadmin add --password="pw-$1" --use-defaults "$1"; }

begin()
{
    must heimdal_start "$WORK/realm" "$@"
    store_make
    take
}

follow()
{
    local name
    for name in "$@"; do
        must heimdal_slave_make "$name"
    done
    allow "$@"
    take
    for name in "$@"; do
        slave_port "$name"
    done
}

# Whether the only slave has all that was sent to it, with the record that comes last and changes nothing.
sealed()
{
    "$PROGRAMS/krbrepl" slot list "$WORK/store" >"$WORK/slots" &&
        grep -q "heimdal, sent up to version $(heimdal_version "$1")" "$WORK/slots"
}
