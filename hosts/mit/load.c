/* load.c: krbrepl_mit_load, and what its two ways share. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errinfo.h"
#include "mem.h"
#include "options.h"

#define SHOW_EVERY (1u << 20) /* bytes between two calls of progress */

_Static_assert(sizeof(krbrepl_mit_load_options) ==
                   offsetof(krbrepl_mit_load_options, ctx) + sizeof(void *),
               "tail padding");
_Static_assert(sizeof(krbrepl_mit_load_result) ==
                   offsetof(krbrepl_mit_load_result, deleted) + sizeof(uint64_t),
               "tail padding");

/* ---- reading -------------------------------------------------------------------------------- */

void krbrepl__mit_job_note(krbrepl__mit_job *j, const char *text)
{
    if (j->opt.note != NULL)
        j->opt.note(j->opt.ctx, text);
}

static void show(krbrepl__mit_job *j, const char *phase, uint64_t done, uint64_t total)
{
    if (j->opt.progress != NULL)
        j->opt.progress(j->opt.ctx, phase, done, total);
}

int krbrepl__mit_job_begin(krbrepl__mit_job *j)
{
    krbrepl__mit_reader_free(j->reader);
    j->reader = krbrepl__mit_reader_new(j->file, krbrepl__mit_read_fd, &j->fd);
    if (j->reader == NULL)
        return krbrepl__fail_plain(j->ei, KRBREPL_ERR_NOMEM);
    j->shown = 0;
    j->res.principals = j->res.policies = 0;
    return krbrepl__mit_reader_begin(j->reader, j->ei);
}

int krbrepl__mit_job_next(krbrepl__mit_job *j, const char *phase, krbrepl__mit_entry *e)
{
    int rc = krbrepl__mit_reader_next(j->reader, e, j->ei);

    if (rc == 0 || j->reader->in.offset - j->shown >= SHOW_EVERY) {
        j->shown = j->reader->in.offset;
        show(j, phase, j->shown, j->size);
    }
    if (rc <= 0)
        return rc;
    if (strcmp(e->table, KRBREPL_MIT_TABLE_POLICY) == 0) {
        j->res.policies++;
        return rc;
    }
    j->res.principals++;
    if (e->key.len > 4 && memcmp(e->key.data, "K/M@", 4) == 0)
        j->has_mkey = 1;
    return rc;
}

int krbrepl__mit_job_again(krbrepl__mit_job *j)
{
    if (lseek(j->fd, 0, SEEK_SET) != 0)
        return krbrepl__fail_sys(j->ei, KRBREPL_ERR_INVALID, errno,
                                 "%.120s: the file has to be read twice; put it on disk first",
                                 j->file);
    return 0;
}

int krbrepl__mit_job_twice(krbrepl__mit_job *j, uint64_t first, uint64_t second)
{
    return krbrepl__mit_reader_fail(j->reader, second, j->ei, KRBREPL_ERR_INPUT,
                                    "the record was given on line %llu already",
                                    (unsigned long long)first);
}

/* ---- lockout values ------------------------------------------------------------------------- */

/* Makes the local entry of one principal what the file says. None is as good as zeros. */
static int set_local(krbrepl_store *s, krbrepl_bytes key, const uint8_t want[KRBREPL_MIT_LOCKOUT_LEN])
{
    static const krbrepl_mit_lockout none = {0, 0, 0};
    uint8_t zeros[KRBREPL_MIT_LOCKOUT_LEN], have[KRBREPL_MIT_LOCKOUT_LEN];
    size_t len = sizeof have;
    int rc = krbrepl_local_get(s, KRBREPL_MIT_TABLE_PRINCIPAL, key, have, &len), zero;

    krbrepl_mit_lockout_encode(&none, zeros);
    zero = memcmp(want, zeros, sizeof zeros) == 0;
    if (rc == KRBREPL_ERR_NOTFOUND)
        return zero ? 0
                    : krbrepl_local_put(s, KRBREPL_MIT_TABLE_PRINCIPAL, key,
                                        (krbrepl_bytes){want, KRBREPL_MIT_LOCKOUT_LEN});
    if (rc != 0 && rc != KRBREPL_ERR_TOOBIG)
        return rc;
    if (rc == 0 && len == sizeof have && memcmp(have, want, sizeof have) == 0)
        return 0;
    if (zero)
        return krbrepl_local_delete(s, KRBREPL_MIT_TABLE_PRINCIPAL, key);
    return krbrepl_local_put(s, KRBREPL_MIT_TABLE_PRINCIPAL, key,
                             (krbrepl_bytes){want, KRBREPL_MIT_LOCKOUT_LEN});
}

static int set_locals(krbrepl__mit_job *j)
{
    uint8_t local[KRBREPL_MIT_LOCKOUT_LEN];
    krbrepl_bytes key;
    uint64_t done = 0;
    int rc;

    if (j->spool == NULL)
        return 0;
    if ((rc = krbrepl__mit_spool_rewind(j->spool, j->ei)) != 0)
        return rc;
    while ((rc = krbrepl__mit_spool_next(j->spool, &key, local, j->ei)) > 0) {
        rc = set_local(j->store, key, local);
        /* The principal may have been deleted by somebody since the commit. */
        if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
            return krbrepl__fail(j->ei, rc,
                                 "the database was loaded, but not every lockout value was set (%s): "
                                 "load the file again",
                                 krbrepl_strerror(rc));
        if (++done % 4096 == 0 || done == j->spool->n)
            show(j, "local", done, j->spool->n);
    }
    return rc;
}

/* ---- the call ------------------------------------------------------------------------------- */

/* kdb5_util touches FILE.dump_ok when a dump is whole. Files that were copied have none. */
static void check_dump_ok(krbrepl__mit_job *j, const struct stat *file)
{
    char path[4096], text[512];
    struct stat ok;
    int n = snprintf(path, sizeof path, "%s.dump_ok", j->file);

    if (n < 0 || (size_t)n >= sizeof path || stat(path, &ok) != 0 || ok.st_mtime >= file->st_mtime)
        return;
    snprintf(text, sizeof text, "%.120s.dump_ok is older than the file: the dump may be incomplete",
             j->file);
    krbrepl__mit_job_note(j, text);
}

static int open_file(krbrepl__mit_job *j)
{
    struct stat st;

    if (strcmp(j->file, "-") == 0) {
        j->file = "standard input";
        j->fd = STDIN_FILENO;
        return 0;
    }
    j->fd = open(j->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (j->fd < 0)
        return krbrepl__fail_sys(j->ei, KRBREPL_ERR_IO, errno, "%.150s", j->file);
    j->own_fd = 1;
    if (fstat(j->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        j->size = (uint64_t)st.st_size;
        check_dump_ok(j, &st);
    }
    return 0;
}

static int prepare(krbrepl__mit_job *j, const krbrepl_mit_load_options *opt)
{
    int rc = krbrepl__widen(&j->opt, sizeof j->opt, opt);

    if (rc != 0)
        return krbrepl__fail_plain(j->ei, rc);
    if ((j->opt.flags & ~(uint64_t)KRBREPL_MIT_LOAD_UPDATE) != 0)
        return krbrepl__fail(j->ei, KRBREPL_ERR_INVALID, "load: unknown flags");
    if (j->opt.why == NULL) {
        snprintf(j->why, sizeof j->why, "load %s", j->file);
        j->opt.why = j->why;
    }
    return open_file(j);
}

static int load(krbrepl__mit_job *j)
{
    int rc = krbrepl__mit_job_begin(j);

    if (rc != 0)
        return rc;
    j->res.version = j->reader->version;
    if (j->res.version == 0)
        krbrepl__mit_job_note(j, "the file was made for iprop: it holds no lockout values, those of "
                                 "this node stay");
    else if ((j->spool = krbrepl__mit_spool_new(krbrepl_store_dir(j->store), j->ei)) == NULL)
        return j->ei->code;
    if ((j->opt.flags & KRBREPL_MIT_LOAD_UPDATE) != 0)
        return krbrepl__mit_load_update(j);
    return krbrepl__mit_load_whole(j);
}

static int load_from(krbrepl_store *s, const char *file, const krbrepl_mit_load_options *opt,
                     krbrepl_mit_load_result *out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo own;
    krbrepl__mit_job j;
    int rc;

    if (s == NULL || file == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "load: an argument is NULL");
    memset(&j, 0, sizeof j);
    KRBREPL_INIT(&j.res);
    j.store = s;
    j.file = file;
    j.fd = -1;
    j.ei = ei != NULL ? ei : &own;
    if ((rc = prepare(&j, opt)) != 0 || (rc = load(&j)) != 0)
        goto done;
    rc = set_locals(&j);
    if (out != NULL && krbrepl__narrow(out, &j.res, sizeof j.res) != 0)
        rc = rc != 0 ? rc : krbrepl__fail_plain(ei, KRBREPL_ERR_INVALID);

done:
    krbrepl__mit_spool_free(j.spool);
    krbrepl__mit_reader_free(j.reader);
    if (j.own_fd)
        close(j.fd);
    return rc;
}

int krbrepl_mit_load(krbrepl_store *s, const char *file, const krbrepl_mit_load_options *opt,
                     krbrepl_mit_load_result *out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(load_from(s, file, opt, out, &mine), &mine, ei);
}
