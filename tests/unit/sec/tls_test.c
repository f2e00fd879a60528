/* TLS between ends that share a key: what it does for friends, and what it refuses to others. */
#include "tlspeer.h"

#include "secchan.h"

static const uint8_t key[KRBREPL__PSK_LEN] = "0123456789abcdef0123456789abcde";
static const uint8_t other_key[KRBREPL__PSK_LEN] = "0123456789abcdef0123456789abcdf";

typedef struct one {
    krbrepl__tls_side *side;
    krbrepl__tls *t;
    krbrepl__buf in, out;
    krbrepl_errinfo ei;
} one;

static int one_open(one *e, int server, const uint8_t *psk)
{
    krbrepl__tls_ends ends = {&e->in, &e->out, &e->ei};

    memset(e, 0, sizeof *e);
    e->ei.size = sizeof e->ei;
    krbrepl__buf_init(&e->in, 0);
    krbrepl__buf_init(&e->out, 0);
    assert_int_equal(krbrepl__tls_side_new(&e->side, server, &e->ei), 0);
    return krbrepl__tls_new(&e->t, e->side, &ends, psk);
}

static void one_close(one *e)
{
    krbrepl__tls_free(e->t);
    krbrepl__tls_side_free(e->side);
    krbrepl__buf_free(&e->in);
    krbrepl__buf_free(&e->out);
}

/* Carries everything over, `step` bytes at a time. The first failure. */
static int carry(one *from, one *to, size_t step)
{
    int code = 0;

    while (from->out.len > 0 && code == 0) {
        size_t n = from->out.len < step ? from->out.len : step;

        code = krbrepl__tls_feed(to->t, from->out.data, n);
        krbrepl__buf_consume(&from->out, n);
    }
    return code;
}

typedef struct two {
    one client, server;
} two;

static void two_open(two *p)
{
    assert_int_equal(one_open(&p->client, 0, key), 0);
    assert_int_equal(one_open(&p->server, 1, key), 0);
    assert_int_equal(carry(&p->client, &p->server, 65536), 0);
    assert_int_equal(carry(&p->server, &p->client, 65536), 0);
    assert_int_equal(carry(&p->client, &p->server, 65536), 0);
    assert_true(krbrepl__tls_is_open(p->client.t));
    assert_true(krbrepl__tls_is_open(p->server.t));
}

static void two_close(two *p)
{
    one_close(&p->client);
    one_close(&p->server);
}

static void say(one *e, const void *p, size_t n)
{
    assert_int_equal(krbrepl__tls_write(e->t, p, n), 0);
    assert_int_equal(krbrepl__tls_flush(e->t), 0);
}

/* ---- friends -------------------------------------------------------------------------------- */

static void two_ends_with_one_key_open(void **state)
{
    two p;

    (void)state;
    two_open(&p);
    assert_ptr_equal(strstr(krbrepl__tls_group(p.client.t), "X25519"), krbrepl__tls_group(p.client.t));
    assert_string_equal(krbrepl__tls_group(p.client.t), krbrepl__tls_group(p.server.t));
    assert_int_equal(p.server.out.len, 0); /* no tickets */
    two_close(&p);
}

static void bulk_arrives_whatever_the_pieces(void **state)
{
    static const size_t steps[] = {1, 7, 1000, 16406, 65536};
    size_t n = 300001, i, k;
    uint8_t *data = malloc(n);
    two p;

    (void)state;
    assert_non_null(data);
    for (i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    two_open(&p);
    for (k = 0; k < sizeof steps / sizeof steps[0]; k++) {
        for (i = 0; i < n; i += 50000)
            assert_int_equal(krbrepl__tls_write(p.server.t, data + i, n - i < 50000 ? n - i : 50000),
                             0);
        assert_int_equal(krbrepl__tls_flush(p.server.t), 0);
        assert_int_equal(carry(&p.server, &p.client, steps[k]), 0);
        assert_int_equal(p.client.in.len, n);
        assert_memory_equal(p.client.in.data, data, n);
        krbrepl__buf_reset(&p.client.in);
    }
    two_close(&p);
    free(data);
}

static void short_writes_are_gathered_into_full_records(void **state)
{
    char message[600] = "message";
    size_t i;
    two p;

    (void)state;
    two_open(&p);
    for (i = 0; i < 100; i++)
        assert_int_equal(krbrepl__tls_write(p.client.t, message, sizeof message), 0);
    assert_int_equal(p.client.out.len, 3 * (KRBREPL__TLS_RECORD + 22));
    assert_int_equal(krbrepl__tls_flush(p.client.t), 0);
    assert_int_equal(p.client.out.len, 100 * sizeof message + 4 * 22);
    assert_int_equal(krbrepl__tls_flush(p.client.t), 0);
    assert_int_equal(p.client.out.len, 100 * sizeof message + 4 * 22);
    two_close(&p);
}

static void new_keys_are_made_both_ways_when_due(void **state)
{
    size_t i, want = 0;
    two p;

    (void)state;
    two_open(&p);
    krbrepl__tls_rekey_after(p.server.t, 3, UINT64_MAX);
    krbrepl__tls_rekey_after(p.client.t, UINT64_MAX, 100);
    for (i = 0; i < 50; i++) {
        say(&p.server, "from the server", 15);
        say(&p.client, "from the client", 15);
        assert_int_equal(carry(&p.server, &p.client, 11), 0);
        assert_int_equal(carry(&p.client, &p.server, 13), 0);
        want += 15;
        assert_int_equal(p.client.in.len, want);
        assert_int_equal(p.server.in.len, want);
        assert_memory_equal(p.client.in.data + want - 15, "from the server", 15);
        assert_memory_equal(p.server.in.data + want - 15, "from the client", 15);
    }
    assert_int_equal(krbrepl__tls_rekeys(p.server.t), 16);
    assert_int_equal(krbrepl__tls_rekeys(p.client.t), 7);
    two_close(&p);
}

static void an_orderly_end_is_not_a_cut(void **state)
{
    two p;

    (void)state;
    two_open(&p);
    say(&p.server, "all", 3);
    assert_int_equal(carry(&p.server, &p.client, 65536), 0);
    assert_false(krbrepl__tls_eof(p.client.t));
    assert_int_equal(krbrepl__tls_write(p.server.t, "rest", 4), 0);
    assert_int_equal(krbrepl__tls_close(p.server.t), 0);
    assert_int_equal(carry(&p.server, &p.client, 65536), 0);
    assert_true(krbrepl__tls_eof(p.client.t));
    assert_int_equal(p.client.in.len, 7);
    assert_int_equal(krbrepl__tls_feed(p.client.t, (const uint8_t *)"junk", 4), 0);
    assert_int_equal(p.client.in.len, 7);
    assert_int_equal(krbrepl__tls_write(p.server.t, "x", 1), KRBREPL_ERR_STATE);
    two_close(&p);
}

static void an_honest_peer_of_plain_openssl_opens(void **state)
{
    tlspeer client = {0}, server = {.server = 1};
    one e;

    (void)state;
    one_open(&e, 1, key);
    tlspeer_start(&client, key);
    assert_int_equal(tlspeer_run(&client, e.t, &e.out), 0);
    assert_true(krbrepl__tls_is_open(e.t));
    assert_true(tlspeer_step(&client));
    tlspeer_free(&client);
    one_close(&e);
    one_open(&e, 0, key);
    tlspeer_start(&server, key);
    assert_int_equal(tlspeer_run(&server, e.t, &e.out), 0);
    assert_true(krbrepl__tls_is_open(e.t));
    tlspeer_free(&server);
    one_close(&e);
}

/* ---- others --------------------------------------------------------------------------------- */

/* The tested end fails with AUTH, and OpenSSL's reason begins as given. */
static void refuses(tlspeer *p, const char *why)
{
    one e;

    assert_int_equal(one_open(&e, !p->server, key), 0);
    if (p->psk[0] == 0)
        memcpy(p->psk, key, sizeof key);
    tlspeer_start(p, p->psk);
    assert_int_equal(tlspeer_run(p, e.t, &e.out), KRBREPL_ERR_AUTH);
    assert_false(krbrepl__tls_is_open(e.t));
    assert_int_equal(e.in.len, 0);
    if (strstr(e.ei.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", e.ei.text, why);
    assert_int_equal(krbrepl__tls_feed(e.t, (const uint8_t *)"x", 1), KRBREPL_ERR_AUTH);
    assert_int_equal(krbrepl__tls_write(e.t, "x", 1), KRBREPL_ERR_AUTH);
    tlspeer_free(p);
    one_close(&e);
}

static void another_key_is_refused(void **state)
{
    tlspeer client = {0}, server = {.server = 1};

    (void)state;
    memcpy(client.psk, other_key, sizeof other_key);
    memcpy(server.psk, other_key, sizeof other_key);
    refuses(&client, "binder does not verify");
    refuses(&server, "alert");
}

static void a_certificate_in_place_of_the_key_is_refused(void **state)
{
    tlspeer client = {.without_psk = 1, .with_certificate = 1};
    tlspeer server = {.server = 1, .without_psk = 1, .with_certificate = 1};

    (void)state;
    refuses(&server, "certificate verify failed");
    refuses(&client, "no suitable signature algorithm");
}

static void a_peer_without_key_or_certificate_is_refused(void **state)
{
    tlspeer client = {.without_psk = 1};

    (void)state;
    refuses(&client, "no suitable signature algorithm");
}

static void tls_1_2_is_refused(void **state)
{
    tlspeer client = {.version = TLS1_2_VERSION, .without_psk = 1};
    tlspeer server = {.server = 1, .version = TLS1_2_VERSION, .without_psk = 1, .with_certificate = 1};

    (void)state;
    refuses(&client, "unsupported protocol");
    refuses(&server, "alert protocol version");
}

static void another_cipher_suite_is_refused(void **state)
{
    tlspeer aes128 = {.suites = "TLS_AES_128_GCM_SHA256"};
    tlspeer chacha = {.suites = "TLS_CHACHA20_POLY1305_SHA256", .without_psk = 1};
    tlspeer server = {.server = 1, .suites = "TLS_AES_128_GCM_SHA256", .with_certificate = 1};

    (void)state;
    refuses(&aes128, "no shared cipher");
    refuses(&chacha, "no shared cipher");
    refuses(&server, "alert handshake failure");
}

static void another_group_is_refused(void **state)
{
    tlspeer client = {.groups = "P-256"}, server = {.server = 1, .groups = "P-256"};

    (void)state;
    refuses(&client, "no suitable key share");
    refuses(&server, "alert");
}

static void another_identity_is_refused(void **state)
{
    tlspeer client = {.identity = "krbrepl/2"};

    (void)state;
    refuses(&client, "no suitable signature algorithm");
}

/* The hello is sound apart from the mode: with the mode that it had, the server answers. */
static void a_peer_that_wants_no_ephemeral_keys_is_refused(void **state)
{
    static const uint8_t psk_dhe_ke = 1, psk_ke = 0;
    uint8_t hello[2048];
    int mode;

    (void)state;
    for (mode = psk_ke; mode <= psk_dhe_ke; mode++) {
        tlspeer client = {0};
        one e;
        int n;

        one_open(&e, 1, key);
        tlspeer_start(&client, key);
        tlspeer_step(&client);
        n = BIO_read(client.to, hello, sizeof hello);
        assert_in_range(n, 100, sizeof hello - 1);
        tlspeer_offer_mode(hello, (size_t)n, (uint8_t)mode, key);
        if (mode == psk_dhe_ke) {
            assert_int_equal(krbrepl__tls_feed(e.t, hello, (size_t)n), 0);
            assert_true(e.out.len > 100);
        } else {
            assert_int_equal(krbrepl__tls_feed(e.t, hello, (size_t)n), KRBREPL_ERR_AUTH);
            assert_non_null(strstr(e.ei.text, "no suitable signature algorithm"));
        }
        tlspeer_free(&client);
        one_close(&e);
    }
}

static void early_data_is_never_handed_out(void **state)
{
    tlspeer client = {.with_early_data = 1};
    one e;

    (void)state;
    one_open(&e, 1, key);
    tlspeer_start(&client, key);
    tlspeer_run(&client, e.t, &e.out);
    assert_int_equal(e.in.len, 0);
    assert_int_equal(SSL_get_early_data_status(client.ssl), SSL_EARLY_DATA_REJECTED);
    tlspeer_free(&client);
    one_close(&e);
}

static void garbage_is_refused(void **state)
{
    uint8_t junk[600];
    one e;

    (void)state;
    memset(junk, 0x41, sizeof junk);
    one_open(&e, 1, key);
    assert_int_equal(krbrepl__tls_feed(e.t, junk, sizeof junk), KRBREPL_ERR_AUTH);
    one_close(&e);
    one_open(&e, 0, key);
    assert_int_equal(krbrepl__tls_feed(e.t, junk, sizeof junk), KRBREPL_ERR_AUTH);
    one_close(&e);
}

static void a_record_that_was_changed_ends_the_session(void **state)
{
    static const char filler[1000];
    size_t at;
    two p;

    (void)state;
    for (at = 0; at < 27; at++) {
        int code;

        two_open(&p);
        say(&p.server, "hello", 5);
        assert_int_equal(p.server.out.len, 27);
        p.server.out.data[at] ^= 1;
        say(&p.server, filler, sizeof filler); /* a length that was changed may ask for more */
        code = carry(&p.server, &p.client, 65536);
        assert_int_equal(code, KRBREPL_ERR_PROTO);
        assert_int_equal(p.client.in.len, 0);
        assert_int_equal(krbrepl__tls_feed(p.client.t, (const uint8_t *)"x", 1), KRBREPL_ERR_PROTO);
        two_close(&p);
    }
}

static void a_record_that_is_left_out_or_repeated_ends_the_session(void **state)
{
    uint8_t first[27];
    two p;

    (void)state;
    two_open(&p);
    say(&p.server, "hello", 5);
    krbrepl__buf_consume(&p.server.out, p.server.out.len);
    say(&p.server, "there", 5);
    assert_int_equal(carry(&p.server, &p.client, 65536), KRBREPL_ERR_PROTO);
    two_close(&p);
    two_open(&p);
    say(&p.server, "hello", 5);
    memcpy(first, p.server.out.data, sizeof first);
    assert_int_equal(carry(&p.server, &p.client, 65536), 0);
    assert_int_equal(krbrepl__tls_feed(p.client.t, first, sizeof first), KRBREPL_ERR_PROTO);
    assert_int_equal(p.client.in.len, 5);
    two_close(&p);
}

static void nothing_is_written_before_the_peers_finished(void **state)
{
    two p;

    (void)state;
    one_open(&p.client, 0, key);
    one_open(&p.server, 1, key);
    assert_int_equal(krbrepl__tls_write(p.client.t, "x", 1), KRBREPL_ERR_STATE);
    assert_int_equal(carry(&p.client, &p.server, 65536), 0);
    assert_int_equal(krbrepl__tls_write(p.server.t, "x", 1), KRBREPL_ERR_STATE);
    assert_int_equal(carry(&p.server, &p.client, 65536), 0);
    assert_int_equal(krbrepl__tls_write(p.server.t, "x", 1), KRBREPL_ERR_STATE);
    assert_false(krbrepl__tls_is_open(p.server.t));
    say(&p.client, "with my finished", 16);
    assert_int_equal(carry(&p.client, &p.server, 65536), 0);
    assert_true(krbrepl__tls_is_open(p.server.t));
    assert_int_equal(p.server.in.len, 16);
    two_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ends_with_one_key_open),
        cmocka_unit_test(bulk_arrives_whatever_the_pieces),
        cmocka_unit_test(short_writes_are_gathered_into_full_records),
        cmocka_unit_test(new_keys_are_made_both_ways_when_due),
        cmocka_unit_test(an_orderly_end_is_not_a_cut),
        cmocka_unit_test(an_honest_peer_of_plain_openssl_opens),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(a_certificate_in_place_of_the_key_is_refused),
        cmocka_unit_test(a_peer_without_key_or_certificate_is_refused),
        cmocka_unit_test(tls_1_2_is_refused),
        cmocka_unit_test(another_cipher_suite_is_refused),
        cmocka_unit_test(another_group_is_refused),
        cmocka_unit_test(another_identity_is_refused),
        cmocka_unit_test(a_peer_that_wants_no_ephemeral_keys_is_refused),
        cmocka_unit_test(early_data_is_never_handed_out),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(a_record_that_was_changed_ends_the_session),
        cmocka_unit_test(a_record_that_is_left_out_or_repeated_ends_the_session),
        cmocka_unit_test(nothing_is_written_before_the_peers_finished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
