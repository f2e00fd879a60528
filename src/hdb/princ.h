/* princ.h: names of principals in the three forms that Heimdal has for them.
 *
 * DER (in entries, and as the key of the database), the form of the log (32-bit lengths), and text (with
 * backslashes before what would be misread). */
#ifndef KRBREPL__HDB_PRINC_H
#define KRBREPL__HDB_PRINC_H

#include "der.h"
#include "errinfo.h"

#define KRBREPL__HDB_MAX_COMP 32u

/* A name. The bytes are borrowed from what it was read from; no NUL is in them. */
typedef struct krbrepl__hdb_princ {
    uint32_t type;
    krbrepl_bytes realm;
    size_t n;
    krbrepl_bytes comp[KRBREPL__HDB_MAX_COMP];
} krbrepl__hdb_princ;

/* Each reader leaves its error in `r` (PROTO). */
void krbrepl__hdb_princ_read(krbrepl__rd *r, krbrepl__hdb_princ *p);     /* Principal in DER */
void krbrepl__hdb_princ_log_read(krbrepl__rd *r, krbrepl__hdb_princ *p); /* in a log record */

void krbrepl__hdb_princ_write(krbrepl__buf *b, const krbrepl__hdb_princ *p); /* Principal in DER */
void krbrepl__hdb_princ_log_write(krbrepl__buf *b, const krbrepl__hdb_princ *p);
/* The key of its record in table `hdb`: DER with name type 0. */
void krbrepl__hdb_key(krbrepl__buf *b, const krbrepl__hdb_princ *p);

/* `host/a.example@REALM`, without a NUL at its end. */
void krbrepl__hdb_princ_text(krbrepl__buf *b, const krbrepl__hdb_princ *p);
/* The name that the text says; the bytes are put into `hold`, which must live as long as the name.
 * `realm` is taken where the text has none (NULL: INVALID then). The type is the one that
 * Heimdal guesses.
 * INVALID, NOMEM. */
int krbrepl__hdb_princ_parse(krbrepl__hdb_princ *p, const char *text, const char *realm,
                             krbrepl__buf *hold, krbrepl_errinfo *ei);
/* Equal but for the type. */
int krbrepl__hdb_princ_equal(const krbrepl__hdb_princ *a, const krbrepl__hdb_princ *b);

#endif
