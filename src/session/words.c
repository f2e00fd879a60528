/* How a session speaks of its peer and of its end. */
#include <stdio.h>

#include <krbrepl/node.h>

#include "sessint.h"

const char *krbrepl__sess_who(const krbrepl__sess *s, char out[512])
{
    if (s->info.principal != NULL)
        snprintf(out, 512, "%s (%s)", s->info.principal, s->address);
    else
        snprintf(out, 512, "%s", s->address);
    return out;
}

int krbrepl__sess_is_refusal(int err)
{
    switch (err) {
    case KRBREPL_ERR_FORMAT:
    case KRBREPL_ERR_DIVERGED:
    case KRBREPL_ERR_AHEAD:
    case KRBREPL_ERR_FENCED:
    case KRBREPL_ERR_FOREIGN:
    case KRBREPL_ERR_NOT_MASTER:
    case KRBREPL_ERR_PROTO:
    case KRBREPL_ERR_DENIED:
    case KRBREPL_ERR_STATE:
        return 1;
    default:
        return 0;
    }
}

int krbrepl__sess_log_level(int err)
{
    switch (err) {
    case 0:
    case KRBREPL_ERR_NET:
        return KRBREPL_LOG_NOTICE;
    case KRBREPL_ERR_DIVERGED:
    case KRBREPL_ERR_AHEAD:
    case KRBREPL_ERR_FENCED:
    case KRBREPL_ERR_FOREIGN:
    case KRBREPL_ERR_CORRUPT:
    case KRBREPL_ERR_NOSPACE:
    case KRBREPL_ERR_IO:
        return KRBREPL_LOG_ERROR;
    default:
        return KRBREPL_LOG_WARN;
    }
}
