/* slots.c: what the master remembers of its replicas, in memory, and once a second in the store. */
#include <stdio.h>
#include <string.h>

#include "master.h"
#include "sent.h"
#include "mem.h"

#define WRITE_MAX 64 /* slots in one transaction */

static int more_room(krbrepl__master *m)
{
    size_t cap = m->slots_cap != 0 ? m->slots_cap * 2 : 16;
    krbrepl__slot_entry *e = krbrepl__alloc_array(cap, sizeof *e);
    size_t i;

    if (e == NULL)
        return KRBREPL_ERR_NOMEM;
    for (i = 0; i < m->nslots; i++)
        e[i] = m->slots[i];
    krbrepl__free(m->slots, 0);
    m->slots = e;
    m->slots_cap = cap;
    return 0;
}

krbrepl__slot_entry *krbrepl__slot_find(krbrepl_node *n, const char *principal)
{
    krbrepl__master *m = n->master;
    size_t i;

    for (i = 0; i < m->nslots; i++)
        if (strcmp(m->slots[i].s.principal, principal) == 0)
            return &m->slots[i];
    return NULL;
}

krbrepl__slot_entry *krbrepl__slot_of(krbrepl_node *n, const char *principal)
{
    krbrepl__master *m = n->master;
    krbrepl__slot_entry *e = krbrepl__slot_find(n, principal);

    if (e != NULL)
        return e;
    if (m->nslots == m->slots_cap && more_room(m) != 0)
        return NULL;
    e = &m->slots[m->nslots++];
    memset(e, 0, sizeof *e);
    snprintf(e->s.principal, sizeof e->s.principal, "%s", principal);
    e->s.dialect = 1;
    return e;
}

static int load_one(void *ctx, const krbrepl__slot *s)
{
    krbrepl__slot_entry *e = krbrepl__slot_of(ctx, s->principal);

    if (e == NULL)
        return KRBREPL_ERR_NOMEM;
    e->s = *s;
    e->stored = 1;
    e->stored_us = s->seen_us;
    e->stored_base = s->base;
    e->stored_last = s->last;
    return 0;
}

int krbrepl__slots_load(krbrepl_node *n)
{
    int rc = krbrepl__store_slots_each(n->store, load_one, n);

    if (rc == 0)
        krbrepl__sent_load(n);
    if (rc == KRBREPL_ERR_NOMEM)
        return krbrepl__fail_plain(&n->ei, rc);
    return rc == 0 ? 0 : krbrepl__node_fail_from(n, krbrepl__store_ei(n->store));
}

/* ---- those that went from the store --------------------------------------------------------- */

static void forget_at(krbrepl__master *m, size_t i)
{
    m->slots[i] = m->slots[--m->nslots];
}

static int still_there(void *ctx, const krbrepl__slot *s)
{
    krbrepl__slot_entry *e = krbrepl__slot_find(ctx, s->principal);

    if (e != NULL)
        e->stored = 2;
    return 0;
}

/* A slot that was dropped by hand is not written back, unless its replica is connected. Only the node adds
 * slots, so that their number tells whether one is gone. */
static void notice_dropped(krbrepl_node *n)
{
    krbrepl__master *m = n->master;
    uint64_t there = 0, known = 0;
    size_t i;

    for (i = 0; i < m->nslots; i++)
        known += m->slots[i].stored != 0;
    if (known == 0 || krbrepl__store_slots_count(n->store, &there) != 0 || there >= known ||
        krbrepl__store_slots_each(n->store, still_there, n) != 0)
        return;
    for (i = m->nslots; i-- > 0;) {
        krbrepl__slot_entry *e = &m->slots[i];
        int gone = e->stored == 1;

        e->stored = e->stored == 2;
        if (gone && e->live != NULL && e->s.dialect != KRBREPL_DIALECT_NATIVE) {
            e->live->reset_due = 1;
            krbrepl__conn_wake(e->live);
            forget_at(m, i);
            continue;
        }
        if (gone && e->live != NULL)
            e->dirty = 1;
        if (!gone || e->live != NULL)
            continue;
        krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node",
                      "the slot of %s was dropped; it holds the journal back no longer",
                      e->s.principal);
        forget_at(m, i);
    }
}

int krbrepl__slot_may_expire(void *ctx, const krbrepl__slot *slot)
{
    krbrepl_node *n = ctx;
    krbrepl__slot_entry *e = n->master != NULL ? krbrepl__slot_find(n, slot->principal) : NULL;

    if (e != NULL && e->live != NULL) {
        e->s.seen_us = n->sys->wall_us(n->sys->ctx);
        e->dirty = 1;
        return 0;
    }
    krbrepl__logf(
        &n->log, KRBREPL_LOG_WARN, "node",
        "%s was not seen for %llu s: its slot has expired and is dropped; should it come back, "
        "it may need a full copy",
        slot->principal, (unsigned long long)n->info.retention_slot_seconds);
    if (e != NULL)
        forget_at(n->master, (size_t)(e - n->master->slots));
    return 1;
}

/* ---- into the store ------------------------------------------------------------------------- */

/* That a replica is connected is written now and then, so that its slot does not expire while it has nothing
 * to acknowledge. */
static void note_seen(krbrepl_node *n)
{
    krbrepl__master *m = n->master;
    uint64_t every = n->info.retention_slot_seconds / 4;
    size_t i;

    if (every > 3600)
        every = 3600;
    for (i = 0; i < m->nslots; i++) {
        krbrepl__slot_entry *e = &m->slots[i];

        if (e->live != NULL && e->s.seen_us - e->stored_us > (int64_t)every * 1000000)
            e->dirty = 1;
    }
}

static int put(krbrepl_node *n, const krbrepl__slot *batch, size_t count)
{
    krbrepl__master *m = n->master;
    int rc = krbrepl__store_slots_put(n->store, batch, count);

    if (rc != 0 && !m->slots_failed)
        krbrepl__logf(
            &n->log, KRBREPL_LOG_ERROR, "node",
            "what the replicas have cannot be recorded (%s); replicas are served all the same, "
            "and it is tried again every second",
            krbrepl__store_ei(n->store)->text);
    m->slots_failed = rc != 0;
    return rc;
}

static void written(krbrepl__slot_entry *e)
{
    if (!e->dirty)
        return;
    e->dirty = 0;
    e->stored = 1;
    e->stored_us = e->s.seen_us;
    e->stored_base = e->s.base;
    e->stored_last = e->s.last;
}

void krbrepl__slots_flush(krbrepl_node *n)
{
    krbrepl__master *m = n->master;
    krbrepl__slot *batch = NULL;
    size_t i, k = 0, first = 0, j;
    int rc = 0;

    notice_dropped(n);
    note_seen(n);
    for (i = 0; i < m->nslots; i++)
        k += m->slots[i].dirty != 0;
    if (k != 0)
        batch = krbrepl__alloc_array(k < WRITE_MAX ? k : WRITE_MAX, sizeof *batch);
    if (batch == NULL) {
        m->slots_failed |= k != 0;
        return;
    }
    for (i = k = 0; i <= m->nslots && rc == 0; i++) {
        if (k == WRITE_MAX || (i == m->nslots && k != 0)) {
            rc = put(n, batch, k);
            for (j = first; j < i && rc == 0; j++)
                written(&m->slots[j]);
            first = i;
            k = 0;
        }
        if (i < m->nslots && m->slots[i].dirty) {
            batch[k] = m->slots[i].s;
            batch[k++].update = m->slots[i].stored != 0; /* the next look finds out when it is gone */
        }
    }
    krbrepl__free(batch, 0);
}

void krbrepl__slots_free(krbrepl_node *n)
{
    krbrepl__free(n->master->slots, 0);
    n->master->slots = NULL;
    n->master->nslots = n->master->slots_cap = 0;
}

void krbrepl__slot_forget(krbrepl_node *n, const char *principal)
{
    krbrepl__master *m = n->master;
    size_t i;

    for (i = 0; i < m->nslots; i++) {
        if (strcmp(m->slots[i].s.principal, principal) != 0)
            continue;
        krbrepl__store_slot_drop(n->store, principal);
        forget_at(m, i);
        return;
    }
}

/* ---- what they hold ------------------------------------------------------------------------- */

static int has_expired(const krbrepl_node *n, const krbrepl__slot_entry *e, int64_t now)
{
    uint64_t limit = n->info.retention_slot_seconds;

    return e->live == NULL && e->s.seen_us > 0 && now > e->s.seen_us &&
           (uint64_t)(now - e->s.seen_us) / 1000000 >= limit;
}

/* The first seq that somebody needs and that is still there; 0: none. */
static uint64_t slowest(krbrepl_node *n, krbrepl_status *s)
{
    const krbrepl__master *m = n->master;
    int64_t now = n->sys->wall_us(n->sys->ctx);
    uint64_t from = 0;
    size_t i;

    for (i = 0; i < m->nslots; i++) {
        const krbrepl__slot_entry *e = &m->slots[i];

        if (e->s.hold == 0 || has_expired(n, e, now))
            continue;
        if (e->s.hold < s->journal_first)
            s->slots_cut++;
        else if (from == 0 || e->s.hold < from)
            from = e->s.hold;
    }
    return from;
}

void krbrepl__slots_status(krbrepl_node *n, krbrepl_status *s)
{
    uint64_t entries = s->journal_last + 1 - s->journal_first, mean;

    s->slots = n->master->nslots;
    s->hard_cap = n->info.retention_hard_cap;
    s->held_from = slowest(n, s);
    if (s->held_from != 0 && s->held_from <= s->journal_last)
        s->held_commits = s->journal_last + 1 - s->held_from;
    if (entries == 0 || s->journal_bytes == 0)
        return;
    mean = (s->journal_bytes + entries - 1) / entries;
    s->held_bytes =
        s->held_commits == entries ? s->journal_bytes : s->journal_bytes / entries * s->held_commits;
    if (s->journal_bytes < s->hard_cap)
        s->headroom_commits = (s->hard_cap - s->journal_bytes) / mean;
}
