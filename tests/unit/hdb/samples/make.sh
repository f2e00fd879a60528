#!/bin/bash
# make.sh: writes the samples beside it anew, with the programs of Heimdal 7.8 (KRBREPL_HEIMDAL says where these
# are unpacked): tests/unit/hdb/samples/make.sh. The keys in them are of a realm that was thrown away.
#
#   log          the log of all that is done below
#   m-key        the master key
#   hdb.dump     `kadmin -l dump` afterwards (the keys decrypted)
#   sealed.dump  `kadmin -l dump` with the keys as they are in the database
#   hprop.out    `hprop --stdout` of the same database
#   iprop-log.out `iprop-log dump` of the log
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../../common/heimdal.sh"
heimdal_alone "$@"
dir=$(mktemp -d) || exit 1
trap 'heimdal_stop; rm -rf "$dir"' EXIT
set -e
heimdal_start "$dir/realm" EXAMPLE.ORG
k="heimdal_kadmin"
$k add --password=one --use-defaults alice
$k add --password=two --use-defaults 'odd\@na\/me\\x'
$k add --random-key --use-defaults host/a.example.org
$k add --random-password --use-defaults --attributes=requires-pre-auth bob/admin
$k passwd --password=three alice
$k passwd --random-key --keepold host/a.example.org
$k modify --max-ticket-life=5h --max-renewable-life=3d alice
$k modify --expiration-time=2031-02-03 --pw-expiration-time=2030-01-02 alice
$k modify --attributes=+disallow-proxiable,+requires-pre-auth alice
$k modify --alias=alias1@EXAMPLE.ORG --alias=alias2@EXAMPLE.ORG alice
$k modify --policy=default bob/admin
$k modify --constrained-delegation=host/a.example.org host/a.example.org
$k modify --pkinit-acl=CN=alice,DC=example,DC=org alice
$k modify --kvno=7 bob/admin
$k add --password=four --use-defaults old
$k rename old new
$k add --password=five --use-defaults gone
$k delete gone
$k modify --alias=alias2@EXAMPLE.ORG alice
$k modify --expiration-time=never new
heimdal_log signal || :
cp "$dir/realm/master/log" "$dir/realm/master/m-key" "$here/"
$k dump -d "$here/hdb.dump"
$k dump "$here/sealed.dump"
heimdal_hprop --stdout >"$here/hprop.out"
heimdal_log dump >"$here/iprop-log.out"
