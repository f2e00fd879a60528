#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "errinfo.h"
#include "mem.h"

/* A file in `dir` that has no name any more, or -1 with errno. */
static int nameless(const char *dir)
{
    static const char suffix[] = "/load.XXXXXX";
    size_t len = strlen(dir);
    char *path = krbrepl__alloc(len + sizeof suffix);
    int fd;

    if (path == NULL) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(path, dir, len);
    memcpy(path + len, suffix, sizeof suffix);
    fd = mkstemp(path);
    if (fd >= 0) {
        unlink(path);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    krbrepl__strfree(path);
    return fd;
}

krbrepl__mit_spool *krbrepl__mit_spool_new(const char *dir, krbrepl_errinfo *ei)
{
    krbrepl__mit_spool *s = krbrepl__alloc(sizeof *s);
    int fd;

    if (s == NULL) {
        krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
        return NULL;
    }
    fd = nameless(dir);
    if (fd >= 0 && (s->f = fdopen(fd, "w+")) == NULL)
        close(fd);
    if (s->f == NULL) {
        krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "load: cannot make a temporary file in %.120s",
                          dir);
        krbrepl__mit_spool_free(s);
        return NULL;
    }
    return s;
}

void krbrepl__mit_spool_free(krbrepl__mit_spool *s)
{
    if (s == NULL)
        return;
    if (s->f != NULL)
        fclose(s->f);
    krbrepl__free(s, sizeof *s);
}

int krbrepl__mit_spool_put(krbrepl__mit_spool *s, krbrepl_bytes key, const krbrepl_mit_lockout *l,
                           krbrepl_errinfo *ei)
{
    uint8_t len[4], local[KRBREPL_MIT_LOCKOUT_LEN];

    krbrepl__put_u32(len, (uint32_t)key.len);
    krbrepl_mit_lockout_encode(l, local);
    if (fwrite(len, sizeof len, 1, s->f) != 1 || fwrite(key.data, key.len, 1, s->f) != 1 ||
        fwrite(local, sizeof local, 1, s->f) != 1)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "load: cannot write the temporary file");
    s->n++;
    return 0;
}

int krbrepl__mit_spool_rewind(krbrepl__mit_spool *s, krbrepl_errinfo *ei)
{
    if (fflush(s->f) != 0 || fseek(s->f, 0, SEEK_SET) != 0)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "load: cannot write the temporary file");
    return 0;
}

int krbrepl__mit_spool_next(krbrepl__mit_spool *s, krbrepl_bytes *key,
                            uint8_t local[KRBREPL_MIT_LOCKOUT_LEN], krbrepl_errinfo *ei)
{
    uint8_t len[4];
    uint32_t n;

    if (fread(len, sizeof len, 1, s->f) != 1)
        return feof(s->f) ? 0
                          : krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno,
                                              "load: cannot read the temporary file");
    n = krbrepl__get_u32(len);
    if (n == 0 || n > sizeof s->key || fread(s->key, n, 1, s->f) != 1 ||
        fread(local, KRBREPL_MIT_LOCKOUT_LEN, 1, s->f) != 1)
        return krbrepl__fail(ei, KRBREPL_ERR_IO, "load: the temporary file does not read back");
    *key = (krbrepl_bytes){s->key, n};
    return 1;
}
