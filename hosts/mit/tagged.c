#include "tagged.h"

#include "buf.h"

#define KADMIN_VERSION 0x12345c01u

static const krbrepl_mit_item *find(const krbrepl_mit_principal *p, int type)
{
    size_t i;

    for (i = 0; i < p->ntl; i++)
        if (p->tl[i].type == type)
            return &p->tl[i];
    return NULL;
}

/* What stands before the first NUL. */
static krbrepl_bytes up_to_nul(krbrepl_bytes text)
{
    const char *nul = text.len != 0 ? memchr(text.data, '\0', text.len) : NULL;

    if (nul != NULL)
        text.len = (size_t)(nul - (const char *)text.data);
    return text;
}

int krbrepl__mit_modified(const krbrepl_mit_principal *p, uint32_t *when, krbrepl_bytes *who)
{
    const krbrepl_mit_item *it = find(p, KRBREPL__MIT_TL_MODIFIED);
    krbrepl__rd r;
    unsigned i;

    if (it == NULL || it->data.len < 4)
        return 0;
    krbrepl__rd_init(&r, it->data.data, it->data.len);
    for (*when = 0, i = 0; i < 4; i++)
        *when |= (uint32_t)krbrepl__rd_u8(&r) << (8 * i);
    *who = up_to_nul(krbrepl__rd_view(&r, r.left));
    return 1;
}

int krbrepl__mit_policy_name(const krbrepl_mit_principal *p, krbrepl_bytes *policy)
{
    const krbrepl_mit_item *it = find(p, KRBREPL__MIT_TL_KADMIN);
    krbrepl__rd r;

    if (it == NULL)
        return 0;
    krbrepl__rd_init(&r, it->data.data, it->data.len);
    if (krbrepl__rd_u32(&r) != KADMIN_VERSION)
        return 0;
    *policy = up_to_nul(krbrepl__rd_vec32(&r));
    return r.err == 0 && policy->len != 0;
}
