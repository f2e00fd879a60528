/* The channel of Heimdal's iprop against a real KDC, and against the same exchange in libkrb5. Runs under
 * tests/common/realm.sh with REALM_WEAK=1. */
#include "pair.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <krb5.h>

#include "propchan.h"

#define MASTER "iprop/master.krbrepl.test"
#define SLAVE "iprop/slave.krbrepl.test"
#define AT_REALM "@KRBREPL.TEST"

static const uint8_t here[4] = {192, 0, 2, 1}, there[4] = {192, 0, 2, 2};
static char keytab[3][512];
static int64_t clock_off_us;

static int64_t shifted(void *ctx)
{
    const krbrepl__sys *real = krbrepl__sys_default();

    (void)ctx;
    return real->wall_us(real->ctx) + clock_off_us;
}

static krbrepl__sys shifted_sys;

static krbrepl__propchan_cfg acceptor(void)
{
    return (krbrepl__propchan_cfg){
        .self = MASTER, .keytab = keytab[0], .local = {here, 4}, .peer = {there, 4}};
}

static krbrepl__propchan_cfg initiator(void)
{
    return (krbrepl__propchan_cfg){.initiator = 1,
                                   .self = SLAVE,
                                   .target = MASTER,
                                   .keytab = keytab[1],
                                   .local = {there, 4},
                                   .peer = {here, 4}};
}

static int make_realm(void **state)
{
    static const char *const file[] = {"master.keytab", "slave.keytab", "weak.keytab"};
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        snprintf(keytab[i], sizeof keytab[i], "%s", realm_path(file[i]));
    shell("$REALM_SH --princ " MASTER " %s", keytab[0]);
    shell("$REALM_SH --princ " SLAVE " %s", keytab[1]);
    shell("$REALM_SH --princ iprop/weak.krbrepl.test %s -e arcfour-hmac:normal", keytab[2]);
    shifted_sys = *krbrepl__sys_default();
    shifted_sys.wall_us = shifted;
    return 0;
}

/* ---- two ends of our own -------------------------------------------------------------------- */

typedef struct ends {
    krbrepl__chan *i, *a;
    krbrepl__buf said; /* by the initiator */
} ends;

static krbrepl__chan *open_one(krbrepl__propchan_cfg cfg)
{
    krbrepl__chan *c;
    krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    assert_int_equal(krbrepl__propchan_new(&c, &cfg, &ei), 0);
    return c;
}

static int move(ends *e, krbrepl__chan *from, krbrepl__chan *to)
{
    size_t n = from->out.len;

    if (n == 0)
        return 0;
    if (from == e->i)
        krbrepl__buf_bytes(&e->said, from->out.data, n);
    to->ops->feed(to, from->out.data, n);
    krbrepl__buf_consume(&from->out, n);
    return 1;
}

static void let(ends *e)
{
    int moved;

    do {
        moved = run_jobs(e->i) | run_jobs(e->a);
        moved |= move(e, e->i, e->a) | move(e, e->a, e->i);
    } while (moved);
}

static void ends_open(ends *e, krbrepl__propchan_cfg i, krbrepl__propchan_cfg a)
{
    memset(e, 0, sizeof *e);
    e->i = open_one(i);
    e->a = open_one(a);
    let(e);
}

static void ends_close(ends *e)
{
    e->i->ops->free(e->i);
    e->a->ops->free(e->a);
    krbrepl__buf_free(&e->said);
}

/* A message in the form of the plaintext stream. */
static int tell(krbrepl__chan *c, const char *text)
{
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_vec32(&b, text, strlen(text));
    rc = c->ops->write(c, b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

static void assert_hears(krbrepl__chan *c, const char *text)
{
    assert_int_equal(c->in.len, 4 + strlen(text));
    assert_int_equal(krbrepl__get_u32(c->in.data), strlen(text));
    assert_memory_equal(c->in.data + 4, text, strlen(text));
    krbrepl__buf_reset(&c->in);
}

static void both_ends_prove_each_other_and_talk(void **state)
{
    ends e;

    (void)state;
    ends_open(&e, initiator(), acceptor());
    assert_string_equal(e.i->err.text, "");
    assert_int_equal(e.i->state, KRBREPL__CHAN_OPEN);
    assert_string_equal(e.i->peer, MASTER AT_REALM);
    /* Nothing has proved yet that the initiator has the key. */
    assert_int_equal(e.a->state, KRBREPL__CHAN_HANDSHAKE);
    assert_int_equal(tell(e.a, "too early"), KRBREPL_ERR_STATE);
    assert_int_equal(tell(e.i, "I have"), 0);
    let(&e);
    assert_int_equal(e.a->state, KRBREPL__CHAN_OPEN);
    assert_string_equal(e.a->peer, SLAVE AT_REALM);
    assert_true(e.a->lifetime_s > 3600);
    assert_hears(e.a, "I have");
    assert_int_equal(tell(e.a, "for you"), 0);
    let(&e);
    assert_hears(e.i, "for you");
    ends_close(&e);
}

static void changed_bytes_are_refused(void **state)
{
    ends e;
    size_t at;

    (void)state;
    for (at = 8; at < 60; at += 17) {
        ends_open(&e, initiator(), acceptor());
        assert_int_equal(tell(e.i, "I have"), 0);
        e.i->out.data[at] ^= 1;
        let(&e);
        assert_int_equal(e.a->state, KRBREPL__CHAN_FAILED);
        assert_int_equal(e.a->in.len, 0);
        ends_close(&e);
    }
}

static void assert_acceptor_refuses(krbrepl__propchan_cfg i, krbrepl__propchan_cfg a, const char *hint)
{
    ends e;

    ends_open(&e, i, a);
    if (e.i->state == KRBREPL__CHAN_OPEN)
        tell(e.i, "I have");
    let(&e);
    assert_int_equal(e.a->state, KRBREPL__CHAN_FAILED);
    assert_int_equal(e.a->err.code, KRBREPL_ERR_AUTH);
    if (strstr(e.a->err.text, hint) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", e.a->err.text, hint);
    ends_close(&e);
}

static void clocks_and_addresses_are_checked(void **state)
{
    static const uint8_t elsewhere[4] = {198, 51, 100, 7};
    krbrepl__propchan_cfg a = acceptor(), i = initiator();

    (void)state;
    i.sys = &shifted_sys;
    clock_off_us = -301 * INT64_C(1000000);
    assert_acceptor_refuses(i, a, "from the time of this host");
    clock_off_us = 301 * INT64_C(1000000);
    assert_acceptor_refuses(i, a, "from the time of this host");
    i = initiator();
    i.local.data = elsewhere;
    assert_acceptor_refuses(i, a, "another address");
}

/* Somebody on the way sends once more what he saw in the same connection. */
static void a_message_that_is_said_again_is_refused(void **state)
{
    krbrepl__buf seen;
    ends e;

    (void)state;
    ends_open(&e, initiator(), acceptor());
    krbrepl__buf_init(&seen, 0);
    assert_int_equal(tell(e.i, "I have 1"), 0);
    krbrepl__buf_bytes(&seen, e.i->out.data, e.i->out.len);
    let(&e);
    assert_hears(e.a, "I have 1");
    usleep(1000); /* the clock has moved */
    assert_int_equal(tell(e.i, "I have 2"), 0);
    let(&e);
    assert_hears(e.a, "I have 2");
    assert_int_equal(e.a->ops->feed(e.a, seen.data, seen.len), KRBREPL_ERR_AUTH);
    assert_int_equal(e.a->in.len, 0);
    assert_non_null(strstr(e.a->err.text, "repeated"));
    krbrepl__buf_free(&seen);
    ends_close(&e);
}

static void a_key_that_is_not_there_is_told_to_both(void **state)
{
    krbrepl__propchan_cfg a = acceptor();
    ends e;

    (void)state;
    a.keytab = keytab[1];
    ends_open(&e, initiator(), a);
    assert_int_equal(e.a->err.code, KRBREPL_ERR_AUTH);
    assert_non_null(strstr(e.a->err.text, "ktadd"));
    assert_int_equal(e.i->state, KRBREPL__CHAN_FAILED);
    assert_non_null(strstr(e.i->err.text, "error 60"));
    ends_close(&e);
}

static void keys_below_the_floor_are_not_used(void **state)
{
    krbrepl__propchan_cfg a = acceptor(), i = initiator();
    krbrepl_errinfo ei;
    ends e;

    (void)state;
    KRBREPL_INIT(&ei);
    a.self = "iprop/weak.krbrepl.test";
    a.keytab = keytab[2];
    assert_int_equal(krbrepl__propchan_probe(&a, &ei), KRBREPL_ERR_AUTH);
    assert_non_null(strstr(ei.text, "floor"));
    i.target = a.self;
    ends_open(&e, i, a);
    assert_int_equal(e.i->state, KRBREPL__CHAN_FAILED);
    assert_int_equal(e.i->err.code, KRBREPL_ERR_AUTH);
    ends_close(&e);
}

/* ---- hostile bytes before authentication ---------------------------------------------------- */

static void assert_dropped(const void *p, size_t n, const char *answer, size_t answer_len)
{
    krbrepl__chan *c = open_one(acceptor());

    assert_int_equal(c->ops->feed(c, p, n), KRBREPL_ERR_PROTO);
    assert_int_equal(c->state, KRBREPL__CHAN_FAILED);
    assert_int_equal(c->out.len, answer_len);
    if (answer_len != 0)
        assert_memory_equal(c->out.data, answer, answer_len);
    c->ops->free(c);
}

static void strangers_get_nowhere(void **state)
{
    static const char good[] = "\0\0\0\023KRB5_SENDAUTH_V1.0\0\0\0\0\012iprop-0.0";
    static const char other[] = "\0\0\0\023KRB5_SENDAUTH_V1.0\0\0\0\0\012hprop-0.0";
    static const char huge[] = "\377\377\377\377";
    uint8_t b[sizeof good + 4];

    (void)state;
    assert_dropped("\0\0\0\024", 4, "\1", 1);
    assert_dropped("\0\0\0\023KRB4", 8, "\1", 1);
    assert_dropped(other, sizeof other, "\2", 1);
    memcpy(b, good, sizeof good);
    memcpy(b + sizeof good, huge, 4);
    assert_dropped(b, sizeof b, "\0", 1);
}

/* ---- libkrb5 as the other end --------------------------------------------------------------- */

typedef struct lib {
    int fd;
    int acceptor;
    krb5_error_code e;
    char heard[64];
    const char *says;
    krbrepl__buf said; /* all that it sent */
} lib;

static void set_addresses(krb5_context ctx, krb5_auth_context ac, const uint8_t own[4],
                          const uint8_t peer[4])
{
    krb5_address a = {KV5M_ADDRESS, ADDRTYPE_INET, 4, (krb5_octet *)(uintptr_t)own};
    krb5_address b = {KV5M_ADDRESS, ADDRTYPE_INET, 4, (krb5_octet *)(uintptr_t)peer};

    krb5_auth_con_setaddrs(ctx, ac, &a, &b);
}

static krb5_error_code lib_auth(lib *l, krb5_context ctx, krb5_auth_context *ac)
{
    krb5_principal self = NULL, master = NULL;
    krb5_keytab kt = NULL;
    krb5_creds creds;
    krb5_error_code e = krb5_kt_resolve(ctx, keytab[l->acceptor ? 0 : 1], &kt);

    memset(&creds, 0, sizeof creds);
    if (e == 0)
        e = krb5_parse_name(ctx, SLAVE, &self);
    if (e == 0)
        e = krb5_parse_name(ctx, MASTER, &master);
    if (e == 0 && l->acceptor)
        e = krb5_recvauth(ctx, ac, &l->fd, (char *)(uintptr_t) "iprop-0.0", master, 0, kt, NULL);
    if (e == 0 && !l->acceptor)
        e = krb5_get_init_creds_keytab(ctx, &creds, self, kt, 0, MASTER, NULL);
    if (e == 0 && !l->acceptor)
        e = krb5_sendauth(ctx, ac, &l->fd, (char *)(uintptr_t) "iprop-0.0", self, master,
                          AP_OPTS_MUTUAL_REQUIRED, NULL, &creds, NULL, NULL, NULL, NULL);
    krb5_free_cred_contents(ctx, &creds);
    krb5_free_principal(ctx, self);
    krb5_free_principal(ctx, master);
    krb5_kt_close(ctx, kt);
    return e;
}

static int whole(int fd, void *p, size_t n, int out)
{
    uint8_t *at = p;
    ssize_t k;

    for (; n != 0; at += k, n -= (size_t)k) {
        k = out ? write(fd, at, n) : read(fd, at, n);
        if (k <= 0)
            return -1;
    }
    return 0;
}

static krb5_error_code lib_say(krb5_context ctx, krb5_auth_context ac, lib *l)
{
    krb5_data in = {KV5M_DATA, (unsigned)strlen(l->says), (char *)(uintptr_t)l->says}, out;
    krb5_error_code e = krb5_mk_priv(ctx, ac, &in, &out, NULL);

    if (e == 0) {
        uint8_t len[4];

        krbrepl__put_u32(len, out.length);
        if (whole(l->fd, len, 4, 1) != 0 || whole(l->fd, out.data, out.length, 1) != 0)
            e = EPIPE;
        krb5_free_data_contents(ctx, &out);
    }
    return e;
}

static krb5_error_code lib_hear(krb5_context ctx, krb5_auth_context ac, lib *l)
{
    uint8_t len[4], b[1024];
    krb5_data in = {KV5M_DATA, 0, (char *)b}, out;
    krb5_error_code e;

    if (whole(l->fd, len, 4, 0) != 0 || krbrepl__get_u32(len) > sizeof b ||
        whole(l->fd, b, krbrepl__get_u32(len), 0) != 0)
        return EPIPE;
    in.length = krbrepl__get_u32(len);
    e = krb5_rd_priv(ctx, ac, &in, &out, NULL);
    if (e != 0)
        return e;
    snprintf(l->heard, sizeof l->heard, "%.*s", (int)out.length, out.data);
    krb5_free_data_contents(ctx, &out);
    return 0;
}

static void *lib_main(void *arg)
{
    lib *l = arg;
    krb5_context ctx;
    krb5_auth_context ac = NULL;

    l->e = krb5_init_context(&ctx);
    if (l->e == 0)
        l->e = lib_auth(l, ctx, &ac);
    if (l->e == 0) {
        set_addresses(ctx, ac, l->acceptor ? here : there, l->acceptor ? there : here);
        if (!l->acceptor)
            l->e = lib_say(ctx, ac, l);
    }
    if (l->e == 0)
        l->e = lib_hear(ctx, ac, l);
    if (l->e == 0 && l->acceptor)
        l->e = lib_say(ctx, ac, l);
    krb5_auth_con_free(ctx, ac);
    krb5_free_context(ctx);
    shutdown(l->fd, SHUT_WR);
    return NULL;
}

/* Ours on one end of a socket, the library on the other, until the library has hung up. */
static void with_library(krbrepl__chan *c, lib *l)
{
    uint8_t b[4096];
    int fd[2], told = 0;
    pthread_t t;
    ssize_t n;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    l->fd = fd[1];
    assert_int_equal(pthread_create(&t, NULL, lib_main, l), 0);
    do {
        run_jobs(c);
        if (c->state == KRBREPL__CHAN_OPEN && !told++)
            assert_int_equal(tell(c, "from us"), 0);
        if (c->state == KRBREPL__CHAN_FAILED)
            shutdown(fd[0], SHUT_RDWR);
        else if (c->out.len != 0) {
            assert_int_equal(write(fd[0], c->out.data, c->out.len), c->out.len);
            krbrepl__buf_reset(&c->out);
        }
        n = read(fd[0], b, sizeof b);
        if (n > 0) {
            krbrepl__buf_bytes(&l->said, b, (size_t)n);
            c->ops->feed(c, b, (size_t)n);
        }
    } while (n > 0);
    pthread_join(t, NULL);
    close(fd[0]);
    close(fd[1]);
}

static void the_library_is_understood_as_a_slave(void **state)
{
    krbrepl__chan *c = open_one(acceptor());
    lib l = {.says = "I have"};

    (void)state;
    with_library(c, &l);
    assert_string_equal(c->err.text, "");
    assert_int_equal(l.e, 0);
    assert_string_equal(c->peer, SLAVE AT_REALM);
    assert_hears(c, "I have");
    assert_string_equal(l.heard, "from us");
    c->ops->free(c);
    krbrepl__buf_free(&l.said);
}

/* Heimdal's slaves have no sub-key of their own; the acceptor's is another in each connection. */
static void what_was_recorded_means_nothing_in_another_connection(void **state)
{
    krbrepl__chan *c = open_one(acceptor()), *again = open_one(acceptor());
    lib l = {.says = "I have"};

    (void)state;
    with_library(c, &l);
    assert_int_equal(c->state, KRBREPL__CHAN_OPEN);
    again->ops->feed(again, l.said.data, l.said.len);
    run_jobs(again);
    assert_int_equal(again->state, KRBREPL__CHAN_FAILED);
    assert_int_equal(again->err.code, KRBREPL_ERR_AUTH);
    if (strstr(again->err.text, "under another key") == NULL)
        fail_msg("%s", again->err.text);
    assert_int_equal(again->in.len, 0);
    again->ops->free(again);
    c->ops->free(c);
    krbrepl__buf_free(&l.said);
}

static void the_library_is_understood_as_a_master(void **state)
{
    krbrepl__chan *c = open_one(initiator());
    lib l = {.acceptor = 1, .says = "for you"};

    (void)state;
    with_library(c, &l);
    assert_string_equal(c->err.text, "");
    assert_int_equal(l.e, 0);
    assert_string_equal(l.heard, "from us");
    assert_hears(c, "for you");
    c->ops->free(c);
    krbrepl__buf_free(&l.said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_prove_each_other_and_talk),
        cmocka_unit_test(changed_bytes_are_refused),
        cmocka_unit_test(clocks_and_addresses_are_checked),
        cmocka_unit_test(a_message_that_is_said_again_is_refused),
        cmocka_unit_test(a_key_that_is_not_there_is_told_to_both),
        cmocka_unit_test(keys_below_the_floor_are_not_used),
        cmocka_unit_test(strangers_get_nowhere),
        cmocka_unit_test(the_library_is_understood_as_a_slave),
        cmocka_unit_test(what_was_recorded_means_nothing_in_another_connection),
        cmocka_unit_test(the_library_is_understood_as_a_master),
    };

    return cmocka_run_group_tests(tests, make_realm, NULL);
}
