/* msg.h: the messages that are made of fields: all but COMMITS, COPY_SLICE, ASK and TREE, which
 * carry raw bytes.
 *
 *   body  := field ...            in the order of their tags, each at most once
 *   field := tag:u16 value:vec16
 *
 * A tag means the same in every message. Its highest bit says that a receiver that does not know the
 * tag must refuse; unknown tags without it are skipped. A number is 8 bytes, an id 16, a chain 32, a
 * position and an ancestry as in pos.h, a list of marks is n x (seq:u64 chain[32]), a canonical key its
 * 1 to 480 bytes. */
#ifndef KRBREPL__MSG_H
#define KRBREPL__MSG_H

#include "buf.h"
#include "ckey.h"
#include "pos.h"

#define KRBREPL__PROTOCOL 1u /* the version in HELLO and WELCOME */
#define KRBREPL__TAG_REQUIRED 0x8000u
#define KRBREPL__MSG_NAME 255u /* bytes of a node name */
#define KRBREPL__MSG_TEXT 200u /* bytes of a reason in words */
#define KRBREPL__MAX_MARKS 8u

enum krbrepl__tag {
    KRBREPL__TAG_VERSION = 1,
    KRBREPL__TAG_FEATURES = 2,
    KRBREPL__TAG_DATABASE = 3,
    KRBREPL__TAG_EXPECTED = 4,
    KRBREPL__TAG_NAME = 5,
    KRBREPL__TAG_ROLE = 6,
    KRBREPL__TAG_EPOCH = 7,
    KRBREPL__TAG_POS = 8,
    KRBREPL__TAG_ANCESTRY = 9,
    KRBREPL__TAG_MARKS = 10,
    KRBREPL__TAG_WINDOW = 11,
    KRBREPL__TAG_MISSING_MS = 12,
    KRBREPL__TAG_GONE_MS = 13,
    KRBREPL__TAG_FOLLOWS = 14,
    KRBREPL__TAG_FROM = 15,
    KRBREPL__TAG_REASON = 16,
    KRBREPL__TAG_FORK = 17,
    KRBREPL__TAG_CODE = 18,
    KRBREPL__TAG_TEXT = 19,
    KRBREPL__TAG_CUMULATIVE = 20,
    KRBREPL__TAG_RECORDS = 21,
    KRBREPL__TAG_PROCESSED = 22,
    KRBREPL__TAG_RECEIVED = 23,
    KRBREPL__TAG_DURABLE = 24,
    KRBREPL__TAG_APPLIED = 25,
    KRBREPL__TAG_CHAIN = 26,
    KRBREPL__TAG_SEQ = 27,
    KRBREPL__TAG_ROOT = 28,
    KRBREPL__TAG_ASKS = 29,
    KRBREPL__TAG_PARTIAL = 30,
    KRBREPL__TAG_AFTER = 31,
    KRBREPL__TAG_LEVELS = 32,
    KRBREPL__TAG_SALT = 33,
    KRBREPL__TAG_PROMPT = 34
};
#define KRBREPL__HAS(tag) (UINT64_C(1) << (tag))

/* A chain checkpoint. */
typedef struct krbrepl__mark {
    uint64_t seq;
    uint8_t chain[32];
} krbrepl__mark;

typedef struct krbrepl__marks {
    krbrepl__mark at[KRBREPL__MAX_MARKS];
    size_t n;
} krbrepl__marks;

/* A full copy that was cut off. */
typedef struct krbrepl__partial {
    krbrepl_pos pos;     /* of the master, when it began */
    krbrepl_pos upper;   /* of the master: no record was read at a later one */
    krbrepl__ckey after; /* the last record that is there */
} krbrepl__partial;

/* Bits of FEATURES. */
#define KRBREPL__FEATURE_CHECK 1u
#define KRBREPL__FEATURE_REPAIR 2u

enum krbrepl__follows { KRBREPL__FOLLOWS_STREAM = 1, KRBREPL__FOLLOWS_COPY = 2 };

/* Every message begins with `has`: the bits (KRBREPL__HAS) of the fields that are there. Encoding
 * writes a field that a message must have in any case, others when their bit is set. */

typedef struct krbrepl__hello {
    uint64_t has;
    uint64_t version, features;
    uint8_t database_id[16]; /* zero: none yet */
    uint8_t expected_id[16]; /* zero: any */
    char name[KRBREPL__MSG_NAME + 1];
    uint64_t role;
    uint64_t epoch; /* the highest known */
    krbrepl_pos pos;
    krbrepl__ancestry ancestry;
    krbrepl__marks marks; /* newest first */
    uint64_t window;
    uint64_t asks; /* enum krbrepl_copy_reason: a copy is asked for, EMPTY, FORK, FAILED or DIFFERS */
    krbrepl__partial partial;
} krbrepl__hello;

typedef struct krbrepl__welcome {
    uint64_t has;
    uint64_t version, features;
    uint8_t database_id[16];
    char name[KRBREPL__MSG_NAME + 1];
    uint64_t epoch;
    krbrepl_pos pos;
    krbrepl__ancestry ancestry;
    uint64_t missing_ms, gone_ms;
    uint64_t follows; /* enum krbrepl__follows */
    uint64_t from;    /* stream: the first seq */
    uint64_t reason;  /* copy: enum krbrepl_copy_reason */
    uint64_t fork;    /* copy of reason FORK: the last seq that both have */
} krbrepl__welcome;

/* REFUSE and BYE. */
typedef struct krbrepl__parting {
    uint64_t has;
    krbrepl_pos pos; /* REFUSE of AHEAD and DIVERGED: the master's */
    uint64_t fork;   /* the same: the last checkpoint that both are known to have */
    uint64_t code;   /* 0, or the error number without its sign */
    char text[KRBREPL__MSG_TEXT + 1];
} krbrepl__parting;

typedef struct krbrepl__copy_start {
    uint64_t has;
    krbrepl_pos pos;
    krbrepl__ancestry ancestry;
    uint64_t reason, fork, cumulative, records;
    krbrepl__ckey after; /* a copy that is resumed: records behind this one follow */
    uint64_t levels;     /* a repair: of the master's digest tree */
    uint8_t salt[16];    /* the same: of the digests as they travel */
} krbrepl__copy_start;

typedef struct krbrepl__copy_end {
    uint64_t has;
    krbrepl_pos pos;
    uint64_t records; /* sent in slices */
} krbrepl__copy_end;

typedef struct krbrepl__ack {
    uint64_t has;
    uint64_t processed; /* bytes of COMMITS and COPY_SLICE bodies */
    uint64_t received, durable, applied;
    uint8_t chain[32]; /* at `durable` */
} krbrepl__ack;

/* Without a root: the digest at `seq` is about to be computed. With one: this is what it is here. */
typedef struct krbrepl__check {
    uint64_t has;
    uint64_t seq;
    uint8_t root[32];
} krbrepl__check;

/* PING and PONG. */
typedef struct krbrepl__ping {
    uint64_t has;
    krbrepl_pos pos; /* the sender's */
    uint64_t prompt; /* of a master, not 0: RECEIVED is to be acknowledged before anything is written */
} krbrepl__ping;

/* Appends the body of a message of `type` (enum krbrepl__frame_type) to `b`. */
void krbrepl__msg_put(krbrepl__buf *b, unsigned type, const void *msg);

/* Takes a body apart. Texts come out printable. 0; PROTO (malformed, a field is missing); FORMAT: a
 * required field is not known, `*tag` is its tag; NOMEM. Free with krbrepl__msg_free in any case. */
int krbrepl__msg_get(krbrepl_bytes body, unsigned type, void *msg, unsigned *tag);

/* Frees what hangs on a HELLO, WELCOME or COPY_BEGIN. */
void krbrepl__msg_free(unsigned type, void *msg);

#endif
