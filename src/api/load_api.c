/* The guards of loads, digests, backups, restore and upgrade. */
#include <krbrepl/store.h>

#include "errinfo.h"
#include "options.h"
#include "store.h"
#include "storecalls.h"

static krbrepl_errinfo *ei_of(krbrepl_store *s)
{
    return krbrepl__store_ei(s);
}

/* A handle of this process? */
static int guard(krbrepl_store *s)
{
    if (s == NULL)
        return KRBREPL_ERR_INVALID;
    if (!krbrepl__store_forked(s))
        return 0;
    return krbrepl__fail(
        ei_of(s), KRBREPL_ERR_FORKED,
        "store: the handle was opened before fork(); open the store again in this process");
}

/* A caller's errinfo may be shorter than today's: the detail is made in one of our own. */
static int out_ei(int rc, const krbrepl_errinfo *mine, krbrepl_errinfo *theirs)
{
    if (rc != 0 && theirs != NULL)
        (void)krbrepl__errinfo_out(mine, theirs);
    return rc;
}

int krbrepl_load_begin(krbrepl_store *s, krbrepl_load **out, const krbrepl_load_options *opt)
{
    krbrepl_load_options o;
    int rc;

    if (out == NULL)
        return KRBREPL_ERR_INVALID;
    *out = NULL;
    rc = guard(s);
    if (rc != 0)
        return rc;
    rc = krbrepl__widen(&o, sizeof o, opt);
    return rc == 0 ? krbrepl__load_begin(s, out, &o) : krbrepl__fail_plain(ei_of(s), rc);
}

int krbrepl_load_put(krbrepl_load *l, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    int rc = l == NULL ? KRBREPL_ERR_INVALID : guard(krbrepl__load_store(l));

    if (rc == 0 && (table == NULL || key.data == NULL || (value.data == NULL && value.len > 0)))
        rc = krbrepl__fail_plain(ei_of(krbrepl__load_store(l)), KRBREPL_ERR_INVALID);
    return rc == 0 ? krbrepl__load_put(l, table, key, value) : rc;
}

int krbrepl_load_commit(krbrepl_load *l, krbrepl_load_result *out)
{
    krbrepl_load_result res;
    int rc = l == NULL ? KRBREPL_ERR_INVALID : guard(krbrepl__load_store(l));

    /* A result that cannot be handed out has to be known before the commit, not after it. */
    KRBREPL_INIT(&res);
    if (rc == 0 && out != NULL)
        rc = krbrepl__narrow(out, &res, sizeof res);
    if (rc != 0) {
        krbrepl__load_abort(l);
        return rc;
    }
    rc = krbrepl__load_commit(l, &res);
    return rc == 0 && out != NULL ? krbrepl__narrow(out, &res, sizeof res) : rc;
}

void krbrepl_load_abort(krbrepl_load *l)
{
    krbrepl__load_abort(l);
}

int krbrepl_view_digest(krbrepl_view *v, uint8_t root[32], uint64_t *records)
{
    int rc = v == NULL || root == NULL ? KRBREPL_ERR_INVALID : guard(krbrepl__view_store(v));

    return rc == 0 ? krbrepl__view_digest(v, root, records) : rc;
}

int krbrepl_backup(krbrepl_store *s, const char *file)
{
    int rc = guard(s);

    if (rc == 0 && (file == NULL || file[0] == '\0'))
        rc = krbrepl__fail_plain(ei_of(s), KRBREPL_ERR_INVALID);
    return rc == 0 ? krbrepl__backup(s, file) : rc;
}

int krbrepl_restore(const char *file, const char *dir, const char *who, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;
    int rc;

    KRBREPL_INIT(&mine);
    if (file == NULL || file[0] == '\0' || dir == NULL || dir[0] == '\0')
        rc = krbrepl__fail_plain(&mine, KRBREPL_ERR_INVALID);
    else
        rc = krbrepl__restore(file, dir, who, &mine);
    return out_ei(rc, &mine, ei);
}

int krbrepl_upgrade(const char *dir, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;
    int rc;

    KRBREPL_INIT(&mine);
    if (dir == NULL || dir[0] == '\0')
        rc = krbrepl__fail_plain(&mine, KRBREPL_ERR_INVALID);
    else
        rc = krbrepl__upgrade(dir, &mine);
    return out_ei(rc, &mine, ei);
}
