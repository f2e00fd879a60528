#include "storefail.h"

#include "errinfo.h"

int krbrepl__heim_store_fail(krbrepl_store *s, int rc, krbrepl_errinfo *ei)
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
