/* create.c: the birth of a store. Everything that makes data.mdb a store is written in one transaction, so
 * that a crash leaves either a whole store or none. */
#include "impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include <krbrepl/version.h>

/* The part of a page of LMDB's beginning that is looked at: where its magic number is, and the number of the last
 * page in use. */
#define META_LEN 152u
#define META_MAGIC_AT 16u
#define META_MAGIC 0xBEEFC0DEu
#define META_LAST_AT 136u

/* Who may read and write the files. */
struct access {
    gid_t gid;
    int group; /* a group was named */
};

static int group_find(const char *name, struct access *a, krbrepl_errinfo *ei)
{
    struct group gr, *found = NULL;
    char *room;
    int rc;

    memset(a, 0, sizeof *a);
    if (name == NULL)
        return 0;
    room = krbrepl__alloc(65536);
    if (room == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    rc = getgrnam_r(name, &gr, room, 65536, &found);
    if (found != NULL) {
        a->gid = gr.gr_gid;
        a->group = 1;
        rc = 0;
    } else if (rc != 0) {
        rc = krbrepl__fail_sys(ei, KRBREPL_ERR_IO, rc, "store: looking up group %.100s", name);
    } else {
        rc = krbrepl__fail(ei, KRBREPL_ERR_INVALID, "store: there is no group %.100s", name);
    }
    krbrepl__free(room, 65536);
    return rc;
}

static int dir_empty(const char *dir)
{
    struct dirent *d;
    DIR *h = opendir(dir);
    int empty = h != NULL;

    while (empty && (d = readdir(h)) != NULL)
        empty = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
    if (h != NULL)
        closedir(h);
    return empty;
}

/* What is in the directory is no link; but somebody of the group, who may write there by then, could make it one. */
static int give(const char *path, int dirfd, mode_t mode, const struct access *a, krbrepl_errinfo *ei)
{
    const int how = a->group && dirfd != AT_FDCWD ? AT_SYMLINK_NOFOLLOW : 0;

    if (a->group && fchownat(dirfd, path, (uid_t)-1, a->gid, how) != 0)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "%.120s: giving it to the group", path);
    if (fchmodat(dirfd, path, a->group ? mode | (mode & 0700) >> 3 : mode, how) != 0)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "%.120s: setting its mode", path);
    return 0;
}

/* Makes the directory, or takes one that is there. One that holds other files keeps its mode: it may be
 * anything. */
static int dir_make(const char *dir, const struct access *a, krbrepl_errinfo *ei)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "store directory %.160s", dir);
    return dir_empty(dir) ? give(dir, AT_FDCWD, 0700, a, ei) : 0;
}

static int local_make(krbrepl_store *s, const struct access *a, krbrepl_errinfo *ei)
{
    if (mkdirat(s->dirfd, "local", 0700) != 0 && errno != EEXIST)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "store: making local/");
    return give("local", s->dirfd, 0700, a, ei);
}

/* LMDB begins with two pages that say where the others are. True of one that says that there are none yet, or
 * that was not written; `page` holds zero bytes where the file has ended. */
static int is_blank(const uint8_t *page)
{
    static const uint8_t zero[META_LEN];
    uint32_t magic;
    uint64_t last;

    memcpy(&magic, page + META_MAGIC_AT, sizeof magic);
    memcpy(&last, page + META_LAST_AT, sizeof last);
    return memcmp(page, zero, sizeof zero) == 0 || (magic == META_MAGIC && last <= 1);
}

/* A creation that was cut off by a crash or a failing disk left a data.mdb that LMDB does not take. No store has
 * ever been there, and the file is in the way. Whatever else it may be is left alone. */
static int is_stillborn(const krbrepl_store *s)
{
    const off_t size = (off_t)sysconf(_SC_PAGESIZE);
    int i, blank = 1, fd = openat(s->dirfd, "data.mdb", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    uint8_t page[META_LEN];
    struct stat st;

    if (fd < 0)
        return 0;
    blank = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= 2 * size;
    for (i = 0; i < 2 && blank; i++) {
        memset(page, 0, sizeof page);
        blank = pread(fd, page, sizeof page, i * size) >= 0 && is_blank(page);
    }
    close(fd);
    return blank;
}

/* The names of the new files must be on disk before the store is relied on. */
static int sync_dirs(krbrepl_store *s, krbrepl_errinfo *ei)
{
    int up = openat(s->dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int bad = fsync(s->dirfd) != 0 || (up >= 0 && fsync(up) != 0);
    int e = errno;

    if (up >= 0)
        close(up);
    return bad ? krbrepl__fail_sys(ei, KRBREPL_ERR_IO, e, "store: syncing its directory") : 0;
}

static int exists(krbrepl_errinfo *ei)
{
    return krbrepl__fail(ei, KRBREPL_ERR_EXISTS,
                         "store: the directory holds a store already; choose an empty one");
}

static int setup(krbrepl__env *e, krbrepl_errinfo *ei)
{
    return krbrepl__tables_open(e, 1, ei);
}

static int facts_put(krbrepl_store *s, MDB_txn *txn, const krbrepl_create_options *opt)
{
    static const krbrepl__ancestry none;
    krbrepl_retention keep;
    uint8_t now[8], format[4];
    int rc;

    krbrepl__put_u32(format, KRBREPL__FORMAT);
    krbrepl__put_u64(now, (uint64_t)s->sys->wall_us(s->sys->ctx));
    KRBREPL_INIT(&keep);
    if (opt->retention != NULL)
        keep = *opt->retention;
    rc = krbrepl__meta_put(s, txn, "format", format, sizeof format);
    if (rc == 0)
        rc = krbrepl__meta_put(s, txn, "library", KRBREPL_VERSION_TEXT, strlen(KRBREPL_VERSION_TEXT));
    if (rc == 0)
        rc = krbrepl__meta_put(s, txn, "created", now, sizeof now);
    if (rc == 0 && opt->database_id != NULL)
        rc = krbrepl__meta_put(s, txn, "id", opt->database_id, 16);
    if (rc == 0 && (opt->flags & KRBREPL_CREATE_HOSTED) != 0)
        rc = krbrepl__meta_put(s, txn, "hosted", "\1", 1);
    if (rc == 0 && (opt->flags & KRBREPL_CREATE_JOURNALED) != 0)
        rc = krbrepl__meta_put(s, txn, "journaled", "\1", 1);
    if (rc == 0)
        rc = krbrepl__meta_set_retention(s, txn, &keep);
    return rc == 0 ? krbrepl__meta_set_ancestry(s, txn, &none) : rc;
}

static int store_write(krbrepl_store *s, const krbrepl_create_options *opt)
{
    krbrepl__wtxn w;
    krbrepl_bytes v;
    int rc;

    memset(&w, 0, sizeof w);
    rc = krbrepl__env_begin(s->env, 0, &w.txn, KRBREPL__EI(s));
    if (rc != 0)
        return rc;
    rc = krbrepl__meta_get(s, w.txn, "format", &v);
    if (rc != KRBREPL_ERR_NOTFOUND) {
        krbrepl__wtxn_abort(s, &w);
        return rc == 0 ? exists(KRBREPL__EI(s)) : rc;
    }
    w.st.journal_first = w.st.chains_first = w.st.chains_pruned = 1;
    if (opt->database_id != NULL)
        memcpy(w.id, opt->database_id, sizeof w.id);
    rc = facts_put(s, w.txn, opt);
    if (rc == 0 && (opt->flags & KRBREPL_CREATE_MASTER) != 0)
        rc = krbrepl__lineage_new(s, &w, KRBREPL_CAUSE_CREATE, NULL);
    if (rc == 0)
        return krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

static int options_check(const krbrepl_create_options *opt, krbrepl_errinfo *ei)
{
    static const uint8_t zero[16];

    const uint64_t known = KRBREPL_CREATE_MASTER | KRBREPL_CREATE_HOSTED | KRBREPL_CREATE_JOURNALED;

    if ((opt->flags & ~known) != 0)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "store: unknown flag");
    if (opt->database_id != NULL && memcmp(opt->database_id, zero, sizeof zero) == 0)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "store: a database id is not all zero");
    return 0;
}

static int store_make(krbrepl_store *s, const struct access *a, const krbrepl_create_options *opt,
                      krbrepl_errinfo *ei)
{
    krbrepl__env_options eo;
    int rc;

    memset(&eo, 0, sizeof eo);
    eo.mode = 0600;
    eo.setup = setup;
    rc = krbrepl__env_get(&s->env, s->dir, &eo, ei);
    if (rc == 0)
        rc = give("data.mdb", s->dirfd, 0600, a, ei);
    if (rc == 0)
        rc = give("lock.mdb", s->dirfd, 0600, a, ei);
    if (rc == 0)
        rc = local_make(s, a, ei);
    if (rc != 0)
        return rc;
    rc = store_write(s, opt);
    if (rc != 0) {
        if (ei != NULL)
            *ei = s->ei;
        return rc;
    }
    return sync_dirs(s, ei);
}

int krbrepl__store_create(const char *dir, const krbrepl_create_options *opt, krbrepl_errinfo *ei)
{
    krbrepl_store *s = NULL;
    krbrepl_store_options open_opt;
    krbrepl_errinfo why;
    struct access a;
    int damaged, rc = options_check(opt, ei);

    if (rc == 0)
        rc = group_find(opt->group, &a, ei);
    if (rc == 0)
        rc = dir_make(dir, &a, ei);
    if (rc != 0)
        return rc;
    /* A store, of whatever format, is left alone before anything is touched. */
    KRBREPL_INIT(&open_opt);
    rc = krbrepl__store_open(&s, dir, &open_opt, &why);
    krbrepl__store_close(s);
    if (rc == 0 || rc == KRBREPL_ERR_FORMAT)
        return exists(ei);
    damaged = rc == KRBREPL_ERR_CORRUPT;
    rc = krbrepl__handle_new(&s, dir, ei);
    if (rc != 0)
        return rc;
    if (damaged && (!is_stillborn(s) || unlinkat(s->dirfd, "data.mdb", 0) != 0))
        rc = exists(ei);
    else
        rc = store_make(s, &a, opt, ei);
    krbrepl__handle_free(s);
    return rc;
}
