/* Copies and repairs of a store in memory. */
#include <stdlib.h>
#include <string.h>

#include "dtree.h"
#include "memport.h"

void mem_rdigest(memstore *m, const memrec *r, uint8_t out[KRBREPL__RDIGEST])
{
    size_t table = krbrepl__fullkey_table(r->key);
    krbrepl_bytes key = {(const uint8_t *)r->key.data + table + 1, r->key.len - table - 1};

    if (krbrepl__record_digest(m->sha, r->key.data, table, key, r->value, out) != 0)
        abort();
}

/* ---- trees ---------------------------------------------------------------------------------- */

typedef struct reader {
    memstore *m;
    size_t at;
    uint8_t rdigest[KRBREPL__RDIGEST];
} reader;

static int seek(void *ctx, const void *from, size_t len)
{
    reader *r = ctx;
    int same;

    r->at = memrecs_find(&r->m->live, (krbrepl_bytes){from, len}, &same);
    return 0;
}

static int next(void *ctx, krbrepl_bytes *ckey, const uint8_t **rdigest)
{
    reader *r = ctx;
    const memrec *rec;

    if (r->at == r->m->live.n)
        return 0;
    rec = &r->m->live.at[r->at];
    mem_rdigest(r->m, rec, r->rdigest);
    ckey->data = rec->ckey.b;
    ckey->len = rec->ckey.len;
    *rdigest = r->rdigest;
    r->at++;
    return 1;
}

static krbrepl__ftree *make_tree(memstore *m)
{
    krbrepl__dtree *t = mem_must(krbrepl__dtree_new(m->local.database_id));
    reader r = {.m = m};
    krbrepl__dtree_source src = {&r, seek, next};
    krbrepl__ftree *out;

    while (krbrepl__dtree_rehash(t, &src, 1u << 20) == 1)
        continue;
    if (krbrepl__dtree_freeze(t, &out) != 0)
        abort();
    krbrepl__dtree_free(t);
    return out;
}

/* ---- a master's side ------------------------------------------------------------------------ */

static int p_enter(void *ctx, uint64_t seq, const krbrepl__snap **snap)
{
    memstore *m = ctx;
    int rc = mem_failing(m);

    if (rc != 0)
        return rc;
    m->least = seq;
    if (m->enter_later > 0) {
        m->enter_later--;
        return 1;
    }
    if (m->entered || seq > m->local.pos.seq)
        abort(); /* one session of one store */
    m->entered = 1;
    if (snap == NULL)
        return 0;
    krbrepl__ftree_unref(m->tree);
    m->tree = make_tree(m);
    m->snap.tree = m->tree;
    m->snap.pos = m->local.pos;
    m->snap.cumulative = m->local.cumulative;
    m->snap.records = m->live.n;
    memset(m->snap.salt, (int)(++m->salt & 0xff), sizeof m->snap.salt);
    *snap = &m->snap;
    return 0;
}

static void p_leave(void *ctx)
{
    memstore *m = ctx;

    if (!m->entered)
        abort();
    m->entered = 0;
    krbrepl__ftree_unref(m->tree);
    m->tree = NULL;
}

static int below(const memrec *r, krbrepl_bytes to)
{
    return to.len == 0 || krbrepl__bytes_cmp(r->ckey.b, r->ckey.len, to.data, to.len) < 0;
}

static void go_on_at(const memstore *m, size_t i, krbrepl_bytes to, krbrepl__ckey *at)
{
    at->len = 0;
    if (i < m->live.n && below(&m->live.at[i], to))
        *at = m->live.at[i].ckey;
}

static int p_range(void *ctx, krbrepl_bytes from, krbrepl_bytes to, size_t max, krbrepl__buf *out,
                   krbrepl__ckey *go_on, krbrepl_pos *at)
{
    memstore *m = ctx;
    uint8_t rd[KRBREPL__RDIGEST];
    int same, rc = mem_failing(m);
    size_t i = memrecs_find(&m->live, from, &same);

    for (; rc == 0 && max != 0 && i < m->live.n && below(&m->live.at[i], to); i++, max--) {
        mem_rdigest(m, &m->live.at[i], rd);
        krbrepl__buf_bytes(out, rd, sizeof rd);
    }
    go_on_at(m, i, to, go_on);
    *at = m->local.pos;
    return rc;
}

static int p_pick(void *ctx, krbrepl_bytes from, krbrepl_bytes to, const krbrepl__wanted *wanted,
                  size_t max, krbrepl__buf *out, krbrepl__ckey *go_on, krbrepl_pos *at)
{
    memstore *m = ctx;
    size_t start = out->len, i;
    uint8_t rd[KRBREPL__RDIGEST];
    int same, rc = mem_failing(m);

    i = memrecs_find(&m->live, from, &same);
    for (; rc == 0 && out->len - start < max && i < m->live.n && below(&m->live.at[i], to); i++) {
        const memrec *r = &m->live.at[i];

        mem_rdigest(m, r, rd);
        if (!wanted->is(wanted->ctx, rd))
            continue;
        krbrepl__buf_vec32(out, r->key.data, r->key.len);
        krbrepl__buf_vec32(out, r->value.data, r->value.len);
    }
    go_on_at(m, i, to, go_on);
    *at = m->local.pos;
    return rc;
}

/* ---- a replica's side ----------------------------------------------------------------------- */

/* Whether a call is to be made once more before it does what it should. */
static int once_more(memstore *m, int times)
{
    if (m->again < times) {
        m->again++;
        return 1;
    }
    m->again = 0;
    return 0;
}

static int p_own_tree(void *ctx, const krbrepl__ftree **tree)
{
    memstore *m = ctx;

    if (m->no_tree)
        return KRBREPL_ERR_NOMEM;
    if (m->tree_later > 0) {
        m->tree_later--;
        return 1;
    }
    if (m->own != NULL)
        abort();
    *tree = m->own = make_tree(m);
    return 0;
}

static void give_tree_back(memstore *m)
{
    krbrepl__ftree_unref(m->own);
    m->own = NULL;
}

static void forget_rest(memstore *m)
{
    memrecs_free(&m->rest);
    krbrepl__ancestry_free(&m->rest_ancestry);
    m->local.after.len = 0;
}

/* Goes on with what is there of a copy that was cut off. */
static int resume(memstore *m)
{
    if (m->local.after.len == 0)
        return KRBREPL_ERR_NOTFOUND;
    m->build = m->rest;
    memset(&m->rest, 0, sizeof m->rest);
    m->build_cumulative = m->rest_cumulative;
    forget_rest(m);
    return 0;
}

static int p_copy_begin(void *ctx, const krbrepl__copy_plan *plan)
{
    memstore *m = ctx;
    int rc = mem_failing(m);

    if (rc == 0 && m->building)
        rc = KRBREPL_ERR_LOCKED;
    if (rc == 0 && once_more(m, m->begin_later))
        return 1;
    if (rc != 0)
        return rc;
    if (plan->mode == KRBREPL__COPY_REPAIR && m->own == NULL)
        abort();
    m->build_cumulative = plan->cumulative;
    if (plan->mode == KRBREPL__COPY_RESUMED)
        rc = resume(m);
    else
        forget_rest(m);
    if (rc != 0)
        return rc;
    krbrepl__ancestry_free(&m->build_ancestry);
    m->building = 1;
    m->mode = plan->mode;
    m->replayed = m->ranged_any = m->ranged_end = 0;
    m->build_pos = m->build_from = plan->from;
    m->build_upper = plan->mode == KRBREPL__COPY_RESUMED ? m->local.partial_upper : plan->from;
    if (plan->mode == KRBREPL__COPY_REPAIR)
        memrecs_copy(&m->build, &m->live);
    return krbrepl__ancestry_copy(&m->build_ancestry, plan->ancestry);
}

/* Ranges ascend and do not overlap. */
static int in_order(memstore *m, krbrepl_bytes from, krbrepl_bytes to)
{
    if (m->ranged_end ||
        (m->ranged_any && krbrepl__bytes_cmp(m->ranged.b, m->ranged.len, from.data, from.len) > 0) ||
        (to.len != 0 && krbrepl__bytes_cmp(from.data, from.len, to.data, to.len) >= 0))
        return 0;
    m->ranged_any = 1;
    m->ranged_end = to.len == 0;
    m->ranged.len = to.len;
    if (to.len != 0)
        memcpy(m->ranged.b, to.data, to.len);
    return 1;
}

/* Takes what is not wanted out of the range. */
static void keep_wanted(memstore *m, krbrepl_bytes from, krbrepl_bytes to,
                        const krbrepl__wanted *wanted)
{
    uint8_t rd[KRBREPL__RDIGEST];
    memrecs *b = &m->build;
    int same;
    size_t i = memrecs_find(b, from, &same), k = i;

    for (; i < b->n && below(&b->at[i], to); i++) {
        mem_rdigest(m, &b->at[i], rd);
        if (wanted->is(wanted->ctx, rd)) {
            b->at[k++] = b->at[i];
            m->kept++;
        } else {
            mem_drop(&b->at[i].key);
            mem_drop(&b->at[i].value);
            m->removed++;
        }
    }
    if (k != i)
        memmove(b->at + k, b->at + i, (b->n - i) * sizeof b->at[0]);
    b->n -= i - k;
}

/* What an earlier repair has received is used where it is wanted. */
static void revive(memstore *m, krbrepl_bytes from, krbrepl_bytes to, const krbrepl__wanted *wanted)
{
    uint8_t rd[KRBREPL__RDIGEST];
    int same;
    size_t i = memrecs_find(&m->stage, from, &same);

    for (; i < m->stage.n && below(&m->stage.at[i], to); i++) {
        const memrec *r = &m->stage.at[i];

        mem_rdigest(m, r, rd);
        if (!wanted->is(wanted->ctx, rd))
            continue;
        memrecs_find(&m->build, (krbrepl_bytes){r->ckey.b, r->ckey.len}, &same);
        m->revived += !same;
        if (!same)
            memrecs_put(&m->build, &r->ckey, r->key, r->value);
    }
}

static int p_copy_range(void *ctx, krbrepl_bytes from, krbrepl_bytes to, const krbrepl__wanted *wanted)
{
    memstore *m = ctx;
    int rc = mem_failing(m);

    if (rc != 0)
        return rc;
    if (!m->building || m->mode != KRBREPL__COPY_REPAIR)
        abort();
    if (once_more(m, m->range_later))
        return 1;
    if (!in_order(m, from, to))
        return KRBREPL_ERR_INVALID;
    m->ranges++;
    keep_wanted(m, from, to, wanted);
    revive(m, from, to, wanted);
    return 0;
}

static int p_copy_at(void *ctx, const krbrepl_pos *at)
{
    memstore *m = ctx;
    int rc = mem_failing(m);

    if (rc != 0)
        return rc;
    if (!m->building || m->mode == KRBREPL__COPY_REPAIR)
        abort();
    if (at->seq > m->build_upper.seq)
        m->build_upper = *at;
    return 0;
}

static int p_copy_put(void *ctx, krbrepl_bytes full, krbrepl_bytes value)
{
    memstore *m = ctx;
    krbrepl__ckey k;
    int rc = mem_failing(m);

    m->puts++;
    if (rc == 0)
        rc = krbrepl__ckey_from_full(m->sha, full, &k);
    if (rc == 0 && m->mode != KRBREPL__COPY_REPAIR && m->build.n != 0) {
        const krbrepl__ckey *last = &m->build.at[m->build.n - 1].ckey;

        if (krbrepl__bytes_cmp(last->b, last->len, k.b, k.len) >= 0)
            rc = KRBREPL_ERR_PROTO;
    }
    if (rc == 0)
        memrecs_put(&m->build, &k, full, value);
    if (rc == 0 && m->mode == KRBREPL__COPY_REPAIR)
        memrecs_put(&m->stage, &k, full, value);
    return rc;
}

static int p_copy_switch(void *ctx, krbrepl_pos *out)
{
    memstore *m = ctx;
    int rc = mem_failing(m);

    if (rc != 0)
        return rc;
    if (once_more(m, m->switch_later))
        return 1;
    memrecs_free(&m->live);
    m->live = m->build;
    memset(&m->build, 0, sizeof m->build);
    memrecs_free(&m->stage);
    mem_went_live(m);
    m->building = 0;
    give_tree_back(m);
    *out = m->local.pos;
    return 0;
}

static void p_copy_abort(void *ctx)
{
    memstore *m = ctx;

    give_tree_back(m);
    m->again = 0;
    if (!m->building)
        return;
    m->aborts++;
    m->building = 0;
    if (m->mode != KRBREPL__COPY_REPAIR && !m->replayed && m->build.n != 0) {
        m->local.after = m->build.at[m->build.n - 1].ckey;
        m->local.partial = m->build_from;
        m->local.partial_upper = m->build_upper;
        m->rest = m->build;
        m->rest_ancestry = m->build_ancestry;
        m->rest_cumulative = m->build_cumulative;
        memset(&m->build, 0, sizeof m->build);
        memset(&m->build_ancestry, 0, sizeof m->build_ancestry);
    }
    memrecs_free(&m->build);
}

void memrepair_init(krbrepl__port *port)
{
    port->enter = p_enter;
    port->leave = p_leave;
    port->range = p_range;
    port->pick = p_pick;
    port->own_tree = p_own_tree;
    port->copy_begin = p_copy_begin;
    port->copy_range = p_copy_range;
    port->copy_at = p_copy_at;
    port->copy_put = p_copy_put;
    port->copy_switch = p_copy_switch;
    port->copy_abort = p_copy_abort;
}
