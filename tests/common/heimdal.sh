#!/bin/bash
# heimdal.sh: a throw-away realm of Heimdal: its kdc, kadmin, kadmind, ipropd-master, ipropd-slave and hprop, on
# free loopback ports, everything in one directory. Sourced by a bash script:
#
#   heimdal_alone "$@"            first of all: goes on in a network and a process namespace of the script's own,
#                                 where these can be made, so that nothing is left behind and no port is shared;
#                                 else it goes on as it is. Leaves the script with 77 when Heimdal is not there
#   heimdal_start DIR [REALM]     makes the realm (HEIMDAL.TEST) with its master's database in DIR/master and
#                                 starts the kdc; exports the environment below
#   heimdal_stop                  ends all that was started; the caller removes DIR. Call it from a trap on EXIT
#
#   heimdal_kadmin COMMAND...     kadmin -l on the master's database
#   heimdal_princ NAME KEYTAB     a principal with random keys, appended to KEYTAB ("-": none)
#   heimdal_dump [NODE]           the decrypted dump of a node's database ("master", or a slave's name), sorted,
#                                 without what is never the same on two nodes (generation)
#   heimdal_log [NODE] COMMAND... iprop-log on a node's log
#   heimdal_version [NODE]        the version in the header of a node's log
#
#   heimdal_master_up [OPTION]... ipropd-master on HEIMDAL_IPROP_PORT; heimdal_master_down [SIGNAL]
#   heimdal_allow PRINCIPAL...    writes the slaves file
#   heimdal_slave_make NAME       a slave's directory DIR/NAME with its own database, keytab iprop/NAME
#   heimdal_slave_up NAME PORT [OPTION]...    ipropd-slave, follows localhost:PORT; heimdal_slave_down NAME [SIGNAL]
#   heimdal_slave_at NAME         the version that the slave says it is at ("-": none)
#   heimdal_kadmind_up            kadmind on HEIMDAL_ADMIN_PORT; heimdal_kdc_down, heimdal_kdc_up
#   heimdal_hprop [OPTION]...     hprop on the master's database
#   heimdal_tool PROGRAM ARG...   any other program of Heimdal's, by its name without ".heimdal"
#   heimdal_until SECONDS COMMAND...   waits until COMMAND succeeds
#
# Exported: KRB5_CONFIG (for clients of both Kerberos libraries), KRB5CCNAME, REALM, HEIMDAL_DIR, HEIMDAL_PORT (of the
# kdc), HEIMDAL_IPROP_PORT, HEIMDAL_ADMIN_PORT. KRBREPL_HEIMDAL names the directory that scripts/test has unpacked
# Heimdal's packages in. Needs no root, no DNS and no network.

HEIMDAL_SH=$(readlink -f "${BASH_SOURCE[0]}")
PATH=$PATH:/usr/sbin:/sbin
export HEIMDAL_SH PATH

# ---- where Heimdal is ---------------------------------------------------------------------------

# Prints the path of a program.
heimdal_path()
{
    local dir name
    for dir in usr/sbin usr/bin usr/lib/heimdal-servers; do
        for name in "$1.heimdal" "$1"; do
            [ -x "$KRBREPL_HEIMDAL/$dir/$name" ] && echo "$KRBREPL_HEIMDAL/$dir/$name" && return
        done
    done
    echo "heimdal.sh: there is no $1 below $KRBREPL_HEIMDAL" >&2
    return 1
}

heimdal_libraries()
{
    local dir path=
    for dir in "$KRBREPL_HEIMDAL"/usr/lib/*-linux-gnu* "$KRBREPL_HEIMDAL"/lib/*-linux-gnu*; do
        [ -d "$dir" ] && path=$path${path:+:}$dir
    done
    echo "$path"
}

heimdal_tool()
{
    local program
    program=$(heimdal_path "$1") || return 1
    shift
    LD_LIBRARY_PATH=$HEIMDAL_LIBRARIES "$program" "$@"
}

heimdal_skip()
{
    echo "left out: $*"
    exit 77
}

heimdal_alone()
{
    local as script
    if [ ! -x "${KRBREPL_HEIMDAL:-/nonexistent}/usr/sbin/ipropd-master" ]; then
        heimdal_skip "Heimdal's programs are not there; scripts/test unpacks them where there is a network," \
            "and KRBREPL_HEIMDAL says where"
    fi
    HEIMDAL_LIBRARIES=$(heimdal_libraries)
    export HEIMDAL_LIBRARIES
    [ -n "$HEIMDAL_ALONE" ] && { heimdal_lo_up; return; }
    script=$(readlink -f "$0")
    for as in "" "-r"; do
        if unshare $as -n -p -f --kill-child --mount-proc true 2>/dev/null; then
            HEIMDAL_ALONE=1 exec unshare $as -n -p -f --kill-child --mount-proc bash "$script" "$@"
        fi
    done
}

# A new network namespace has its loopback interface down.
heimdal_lo_up()
{
    python3 -c '
import fcntl, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x8 | 0x40))'
}

# ---- the realm ----------------------------------------------------------------------------------

heimdal_port()
{
    echo $((20000 + (RANDOM * 32768 + RANDOM) % 12000))
}

# The configuration of one node: NODE's database is in DIR/NODE.
heimdal_config()
{
    local dir=$HEIMDAL_DIR/$1
    cat >"$dir/krb5.conf" <<CONF
[libdefaults]
    default_realm = $REALM
    ${HEIMDAL_PLUGINS:+plugin_dir = $HEIMDAL_PLUGINS}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    default_keytab_name = FILE:$dir/keytab
[realms]
    $REALM = {
        kdc = tcp/127.0.0.1:$HEIMDAL_PORT
        admin_server = 127.0.0.1:$HEIMDAL_ADMIN_PORT
    }
[domain_realm]
    localhost = $REALM
    .test = $REALM
[hdb]
    db-dir = $dir
[kdc]
    database = {
        dbname = ${HEIMDAL_BACKEND:-}$dir/heimdal
        realm = $REALM
        mkey_file = $dir/m-key
        acl_file = $dir/kadmind.acl
        log_file = $dir/log
    }
    signal_socket = $dir/signal
    iprop-acl = $dir/slaves
    iprop-stats = $dir/slaves-stats
[appdefaults]
    reconnect-min = 1
    reconnect-backoff = 1
    reconnect-max = 2
[logging]
    kdc = 0-5/FILE:$dir/kdc.log
    default = 0-5/FILE:$dir/heimdal.log
CONF
    # MIT's library writes the same in other words.
    sed -e 's|kdc = tcp/|kdc = |' "$dir/krb5.conf" >"$dir/mit.conf"
}

heimdal_on()
{
    local node=$1
    shift
    KRB5_CONFIG=$HEIMDAL_DIR/$node/krb5.conf HEIM_PIDFILE_DIR=$HEIMDAL_DIR/$node "$@"
}

heimdal_kadmin()
{
    heimdal_on master heimdal_tool kadmin -l -c "$HEIMDAL_DIR/master/krb5.conf" -r "$REALM" "$@"
}

heimdal_princ()
{
    heimdal_kadmin add --random-key --use-defaults "$1" >"$HEIMDAL_DIR/kadmin.out" 2>&1 ||
        { cat "$HEIMDAL_DIR/kadmin.out" >&2; return 1; }
    [ "$2" = - ] || heimdal_kadmin ext_keytab -k "FILE:$2" "$1"
}

heimdal_make()
{
    mkdir -p "$HEIMDAL_DIR/master" || return 1
    heimdal_config master
    heimdal_on master heimdal_tool kstash --key-file="$HEIMDAL_DIR/master/m-key" --random-key \
        >"$HEIMDAL_DIR/kadmin.out" 2>&1 &&
        heimdal_kadmin init --realm-max-ticket-life=1day --realm-max-renewable-life=1week "$REALM" \
            >>"$HEIMDAL_DIR/kadmin.out" 2>&1 &&
        heimdal_princ iprop/localhost "$HEIMDAL_DIR/master/keytab" && : >"$HEIMDAL_DIR/master/slaves"
}

heimdal_start()
{
    local tries
    mkdir -p "$1" && chmod 700 "$1" || return 1
    HEIMDAL_DIR=$(cd "$1" && pwd) || return 1
    REALM=${2:-HEIMDAL.TEST}
    HEIMDAL_PORT=$(heimdal_port) HEIMDAL_IPROP_PORT=$(heimdal_port) HEIMDAL_ADMIN_PORT=$(heimdal_port)
    export HEIMDAL_DIR REALM HEIMDAL_PORT HEIMDAL_IPROP_PORT HEIMDAL_ADMIN_PORT
    export KRB5_CONFIG=$HEIMDAL_DIR/master/mit.conf KRB5CCNAME=FILE:$HEIMDAL_DIR/ccache
    unset KRB5_KTNAME KRB5_CLIENT_KTNAME KRB5RCACHENAME KRB5RCACHETYPE KRB5_TRACE
    if ! heimdal_make; then
        cat "$HEIMDAL_DIR/kadmin.out" >&2
        return 1
    fi
    for tries in $(seq 20); do
        heimdal_kdc_up && return 0
        HEIMDAL_PORT=$(heimdal_port)
        heimdal_config master
    done
    echo "heimdal.sh: the kdc does not start:" >&2
    cat "$HEIMDAL_DIR/kdc.out" "$HEIMDAL_DIR/master/kdc.log" >&2
    return 1
}

# ---- daemons ------------------------------------------------------------------------------------

heimdal_until()
{
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# Starts a daemon in a process group of its own (Heimdal's fork), and remembers it as NAME.
heimdal_daemon()
{
    local name=$1 guard=
    shift
    setpriv --pdeathsig KILL true 2>/dev/null && guard="setpriv --pdeathsig KILL"
    LD_LIBRARY_PATH=$HEIMDAL_LIBRARIES setsid $guard "$@" </dev/null >"$HEIMDAL_DIR/$name.out" 2>&1 &
    echo $! >"$HEIMDAL_DIR/$name.pid"
}

heimdal_group_gone()
{
    # A group of zombies that nobody reaps is gone too.
    ! ps -o stat= -o pgid= -A | awk -v g="$1" '$2 == g && $1 !~ /^Z/ { found = 1 } END { exit !found }'
}

heimdal_down()
{
    local name=$1 signal=${2:-TERM} pid
    pid=$(cat "$HEIMDAL_DIR/$name.pid" 2>/dev/null) || return 0
    rm -f "$HEIMDAL_DIR/$name.pid"
    kill -"$signal" -- "-$pid" 2>/dev/null
    heimdal_until 10 heimdal_group_gone "$pid" || kill -KILL -- "-$pid" 2>/dev/null
    { wait "$pid"; } 2>/dev/null
    return 0
}

heimdal_listens()
{
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# True once daemon NAME listens on PORT; fails for good when it has ended.
heimdal_came_up()
{
    local pid
    pid=$(cat "$HEIMDAL_DIR/$1.pid")
    heimdal_until 20 eval "heimdal_listens $2 || ! kill -0 $pid 2>/dev/null"
    kill -0 "$pid" 2>/dev/null && heimdal_listens "$2"
}

heimdal_kdc_up()
{
    heimdal_on master heimdal_daemon kdc "$(heimdal_path kdc)" -c "$HEIMDAL_DIR/master/krb5.conf" \
        --ports="$HEIMDAL_PORT/tcp $HEIMDAL_PORT/udp" --addresses=127.0.0.1
    heimdal_came_up kdc "$HEIMDAL_PORT" || { heimdal_down kdc; return 1; }
}

heimdal_kdc_down() { heimdal_down kdc "$@"; }

heimdal_kadmind_up()
{
    heimdal_on master heimdal_daemon kadmind "$(heimdal_path kadmind)" -c "$HEIMDAL_DIR/master/krb5.conf" \
        --keytab="FILE:$HEIMDAL_DIR/master/keytab" --realm="$REALM" --ports="$HEIMDAL_ADMIN_PORT"
    heimdal_came_up kadmind "$HEIMDAL_ADMIN_PORT"
}

heimdal_master_up()
{
    heimdal_on master heimdal_daemon ipropd-master "$(heimdal_path ipropd-master)" \
        -c "$HEIMDAL_DIR/master/krb5.conf" -r "$REALM" --hostname=localhost --port="$HEIMDAL_IPROP_PORT" \
        -d "${HEIMDAL_BACKEND:-}$HEIMDAL_DIR/master/heimdal" -k "FILE:$HEIMDAL_DIR/master/keytab" "$@"
    heimdal_came_up ipropd-master "$HEIMDAL_IPROP_PORT" && return
    cat "$HEIMDAL_DIR/ipropd-master.out" "$HEIMDAL_DIR/master/heimdal.log" >&2
    return 1
}

heimdal_master_down() { heimdal_down ipropd-master "$@"; }

heimdal_allow()
{
    local name
    for name in "$@"; do
        echo "$name@$REALM"
    done >"$HEIMDAL_DIR/master/slaves"
}

heimdal_slave_make()
{
    mkdir -p "$HEIMDAL_DIR/$1" && heimdal_config "$1" &&
        cp "$HEIMDAL_DIR/master/m-key" "$HEIMDAL_DIR/$1/m-key" &&
        heimdal_princ "iprop/$1" "$HEIMDAL_DIR/$1/keytab"
}

heimdal_slave_up()
{
    local name=$1 port=$2
    shift 2
    heimdal_on "$name" heimdal_daemon "slave-$name" "$(heimdal_path ipropd-slave)" \
        -c "$HEIMDAL_DIR/$name/krb5.conf" -r "$REALM" --hostname="$name" --port="$port" \
        -k "FILE:$HEIMDAL_DIR/$name/keytab" --status-file="$HEIMDAL_DIR/$name/status" "$@" localhost
}

heimdal_slave_down()
{
    local name=$1
    shift
    heimdal_down "slave-$name" "$@"
}

heimdal_slave_at()
{
    local at
    at=$(sed -n 's/^up-to-date with version: \([0-9]*\) at .*/\1/p' "$HEIMDAL_DIR/$1/status" 2>/dev/null)
    echo "${at:--}"
}

heimdal_hprop()
{
    heimdal_on master heimdal_tool hprop -d "${HEIMDAL_BACKEND:-}$HEIMDAL_DIR/master/heimdal" \
        -m "$HEIMDAL_DIR/master/m-key" "$@"
}

heimdal_log()
{
    local node=master
    [ -d "$HEIMDAL_DIR/$1" ] && node=$1 && shift
    heimdal_on "$node" heimdal_tool iprop-log "$1" -c "$HEIMDAL_DIR/$node/krb5.conf" "${@:2}"
}

# The header record of the log has it at a fixed place.
heimdal_version()
{
    od -An -tu1 -j28 -N4 "$HEIMDAL_DIR/${1:-master}/log" | awk '{ print (($1 * 256 + $2) * 256 + $3) * 256 + $4 }'
}

heimdal_dump()
{
    local node=${1:-master}
    heimdal_on "$node" heimdal_tool kadmin -l -c "$HEIMDAL_DIR/$node/krb5.conf" -r "$REALM" dump -d - |
        heimdal_dump_filter
}

# A line of a dump is fields with blanks between them; the eleventh from the start of the times on is the generation.
heimdal_dump_filter()
{
    awk '{ $(NF - 1) = "-"; print }' | LC_ALL=C sort
}

heimdal_stop()
{
    local file name
    [ -n "$HEIMDAL_DIR" ] || return 0
    for file in "$HEIMDAL_DIR"/*.pid; do
        [ -e "$file" ] || continue
        name=$(basename "$file" .pid)
        heimdal_down "$name"
    done
    return 0
}
