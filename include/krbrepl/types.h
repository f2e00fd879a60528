/* types.h: the values that cross the library's door: bytes, positions, changes, commits. */
#ifndef KRBREPL_TYPES_H
#define KRBREPL_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <krbrepl/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Prepares a sized struct: everything zero (the default), `size` set. */
#define KRBREPL_INIT(p) (memset((p), 0, sizeof *(p)), (void)((p)->size = sizeof *(p)))

/* True when a struct that the library handed out is new enough to hold field `f`. */
#define KRBREPL_HAS(p, f) \
    ((size_t)((const char *)&(p)->f - (const char *)(p)) + sizeof(p)->f <= (p)->size)

/* A borrowed view of bytes. `data` may be NULL when `len` is 0. Frozen. */
typedef struct krbrepl_bytes {
    const void *data;
    size_t len;
} krbrepl_bytes;

/* A point in the life of one database. Equal positions mean equal content. Frozen.
 * seq 0 with a zero lineage is the position of a store that holds nothing yet. */
typedef struct krbrepl_pos {
    uint8_t lineage[16]; /* random id of the history; new at create, restore and promotion */
    uint64_t epoch;      /* raised by every promotion */
    uint64_t seq;        /* number of the last commit; they have no gaps */
    uint8_t chain[32];   /* hash over all commits so far */
} krbrepl_pos;

enum krbrepl_op { KRBREPL_PUT = 1, KRBREPL_DELETE = 2 };

/* One changed record: the whole record after the change, so that applying it twice is harmless.
 * `table` is a name of 1 to 32 bytes out of [a-z0-9_-]; `key` has 1 to 65,535 bytes; `value` up to
 * KRBREPL_MAX_VALUE bytes (empty for a delete). */
typedef struct krbrepl_change {
    size_t size;
    const char *table;
    krbrepl_bytes key;
    krbrepl_bytes value;
    uint64_t op; /* enum krbrepl_op */
} krbrepl_change;

#define KRBREPL_MAX_TABLE 32u
#define KRBREPL_MAX_KEY 65535u
#define KRBREPL_MAX_VALUE (16u << 20)
/* Limits of one commit: more is KRBREPL_ERR_TOOBIG. */
#define KRBREPL_MAX_COMMIT (64u << 20)
#define KRBREPL_MAX_CHANGES 65536u

enum krbrepl_commit_kind {
    KRBREPL_COMMIT_CHANGES = 1, /* a group of changes */
    KRBREPL_COMMIT_RESET = 2,   /* the content was replaced: count and digest root, no changes */
    KRBREPL_COMMIT_LINEAGE = 3  /* promotion, restore and the like */
};

enum krbrepl_lineage_cause {
    KRBREPL_CAUSE_CREATE = 1,
    KRBREPL_CAUSE_PROMOTE = 2,
    KRBREPL_CAUSE_DEMOTE = 3,
    KRBREPL_CAUSE_RESTORE = 4,
    KRBREPL_CAUSE_RESOLVE = 5
};

/* A commit as the journal holds it. Handed out by the library; borrowed until the callback returns. */
typedef struct krbrepl_commit {
    size_t size;
    uint64_t kind;       /* enum krbrepl_commit_kind */
    krbrepl_pos pos;     /* the position after this commit */
    int64_t time_us;     /* wall clock of the master, microseconds since 1970 */
    uint64_t cumulative; /* changes in the history up to and including this commit */
    const char *who;     /* the principal or user that made it; never NULL */
    const char *why;     /* the operation; never NULL */
    const krbrepl_change *const *changes;
    uint64_t nchanges;
    uint64_t records; /* reset: how many records the new content has */
    uint8_t root[32]; /* reset: digest root of the new content */
    uint64_t cause;   /* lineage: enum krbrepl_lineage_cause */
    uint64_t bytes;   /* length of the encoded commit */
} krbrepl_commit;

enum krbrepl_role {
    KRBREPL_ROLE_UNSET = 0,
    KRBREPL_ROLE_MASTER = 1,
    KRBREPL_ROLE_REPLICA = 2,
    KRBREPL_ROLE_FENCED = 3 /* was master; a master with a higher epoch exists */
};

/* "unset", "master", "replica", "fenced"; "unknown" for any other number. Static. */
KRBREPL_API const char *krbrepl_role_name(uint64_t role);

/* What an acknowledgment of a replica says. */
enum krbrepl_level {
    KRBREPL_LEVEL_RECEIVED = 1, /* it has the commit in memory */
    KRBREPL_LEVEL_DURABLE = 2,  /* a crash of the replica does not lose it */
    KRBREPL_LEVEL_APPLIED = 3   /* readers at the replica see it */
};

#ifdef __cplusplus
}
#endif

#endif
