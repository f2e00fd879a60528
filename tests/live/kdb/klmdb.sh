#!/bin/bash
# klmdb.sh: realms whose database is of MIT's module klmdb, which Debian does not package; sourced by bash where
# KRBREPL_TEST_KLMDB is the directory of klmdb.so.
#
#   klmdb_section FILE   makes this kdc.conf one whose database is klmdb's, in the place that it names

klmdb_section() { # FILE
    local name
    name=$(sed -n 's#.*database_name = ##p' "$1")
    sed -i "s#database_name = .*#database_module = lmdb#" "$1"
    cat >>"$1" <<CONF
[dbmodules]
    db_module_dir = $KRBREPL_TEST_KLMDB
    lmdb = {
        db_library = klmdb
        database_name = $name
        ${KLMDB_OPTIONS:-}
    }
CONF
}
