#include "twins.h"

void key_of(char out[40], unsigned i)
{
    snprintf(out, 40, "user%06u@EXAMPLE.ORG", i);
}

void put_one(memstore *m, unsigned i, const char *text)
{
    char key[40], value[64];

    key_of(key, i);
    snprintf(value, sizeof value, "%s %u", text, i);
    mem_commit(m, key, value, strlen(value));
}

void fill(memstore *m, unsigned from, unsigned n, unsigned step, const char *text)
{
    unsigned i;

    for (i = 0; i < n; i++)
        put_one(m, from + i * step, text);
}

void twins(pair *p, unsigned n)
{
    fill(&p->ms, 0, n, 10, "secret");
    mem_free(&p->rs);
    mem_copy(&p->rs, &p->ms);
    p->rs.local.role = KRBREPL_ROLE_REPLICA;
    p->asks = KRBREPL_COPY_DIFFERS;
}

void lose(memstore *m, size_t i)
{
    krbrepl__ckey k = m->live.at[i].ckey;

    memrecs_delete(&m->live, &k);
    m->local.records = m->live.n;
}

void forge(pair *p, size_t n, size_t step)
{
    size_t i;

    for (i = 0; i < n; i++)
        mem_alter(&p->rs, i * step, "forged");
}

void add_foreign(pair *p, unsigned i)
{
    char key[64];
    krbrepl_bytes full;
    krbrepl__ckey k;

    memcpy(key, "principal", 10);
    key_of(key + 10, i);
    full = (krbrepl_bytes){key, 10 + strlen(key + 10)};
    assert_int_equal(krbrepl__ckey_from_full(p->rs.sha, full, &k), 0);
    memrecs_put(&p->rs.live, &k, full, BYTES("forged"));
    p->rs.local.records = p->rs.live.n;
}

void assert_equal(pair *p)
{
    uint8_t ours[32], theirs[32];

    assert_up(p);
    mem_root(&p->ms, ours);
    mem_root(&p->rs, theirs);
    assert_memory_equal(ours, theirs, 32);
    assert_true(info(p->m)->copy_done && info(p->r)->copy_done);
    assert_int_equal(info(p->m)->copy_records, info(p->r)->copy_records);
    assert_int_equal(info(p->m)->copy_asks, info(p->r)->copy_asks);
    assert_int_equal(info(p->m)->copy_bytes, info(p->r)->copy_bytes);
    assert_false(p->ms.entered);
    assert_null(p->rs.own);
    assert_false(p->rs.building);
}

void assert_repaired(pair *p, uint64_t records)
{
    assert_equal(p);
    assert_true(info(p->m)->repair && info(p->r)->repair);
    assert_int_equal(info(p->r)->copy_records, records);
}

void assert_copied_whole(pair *p)
{
    assert_equal(p);
    assert_false(info(p->m)->repair || info(p->r)->repair);
    assert_int_equal(info(p->r)->copy_records, p->ms.live.n);
}

void steps(pair *p, int n, size_t piece)
{
    while (n-- > 0) {
        pair_move(p, 1, piece);
        pair_move(p, 0, piece);
        krbrepl__sess_work(p->m, p->now);
        krbrepl__sess_work(p->r, p->now);
    }
}

void begin(pair *p)
{
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
}

void both_eof(pair *p)
{
    krbrepl__sess_eof(p->r, p->now);
    krbrepl__sess_eof(p->m, p->now);
}

void until_asks(pair *p, uint64_t n)
{
    int i;

    for (i = 0; i < 10000 && info(p->r)->copy_asks < n; i++) {
        pair_move(p, 1, SIZE_MAX);
        krbrepl__sess_work(p->r, p->now);
        if (info(p->r)->copy_asks < n) {
            pair_move(p, 0, SIZE_MAX);
            krbrepl__sess_work(p->m, p->now);
        }
    }
    assert_true(info(p->r)->copy_asks >= n);
}

void grown(pair *p)
{
    krbrepl__sess_grown(p->m, p->ms.local.pos.seq);
}
