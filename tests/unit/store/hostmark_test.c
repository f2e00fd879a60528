#include "st.h"

#include "hostdb.h"
#include "memhost.h"

/* A full copy that changes a host's present content piece by piece marks it first. Whoever is promoted in the instant before
 * is left alone.
 *
 * The linker puts the __wrap_ function here in the place of the one that the library calls. */

int __real_krbrepl__wtxn_commit(krbrepl_store *s, krbrepl__wtxn *w);
int __wrap_krbrepl__wtxn_commit(krbrepl_store *s, krbrepl__wtxn *w);

static krbrepl_store *promoted; /* when a build has begun */

int __wrap_krbrepl__wtxn_commit(krbrepl_store *s, krbrepl__wtxn *w)
{
    const int begun = w->st.other == KRBREPL__OTHER_BUILT || w->st.other == KRBREPL__OTHER_PARTIAL;
    const int rc = __real_krbrepl__wtxn_commit(s, w);
    krbrepl_store *other = promoted;

    if (rc == 0 && begun && other != NULL) {
        promoted = NULL;
        assert_int_equal(krbrepl_promote(other, "tests", NULL), 0);
    }
    return rc;
}

static krbrepl_store *host_open(const char *dir, memhost *h)
{
    krbrepl_host_ops ops = memhost_ops(0);
    krbrepl_store_options o;
    krbrepl_store *s = NULL;

    KRBREPL_INIT(&o);
    o.host = &ops;
    o.host_ctx = h;
    assert_int_equal(krbrepl_store_open(&s, dir, &o, NULL), 0);
    return s;
}

static krbrepl_store *made(const char *dir, uint64_t flags, memhost *h)
{
    krbrepl_create_options o;

    KRBREPL_INIT(&o);
    o.flags = flags | KRBREPL_CREATE_HOSTED;
    assert_int_equal(krbrepl_store_create(dir, &o, NULL), 0);
    return host_open(dir, h);
}

static void who_is_promoted_just_before_a_full_copy_begins_can_write(void **state)
{
    static const krbrepl__ancestry none;
    const st *t = *state;
    memhost *h = memhost_new(), *g = memhost_new();
    krbrepl_store *m = made(t->dir, KRBREPL_CREATE_MASTER, h), *r, *other;
    krbrepl__copy *c = NULL;
    krbrepl_pos at;
    char dir[600];

    snprintf(dir, sizeof dir, "%s/r", t->root);
    st_put(m, "a", "1");
    r = made(dir, 0, g);
    assert_int_equal(krbrepl__store_adopt(r, st_info(m).database_id), 0);
    assert_int_equal(st_ship(m, r, 1, 7), 0);
    st_put(m, "a", "2");
    other = host_open(dir, g);
    promoted = other;
    at = st_info(m).pos;
    if (krbrepl__copy_begin(r, &c, &at, &none, st_info(m).cumulative, 0, 0) == 0)
        krbrepl__copy_abort(c);
    assert_null(promoted);
    assert_int_equal(st_try(other, "a", "9"), 0);
    assert_string_equal(memhost_value(g, "principal", "a"), "9");
    krbrepl_store_close(other);
    krbrepl_store_close(r);
    krbrepl_store_close(m);
    memhost_free(g);
    memhost_free(h);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(who_is_promoted_just_before_a_full_copy_begins_can_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
