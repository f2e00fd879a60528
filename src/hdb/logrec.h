/* logrec.h: records of Heimdal's log, as they stand in its file and travel in iprop.
 *
 * u32 version, u32 time, u32 operation, u32 length, payload, u32 length, u32 version. Operations and their
 * payloads: delete: name. create: entry. rename: old name, new entry. modify: u32 mask, entry (whole).
 * nop: nothing, or bytes without a meaning for the content. Names are in the form of the log, entries in DER. */
#ifndef KRBREPL__HDB_LOGREC_H
#define KRBREPL__HDB_LOGREC_H

#include "entry.h"

enum krbrepl__hdb_op {
    KRBREPL__HDB_OP_GET = 0, /* in no log */
    KRBREPL__HDB_OP_DELETE = 1,
    KRBREPL__HDB_OP_CREATE = 2,
    KRBREPL__HDB_OP_RENAME = 3,
    KRBREPL__HDB_OP_MODIFY = 5,
    KRBREPL__HDB_OP_NOP = 10
};

/* Bits of the mask of a modify. */
#define KRBREPL__HDB_MASK_PRINCIPAL 0x000001u
#define KRBREPL__HDB_MASK_VALID_END 0x000002u
#define KRBREPL__HDB_MASK_PW_END 0x000004u
#define KRBREPL__HDB_MASK_ATTRIBUTES 0x000010u
#define KRBREPL__HDB_MASK_MAX_LIFE 0x000020u
#define KRBREPL__HDB_MASK_MOD_TIME 0x000040u
#define KRBREPL__HDB_MASK_MOD_NAME 0x000080u
#define KRBREPL__HDB_MASK_KVNO 0x000100u
#define KRBREPL__HDB_MASK_MAX_RENEW 0x002000u
#define KRBREPL__HDB_MASK_KEY_DATA 0x020000u
#define KRBREPL__HDB_MASK_TL_DATA 0x040000u
/* All that a modify can change. */
#define KRBREPL__HDB_MASK_ALL                                                                \
    (KRBREPL__HDB_MASK_VALID_END | KRBREPL__HDB_MASK_PW_END | KRBREPL__HDB_MASK_ATTRIBUTES | \
     KRBREPL__HDB_MASK_MAX_LIFE | KRBREPL__HDB_MASK_MOD_TIME | KRBREPL__HDB_MASK_MOD_NAME |  \
     KRBREPL__HDB_MASK_KVNO | KRBREPL__HDB_MASK_MAX_RENEW | KRBREPL__HDB_MASK_KEY_DATA |     \
     KRBREPL__HDB_MASK_TL_DATA)

#define KRBREPL__HDB_REC_OVERHEAD 24u /* bytes of a record beside its payload */
#define KRBREPL__HDB_HEADER_LEN 40u   /* bytes of the first record of a log file */

/* One record. Bytes are borrowed from what it was read from. */
typedef struct krbrepl__hdb_rec {
    uint32_t version;
    uint32_t time;
    uint32_t op;
    uint32_t mask;                /* of a modify */
    krbrepl__hdb_princ name;      /* the one deleted, the old one of a rename, else that of the entry */
    krbrepl_bytes der;            /* the entry; of create, rename, modify */
    krbrepl__hdb_entry entry;     /* the same, read */
    krbrepl_bytes payload, whole; /* the record's inside, and all of it */
} krbrepl__hdb_rec;

/* Takes one record off `r`. PROTO with what is wrong, also when it ends too early or the operation is one that
 * no log has. `r` is where it was after a failure. */
int krbrepl__hdb_rec_read(krbrepl__rd *r, krbrepl__hdb_rec *rec, krbrepl_errinfo *ei);
/* Length of the record that begins with these 16 bytes; PROTO when `max` is less. */
int krbrepl__hdb_rec_len(const uint8_t first[16], size_t max, size_t *len);

/* Each appends one record. */
void krbrepl__hdb_rec_delete(krbrepl__buf *b, uint32_t version, uint32_t time,
                             const krbrepl__hdb_princ *name);
void krbrepl__hdb_rec_create(krbrepl__buf *b, uint32_t version, uint32_t time, krbrepl_bytes entry);
void krbrepl__hdb_rec_rename(krbrepl__buf *b, uint32_t version, uint32_t time,
                             const krbrepl__hdb_princ *from, krbrepl_bytes entry);
void krbrepl__hdb_rec_modify(krbrepl__buf *b, uint32_t version, uint32_t time, uint32_t mask,
                             krbrepl_bytes entry);
void krbrepl__hdb_rec_nop(krbrepl__buf *b, uint32_t version, uint32_t time);
/* One that a slave of Heimdal's passes over when it has the version, and else stops at for good. */
void krbrepl__hdb_rec_stop(krbrepl__buf *b, uint32_t version, uint32_t time);

/* The first record of a log file. */
typedef struct krbrepl__hdb_header {
    uint64_t end;     /* offset behind the last confirmed record */
    uint32_t time;    /* of that record */
    uint32_t version; /* of that record: the version of the database */
} krbrepl__hdb_header;
/* PROTO when these are not the bytes of one. */
int krbrepl__hdb_header_read(const uint8_t in[KRBREPL__HDB_HEADER_LEN], krbrepl__hdb_header *out);
void krbrepl__hdb_header_write(krbrepl__buf *b, const krbrepl__hdb_header *h);

#endif
