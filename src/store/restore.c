/* Restore: a store made out of a backup, and upgrade.
 *
 * The new store is put together in DIR.restore, beside where it belongs, and takes its place by one
 * rename: an interrupted restore leaves no half store, and the next one clears what it left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <krbrepl/error.h>

#include "files.h"
#include "impl.h"

typedef struct restore {
    const char *file, *dir, *who;
    char *tmp; /* DIR.restore */
    int tmpfd; /* the directory, locked; -1: not ours to clear */
    krbrepl_errinfo *ei;
} restore;

static int fail_file(const restore *r, const char *why)
{
    return krbrepl__fail(r->ei, KRBREPL_ERR_INPUT, "restore: %s %s", r->file, why);
}

/* Where the store will be must be free, and beside it there must be room for us alone. */
static int prepare(restore *r)
{
    struct stat st;
    int e = krbrepl__check_free(r->dir);

    if (e == ENOTEMPTY)
        return krbrepl__fail(r->ei, KRBREPL_ERR_EXISTS,
                             "restore: %s is not empty; give another directory, or move it away",
                             r->dir);
    if (e != 0)
        return krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, e, "restore: %s", r->dir);
    r->tmp = krbrepl__path_add(r->dir, ".restore");
    if (r->tmp == NULL)
        return krbrepl__fail_plain(r->ei, KRBREPL_ERR_NOMEM);
    if (mkdir(r->tmp, 0700) != 0 && errno != EEXIST)
        return krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, errno, "restore: making %s", r->tmp);
    r->tmpfd = open(r->tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r->tmpfd < 0)
        return krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, errno, "restore: opening %s", r->tmp);
    if (flock(r->tmpfd, LOCK_EX | LOCK_NB) != 0) {
        close(r->tmpfd);
        r->tmpfd = -1;
        return krbrepl__fail(r->ei, KRBREPL_ERR_LOCKED, "restore: another one works in %s", r->tmp);
    }
    /* Whoever owns the directory could put another file in the place of the store's. */
    if (fstat(r->tmpfd, &st) != 0 || st.st_uid != geteuid()) {
        close(r->tmpfd);
        r->tmpfd = -1;
        return krbrepl__fail(r->ei, KRBREPL_ERR_EXISTS,
                             "restore: %s belongs to another user; remove it", r->tmp);
    }
    if (fchmod(r->tmpfd, 0700) != 0)
        return krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, errno, "restore: mode of %s", r->tmp);
    e = krbrepl__clear_dir(r->tmpfd);
    return e == 0 ? 0 : krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, e, "restore: clearing %s", r->tmp);
}

static int copy_in(restore *r)
{
    int e = 0, to = -1, from = open(r->file, O_RDONLY | O_CLOEXEC);

    if (from < 0)
        return krbrepl__fail_sys(r->ei, errno == ENOENT ? KRBREPL_ERR_NOTFOUND : KRBREPL_ERR_IO, errno,
                                 "restore: %s", r->file);
    to = openat(r->tmpfd, "data.mdb", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    e = to < 0 ? errno : krbrepl__copy_fd(from, to);
    if (to >= 0)
        close(to);
    close(from);
    return e == 0 ? 0
                  : krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, e == EFBIG ? ENOSPC : e,
                                      "restore: copying %s", r->file);
}

/* LMDB believes the page numbers that it finds; so a file that was cut off must not come near it. */
static int check_length(const restore *r, MDB_env *mdb)
{
    mdb_filehandle_t fd;
    MDB_envinfo info;
    MDB_stat st;
    struct stat file;

    if (mdb_env_info(mdb, &info) != 0 || mdb_env_stat(mdb, &st) != 0 || mdb_env_get_fd(mdb, &fd) != 0 ||
        fstat(fd, &file) != 0)
        return fail_file(r, "cannot be read");
    if ((uint64_t)file.st_size < ((uint64_t)info.me_last_pgno + 1) * st.ms_psize)
        return fail_file(r, "was cut off; use a whole backup");
    return 0;
}

static int check_file(const restore *r)
{
    MDB_env *mdb = NULL;
    struct stat st;
    int rc = 0, e;

    /* LMDB would begin a new environment in an empty file. */
    if (fstatat(r->tmpfd, "data.mdb", &st, 0) != 0 || st.st_size == 0)
        return fail_file(r, "is not a backup of a store");
    e = mdb_env_create(&mdb);
    /* Else LMDB asks for as much address space as the process had that made the backup. */
    if (e == 0)
        e = mdb_env_set_mapsize(mdb, ((size_t)st.st_size + 0xffff) & ~(size_t)0xffff);
    if (e == 0)
        e = mdb_env_open(mdb, r->tmp, MDB_RDONLY | MDB_NOLOCK, 0600);
    if (e == MDB_INVALID || e == MDB_VERSION_MISMATCH || e == ENOENT || e == EINVAL)
        rc = fail_file(r, "is not a backup of a store");
    else if (e != 0)
        rc = krbrepl__mdb_fail(NULL, r->ei, e, "restore: opening the copy");
    else
        rc = check_length(r, mdb);
    if (mdb != NULL)
        mdb_env_close(mdb);
    return rc;
}

/* Every record must match its checksum before anything is made of it. */
static int check_content(krbrepl_store *s)
{
    krbrepl_view *v = NULL;
    uint8_t root[32];
    int rc = krbrepl__view_open(s, &v);

    if (rc == 0)
        rc = krbrepl__view_digest(v, root, NULL);
    krbrepl__view_close(v);
    return rc;
}

/* A master's backup begins a new lineage: the history that the backup was taken from may have gone on. A
 * fenced master comes back as a replica. */
static int take_role(krbrepl_store *s, krbrepl__wtxn *w, const char *who)
{
    if (w->st.role == KRBREPL_ROLE_FENCED)
        w->st.role = KRBREPL_ROLE_REPLICA;
    if (w->st.role != KRBREPL_ROLE_MASTER)
        return 0;
    return krbrepl__lineage_new(s, w, KRBREPL_CAUSE_RESTORE, who);
}

static int adopt(const restore *r)
{
    krbrepl_store_options opt;
    krbrepl_store *s = NULL;
    krbrepl__wtxn w = {0};
    int rc;

    KRBREPL_INIT(&opt);
    rc = krbrepl__store_open(&s, r->tmp, &opt, r->ei);
    if (rc == KRBREPL_ERR_NOTFOUND)
        return fail_file(r, "is not a backup of a store");
    if (rc != 0)
        return rc;
    rc = krbrepl__origin_check(s, r->who, NULL);
    if (rc == 0)
        rc = check_content(s);
    if (rc == 0)
        rc = krbrepl__wtxn_begin(s, &w);
    /* The host's journal is that of the store that was backed up. */
    if (rc == 0 && s->journaled)
        rc = krbrepl__trim_all(s, &w);
    if (rc == 0)
        rc = take_role(s, &w, r->who);
    if (rc == 0)
        rc = krbrepl__wtxn_commit(s, &w);
    else
        krbrepl__wtxn_abort(s, &w);
    if (rc != 0 && r->ei != NULL)
        krbrepl__errinfo_out(KRBREPL__EI(s), r->ei);
    krbrepl__store_close(s);
    return rc;
}

static int put_in_place(restore *r)
{
    int e;

    unlinkat(r->tmpfd, "lock.mdb", 0);
    if (fsync(r->tmpfd) != 0)
        return krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, errno, "restore: syncing %s", r->tmp);
    /* Takes the place of an empty directory too. */
    if (rename(r->tmp, r->dir) != 0) {
        e = errno;
        return krbrepl__fail_sys(r->ei,
                                 e == ENOTEMPTY || e == EEXIST ? KRBREPL_ERR_EXISTS : KRBREPL_ERR_IO, e,
                                 "restore: naming %s", r->dir);
    }
    close(r->tmpfd);
    r->tmpfd = -1;
    e = krbrepl__sync_parent(r->dir);
    return e == 0 ? 0
                  : krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, e, "restore: syncing the directory of %s",
                                      r->dir);
}

static void clean_up(restore *r)
{
    if (r->tmpfd >= 0) {
        krbrepl__clear_dir(r->tmpfd);
        rmdir(r->tmp);
        close(r->tmpfd);
    }
    krbrepl__strfree(r->tmp);
}

int krbrepl__restore(const char *file, const char *dir, const char *who, krbrepl_errinfo *ei)
{
    restore r = {.file = file, .dir = dir, .who = who, .tmpfd = -1, .ei = ei};
    int rc = prepare(&r);

    if (rc == 0)
        rc = copy_in(&r);
    if (rc == 0)
        rc = check_file(&r);
    if (rc == 0)
        rc = adopt(&r);
    if (rc == 0)
        rc = put_in_place(&r);
    clean_up(&r);
    return rc;
}

/* Format 1 is the only one so far: a store that opens needs nothing, and one that does not says why. */
int krbrepl__upgrade(const char *dir, krbrepl_errinfo *ei)
{
    krbrepl_store_options opt;
    krbrepl_store *s = NULL;
    int rc;

    KRBREPL_INIT(&opt);
    rc = krbrepl__store_open(&s, dir, &opt, ei);
    krbrepl__store_close(s);
    return rc;
}
