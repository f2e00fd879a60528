# shellcheck shell=bash
# case.sh: what the tests with Heimdal's programs begin with. Sourced first of all by a test that is called as
# TEST PROGRAMS [TAKELOG] PROMISE; sets PROGRAMS, PROMISE and WORK, a directory that goes with the test.
#
#   fail TEXT              ends the test, and shows what the daemons said
#   must COMMAND...        fails when COMMAND does; quiet COMMAND...: the same, and what it says is in WORK/quiet.out
#   take_into STORE        what was changed in the realm since the last call becomes commits of STORE (takelog.c);
#                          WORK/taken has up to which version that is done
#   store_dump STORE       the decrypted dump of a store: it goes through a database of Heimdal's
#   arrives SLAVE [SECONDS]    waits until a slave of Heimdal's has what the master has
# shellcheck source=../../common/heimdal.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../common/heimdal.sh"
heimdal_alone "$@"
PROGRAMS=$1 PROMISE=${!#}
WORK=$(mktemp -d)
trap 'cleanup' EXIT

cleanup()
{
    heimdal_stop
    rm -rf "$WORK"
}

fail()
{
    echo "FAILED: $*" >&2
    tail -n 40 "$WORK"/*.out "$HEIMDAL_DIR"/*.out "$HEIMDAL_DIR"/*/{heimdal.log,status,slaves-stats} >&2 2>/dev/null
    exit 1
}

must() { "$@" || fail "$*"; }
quiet() { "$@" >"$WORK/quiet.out" 2>&1 || { cat "$WORK/quiet.out" >&2; fail "$*"; }; }

echo 0 >"$WORK/taken"
take_into()
{
    "$TAKELOG" "$1" "$HEIMDAL_DIR/master/log" "$(cat "$WORK/taken")" >"$WORK/taken.new" || fail "takelog"
    mv "$WORK/taken.new" "$WORK/taken"
}

store_dump()
{
    local dir=$HEIMDAL_DIR/scratch
    rm -rf "$dir" && mkdir "$dir" && heimdal_config scratch && cp "$HEIMDAL_DIR/master/m-key" "$dir" &&
        "$PROGRAMS/krbrepl" dump --quiet --format heimdal "$1" "$dir/dump" &&
        heimdal_on scratch heimdal_tool kadmin -l -c "$dir/krb5.conf" -r "$REALM" load "$dir/dump" >&2 &&
        heimdal_dump scratch
}

slave_has_all() { [ "$(heimdal_dump master)" = "$(heimdal_dump "$1")" ]; }

arrives()
{
    heimdal_until "${2:-30}" slave_has_all "$1" && return
    diff <(heimdal_dump master) <(heimdal_dump "$1") >&2
    fail "$1 is not what the master is"
}
