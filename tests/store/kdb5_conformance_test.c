/* The promises of a store, kept by a database of MIT's own kind: db2; klmdb where there is one; or, when
 * KRBREPL_TEST_KLDAP names the configurations of two realms KIT.TEST in a directory, "FIRST SECOND", kldap. */
#include "kdb5case.h"

#include <stdlib.h>

#include <krbrepl/mit.h>
#include <krbrepl/testing.h>

#define PIECE 60000u

/* The kit's record as one of MIT's: its key is in the name, its value in tagged data. */
struct shaped {
    char dir[256];
    char *key;
    void *value;
    size_t len;
};

static int in_directory(void)
{
    return getenv("KRBREPL_TEST_KLDAP") != NULL;
}

/* Long keys are cut, for the databases have no room for them; what was cut is in a sum. */
static char *key_make(const char *table, krbrepl_bytes key)
{
    static const char tail[] = "@" KDB5_REALM;
    const size_t most = in_directory()    ? 60
                        : kdb5case_lmdb() ? 200
                                          : 500,
                 n = key.len < most ? key.len : most;
    const size_t room = 2 * n + 30 + sizeof tail;
    char *name = malloc(room);
    unsigned sum = 0;
    size_t i;

    assert_non_null(name);
    name[0] = 'k';
    for (i = 0; i < key.len; i++) {
        const unsigned byte = ((const uint8_t *)key.data)[i];

        sum = sum * 16777619u ^ byte;
        if (i < n)
            snprintf(name + 1 + 2 * i, 3, "%02x", byte);
    }
    snprintf(name + 1 + 2 * n, room - 1 - 2 * n, "-%zu-%08x%s", key.len, sum,
             strcmp(table, "principal") == 0 ? tail : "");
    return name;
}

static int principal_make(struct shaped *s, krbrepl_bytes value)
{
    krbrepl_mit_item item[64];
    krbrepl_mit_principal p;
    size_t at;

    KRBREPL_INIT(&p);
    p.base_length = 38;
    p.tl = item;
    for (at = 0; at < value.len && p.ntl < 64; at += PIECE) {
        const krbrepl_bytes part = {(const uint8_t *)value.data + at,
                                    value.len - at < PIECE ? value.len - at : PIECE};

        /* kldap keeps one item of a type. */
        item[p.ntl] = (krbrepl_mit_item){(int16_t)(300 + p.ntl), part};
        p.ntl++;
    }
    return krbrepl_mit_principal_encode(&p, &s->value, &s->len, NULL);
}

/* kldap keeps no tagged data of a policy, but any text in the place of its key/salt list. */
static int policy_make(struct shaped *s, krbrepl_bytes value)
{
    char *text = malloc(2 * value.len + 2);
    krbrepl_mit_policy p;
    size_t i;
    int rc;

    assert_non_null(text);
    snprintf(text, 2, "v");
    for (i = 0; i < value.len; i++)
        snprintf(text + 1 + 2 * i, 3, "%02x", ((const uint8_t *)value.data)[i]);
    KRBREPL_INIT(&p);
    p.keysalts = (krbrepl_bytes){text, 2 * value.len + 1};
    rc = krbrepl_mit_policy_encode(&p, &s->value, &s->len, NULL);
    free(text);
    return rc;
}

static void shaped_free(struct shaped *s)
{
    free(s->key);
    s->key = NULL;
    krbrepl_mit_free(s->value, s->len);
    s->value = NULL;
}

static int record(void *ctx, const char *table, krbrepl_bytes *key, krbrepl_bytes *value)
{
    struct shaped *s = ctx;
    int rc = 0;

    shaped_free(s);
    s->key = key_make(table, *key);
    *key = (krbrepl_bytes){s->key, strlen(s->key)};
    if (value == NULL)
        return 0;
    rc = strcmp(table, "principal") == 0 ? principal_make(s, *value) : policy_make(s, *value);
    *value = (krbrepl_bytes){s->value, s->len};
    return rc;
}

/* ---- the databases ------------------------------------------------------------------------------ */

static int made;

/* Of the two realms in a directory, with what the last promise has left there. */
static krbrepl_kdb5 *directory_open(int which)
{
    char both[600], *second;
    krbrepl_kdb5_options o;
    krbrepl_kdb5 *db = NULL;
    krbrepl_errinfo ei;

    snprintf(both, sizeof both, "%s", getenv("KRBREPL_TEST_KLDAP"));
    second = strchr(both, ' ');
    assert_non_null(second);
    *second++ = '\0';
    assert_int_equal(setenv("KRB5_KDC_PROFILE", which == 0 ? both : second, 1), 0);
    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.realm = KDB5_REALM;
    o.note = kdb5case_note;
    if (krbrepl_kdb5_open(&db, &o, &ei) != 0)
        fail_msg("opening: %s", ei.text);
    return db;
}

static krbrepl_kdb5 *directory_empty(int which)
{
    krbrepl_kdb5 *db = directory_open(which);

    assert_int_equal(krbrepl_kdb5_ops(db)->import_begin(db), 0);
    assert_int_equal(krbrepl_kdb5_ops(db)->import_commit(db, NULL), 0);
    return db;
}
static void *again(void *ctx, int which, void *host)
{
    char name[16];

    krbrepl_kdb5_close(host);
    if (in_directory())
        return directory_open(which);
    snprintf(name, sizeof name, "db%d", made - 1 + which);
    return kdb5case_open(((struct shaped *)ctx)->dir, name);
}

/* Database 0 of a promise comes before its database 1. */
static void *fresh(void *ctx, int which)
{
    char name[16];

    if (in_directory())
        return directory_empty(which);
    made += which == 0 ? 2 : 0;
    snprintf(name, sizeof name, "db%d", made - 1 + which);
    return kdb5case_open(((struct shaped *)ctx)->dir, name);
}

static void gone(void *ctx, int which, void *host)
{
    (void)ctx;
    (void)which;
    krbrepl_kdb5_close(host);
}

static void report(void *ctx, const char *promise, int kept, const char *why)
{
    (void)ctx;
    if (!kept)
        print_message("%s: %s (%s)\n", promise, why, kdb5case_noted);
}

static int conform(const krbrepl_host_ops *ops)
{
    struct shaped s = {.key = NULL};
    krbrepl_testing_store under;
    char stores[300], cmd[320];
    int broken;

    kdb5case_begin(s.dir);
    snprintf(stores, sizeof stores, "%s/stores", s.dir);
    snprintf(cmd, sizeof cmd, "mkdir %s", stores);
    assert_int_equal(system(cmd), 0);
    KRBREPL_INIT(&under);
    under.dir = stores;
    under.host = ops;
    under.fresh = fresh;
    under.again = again;
    under.gone = gone;
    under.ctx = &s;
    under.record = record;
    broken = krbrepl_testing_conform(&under, report, NULL);
    shaped_free(&s);
    kdb5case_end(s.dir);
    return broken;
}

static krbrepl_host_ops callbacks(void)
{
    char dir[256];
    krbrepl_host_ops ops;
    krbrepl_kdb5 *db;

    kdb5case_begin(dir);
    db = in_directory() ? directory_open(0) : kdb5case_open(dir, "any");
    ops = *krbrepl_kdb5_ops(db);
    krbrepl_kdb5_close(db);
    kdb5case_end(dir);
    return ops;
}

static void a_database_of_a_kdc_keeps_every_promise(void **state)
{
    const krbrepl_host_ops ops = callbacks();

    (void)state;
    assert_int_equal(conform(&ops), 0);
}

/* Then the present content is changed piece by piece by a full copy. */
static void a_database_without_import_keeps_every_promise(void **state)
{
    krbrepl_host_ops ops = callbacks();

    (void)state;
    ops.import_begin = NULL;
    ops.import_change = NULL;
    ops.import_commit = NULL;
    ops.import_abort = NULL;
    ops.import_step = NULL;
    assert_int_equal(conform(&ops), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_of_a_kdc_keeps_every_promise),
        cmocka_unit_test(a_database_without_import_keeps_every_promise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
