#include "st.h"

#include <unistd.h>

#include "tree.h"

int st_setup(void **state)
{
    st *t = calloc(1, sizeof *t);

    if (t == NULL)
        return -1;
    snprintf(t->root, sizeof t->root, "%s/krbrepl-store-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(t->root) == NULL)
        return -1;
    snprintf(t->dir, sizeof t->dir, "%s/s", t->root);
    *state = t;
    return 0;
}

int st_teardown(void **state)
{
    st *t = *state;
    int open = krbrepl__env_any();

    tree_remove(t->root);
    free(t);
    /* Every test closes what it opened. */
    return open ? -1 : 0;
}

krbrepl_store *st_open(const char *dir)
{
    krbrepl_store *s = NULL;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&ei);
    rc = krbrepl_store_open(&s, dir, NULL, &ei);
    if (rc != 0)
        fail_msg("open %s: %s", dir, ei.text);
    return s;
}

krbrepl_store *st_master(const st *t)
{
    krbrepl_create_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.flags = KRBREPL_CREATE_MASTER;
    rc = krbrepl_store_create(t->dir, &opt, &ei);
    if (rc != 0)
        fail_msg("create: %s", ei.text);
    return st_open(t->dir);
}

krbrepl_store *st_replica(const st *t, const char *name, krbrepl_store *of)
{
    char dir[512];
    krbrepl_store *s;

    snprintf(dir, sizeof dir, "%s/%s", t->root, name);
    assert_int_equal(krbrepl_store_create(dir, NULL, NULL), 0);
    s = st_open(dir);
    assert_int_equal(krbrepl__store_adopt(s, st_info(of).database_id), 0);
    return s;
}

krbrepl_store_info st_info(krbrepl_store *s)
{
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(s, &info), 0);
    return info;
}

const char *st_text(krbrepl_store *s)
{
    static krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    krbrepl_store_errinfo(s, &ei);
    return ei.text;
}

krbrepl_bytes st_bytes(const char *s)
{
    krbrepl_bytes v = {s, strlen(s)};

    return v;
}

int st_try(krbrepl_store *s, const char *key, const char *value)
{
    krbrepl_txn *txn = NULL;
    int rc = krbrepl_txn_begin(s, &txn, NULL);

    if (rc != 0)
        return rc;
    rc = krbrepl_txn_put(txn, "principal", st_bytes(key), st_bytes(value));
    if (rc != 0) {
        krbrepl_txn_abort(txn);
        return rc;
    }
    return krbrepl_txn_commit(txn, NULL);
}

void st_put(krbrepl_store *s, const char *key, const char *value)
{
    int rc = st_try(s, key, value);

    if (rc != 0)
        fail_msg("put %s: %s", key, st_text(s));
}

void st_delete(krbrepl_store *s, const char *key)
{
    krbrepl_txn *txn = NULL;

    assert_int_equal(krbrepl_txn_begin(s, &txn, NULL), 0);
    assert_int_equal(krbrepl_txn_delete(txn, "principal", st_bytes(key)), 0);
    assert_int_equal(krbrepl_txn_commit(txn, NULL), 0);
}

void st_expect(krbrepl_store *s, const char *key, const char *value)
{
    krbrepl_view *v = NULL;
    krbrepl_bytes got;
    int rc;

    assert_int_equal(krbrepl_view_open(s, &v), 0);
    rc = krbrepl_view_get(v, "principal", st_bytes(key), &got);
    if (value == NULL) {
        assert_int_equal(rc, KRBREPL_ERR_NOTFOUND);
    } else {
        assert_int_equal(rc, 0);
        assert_int_equal(got.len, strlen(value));
        assert_memory_equal(got.data, value, got.len);
    }
    krbrepl_view_close(v);
}

int st_ship(krbrepl_store *from, krbrepl_store *to, uint64_t seq, size_t group)
{
    krbrepl_bytes commit[256];
    krbrepl__batch info;
    krbrepl__buf b;
    krbrepl__rd r;
    size_t n;
    int rc;

    krbrepl__buf_init(&b, 0);
    rc = krbrepl__store_read_commits(from, seq, SIZE_MAX, &b, &info);
    krbrepl__rd_init(&r, b.data, b.len);
    while (rc == 0 && r.left != 0) {
        for (n = 0; n < group && n < 256 && r.left != 0; n++)
            commit[n] = krbrepl__rd_vec32(&r);
        rc = krbrepl__store_apply(to, commit, n, NULL);
    }
    krbrepl__buf_free(&b);
    return rc;
}

/* ---- behind the library's back -------------------------------------------------------------- */

static void patch(const char *dir, const char *table, const void *key, size_t key_len,
                  const void *value, size_t value_len, size_t at)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {key_len, NULL}, v;
    unsigned char *copy, *kc = malloc(key_len);

    assert_non_null(kc);
    memcpy(kc, key, key_len);
    k.mv_data = kc;
    assert_false(krbrepl__env_any());
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 16);
    mdb_env_set_mapsize(env, (size_t)1 << 30);
    assert_int_equal(mdb_env_open(env, dir, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, table, 0, &dbi), 0);
    if (value == NULL) {
        assert_int_equal(mdb_get(txn, dbi, &k, &v), 0);
        assert_true(at < v.mv_size);
        copy = malloc(v.mv_size);
        assert_non_null(copy);
        memcpy(copy, v.mv_data, v.mv_size);
        copy[at] ^= 1;
        v.mv_data = copy;
    } else {
        copy = malloc(value_len);
        assert_non_null(copy);
        memcpy(copy, value, value_len);
        v.mv_data = copy;
        v.mv_size = value_len;
    }
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    free(copy);
    free(kc);
}

void st_flip(const char *dir, const char *table, const void *key, size_t key_len, size_t at)
{
    patch(dir, table, key, key_len, NULL, 0, at);
}

void st_flip_seq(const char *dir, const char *table, uint64_t seq, size_t at)
{
    uint8_t be[8];

    krbrepl__put_u64(be, seq);
    st_flip(dir, table, be, sizeof be, at);
}

void st_overwrite(const char *dir, const char *table, const char *key, const void *value, size_t n)
{
    patch(dir, table, key, strlen(key), value, n, 0);
}
