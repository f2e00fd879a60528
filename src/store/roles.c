/* roles.c: promote and demote. Nothing else changes the role of a store to or from master, and each is a
 * commit in the history. */
#include "impl.h"

#include <string.h>

const char *krbrepl_role_name(uint64_t role)
{
    static const char *const name[] = {"unset", "master", "replica", "fenced"};

    return role < sizeof name / sizeof name[0] ? name[role] : "unknown";
}

static int random_fill(krbrepl_store *s, void *out, size_t n)
{
    if (s->sys->random(s->sys->ctx, out, n) == 0)
        return 0;
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_IO, "store: no randomness to be had");
}

/* Draws an id for a database that has none. */
int krbrepl__id_draw(krbrepl_store *s, krbrepl__wtxn *w)
{
    static const uint8_t none[16];
    int rc;

    if (memcmp(w->id, none, sizeof none) != 0)
        return 0;
    rc = random_fill(s, w->id, sizeof w->id);
    return rc == 0 ? krbrepl__meta_put(s, w->txn, "id", w->id, sizeof w->id) : rc;
}

static int lineage_append(krbrepl_store *s, krbrepl__wtxn *w, unsigned cause, const char *who)
{
    krbrepl__commit c;
    char room[32];

    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_LINEAGE;
    c.cause = (uint8_t)cause;
    c.who = krbrepl__who(who, room);
    c.why.data = "";
    return krbrepl__journal_append(s, w, &c);
}

int krbrepl__lineage_new(krbrepl_store *s, krbrepl__wtxn *w, unsigned cause, const char *who)
{
    uint64_t epoch = w->st.known_epoch > w->st.pos.epoch ? w->st.known_epoch : w->st.pos.epoch;
    krbrepl_pos left = w->st.pos;
    int rc = krbrepl__id_draw(s, w);

    if (rc == 0 && epoch == UINT64_MAX)
        rc =
            krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE, "store: there is no epoch above the last");
    if (rc == 0 && cause == KRBREPL_CAUSE_RESOLVE)
        rc = krbrepl__fork_known(s, w->txn, &left);
    if (rc == 0 && w->st.pos.seq != 0)
        rc = krbrepl__ancestor_note(s, w->txn, &left);
    if (rc == 0)
        rc = random_fill(s, w->st.pos.lineage, sizeof w->st.pos.lineage);
    /* Whoever reigns has records of its own from now on. */
    if (rc == 0)
        rc = krbrepl__meta_del(s, w->txn, "source");
    if (rc != 0)
        return rc;
    w->st.pos.epoch = epoch + 1;
    w->st.role = KRBREPL_ROLE_MASTER;
    return lineage_append(s, w, cause, who);
}

/* Commits and tells the node, or takes everything back. */
static int finish(krbrepl_store *s, krbrepl__wtxn *w, int rc, krbrepl_pos *out)
{
    if (rc == 0)
        rc = krbrepl__trim(s, w, 64);
    if (rc == 0)
        rc = krbrepl__wtxn_commit(s, w);
    krbrepl__wtxn_abort(s, w);
    if (rc == 0) {
        if (out != NULL)
            *out = w->st.pos;
        krbrepl__store_wake_node(s);
    }
    return rc;
}

static int reign(krbrepl_store *s, unsigned cause, const char *who, krbrepl_pos *out)
{
    krbrepl__wtxn w;
    int rc = krbrepl__origin_check(s, who, NULL);

    if (rc == 0)
        rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    rc = krbrepl__lineage_new(s, &w, cause, who);
    return finish(s, &w, rc, out);
}

int krbrepl__promote(krbrepl_store *s, const char *who, krbrepl_pos *out)
{
    return reign(s, KRBREPL_CAUSE_PROMOTE, who, out);
}

int krbrepl__resolve(krbrepl_store *s, uint64_t which, const char *who, krbrepl_pos *out)
{
    if (which == KRBREPL_RESOLVE_KEEP_REPLICA)
        return reign(s, KRBREPL_CAUSE_RESOLVE, who, out);
    if (which == KRBREPL_RESOLVE_KEEP_MASTER)
        return krbrepl__give_up(s, who, out);
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_INVALID,
                         "resolve: either the master or the replica is kept");
}

int krbrepl__demote(krbrepl_store *s, const char *who, krbrepl_pos *out)
{
    krbrepl__wtxn w;
    int rc = krbrepl__origin_check(s, who, NULL);

    if (rc == 0)
        rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    if (w.st.role != KRBREPL_ROLE_MASTER)
        rc = krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_NOT_MASTER,
                           "store: its role is %s, so there is no reign to hand back",
                           krbrepl_role_name(w.st.role));
    if (rc == 0)
        rc = krbrepl__meta_del(s, w.txn, "source");
    if (rc == 0) {
        w.st.role = KRBREPL_ROLE_REPLICA;
        rc = lineage_append(s, &w, KRBREPL_CAUSE_DEMOTE, who);
    }
    return finish(s, &w, rc, out);
}
