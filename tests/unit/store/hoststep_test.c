#include "st.h"

#include <sys/wait.h>
#include <unistd.h>

#include "hostdb.h"
#include "memhost.h"

/* A host that needs a while for what an import has brought in gets it piece by piece, and what its database holds in
 * the middle of it is nobody's content. */

static krbrepl_store *host_open(const char *dir, memhost *h)
{
    krbrepl_host_ops ops = memhost_ops(2);
    krbrepl_store_options o;
    krbrepl_store *s = NULL;
    krbrepl_errinfo ei;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.host = &ops;
    o.host_ctx = h;
    if (krbrepl_store_open(&s, dir, &o, &ei) != 0)
        fail_msg("open %s: %s", dir, ei.text);
    return s;
}

static void make(const char *dir, uint64_t flags)
{
    krbrepl_create_options o;

    KRBREPL_INIT(&o);
    o.flags = flags | KRBREPL_CREATE_HOSTED;
    assert_int_equal(krbrepl_store_create(dir, &o, NULL), 0);
}

struct pair {
    char dir[600];
    memhost *h, *g;
    krbrepl_store *m, *r;
};

/* A master, and a replica that is one commit behind. */
static void begin(const st *t, struct pair *p)
{
    p->h = memhost_new();
    p->g = memhost_new();
    make(t->dir, KRBREPL_CREATE_MASTER);
    p->m = host_open(t->dir, p->h);
    st_put(p->m, "a", "1");
    st_put(p->m, "c", "1");
    snprintf(p->dir, sizeof p->dir, "%s/r", t->root);
    make(p->dir, 0);
    p->r = host_open(p->dir, p->g);
    assert_int_equal(krbrepl__store_adopt(p->r, st_info(p->m).database_id), 0);
    assert_int_equal(st_ship(p->m, p->r, 1, 7), 0);
    st_put(p->m, "a", "2");
    st_put(p->m, "b", "2");
}

static void end(struct pair *p)
{
    krbrepl_store_close(p->r);
    krbrepl_store_close(p->m);
    memhost_free(p->g);
    memhost_free(p->h);
}

static const char *value(memhost *h, const char *key)
{
    return memhost_value(h, "principal", key);
}

/* Everything has come. */
static krbrepl__copy *filled(krbrepl_store *m, krbrepl_store *r)
{
    krbrepl__ancestry none = {NULL, 0};
    krbrepl__ckey after = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos at;
    krbrepl__buf b;
    krbrepl__rd rd;
    int last = 0;

    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_copy_slice(m, &after, SIZE_MAX, &b, &last, &at), 0);
    assert_int_equal(krbrepl__copy_begin(r, &c, &at, &none, st_info(m).cumulative, 0, 0), 0);
    krbrepl__rd_init(&rd, b.data, b.len);
    while (rd.left != 0) {
        krbrepl_bytes full = krbrepl__rd_vec32(&rd), v = krbrepl__rd_vec32(&rd);

        assert_int_equal(krbrepl__copy_put(c, full, v), 0);
    }
    krbrepl__buf_free(&b);
    return c;
}

static int finish(krbrepl__copy *c)
{
    int rc;

    while ((rc = krbrepl__copy_switch(c, NULL)) == 1)
        continue;
    return rc;
}

static void assert_same(struct pair *p)
{
    assert_int_equal(st_info(p->r).pos.seq, st_info(p->m).pos.seq);
    assert_string_equal(value(p->g, "a"), "2");
    assert_string_equal(value(p->g, "b"), "2");
    st_expect(p->r, "a", "2");
    st_expect(p->r, "c", "1");
}

static void a_full_copy_is_taken_over_a_step_at_a_time(void **state)
{
    struct pair p;
    krbrepl__copy *c;
    int calls = 1, rc;

    begin(*state, &p);
    c = filled(p.m, p.r);
    assert_int_equal(p.g->steps, 0);
    while ((rc = krbrepl__copy_switch(c, NULL)) == 1) {
        assert_int_equal(p.g->steps, calls++);
        /* The node is asked how it is, and its slots move. */
        assert_int_equal(st_info(p.r).pos.seq + 2, st_info(p.m).pos.seq);
        assert_int_equal(krbrepl__store_learn_epoch(p.r, 1), 0);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(calls, MEMHOST_RECORDS);
    assert_same(&p);
    st_put(p.m, "more", "3");
    assert_int_equal(st_ship(p.m, p.r, st_info(p.r).pos.seq + 1, 7), 0);
    assert_same(&p);
    end(&p);
}

static void what_is_half_taken_over_is_not_taken_for_alterations(void **state)
{
    struct pair p;
    krbrepl__copy *c;
    krbrepl__ckey after = {0};
    char name[KRBREPL__ROW_NAME];
    int last = 0;

    begin(*state, &p);
    c = filled(p.m, p.r);
    assert_int_equal(krbrepl__copy_switch(c, NULL), 1);
    assert_string_equal(value(p.g, "a"), "2");
    assert_int_equal(krbrepl__host_scrub(p.r, &after, 10, &last, name), 0);
    assert_false(last);
    assert_int_equal(finish(c), 0);
    assert_same(&p);
    assert_int_equal(krbrepl__host_scrub(p.r, &after, 10, &last, name), 0);
    assert_true(last);
    end(&p);
}

/* The next writer finds out. */
static void assert_copied_again(struct pair *p)
{
    assert_int_equal(krbrepl__store_learn_epoch(p->r, 1), 0);
    assert_int_equal(st_info(p->r).pos.seq, 0);
    assert_int_equal(finish(filled(p->m, p->r)), 0);
    assert_same(p);
}

static void a_copy_that_fails_in_a_step_leaves_an_empty_replica(void **state)
{
    struct pair p;

    begin(*state, &p);
    p.g->fail_with = 77;
    p.g->whole = 1;
    assert_int_equal(finish(filled(p.m, p.r)), KRBREPL_ERR_HOST);
    assert_int_equal(p.g->importing, 0);
    p.g->fail_with = 0;
    assert_copied_again(&p);
    end(&p);
}

static void a_copy_that_is_given_up_between_steps_leaves_an_empty_replica(void **state)
{
    struct pair p;
    krbrepl__copy *c;

    begin(*state, &p);
    c = filled(p.m, p.r);
    assert_int_equal(krbrepl__copy_switch(c, NULL), 1);
    krbrepl__copy_abort(c);
    assert_int_equal(p.g->importing, 0);
    assert_copied_again(&p);
    end(&p);
}

static void a_process_that_dies_between_steps_leaves_an_empty_replica(void **state)
{
    const st *t = *state;
    struct pair p;
    int status;
    pid_t pid;

    begin(t, &p);
    krbrepl_store_close(p.r);
    krbrepl_store_close(p.m);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        p.g->die_after = 1;
        _exit(finish(filled(host_open(t->dir, p.h), host_open(p.dir, p.g))) == 0 ? 1 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 9);
    p.g->die_after = -1;
    p.m = host_open(t->dir, p.h);
    p.r = host_open(p.dir, p.g);
    assert_copied_again(&p);
    end(&p);
}

/* Another process has promoted it, and the node does not know that yet. */
static void what_has_become_the_master_meanwhile_keeps_its_content(void **state)
{
    struct pair p;
    krbrepl__copy *c;
    krbrepl_store *other;

    begin(*state, &p);
    c = filled(p.m, p.r);
    assert_int_equal(krbrepl__copy_apply(c, NULL, 0), 0); /* and is written */
    other = host_open(p.dir, p.g);
    assert_int_equal(krbrepl_promote(other, "tests", NULL), 0);
    assert_int_not_equal(finish(c), 0);
    assert_int_equal(p.g->steps, 0);
    assert_string_equal(value(p.g, "a"), "1");
    st_put(other, "a", "9");
    assert_string_equal(value(p.g, "a"), "9");
    krbrepl_store_close(other);
    end(&p);
}

static void a_repair_by_a_new_generation_takes_steps_too(void **state)
{
    static const krbrepl__ancestry none;
    struct pair p;
    krbrepl__repair *rep = NULL;
    krbrepl_store_info i;
    krbrepl_view *v = NULL;
    krbrepl_bytes value_of_b;
    int rc;

    begin(*state, &p);
    i = st_info(p.m);
    assert_int_equal(krbrepl__repair_begin(p.r, &rep, &i.pos, &none, i.cumulative, 1), 0);
    assert_int_equal(krbrepl_view_open(p.m, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", st_bytes("a"), &value_of_b), 0);
    assert_int_equal(krbrepl__repair_put(rep, (krbrepl_bytes){"principal\0a", 11}, value_of_b), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", st_bytes("b"), &value_of_b), 0);
    assert_int_equal(krbrepl__repair_put(rep, (krbrepl_bytes){"principal\0b", 11}, value_of_b), 0);
    krbrepl_view_close(v);
    while ((rc = krbrepl__repair_finish(rep, NULL)) == 1)
        continue;
    assert_int_equal(rc, 0);
    assert_int_equal(p.g->steps, MEMHOST_RECORDS);
    assert_same(&p);
    end(&p);
}

static void steps_without_an_import_are_refused(void **state)
{
    const st *t = *state;
    krbrepl_host_ops ops = memhost_ops(2);
    krbrepl_store_options o;
    krbrepl_store *s = NULL;
    memhost *h = memhost_new();

    make(t->dir, KRBREPL_CREATE_MASTER);
    KRBREPL_INIT(&o);
    o.host = &ops;
    o.host_ctx = h;
    ops.import_begin = NULL;
    ops.import_change = NULL;
    ops.import_commit = NULL;
    ops.import_abort = NULL;
    assert_int_equal(krbrepl_store_open(&s, t->dir, &o, NULL), KRBREPL_ERR_INVALID);
    memhost_free(h);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(a_full_copy_is_taken_over_a_step_at_a_time),
        T(what_is_half_taken_over_is_not_taken_for_alterations),
        T(a_copy_that_fails_in_a_step_leaves_an_empty_replica),
        T(a_copy_that_is_given_up_between_steps_leaves_an_empty_replica),
        T(a_process_that_dies_between_steps_leaves_an_empty_replica),
        T(what_has_become_the_master_meanwhile_keeps_its_content),
        T(a_repair_by_a_new_generation_takes_steps_too),
        T(steps_without_an_import_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
