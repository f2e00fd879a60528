/* The commits that a replica gives up to a copy, kept for a person to look at.
 *
 *   file := "krbrepl evidence 1\n" database_id[16] position (pos.h) first:u64, then commits as vec32
 *
 * Its name is evidence/FIRST-SEQ-CHAIN: the first commit and the position that is given up, so that the same
 * commits are written once however often the copy is tried. While it is being written, a piece with each call, it
 * is called .FIRST-SEQ-CHAIN.NEXT.LENGTH: what is in it up to LENGTH is on the disk, and NEXT is the commit that
 * follows. */
#include "evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errinfo.h"
#include "port.h"
#include "storecalls.h"

#define PIECE (1u << 20)
#define NAME_MAX_LEN 160u

int krbrepl__evidence_fail(krbrepl_store *s, const char *what)
{
    return krbrepl__fail_sys(
        krbrepl__store_ei(s), errno == ENOSPC ? KRBREPL_ERR_NOSPACE : KRBREPL_ERR_IO, errno,
        "evidence: %s in %s/evidence; make room or mend the directory", what, krbrepl__store_dir(s));
}

int krbrepl__evidence_write(int fd, const void *data, size_t n)
{
    const uint8_t *p = data;
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

int krbrepl__evidence_open(krbrepl_store *s)
{
    int at = krbrepl__store_dirfd(s);

    if (mkdirat(at, "evidence", 0700) != 0 && errno != EEXIST)
        return -1;
    /* Else a crash after the copy could take the directory away, and with it all that is in it. Also when it
     * was there: who made it may have crashed before this. */
    if (fsync(at) != 0)
        return -1;
    return openat(at, "evidence", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* What is being written. */
typedef struct part {
    krbrepl_store *s;
    krbrepl_store_info i;
    int dir, fd;
    char base[80];           /* FIRST-SEQ-CHAIN */
    char name[NAME_MAX_LEN]; /* as the file is called now; "": there is none */
    uint64_t next, len;
} part;

static void put_head(krbrepl__buf *b, const krbrepl_store_info *i, uint64_t first)
{
    static const char magic[] = "krbrepl evidence 1\n";

    krbrepl__buf_bytes(b, magic, sizeof magic - 1);
    krbrepl__buf_bytes(b, i->database_id, sizeof i->database_id);
    krbrepl__pos_put(b, &i->pos);
    krbrepl__buf_u64(b, first);
}

/* A file that was begun earlier; all others that are unfinished belong to positions that the store has left. */
static void find(part *p)
{
    const size_t n = strlen(p->base);
    unsigned long long next, len;
    struct dirent *e;
    int fd = fcntl(p->dir, F_DUPFD_CLOEXEC, 0);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    if (d == NULL && fd >= 0)
        close(fd);
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.' || e->d_name[1] < '0' || e->d_name[1] > '9' ||
            strlen(e->d_name) >= sizeof p->name)
            continue;
        if (p->name[0] == '\0' && strncmp(e->d_name + 1, p->base, n) == 0 &&
            sscanf(e->d_name + 1 + n, ".%llu.%llu", &next, &len) == 2) {
            memcpy(p->name, e->d_name, strlen(e->d_name) + 1);
            p->next = next;
            p->len = len;
        } else {
            unlinkat(p->dir, e->d_name, 0);
        }
    }
    if (d != NULL)
        closedir(d);
}

static int begin(part *p, uint64_t from)
{
    krbrepl__buf b;
    int rc = 0;

    unlinkat(p->dir, "new", 0);
    p->fd = openat(p->dir, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->fd < 0)
        return krbrepl__evidence_fail(p->s, "cannot create a file");
    memcpy(p->name, "new", 4);
    p->next = from < p->i.journal_first ? p->i.journal_first : from;
    krbrepl__buf_init(&b, 0);
    put_head(&b, &p->i, p->next);
    p->len = b.len;
    if (b.err != 0)
        rc = krbrepl__fail_plain(krbrepl__store_ei(p->s), b.err);
    else if (krbrepl__evidence_write(p->fd, b.data, b.len) != 0)
        rc = krbrepl__evidence_fail(p->s, "cannot write");
    krbrepl__buf_free(&b);
    return rc;
}

/* Goes on where it was left; what lies behind is of a piece that a crash cut off. */
static int open_part(part *p, uint64_t from)
{
    struct stat st;

    find(p);
    if (p->name[0] != '\0') {
        p->fd = openat(p->dir, p->name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (p->fd >= 0 && fstat(p->fd, &st) == 0 && (uint64_t)st.st_size >= p->len &&
            ftruncate(p->fd, (off_t)p->len) == 0 && lseek(p->fd, 0, SEEK_END) == (off_t)p->len)
            return 0;
        if (p->fd >= 0)
            close(p->fd);
        p->fd = -1;
        unlinkat(p->dir, p->name, 0);
    }
    return begin(p, from);
}

/* A piece. A reset has no changes to keep and is not handed out by the store; it is passed over. */
static int write_some(part *p)
{
    krbrepl__batch batch = {0};
    krbrepl__buf b;
    int rc = 0;

    krbrepl__buf_init(&b, 0);
    while (rc == 0 && p->next <= p->i.pos.seq && b.len < PIECE) {
        memset(&batch, 0, sizeof batch);
        rc = krbrepl__store_read_commits(p->s, p->next, PIECE - b.len, &b, &batch);
        p->next = batch.count != 0 ? batch.next : p->next + 1;
    }
    if (rc == 0 && krbrepl__evidence_write(p->fd, b.data, b.len) != 0)
        rc = krbrepl__evidence_fail(p->s, "cannot write");
    p->len += b.len;
    krbrepl__buf_free(&b);
    return rc;
}

/* The copy that follows destroys the only other instance of these commits, so they must be on disk first, and the
 * name that leads to them too. */
static int put_name(part *p)
{
    char name[NAME_MAX_LEN];
    const int more = p->next <= p->i.pos.seq;

    if (more)
        snprintf(name, sizeof name, ".%s.%llu.%llu", p->base, (unsigned long long)p->next,
                 (unsigned long long)p->len);
    else
        snprintf(name, sizeof name, "%s", p->base);
    if (fsync(p->fd) != 0)
        return krbrepl__evidence_fail(p->s, "cannot sync");
    if (renameat(p->dir, p->name, p->dir, name) != 0)
        return krbrepl__evidence_fail(p->s, "cannot rename");
    if (fsync(p->dir) != 0)
        return krbrepl__evidence_fail(p->s, "cannot sync the directory");
    return more;
}

static int write_part(part *p, uint64_t from)
{
    int rc = open_part(p, from);

    if (rc == 0)
        rc = write_some(p);
    if (rc == 0)
        rc = put_name(p);
    if (p->fd >= 0)
        close(p->fd);
    return rc;
}

int krbrepl__evidence_save(krbrepl_store *s, uint64_t from)
{
    part p = {.s = s, .dir = -1, .fd = -1};
    char chain[17];
    int rc;

    KRBREPL_INIT(&p.i);
    rc = krbrepl__store_info(s, &p.i);
    if (rc != 0 || from > p.i.pos.seq)
        return rc;
    krbrepl__hex(chain, p.i.pos.chain, 8);
    snprintf(p.base, sizeof p.base, "%llu-%llu-%s", (unsigned long long)from,
             (unsigned long long)p.i.pos.seq, chain);
    p.dir = krbrepl__evidence_open(s);
    if (p.dir < 0)
        return krbrepl__evidence_fail(s, "cannot open the directory");
    if (faccessat(p.dir, p.base, F_OK, 0) != 0)
        rc = write_part(&p, from);
    else if (fsync(p.dir) != 0) /* whoever named it may have failed at that, or crashed before */
        rc = krbrepl__evidence_fail(s, "cannot sync the directory");
    close(p.dir);
    return rc;
}
