#!/bin/bash
# guide.sh: tables of commands. What is done on the master, and what must then be so on the master and on both
# replicas. After each row the replicas have the commits, one digest root, and the same dump. On top of checks.sh;
# sourced by bash, with ROAD_BIN and KDB_PLUGIN set; `table` reads one from its standard input.
#
# The words of a table; each takes the rest of its line:
#
#   row TEXT                   a row begins
#   local COMMAND              kadmin.local on the master does it
#   refused COMMAND            kadmin.local on the master does not
#   util COMMAND               kdb5_util on the master; utilrefused COMMAND: it does not
#   run FUNCTION               something that takes more than one command
#   says PATTERN               in what the last command printed
#   same COMMAND               kadmin.local answers the same at all three
#   sameutil COMMAND           so does kdb5_util
#   shows PATTERN              in the answer of the last `same` or `sameutil`
#   samedump OPTION...         a dump with these options is the same at all three; after -- of these principals
#   opens PRINCIPAL PASSWORD   the KDCs of all three give a ticket for it
#   shut PRINCIPAL PASSWORD    none of them does
#   key PRINCIPAL KEYTAB       the same with a keytab; nokey PRINCIPAL KEYTAB
#   ticket SERVICE KVNO        each KDC gives the client of before a ticket for the service under this key
#   noticket SERVICE           none of them does
# shellcheck source=tests/live/kdb/checks.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh"

row=
rows=0
changed=
export KT=$work/keytab

settle() {
    [ -z "$changed" ] || arrive
    changed=
}

everywhere() { # FUNCTION ARGUMENT...
    local name
    settle
    for name in $KDB_NODES; do
        "$1" "$name" "${@:2}"
    done
}

# Each KDC counts logins for itself.
answer() { grep -v -E '^(Last (successful|failed) authentication|Failed password attempts):' "$work/out.$1" >"$work/answer.$1"; }

compare() { # NAME
    answer "$1"
    cmp -s "$work/answer.master" "$work/answer.$1" || {
        diff "$work/answer.master" "$work/answer.$1"
        fail "$1 answers something else"
    }
}

same_at() { # NAME COMMAND...
    local name=$1
    shift
    kdb_at "$name" "$@" >"$work/out.$name" 2>"$work/err" || { cat "$work/err"; fail "$name: $*"; }
    compare "$name"
}

opens_at() { kdb_at "$1" login "$2" "$3" || fail "$1 refuses $2: $(cat "$work/kinit")"; }
shut_at() { ! kdb_at "$1" login "$2" "$3" || fail "$1 lets $2 in"; }
key_at() { kdb_at "$1" kinit -k -t "$3" "$2" >"$work/out" 2>&1 || fail "$1 refuses the key of $2: $(cat "$work/out")"; }
nokey_at() { ! kdb_at "$1" kinit -k -t "$3" "$2" >"$work/out" 2>&1 || fail "$1 takes an old key of $2"; }
ticket_at() {
    kdb_at "$1" kvno "$2" >"$work/out" 2>&1 || fail "$1 gives no ticket for $2: $(cat "$work/out")"
    [ -z "${3:-}" ] || grep -q "kvno = $3\$" "$work/out" || fail "$1: $(cat "$work/out") instead of $3"
}
noticket_at() { ! kdb_at "$1" kvno "$2" >"$work/out" 2>&1 || fail "$1 gives a ticket for $2"; }

word() { # WORD ARGUMENT...
    local it=$1
    shift
    case $it in
    local) quietly admin "$@"; changed=1 ;;
    refused) must_not admin "$@" >"$work/out" 2>&1; changed=1 ;;
    util) quietly util "$@"; changed=1 ;;
    utilrefused) must_not util "$@" >"$work/out" 2>&1; changed=1 ;;
    run) "$@"; changed=1 ;;
    same) everywhere same_at admin "$@" ;;
    sameutil) everywhere same_at util "$@" ;;
    samedump) settle; dumps_are_equal "$@" ;;
    opens | shut | key | nokey | ticket | noticket) everywhere "${it}_at" "$@" ;;
    *) fail "no such word: $it" ;;
    esac
}

table() {
    local line rest args
    while read -r line; do
        rest=${line#* }
        case $line in
        '' | '#'*) ;;
        'row '*)
            settle
            row=$rest
            rows=$((rows + 1))
            ;;
        'says '*) grep -q -E -- "$rest" "$work/out" || fail "not a word of $rest: $(cat "$work/out")" ;;
        'shows '*) grep -q -E -- "$rest" "$work/answer.master" || fail "nothing of $rest: $(cat "$work/answer.master")" ;;
        *)
            # The quotes of a table are those of the shell.
            eval "args=($line)"
            word "${args[@]}" </dev/null
            ;;
        esac
    done
    settle
    row=
}
