/* heimdal.h: databases of Heimdal in a krbrepl store: records, the files of kadmin and hprop, the log of iprop.
 *
 * A realm's database is the table `hdb`. Its keys and values are those of Heimdal's own database, byte for byte:
 * the key is a principal in DER with name type 0, the value an entry in DER, or an alias, which leads to an entry.
 * docs/records-heimdal.md says more.
 *
 * The library needs libkrbrepl and nothing of Heimdal. It encrypts and decrypts nothing by itself: keys stay as they
 * are, unless the host hands over functions that know the master key. Threads, fork, memory and growth of structs are as krbrepl.h says. */
#ifndef KRBREPL_HEIMDAL_H
#define KRBREPL_HEIMDAL_H

#include <krbrepl/error.h>
#include <krbrepl/export.h>
#include <krbrepl/store.h>
#include <krbrepl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KRBREPL_HEIMDAL_TABLE "hdb"

/* ---- records -------------------------------------------------------------------------------- */

/* Writes one line for people about a record of table `hdb`: its name, key version and encryption types, flags,
 * times, aliases, who changed it last. No byte of a key or of a salt is in it, and control characters are
 * replaced. Returns the length of the line as snprintf does, even when it does not fit into `room`; FORMAT when
 * the value is no record (then `buf` says so). */
KRBREPL_API int krbrepl_heimdal_describe(krbrepl_bytes key, krbrepl_bytes value, char *buf,
                                         size_t room);

/* The master key of the database, as the host has it. Encryption is that of Kerberos with key usage 0x484442. Each
 * function writes at most `*len` bytes to `out`, sets `*len`, and answers 0, or any other value to end the work
 * with HOST and that value as host_code. */
typedef struct krbrepl_heimdal_cipher {
    size_t size;
    /* Encrypts under the newest master key, and says its number. */
    int (*seal)(void *ctx, krbrepl_bytes in, void *out, size_t *len, uint64_t *mkvno);
    /* Decrypts. `etype` is the type of the key inside, which says how long it is; 0 for a password, which ends
     * with a NUL. */
    int (*unseal)(void *ctx, uint64_t mkvno, int64_t etype, krbrepl_bytes in, void *out, size_t *len);
    void *ctx; /* of both */
} krbrepl_heimdal_cipher;

/* ---- the files of kadmin and hprop ------------------------------------------------------------ */

enum krbrepl_heimdal_format {
    KRBREPL_HEIMDAL_DUMP = 1, /* text, of `kadmin -l dump`, with the keys decrypted or not */
    KRBREPL_HEIMDAL_HPROP = 2 /* entries in DER, of `hprop --stdout` */
};

/* What a file is, by its first bytes: one of the above, 0 when it is neither. */
KRBREPL_API int krbrepl_heimdal_format_of(const void *first, size_t len);

/* Put the records of the file into the database and leave all others alone. Without it the file replaces the
 * table. */
#define KRBREPL_HEIMDAL_LOAD_UPDATE 1u

typedef struct krbrepl_heimdal_load_options {
    size_t size;
    uint64_t flags;  /* KRBREPL_HEIMDAL_LOAD_... */
    uint64_t format; /* enum krbrepl_heimdal_format; 0: what the file is */
    const char *who; /* as in krbrepl_txn_options */
    const char *why; /* NULL: "load FILE" */
    /* How far the work is, in entries: "check", "read", then the phases of krbrepl_load_commit. May be NULL. */
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    /* One line that an operator should read; the work goes on. May be NULL. */
    void (*note)(void *ctx, const char *text);
    void *ctx; /* of both */
    const krbrepl_heimdal_cipher
        *cipher; /* keys in clear are encrypted before they are stored; NULL: they are not */
} krbrepl_heimdal_load_options;

typedef struct krbrepl_heimdal_load_result {
    size_t size;
    krbrepl_pos pos;  /* the position of the database with the file in it */
    uint64_t kind;    /* enum krbrepl_commit_kind; 0: the content was equal, no commit was made */
    uint64_t commits; /* how many were made; more than one only by an update or a replay */
    uint64_t format;  /* enum krbrepl_heimdal_format */
    uint64_t entries; /* in the file */
    uint64_t aliases; /* that these entries have */
    uint64_t clear;   /* keys in the file that are not under a master key */
    uint64_t added;   /* records, aliases among them, against the content before */
    uint64_t changed;
    uint64_t deleted;
} krbrepl_heimdal_load_result;

/* Loads a file. "-" is standard input, not for an update, which reads the file twice. `opt` and `out` may be NULL.
 *
 * A malformed or truncated file is refused (INPUT) with its name, the place and the reason, before anything is
 * changed. So is one that names an entry twice, and, as a replacement, one without any entry. The aliases of an
 * entry become records of their own, as they do in Heimdal. An update that does not fit into one commit is made in
 * several; a failure between them leaves the earlier ones. */
KRBREPL_API int krbrepl_heimdal_load(krbrepl_store *s, const char *file,
                                     const krbrepl_heimdal_load_options *opt,
                                     krbrepl_heimdal_load_result *out, krbrepl_errinfo *ei);

typedef struct krbrepl_heimdal_dump_options {
    size_t size;
    uint64_t format; /* enum krbrepl_heimdal_format; 0: the text */
    void (*progress)(void *ctx, const char *phase, uint64_t done,
                     uint64_t total); /* "write", entries */
    void (*note)(void *ctx, const char *text);
    void *ctx; /* of both */
    const krbrepl_heimdal_cipher
        *cipher; /* keys are written in clear; NULL: as they are in the store */
} krbrepl_heimdal_dump_options;

typedef struct krbrepl_heimdal_dump_result {
    size_t size;
    krbrepl_pos pos; /* what was written is the content at this position */
    uint64_t entries;
    uint64_t bytes;
} krbrepl_heimdal_dump_result;

/* Writes the table as `kadmin -l dump` or `hprop --stdout` do, for `kadmin -l load` and `hpropd --stdin`. "-" is
 * standard output. A file appears whole or not at all: it is written as FILE.tmp (0600), synced and renamed.
 * Aliases are part of their entries. The text has no place for a list of encryption types and for fields of
 * later releases: `note` tells when an entry loses some. `opt` and `out` may be NULL. */
KRBREPL_API int krbrepl_heimdal_dump(krbrepl_store *s, const char *file,
                                     const krbrepl_heimdal_dump_options *opt,
                                     krbrepl_heimdal_dump_result *out, krbrepl_errinfo *ei);

/* ---- the log of iprop ------------------------------------------------------------------------- */

/* A record of the log. Borrowed until the callback returns. */
typedef struct krbrepl_heimdal_log_record {
    size_t size;
    uint64_t version;
    uint64_t time;    /* seconds since 1970 */
    uint64_t op;      /* 1 delete, 2 create, 3 rename, 5 modify, 10 nop */
    uint64_t mask;    /* of a modify: which fields */
    const char *name; /* of the entry, as kadmin writes names; of a rename, the new one; "" for a nop */
    const char *from; /* of a rename: the old name; else "" */
    krbrepl_bytes entry; /* in DER; empty for delete and nop */
    uint64_t offset;     /* in the file */
    uint64_t length;     /* of the whole record */
} krbrepl_heimdal_log_record;

/* What the log as a whole says. */
typedef struct krbrepl_heimdal_log_info {
    size_t size;
    uint64_t version;     /* of the database: that of the last confirmed record */
    uint64_t time;        /* of that record */
    uint64_t first;       /* version of the oldest record; 0: there is none */
    uint64_t records;     /* confirmed ones */
    uint64_t end;         /* offset behind the last confirmed record */
    uint64_t unconfirmed; /* bytes behind it: records that a writer has not finished */
    uint64_t flags;       /* KRBREPL_HEIMDAL_LOG_... */
} krbrepl_heimdal_log_info;

/* The log begins with an ordinary record, as those of releases before 7 do. */
#define KRBREPL_HEIMDAL_LOG_OLD 1u

/* Answer 0 to go on; anything else ends the walk and is its result. */
typedef int krbrepl_heimdal_log_fn(void *ctx, const krbrepl_heimdal_log_record *rec);

/* Reads a log file of Heimdal's and calls `fn` (may be NULL) for its confirmed records with versions from `from`
 * to `to` (0: the last). The file is only read, without a lock. The whole of it is checked: INPUT names the
 * offset at which a record is damaged, or its version is not the one that follows. `info` may be NULL. IO. */
KRBREPL_API int krbrepl_heimdal_log_each(const char *file, uint64_t from, uint64_t to,
                                         krbrepl_heimdal_log_fn *fn, void *ctx,
                                         krbrepl_heimdal_log_info *info, krbrepl_errinfo *ei);

typedef struct krbrepl_heimdal_replay_options {
    size_t size;
    uint64_t from, to; /* versions; 0: the oldest, the last */
    const char *who;   /* as in krbrepl_txn_options */
    const char *why;   /* NULL: "replay FILE to N" */
    const krbrepl_heimdal_cipher
        *cipher; /* keys in clear are encrypted before they are stored; NULL: they are not */
} krbrepl_heimdal_replay_options;

typedef struct krbrepl_heimdal_replay_result {
    size_t size;
    krbrepl_pos pos;
    uint64_t commits;
    uint64_t records;                 /* of the log that were read */
    uint64_t applied;                 /* of those, the ones that had an effect when their turn came */
    uint64_t version;                 /* of the last one */
    uint64_t added, changed, deleted; /* records of the store, in the end */
} krbrepl_heimdal_replay_result;

/* Does to the store what the records of a log say, by Heimdal's own rules. The log is checked whole first. What
 * counts is the outcome: records that end as they were (but for the generation, which Heimdal counts at each
 * store) are not touched, so that replaying a log twice changes nothing the second time. NOT_MASTER, FENCED,
 * INPUT as above. */
KRBREPL_API int krbrepl_heimdal_replay(krbrepl_store *s, const char *file,
                                       const krbrepl_heimdal_replay_options *opt,
                                       krbrepl_heimdal_replay_result *out, krbrepl_errinfo *ei);

#ifdef __cplusplus
}
#endif

#endif
