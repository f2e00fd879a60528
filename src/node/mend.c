/* mend.c: a commit that the store does not take is never skipped.
 *
 * It is tried again, with the waits between connections; after three times the content is replaced by a full
 * copy; and when that does not help, somebody is told. What a copy cannot mend, a full disk before all, is
 * only ever tried again. */
#include "replica.h"

#define TRIES 3u      /* of one commit, before a copy is asked for */
#define SAY_AGAIN 64u /* failures between two lines about the same one */

/* These have nothing to do with the content of the store: a copy would fail too, or be refused. */
static int mended_by_copy(int err)
{
    switch (err) {
    case KRBREPL_ERR_NOSPACE:
    case KRBREPL_ERR_IO:
    case KRBREPL_ERR_NOMEM:
    case KRBREPL_ERR_LOCKED:
    case KRBREPL_ERR_TIMEOUT:
    case KRBREPL_ERR_STATE:
    case KRBREPL_ERR_FENCED:
    case KRBREPL_ERR_FOREIGN:
    case KRBREPL_ERR_DIVERGED:
    case KRBREPL_ERR_FORMAT:
        return 0;
    default:
        return 1;
    }
}

static void say_failed(krbrepl_node *n, const krbrepl__sess_info *i)
{
    const krbrepl__replica *r = n->replica;
    const char *next = mended_by_copy(i->store_err) ? "it is tried again"
                                                    : "it is tried again for as long as it takes";

    if (r->apply_fails == TRIES && mended_by_copy(i->store_err))
        next = "a full copy is asked for";
    krbrepl__logf(&n->log, KRBREPL_LOG_ERROR, "node",
                  "commit %llu could not be applied, %u times by now (%s); nothing is skipped: %s",
                  (unsigned long long)r->apply_seq, r->apply_tries, i->text, next);
}

/* The copy was to mend it, and did not come to its end because of the store. */
static void copy_failed(krbrepl_node *n, const krbrepl__sess_info *i)
{
    krbrepl__replica *r = n->replica;

    if (r->copy_fails++ % SAY_AGAIN == 0)
        krbrepl__logf(
            &n->log, KRBREPL_LOG_ERROR, "node",
            "commit %llu cannot be applied, and the full copy that was asked for fails too (%s); "
            "check the disk and the memory of this host, or move the store away and begin with an "
            "empty one",
            (unsigned long long)r->apply_seq, i->text);
}

/* A repair reads the content that is there, and goes through what earlier ones have gathered. What the store cannot
 * read any more it would not be able to read the next time either; a full copy needs nothing of it. */
static int ends_repairs(const krbrepl__sess_info *i)
{
    return i->repair && !i->copy_done && i->store_err != KRBREPL_ERR_CONFLICT &&
           mended_by_copy(i->store_err);
}

int krbrepl__mend_over(krbrepl_node *n, const krbrepl__sess_info *i)
{
    krbrepl__replica *r = n->replica;

    if (i->store_err == 0 || i->by_peer)
        return 0;
    r->repair_failed |= ends_repairs(i);
    if (i->apply_seq == 0) {
        if (krbrepl__mend_asks(n) != 0)
            copy_failed(n, i);
        return 0;
    }
    if (i->apply_seq != r->apply_seq)
        r->apply_tries = r->apply_fails = r->copy_fails = 0;
    r->apply_seq = i->apply_seq;
    r->apply_tries++;
    /* A full disk is not what the tries are counted for. */
    if (mended_by_copy(i->store_err))
        r->apply_fails++;
    if (r->apply_tries <= TRIES || r->apply_tries % SAY_AGAIN == 0)
        say_failed(n, i);
    return 1;
}

void krbrepl__mend_moved(krbrepl_node *n, uint64_t applied)
{
    krbrepl__replica *r = n->replica;

    if (r->apply_tries == 0 || applied < r->apply_seq)
        return;
    krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node",
                  "commit %llu, which could not be applied before, is here",
                  (unsigned long long)r->apply_seq);
    r->apply_tries = r->apply_fails = r->copy_fails = 0;
    r->apply_seq = 0;
}

uint64_t krbrepl__mend_asks(const krbrepl_node *n)
{
    return n->replica->apply_fails >= TRIES ? KRBREPL_COPY_FAILED : KRBREPL_COPY_NONE;
}
