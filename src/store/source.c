/* source.c: the note of a source. meta, key "source":
 *
 *   version:u8 (1) dialect:u32 version:u32 flags:u8 (1: settling, 2: marked) mark[32] principal:str16 */
#include "impl.h"

#include <string.h>

#define NOTE_VERSION 1u
#define SETTLING 1u
#define MARKED 2u

static int malformed(krbrepl_store *s)
{
    return krbrepl__fail(
        KRBREPL__EI(s), KRBREPL_ERR_CORRUPT,
        "meta: the value 'source' is malformed; promote the store, and follow the source "
        "anew");
}

int krbrepl__source_read(krbrepl_store *s, MDB_txn *txn, krbrepl__source *out)
{
    krbrepl_bytes v;
    krbrepl__rd r;
    unsigned flags;
    int rc = krbrepl__meta_get(s, txn, "source", &v);

    memset(out, 0, sizeof *out);
    if (rc != 0)
        return rc;
    krbrepl__rd_init(&r, v.data, v.len);
    if (krbrepl__rd_u8(&r) != NOTE_VERSION)
        return malformed(s);
    out->dialect = krbrepl__rd_u32(&r);
    out->version = krbrepl__rd_u32(&r);
    flags = krbrepl__rd_u8(&r);
    out->settling = (flags & SETTLING) != 0;
    out->marked = (flags & MARKED) != 0;
    krbrepl__rd_copy(&r, out->mark, sizeof out->mark);
    krbrepl__rd_str16(&r, out->principal, KRBREPL__SOURCE_NAME);
    return krbrepl__rd_end(&r) == 0 ? 0 : malformed(s);
}

int krbrepl__source_write(krbrepl_store *s, MDB_txn *txn, const krbrepl__source *src)
{
    krbrepl__buf b;
    int rc;

    if (src == NULL)
        return 0;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u8(&b, NOTE_VERSION);
    krbrepl__buf_u32(&b, src->dialect);
    krbrepl__buf_u32(&b, src->version);
    krbrepl__buf_u8(&b, (src->settling ? SETTLING : 0) | (src->marked ? MARKED : 0));
    krbrepl__buf_bytes(&b, src->mark, sizeof src->mark);
    krbrepl__buf_str16(&b, src->principal);
    rc = b.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), b.err)
                    : krbrepl__meta_put(s, txn, "source", b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

int krbrepl__source_keep(krbrepl_store *s, krbrepl__source **at, const krbrepl__source *src)
{
    if (*at == NULL)
        *at = krbrepl__alloc(sizeof **at);
    if (*at == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    **at = *src;
    return 0;
}

int krbrepl__source_note(krbrepl_store *s, const krbrepl__source *src,
                         int (*check)(void *ctx, const krbrepl__wtxn *w), void *ctx)
{
    krbrepl__wtxn w = {0};
    int rc = 0;

    if (src == NULL)
        return 0;
    rc = krbrepl__wtxn_begin(s, &w);
    if (rc == 0)
        rc = check(ctx, &w);
    if (rc == 0)
        rc = krbrepl__source_write(s, w.txn, src);
    if (rc == 0)
        rc = krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

int krbrepl__source_get(krbrepl_store *s, krbrepl__source *out)
{
    krbrepl__rtxn r = {0};
    int rc = krbrepl__rtxn_begin(s, &r);

    if (rc == 0)
        rc = krbrepl__source_read(s, r.txn, out);
    krbrepl__rtxn_end(s, &r);
    return rc;
}

int krbrepl__source_allows(krbrepl_store *s, MDB_txn *txn)
{
    krbrepl__source src;
    int rc;

    rc = krbrepl__source_read(s, txn, &src);
    /* A promotion by another process: what was on its way from the source must not come behind it. */
    if (rc == KRBREPL_ERR_NOTFOUND && s->follows)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_NOT_MASTER,
                             "store: it was promoted meanwhile, and takes nothing from its old source");
    if (rc != 0)
        return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
    if (s->follows)
        return 0;
    return krbrepl__fail(
        KRBREPL__EI(s), KRBREPL_ERR_NOT_MASTER,
        "store: its records come from %.200s; write there, or promote this store, which "
        "makes it the master of its own",
        src.principal);
}

/* ---- following ------------------------------------------------------------------------------ */

static int may_follow(krbrepl_store *s, const krbrepl__wtxn *w, int known, int replace)
{
    if (w->st.role != KRBREPL_ROLE_MASTER && w->st.role != KRBREPL_ROLE_UNSET)
        return krbrepl__fail(
            KRBREPL__EI(s), KRBREPL_ERR_STATE,
            "store: its role is %s; a store that follows a master of another kind has a "
            "history of its own, so use an empty directory, or promote this store first",
            krbrepl_role_name(w->st.role));
    if (!known && !replace && w->st.records != 0)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "store: it holds %llu records that came from elsewhere, and all would be "
                             "replaced by those of the source; say so if that is wanted, or use an "
                             "empty directory",
                             (unsigned long long)w->st.records);
    return 0;
}

static void note_of(krbrepl__source *src, uint32_t dialect, const char *principal)
{
    memset(src, 0, sizeof *src);
    src->dialect = dialect;
    memcpy(src->principal, principal, strlen(principal) + 1);
}

static int follow(krbrepl_store *s, krbrepl__wtxn *w, uint32_t dialect, const char *principal,
                  int replace, krbrepl__source *out)
{
    int known, same, rc = krbrepl__source_read(s, w->txn, out);

    if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        return rc;
    known = rc == 0;
    same = known && out->dialect == dialect && strcmp(out->principal, principal) == 0;
    rc = may_follow(s, w, same, replace);
    if (rc != 0 || same)
        return rc;
    note_of(out, dialect, principal);
    if (w->st.role == KRBREPL_ROLE_UNSET)
        rc = krbrepl__lineage_new(s, w, KRBREPL_CAUSE_CREATE, NULL);
    return rc == 0 ? krbrepl__source_write(s, w->txn, out) : rc;
}

int krbrepl__source_follow(krbrepl_store *s, uint32_t dialect, const char *principal, int replace,
                           krbrepl__source *out)
{
    krbrepl__wtxn w;
    int rc;

    if (strlen(principal) > KRBREPL__SOURCE_NAME)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TOOBIG,
                             "store: the name of a source has at most %u bytes", KRBREPL__SOURCE_NAME);
    rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    rc = follow(s, &w, dialect, principal, replace, out);
    if (rc == 0)
        rc = krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    s->follows = rc == 0;
    return rc;
}

void krbrepl__source_join(krbrepl_store *s)
{
    s->follows = 1;
}
