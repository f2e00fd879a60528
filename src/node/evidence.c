/* The commits that a replica gives up to a copy, kept for a person to look at.
 *
 *   file := "krbrepl evidence 1\n" database_id[16] position (pos.h) first:u64, then commits as vec32
 *
 * Its name is evidence/FIRST-SEQ-CHAIN: the first commit and the position that is given up, so that the same
 * commits are written once however often the copy is tried. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errinfo.h"
#include "port.h"
#include "storecalls.h"

#define PIECE (256u * 1024u)
#define DIR_NAME "evidence"

static int fail(krbrepl_store *s, const char *what)
{
    return krbrepl__fail_sys(krbrepl__store_ei(s), KRBREPL_ERR_IO, errno,
                             "evidence: %s in %s/" DIR_NAME "; make room or mend the directory", what,
                             krbrepl__store_dir(s));
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    ssize_t done;

    while (n != 0) {
        done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static int open_dir(krbrepl_store *s)
{
    int at = krbrepl__store_dirfd(s);

    if (mkdirat(at, DIR_NAME, 0700) != 0 && errno != EEXIST)
        return -1;
    /* Else a crash after the copy could take the directory away, and with it all that is in it. Also when it
     * was there: who made it may have crashed before this. */
    if (fsync(at) != 0)
        return -1;
    return openat(at, DIR_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void put_head(krbrepl__buf *b, const krbrepl_store_info *i, uint64_t first)
{
    static const char magic[] = "krbrepl evidence 1\n";

    krbrepl__buf_bytes(b, magic, sizeof magic - 1);
    krbrepl__buf_bytes(b, i->database_id, sizeof i->database_id);
    krbrepl__pos_put(b, &i->pos);
    krbrepl__buf_u64(b, first);
}

/* A reset has no changes to keep and is not handed out by the store; it is passed over. */
static int write_commits(krbrepl_store *s, int fd, const krbrepl_store_info *i, uint64_t from)
{
    krbrepl__batch batch;
    krbrepl__buf b;
    int rc = 0;

    krbrepl__buf_init(&b, 0);
    if (from < i->journal_first)
        from = i->journal_first;
    put_head(&b, i, from);
    while (rc == 0 && from <= i->pos.seq) {
        memset(&batch, 0, sizeof batch);
        rc = krbrepl__store_read_commits(s, from, PIECE, &b, &batch);
        if (rc == 0 && b.err != 0)
            rc = krbrepl__fail_plain(krbrepl__store_ei(s), b.err);
        if (rc == 0 && write_all(fd, b.data, b.len) != 0)
            rc = fail(s, "cannot write");
        krbrepl__buf_reset(&b);
        if (rc == 0 && batch.count == 0 && !batch.reset)
            break;
        from = batch.count != 0 ? batch.next : from + 1;
    }
    krbrepl__buf_free(&b);
    return rc;
}

static int write_file(krbrepl_store *s, int dir, const char *name, const krbrepl_store_info *i,
                      uint64_t from)
{
    int fd = -1, rc = 0;

    /* What a crash left half-written is begun again. */
    unlinkat(dir, "new", 0);
    fd = openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(s, "cannot create a file");
    rc = write_commits(s, fd, i, from);
    /* The copy that follows destroys the only other instance of these commits, so they must be on disk
     * first, and the name that leads to them too. */
    if (rc == 0 && fsync(fd) != 0)
        rc = fail(s, "cannot sync");
    if (rc == 0 && renameat(dir, "new", dir, name) != 0)
        rc = fail(s, "cannot rename");
    if (rc == 0 && fsync(dir) != 0)
        rc = fail(s, "cannot sync the directory");
    close(fd);
    return rc;
}

int krbrepl__evidence_save(krbrepl_store *s, uint64_t from)
{
    krbrepl_store_info i;
    char name[80], chain[17];
    int dir, rc;

    KRBREPL_INIT(&i);
    rc = krbrepl__store_info(s, &i);
    if (rc != 0 || from > i.pos.seq)
        return rc;
    krbrepl__hex(chain, i.pos.chain, 8);
    snprintf(name, sizeof name, "%llu-%llu-%s", (unsigned long long)from, (unsigned long long)i.pos.seq,
             chain);
    dir = open_dir(s);
    if (dir < 0)
        return fail(s, "cannot open the directory");
    if (faccessat(dir, name, F_OK, 0) != 0)
        rc = write_file(s, dir, name, &i, from);
    else if (fsync(dir) != 0) /* whoever named it may have failed at that, or crashed before */
        rc = fail(s, "cannot sync the directory");
    close(dir);
    return rc;
}
