/* What every position must hold, and whether it does. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static const fact *find(const world *w, const krbrepl_pos *pos)
{
    size_t i;

    for (i = w->nfacts; i-- > 0;)
        if (krbrepl__pos_equal(&w->facts[i].pos, pos))
            return &w->facts[i];
    return NULL;
}

const uint8_t *oracle_root(const world *w, const krbrepl_pos *pos)
{
    const fact *f = find(w, pos);

    return f != NULL ? f->root : NULL;
}

/* Reads the content of a site under one view. */
static int read_quietly(world *w, int i, fact *out)
{
    krbrepl_view *v = NULL;
    int rc = krbrepl__view_open(w->site[i].store, &v);

    if (rc == 0)
        rc = krbrepl__view_pos(v, &out->pos);
    if (rc == 0)
        rc = krbrepl__view_digest(v, out->root, &out->records);
    if (rc == 0 && w->plan.check != NULL && w->site[i].foreign_until == 0 &&
        w->plan.check(w->plan.ctx, v) != 0)
        broken(w, "site %d: at %llu its records are not in order", i, (unsigned long long)out->pos.seq);
    krbrepl__view_close(v);
    return rc;
}

int oracle_read(world *w, int i, krbrepl_pos *pos, uint8_t root[32])
{
    fact f;
    int rc = read_quietly(w, i, &f);

    *pos = f.pos;
    memcpy(root, f.root, 32);
    return rc;
}

static int read_fact(world *w, int i, fact *out)
{
    int rc = read_quietly(w, i, out);

    if (rc == KRBREPL_ERR_CORRUPT && w->site[i].rotten)
        return rc; /* told to whoever reads it, and so not served */
    if (rc != 0)
        broken(w, "site %d: reading the content: %s: %s", i, krbrepl_err_name(rc),
               krbrepl__store_ei(w->site[i].store)->text);
    return rc;
}

void oracle_learn(world *w, int i)
{
    fact f;

    if (read_fact(w, i, &f) != 0)
        return;
    if (w->nfacts == w->facts_room) {
        size_t room = w->facts_room * 2 + 64;
        fact *grown = realloc(w->facts, room * sizeof *grown);

        if (grown == NULL) {
            broken(w, "out of memory");
            return;
        }
        w->facts = grown;
        w->facts_room = room;
    }
    f.too_late = i == w->old;
    w->facts[w->nfacts++] = f;
    w->site[i].checked = f.pos;
    note(w, "master %d is at %llu %02x%02x", i, (unsigned long long)f.pos.seq, f.pos.chain[0],
         f.pos.chain[1]);
}

void oracle_crowned(world *w, int heir)
{
    uint8_t chain[32];
    size_t k;

    for (k = 0; k < w->nfacts; k++)
        if (w->facts[k].too_late &&
            krbrepl__store_chain_at(w->site[heir].store, w->facts[k].pos.seq, chain) == 0 &&
            memcmp(chain, w->facts[k].pos.chain, sizeof chain) == 0)
            w->facts[k].too_late = 0;
}

void oracle_allow_back(world *w, int i)
{
    w->site[i].acked = 0;
    w->site[i].given_up = w->site[i].checked;
}

static void check_content(world *w, int i, const krbrepl_store_info *info)
{
    site *s = &w->site[i];
    const fact *known = find(w, &info->pos);
    fact have;
    int rc;

    if (known == NULL) {
        broken(w, "site %d: at %llu it has a history that no master had", i,
               (unsigned long long)info->pos.seq);
        return;
    }
    if (known->too_late && i != w->old && s->known_epoch > known->pos.epoch &&
        !krbrepl__pos_equal(&s->checked, &known->pos))
        broken(w, "site %d: knew of epoch %llu, and has followed a master of epoch %llu to %llu", i,
               (unsigned long long)s->known_epoch, (unsigned long long)known->pos.epoch,
               (unsigned long long)known->pos.seq);
    rc = read_fact(w, i, &have);
    if (rc != 0)
        return;
    if (memcmp(have.root, known->root, 32) != 0 || have.records != known->records ||
        info->records != known->records)
        broken(w, "site %d: at %llu it has %llu records (it says %llu), the master had %llu; roots %s",
               i, (unsigned long long)info->pos.seq, (unsigned long long)have.records,
               (unsigned long long)info->records, (unsigned long long)known->records,
               memcmp(have.root, known->root, 32) == 0 ? "are equal" : "differ");
    s->rotten = 0;
}

static void check(world *w, int i, int again)
{
    site *s = &w->site[i];
    krbrepl_store_info info;
    int moved;

    if (s->store == NULL || w->failed || s->foreign_until != 0)
        return;
    KRBREPL_INIT(&info);
    if (krbrepl__store_info(s->store, &info) != 0) {
        if (disk_failures(i) == 0)
            broken(w, "site %d: no position: %s", i, krbrepl__store_ei(s->store)->text);
        s->sick = 1;
        return;
    }
    if (info.pos.epoch < s->checked.epoch)
        broken(w, "site %d: went back from epoch %llu to %llu", i, (unsigned long long)s->checked.epoch,
               (unsigned long long)info.pos.epoch);
    if (info.pos.epoch != s->checked.epoch)
        s->acked = 0; /* by a master who is none any more */
    if (info.pos.seq < s->acked)
        broken(w, "site %d: acknowledged %llu as durable, and is at %llu", i,
               (unsigned long long)s->acked, (unsigned long long)info.pos.seq);
    moved = !krbrepl__pos_equal(&info.pos, &s->checked);
    if (info.pos.seq == 0 || (!again && !moved)) {
        s->known_epoch = info.known_epoch;
        return;
    }
    if (memcmp(info.pos.lineage, s->checked.lineage, 16) == 0 && info.pos.seq < s->checked.seq &&
        !krbrepl__pos_equal(&s->checked, &s->given_up))
        broken(w, "site %d: went back from %llu to %llu in one lineage", i,
               (unsigned long long)s->checked.seq, (unsigned long long)info.pos.seq);
    check_content(w, i, &info);
    s->known_epoch = info.known_epoch;
    s->checked = info.pos;
    note(w, "site %d is at %llu %02x%02x", i, (unsigned long long)info.pos.seq, info.pos.chain[0],
         info.pos.chain[1]);
}

void oracle_check(world *w, int i)
{
    check(w, i, 0);
}

void oracle_recheck(world *w, int i)
{
    check(w, i, 1);
}

void oracle_settle_doubt(world *w, int i)
{
    site *s = &w->site[i];
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    if (krbrepl__store_info(s->store, &info) != 0) {
        if (disk_failures(i) == 0)
            broken(w, "the master has no position: %s", krbrepl__store_ei(s->store)->text);
        s->sick = 1;
        return;
    }
    if (krbrepl__pos_equal(&info.pos, &s->checked))
        return;
    /* A commit that nobody was told of is there all the same, and whole. */
    if (s->doubt && info.pos.seq == s->checked.seq + 1) {
        w->did[DID_DOUBT]++;
        oracle_learn(w, i);
    } else {
        broken(w, "the master came back at %llu, and was at %llu", (unsigned long long)info.pos.seq,
               (unsigned long long)s->checked.seq);
    }
}

/* What a master takes for received has arrived, if nothing else. */
static void check_received(world *w, const cable *l)
{
    const krbrepl__sess_info *m, *r;

    if (!l->used || l->at[0].sess == NULL || l->at[1].sess == NULL || w->failed)
        return;
    m = krbrepl__sess_info_get(l->at[0].sess);
    r = krbrepl__sess_info_get(l->at[1].sess);
    if (m->phase == KRBREPL__SESS_STREAMING && r->phase == KRBREPL__SESS_STREAMING &&
        m->received > r->received)
        broken(w, "link %llu: the master was told that %llu is received, and the replica has %llu",
               (unsigned long long)l->id, (unsigned long long)m->received,
               (unsigned long long)r->received);
}

void oracle_check_acks(world *w, cable *l)
{
    const krbrepl__sess_info *m;
    krbrepl_store_info info;
    site *s = &w->site[l->site];

    check_received(w, l);
    if (!l->used || l->at[0].sess == NULL || s->store == NULL || w->failed || s->foreign_until != 0)
        return;
    m = krbrepl__sess_info_get(l->at[0].sess);
    if (m->durable == 0 || m->durable == s->acked)
        return;
    KRBREPL_INIT(&info);
    if (krbrepl__store_info(s->store, &info) != 0 || m->durable > info.pos.seq)
        broken(w, "link %llu: the master was told that %llu is durable at site %d, which is at %llu",
               (unsigned long long)l->id, (unsigned long long)m->durable, l->site,
               (unsigned long long)info.pos.seq);
    if (m->applied > m->durable || m->durable > m->received)
        broken(w, "link %llu: levels out of order", (unsigned long long)l->id);
    if (m->durable > s->acked)
        s->acked = m->durable;
}

int oracle_all_equal(world *w)
{
    krbrepl_store_info a, b;
    int i;

    KRBREPL_INIT(&a);
    if (w->site[w->master].store == NULL || krbrepl__store_info(w->site[w->master].store, &a) != 0)
        return 0;
    for (i = 0; i < w->sites; i++) {
        KRBREPL_INIT(&b);
        if (w->site[i].store == NULL || w->site[i].rotten || w->site[i].foreign_until != 0 ||
            w->old >= 0 || krbrepl__store_info(w->site[i].store, &b) != 0 ||
            !krbrepl__pos_equal(&a.pos, &b.pos))
            return 0;
    }
    return 1;
}
