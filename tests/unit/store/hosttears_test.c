#include "st.h"

#include <sys/wait.h>
#include <unistd.h>

#include "memhost.h"

/* A host's database that loses more than what was being changed when a process dies in it (KRBREPL_HOST_TEARS). */

/* A master that has its records itself, and a hosted replica of it that is at its position. */
typedef struct two {
    krbrepl_store *m, *r;
    memhost *h;
    uint64_t flags; /* of the host */
    char dir[600];  /* of the replica */
} two;

static krbrepl_store *handle(const two *x)
{
    krbrepl_host_ops ops = memhost_ops(1);
    krbrepl_store_options o;
    krbrepl_store *s = NULL;

    KRBREPL_INIT(&o);
    ops.flags = x->flags;
    o.host = &ops;
    o.host_ctx = x->h;
    assert_int_equal(krbrepl_store_open(&s, x->dir, &o, NULL), 0);
    return s;
}

static two begin(st *t, uint64_t flags)
{
    two x = {.h = memhost_new(), .flags = flags};
    krbrepl_create_options o;

    KRBREPL_INIT(&o);
    o.flags = KRBREPL_CREATE_HOSTED;
    assert_non_null(x.h);
    x.m = st_master(t);
    st_put(x.m, "a", "1");
    st_put(x.m, "b", "1");
    st_put(x.m, "c", "1");
    snprintf(x.dir, sizeof x.dir, "%s/r", t->root);
    assert_int_equal(krbrepl_store_create(x.dir, &o, NULL), 0);
    x.r = handle(&x);
    assert_int_equal(krbrepl__store_adopt(x.r, st_info(x.m).database_id), 0);
    assert_int_equal(st_ship(x.m, x.r, 1, 10), 0);
    return x;
}

static void end(two *x)
{
    krbrepl_store_close(x->m);
    krbrepl_store_close(x->r);
    memhost_free(x->h);
}

/* Takes and drops the writer lock of a replica. */
static void touch(krbrepl_store *s)
{
    assert_int_equal(krbrepl__store_learn_epoch(s, 1), 0);
}

/* The replica dies while its host makes a change, and is opened again. No environment is taken over a fork. */
static void die_in_an_apply(two *x, const st *t)
{
    int status = 0;
    pid_t pid;

    st_put(x->m, "a", "2");
    krbrepl_store_close(x->m);
    krbrepl_store_close(x->r);
    x->h->die_after = 0;
    pid = fork();
    if (pid == 0) {
        x->m = st_open(t->dir);
        x->r = handle(x);
        (void)st_ship(x->m, x->r, st_info(x->r).pos.seq + 1, 10);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    x->h->die_after = -1;
    x->m = st_open(t->dir);
    x->r = handle(x);
}

static void torn_content_is_of_no_position(void **state)
{
    st *t = *state;
    two x = begin(t, KRBREPL_HOST_TEARS);

    die_in_an_apply(&x, t);
    assert_int_not_equal(st_info(x.r).pos.seq, 0);
    touch(x.r);
    assert_int_equal(st_info(x.r).pos.seq, 0);
    assert_int_equal(st_info(x.r).records, 0);
    /* Nor does it come back by the commit alone. */
    assert_int_not_equal(st_ship(x.m, x.r, st_info(x.m).pos.seq, 10), 0);
    end(&x);
}

static void torn_content_is_seen_when_the_store_is_settled(void **state)
{
    st *t = *state;
    two x = begin(t, KRBREPL_HOST_TEARS);

    die_in_an_apply(&x, t);
    assert_int_equal(krbrepl__store_settle(x.r), 0);
    assert_int_equal(st_info(x.r).pos.seq, 0);
    assert_int_equal(krbrepl__store_settle(x.r), 0);
    assert_int_equal(krbrepl__store_settle(x.m), 0);
    end(&x);
}

static void content_that_does_not_tear_is_brought_to_its_end(void **state)
{
    st *t = *state;
    two x = begin(t, 0);
    uint64_t was;

    die_in_an_apply(&x, t);
    was = st_info(x.r).pos.seq;
    touch(x.r);
    assert_int_not_equal(was, 0);
    assert_true(st_info(x.r).pos.seq >= was);
    if (st_info(x.r).pos.seq == was)
        assert_int_equal(st_ship(x.m, x.r, was + 1, 10), 0);
    assert_int_equal(st_info(x.r).pos.seq, st_info(x.m).pos.seq);
    end(&x);
}

/* A host that refuses a change has died of nothing. */
static void refusal_of_a_host_that_tears_is_no_death(void **state)
{
    st *t = *state;
    two x = begin(t, KRBREPL_HOST_TEARS);
    const uint64_t was = st_info(x.r).pos.seq;

    st_put(x.m, "a", "2");
    x.h->fail_with = 22;
    x.h->whole = 0;
    assert_int_not_equal(st_ship(x.m, x.r, was + 1, 10), 0);
    x.h->fail_with = 0;
    touch(x.r);
    assert_int_equal(st_info(x.r).pos.seq, was);
    assert_int_equal(st_ship(x.m, x.r, was + 1, 10), 0);
    assert_int_equal(st_info(x.r).pos.seq, was + 1);
    end(&x);
}

/* But one that says that its write has failed half-way has lost what it has lost. */
static void torn_write_of_a_process_that_lives_is_of_no_position(void **state)
{
    st *t = *state;
    two x = begin(t, KRBREPL_HOST_TEARS);
    const uint64_t was = st_info(x.r).pos.seq;

    st_put(x.m, "a", "2");
    x.h->fail_with = KRBREPL_ERR_CORRUPT;
    assert_int_not_equal(st_ship(x.m, x.r, was + 1, 10), 0);
    x.h->fail_with = 0;
    assert_int_equal(st_info(x.r).pos.seq, was);
    touch(x.r);
    assert_int_equal(st_info(x.r).pos.seq, 0);
    end(&x);
}

static void unknown_flag_of_a_host_is_refused(void **state)
{
    st *t = *state;
    memhost *h = memhost_new();
    krbrepl_host_ops ops = memhost_ops(1);
    krbrepl_store_options o;
    krbrepl_create_options c;
    krbrepl_store *s = NULL;

    KRBREPL_INIT(&c);
    KRBREPL_INIT(&o);
    c.flags = KRBREPL_CREATE_HOSTED;
    assert_int_equal(krbrepl_store_create(t->dir, &c, NULL), 0);
    ops.flags = 2;
    o.host = &ops;
    o.host_ctx = h;
    assert_int_equal(krbrepl_store_open(&s, t->dir, &o, NULL), KRBREPL_ERR_INVALID);
    assert_null(s);
    memhost_free(h);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(torn_content_is_of_no_position),
        T(torn_content_is_seen_when_the_store_is_settled),
        T(content_that_does_not_tear_is_brought_to_its_end),
        T(refusal_of_a_host_that_tears_is_no_death),
        T(torn_write_of_a_process_that_lives_is_of_no_position),
        T(unknown_flag_of_a_host_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
