/* The secure channel as far as it goes without a KDC: what strangers get to see. */
#include "test.h"

#include "gssjob.h"
#include "preface.h"
#include "secchan.h"

typedef struct fixture {
    krbrepl__sec *sec;
    krbrepl__chan *acceptor, *initiator;
} fixture;

static int setup(void **state)
{
    static const krbrepl__sec_cfg acceptor = {.self = "krbrepl/a@TEST",
                                              .keytab = "/nonexistent/keytab"},
                                  initiator = {.initiator = 1,
                                               .self = "krbrepl/b@TEST",
                                               .target = "krbrepl/a@TEST",
                                               .keytab = "/nonexistent/keytab"};
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(krbrepl__sec_new(&f->sec, NULL), 0);
    assert_int_equal(krbrepl__secchan_new(&f->acceptor, f->sec, &acceptor, NULL), 0);
    assert_int_equal(krbrepl__secchan_new(&f->initiator, f->sec, &initiator, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    f->acceptor->ops->free(f->acceptor);
    f->initiator->ops->free(f->initiator);
    krbrepl__sec_free(f->sec);
    free(f);
    return 0;
}

static int feed(krbrepl__chan *c, const void *p, size_t n)
{
    return c->ops->feed(c, p, n);
}

static void preface(krbrepl__chan *c, unsigned low, unsigned high)
{
    uint8_t p[KRBREPL__PREFACE_LEN];

    krbrepl__preface_make(p, low, high);
    feed(c, p, sizeof p);
}

/* The answer is a preface and one refuse frame, nothing else. */
static void assert_turned_away(const krbrepl__chan *c, int code)
{
    char text[KRBREPL__REFUSE_TEXT + 1];
    krbrepl__clear f;
    int reason;

    assert_int_equal(c->state, KRBREPL__CHAN_FAILED);
    assert_int_equal(c->err.code, code);
    assert_true(c->out.len > KRBREPL__PREFACE_LEN);
    assert_int_equal(
        krbrepl__clear_get(&f, c->out.data + KRBREPL__PREFACE_LEN, c->out.len - KRBREPL__PREFACE_LEN),
        1);
    assert_int_equal(f.type, KRBREPL__CLEAR_REFUSE);
    assert_int_equal(f.size, c->out.len - KRBREPL__PREFACE_LEN);
    assert_int_equal(krbrepl__refuse_get(f.body, &reason, text), 0);
    assert_int_equal(reason, code);
    assert_int_equal(c->in.len, 0);
}

static void an_acceptor_does_not_speak_first(void **state)
{
    fixture *f = *state;

    assert_int_equal(f->acceptor->out.len, 0);
    assert_null(f->acceptor->ops->take_job(f->acceptor));
    assert_int_equal(f->initiator->out.len, KRBREPL__PREFACE_LEN);
}

static void an_acceptor_answers_a_preface_with_one_version(void **state)
{
    fixture *f = *state;
    unsigned low, high;

    preface(f->acceptor, 1, 7);
    assert_int_equal(f->acceptor->out.len, KRBREPL__PREFACE_LEN);
    assert_int_equal(krbrepl__preface_get(f->acceptor->out.data, &low, &high), 0);
    assert_int_equal(low, 1);
    assert_int_equal(high, 1);
}

static void a_preface_may_come_byte_by_byte(void **state)
{
    fixture *f = *state;
    uint8_t p[KRBREPL__PREFACE_LEN];
    size_t i;

    krbrepl__preface_make(p, 1, 1);
    for (i = 0; i < sizeof p; i++) {
        assert_int_equal(f->acceptor->out.len, 0);
        assert_int_equal(feed(f->acceptor, p + i, 1), 0);
    }
    assert_int_equal(f->acceptor->out.len, KRBREPL__PREFACE_LEN);
}

static void garbage_is_turned_away_at_its_first_byte(void **state)
{
    fixture *f = *state;

    assert_int_equal(feed(f->acceptor, "\0", 1), KRBREPL_ERR_PROTO);
    assert_turned_away(f->acceptor, KRBREPL_ERR_PROTO);
    assert_non_null(strstr(f->acceptor->err.text, "does not speak krbrepl"));
    assert_int_equal(feed(f->initiator, "SSH-2.0-OpenSSH", 15), KRBREPL_ERR_PROTO);
    assert_non_null(strstr(f->initiator->err.text, "5353482d322e302d"));
}

static void a_slave_of_heimdals_is_told_from_other_strangers(void **state)
{
    static const char sendauth[] = "\0\0\0\23KRB5_SENDAUTH_V1.0";
    fixture *f = *state;

    assert_int_equal(feed(f->acceptor, sendauth, sizeof sendauth), KRBREPL_ERR_PROTO);
    assert_non_null(strstr(f->acceptor->err.text, "--heimdal-iprop"));
    assert_int_equal(feed(f->initiator, "\0\0\0\23KRB4", 8), KRBREPL_ERR_PROTO);
    assert_null(strstr(f->initiator->err.text, "heimdal"));
}

static void a_failed_channel_stays_failed_and_says_nothing_more(void **state)
{
    fixture *f = *state;
    size_t said;

    feed(f->acceptor, "x", 1);
    said = f->acceptor->out.len;
    preface(f->acceptor, 1, 1);
    assert_int_equal(feed(f->acceptor, "x", 1), KRBREPL_ERR_PROTO);
    krbrepl__secchan_refuse(f->acceptor, KRBREPL_ERR_DENIED);
    assert_int_equal(f->acceptor->out.len, said);
    assert_int_equal(f->acceptor->ops->write(f->acceptor, "x", 1), KRBREPL_ERR_PROTO);
    assert_int_equal(f->acceptor->ops->flush(f->acceptor), KRBREPL_ERR_PROTO);
    assert_int_equal(f->acceptor->ops->close(f->acceptor), KRBREPL_ERR_PROTO);
    assert_null(f->acceptor->ops->take_job(f->acceptor));
}

static void a_version_that_does_not_exist_yet_is_turned_away(void **state)
{
    fixture *f = *state;

    preface(f->acceptor, 2, 3);
    assert_turned_away(f->acceptor, KRBREPL_ERR_PROTO);
    assert_non_null(strstr(f->acceptor->err.text, "versions 2 to 3"));
}

static void a_failed_job_ends_the_channel(void **state)
{
    fixture *f = *state;
    krbrepl__job *j = f->initiator->ops->take_job(f->initiator);

    assert_non_null(j);
    preface(f->initiator, 1, 1);
    assert_int_equal(f->initiator->state, KRBREPL__CHAN_HANDSHAKE);
    j->run(j);
    assert_int_equal(f->initiator->ops->job_done(f->initiator, j), KRBREPL_ERR_AUTH);
    assert_int_equal(f->initiator->state, KRBREPL__CHAN_FAILED);
    assert_non_null(strstr(f->initiator->err.text, "/nonexistent/keytab"));
}

static void an_oversized_token_is_turned_away_by_its_head(void **state)
{
    fixture *f = *state;

    preface(f->acceptor, 1, 1);
    assert_int_equal(feed(f->acceptor, "\1\377\377\377\377", 5), KRBREPL_ERR_PROTO);
    assert_turned_away(f->acceptor, KRBREPL_ERR_PROTO);
}

static void an_unknown_frame_is_turned_away(void **state)
{
    fixture *f = *state;

    preface(f->acceptor, 1, 1);
    assert_int_equal(feed(f->acceptor, "\26", 1), KRBREPL_ERR_PROTO);
    assert_turned_away(f->acceptor, KRBREPL_ERR_PROTO);
}

static void a_token_makes_one_job_and_waits_for_it(void **state)
{
    fixture *f = *state;
    krbrepl__job *j;

    preface(f->acceptor, 1, 1);
    assert_int_equal(feed(f->acceptor, "\1\0\0\0\3abc\1\0\0\0\3def", 16), 0);
    j = f->acceptor->ops->take_job(f->acceptor);
    assert_non_null(j);
    assert_int_equal(j->initiator, 0);
    assert_null(f->acceptor->ops->take_job(f->acceptor));
    j->run(j);
    assert_int_equal(f->acceptor->ops->job_done(f->acceptor, j), KRBREPL_ERR_AUTH);
    assert_turned_away(f->acceptor, KRBREPL_ERR_AUTH);
}

static void what_comes_while_a_job_runs_is_bounded(void **state)
{
    static const uint8_t much[4096];
    fixture *f = *state;
    krbrepl__job *j;
    size_t n = 0;

    preface(f->acceptor, 1, 1);
    feed(f->acceptor, "\1\0\0\0\3abc", 8);
    j = f->acceptor->ops->take_job(f->acceptor);
    assert_non_null(j);
    while (f->acceptor->state == KRBREPL__CHAN_HANDSHAKE && n < (4u << 20)) {
        feed(f->acceptor, much, sizeof much);
        n += sizeof much;
    }
    assert_in_range(n, KRBREPL__MAX_TOKEN, 2 * KRBREPL__MAX_TOKEN);
    assert_turned_away(f->acceptor, KRBREPL_ERR_PROTO);
    j->run(j);
    assert_int_equal(f->acceptor->ops->job_done(f->acceptor, j), KRBREPL_ERR_PROTO);
}

static void a_job_can_be_abandoned(void **state)
{
    fixture *f = *state;
    krbrepl__job *j = f->initiator->ops->take_job(f->initiator);

    assert_non_null(j);
    assert_int_equal(j->initiator, 1);
    j->free(j);
}

static void who_is_refused_before_a_word_gets_a_reason(void **state)
{
    fixture *f = *state;

    krbrepl__secchan_refuse(f->acceptor, KRBREPL_ERR_DENIED);
    assert_turned_away(f->acceptor, KRBREPL_ERR_DENIED);
}

static void an_unopened_channel_takes_no_plaintext(void **state)
{
    fixture *f = *state;

    assert_int_equal(f->initiator->ops->write(f->initiator, "x", 1), KRBREPL_ERR_STATE);
    assert_int_equal(f->initiator->ops->flush(f->initiator), 0);
    assert_int_equal(f->initiator->ops->close(f->initiator), 0);
    assert_int_equal(f->initiator->out.len, KRBREPL__PREFACE_LEN);
}

static void an_initiator_must_know_whom_it_calls(void **state)
{
    const krbrepl__sec_cfg cfg = {.initiator = 1, .self = "krbrepl/b@TEST"};
    fixture *f = *state;
    krbrepl__chan *c;

    assert_int_equal(krbrepl__secchan_new(&c, f->sec, &cfg, NULL), KRBREPL_ERR_INVALID);
    assert_null(c);
}

/* The example of docs/protocol-security.md, section 4. */
static void the_input_of_the_key_is_as_specified(void **state)
{
    static const char want[] = "6b72627265706c2f31207265706c6963612d6d61737465722070736b00"
                               "e3c4ef7d835e2742052210b2daffdaf92df829aeb512cc8c9ccf6c7c0d19f0ed";
    uint8_t preface_of[2][KRBREPL__PREFACE_LEN], input[KRBREPL__PSK_INPUT];
    char hex[2 * KRBREPL__PSK_INPUT + 1];
    krbrepl__buf talk;

    (void)state;
    krbrepl__preface_make(preface_of[0], 1, 1);
    krbrepl__preface_make(preface_of[1], 1, 1);
    krbrepl__buf_init(&talk, 0);
    krbrepl__psk_note(&talk, KRBREPL__FROM_INITIATOR, "first token", 11);
    krbrepl__psk_note(&talk, KRBREPL__FROM_ACCEPTOR, "second token", 12);
    assert_int_equal(
        krbrepl__psk_input(input, (const uint8_t(*)[KRBREPL__PREFACE_LEN])preface_of, &talk), 0);
    krbrepl__hex(hex, input, sizeof input);
    assert_string_equal(hex, want);
    krbrepl__buf_free(&talk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_acceptor_does_not_speak_first),
        TEST(an_acceptor_answers_a_preface_with_one_version),
        TEST(a_preface_may_come_byte_by_byte),
        TEST(garbage_is_turned_away_at_its_first_byte),
        TEST(a_slave_of_heimdals_is_told_from_other_strangers),
        TEST(a_failed_channel_stays_failed_and_says_nothing_more),
        TEST(a_version_that_does_not_exist_yet_is_turned_away),
        TEST(a_failed_job_ends_the_channel),
        TEST(an_oversized_token_is_turned_away_by_its_head),
        TEST(an_unknown_frame_is_turned_away),
        TEST(a_token_makes_one_job_and_waits_for_it),
        TEST(what_comes_while_a_job_runs_is_bounded),
        TEST(a_job_can_be_abandoned),
        TEST(who_is_refused_before_a_word_gets_a_reason),
        TEST(an_unopened_channel_takes_no_plaintext),
        TEST(an_initiator_must_know_whom_it_calls),
        cmocka_unit_test(the_input_of_the_key_is_as_specified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
