/* What is known of Heimdal's slaves, over failures and kills in any order: nothing is believed again that was taken
 * back, for a slave that is put back to an earlier state may have what follows in its log alone. */
#include "../store/st.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node_impl.h"
#include "sent.h"

#define BASE 1000u
#define SLAVES 3u
#define STEPS 400u

typedef struct slave {
    char name[32];
    krbrepl__conn c;
    int here, copying;
    uint32_t has;    /* what it says when it comes */
    uint32_t sent;   /* in this session */
    uint32_t proved; /* more is not to be believed of it */
} slave;

typedef struct world {
    const st *at;
    krbrepl_node n;
    krbrepl__master m;
    slave s[SLAVES];
    uint32_t tip;
    krbrepl_txn *busy; /* the store takes nothing */
    int blocked;       /* the file cannot be opened */
    uint64_t random;
    unsigned refused, believed;
} world;

static const krbrepl__sess_info *info_of(const krbrepl__sess *s)
{
    static const krbrepl__sess_info info = {.dialect = KRBREPL_DIALECT_HEIMDAL};

    (void)s;
    return &info;
}

static const krbrepl__sess_ops ops = {.info = info_of};
static krbrepl__sess_head sess = {&ops};

static uint32_t any(world *w, uint32_t below)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->random >> 33) % below;
}

static void birth(world *w)
{
    memset(&w->n, 0, sizeof w->n);
    memset(&w->m, 0, sizeof w->m);
    w->n.sys = krbrepl__sys_default();
    w->n.master = &w->m;
    w->n.store = st_open(w->at->dir);
    w->m.n = &w->n;
    w->m.sent_fd = -1;
    assert_int_equal(krbrepl__slots_load(&w->n), 0);
}

/* ---- failures ------------------------------------------------------------------------------- */

static void path_of(const world *w, char out[600])
{
    snprintf(out, 600, "%s/iprop.sent", w->at->dir);
}

static void store_fails(world *w, int fails)
{
    if (fails && w->busy == NULL)
        assert_int_equal(krbrepl_txn_begin(w->n.store, &w->busy, NULL), 0);
    else if (!fails && w->busy != NULL)
        krbrepl_txn_abort(w->busy);
    w->busy = fails ? w->busy : NULL;
}

/* Only one that is not open yet can be in the way; what it held is lost, as in a crash of the machine. */
static void file_fails(world *w, int fails)
{
    char path[600];

    path_of(w, path);
    if (fails && !w->blocked) {
        krbrepl__sent_close(&w->m);
        unlink(path);
        assert_int_equal(mkdir(path, 0700), 0);
    } else if (!fails && w->blocked) {
        assert_int_equal(rmdir(path), 0);
    }
    w->blocked = fails;
}

/* ---- slaves --------------------------------------------------------------------------------- */

static void gone(slave *s)
{
    s->here = 0;
}

static void leave(world *w, slave *s)
{
    krbrepl__slot_entry *e = krbrepl__slot_find(&w->n, s->name);

    if (e != NULL)
        e->live = NULL;
    gone(s);
}

static int tell(slave *s, uint32_t last, uint32_t acked)
{
    const krbrepl__told told = {BASE, last, acked};

    return krbrepl__master_tell(&s->c, s->name, &told);
}

static void come(world *w, slave *s)
{
    krbrepl__told told;

    memset(&s->c, 0, sizeof s->c);
    s->c.n = &w->n;
    s->c.sess = (krbrepl__sess *)(void *)&sess;
    assert_int_equal(krbrepl__master_told(&s->c, s->name, &told), 0);
    if (told.base == BASE)
        assert_true(told.acked <= s->proved);
    s->has = s->proved;
    if (s->has > BASE && any(w, 3) == 0)
        s->has -= any(w, s->has - BASE); /* put back to an earlier state */
    s->copying = told.base != BASE || s->has == 0 || s->has > told.acked;
    if (tell(s, s->copying ? 0 : told.last, s->copying ? 0 : s->has) != 0) {
        w->refused++;
        leave(w, s);
        return;
    }
    w->believed += !s->copying;
    s->proved = s->copying ? 0 : s->has;
    s->sent = s->has;
    s->here = 1;
}

static void send_more(world *w, slave *s)
{
    if (w->tip == s->sent)
        w->tip += 1 + any(w, 5);
    if (tell(s, w->tip, s->copying ? w->tip : s->proved) != 0) {
        leave(w, s);
        return;
    }
    if (s->copying)
        s->proved = w->tip; /* that was its answer to the complete database */
    s->copying = 0;
    s->sent = w->tip;
}

static void answer(slave *s)
{
    if (s->copying || s->sent <= s->proved)
        return;
    s->proved = s->sent;
    krbrepl__master_answered(&s->c, s->name, s->sent);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void death(world *w)
{
    size_t i;

    store_fails(w, 0);
    krbrepl__sent_close(&w->m);
    krbrepl__slots_free(&w->n);
    krbrepl_store_close(w->n.store);
    for (i = 0; i < SLAVES; i++)
        gone(&w->s[i]);
}

static void step(world *w)
{
    slave *s = &w->s[any(w, SLAVES)];

    switch (any(w, 16)) {
    case 0:
        death(w);
        birth(w);
        break;
    case 1:
        krbrepl__slots_flush(&w->n);
        break;
    case 2:
        store_fails(w, any(w, 2) != 0);
        break;
    case 3:
        file_fails(w, any(w, 2) != 0);
        break;
    case 4:
        leave(w, s);
        break;
    case 5:
        if (w->busy == NULL)
            st_put(w->n.store, "a", "1");
        break;
    default:
        if (!s->here)
            come(w, s);
        else if (any(w, 2) != 0)
            send_more(w, s);
        else
            answer(s);
    }
}

static void what_was_taken_back_is_never_believed_again(void **state)
{
    static world w;
    size_t seed, i;

    memset(&w, 0, sizeof w);
    w.at = *state;
    krbrepl_store_close(st_master(w.at));
    w.tip = BASE + 10;
    for (i = 0; i < SLAVES; i++)
        snprintf(w.s[i].name, sizeof w.s[i].name, "iprop/%zu@R", i);
    for (seed = 0; seed < 8; seed++) {
        w.random = seed;
        birth(&w);
        for (i = 0; i < STEPS; i++)
            step(&w);
        file_fails(&w, 0);
        death(&w);
    }
    assert_true(w.refused > 10 && w.believed > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_taken_back_is_never_believed_again, st_setup,
                                        st_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
