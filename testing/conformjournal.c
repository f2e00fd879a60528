/* conformjournal.c: the promises of a host's journal. */
#include <string.h>

#include <krbrepl/krbrepl.h>

#include "kit.h"
#include "store.h"

static const krbrepl_journal_ops *ops(const struct kit *k)
{
    return k->under->journal;
}

static uint64_t last_of(const struct kit *k)
{
    krbrepl_store_info i;

    KRBREPL_INIT(&i);
    krbrepl_store_info_get(k->at[0].store, &i);
    return i.pos.seq;
}

/* The journal has this commit, asked for behind the store's back. */
static int same(struct kit *k, uint64_t seq, krbrepl_bytes commit)
{
    krbrepl_bytes got = {NULL, 0};
    const int rc = ops(k)->read(k->at[0].host_ctx, seq, &got);

    if (rc == KRBREPL_ERR_NOTFOUND)
        return krbrepl__kit_wrong(k, "a commit is not in the journal", rc);
    if (rc != 0)
        return krbrepl__kit_wrong(k, "reading the journal", rc);
    return (got.len == commit.len && memcmp(got.data, commit.data, got.len) == 0) ||
           krbrepl__kit_wrong(k, "a commit comes back from the journal as another", 0);
}

/* All commits of the master can be read and verified, and the journal has each under its seq. */
static int all_there(struct kit *k)
{
    krbrepl__batch info;
    krbrepl__buf b;
    krbrepl__rd rd;
    uint64_t seq = 1;
    int rc, ok;

    krbrepl__buf_init(&b, 0);
    rc = krbrepl__store_read_commits(k->at[0].store, 1, SIZE_MAX, &b, &info);
    ok = rc == 0 || krbrepl__kit_wrong(k, "reading the commits through the library", rc);
    if (ok && info.next != last_of(k) + 1)
        ok = krbrepl__kit_wrong(k, "the history ends early", 0);
    krbrepl__rd_init(&rd, b.data, b.len);
    for (; ok && rd.left != 0; seq++)
        ok = same(k, seq, krbrepl__rd_vec32(&rd));
    krbrepl__buf_free(&b);
    return ok;
}

static int gone(struct kit *k, uint64_t seq, const char *why)
{
    krbrepl_bytes got = {NULL, 0};
    const int rc = ops(k)->read(k->at[0].host_ctx, seq, &got);

    return rc == KRBREPL_ERR_NOTFOUND || krbrepl__kit_wrong(k, why, rc);
}

void krbrepl__kit_journal_has_every_commit(struct kit *k)
{
    if (ops(k) != NULL && krbrepl__kit_put(k, 0, 10))
        (void)all_there(k);
}

void krbrepl__kit_journal_after_a_restart(struct kit *k)
{
    if (ops(k) != NULL && krbrepl__kit_put(k, 0, 10) && krbrepl__kit_reopen(k, 0) && all_there(k) &&
        krbrepl__kit_put(k, 10, 12))
        (void)all_there(k);
}

/* As a process that dies before the store has its commits leaves the journal. */
void krbrepl__kit_journal_gives_way(struct kit *k)
{
    const krbrepl_bytes never[2] = {{"never", 5}, {"was", 3}};
    int rc;

    if (ops(k) == NULL || !krbrepl__kit_put(k, 0, 3))
        return;
    rc = ops(k)->append(k->at[0].host_ctx, last_of(k) + 1, never, 2);
    if (rc != 0)
        krbrepl__kit_wrong(k, "append", rc);
    else if (all_there(k) && krbrepl__kit_put(k, 3, 4) && all_there(k))
        (void)gone(k, last_of(k) + 1, "a commit that came to nothing is still in the journal");
}

static int cut(struct kit *k, uint64_t from, uint64_t to)
{
    const int rc = ops(k)->cut(k->at[0].host_ctx, from, to);

    return rc == 0 || krbrepl__kit_wrong(k, "cut", rc);
}

void krbrepl__kit_journal_is_cut(struct kit *k)
{
    krbrepl_bytes got = {NULL, 0};

    if (ops(k) == NULL || !krbrepl__kit_put(k, 0, 9) || !cut(k, 4, 6) ||
        !gone(k, 3, "a commit is in the journal after it was cut off, at the old end") ||
        !gone(k, 7, "a commit is in the journal after it was cut off, at the new end"))
        return;
    if (ops(k)->read(k->at[0].host_ctx, 4, &got) != 0 || ops(k)->read(k->at[0].host_ctx, 6, &got) != 0)
        krbrepl__kit_wrong(k, "a commit that is wanted was cut off", 0);
    else if (cut(k, 7, 6))
        (void)gone(k, 5, "the journal is not empty when nothing is wanted");
}
