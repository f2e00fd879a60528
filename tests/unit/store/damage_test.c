#include "st.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Every value that the store hands out is checked against a checksum first. */

static const char key_a[] = "principal\0alice";

static krbrepl_store *with_alice(const st *t)
{
    krbrepl_store *s = st_master(t);

    st_put(s, "alice", "secret");
    st_put(s, "bob", "other");
    return s;
}

/* A node's ear in the store's directory. */
static int listen_for_hints(const st *t)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    assert_true(snprintf(sa.sun_path, sizeof sa.sun_path, "%s/" KRBREPL__WAKE_SOCKET, t->dir) <
                (int)sizeof sa.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void assert_hint(int fd, const char *expected, size_t len)
{
    char got[600];

    assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), (ssize_t)len);
    assert_memory_equal(got, expected, len);
}

static int go_on(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    (void)ctx, (void)table, (void)key, (void)value;
    return 0;
}

static void whoever_reads_a_damaged_record_tells_the_node(void **state)
{
    static const char hint[] = "dprincipal\0alice";
    const st *t = *state;
    krbrepl_store *s = with_alice(t);
    krbrepl_bytes got;
    krbrepl_view *v;
    char byte;
    int fd;

    krbrepl_store_close(s);
    fd = listen_for_hints(t);
    st_flip(t->dir, "records.a", key_a, sizeof key_a - 1, 17);
    s = st_open(t->dir);
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", BYTES("bob"), &got), 0);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(krbrepl_view_get(v, "principal", BYTES("alice"), &got), KRBREPL_ERR_CORRUPT);
    assert_hint(fd, hint, sizeof hint - 1);
    assert_int_equal(krbrepl_view_each(v, NULL, NULL, NULL, 0, go_on, NULL), KRBREPL_ERR_CORRUPT);
    assert_hint(fd, hint, sizeof hint - 1);
    krbrepl_view_close(v);
    st_put(s, "carol", "1");
    assert_hint(fd, "w", 1);
    krbrepl_store_close(s);
    close(fd);
}

static int count(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    int *n = ctx;

    (void)table;
    (void)value;
    assert_memory_not_equal(key.data, "alice", key.len < 5 ? key.len : 5);
    ++*n;
    return 0;
}

static void damaged_record_is_reported_with_its_place_and_never_served(void **state)
{
    static const size_t at[] = {0, 15, 16, 17, 22}; /* digest, flags, value */
    const st *t = *state;
    krbrepl_store *s = with_alice(t);
    krbrepl_bytes got = {NULL, 0};
    krbrepl_view *v;
    krbrepl_txn *txn;
    size_t i;
    int n;

    krbrepl_store_close(s);
    for (i = 0; i < sizeof at / sizeof at[0]; i++) {
        st_flip(t->dir, "records.a", key_a, sizeof key_a - 1, at[i]);
        s = st_open(t->dir);
        assert_int_equal(krbrepl_view_open(s, &v), 0);
        assert_int_equal(krbrepl_view_get(v, "principal", BYTES("alice"), &got), KRBREPL_ERR_CORRUPT);
        assert_null(got.data);
        assert_non_null(strstr(st_text(s), "records.a"));
        assert_non_null(strstr(st_text(s), "principal alice"));
        assert_null(strstr(st_text(s), "secret"));
        n = 0;
        assert_int_equal(krbrepl_view_each(v, NULL, NULL, NULL, 0, count, &n), KRBREPL_ERR_CORRUPT);
        assert_int_equal(n, 0);
        assert_int_equal(krbrepl_view_get(v, "principal", BYTES("bob"), &got), 0);
        got.data = NULL;
        krbrepl_view_close(v);
        assert_int_equal(krbrepl_txn_begin(s, &txn, NULL), 0);
        assert_int_equal(krbrepl_txn_get(txn, "principal", BYTES("alice"), &got), KRBREPL_ERR_CORRUPT);
        assert_null(got.data);
        krbrepl_txn_abort(txn);
        krbrepl_store_close(s);
        st_flip(t->dir, "records.a", key_a, sizeof key_a - 1, at[i]);
    }
    s = st_open(t->dir);
    st_expect(s, "alice", "secret");
    krbrepl_store_close(s);
}

static void unprintable_key_of_a_damaged_record_is_escaped(void **state)
{
    static const char full[] = "principal\0a\n\x01z";
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl_view *v;
    krbrepl_bytes got;

    st_put(s, "a\n\x01z", "v");
    krbrepl_store_close(s);
    st_flip(t->dir, "records.a", full, sizeof full - 1, 0);
    s = st_open(t->dir);
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", BYTES("a\n\x01z"), &got), KRBREPL_ERR_CORRUPT);
    assert_non_null(strstr(st_text(s), "a\\x0a\\x01z"));
    krbrepl_view_close(v);
    krbrepl_store_close(s);
}

static void damaged_record_with_a_long_key_is_reported(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl__rkey k;
    krbrepl_view *v;
    krbrepl_bytes got;
    char key[601];
    size_t at;

    memset(key, 'k', sizeof key);
    key[600] = '\0';
    st_put(s, key, "v");
    assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes(key), &k), 0);
    assert_int_equal(k.ck.len, KRBREPL__CKEY_MAX);
    krbrepl_store_close(s);
    /* flags, length, table, key, value */
    for (at = 16; at < 16 + 1 + 4 + 10 + 600 + 1; at += at < 32 ? 1 : 150) {
        st_flip(t->dir, "records.a", k.ck.b, k.ck.len, at);
        s = st_open(t->dir);
        assert_int_equal(krbrepl_view_open(s, &v), 0);
        assert_int_equal(krbrepl_view_get(v, "principal", st_bytes(key), &got), KRBREPL_ERR_CORRUPT);
        krbrepl_view_close(v);
        krbrepl_store_close(s);
        st_flip(t->dir, "records.a", k.ck.b, k.ck.len, at);
    }
}

static int see(void *ctx, const krbrepl_commit *c)
{
    uint64_t *last = ctx;

    *last = c->pos.seq;
    return 0;
}

static void damaged_commit_is_reported_with_its_seq_and_never_served(void **state)
{
    static const size_t at[] = {32, 40, 60, 100}; /* behind the chain: the encoded commit */
    const st *t = *state;
    krbrepl_store *s = with_alice(t);
    krbrepl__batch info;
    krbrepl__buf b;
    uint64_t last;
    size_t i;

    st_put(s, "carol", "more");
    krbrepl_store_close(s);
    for (i = 0; i < sizeof at / sizeof at[0]; i++) {
        st_flip_seq(t->dir, "journal", 3, at[i]);
        s = st_open(t->dir);
        last = 0;
        assert_int_equal(krbrepl_journal_each(s, 0, 0, see, &last), KRBREPL_ERR_CORRUPT);
        assert_int_equal(last, 2);
        assert_non_null(strstr(st_text(s), "commit 3"));
        krbrepl__buf_init(&b, 0);
        assert_int_equal(krbrepl__store_read_commits(s, 1, SIZE_MAX, &b, &info), KRBREPL_ERR_CORRUPT);
        assert_int_equal(info.count, 2);
        assert_int_equal(info.next, 3);
        krbrepl__buf_free(&b);
        krbrepl_store_close(s);
        st_flip_seq(t->dir, "journal", 3, at[i]);
    }
}

static void damaged_chain_of_the_last_commit_is_noticed(void **state)
{
    const st *t = *state;
    krbrepl_store *s = with_alice(t);
    uint64_t last = 0;

    krbrepl_store_close(s);
    st_flip_seq(t->dir, "journal", 3, 5);
    s = st_open(t->dir);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, see, &last), KRBREPL_ERR_CORRUPT);
    assert_int_equal(last, 2);
    krbrepl_store_close(s);
}

static void damaged_state_is_refused_at_open(void **state)
{
    const st *t = *state;
    krbrepl_store *s = with_alice(t);
    krbrepl_errinfo ei;
    size_t at;

    krbrepl_store_close(s);
    KRBREPL_INIT(&ei);
    for (at = 0; at < 140; at += 7) {
        st_flip(t->dir, "meta", "state", 5, at);
        assert_int_equal(krbrepl_store_open(&s, t->dir, NULL, &ei), KRBREPL_ERR_CORRUPT);
        assert_null(s);
        assert_non_null(strstr(ei.text, "meta"));
        st_flip(t->dir, "meta", "state", 5, at);
    }
    s = st_open(t->dir);
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(damaged_record_is_reported_with_its_place_and_never_served),
        T(whoever_reads_a_damaged_record_tells_the_node),
        T(unprintable_key_of_a_damaged_record_is_escaped),
        T(damaged_record_with_a_long_key_is_reported),
        T(damaged_commit_is_reported_with_its_seq_and_never_served),
        T(damaged_chain_of_the_last_commit_is_noticed),
        T(damaged_state_is_refused_at_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
