#include "answer.h"

#include "errinfo.h"
#include "options.h"

int krbrepl__common_store_fail(krbrepl_store *s, int rc, krbrepl_errinfo *ei)
{
    krbrepl_errinfo own;

    KRBREPL_INIT(&own);
    /* The handle holds the last failure, which is this one unless a callback came between. */
    if (krbrepl_store_errinfo(s, &own) != 0 || own.code != rc || own.text[0] == '\0')
        return krbrepl__fail_plain(ei, rc);
    krbrepl__fail(ei, rc, "%s", own.text);
    if (ei != NULL) {
        ei->host_code = own.host_code;
        ei->sys_errno = own.sys_errno;
    }
    return rc;
}

int krbrepl__common_answer(int rc, void *out, const void *result, size_t now, krbrepl_errinfo *mine,
                           krbrepl_errinfo *ei)
{
    if (rc == 0 && out != NULL && krbrepl__narrow(out, result, now) != 0)
        rc = krbrepl__fail_plain(mine, KRBREPL_ERR_INVALID);
    return krbrepl__errinfo_give(rc, mine, ei);
}
