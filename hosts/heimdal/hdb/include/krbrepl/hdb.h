/* hdb.h: a krbrepl store as a database of Heimdal's KDC, for programs that hold libkdc or libkadm5srv and
 * libkrbrepl in one process. Heimdal's own programs load the module hdb_krbrepl.so instead. */
#ifndef KRBREPL_HDB_H
#define KRBREPL_HDB_H

#include <krb5.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes "krbrepl:DIR" a database name for hdb_create and for `dbname` of krb5.conf in this process. To be called once,
 * before the first database is opened; of any context. Link libkrbrepl-hdb, Heimdal's libraries, and libkrbrepl as
 * built with KRBREPL_GSS=heimdal: one process must not hold two Kerberos libraries, nor two libkrbrepl. */
krb5_error_code krbrepl_hdb_register(krb5_context context);

#ifdef __cplusplus
}
#endif

#endif
