/* pair.h: a master's and a replica's session over plain channels, with stores in memory and a clock that
 * the test moves. */
#ifndef KRBREPL_TEST_PAIR_H
#define KRBREPL_TEST_PAIR_H

#include "test.h"

#include "frame.h"
#include "memport.h"
#include "msg.h"
#include "plainchan.h"
#include "session.h"

#define MASTER_NAME "krbrepl/master@EXAMPLE.ORG"
#define REPLICA_NAME "krbrepl/replica@EXAMPLE.ORG"

typedef struct pair {
    memstore ms, rs;
    krbrepl__port mp, rp;
    krbrepl__sess *m, *r;
    uint64_t now;
    uint64_t window;
    uint64_t master_window; /* the master's own limit; 0: `window`, as the replica's */
    uint64_t lifetime_s;
    size_t piece; /* bytes in one feed; 0: what there is */
    int cut;      /* nothing travels */
    const uint8_t *want_id;
    uint64_t asks; /* of the replica */
    int all;       /* the same: no repair */
    krbrepl__log log;
    int worst_level; /* of the lines logged; the smallest is the worst */
    char worst[1024];
} pair;

/* Stores: an empty replica, and a master whose commit 1 made it (id 7, lineage 1). */
void pair_init(pair *p);
void pair_free(pair *p);
/* The same for a test of its own, whose state it is. */
int pair_setup(void **state);
int pair_teardown(void **state);
/* From the beginning, for a test that has many. */
void pair_anew(pair *p);
#define PAIR(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
/* Opens both sessions; those that were open are dropped. The replica waits for go. */
void pair_open(pair *p);
void pair_open_one(pair *p, int master);
void pair_drop(pair *p);
/* Moves bytes and lets both work until nothing happens any more. */
void pair_run(pair *p);
/* pair_open, go and pair_run. */
void pair_meet(pair *p);
/* The master makes a commit and tells its session. */
void pair_commit(pair *p, const char *key, const char *value);
/* One step in one direction: at most n bytes. Answers how many. */
size_t pair_move(pair *p, int from_master, size_t n);

const krbrepl__sess_info *info(krbrepl__sess *s);
#define assert_up(p)                                                     \
    do {                                                                 \
        assert_int_equal(info((p)->m)->phase, KRBREPL__SESS_STREAMING);  \
        assert_int_equal(info((p)->r)->phase, KRBREPL__SESS_STREAMING);  \
        assert_true(mem_equal(&(p)->ms, &(p)->rs));                      \
        assert_int_equal(info((p)->m)->durable, (p)->ms.local.pos.seq);  \
        assert_int_equal(info((p)->m)->received, (p)->ms.local.pos.seq); \
        assert_int_equal(info((p)->m)->applied, (p)->ms.local.pos.seq);  \
    } while (0)
/* Both ends are closed for `code`, which the master (by_master) or the replica saw first. */
void assert_refused(pair *p, int code, int by_master);

/* ---- an end that the test plays itself ------------------------------------------------------- */

/* Feeds one frame to `s`. */
int say(pair *p, krbrepl__sess *s, unsigned type, const void *msg);
int say_raw(pair *p, krbrepl__sess *s, unsigned type, unsigned flags, const void *body, size_t n);
/* Feeds the plain channel's name, so that `s` is secured. */
void introduce(pair *p, krbrepl__sess *s, const char *name);
/* The next frame that `s` has sent, consumed with `drop`; 0 when there is none. Skips the channel's name. */
int hear(krbrepl__sess *s, krbrepl__frame *f);
void drop(krbrepl__sess *s, const krbrepl__frame *f);

#endif
