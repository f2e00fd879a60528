/* slots.c: what the master remembers of its replicas, in memory, and once a second in the store. */
#include <stdio.h>
#include <string.h>

#include "master.h"
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
    return 0;
}

int krbrepl__slots_load(krbrepl_node *n)
{
    int rc = krbrepl__store_slots_each(n->store, load_one, n);

    if (rc == KRBREPL_ERR_NOMEM)
        return krbrepl__fail_plain(&n->ei, rc);
    return rc == 0 ? 0 : krbrepl__node_fail_from(n, krbrepl__store_ei(n->store));
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

void krbrepl__slots_flush(krbrepl_node *n)
{
    krbrepl__master *m = n->master;
    krbrepl__slot *batch = NULL;
    size_t i, k = 0, first = 0, j;
    int rc = 0;

    for (i = 0; i < m->nslots; i++)
        k += m->slots[i].dirty != 0;
    if (k != 0)
        batch = krbrepl__alloc_array(k < WRITE_MAX ? k : WRITE_MAX, sizeof *batch);
    if (batch == NULL)
        return;
    for (i = k = 0; i <= m->nslots && rc == 0; i++) {
        if (k == WRITE_MAX || (i == m->nslots && k != 0)) {
            rc = put(n, batch, k);
            for (j = first; j < i && rc == 0; j++)
                m->slots[j].dirty = 0;
            first = i;
            k = 0;
        }
        if (i < m->nslots && m->slots[i].dirty)
            batch[k++] = m->slots[i].s;
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
        m->slots[i] = m->slots[--m->nslots];
        return;
    }
}
