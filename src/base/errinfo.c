#include "errinfo.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define X(name, value, advice, text) \
    case value:                      \
        return text;
const char *krbrepl_strerror(int err)
{
    switch (err) {
    case KRBREPL_OK:
        return "success";
        KRBREPL_ERROR_MAP(X)
    default:
        return "unknown error";
    }
}
#undef X

#define X(name, value, advice, text) \
    case value:                      \
        return #name;
const char *krbrepl_err_name(int err)
{
    switch (err) {
    case KRBREPL_OK:
        return "OK";
        KRBREPL_ERROR_MAP(X)
    default:
        return "UNKNOWN";
    }
}
#undef X

#define X(name, value, advice, text) \
    case value:                      \
        return KRBREPL_ADVICE_##advice;
int krbrepl_err_advice(int err)
{
    switch (err) {
        KRBREPL_ERROR_MAP(X)
    default:
        return KRBREPL_ADVICE_NONE;
    }
}
#undef X

/* Texts go to logs and terminals, and hold what libraries have from peers and KDCs. */
static void make_printable(char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

static void set(krbrepl_errinfo *ei, int code, int e, const char *fmt, va_list ap)
{
    int n;

    if (ei == NULL)
        return;
    memset(ei, 0, sizeof *ei);
    ei->size = sizeof *ei;
    ei->code = code;
    ei->sys_errno = e;
    n = vsnprintf(ei->text, sizeof ei->text, fmt, ap);
    if (e != 0 && n >= 0 && (size_t)n < sizeof ei->text) {
        char what[96] = "";

        /* The XSI form: krbrepl is built with _POSIX_C_SOURCE and without _GNU_SOURCE. */
        if (strerror_r(e, what, sizeof what) == 0)
            snprintf(ei->text + n, sizeof ei->text - (size_t)n, ": %s", what);
    }
    make_printable(ei->text);
}

int krbrepl__fail(krbrepl_errinfo *ei, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set(ei, code, 0, fmt, ap);
    va_end(ap);
    return code;
}

int krbrepl__fail_sys(krbrepl_errinfo *ei, int code, int e, const char *fmt, ...)
{
    va_list ap;

    if (e == ENOSPC || e == EDQUOT)
        code = KRBREPL_ERR_NOSPACE;
    else if (e == ENOMEM)
        code = KRBREPL_ERR_NOMEM;
    va_start(ap, fmt);
    set(ei, code, e, fmt, ap);
    va_end(ap);
    return code;
}

int krbrepl__fail_plain(krbrepl_errinfo *ei, int code)
{
    return krbrepl__fail(ei, code, "%s", krbrepl_strerror(code));
}

void krbrepl__errinfo_clear(krbrepl_errinfo *ei)
{
    if (ei == NULL)
        return;
    memset(ei, 0, sizeof *ei);
    ei->size = sizeof *ei;
}

int krbrepl__errinfo_out(const krbrepl_errinfo *ei, krbrepl_errinfo *out)
{
    size_t n;

    if (out == NULL || out->size < offsetof(krbrepl_errinfo, host_code))
        return KRBREPL_ERR_INVALID;
    n = out->size < sizeof *ei ? out->size : sizeof *ei;
    memcpy((char *)out + sizeof out->size, (const char *)ei + sizeof ei->size, n - sizeof out->size);
    return 0;
}

int krbrepl__errinfo_give(int rc, const krbrepl_errinfo *mine, krbrepl_errinfo *theirs)
{
    if (rc != 0 && theirs != NULL)
        (void)krbrepl__errinfo_out(mine, theirs);
    return rc;
}
