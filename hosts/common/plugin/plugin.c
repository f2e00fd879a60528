#include "plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How long the daemon is given to say whom it follows. */
#define STATUS_MS 500u

static krb5_error_code code_of(const krbrepl__plugin_codes *c, int rc)
{
    const struct {
        int rc;
        krb5_error_code code;
    } map[] = {
        {KRBREPL_ERR_NOMEM, ENOMEM},
        {KRBREPL_ERR_INVALID, EINVAL},
        {KRBREPL_ERR_NOTFOUND, c->notfound},
        {KRBREPL_ERR_EXISTS, c->exists},
        {KRBREPL_ERR_IO, EIO},
        {KRBREPL_ERR_NOSPACE, ENOSPC},
        {KRBREPL_ERR_LOCKED, c->locked},
        {KRBREPL_ERR_CONFLICT, c->conflict},
        {KRBREPL_ERR_CORRUPT, c->corrupt},
        {KRBREPL_ERR_FORMAT, c->format},
        {KRBREPL_ERR_TOOBIG, EFBIG},
        {KRBREPL_ERR_NOT_MASTER, EROFS},
        {KRBREPL_ERR_FENCED, EROFS},
    };
    size_t i;

    for (i = 0; i < sizeof map / sizeof map[0]; i++)
        if (map[i].rc == rc)
            return map[i].code;
    return c->other;
}

krb5_error_code krbrepl__plugin_fail(krb5_context ctx, const krbrepl__plugin_codes *codes, int rc,
                                     const krbrepl_errinfo *ei, const char *what)
{
    krb5_error_code code = code_of(codes, rc);
    const char *text = krbrepl_strerror(rc);

    if (ei != NULL && ei->code == rc && ei->text[0] != '\0')
        text = ei->text;
    krb5_set_error_message(ctx, code, "krbrepl: %s: %s", what, text);
    return code;
}

krb5_error_code krbrepl__plugin_store_fail(krb5_context ctx, const krbrepl__plugin_codes *codes,
                                           krbrepl_store *s, int rc, const char *what)
{
    krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    if (s == NULL || krbrepl_store_errinfo(s, &ei) != 0)
        ei.code = 0;
    return krbrepl__plugin_fail(ctx, codes, rc, &ei, what);
}

static int name_peer(void *ctx, const krbrepl_peer *peer)
{
    snprintf(ctx, 256, "%.120s (%.100s)", peer->principal, peer->address);
    return 1;
}

void krbrepl__plugin_refusal(const char *dir, uint64_t role, char *out, size_t room)
{
    krbrepl_status st;
    char master[256] = "";

    KRBREPL_INIT(&st);
    (void)krbrepl_status_fetch(dir, STATUS_MS, &st, name_peer, master, NULL);
    snprintf(out, room, "the database in %.200s is a %s and takes no changes; its master is %s", dir,
             krbrepl_role_name(role),
             master[0] != '\0' ? master : "not known, because no krbrepl-replica is connected here");
}

void krbrepl__plugin_program(char *out, size_t room, const char *otherwise)
{
    int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, room - 1) : -1;

    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (out[0] == '\0')
        snprintf(out, room, "%s", otherwise);
}
