/* A peer that breaks the protocol of a repair: it is told so, nothing of it stays, and it takes no more memory
 * than it may. */
#include "pair.h"

#include "walkmsg.h"

#define FEATURES (KRBREPL__FEATURE_CHECK | KRBREPL__FEATURE_REPAIR)

static void assert_ended(krbrepl__sess *s, int code)
{
    assert_int_equal(info(s)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(info(s)->err, code);
    assert_int_equal(info(s)->by_peer, 0);
}

static void twins(pair *p, unsigned n)
{
    char key[40], value[40];
    unsigned i;

    for (i = 0; i < n; i++) {
        snprintf(key, sizeof key, "user%06u@EXAMPLE.ORG", i);
        snprintf(value, sizeof value, "secret %u", i);
        mem_commit(&p->ms, key, value, strlen(value));
    }
    mem_free(&p->rs);
    mem_copy(&p->rs, &p->ms);
    p->rs.local.role = KRBREPL_ROLE_REPLICA;
    p->asks = KRBREPL_COPY_DIFFERS;
}

/* ---- a master under a hostile replica ------------------------------------------------------- */

static void hello_of(pair *p, krbrepl__hello *h)
{
    memset(h, 0, sizeof *h);
    h->version = 1;
    h->features = FEATURES;
    h->role = KRBREPL_ROLE_REPLICA;
    h->window = p->window;
    h->epoch = p->ms.local.known_epoch;
    h->pos = p->ms.local.pos;
    h->has = KRBREPL__HAS(KRBREPL__TAG_ASKS);
    h->asks = KRBREPL_COPY_DIFFERS;
    snprintf(h->name, sizeof h->name, "evil");
}

static void hush(krbrepl__sess *s)
{
    krbrepl__frame f;

    while (hear(s, &f) == 1)
        drop(s, &f);
}

/* A master that has begun a repair and waits for asks; all it has said is read. */
static void master_asked(pair *p, uint64_t features, uint64_t asks)
{
    krbrepl__hello h;

    pair_drop(p);
    pair_open_one(p, 1);
    introduce(p, p->m, REPLICA_NAME);
    hello_of(p, &h);
    h.features = features;
    h.asks = asks;
    assert_int_equal(say(p, p->m, KRBREPL__FRAME_HELLO, &h), 0);
    while (krbrepl__sess_work(p->m, p->now) != 0)
        hush(p->m);
    hush(p->m);
}

/* Says an ASK that is made of these bytes. */
static int ask(pair *p, const char *bytes, size_t n)
{
    return say_raw(p, p->m, KRBREPL__FRAME_ASK, 0, bytes, n);
}
#define ASK(p, literal) ask(p, literal, sizeof(literal) - 1)

typedef struct bytes {
    const char *at;
    size_t n;
} bytes;
#define B(literal)                   \
    {                                \
        literal, sizeof(literal) - 1 \
    }

static void an_ask_with_any_field_wrong_ends_the_session(void **state)
{
    pair *p = *state;
    static const bytes bad[] = {
        B(""),
        B("\1"),
        B("\1\1"),                                         /* no level */
        B("\1\1\1"),                                       /* no node */
        B("\1\1\0\0\0\0\0"),                               /* level 0 has no children */
        B("\1\1\x11\0\0\0\0"),                             /* above the top */
        B("\1\1\xff\0\0\0\0"),                             /* far above */
        B("\1\1\1\0\0\0"),                                 /* cut */
        B("\1\1\1\0\0\0\0\0"),                             /* cut */
        B("\1\1\1\xff\xff\xff\xff"),                       /* no such node */
        B("\1\1\1\0\0\0\1\0\0\0\0"),                       /* descending */
        B("\1\1\1\0\0\0\1\0\0\0\1"),                       /* twice */
        B("\2\1"),                                         /* no leaf */
        B("\2\1\0\0\0"),                                   /* cut */
        B("\2\1\0\1\0\0"),                                 /* no such leaf */
        B("\2\1\xff\xff\xff\xff\0\0\0\0"),                 /* the index must not wrap */
        B("\2\1\0\0\0\2\0\0\0\1"),                         /* descending */
        B("\3\1"),                                         /* no record */
        B("\3\1\0\0\0\0\0\0"),                             /* none of this leaf */
        B("\3\1\0\0\0\0\0\1ABCDEFG"),                      /* cut */
        B("\3\1\0\0\0\0\xff\xffSALTEDXX"),                 /* says more than there is */
        B("\3\1\0\1\0\0\0\1SALTEDXX"),                     /* no such leaf */
        B("\3\1\0\0\0\1\0\1SALTEDXX\0\0\0\0\0\1SALTEDXX"), /* descending */
        B("\3\1\0\0\0\0\0\2SALTEDXXSALTEDXX"),             /* twice */
        B("\3\1\0\0\0\0\0\2SALTEDXYSALTEDXX"),             /* descending */
        B("\4\1\0"),                                       /* ALL has no items */
        B("\5\1\0"),                                       /* and neither has DONE */
        B("\0\1\0\0\0\0"),
        B("\6\1"),
        B("\xff\1"),

    };
    size_t i;

    twins(p, 2000);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
        ask(p, bad[i].at, bad[i].n);
        if (info(p->m)->phase != KRBREPL__SESS_CLOSED)
            fail_msg("ask %zu was taken", i);
        assert_ended(p->m, KRBREPL_ERR_PROTO);
        assert_false(p->ms.entered);
    }
}

static void an_ask_that_nobody_expects_ends_the_session(void **state)
{
    pair *p = *state;

    twins(p, 500);
    master_asked(p, KRBREPL__FEATURE_CHECK, KRBREPL_COPY_DIFFERS); /* a full copy */
    ASK(p, "\5\1");
    assert_ended(p->m, KRBREPL_ERR_PROTO);
    master_asked(p, FEATURES, 0); /* a stream */
    ASK(p, "\5\0");
    assert_ended(p->m, KRBREPL_ERR_PROTO);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    assert_int_equal(ASK(p, "\5\1"), 0);
    ASK(p, "\5\1"); /* once more */
    assert_ended(p->m, KRBREPL_ERR_PROTO);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    assert_int_equal(ASK(p, "\5\1"), 0);
    krbrepl__sess_work(p->m, p->now);
    ASK(p, "\5\1"); /* after the end */
    assert_ended(p->m, KRBREPL_ERR_PROTO);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    assert_int_equal(ASK(p, "\4\1"), 0);
    krbrepl__sess_work(p->m, p->now);
    ASK(p, "\2\1\0\0\0\0"); /* everything comes already */
    assert_ended(p->m, KRBREPL_ERR_PROTO);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    assert_int_equal(ASK(p, "\2\1\0\0\0\0"), 0);
    ASK(p, "\4\1"); /* too late for everything */
    assert_ended(p->m, KRBREPL_ERR_PROTO);
}

static void an_ask_of_an_earlier_walk_is_passed_over(void **state)
{
    pair *p = *state;

    twins(p, 500);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    assert_int_equal(ASK(p, "\2\0\0\0\0\0"), 0);
    assert_int_equal(ASK(p, "\1\2\1\xff\xff\xff\xff"), 0);
    assert_false(krbrepl__sess_work(p->m, p->now));
    assert_int_equal(info(p->m)->copy_asks, 0);
}

static void only_four_asks_wait_for_an_answer(void **state)
{
    pair *p = *state;
    int i;

    twins(p, 500);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    for (i = 0; i < 4; i++)
        assert_int_equal(ASK(p, "\2\1\0\0\0\0"), 0);
    ASK(p, "\2\1\0\0\0\0");
    assert_ended(p->m, KRBREPL_ERR_PROTO);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    for (i = 0; i < 4; i++)
        assert_int_equal(ASK(p, "\2\1\0\0\0\0"), 0);
    assert_int_equal(ASK(p, "\5\1"), 0); /* is not answered */
    while (krbrepl__sess_work(p->m, p->now) != 0)
        continue;
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_COPYING);
    assert_false(p->ms.entered); /* COPY_END is sent */
}

static void a_replica_that_reads_nothing_costs_no_memory(void **state)
{
    pair *p = *state;
    krbrepl__buf b;
    uint32_t i;
    int n;

    twins(p, 20000);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    krbrepl__buf_init(&b, 0);
    krbrepl__ask_begin(&b, KRBREPL__ASK_LEAVES, 1, 0);
    for (i = 0; i < krbrepl__ftree_count(p->ms.snap.tree, 0) && b.len <= 16380; i++)
        krbrepl__buf_u32(&b, i);
    for (n = 0; n < 4; n++)
        assert_int_equal(say_raw(p, p->m, KRBREPL__FRAME_ASK, 0, b.data, b.len), 0);
    for (n = 0; n < 10000 && krbrepl__sess_work(p->m, p->now) != 0; n++)
        continue;
    assert_true(krbrepl__sess_out(p->m)->len < KRBREPL__SESS_OUT_MAX + 65536);
    krbrepl__buf_free(&b);
}

static int (*real_pick)(void *, krbrepl_bytes, krbrepl_bytes, const krbrepl__wanted *, size_t,
                        krbrepl__buf *, krbrepl__ckey *, krbrepl_pos *);
static unsigned picks;

static int counted_pick(void *ctx, krbrepl_bytes from, krbrepl_bytes to, const krbrepl__wanted *wanted,
                        size_t max, krbrepl__buf *out, krbrepl__ckey *next, krbrepl_pos *at)
{
    picks++;
    return real_pick(ctx, from, to, wanted, max, out, next, at);
}

/* One small ask may name a leaf a thousand times, and each time the leaf is read. */
static void an_ask_for_what_is_not_there_takes_no_more_than_a_few_reads_of_a_turn(void **state)
{
    pair *p = *state;
    unsigned i, turns = 0;
    krbrepl__buf b;

    twins(p, 2000);
    real_pick = p->mp.pick;
    p->mp.pick = counted_pick;
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    krbrepl__buf_init(&b, 0);
    krbrepl__ask_begin(&b, KRBREPL__ASK_RECORDS, 1, 0);
    for (i = 0; i < 1000; i++)
        krbrepl__ask_put_records(&b, 1, (const uint8_t *)"SALTEDXX", 1);
    assert_int_equal(say_raw(p, p->m, KRBREPL__FRAME_ASK, 0, b.data, b.len), 0);
    picks = 0;
    for (i = 0; i < 1000; i = picks, turns++) {
        krbrepl__sess_work(p->m, p->now);
        assert_in_range(picks, i + 1, i + 64);
    }
    assert_int_equal(picks, 1000);
    assert_true(turns >= 15);
    krbrepl__buf_free(&b);
}

/* Each comparison costs the master a proof, and every other replica its own. */
static void a_replica_that_asks_to_be_compared_all_the_time_is_heard_once_a_second(void **state)
{
    pair *p = *state;
    krbrepl__check c = {0};
    int i;

    twins(p, 100);
    master_asked(p, FEATURES, 0);
    for (i = 0; i < 1000; i++)
        assert_int_equal(say(p, p->m, KRBREPL__FRAME_CHECK, &c), 0);
    assert_int_equal(info(p->m)->check_asks, 1);
    for (i = 0; i < 100; i++) {
        p->now += 100;
        assert_int_equal(say(p, p->m, KRBREPL__FRAME_CHECK, &c), 0);
    }
    assert_int_equal(info(p->m)->check_asks, 11);
}

/* ---- a replica that keeps its place ---------------------------------------------------------- */

#define STALL_MS 600000u

/* The replica lives: it is heard every ten seconds. */
static void let_pass(pair *p, uint64_t ms)
{
    krbrepl__ping ping = {0};

    for (; ms >= 10000 && info(p->m)->phase != KRBREPL__SESS_CLOSED; ms -= 10000) {
        p->now += 10000;
        say(p, p->m, KRBREPL__FRAME_PING, &ping);
        krbrepl__sess_work(p->m, p->now);
        hush(p->m);
    }
}

static void a_replica_that_asks_for_nothing_loses_its_place(void **state)
{
    pair *p = *state;

    twins(p, 500);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    assert_true(p->ms.entered);
    let_pass(p, STALL_MS - 10000);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_COPYING);
    assert_true(krbrepl__sess_deadline(p->m) <= p->now + 10000);
    let_pass(p, 10000);
    assert_ended(p->m, KRBREPL_ERR_TIMEOUT);
    assert_false(info(p->m)->refused);
    assert_false(p->ms.entered);
}

static void a_replica_that_asks_now_and_then_keeps_its_place(void **state)
{
    pair *p = *state;
    int i;

    twins(p, 500);
    master_asked(p, FEATURES, KRBREPL_COPY_DIFFERS);
    for (i = 0; i < 5; i++) {
        let_pass(p, STALL_MS - 10000);
        assert_int_equal(info(p->m)->phase, KRBREPL__SESS_COPYING);
        assert_int_equal(ASK(p, "\2\1\0\0\0\0"), 0);
    }
    /* What is of an earlier walk is no sign that it goes on. */
    let_pass(p, STALL_MS / 2);
    assert_int_equal(ASK(p, "\2\0\0\0\0\0"), 0);
    let_pass(p, STALL_MS / 2);
    assert_ended(p->m, KRBREPL_ERR_TIMEOUT);
}

static void a_replica_that_takes_nothing_of_a_full_copy_loses_its_place(void **state)
{
    pair *p = *state;
    krbrepl__ack a = {.processed = 4096};

    twins(p, 2000);
    p->window = 4096;
    master_asked(p, KRBREPL__FEATURE_CHECK, KRBREPL_COPY_DIFFERS);
    assert_true(p->ms.entered);
    let_pass(p, STALL_MS - 10000);
    assert_int_equal(say(p, p->m, KRBREPL__FRAME_ACK, &a), 0);
    let_pass(p, STALL_MS - 10000);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_COPYING);
    assert_int_equal(say(p, p->m, KRBREPL__FRAME_ACK, &a), 0); /* nothing more */
    let_pass(p, 10000);
    assert_ended(p->m, KRBREPL_ERR_TIMEOUT);
    assert_false(p->ms.entered);
}

/* ---- a replica under a hostile master ------------------------------------------------------- */

/* One frame of the master that is forged on its way. */
typedef struct forgery {
    unsigned type, kind; /* of the frame; kind of a TREE, 0: any */
    int nth;             /* the how manieth of these, from 0 */
    void (*forge)(krbrepl__buf *body);
    int code; /* what the replica says */
} forgery;

typedef struct middle {
    const forgery *f;
    int seen, forged, named;
} middle;

static int is_it(middle *m, const krbrepl__frame *f)
{
    if (f->type != m->f->type || (m->f->kind != 0 && ((const uint8_t *)f->body.data)[0] != m->f->kind))
        return 0;
    return m->seen++ == m->f->nth;
}

/* Carries whole frames of the master to the replica. Answers whether there were any. */
static int carry(pair *p, middle *m)
{
    krbrepl__buf *out = krbrepl__sess_out(p->m), body;
    krbrepl__frame f;
    int any = 0;

    if (!m->named && out->len != 0)
        pair_move(p, 1, 1u + out->data[0]);
    m->named = 1;
    krbrepl__buf_init(&body, 0);
    while (info(p->r)->phase != KRBREPL__SESS_CLOSED && hear(p->m, &f) == 1) {
        krbrepl__buf_reset(&body);
        krbrepl__buf_bytes(&body, f.body.data, f.body.len);
        if (is_it(m, &f)) {
            m->f->forge(&body);
            m->forged = 1;
        }
        say_raw(p, p->r, f.type, f.flags, body.data, body.len);
        drop(p->m, &f);
        any = 1;
    }
    krbrepl__buf_free(&body);
    return any;
}

/* A replica that differs in a few places, repaired through a forger. */
static void repair_through(pair *p, const forgery *f)
{
    middle m = {.f = f};
    int more = 1;

    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    while (more) {
        more = carry(p, &m);
        more |= pair_move(p, 0, SIZE_MAX) != 0;
        more |= krbrepl__sess_work(p->m, p->now);
        more |= krbrepl__sess_work(p->r, p->now);
    }
    if (!m.forged)
        fail_msg("there was no such frame");
}

static void swap16(krbrepl__buf *b, size_t at, unsigned v)
{
    b->data[at] = (uint8_t)(v >> 8);
    b->data[at + 1] = (uint8_t)v;
}

static void cut_one(krbrepl__buf *b)
{
    krbrepl__buf_cut(b, b->len - 1);
}

static void cut_to_head(krbrepl__buf *b)
{
    krbrepl__buf_cut(b, 2);
}

static void cut_all(krbrepl__buf *b)
{
    krbrepl__buf_cut(b, 0);
}

static void add_one(krbrepl__buf *b)
{
    krbrepl__buf_u8(b, 0);
}

static void kind_0(krbrepl__buf *b)
{
    b->data[0] = 0;
}

static void kind_5(krbrepl__buf *b)
{
    b->data[0] = 5;
}

static void kind_other(krbrepl__buf *b)
{
    b->data[0] = b->data[0] == 1 ? 2 : 1;
}

static void kind_records(krbrepl__buf *b)
{
    cut_to_head(b);
    b->data[0] = KRBREPL__TREE_RECORDS;
    b->data[1] = 1;
}

static void kind_start(krbrepl__buf *b)
{
    b->data[0] = KRBREPL__TREE_START;
    krbrepl__buf_cut(b, 3);
    krbrepl__buf_bytes(b, "SALTEDXXSALTEDXY", 16);
}

static void last_other(krbrepl__buf *b)
{
    b->data[1] ^= 1;
}

static void last_2(krbrepl__buf *b)
{
    b->data[1] = 2;
}

static void level_up(krbrepl__buf *b)
{
    b->data[2] = (uint8_t)(b->data[2] + 3);
}

static void level_255(krbrepl__buf *b)
{
    b->data[2] = 255;
}

static void start_of_257(krbrepl__buf *b)
{
    krbrepl__buf_cut(b, 3);
    while (b->len < 3 + 257 * 8)
        krbrepl__buf_u64(b, b->len);
}

static void start_of_one(krbrepl__buf *b)
{
    krbrepl__buf_cut(b, 3 + 8);
}

static void node_number_is_low(krbrepl__buf *b)
{
    size_t second = 2 + 5 + (size_t)b->data[6] * 8;

    memcpy(b->data + second, b->data + 2, 4);
}

static void node_number_wraps(krbrepl__buf *b)
{
    memset(b->data + 2, 0xff, 4);
}

static void node_without_children(krbrepl__buf *b)
{
    size_t n = (size_t)b->data[6] * 8;

    memmove(b->data + 7, b->data + 7 + n, b->len - 7 - n);
    krbrepl__buf_cut(b, b->len - n);
    b->data[6] = 0;
}

static void node_of_129(krbrepl__buf *b)
{
    uint8_t one[8];

    krbrepl__buf_cut(b, 7);
    b->data[6] = 129;
    memset(one, 5, sizeof one);
    while (b->len < 7 + 129 * 8)
        krbrepl__buf_bytes(b, one, 8);
}

static void node_more(krbrepl__buf *b)
{
    krbrepl__buf_bytes(b, "\x7f\xff\xff\xff\1SALTEDXX", 13);
}

static void leaf_other(krbrepl__buf *b)
{
    b->data[5] ^= 0x40;
}

static size_t from_len(const krbrepl__buf *b)
{
    return (size_t)b->data[6] << 8 | b->data[7];
}

static void leaf_begins_behind_its_end(krbrepl__buf *b)
{
    b->data[8 + 12] = 0xff;
}

static void leaf_begins_at_the_beginning(krbrepl__buf *b)
{
    size_t n = from_len(b);

    memmove(b->data + 8, b->data + 8 + n, b->len - 8 - n);
    krbrepl__buf_cut(b, b->len - n);
    swap16(b, 6, 0);
}

static void leaf_goes_to_the_end(krbrepl__buf *b)
{
    size_t at = 8 + from_len(b), n = (size_t)b->data[at] << 8 | b->data[at + 1];

    memmove(b->data + at + 2, b->data + at + 2 + n, b->len - at - 2 - n);
    krbrepl__buf_cut(b, b->len - n);
    swap16(b, at, 0);
}

static void leaf_begins_too_low(krbrepl__buf *b)
{
    size_t at = 8 + from_len(b), second;

    at += 2 + ((size_t)b->data[at] << 8 | b->data[at + 1]);
    second = at + 2 + 8 * ((size_t)b->data[at] << 8 | b->data[at + 1]);
    b->data[second + 6 + 4] = '\1';
}

static void leaf_of_129(krbrepl__buf *b)
{
    size_t at = 8 + from_len(b);

    at += 2 + ((size_t)b->data[at] << 8 | b->data[at + 1]);
    krbrepl__buf_cut(b, at);
    krbrepl__buf_u16(b, 129);
    while (b->len < at + 2 + 129 * 8)
        krbrepl__buf_u64(b, b->len);
}

static void leaf_with_a_long_key(krbrepl__buf *b)
{
    uint8_t key[500];

    memset(key, 'p', sizeof key);
    krbrepl__buf_cut(b, 6);
    krbrepl__buf_vec16(b, key, 481);
    krbrepl__buf_vec16(b, "q", 1);
    krbrepl__buf_u16(b, 0);
}

static void part(krbrepl__buf *b, uint32_t leaf, unsigned from, unsigned to, unsigned n)
{
    char f[20], t[20];

    snprintf(f, sizeof f, "principa%08u", from);
    snprintf(t, sizeof t, "principa%08u", to);
    krbrepl__buf_u32(b, leaf);
    krbrepl__buf_vec16(b, f, strlen(f));
    krbrepl__buf_vec16(b, t, strlen(t));
    krbrepl__buf_u16(b, n);
    while (n-- != 0)
        krbrepl__buf_u64(b, (uint64_t)from << 32 | n);
}

/* The first leaf, in parts that have more records than a leaf may have. */
static void leaf_without_end(krbrepl__buf *b)
{
    uint32_t leaf = krbrepl__get_u32(b->data + 2);
    unsigned i;

    krbrepl__buf_cut(b, 2);
    b->data[1] = 0;
    for (i = 0; i < 33; i++)
        part(b, leaf, i, i + 1, 128);
}

static void leaf_with_a_gap(krbrepl__buf *b)
{
    uint32_t leaf = krbrepl__get_u32(b->data + 2);

    krbrepl__buf_cut(b, 2);
    b->data[1] = 0;
    part(b, leaf, 1, 2, 3);
    part(b, leaf, 3, 4, 3);
}

static void record_of_another_value(krbrepl__buf *b)
{
    b->data[b->len - 1] ^= 1;
}

static void record_without_a_table(krbrepl__buf *b)
{
    b->data[4] = 0;
}

static void records_back_to_front(krbrepl__buf *b)
{
    krbrepl__buf copy;
    krbrepl__rd r;
    krbrepl_bytes k, v, k2, v2;

    krbrepl__buf_init(&copy, 0);
    krbrepl__buf_bytes(&copy, b->data, b->len);
    krbrepl__rd_init(&r, copy.data, copy.len);
    k = krbrepl__rd_vec32(&r);
    v = krbrepl__rd_vec32(&r);
    k2 = krbrepl__rd_vec32(&r);
    v2 = krbrepl__rd_vec32(&r);
    assert_int_equal(r.err, 0);
    krbrepl__buf_cut(b, 0);
    krbrepl__buf_vec32(b, k2.data, k2.len);
    krbrepl__buf_vec32(b, v2.data, v2.len);
    krbrepl__buf_vec32(b, k.data, k.len);
    krbrepl__buf_vec32(b, v.data, v.len);
    krbrepl__buf_bytes(b, r.p, r.left);
    krbrepl__buf_free(&copy);
}

static void record_twice(krbrepl__buf *b)
{
    krbrepl__rd r;
    krbrepl_bytes k, v;
    krbrepl__buf copy;

    krbrepl__buf_init(&copy, 0);
    krbrepl__rd_init(&r, b->data, b->len);
    k = krbrepl__rd_vec32(&r);
    v = krbrepl__rd_vec32(&r);
    krbrepl__buf_vec32(&copy, k.data, k.len);
    krbrepl__buf_vec32(&copy, v.data, v.len);
    krbrepl__buf_bytes(b, copy.data, copy.len);
    krbrepl__buf_free(&copy);
}

static void one_record_more(krbrepl__buf *b)
{
    b->data[b->len - 1]++;
}

/* COPY_BEGIN: the field LEVELS is 12 bytes before SALT, which is 20 at the end. */
static void levels_0(krbrepl__buf *b)
{
    b->data[b->len - 21] = 0;
}

static void levels_18(krbrepl__buf *b)
{
    b->data[b->len - 21] = 18;
}

static void no_salt(krbrepl__buf *b)
{
    krbrepl__buf_cut(b, b->len - 20);
}

static void no_levels(krbrepl__buf *b)
{
    memmove(b->data + b->len - 32, b->data + b->len - 20, 20);
    krbrepl__buf_cut(b, b->len - 12);
}

static void after_too(krbrepl__buf *b)
{
    uint8_t tail[32];

    memcpy(tail, b->data + b->len - 32, 32);
    krbrepl__buf_cut(b, b->len - 32);
    krbrepl__buf_u16(b, KRBREPL__TAG_AFTER);
    krbrepl__buf_vec16(b, "key", 3);
    krbrepl__buf_bytes(b, tail, 32);
}

static void after_that_nobody_has(krbrepl__buf *b)
{
    krbrepl__buf_cut(b, b->len - 32);
    krbrepl__buf_u16(b, KRBREPL__TAG_AFTER);
    krbrepl__buf_vec16(b, "key", 3);
}

static void short_salt(krbrepl__buf *b)
{
    b->data[b->len - 17] = 15;
    krbrepl__buf_cut(b, b->len - 1);
}

#define TREE(kind, nth, forge)                                                   \
    {                                                                            \
        KRBREPL__FRAME_TREE, KRBREPL__TREE_##kind, nth, forge, KRBREPL_ERR_PROTO \
    }
#define OTHER(type, nth, forge)                                 \
    {                                                           \
        KRBREPL__FRAME_##type, 0, nth, forge, KRBREPL_ERR_PROTO \
    }

static const forgery forgeries[] = {
    TREE(START, 0, cut_one),
    TREE(START, 0, cut_to_head),
    TREE(START, 0, cut_all),
    TREE(START, 0, add_one),
    TREE(START, 0, kind_0),
    TREE(START, 0, kind_5),
    TREE(START, 0, kind_other),
    TREE(START, 0, kind_records),
    TREE(START, 0, last_other),
    TREE(START, 0, last_2),
    TREE(START, 0, level_up),
    TREE(START, 0, level_255),
    TREE(START, 0, start_of_257),
    TREE(START, 0, start_of_one),
    TREE(NODES, 0, cut_one),
    TREE(NODES, 0, cut_to_head),
    TREE(NODES, 0, cut_all),
    TREE(NODES, 0, add_one),
    TREE(NODES, 0, kind_0),
    TREE(NODES, 0, kind_other),
    TREE(NODES, 0, kind_records),
    TREE(NODES, 0, kind_start),
    TREE(NODES, 0, last_other),
    TREE(NODES, 0, last_2),
    TREE(NODES, 0, node_number_is_low),
    TREE(NODES, 0, node_number_wraps),
    TREE(NODES, 0, node_without_children),
    TREE(NODES, 0, node_of_129),
    TREE(NODES, 0, node_more),
    TREE(LEAVES, 0, cut_one),
    TREE(LEAVES, 0, cut_to_head),
    TREE(LEAVES, 0, cut_all),
    TREE(LEAVES, 0, add_one),
    TREE(LEAVES, 0, kind_other),
    TREE(LEAVES, 0, kind_records),
    TREE(LEAVES, 0, last_2),
    TREE(LEAVES, 0, leaf_other),
    TREE(LEAVES, 0, leaf_begins_behind_its_end),
    TREE(LEAVES, 0, leaf_begins_at_the_beginning),
    TREE(LEAVES, 0, leaf_goes_to_the_end),
    TREE(LEAVES, 0, leaf_begins_too_low),
    TREE(LEAVES, 0, leaf_of_129),
    TREE(LEAVES, 0, leaf_with_a_long_key),
    TREE(LEAVES, 0, leaf_without_end),
    TREE(LEAVES, 0, leaf_with_a_gap),
    TREE(RECORDS, 0, cut_one),
    TREE(RECORDS, 0, add_one),
    TREE(RECORDS, 0, last_other),
    TREE(RECORDS, 0, kind_other),
    OTHER(COPY_SLICE, 0, record_of_another_value),
    OTHER(COPY_SLICE, 0, record_without_a_table),
    OTHER(COPY_SLICE, 0, records_back_to_front),
    OTHER(COPY_SLICE, 0, record_twice),
    OTHER(COPY_SLICE, 0, cut_one),
    OTHER(COPY_END, 0, one_record_more),
    OTHER(COPY_BEGIN, 0, levels_0),
    OTHER(COPY_BEGIN, 0, levels_18),
    OTHER(COPY_BEGIN, 0, no_salt),
    OTHER(COPY_BEGIN, 0, no_levels),
    OTHER(COPY_BEGIN, 0, after_too),
    OTHER(COPY_BEGIN, 0, after_that_nobody_has),
    OTHER(COPY_BEGIN, 0, short_salt),
};

static void an_answer_with_any_field_wrong_ends_the_session(void **state)
{
    pair *p = *state;
    memstore before;
    size_t i;

    twins(p, 6000);
    for (i = 305; i < 6000; i += 700) { /* none in the first leaf */
        mem_alter(&p->rs, i, "forged");
        mem_alter(&p->rs, i + 1, "forged");
    }
    mem_copy(&before, &p->rs);
    for (i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        pair_drop(p);
        memrecs_free(&p->rs.stage);
        repair_through(p, &forgeries[i]);
        if (info(p->r)->err != forgeries[i].code || info(p->r)->by_peer)
            fail_msg("forgery %zu of %u/%u was taken: %s", i, forgeries[i].type, forgeries[i].kind,
                     info(p->r)->text);
        assert_int_equal(info(p->r)->phase, KRBREPL__SESS_CLOSED);
        assert_true(mem_equal(&before, &p->rs));
        assert_false(p->rs.building);
        assert_null(p->rs.own);
        assert_int_equal(p->rs.switches, 0);
    }
    mem_free(&before);
}

static void nothing_of_a_tree_is_taken_that_was_not_asked_for(void **state)
{
    static const bytes unasked[] = {
        B("\1\1\0\0\0\0\1SALTEDXX"),
        B("\2\1\0\0\0\0\0\0\0\0\0\0"),
        B("\3\1"),
        B("\4\1\0SALTEDXX"),
    };
    size_t i;
    int how;
    pair p;

    (void)state;
    for (how = 0; how < 2; how++) {
        pair_init(&p);
        twins(&p, 500);
        if (how == 1)
            p.rp.own_tree = NULL;
        p.asks = 0;
        for (i = 0; i < sizeof unasked / sizeof unasked[0]; i++) {
            pair_meet(&p);
            assert_up(&p);
            say_raw(&p, p.r, KRBREPL__FRAME_TREE, 0, unasked[i].at, unasked[i].n);
            assert_ended(p.r, KRBREPL_ERR_PROTO);
        }
        pair_free(&p);
    }
}

/* Runs a repair until the replica asks for leaves; that ask is not carried any further. */
static uint32_t until_leaves_are_asked(pair *p)
{
    krbrepl__frame f;
    krbrepl__ask a;
    uint32_t leaf = 0;
    int i;

    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    pair_move(p, 0, 1u + krbrepl__sess_out(p->r)->data[0]);
    for (i = 0; i < 1000; i++) {
        while (hear(p->r, &f) == 1) {
            if (f.type == KRBREPL__FRAME_ASK && krbrepl__ask_open(f.body, &a) == 0 &&
                a.kind == KRBREPL__ASK_LEAVES && krbrepl__ask_index(&a, &leaf) == 1) {
                drop(p->r, &f);
                return leaf;
            }
            say_raw(p, p->m, f.type, f.flags, f.body.data, f.body.len);
            drop(p->r, &f);
        }
        krbrepl__sess_work(p->m, p->now);
        pair_move(p, 1, SIZE_MAX);
        krbrepl__sess_work(p->r, p->now);
    }
    fail_msg("no leaf was asked for");
    return 0;
}

static void a_leaf_without_end_is_not_listened_to(void **state)
{
    pair *p = *state;
    krbrepl__buf b;
    uint32_t leaf;
    unsigned n;

    twins(p, 6000);
    mem_alter(&p->rs, 3000, "forged");
    leaf = until_leaves_are_asked(p);
    krbrepl__buf_init(&b, 0);
    for (n = 0; n < 100 && info(p->r)->phase != KRBREPL__SESS_CLOSED; n++) {
        krbrepl__buf_reset(&b);
        krbrepl__buf_u8(&b, KRBREPL__TREE_LEAVES);
        krbrepl__buf_u8(&b, 0);
        part(&b, leaf, n, n + 1, 128);
        say_raw(p, p->r, KRBREPL__FRAME_TREE, 0, b.data, b.len);
    }
    assert_ended(p->r, KRBREPL_ERR_PROTO);
    assert_int_equal(n, KRBREPL__WALK_LEAF / 128 + 1);
    krbrepl__buf_free(&b);
}

static void records_of_a_repair_that_were_not_asked_for_end_the_session(void **state)
{
    pair *p = *state;
    int i;

    twins(p, 500);
    mem_alter(&p->rs, 100, "forged");
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    for (i = 0; i < 100 && info(p->r)->copy_asks == 0; i++) {
        pair_move(p, 1, SIZE_MAX);
        krbrepl__sess_work(p->r, p->now);
        if (info(p->r)->copy_asks != 0)
            break;
        pair_move(p, 0, SIZE_MAX);
        krbrepl__sess_work(p->m, p->now);
    }
    assert_int_equal(info(p->r)->copy_asks, 1);
    say_raw(p, p->r, KRBREPL__FRAME_COPY_SLICE, 0, "\0\0\0\3a\0b\0\0\0\0", 11);
    assert_ended(p->r, KRBREPL_ERR_PROTO);
}

static void the_end_of_a_repair_before_it_was_asked_for_ends_the_session(void **state)
{
    pair *p = *state;
    krbrepl__copy_end e = {0};

    twins(p, 500);
    mem_alter(&p->rs, 100, "forged");
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    while (info(p->r)->copies == 0) {
        pair_move(p, 0, SIZE_MAX);
        krbrepl__sess_work(p->m, p->now);
        pair_move(p, 1, SIZE_MAX);
    }
    e.pos = p->ms.local.pos;
    say(p, p->r, KRBREPL__FRAME_COPY_END, &e);
    assert_ended(p->r, KRBREPL_ERR_PROTO);
}

/* Plays a master that claims a tree without end. Answers how many nodes it was asked about. */
static void answer_nodes_without_end(pair *p, const krbrepl__frame *f)
{
    krbrepl__buf b;
    krbrepl__ask a;
    uint32_t i, k;
    uint64_t d = 1;

    assert_int_equal(krbrepl__ask_open(f->body, &a), 0);
    krbrepl__buf_init(&b, 0);
    while (krbrepl__ask_index(&a, &i) == 1) {
        if (b.len == 0) {
            krbrepl__buf_u8(&b, KRBREPL__TREE_NODES);
            krbrepl__buf_u8(&b, 0);
        }
        krbrepl__buf_u32(&b, i * 128);
        krbrepl__buf_u8(&b, 128);
        for (k = 0; k < 128; k++)
            krbrepl__buf_u64(&b, d++ << 20 | i);
        b.data[1] = a.rd.left == 0;
        if (b.len > 60000 || a.rd.left == 0) {
            if (say_raw(p, p->r, KRBREPL__FRAME_TREE, 0, b.data, b.len) != 0)
                break;
            krbrepl__buf_reset(&b);
        }
    }
    krbrepl__buf_free(&b);
}

/* A replica to which the test begins a repair by a tree of so many levels. */
static void replica_begins(pair *p, unsigned levels)
{
    krbrepl__welcome w;
    krbrepl__copy_start c;

    pair_open_one(p, 0);
    krbrepl__sess_go(p->r, p->now);
    introduce(p, p->r, MASTER_NAME);
    hush(p->r);
    memset(&w, 0, sizeof w);
    w.version = 1;
    w.features = FEATURES;
    memcpy(w.database_id, p->rs.local.database_id, 16);
    w.epoch = p->rs.local.known_epoch;
    w.pos = p->rs.local.pos;
    w.follows = KRBREPL__FOLLOWS_COPY;
    w.has = KRBREPL__HAS(KRBREPL__TAG_REASON);
    w.reason = KRBREPL_COPY_DIFFERS;
    assert_int_equal(say(p, p->r, KRBREPL__FRAME_WELCOME, &w), 0);
    memset(&c, 0, sizeof c);
    c.pos = w.pos;
    c.reason = KRBREPL_COPY_DIFFERS;
    c.has = KRBREPL__HAS(KRBREPL__TAG_LEVELS) | KRBREPL__HAS(KRBREPL__TAG_SALT);
    c.levels = levels;
    assert_int_equal(say(p, p->r, KRBREPL__FRAME_COPY_BEGIN, &c), 0);
}

/* Ranges that list nothing count for nothing, and there may be as many as there are keys. */
static void a_leaf_without_end_is_not_kept(void **state)
{
    pair *p = *state;
    uint64_t key = 0, sent = 0;
    krbrepl__buf b;
    char k[20];

    twins(p, 500);
    replica_begins(p, 1);
    assert_int_equal(say_raw(p, p->r, KRBREPL__FRAME_TREE, 0, "\4\1\0SALTEDXX", 11), 0);
    while (krbrepl__sess_work(p->r, p->now) != 0)
        continue;
    assert_int_equal(info(p->r)->copy_asks, 1);
    krbrepl__buf_init(&b, 0);
    while (info(p->r)->phase == KRBREPL__SESS_COPYING && sent < (128u << 20)) {
        krbrepl__buf_reset(&b);
        krbrepl__buf_u8(&b, KRBREPL__TREE_LEAVES);
        krbrepl__buf_u8(&b, 0);
        while (b.len < 60000) {
            krbrepl__buf_u32(&b, 0);
            krbrepl__buf_vec16(
                &b, k,
                key == 0 ? 0 : (size_t)snprintf(k, sizeof k, "%016llx", (unsigned long long)key));
            key++;
            krbrepl__buf_vec16(&b, k,
                               (size_t)snprintf(k, sizeof k, "%016llx", (unsigned long long)key));
            krbrepl__buf_u16(&b, 0);
        }
        sent += b.len;
        say_raw(p, p->r, KRBREPL__FRAME_TREE, 0, b.data, b.len);
    }
    assert_ended(p->r, KRBREPL_ERR_PROTO);
    assert_true(sent <= (33u << 20));
    krbrepl__buf_free(&b);
}

static void a_tree_without_end_is_not_walked(void **state)
{
    pair *p = *state;
    krbrepl__frame f;
    krbrepl__buf b;
    unsigned kind = 0;
    uint64_t i;

    twins(p, 500);
    replica_begins(p, 17);
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_bytes(&b, "\4\1\x0f", 3);
    for (i = 0; i < 256; i++)
        krbrepl__buf_u64(&b, i);
    assert_int_equal(say_raw(p, p->r, KRBREPL__FRAME_TREE, 0, b.data, b.len), 0);
    krbrepl__buf_free(&b);
    for (i = 0; i < 100000 && kind != KRBREPL__ASK_ALL; i++) {
        krbrepl__sess_work(p->r, p->now);
        while (hear(p->r, &f) == 1) {
            if (f.type == KRBREPL__FRAME_ASK) {
                kind = ((const uint8_t *)f.body.data)[0];
                if (kind == KRBREPL__ASK_NODES)
                    answer_nodes_without_end(p, &f);
            }
            drop(p->r, &f);
        }
        assert_int_equal(info(p->r)->phase, KRBREPL__SESS_COPYING);
    }
    assert_int_equal(kind, KRBREPL__ASK_ALL);
    assert_int_equal(p->rs.mode, KRBREPL__COPY_WHOLE);
    assert_int_equal(p->rs.puts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(an_ask_with_any_field_wrong_ends_the_session),
        PAIR(an_ask_that_nobody_expects_ends_the_session),
        PAIR(an_ask_of_an_earlier_walk_is_passed_over),
        PAIR(only_four_asks_wait_for_an_answer),
        PAIR(a_replica_that_reads_nothing_costs_no_memory),
        PAIR(an_ask_for_what_is_not_there_takes_no_more_than_a_few_reads_of_a_turn),
        PAIR(a_replica_that_asks_to_be_compared_all_the_time_is_heard_once_a_second),
        PAIR(a_replica_that_asks_for_nothing_loses_its_place),
        PAIR(a_replica_that_asks_now_and_then_keeps_its_place),
        PAIR(a_replica_that_takes_nothing_of_a_full_copy_loses_its_place),
        PAIR(an_answer_with_any_field_wrong_ends_the_session),
        cmocka_unit_test(nothing_of_a_tree_is_taken_that_was_not_asked_for),
        PAIR(a_leaf_without_end_is_not_listened_to),
        PAIR(records_of_a_repair_that_were_not_asked_for_end_the_session),
        PAIR(the_end_of_a_repair_before_it_was_asked_for_ends_the_session),
        PAIR(a_leaf_without_end_is_not_kept),
        PAIR(a_tree_without_end_is_not_walked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
