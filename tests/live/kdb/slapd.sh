#!/bin/bash
# slapd.sh: a directory for realms whose database is one, on top of road.sh; sourced by bash where $work is a directory of
# the test and `must` and `quietly` are what they are in the tests here.
#
#   slapd_begin          slapd on a free port of loopback, with the schema of krb5 and an empty dc=test
#   slapd_section FILE   makes this kdc.conf one whose database is in the directory
#   slapd_realm KEY      makes the realm of this environment in the directory, with a stash file of its own

LDAP_ADMIN="cn=admin,dc=test"
LDAP_URI=

slapd_config() {
    zcat /usr/share/doc/krb5-kdc-ldap/kerberos.schema.gz >"$work/kerberos.schema" || return 1
    mkdir -p "$work/ldap"
    cat >"$work/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include $work/kerberos.schema
pidfile $work/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=test
directory $work/ldap
rootdn $LDAP_ADMIN
rootpw secret
index objectClass,krbPrincipalName eq
CONF
}

slapd_up() { ldapsearch -x -H "$LDAP_URI" -s base -b "" >/dev/null 2>&1 || ! road_alive slapd; }

slapd_start() {
    local tries
    slapd_config || return 1
    for tries in $(seq 20); do
        LDAP_URI=ldap://127.0.0.1:$(port_free 33000 20000)
        ROAD_ARGV[slapd]=$(printf '%s\n' slapd -h "$LDAP_URI" -f "$work/slapd.conf" -d 0)
        road_spawn slapd
        road_until "slapd answering" slapd_up || return 1
        road_alive slapd && return 0
    done
    return 1
}

slapd_begin() {
    must slapd_start
    printf 'dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: test\no: test\n' |
        quietly ldapadd -x -H "$LDAP_URI" -D "$LDAP_ADMIN" -w secret
}

slapd_section() { # FILE
    sed -i "s#database_name = .*#database_module = directory#" "$1"
    cat >>"$1" <<CONF
[dbmodules]
    directory = {
        db_library = kldap
        ldap_kerberos_container_dn = cn=krb5,dc=test
        ldap_kdc_dn = $LDAP_ADMIN
        ldap_kadmind_dn = $LDAP_ADMIN
        ldap_service_password_file = $work/service.keyfile
        ldap_servers = $LDAP_URI
        disable_last_success = true
    }
CONF
}

slapd_realm() { # KEY
    printf 'secret\nsecret\n' | quietly kdb5_ldap_util stashsrvpw -f "$work/service.keyfile" "$LDAP_ADMIN"
    rm -f "$(dirname "$KRB5_KDC_PROFILE")/stash"
    quietly kdb5_ldap_util -D "$LDAP_ADMIN" -w secret -H "$LDAP_URI" create -r "$REALM" -subtrees "${LDAP_TREES:-dc=test}" -s -P "$1"
}
