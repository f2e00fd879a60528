#!/bin/bash
# ports.sh: ports of the loopback interface that nobody has; sourced by bash.
#
#   port_free LOW COUNT   prints one of the COUNT ports from LOW on; 1 when there is none
#
# A server that cannot bind says so, but krb5kdc and kadmind set SO_REUSEPORT and Heimdal's servers SO_REUSEADDR: two of
# them start on one port and share what is sent there, and a client gets the answer of another realm.

port_taken() { # PORT
    grep -q -E "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") " /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null
}

port_free() { # LOW COUNT
    local port tries
    for tries in $(seq 100); do
        port=$(($1 + (RANDOM * 32768 + RANDOM) % $2))
        port_taken "$port" || { echo "$port"; return; }
    done
    return 1
}
