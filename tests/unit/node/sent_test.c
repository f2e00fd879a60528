#include "../store/st.h"

/* What a node that was killed finds again of what it has sent. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node_impl.h"
#include "sent.h"

#define BASE 1000u

typedef struct killed {
    krbrepl_node n;
    krbrepl__master m;
    krbrepl__slot_entry slot[4];
    const st *at;
} killed;

static krbrepl__conn *connected(void)
{
    static char somebody;

    return (krbrepl__conn *)(void *)&somebody;
}

static void slot(krbrepl__slot_entry *e, const char *name, uint32_t base, uint32_t last, int live)
{
    memset(e, 0, sizeof *e);
    snprintf(e->s.principal, sizeof e->s.principal, "%s", name);
    e->s.dialect = KRBREPL_DIALECT_HEIMDAL;
    e->s.base = base;
    e->s.last = last;
    e->s.acked = last != 0 ? last - 5 : 0;
    e->live = live ? connected() : NULL;
}

/* As the store has them. */
static void stored(killed *k, int live)
{
    slot(&k->slot[0], "iprop/here@R", BASE, 1010, live);
    slot(&k->slot[1], "iprop/away@R", BASE, 1010, 0);
    slot(&k->slot[2], "iprop/unknown@R", BASE, 0, live);
    slot(&k->slot[3], "iprop/other@R", BASE + 1, 1010, live);
}

static void begin(killed *k, void **state)
{
    memset(k, 0, sizeof *k);
    k->at = *state;
    k->n.master = &k->m;
    k->n.store = st_master(k->at);
    k->m.n = &k->n;
    k->m.sent_fd = -1;
    k->m.slots = k->slot;
    k->m.nslots = 4;
    st_put(k->n.store, "a", "1");
    stored(k, 1);
    k->slot[0].s.last = 1020;
    k->slot[0].s.acked = 1018;
    assert_int_equal(krbrepl__sent_note(&k->n, BASE), 0);
    krbrepl__sent_close(&k->m);
    stored(k, 0);
}

static void end(killed *k)
{
    krbrepl_store_close(k->n.store);
}

static void expect(const killed *k, uint32_t last)
{
    assert_int_equal(k->slot[0].s.last, last);
    assert_int_equal(k->slot[0].s.acked, last != 1010 ? 1018 : 1005);
    assert_int_equal(k->slot[0].dirty, last != 1010);
    assert_int_equal(k->slot[1].s.last, 1010);
    assert_int_equal(k->slot[2].s.last, 0);
    assert_int_equal(k->slot[3].s.last, 1010);
}

static void sent_path(const killed *k, char out[600])
{
    snprintf(out, 600, "%s/iprop.sent", k->at->dir);
}

static void those_who_were_there_are_raised(void **state)
{
    killed k;

    begin(&k, state);
    st_put(k.n.store, "b", "1"); /* since */
    krbrepl__sent_load(&k.n);
    expect(&k, 1020);
    end(&k);
}

static void one_of_whom_nothing_is_known_stays_so(void **state)
{
    killed k;

    begin(&k, state);
    k.slot[0].s.last = 0;
    krbrepl__sent_load(&k.n);
    assert_int_equal(k.slot[0].s.last, 0);
    end(&k);
}

static void an_answer_alone_is_found_too(void **state)
{
    killed k;

    begin(&k, state);
    k.slot[0].s.last = 1020;
    krbrepl__sent_load(&k.n);
    assert_int_equal(k.slot[0].s.last, 1020);
    assert_int_equal(k.slot[0].s.acked, 1018);
    assert_true(k.slot[0].dirty);
    end(&k);
}

/* A slave is not to be believed up to where it was, and gets a complete database of a lower number. */
static void nothing_counts_once_it_is_forgotten(void **state)
{
    killed k;

    begin(&k, state);
    assert_int_equal(krbrepl__sent_forget(&k.n), 0);
    krbrepl__sent_load(&k.n);
    expect(&k, 1010);
    assert_int_equal(krbrepl__sent_note(&k.n, BASE), 0);
    krbrepl__sent_load(&k.n);
    expect(&k, 1010);
    krbrepl__sent_close(&k.m);
    end(&k);
}

static const krbrepl__sess_info *info_of(const krbrepl__sess *s)
{
    static const krbrepl__sess_info info = {.dialect = KRBREPL_DIALECT_HEIMDAL};

    (void)s;
    return &info;
}

static int take_acked(void *ctx, const krbrepl__slot *s)
{
    killed *k = ctx;

    slot(&k->slot[0], s->principal, s->base, s->last, 0);
    k->slot[0].s.acked = s->acked;
    return 0;
}

/* A slave that was put back to an earlier state, and then the node is killed. */
static void less_than_was_answered_for_is_written_before_it_returns(void **state)
{
    static const krbrepl__sess_ops ops = {.info = info_of};
    const krbrepl__told told = {BASE, 1020, 1003};
    krbrepl__sess_head sess = {&ops};
    krbrepl__conn c;
    killed k;

    begin(&k, state);
    memset(&c, 0, sizeof c);
    c.n = &k.n;
    c.sess = (krbrepl__sess *)(void *)&sess;
    k.n.sys = krbrepl__sys_default();
    k.m.nslots = 1;
    k.slot[0].s.last = k.slot[0].stored_last = 1020;
    k.slot[0].s.acked = 1018;
    k.slot[0].stored_base = BASE;
    assert_int_equal(krbrepl__store_slots_put(k.n.store, &k.slot[0].s, 1), 0);
    assert_int_equal(krbrepl__master_tell(&c, "iprop/here@R", &told), 0);
    krbrepl__sent_close(&k.m);
    assert_int_equal(krbrepl__store_slots_each(k.n.store, take_acked, &k), 0);
    krbrepl__sent_load(&k.n);
    assert_int_equal(k.slot[0].s.last, 1020);
    assert_int_equal(k.slot[0].s.acked, 1003);
    end(&k);
}

/* The file cannot be forgotten once; the slave, which got nothing meanwhile, comes back at the same number. */
static void less_that_could_not_be_written_is_not_taken_for_written(void **state)
{
    static const krbrepl__sess_ops ops = {.info = info_of};
    const krbrepl__told told = {BASE, 1020, 1003};
    krbrepl__sess_head sess = {&ops};
    krbrepl__told known;
    krbrepl__conn c;
    char path[600];
    killed k;

    begin(&k, state);
    memset(&c, 0, sizeof c);
    c.n = &k.n;
    c.sess = (krbrepl__sess *)(void *)&sess;
    k.n.sys = krbrepl__sys_default();
    k.m.nslots = 1;
    k.slot[0].s.last = k.slot[0].stored_last = 1020;
    k.slot[0].s.acked = 1018;
    k.slot[0].stored_base = BASE;
    assert_int_equal(krbrepl__store_slots_put(k.n.store, &k.slot[0].s, 1), 0);
    sent_path(&k, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(krbrepl__master_tell(&c, "iprop/here@R", &told), KRBREPL_ERR_IO);
    assert_int_equal(krbrepl__master_told(&c, "iprop/here@R", &known), 0);
    assert_int_equal(known.acked, 1018);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(krbrepl__master_tell(&c, "iprop/here@R", &told), 0);
    assert_int_equal(krbrepl__master_told(&c, "iprop/here@R", &known), 0);
    assert_int_equal(known.acked, 1003);
    krbrepl__sent_close(&k.m);
    end(&k);
}

/* The same of a store that takes nothing. */
static void a_slot_that_could_not_be_lowered_stays_as_it_is(void **state)
{
    static const krbrepl__sess_ops ops = {.info = info_of};
    const krbrepl__told told = {BASE, 0, 0};
    krbrepl__sess_head sess = {&ops};
    krbrepl_store *store;
    krbrepl__told known;
    krbrepl_txn *other;
    krbrepl__conn c;
    killed k;

    begin(&k, state);
    memset(&c, 0, sizeof c);
    c.n = &k.n;
    c.sess = (krbrepl__sess *)(void *)&sess;
    k.n.sys = krbrepl__sys_default();
    k.m.nslots = 1;
    k.slot[0].s.last = k.slot[0].stored_last = 1020;
    k.slot[0].s.acked = 1018;
    k.slot[0].stored_base = BASE;
    assert_int_equal(krbrepl__store_slots_put(k.n.store, &k.slot[0].s, 1), 0);
    store = k.n.store;
    /* This thread may not write while it is in a transaction. */
    assert_int_equal(krbrepl_txn_begin(store, &other, NULL), 0);
    assert_int_equal(krbrepl__master_tell(&c, "iprop/here@R", &told), KRBREPL_ERR_IO);
    krbrepl_txn_abort(other);
    assert_int_equal(krbrepl__master_told(&c, "iprop/here@R", &known), 0);
    assert_int_equal(known.base, BASE);
    assert_int_equal(known.last, 1020);
    assert_int_equal(known.acked, 1018);
    krbrepl__sent_close(&k.m);
    end(&k);
}

/* Nothing is written and all is said to be well only when there is no such file. */
static void forgetting_needs_no_file(void **state)
{
    char path[600];
    killed k;

    begin(&k, state);
    sent_path(&k, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(krbrepl__sent_forget(&k.n), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(krbrepl__sent_forget(&k.n), 0);
    end(&k);
}

static void nothing_counts_in_another_history(void **state)
{
    char from[600], to[600];
    killed k;

    begin(&k, state);
    krbrepl_store_close(k.n.store);
    sent_path(&k, from);
    snprintf(to, sizeof to, "%s/kept", k.at->root);
    assert_int_equal(rename(from, to), 0);
    /* An older store, which has gone another way. */
    snprintf(from, sizeof from, "rm -r %s", k.at->dir);
    assert_int_equal(system(from), 0);
    k.n.store = st_master(k.at);
    st_put(k.n.store, "a", "2");
    sent_path(&k, from);
    assert_int_equal(rename(to, from), 0);
    krbrepl__sent_load(&k.n);
    expect(&k, 1010);
    end(&k);
}

static void a_damaged_file_does_not_count(void **state)
{
    char path[600];
    uint8_t b[256];
    ssize_t n, i;
    killed k;
    int fd;

    begin(&k, state);
    sent_path(&k, path);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    n = pread(fd, b, sizeof b, 0);
    assert_true(n > 64);
    for (i = 0; i < n; i++) {
        const uint8_t wrong = b[i] ^ 1;

        assert_int_equal(pwrite(fd, &wrong, 1, i), 1);
        krbrepl__sent_load(&k.n);
        expect(&k, 1010);
        assert_int_equal(pwrite(fd, &b[i], 1, i), 1);
    }
    for (i = 0; i < n; i++) {
        assert_int_equal(ftruncate(fd, i), 0);
        krbrepl__sent_load(&k.n);
        expect(&k, 1010);
    }
    close(fd);
    assert_int_equal(unlink(path), 0);
    krbrepl__sent_load(&k.n);
    expect(&k, 1010);
    end(&k);
}

/* One that was written when more slaves were there. */
static void a_shorter_note_leaves_nothing_of_a_longer_one(void **state)
{
    killed k;

    begin(&k, state);
    stored(&k, 1);
    k.slot[0].live = NULL;
    assert_int_equal(krbrepl__sent_note(&k.n, BASE), 0);
    krbrepl__sent_close(&k.m);
    stored(&k, 0);
    krbrepl__sent_load(&k.n);
    expect(&k, 1010);
    end(&k);
}

#define T(name) cmocka_unit_test_setup_teardown(name, st_setup, st_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(those_who_were_there_are_raised),
        T(one_of_whom_nothing_is_known_stays_so),
        T(an_answer_alone_is_found_too),
        T(nothing_counts_once_it_is_forgotten),
        T(less_than_was_answered_for_is_written_before_it_returns),
        T(less_that_could_not_be_written_is_not_taken_for_written),
        T(a_slot_that_could_not_be_lowered_stays_as_it_is),
        T(forgetting_needs_no_file),
        T(nothing_counts_in_another_history),
        T(a_damaged_file_does_not_count),
        T(a_shorter_note_leaves_nothing_of_a_longer_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
