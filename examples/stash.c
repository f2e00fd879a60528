/* stash.c: warns when the master key of the database and the stash file of this host do not match. */
#include "stash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mitglue.h"
#include "prog.h"

struct stash {
    krbrepl_store *store;
    char *file, *realm;
    uint64_t seq; /* what was looked at last */
    struct timespec changed;
    bool looked;
    uint64_t warned_db, warned_file; /* what was warned of last; 0: nothing */
};

struct stash *stash_watch(const struct daemon *d, const char *file)
{
    struct stash *s = prog_alloc(sizeof *s);
    krbrepl_store_options opt;

    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_STORE_READONLY;
    opt.host = d->host;
    opt.host_ctx = d->host_ctx;
    s->file = file != NULL ? prog_dup(file) : conf_stash(d->conf);
    s->realm = prog_dup(conf_realm(d->conf));
    if (s->file == NULL || krbrepl_store_open(&s->store, d->store_dir, &opt, NULL) != 0) {
        stash_free(s);
        return NULL;
    }
    return s;
}

void stash_free(struct stash *s)
{
    if (s == NULL)
        return;
    krbrepl_store_close(s->store);
    free(s->file);
    free(s->realm);
    free(s);
}

/* True when the database or the file is another than at the last look. */
static bool changed(struct stash *s)
{
    krbrepl_store_info info;
    struct stat st;

    KRBREPL_INIT(&info);
    if (krbrepl_store_info_get(s->store, &info) != 0)
        return false;
    if (stat(s->file, &st) != 0)
        memset(&st, 0, sizeof st);
    if (s->looked && s->seq == info.pos.seq && s->changed.tv_sec == st.st_mtim.tv_sec &&
        s->changed.tv_nsec == st.st_mtim.tv_nsec)
        return false;
    s->looked = true;
    s->seq = info.pos.seq;
    s->changed = st.st_mtim;
    return true;
}

static void warn(const struct stash *s, uint64_t db, int err, uint64_t in_file)
{
    const char *advice = "copy the file from the master by a safe way, or run `kdb5_util stash` here";

    if (err == KRBREPL_ERR_NOTFOUND)
        daemon_note(KRBREPL_LOG_WARN,
                    "the database is encrypted in K/M version %llu, and %s holds no master key: the "
                    "KDC of this "
                    "host cannot use the database; %s",
                    (unsigned long long)db, s->file, advice);
    else if (err != 0)
        daemon_note(
            KRBREPL_LOG_WARN,
            "the stash file %s cannot be read (%s): whether the KDC of this host can use the database "
            "is not known; let this program read it, or name another with --stash-file",
            s->file, krbrepl_strerror(err));
    else
        daemon_note(
            KRBREPL_LOG_WARN,
            "the database has K/M version %llu, the stash file %s has version %llu: the KDC of this "
            "host cannot use all keys; %s",
            (unsigned long long)db, s->file, (unsigned long long)in_file, advice);
}

void stash_look(struct stash *s)
{
    uint64_t db = 0, in_file = 0;
    int err;

    if (s == NULL || !changed(s) || mitglue_mkey_kvno(s->store, s->realm, &db) != 0)
        return;
    err = mitglue_stash_kvno(s->file, s->realm, &in_file);
    if (err == 0 && in_file == db) {
        if (s->warned_db != 0)
            daemon_note(KRBREPL_LOG_NOTICE,
                        "the stash file %s has K/M version %llu now, as the database has", s->file,
                        (unsigned long long)db);
        s->warned_db = 0;
        return;
    }
    if (s->warned_db == db && s->warned_file == in_file)
        return;
    warn(s, db, err, in_file);
    s->warned_db = db;
    s->warned_file = in_file;
}
