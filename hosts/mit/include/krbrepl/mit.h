/* mit.h: databases of MIT krb5 in a krbrepl store: records, dump files, master keys.
 *
 * A realm's database is two tables. `principal` holds one record for each principal; its key is the
 * unparsed name with its realm and backslash escapes. `policy` holds one record for each policy; its
 * key is the policy's name. The values are described in docs/records-mit.md. The three values that
 * each KDC counts for itself (last success, last failure, failed attempts) are no part of the record:
 * they stand in the local entry beside it (krbrepl_local_put), which does not travel.
 *
 * The library reads and writes these records and the files of `kdb5_util dump`. It needs libkrbrepl
 * and nothing of krb5. Threads, fork, memory and growth of structs are as krbrepl.h says. */
#ifndef KRBREPL_MIT_H
#define KRBREPL_MIT_H

#include <krbrepl/error.h>
#include <krbrepl/export.h>
#include <krbrepl/store.h>
#include <krbrepl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KRBREPL_MIT_TABLE_PRINCIPAL "principal"
#define KRBREPL_MIT_TABLE_POLICY "policy"

/* ---- records -------------------------------------------------------------------------------- */

/* Tagged data, or one part of a key: a type (signed, 16 bits) and at most 65,535 bytes. Frozen. */
typedef struct krbrepl_mit_item {
    int64_t type;
    krbrepl_bytes data;
} krbrepl_mit_item;

/* One key. Part 0 is the encryption type and the key, encrypted in the master key; part 1 is the salt
 * type and the salt, and is there only when `version` is 2. Frozen. */
typedef struct krbrepl_mit_key {
    uint64_t version; /* 1 or 2 */
    uint64_t kvno;    /* 16 bits */
    krbrepl_mit_item part[2];
} krbrepl_mit_key;

/* A principal, without its name and without what is local to a node. */
typedef struct krbrepl_mit_principal {
    size_t size;
    int32_t attributes; /* flags, as the dump prints them */
    int32_t max_life;
    int32_t max_renewable_life;
    uint32_t expiration;
    uint32_t pw_expiration;
    uint32_t base_length; /* 16 bits; 38 in every database seen */
    const krbrepl_mit_item *tl;
    size_t ntl; /* at most 32,767 */
    const krbrepl_mit_key *keys;
    size_t nkeys; /* at most 32,767 */
    krbrepl_bytes extra;
} krbrepl_mit_principal;

/* A policy, without its name. */
typedef struct krbrepl_mit_policy {
    size_t size;
    uint32_t min_life;
    uint32_t max_life;
    uint32_t min_length;
    uint32_t min_classes;
    uint32_t history;
    uint32_t references; /* not used by krb5 any more; 0 */
    uint32_t max_failures;
    uint32_t failure_interval;
    uint32_t lockout_duration;
    uint32_t attributes;
    uint32_t max_ticket_life;
    uint32_t max_renewable_life;
    krbrepl_bytes keysalts; /* allowed key/salt types; `data` NULL: any */
    const krbrepl_mit_item *tl;
    size_t ntl; /* at most 32,767 */
} krbrepl_mit_policy;

/* What a KDC keeps about a principal for itself. Frozen. */
typedef struct krbrepl_mit_lockout {
    uint32_t last_success;
    uint32_t last_failed;
    uint32_t failures;
} krbrepl_mit_lockout;

/* Length of an encoded krbrepl_mit_lockout, the local entry of a principal. */
#define KRBREPL_MIT_LOCKOUT_LEN 16u

/* Takes a value of table `principal` apart. The struct is the library's, to be given back with
 * krbrepl_mit_principal_free; the bytes it points to are borrowed from `value`. FORMAT for a newer
 * version of the record and for bytes that are no record; NOMEM. `ei` may be NULL here and below. */
KRBREPL_API int krbrepl_mit_principal_decode(krbrepl_bytes value, krbrepl_mit_principal **out,
                                             krbrepl_errinfo *ei);
KRBREPL_API void krbrepl_mit_principal_free(krbrepl_mit_principal *p);
/* Makes the value. `*out` is the library's, to be given back with krbrepl_mit_free. INVALID names the
 * member that does not fit into a record; TOOBIG; NOMEM; ABI. Decoding and encoding a value gives the
 * same bytes. */
KRBREPL_API int krbrepl_mit_principal_encode(const krbrepl_mit_principal *p, void **out, size_t *len,
                                             krbrepl_errinfo *ei);

/* The same for table `policy`. */
KRBREPL_API int krbrepl_mit_policy_decode(krbrepl_bytes value, krbrepl_mit_policy **out,
                                          krbrepl_errinfo *ei);
KRBREPL_API void krbrepl_mit_policy_free(krbrepl_mit_policy *p);
KRBREPL_API int krbrepl_mit_policy_encode(const krbrepl_mit_policy *p, void **out, size_t *len,
                                          krbrepl_errinfo *ei);

/* The local entry of a principal. FORMAT when the bytes are none. */
KRBREPL_API int krbrepl_mit_lockout_decode(krbrepl_bytes value, krbrepl_mit_lockout *out);
KRBREPL_API void krbrepl_mit_lockout_encode(const krbrepl_mit_lockout *in,
                                            uint8_t out[KRBREPL_MIT_LOCKOUT_LEN]);

/* Wipes and frees what an encode function made. NULL is fine. */
KRBREPL_API void krbrepl_mit_free(void *p, size_t len);

/* Writes one line for people about a record of either table: key versions and encryption types,
 * policy, attributes, times, who changed it last. No byte of a key or of a salt is in it, and control
 * characters are replaced. Returns the length of the line as snprintf does, even when it does not fit
 * into `room`; FORMAT when the value is no record (then `buf` says so), INVALID for another table. */
KRBREPL_API int krbrepl_mit_describe(const char *table, krbrepl_bytes key, krbrepl_bytes value,
                                     char *buf, size_t room);

/* ---- dump files ----------------------------------------------------------------------------- */

/* Put the records of the file into the database and leave all others alone, as
 * `kdb5_util load -update` does. Without it the file replaces the tables principal and policy. */
#define KRBREPL_MIT_LOAD_UPDATE 1u

typedef struct krbrepl_mit_load_options {
    size_t size;
    uint64_t flags;  /* KRBREPL_MIT_LOAD_... */
    const char *who; /* as in krbrepl_txn_options */
    const char *why; /* NULL: "load FILE" */
    /* How far the work is. `phase` is "check" (an update reads the file twice), "read" (both in bytes;
     * `total` is 0 for a pipe), then the phases of krbrepl_load_commit, then "local" (in principals).
     * May be NULL. */
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    /* One line that an operator should read; the work goes on. May be NULL. */
    void (*note)(void *ctx, const char *text);
    void *ctx; /* of both */
} krbrepl_mit_load_options;

typedef struct krbrepl_mit_load_result {
    size_t size;
    krbrepl_pos pos;     /* the position of the database with the file in it */
    uint64_t kind;       /* enum krbrepl_commit_kind; 0: the content was equal, no commit was made */
    uint64_t commits;    /* how many were made; more than one only by an update */
    uint64_t version;    /* of the file's format: 4 to 7, 0 for a file made for iprop */
    uint64_t principals; /* in the file */
    uint64_t policies;   /* in the file */
    uint64_t added;      /* records, against the content before */
    uint64_t changed;
    uint64_t deleted;
} krbrepl_mit_load_result;

/* Loads a file made by `kdb5_util dump` (formats 4 to 7 and those made for iprop). "-" is standard
 * input, not for an update, which reads the file twice. `opt` and `out` may be NULL.
 *
 * A malformed or truncated file is refused (INPUT) with its name, the line and the reason, before
 * anything is changed. So is one that names a record twice, and, as a replacement, one without any
 * principal. FORMAT for a format that is not read. An update that does not fit into one commit is made
 * in several, each as large as a commit can be; a failure between them leaves the earlier ones.
 *
 * The local entries of the principals in the file are then set from it, unless it was made for iprop,
 * whose files do not hold these values. */
KRBREPL_API int krbrepl_mit_load(krbrepl_store *s, const char *file,
                                 const krbrepl_mit_load_options *opt, krbrepl_mit_load_result *out,
                                 krbrepl_errinfo *ei);

typedef struct krbrepl_mit_dump_options {
    size_t size;
    /* Where to write instead of a file: 0, or any other value to end the work with HOST and that value
     * as host_code. Used when `file` is NULL. */
    int (*write)(void *ctx, const void *data, size_t len);
    void (*progress)(void *ctx, const char *phase, uint64_t done,
                     uint64_t total); /* "write", records */
    void (*note)(void *ctx, const char *text);
    void *ctx; /* of all three */
} krbrepl_mit_dump_options;

typedef struct krbrepl_mit_dump_result {
    size_t size;
    krbrepl_pos pos; /* what was written is the content at this position */
    uint64_t principals;
    uint64_t policies;
    uint64_t bytes;
} krbrepl_mit_dump_result;

/* Writes the database as `kdb5_util dump` does (format 7), with this node's lockout values. "-" is
 * standard output. A file appears whole or not at all: it is written as FILE.tmp (0600), synced and
 * renamed; FILE.dump_ok is kept as kdb5_util keeps it, so that kprop takes the file. LOCKED when
 * another dump to the same name is under way. `opt` and `out` may be NULL. */
KRBREPL_API int krbrepl_mit_dump(krbrepl_store *s, const char *file,
                                 const krbrepl_mit_dump_options *opt, krbrepl_mit_dump_result *out,
                                 krbrepl_errinfo *ei);

/* ---- the master key ------------------------------------------------------------------------- */

/* The newest key version of the master key principal K/M in the database. `realm` NULL takes the first
 * K/M there is. NOTFOUND when there is none. */
KRBREPL_API int krbrepl_mit_mkey_kvno(krbrepl_store *s, const char *realm, uint64_t *kvno,
                                      krbrepl_errinfo *ei);

/* The newest key version of K/M in a stash file, which is a keytab. `realm` NULL takes every K/M.
 * NOTFOUND when there is no such file, or no K/M in it; FORMAT when it is no keytab (kdb5_util of a
 * release before 1.7 wrote stash files without a version); IO. `enctype` may be NULL. */
KRBREPL_API int krbrepl_mit_stash_kvno(const char *path, const char *realm, uint64_t *kvno,
                                       int64_t *enctype, krbrepl_errinfo *ei);

#ifdef __cplusplus
}
#endif

#endif
