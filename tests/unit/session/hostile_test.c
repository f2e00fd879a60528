/* An authenticated peer that breaks the protocol: it is told so, it is logged, and nothing of it stays. */
#include "pair.h"

static void assert_ended(krbrepl__sess *s, int code)
{
    assert_int_equal(info(s)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(info(s)->err, code);
    assert_int_equal(info(s)->by_peer, 0);
}

/* ---- a master under a hostile replica ------------------------------------------------------- */

static void hello_of(pair *p, krbrepl__hello *h)
{
    memset(h, 0, sizeof *h);
    h->version = 1;
    h->role = KRBREPL_ROLE_REPLICA;
    h->window = p->window;
    snprintf(h->name, sizeof h->name, "evil");
}

static void master_at_hello(pair *p)
{
    pair_drop(p);
    pair_open_one(p, 1);
    introduce(p, p->m, REPLICA_NAME);
}

/* A master that streams to us from the first commit on; all it has said is read. */
static void master_streaming(pair *p)
{
    krbrepl__frame f;
    krbrepl__hello h;

    master_at_hello(p);
    hello_of(p, &h);
    assert_int_equal(say(p, p->m, KRBREPL__FRAME_HELLO, &h), 0);
    while (krbrepl__sess_work(p->m, p->now) != 0)
        continue;
    while (hear(p->m, &f) == 1)
        drop(p->m, &f);
}

static void acknowledgment_that_cannot_be_true_ends_the_session(void **state)
{
    pair *p = *state;

    const uint64_t all = KRBREPL__HAS(KRBREPL__TAG_RECEIVED) | KRBREPL__HAS(KRBREPL__TAG_DURABLE) |
                         KRBREPL__HAS(KRBREPL__TAG_APPLIED) | KRBREPL__HAS(KRBREPL__TAG_CHAIN);
    const krbrepl__ack bad[] = {
        {.has = 0, .processed = 1u << 30},
        {.has = all, .received = 5},
        {.has = all, .received = 1, .durable = 2},
        {.has = all, .received = 1, .durable = 0, .applied = 1},
        {.has = KRBREPL__HAS(KRBREPL__TAG_RECEIVED), .received = 1},
        {.has = all & ~KRBREPL__HAS(KRBREPL__TAG_CHAIN), .received = 1, .durable = 1},
    };
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        master_streaming(p);
        say(p, p->m, KRBREPL__FRAME_ACK, &bad[i]);
        assert_ended(p->m, KRBREPL_ERR_PROTO);
        assert_int_equal(info(p->m)->durable, 0);
    }
}

static void acknowledged_levels_never_fall(void **state)
{
    pair *p = *state;

    krbrepl__ack a = {.has = KRBREPL__HAS(KRBREPL__TAG_RECEIVED) | KRBREPL__HAS(KRBREPL__TAG_DURABLE) |
                             KRBREPL__HAS(KRBREPL__TAG_APPLIED) | KRBREPL__HAS(KRBREPL__TAG_CHAIN),
                      .received = 1,
                      .durable = 1,
                      .applied = 1};

    master_streaming(p);
    memcpy(a.chain, p->ms.local.pos.chain, 32);
    assert_int_equal(say(p, p->m, KRBREPL__FRAME_ACK, &a), 0);
    assert_int_equal(info(p->m)->durable, 1);
    a.applied = 0;
    say(p, p->m, KRBREPL__FRAME_ACK, &a);
    assert_ended(p->m, KRBREPL_ERR_PROTO);
}

static void other_chain_in_an_acknowledgment_is_an_alarm(void **state)
{
    pair *p = *state;

    krbrepl__ack a = {.has = KRBREPL__HAS(KRBREPL__TAG_RECEIVED) | KRBREPL__HAS(KRBREPL__TAG_DURABLE) |
                             KRBREPL__HAS(KRBREPL__TAG_APPLIED) | KRBREPL__HAS(KRBREPL__TAG_CHAIN),
                      .received = 1,
                      .durable = 1,
                      .applied = 1};

    master_streaming(p);
    say(p, p->m, KRBREPL__FRAME_ACK, &a);
    assert_ended(p->m, KRBREPL_ERR_DIVERGED);
    assert_int_equal(p->worst_level, KRBREPL_LOG_ERROR);
}

static void nothing_but_hello_is_taken_before_the_welcome(void **state)
{
    pair *p = *state;
    unsigned type;

    for (type = KRBREPL__FRAME_WELCOME; type <= KRBREPL__FRAME_PONG; type++) {
        if (type == KRBREPL__FRAME_REFUSE)
            continue;
        master_at_hello(p);
        say_raw(p, p->m, type, 0, "", 0);
        assert_ended(p->m, KRBREPL_ERR_PROTO);
    }
}

static void second_hello_is_refused(void **state)
{
    pair *p = *state;
    krbrepl__hello h;

    master_streaming(p);
    hello_of(p, &h);
    say(p, p->m, KRBREPL__FRAME_HELLO, &h);
    assert_ended(p->m, KRBREPL_ERR_PROTO);
}

static void hello_that_this_version_cannot_serve_is_refused(void **state)
{
    pair *p = *state;
    krbrepl__hello h;

    master_at_hello(p);
    hello_of(p, &h);
    h.version = 0;
    say(p, p->m, KRBREPL__FRAME_HELLO, &h);
    assert_ended(p->m, KRBREPL_ERR_FORMAT);
    master_at_hello(p);
    h.version = 1;
    h.window = 100;
    say(p, p->m, KRBREPL__FRAME_HELLO, &h);
    assert_ended(p->m, KRBREPL_ERR_PROTO);
    /* A later version is served as this one. */
    master_at_hello(p);
    h.version = 9;
    h.window = 1u << 20;
    assert_int_equal(say(p, p->m, KRBREPL__FRAME_HELLO, &h), 0);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_STREAMING);
}

static void unknown_fields_are_skipped_or_refused_as_they_ask(void **state)
{
    pair *p = *state;
    static const uint8_t optional[] = {0x00, 0x64, 0x00, 0x02, 'h', 'i'};
    static const uint8_t required[] = {0x80, 0x64, 0x00, 0x02, 'h', 'i'};
    krbrepl__hello h;
    krbrepl__buf b;

    krbrepl__buf_init(&b, 0);
    hello_of(p, &h);
    krbrepl__msg_put(&b, KRBREPL__FRAME_HELLO, &h);
    krbrepl__buf_bytes(&b, optional, sizeof optional);
    master_at_hello(p);
    assert_int_equal(say_raw(p, p->m, KRBREPL__FRAME_HELLO, 0, b.data, b.len), 0);
    krbrepl__buf_cut(&b, b.len - sizeof optional);
    krbrepl__buf_bytes(&b, required, sizeof required);
    master_at_hello(p);
    say_raw(p, p->m, KRBREPL__FRAME_HELLO, 0, b.data, b.len);
    assert_ended(p->m, KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(info(p->m)->text, "field 100"));
    krbrepl__buf_free(&b);
}

static void unknown_frames_are_skipped_or_refused_as_they_ask(void **state)
{
    pair *p = *state;

    master_streaming(p);
    assert_int_equal(say_raw(p, p->m, 77, KRBREPL__FRAME_OPTIONAL, "hello", 5), 0);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_STREAMING);
    say_raw(p, p->m, 77, 0, "hello", 5);
    assert_ended(p->m, KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(info(p->m)->text, "77"));
}

static void length_above_the_limit_is_refused_before_the_body_comes(void **state)
{
    pair *p = *state;
    static const uint8_t head[] = {KRBREPL__FRAME_HELLO, 0, 0, 0, 0x00, 0x00, 0x80, 0x01};

    master_at_hello(p);
    krbrepl__sess_feed(p->m, head, sizeof head, p->now);
    assert_ended(p->m, KRBREPL_ERR_PROTO);
}

static void ping_flood_does_not_pile_up_answers(void **state)
{
    pair *p = *state;
    krbrepl__ping ping = {0};
    int i;

    master_streaming(p);
    for (i = 0; i < 20000; i++)
        assert_int_equal(say(p, p->m, KRBREPL__FRAME_PING, &ping), 0);
    assert_true(krbrepl__sess_out(p->m)->len < 300000);
}

static void text_of_a_peer_comes_out_printable(void **state)
{
    pair *p = *state;
    krbrepl__parting bye = {
        .has = KRBREPL__HAS(KRBREPL__TAG_TEXT), .code = 999, .text = "a\n\033[31mb\xff"};

    master_streaming(p);
    say(p, p->m, KRBREPL__FRAME_BYE, &bye);
    assert_int_equal(info(p->m)->err, KRBREPL_ERR_PROTO);
    assert_string_equal(info(p->m)->text, "a??[31mb?");
}

/* ---- a replica under a hostile master ------------------------------------------------------- */

/* A replica at seq 0 to which we have said that we stream. */
static void replica_streaming(pair *p)
{
    krbrepl__welcome w;
    krbrepl__frame f;

    pair_drop(p);
    mem_free(&p->rs);
    mem_init(&p->rs);
    pair_open_one(p, 0);
    introduce(p, p->r, MASTER_NAME);
    krbrepl__sess_go(p->r, p->now);
    assert_int_equal(hear(p->r, &f), 1);
    drop(p->r, &f);
    memset(&w, 0, sizeof w);
    w.version = 1;
    memcpy(w.database_id, p->ms.local.database_id, 16);
    w.epoch = 1;
    w.pos = p->ms.local.pos;
    w.follows = KRBREPL__FOLLOWS_STREAM;
    w.has = KRBREPL__HAS(KRBREPL__TAG_FROM);
    w.from = 1;
    assert_int_equal(say(p, p->r, KRBREPL__FRAME_WELCOME, &w), 0);
}

static int say_commits(pair *p, const void *bytes, size_t n)
{
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u64(&b, 10);
    krbrepl__buf_bytes(&b, bytes, n);
    rc = say_raw(p, p->r, KRBREPL__FRAME_COMMITS, 0, b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

static void claimed_length_allocates_nothing(void **state)
{
    pair *p = *state;
    static const uint8_t big[] = {0x04, 0x00, 0x00, 0x00,
                                  'x'}; /* 64 MiB are claimed: as large as allowed */
    static const uint8_t over[] = {0x04, 0x00, 0x00, 0x01, 'x'};

    replica_streaming(p);
    assert_int_equal(say_commits(p, big, sizeof big), 0);
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_STREAMING);
    replica_streaming(p);
    say_commits(p, over, sizeof over);
    assert_ended(p->r, KRBREPL_ERR_PROTO);
}

static void commits_beyond_the_window_end_the_session(void **state)
{
    uint8_t *bytes = test_calloc(1, 60000);
    int i, rc = 0;
    pair p;

    (void)state;
    pair_init(&p);
    p.window = 100000;
    replica_streaming(&p);
    bytes[3] = 56; /* a thousand small items, which wait to be applied */
    for (i = 1; i < 1000; i++)
        memcpy(bytes + 60 * i, bytes, 4);
    for (i = 0; i < 5 && rc == 0; i++)
        rc = say_commits(&p, bytes, 60000);
    assert_ended(p.r, KRBREPL_ERR_PROTO);
    assert_int_equal(i, 2);
    pair_free(&p);
    test_free(bytes);
}

static void malformed_commit_is_refused_and_changes_nothing(void **state)
{
    pair *p = *state;
    static const uint8_t rubbish[] = {0, 0, 0, 5, 1, 1, 0, 0, 9};

    replica_streaming(p);
    assert_int_equal(say_commits(p, rubbish, sizeof rubbish), 0);
    krbrepl__sess_work(p->r, p->now);
    assert_ended(p->r, KRBREPL_ERR_PROTO);
    assert_int_equal(p->rs.local.pos.seq, 0);
}

static void parts_of_a_copy_out_of_place_are_refused(void **state)
{
    pair *p = *state;
    krbrepl__copy_start start;
    krbrepl__copy_end end;

    memset(&start, 0, sizeof start);
    memset(&end, 0, sizeof end);
    start.pos = end.pos = p->ms.local.pos;
    start.reason = KRBREPL_COPY_RESET;
    replica_streaming(p);
    say_raw(p, p->r, KRBREPL__FRAME_COPY_SLICE, 0, "x", 1);
    assert_ended(p->r, KRBREPL_ERR_PROTO);
    replica_streaming(p);
    say(p, p->r, KRBREPL__FRAME_COPY_END, &end);
    assert_ended(p->r, KRBREPL_ERR_PROTO);
    /* Commits before the copy has ended. */
    replica_streaming(p);
    assert_int_equal(say(p, p->r, KRBREPL__FRAME_COPY_BEGIN, &start), 0);
    say_commits(p, "", 0);
    assert_ended(p->r, KRBREPL_ERR_PROTO);
    /* A count of records that is not what came. */
    replica_streaming(p);
    assert_int_equal(say(p, p->r, KRBREPL__FRAME_COPY_BEGIN, &start), 0);
    end.records = 1;
    say(p, p->r, KRBREPL__FRAME_COPY_END, &end);
    assert_ended(p->r, KRBREPL_ERR_PROTO);
    assert_false(p->rs.building);
    assert_int_equal(p->rs.switches, 0);
}

static void copy_that_ends_in_another_history_does_not_go_live(void **state)
{
    pair *p = *state;
    krbrepl__copy_start start;
    krbrepl__copy_end end;

    memset(&start, 0, sizeof start);
    memset(&end, 0, sizeof end);
    start.pos = end.pos = p->ms.local.pos;
    start.reason = KRBREPL_COPY_RESET;
    end.pos.chain[31] ^= 1;
    replica_streaming(p);
    say(p, p->r, KRBREPL__FRAME_COPY_BEGIN, &start);
    say(p, p->r, KRBREPL__FRAME_COPY_END, &end);
    while (krbrepl__sess_work(p->r, p->now) != 0)
        continue;
    assert_ended(p->r, KRBREPL_ERR_DIVERGED);
    assert_int_equal(p->rs.switches, 0);
}

static void other_chain_in_a_ping_is_an_alarm(void **state)
{
    pair *p = *state;
    krbrepl__ping ping = {.has = KRBREPL__HAS(KRBREPL__TAG_POS)};

    pair_meet(p);
    ping.pos = p->rs.local.pos;
    assert_int_equal(say(p, p->r, KRBREPL__FRAME_PING, &ping), 0);
    ping.pos.chain[0] ^= 1;
    say(p, p->r, KRBREPL__FRAME_PING, &ping);
    assert_ended(p->r, KRBREPL_ERR_DIVERGED);
    assert_int_equal(p->worst_level, KRBREPL_LOG_ERROR);
}

static void copy_in_the_stream_never_takes_commits_back_without_a_reason(void **state)
{
    pair *p = *state;
    krbrepl__copy_start start;

    memset(&start, 0, sizeof start);
    start.pos = p->ms.local.pos;
    start.reason = KRBREPL_COPY_RESET;
    pair_meet(p);
    pair_commit(p, "kept@EXAMPLE.ORG", "x");
    pair_run(p);
    assert_up(p);
    assert_int_equal(say(p, p->r, KRBREPL__FRAME_COPY_BEGIN, &start), 0);
    while (krbrepl__sess_work(p->r, p->now) != 0)
        continue;
    assert_ended(p->r, KRBREPL_ERR_DIVERGED);
    assert_int_equal(p->worst_level, KRBREPL_LOG_ERROR);
    assert_false(p->rs.building);
    assert_int_equal(p->rs.local.pos.seq, start.pos.seq + 1);
}

/* Whatever epoch a master says that it knows: its content is what is followed. */
static void content_of_an_epoch_below_a_known_one_is_not_followed(void **state)
{
    pair *p = *state;
    krbrepl__welcome w;
    krbrepl__frame f;

    p->rs.local.known_epoch = 2;
    pair_open_one(p, 0);
    introduce(p, p->r, MASTER_NAME);
    krbrepl__sess_go(p->r, p->now);
    assert_int_equal(hear(p->r, &f), 1);
    drop(p->r, &f);
    memset(&w, 0, sizeof w);
    w.version = 1;
    memcpy(w.database_id, p->ms.local.database_id, 16);
    w.epoch = 2;
    w.pos = p->ms.local.pos;
    w.follows = KRBREPL__FOLLOWS_STREAM;
    w.has = KRBREPL__HAS(KRBREPL__TAG_FROM);
    w.from = 1;
    say(p, p->r, KRBREPL__FRAME_WELCOME, &w);
    assert_ended(p->r, KRBREPL_ERR_FENCED);
    assert_int_equal(p->rs.adopted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(acknowledgment_that_cannot_be_true_ends_the_session),
        PAIR(acknowledged_levels_never_fall),
        PAIR(other_chain_in_an_acknowledgment_is_an_alarm),
        PAIR(nothing_but_hello_is_taken_before_the_welcome),
        PAIR(second_hello_is_refused),
        PAIR(hello_that_this_version_cannot_serve_is_refused),
        PAIR(unknown_fields_are_skipped_or_refused_as_they_ask),
        PAIR(unknown_frames_are_skipped_or_refused_as_they_ask),
        PAIR(length_above_the_limit_is_refused_before_the_body_comes),
        PAIR(ping_flood_does_not_pile_up_answers),
        PAIR(text_of_a_peer_comes_out_printable),
        PAIR(claimed_length_allocates_nothing),
        cmocka_unit_test(commits_beyond_the_window_end_the_session),
        PAIR(malformed_commit_is_refused_and_changes_nothing),
        PAIR(parts_of_a_copy_out_of_place_are_refused),
        PAIR(copy_that_ends_in_another_history_does_not_go_live),
        PAIR(other_chain_in_a_ping_is_an_alarm),
        PAIR(copy_in_the_stream_never_takes_commits_back_without_a_reason),
        PAIR(content_of_an_epoch_below_a_known_one_is_not_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
