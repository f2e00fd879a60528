#include "match.h"

#include <string.h>

#include <krbrepl/error.h>

#include "buf.h"
#include "mem.h"

/* ---- lists ---------------------------------------------------------------------------------- */

int krbrepl__list_add(krbrepl__list *l, uint32_t v)
{
    size_t room = l->room * 2 + 64;
    uint32_t *at;

    if (l->n == l->room) {
        at = krbrepl__grow(l->at, l->n * sizeof *at, room * sizeof *at);
        if (at == NULL)
            return KRBREPL_ERR_NOMEM;
        l->at = at;
        l->room = room;
    }
    l->at[l->n++] = v;
    return 0;
}

void krbrepl__list_free(krbrepl__list *l)
{
    krbrepl__free(l->at, 0); /* numbers of nodes are no secret */
    memset(l, 0, sizeof *l);
}

/* ---- candidates ----------------------------------------------------------------------------- */

int krbrepl__match_begin(krbrepl__match *m)
{
    size_t slots = 64, n = m->node.n;

    while (slots < n * 2)
        slots *= 2;
    m->digest = krbrepl__alloc_array(n, sizeof *m->digest);
    m->met = krbrepl__alloc(n);
    m->slot = krbrepl__alloc_array(slots, sizeof *m->slot);
    m->mask = slots - 1;
    m->hashed = 0;
    return m->digest != NULL && m->met != NULL && m->slot != NULL ? 0 : KRBREPL_ERR_NOMEM;
}

void krbrepl__match_free(krbrepl__match *m)
{
    krbrepl__list_free(&m->node);
    krbrepl__free(m->digest, 0);
    krbrepl__free(m->met, 0);
    krbrepl__free(m->slot, 0);
    memset(m, 0, sizeof *m);
}

/* The slot in which the digest is, or would be. */
static uint32_t *find(const krbrepl__match *m, uint64_t digest)
{
    size_t at = (size_t)digest & m->mask;

    while (m->slot[at] != 0 && m->digest[m->slot[at] - 1] != digest)
        at = (at + 1) & m->mask;
    return &m->slot[at];
}

int krbrepl__match_hash(krbrepl__match *m, const krbrepl__ftree *t, unsigned level, krbrepl__sha *sha,
                        const uint8_t salt[KRBREPL__SALT], size_t max)
{
    size_t end = m->node.n - m->hashed > max ? m->hashed + max : m->node.n;
    uint8_t salted[KRBREPL__SALTED];
    uint32_t *slot;
    int rc;

    for (; m->hashed < end; m->hashed++) {
        rc = krbrepl__salted(sha, salt, krbrepl__ftree_digest(t, level, m->node.at[m->hashed]), 32,
                             salted);
        if (rc != 0)
            return rc;
        m->digest[m->hashed] = krbrepl__get_u64(salted);
        slot = find(m, m->digest[m->hashed]);
        if (*slot == 0)
            *slot = (uint32_t)m->hashed + 1;
    }
    return m->hashed < m->node.n;
}

int krbrepl__match_meet(krbrepl__match *m, const uint8_t digest[KRBREPL__SALTED])
{
    uint32_t *slot;

    if (m->node.n == 0)
        return 0;
    slot = find(m, krbrepl__get_u64(digest));
    if (*slot == 0)
        return 0;
    m->met[*slot - 1] = 1;
    return 1;
}

int krbrepl__match_rest(krbrepl__match *m, krbrepl__list *out)
{
    size_t i;
    int rc = 0;

    out->n = 0;
    for (i = 0; rc == 0 && i < m->node.n; i++)
        if (!m->met[i])
            rc = krbrepl__list_add(out, m->node.at[i]);
    krbrepl__match_free(m);
    return rc;
}
