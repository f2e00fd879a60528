/* Comparing the digests of both ends at one position.
 *
 * The master says CHECK(seq) while its store is at seq, so that the replica hears of it before it goes past
 * that position, and CHECK(seq, root) when it has computed its root. The replica computes its own at the
 * same position. Equal: it sends its root back, and so both know. Different: it ends the session. */
#include <string.h>

#include "sessint.h"

/* A comparison that one replica asks for costs the master and all others theirs: it is heard once in so long, and
 * else is compared with the next. */
#define ASKS_EVERY_MS 1000u

static int send_check(krbrepl__sess *s, uint64_t seq, const uint8_t *root)
{
    krbrepl__check c = {0};

    c.seq = seq;
    if (root != NULL) {
        c.has = KRBREPL__HAS(KRBREPL__TAG_ROOT);
        memcpy(c.root, root, sizeof c.root);
    }
    return krbrepl__sess_send(s, KRBREPL__FRAME_CHECK, &c);
}

static int has_root(const krbrepl__check *c)
{
    return (c->has & KRBREPL__HAS(KRBREPL__TAG_ROOT)) != 0;
}

static int content_differs(krbrepl__sess *s, uint64_t seq)
{
    s->info.differs = 1;
    return krbrepl__sess_end(s, KRBREPL_ERR_DIVERGED,
                             "the content differs at %llu, though the history is the same; the replica "
                             "is to be copied",
                             (unsigned long long)seq);
}

static void proved(krbrepl__sess *s, uint64_t seq)
{
    s->info.proved_seq = seq;
    s->info.proofs++;
}

/* ---- master --------------------------------------------------------------------------------- */

int krbrepl__master_say_check(krbrepl__sess *s, uint64_t seq, const uint8_t *root)
{
    krbrepl__sess_master *m = &s->m;

    if (!s->info.checks || s->info.phase != KRBREPL__SESS_STREAMING || m->begin_due || m->copying ||
        m->end_due)
        return 0;
    if (root == NULL) {
        /* What was sent already cannot be held back at the other end. */
        m->check = m->next <= seq + 1 ? seq : 0;
        m->has_root = 0;
        if (m->check != 0)
            send_check(s, seq, NULL);
    } else if (seq == m->check) {
        memcpy(m->root, root, sizeof m->root);
        m->has_root = 1;
        send_check(s, seq, root);
    }
    return 1;
}

/* The replica sends the root that it found equal; or, with seq 0 and no root, it wants to be compared. */
int krbrepl__master_check(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__sess_master *m = &s->m;
    krbrepl__check c;
    int rc = krbrepl__sess_read(s, f, &c);

    if (rc != 0)
        return rc;
    if (s->info.checks && s->info.repairs && !has_root(&c) && c.seq == 0) {
        if (m->asked_ms != 0 && s->now - m->asked_ms < ASKS_EVERY_MS)
            return 0;
        m->asked_ms = s->now;
        s->info.check_asks++;
        return 0;
    }
    if (!s->info.checks || !has_root(&c))
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a CHECK message was not expected");
    if (c.seq != m->check || !m->has_root)
        return 0; /* of an earlier one */
    if (memcmp(c.root, m->root, sizeof m->root) != 0)
        return content_differs(s, c.seq);
    proved(s, c.seq);
    return 0;
}

/* ---- replica -------------------------------------------------------------------------------- */

void krbrepl__replica_say_check(krbrepl__sess *s)
{
    if (s->info.checks && s->info.repairs && s->info.phase == KRBREPL__SESS_STREAMING && !s->r.copying)
        send_check(s, 0, NULL);
}

void krbrepl__replica_drop_check(krbrepl__sess *s)
{
    s->info.skipped += s->r.check != 0;
    s->r.check = 0;
    s->r.check_asked = s->r.has_theirs = s->r.has_ours = 0;
}

void krbrepl__replica_ask_check(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;

    if (r->check == 0 || r->check_asked || r->pos.seq < r->check)
        return;
    r->check_asked = 1;
    if (r->pos.seq == r->check)
        s->port->check(s->port->ctx, r->check);
    else
        krbrepl__replica_drop_check(s);
}

uint64_t krbrepl__replica_until_check(krbrepl__sess *s, uint64_t max)
{
    krbrepl__sess_replica *r = &s->r;

    if (r->check <= r->pos.seq || r->check - r->pos.seq > max)
        return max;
    return r->check - r->pos.seq;
}

static int compare(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    uint64_t seq = r->check;

    if (!r->has_theirs || !r->has_ours)
        return 0;
    if (memcmp(r->theirs, r->ours, sizeof r->ours) != 0)
        return content_differs(s, seq);
    proved(s, seq);
    r->check = 0;
    krbrepl__replica_drop_check(s);
    return send_check(s, seq, r->ours);
}

int krbrepl__replica_check(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__sess_replica *r = &s->r;
    krbrepl__check c;
    int rc = krbrepl__sess_read(s, f, &c);

    if (rc != 0)
        return rc;
    if (!s->info.checks)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a CHECK message was not expected");
    if (r->copying || s->info.phase != KRBREPL__SESS_STREAMING)
        return 0;
    if (!has_root(&c)) {
        krbrepl__replica_drop_check(s);
        r->check = c.seq;
        krbrepl__replica_ask_check(s);
        return 0;
    }
    if (c.seq != r->check)
        return 0; /* it could not be compared */
    memcpy(r->theirs, c.root, sizeof r->theirs);
    r->has_theirs = 1;
    return compare(s);
}

void krbrepl__replica_take_root(krbrepl__sess *s, uint64_t seq, const uint8_t *root)
{
    krbrepl__sess_replica *r = &s->r;

    if (r->check == 0 || seq != r->check || !r->check_asked)
        return;
    if (root == NULL) {
        krbrepl__replica_drop_check(s);
        return;
    }
    memcpy(r->ours, root, sizeof r->ours);
    r->has_ours = 1;
    compare(s);
}
