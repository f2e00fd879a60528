/* entry.h: an entry of Heimdal's database, as the bytes that it is.
 *
 * The value of a record in table `hdb` is what Heimdal's own database holds at that key: an entry, or an
 * alias, which says the name of the entry. Nothing here decodes an entry into parts and makes it anew: its
 * fields are ranges of the bytes it was read from, so that what is not understood is carried along. */
#ifndef KRBREPL__HDB_ENTRY_H
#define KRBREPL__HDB_ENTRY_H

#include "princ.h"

#define KRBREPL__HDB_TABLE "hdb"

/* Fields of an entry by their tag. */
enum krbrepl__hdb_field {
    KRBREPL__HDB_PRINCIPAL = 0,
    KRBREPL__HDB_KVNO = 1,
    KRBREPL__HDB_KEYS = 2,
    KRBREPL__HDB_CREATED_BY = 3,
    KRBREPL__HDB_MODIFIED_BY = 4,
    KRBREPL__HDB_VALID_START = 5,
    KRBREPL__HDB_VALID_END = 6,
    KRBREPL__HDB_PW_END = 7,
    KRBREPL__HDB_MAX_LIFE = 8,
    KRBREPL__HDB_MAX_RENEW = 9,
    KRBREPL__HDB_FLAGS = 10,
    KRBREPL__HDB_ETYPES = 11,
    KRBREPL__HDB_GENERATION = 12,
    KRBREPL__HDB_EXTENSIONS = 13,
    KRBREPL__HDB_NFIELDS = 14
};

/* Kinds of extensions that are looked into. */
enum { KRBREPL__HDB_EXT_PASSWORD = 5, KRBREPL__HDB_EXT_ALIASES = 6, KRBREPL__HDB_EXT_HIST_KEYS = 9 };

/* An entry that was read. All bytes are borrowed from its encoding. */
typedef struct krbrepl__hdb_entry {
    /* The whole field, tag [n] included; NULL: it has none. Replace one with that of another entry and
     * write the entry, and it is changed. */
    krbrepl_bytes field[KRBREPL__HDB_NFIELDS];
    krbrepl_bytes rest; /* fields of later releases, behind the last one known */
    krbrepl__hdb_princ princ;
    uint32_t kvno;
    uint32_t flags;        /* 1u << n for bit n, as HDBFlags counts them */
    krbrepl_bytes aliases; /* Principals in DER, one behind the other; empty: none */
    size_t nkeys;
    size_t clear; /* keys (of the history too) and passwords that are not under a master key */
} krbrepl__hdb_entry;

/* Reads and checks an entry that must fill `der`. PROTO with the field that is wrong. */
int krbrepl__hdb_entry_read(krbrepl__hdb_entry *e, krbrepl_bytes der, krbrepl_errinfo *ei);
/* Is `value` an entry that a database of Heimdal's can hold at this key? */
int krbrepl__hdb_entry_at(krbrepl__hdb_entry *e, krbrepl_bytes key, krbrepl_bytes value);
/* Can a modify make `value` of `was`, both at this key? One of Heimdal's changes neither the creator, the start of
 * validity nor the enctypes, and takes away neither all extensions nor the last modification. It makes nothing of
 * what is no entry; what is an alias before and after it need not change. */
int krbrepl__hdb_modifiable(krbrepl_bytes key, krbrepl_bytes was, krbrepl_bytes value);
/* The encoding, out of `field` and `rest`. */
void krbrepl__hdb_entry_write(krbrepl__buf *b, const krbrepl__hdb_entry *e);
/* The next alias of an entry; 0 at the end. `r` begins as krbrepl__rd_init(&r, aliases.data, aliases.len). */
int krbrepl__hdb_alias_next(krbrepl__rd *r, krbrepl__hdb_princ *alias);

/* What a value of table `hdb` is. */
enum krbrepl__hdb_kind { KRBREPL__HDB_NEITHER = 0, KRBREPL__HDB_ENTRY = 1, KRBREPL__HDB_ALIAS = 2 };
int krbrepl__hdb_kind(krbrepl_bytes value);
/* The value of an alias, and the name it leads to. PROTO. */
void krbrepl__hdb_alias_write(krbrepl__buf *b, const krbrepl__hdb_princ *target);
int krbrepl__hdb_alias_read(krbrepl__hdb_princ *target, krbrepl_bytes value, krbrepl_errinfo *ei);

/* One key of an entry. */
typedef struct krbrepl__hdb_keyrec {
    int sealed;
    uint32_t mkvno; /* when it is sealed */
    int64_t etype;
    krbrepl_bytes octets;
    krbrepl_bytes salt; /* [2] whole; NULL: none */
} krbrepl__hdb_keyrec;
/* The next of a SEQUENCE OF Key that was entered; 0 at the end and after an error. */
int krbrepl__hdb_key_next(krbrepl__rd *r, krbrepl__hdb_keyrec *k);
/* Opens the keys of an entry. */
void krbrepl__hdb_keys(const krbrepl__hdb_entry *e, krbrepl__rd *r);

/* One extension of an entry. */
typedef struct krbrepl__hdb_ext {
    int mandatory;
    unsigned tag;       /* first byte of the choice; KRBREPL__DER_CTX(kind) for those below 31 */
    krbrepl_bytes data; /* what is inside of the choice */
    krbrepl_bytes whole;
} krbrepl__hdb_ext;
void krbrepl__hdb_exts(const krbrepl__hdb_entry *e, krbrepl__rd *r);
int krbrepl__hdb_ext_next(krbrepl__rd *r, krbrepl__hdb_ext *x);

#endif
