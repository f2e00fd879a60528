#include "unsized.h"

#include <krbrepl/version.h>

#include "errinfo.h"

/* Forgetting KRBREPL_INIT is the first mistake that everybody makes, and is of two looks: a size of zero, and a
 * size that is whatever was on the stack. */
int krbrepl__unsized(krbrepl_errinfo *ei, int rc, const char *what)
{
    if (rc == KRBREPL_ERR_INVALID)
        return krbrepl__fail(ei, rc, "%s: its size is not set; prepare the struct with KRBREPL_INIT",
                             what);
    return krbrepl__fail(
        ei, rc,
        "%s: it is newer than this library, %s, or its size was never set; use a library as new as "
        "the headers, and prepare the struct with KRBREPL_INIT",
        what, KRBREPL_VERSION_TEXT);
}
