/* The door of loads, digests, backups, restore and upgrade. */
#include <krbrepl/store.h>

#include "door.h"
#include "options.h"
#include "unsized.h"
#include "storecalls.h"

int krbrepl_load_begin(krbrepl_store *s, krbrepl_load **out, const krbrepl_load_options *opt)
{
    krbrepl_load_options o;
    int rc;

    if (out == NULL)
        return KRBREPL_ERR_INVALID;
    *out = NULL;
    rc = krbrepl__door_in(s);
    if (rc != 0)
        return rc;
    rc = krbrepl__widen(&o, sizeof o, opt);
    rc = rc == 0 ? krbrepl__load_begin(s, out, &o)
                 : krbrepl__unsized(krbrepl__store_ei(s), rc, "load: krbrepl_load_options");
    if (rc == 0)
        krbrepl__store_lend(s);
    return krbrepl__door_out(s, rc);
}

/* Not from inside of its own progress callback, which stands in the middle of a change to it. */
static int enter(krbrepl_load *l)
{
    krbrepl_store *s = l != NULL ? krbrepl__load_store(l) : NULL;
    int rc = krbrepl__door_in(s);

    if (rc == 0 && krbrepl__load_telling(l))
        return krbrepl__door_out(s, krbrepl__fail(krbrepl__store_ei(s), KRBREPL_ERR_STATE,
                                                  "load: called from inside of its progress callback"));
    return rc;
}

int krbrepl_load_put(krbrepl_load *l, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl_store *s;
    int rc = enter(l);

    if (rc != 0)
        return rc;
    s = krbrepl__load_store(l);
    if (table == NULL || key.data == NULL || (value.data == NULL && value.len > 0))
        rc = krbrepl__door_invalid(s);
    else
        rc = krbrepl__load_put(l, table, key, value);
    return krbrepl__door_out(s, rc);
}

int krbrepl_load_commit(krbrepl_load *l, krbrepl_load_result *out)
{
    krbrepl_load_result res;
    krbrepl_store *s;
    int rc = enter(l);

    if (rc != 0) {
        if (rc == KRBREPL_ERR_FORKED)
            krbrepl__load_abort(l);
        return rc;
    }
    s = krbrepl__load_store(l);
    /* A result that cannot be handed out has to be known before the commit, not after it. */
    KRBREPL_INIT(&res);
    if (out != NULL)
        rc = krbrepl__narrow(out, &res, sizeof res);
    if (rc == 0)
        rc = krbrepl__load_commit(l, &res);
    else
        krbrepl__load_abort(l);
    krbrepl__store_unlend(s);
    if (rc == 0 && out != NULL)
        rc = krbrepl__narrow(out, &res, sizeof res);
    return krbrepl__door_out(s, rc);
}

void krbrepl_load_abort(krbrepl_load *l)
{
    int rc = l != NULL ? enter(l) : KRBREPL_ERR_INVALID;
    krbrepl_store *s;

    if (rc != 0 && rc != KRBREPL_ERR_FORKED)
        return;
    s = krbrepl__load_store(l);
    krbrepl__load_abort(l);
    krbrepl__store_unlend(s);
    if (rc == 0)
        krbrepl__store_leave(s);
}

int krbrepl_view_digest(krbrepl_view *v, uint8_t root[32], uint64_t *records)
{
    krbrepl_store *s = v != NULL ? krbrepl__view_store(v) : NULL;
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = root != NULL ? krbrepl__view_digest(v, root, records) : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
}

int krbrepl_backup(krbrepl_store *s, const char *file)
{
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = file != NULL && file[0] != '\0' ? krbrepl__backup(s, file) : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
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
    return krbrepl__errinfo_give(rc, &mine, ei);
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
    return krbrepl__errinfo_give(rc, &mine, ei);
}
