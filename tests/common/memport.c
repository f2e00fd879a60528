#include "memport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "mem.h"

/* ---- commits -------------------------------------------------------------------------------- */

static void full_key(krbrepl__buf *b, const char *table, size_t table_len, krbrepl_bytes key)
{
    krbrepl__buf_reset(b);
    krbrepl__buf_bytes(b, table, table_len);
    krbrepl__buf_u8(b, 0);
    krbrepl__buf_bytes(b, key.data, key.len);
}

static void apply_changes(memstore *m, memrecs *r, const krbrepl__commit *c)
{
    krbrepl__change_it it;
    krbrepl__change_view v;
    krbrepl__ckey k;
    krbrepl__buf b;

    krbrepl__buf_init(&b, 0);
    krbrepl__commit_each(c, &it);
    while (krbrepl__commit_next(&it, &v) == 1) {
        krbrepl_bytes full;

        full_key(&b, v.table, v.table_len, v.key);
        full.data = b.data;
        full.len = b.len;
        if (krbrepl__ckey_make(m->sha, v.table, v.table_len, v.key, &k) != 0)
            abort();
        if (v.op == KRBREPL_PUT)
            memrecs_put(r, &k, full, v.value);
        else
            memrecs_delete(r, &k);
    }
    krbrepl__buf_free(&b);
}

static void journal_room(memstore *m, uint64_t seq)
{
    size_t was = m->room;

    if (seq <= m->room)
        return;
    m->room = (size_t)seq * 2 + 16;
    m->journal = mem_must(realloc(m->journal, m->room * sizeof m->journal[0]));
    memset(m->journal + was, 0, (m->room - was) * sizeof m->journal[0]);
}

/* The position after commit `c` at `pos`, and what it adds to the ancestry. */
static int step(memstore *m, const krbrepl__commit *c, krbrepl_pos *pos, krbrepl__ancestry *ancestry)
{
    int other = memcmp(c->lineage, pos->lineage, 16) != 0;

    if (c->seq != pos->seq + 1)
        return KRBREPL_ERR_PROTO;
    if (c->epoch < pos->epoch)
        return KRBREPL_ERR_FENCED;
    if (other && c->kind != KRBREPL_COMMIT_LINEAGE)
        return KRBREPL_ERR_DIVERGED;
    if (other && pos->seq != 0 && krbrepl__ancestry_add(ancestry, pos) != 0)
        return KRBREPL_ERR_NOMEM;
    if (pos->seq == 0 && krbrepl__chain_first(m->sha, m->local.database_id, pos->chain) != 0)
        return KRBREPL_ERR_NOMEM;
    if (krbrepl__chain_next(m->sha, pos->chain, c->encoded, pos->chain) != 0)
        return KRBREPL_ERR_NOMEM;
    memcpy(pos->lineage, c->lineage, 16);
    pos->epoch = c->epoch;
    pos->seq = c->seq;
    return 0;
}

/* Appends an encoded commit to the live content and the journal. */
static int append(memstore *m, krbrepl_bytes bytes)
{
    krbrepl__commit c;
    int rc = krbrepl__commit_decode(bytes, &c);

    if (rc == 0)
        rc = step(m, &c, &m->local.pos, &m->ancestry);
    if (rc != 0)
        return rc;
    journal_room(m, c.seq);
    m->journal[c.seq - 1].bytes = mem_dup(bytes);
    m->journal[c.seq - 1].reset = c.kind == KRBREPL_COMMIT_RESET;
    memcpy(m->journal[c.seq - 1].chain, m->local.pos.chain, 32);
    if (c.kind == KRBREPL_COMMIT_CHANGES)
        apply_changes(m, &m->live, &c);
    m->local.records = m->live.n;
    m->local.cumulative = c.cumulative;
    if (m->local.known_epoch < c.epoch)
        m->local.known_epoch = c.epoch;
    return 0;
}

static void append_made(memstore *m, krbrepl__commit *c)
{
    krbrepl__buf b;
    krbrepl_bytes bytes;

    krbrepl__buf_init(&b, 0);
    c->seq = m->local.pos.seq + 1;
    if (c->epoch == 0)
        c->epoch = m->local.pos.epoch;
    c->time_us = 1000000 * (int64_t)c->seq;
    c->cumulative = m->local.cumulative + c->nchanges;
    krbrepl__commit_put(&b, c);
    bytes.data = b.data;
    bytes.len = b.len;
    if (b.err != 0 || append(m, bytes) != 0)
        abort();
    krbrepl__buf_free(&b);
}

void mem_commit(memstore *m, const char *key, const void *value, size_t n)
{
    krbrepl_change ch;
    krbrepl__commit c;
    krbrepl__buf b;

    memset(&c, 0, sizeof c);
    KRBREPL_INIT(&ch);
    krbrepl__buf_init(&b, 0);
    ch.table = "principal";
    ch.key.data = key;
    ch.key.len = strlen(key);
    ch.op = n == SIZE_MAX ? KRBREPL_DELETE : KRBREPL_PUT;
    ch.value.data = value;
    ch.value.len = n == SIZE_MAX ? 0 : n;
    krbrepl__change_put(&b, &ch);
    c.kind = KRBREPL_COMMIT_CHANGES;
    memcpy(c.lineage, m->local.pos.lineage, 16);
    c.nchanges = 1;
    c.body.data = b.data;
    c.body.len = b.len;
    append_made(m, &c);
    krbrepl__buf_free(&b);
}

static void lineage_commit(memstore *m, uint8_t lineage, unsigned cause)
{
    krbrepl__commit c;

    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_LINEAGE;
    c.epoch = m->local.known_epoch + 1;
    c.cause = (uint8_t)cause;
    memset(c.lineage, lineage, 16);
    append_made(m, &c);
    m->local.role = KRBREPL_ROLE_MASTER;
}

void mem_master(memstore *m, uint8_t id, uint8_t lineage)
{
    memset(m->local.database_id, id, 16);
    lineage_commit(m, lineage, KRBREPL_CAUSE_CREATE);
}

void mem_promote(memstore *m, uint8_t lineage)
{
    lineage_commit(m, lineage, KRBREPL_CAUSE_PROMOTE);
}

void mem_reset(memstore *m, const char *key, const char *value)
{
    krbrepl_bytes k = {key, strlen(key)}, v = {value, strlen(value)}, full;
    krbrepl__commit c;
    krbrepl__ckey ck;
    krbrepl__buf b;

    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_RESET;
    c.records = 1;
    memcpy(c.lineage, m->local.pos.lineage, 16);
    append_made(m, &c);
    memrecs_free(&m->live);
    krbrepl__buf_init(&b, 0);
    full_key(&b, "principal", 9, k);
    full.data = b.data;
    full.len = b.len;
    if (krbrepl__ckey_make(m->sha, "principal", 9, k, &ck) != 0)
        abort();
    memrecs_put(&m->live, &ck, full, v);
    m->local.records = 1;
    krbrepl__buf_free(&b);
}

void mem_trim(memstore *m, uint64_t first)
{
    uint64_t i;

    for (i = m->local.journal_first; i < first && i <= m->local.pos.seq; i++)
        mem_drop(&m->journal[i - 1].bytes);
    m->local.journal_first = first;
}

/* ---- birth, death, comparison --------------------------------------------------------------- */

void mem_init(memstore *m)
{
    memset(m, 0, sizeof *m);
    m->local.journal_first = 1;
    m->chains_first = 1;
    m->allow = 1; /* KRBREPL_ALLOW_REPLICA */
    m->sha = mem_must(krbrepl__sha_new());
}

static void journal_clear(memstore *m)
{
    size_t i;

    for (i = 0; i < m->room; i++)
        mem_drop(&m->journal[i].bytes);
}

void mem_free(memstore *m)
{
    memrecs_free(&m->live);
    memrecs_free(&m->build);
    memrecs_free(&m->stage);
    memrecs_free(&m->rest);
    krbrepl__ftree_unref(m->tree);
    krbrepl__ftree_unref(m->own);
    krbrepl__ancestry_free(&m->rest_ancestry);
    journal_clear(m);
    free(m->journal);
    krbrepl__ancestry_free(&m->ancestry);
    krbrepl__ancestry_free(&m->build_ancestry);
    krbrepl__sha_free(m->sha);
}

void mem_copy(memstore *to, const memstore *from)
{
    size_t i;

    mem_init(to);
    to->local = from->local;
    to->chains_first = from->chains_first;
    if (krbrepl__ancestry_copy(&to->ancestry, &from->ancestry) != 0)
        abort();
    journal_room(to, from->local.pos.seq);
    for (i = 0; i < from->local.pos.seq; i++) {
        to->journal[i] = from->journal[i];
        if (from->journal[i].bytes.data != NULL)
            to->journal[i].bytes = mem_dup(from->journal[i].bytes);
    }
    memrecs_copy(&to->live, &from->live);
}

int mem_equal(const memstore *a, const memstore *b)
{
    size_t i;

    if (!krbrepl__pos_equal(&a->local.pos, &b->local.pos) || a->live.n != b->live.n ||
        a->local.cumulative != b->local.cumulative || a->ancestry.n != b->ancestry.n)
        return 0;
    for (i = 0; i < a->live.n; i++) {
        const memrec *x = &a->live.at[i], *y = &b->live.at[i];

        if (krbrepl__bytes_cmp(x->key.data, x->key.len, y->key.data, y->key.len) != 0 ||
            krbrepl__bytes_cmp(x->value.data, x->value.len, y->value.data, y->value.len) != 0)
            return 0;
    }
    return 1;
}

int mem_prefix(const memstore *m, const memstore *of)
{
    uint64_t seq = m->local.pos.seq;

    if (seq == 0)
        return 1;
    return seq <= of->local.pos.seq && memcmp(of->journal[seq - 1].chain, m->local.pos.chain, 32) == 0;
}

/* ---- the port ------------------------------------------------------------------------------- */

static int failing(memstore *m)
{
    int rc = m->fail;

    m->fail = 0;
    return rc;
}

static int p_local(void *ctx, krbrepl__local *out)
{
    memstore *m = ctx;

    *out = m->local;
    return failing(m);
}

static int p_ancestry(void *ctx, krbrepl__ancestry *out)
{
    return krbrepl__ancestry_copy(out, &((memstore *)ctx)->ancestry);
}

static int p_chain_at(void *ctx, uint64_t seq, uint8_t chain[32])
{
    memstore *m = ctx;

    if (seq < m->chains_first || seq > m->local.pos.seq || seq == 0)
        return KRBREPL_ERR_NOTFOUND;
    memcpy(chain, m->journal[seq - 1].chain, 32);
    return 0;
}

static const char *p_error_text(void *ctx)
{
    (void)ctx;
    return "";
}

static int p_authorize(void *ctx, const char *principal)
{
    (void)principal;
    return ((memstore *)ctx)->allow;
}

static int p_read_commits(void *ctx, uint64_t from, size_t max, krbrepl__buf *out,
                          krbrepl__port_batch *info)
{
    memstore *m = ctx;
    size_t start = out->len;
    int rc = failing(m);

    info->next = from;
    info->count = 0;
    info->reset = 0;
    if (rc != 0)
        return rc;
    if (from < m->local.journal_first)
        return KRBREPL_ERR_TRIMMED;
    for (; info->next <= m->local.pos.seq && out->len - start < max; info->next++, info->count++) {
        const memcommit *c = &m->journal[info->next - 1];

        info->reset = c->reset;
        if (c->reset)
            break;
        krbrepl__buf_vec32(out, c->bytes.data, c->bytes.len);
    }
    return 0;
}

static int p_copy_slice(void *ctx, krbrepl__ckey *after, size_t max, krbrepl__buf *out, int *end,
                        krbrepl_pos *at)
{
    memstore *m = ctx;
    size_t start = out->len, i;
    int same, rc = failing(m);

    if (rc != 0)
        return rc;
    i = memrecs_find(&m->live, (krbrepl_bytes){after->b, after->len}, &same);
    if (same && after->len != 0)
        i++;
    for (; i < m->live.n && out->len - start < max; i++) {
        const memrec *r = &m->live.at[i];

        krbrepl__buf_vec32(out, r->key.data, r->key.len);
        krbrepl__buf_vec32(out, r->value.data, r->value.len);
        *after = r->ckey;
    }
    *end = i == m->live.n;
    *at = m->local.pos;
    return 0;
}

static void p_hold(void *ctx, const char *principal, uint64_t seq)
{
    (void)principal;
    ((memstore *)ctx)->held = seq;
}

static int p_adopt(void *ctx, const uint8_t id[16])
{
    memstore *m = ctx;

    m->adopted++;
    memcpy(m->local.database_id, id, 16);
    m->local.role = KRBREPL_ROLE_REPLICA;
    return 0;
}

static int p_learn_epoch(void *ctx, uint64_t epoch)
{
    memstore *m = ctx;

    if (m->local.known_epoch < epoch)
        m->local.known_epoch = epoch;
    return 0;
}

static int p_apply(void *ctx, const krbrepl_bytes *commit, size_t n, krbrepl_pos *out)
{
    memstore *m = ctx;
    int rc = failing(m);
    size_t i;

    m->applies++;
    if (n > m->largest_group)
        m->largest_group = n;
    for (i = 0; i < n && rc == 0; i++)
        rc = append(m, commit[i]);
    *out = m->local.pos;
    return rc;
}

int mem_failing(memstore *m)
{
    return failing(m);
}

void mem_went_live(memstore *m)
{
    uint64_t seq = m->build_pos.seq;

    krbrepl__ancestry_free(&m->ancestry);
    m->ancestry = m->build_ancestry;
    memset(&m->build_ancestry, 0, sizeof m->build_ancestry);
    journal_clear(m);
    journal_room(m, seq);
    m->local.pos = m->build_pos;
    m->local.records = m->live.n;
    m->local.cumulative = m->build_cumulative;
    m->local.journal_first = seq + 1;
    m->chains_first = seq;
    if (seq != 0)
        memcpy(m->journal[seq - 1].chain, m->build_pos.chain, 32);
    m->local.gives_up = 0;
    m->switches++;
}

static int p_copy_apply(void *ctx, const krbrepl_bytes *commit, size_t n, krbrepl_pos *out)
{
    memstore *m = ctx;
    krbrepl__commit c;
    int rc = 0;
    size_t i;

    m->replayed = 1;
    for (i = 0; i < n && rc == 0; i++) {
        rc = krbrepl__commit_decode(commit[i], &c);
        if (rc == 0)
            rc = step(m, &c, &m->build_pos, &m->build_ancestry);
        if (rc == 0 && c.kind == KRBREPL_COMMIT_CHANGES)
            apply_changes(m, &m->build, &c);
        if (rc == 0)
            m->build_cumulative = c.cumulative;
    }
    *out = m->build_pos;
    return rc;
}

static int p_save_evidence(void *ctx, uint64_t from)
{
    memstore *m = ctx;
    int rc = failing(m);

    if (rc == 0)
        m->evidence = from;
    return rc;
}

static void p_check(void *ctx, uint64_t seq)
{
    memstore *m = ctx;

    m->check = seq;
    m->checks++;
}

void mem_root(memstore *m, uint8_t root[32])
{
    krbrepl__digest *d = mem_must(krbrepl__digest_new(m->local.database_id));
    uint8_t rd[KRBREPL__RDIGEST];
    size_t i;

    for (i = 0; i < m->live.n; i++) {
        mem_rdigest(m, &m->live.at[i], rd);
        if (krbrepl__digest_add(d, m->live.at[i].ckey.b, m->live.at[i].ckey.len, rd) != 0)
            abort();
    }
    if (krbrepl__digest_root(d, root) != 0)
        abort();
    krbrepl__digest_free(d);
}

void mem_alter(memstore *m, size_t i, const char *value)
{
    krbrepl_bytes v = {value, strlen(value)};

    mem_drop(&m->live.at[i].value);
    m->live.at[i].value = mem_dup(v);
}

static int p_forked(void *ctx, uint64_t fork)
{
    memstore *m = ctx;

    m->forks++;
    m->fork = fork;
    return failing(m);
}

void memport_init(krbrepl__port *port, memstore *m)
{
    *port = (krbrepl__port){
        .ctx = m,
        .local = p_local,
        .ancestry = p_ancestry,
        .chain_at = p_chain_at,
        .error_text = p_error_text,
        .authorize = p_authorize,
        .read_commits = p_read_commits,
        .copy_slice = p_copy_slice,
        .hold = p_hold,
        .adopt = p_adopt,
        .learn_epoch = p_learn_epoch,
        .apply = p_apply,
        .copy_apply = p_copy_apply,
        .save_evidence = p_save_evidence,
        .check = p_check,
        .forked = p_forked,
    };
    memrepair_init(port);
}
