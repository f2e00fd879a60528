/* The records that a repair changes, kept for a person to look at.
 *
 *   file := lines of text: "krbrepl repair 1", "database ID", "reason WHY", "was SEQ CHAIN", "becomes SEQ CHAIN", then
 *           "put TABLE KEY" or "delete TABLE KEY" for each record, and "total N put, N deleted, N not listed"
 *
 * Its name is evidence/repair-TIME-WHY, with the wall clock in microseconds. A value is never in it. Bytes of a key that
 * are not printable, and backslashes, are written as \xNN. What the commits do that the master made meanwhile is no part
 * of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <krbrepl/node.h>

#include "errinfo.h"
#include "evidence.h"
#include "mem.h"
#include "storecalls.h"

#define LIST_MAX (16u << 20) /* bytes of one list */
#define LISTS_MAX 100u       /* older ones are removed */
#define LOG_MAX 10u          /* records that are named in the log */
#define UNFINISHED ".repair"

struct krbrepl__keylist {
    krbrepl_store *s;
    krbrepl__repair *r;
    const krbrepl__log *log;
    uint64_t reason;
    char name[80];
    int dir, fd;
    int done;
    krbrepl__buf text; /* not written yet */
    uint64_t bytes, listed;
};

void krbrepl__keylist_free(krbrepl__keylist *k)
{
    if (k == NULL)
        return;
    if (k->fd >= 0) {
        close(k->fd);
        /* In a forked child it is the parent's. */
        if (!krbrepl__store_forked(k->s))
            unlinkat(k->dir, UNFINISHED, 0);
    }
    if (k->dir >= 0)
        close(k->dir);
    krbrepl__buf_free(&k->text);
    krbrepl__free(k, sizeof *k);
}

/* ---- text ----------------------------------------------------------------------------------- */

static void put_text(krbrepl__buf *b, const char *text)
{
    krbrepl__buf_bytes(b, text, strlen(text));
}

static void put_key(krbrepl__buf *b, krbrepl_bytes key)
{
    const uint8_t *p = key.data;
    char hex[5];
    size_t i;

    for (i = 0; i < key.len; i++) {
        if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '\\') {
            krbrepl__buf_u8(b, p[i]);
        } else {
            snprintf(hex, sizeof hex, "\\x%02x", p[i]);
            put_text(b, hex);
        }
    }
}

static void put_pos(krbrepl__buf *b, const char *what, const krbrepl_pos *pos)
{
    char line[128], chain[65];

    krbrepl__hex(chain, pos->chain, sizeof pos->chain);
    snprintf(line, sizeof line, "%s %llu %s\n", what, (unsigned long long)pos->seq, chain);
    put_text(b, line);
}

/* "TABLE KEY" of a full key. */
static void put_record(krbrepl__buf *b, krbrepl_bytes full)
{
    const uint8_t *p = full.data;
    const uint8_t *nul = memchr(p, 0, full.len);
    const size_t n = nul != NULL ? (size_t)(nul - p) : 0;

    put_key(b, (krbrepl_bytes){p, n});
    krbrepl__buf_u8(b, ' ');
    put_key(b, nul != NULL ? (krbrepl_bytes){nul + 1, full.len - n - 1} : full);
}

/* As the log has it: a long key is cut. */
static void log_record(krbrepl__keylist *k, krbrepl_bytes full, int put)
{
    krbrepl__buf b;

    krbrepl__buf_init(&b, 0);
    put_record(&b, full);
    krbrepl__logf(k->log, KRBREPL_LOG_WARN, "node", "repair (%s): %s %.*s%s",
                  krbrepl_copy_reason_name(k->reason), put ? "puts" : "deletes",
                  (int)(b.len < 120 ? b.len : 120), b.err == 0 ? (const char *)b.data : "",
                  b.len > 120 ? "..." : "");
    krbrepl__buf_free(&b);
}

/* ---- writing -------------------------------------------------------------------------------- */

static int take(void *ctx, krbrepl_bytes full, int put)
{
    krbrepl__keylist *k = ctx;

    if (k->listed < LOG_MAX)
        log_record(k, full, put);
    if (k->bytes + k->text.len >= LIST_MAX)
        return 0;
    k->listed++;
    put_text(&k->text, put ? "put " : "delete ");
    put_record(&k->text, full);
    krbrepl__buf_u8(&k->text, '\n');
    return 0;
}

static int write_text(krbrepl__keylist *k)
{
    if (k->text.err != 0)
        return krbrepl__fail_plain(krbrepl__store_ei(k->s), k->text.err);
    if (krbrepl__evidence_write(k->fd, k->text.data, k->text.len) != 0)
        return krbrepl__evidence_fail(k->s, "cannot write");
    k->bytes += k->text.len;
    krbrepl__buf_reset(&k->text);
    return 0;
}

/* The clock may have been set back: no list takes the place of another. */
static void choose_name(krbrepl__keylist *k)
{
    const krbrepl__sys *sys = krbrepl__store_sys(k->s);
    int64_t us = sys->wall_us(sys->ctx);

    do
        snprintf(k->name, sizeof k->name, "repair-%020lld-%s", (long long)us++,
                 krbrepl_copy_reason_name(k->reason));
    while (faccessat(k->dir, k->name, F_OK, 0) == 0);
}

static int begin(krbrepl__keylist *k)
{
    krbrepl_store_info i;
    char id[33];
    int rc;

    KRBREPL_INIT(&i);
    rc = krbrepl__store_info(k->s, &i);
    if (rc != 0)
        return rc;
    k->dir = krbrepl__evidence_open(k->s);
    if (k->dir < 0)
        return krbrepl__evidence_fail(k->s, "cannot open the directory");
    /* What a crash left half-written is begun again. */
    unlinkat(k->dir, UNFINISHED, 0);
    k->fd = openat(k->dir, UNFINISHED, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (k->fd < 0)
        return krbrepl__evidence_fail(k->s, "cannot create a file");
    put_text(&k->text, "krbrepl repair 1\ndatabase ");
    krbrepl__hex(id, i.database_id, sizeof i.database_id);
    put_text(&k->text, id);
    put_text(&k->text, "\nreason ");
    put_text(&k->text, krbrepl_copy_reason_name(k->reason));
    krbrepl__buf_u8(&k->text, '\n');
    put_pos(&k->text, "was", &i.pos);
    put_pos(&k->text, "becomes", krbrepl__repair_pos(k->r));
    choose_name(k);
    return 0;
}

/* The oldest ones go when there are too many: their names are in the order of time. */
static void remove_old(krbrepl__keylist *k)
{
    char oldest[256];
    struct dirent *e;
    unsigned n;
    DIR *d;
    int fd;

    do {
        fd = openat(k->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd >= 0 ? fdopendir(fd) : NULL;
        if (d == NULL && fd >= 0)
            close(fd);
        n = 0;
        oldest[0] = '\0';
        while (d != NULL && (e = readdir(d)) != NULL) {
            if (strncmp(e->d_name, "repair-", 7) != 0 || strlen(e->d_name) >= sizeof oldest)
                continue;
            n++;
            if (oldest[0] == '\0' || strcmp(e->d_name, oldest) < 0)
                memcpy(oldest, e->d_name, strlen(e->d_name) + 1);
        }
        if (d != NULL)
            closedir(d);
    } while (n > LISTS_MAX && unlinkat(k->dir, oldest, 0) == 0);
}

static int end(krbrepl__keylist *k, const krbrepl__repair_sum *sum)
{
    char line[160];
    const uint64_t all = sum->puts + sum->deletes;
    int rc;

    snprintf(line, sizeof line, "total %llu put, %llu deleted, %llu not listed\n",
             (unsigned long long)sum->puts, (unsigned long long)sum->deletes,
             (unsigned long long)(all > k->listed ? all - k->listed : 0));
    put_text(&k->text, line);
    rc = write_text(k);
    if (rc == 0 && fsync(k->fd) != 0)
        rc = krbrepl__evidence_fail(k->s, "cannot sync");
    if (rc == 0 && renameat(k->dir, UNFINISHED, k->dir, k->name) != 0)
        rc = krbrepl__evidence_fail(k->s, "cannot rename");
    if (rc != 0)
        return rc;
    close(k->fd);
    k->fd = -1;
    remove_old(k);
    if (fsync(k->dir) != 0)
        return krbrepl__evidence_fail(k->s, "cannot sync the directory");
    krbrepl__logf(k->log, KRBREPL_LOG_WARN, "node",
                  "repair (%s): %llu records are put and %llu deleted; the list is in evidence/%s",
                  krbrepl_copy_reason_name(k->reason), (unsigned long long)sum->puts,
                  (unsigned long long)sum->deletes, k->name);
    return 0;
}

static int piece(krbrepl__keylist *k)
{
    krbrepl__repair_sum sum;
    int rc = krbrepl__repair_each(k->r, take, k), more = rc == 1;

    if (rc < 0)
        return rc;
    krbrepl__repair_sum_get(k->r, &sum);
    k->done = !more;
    if (sum.puts + sum.deletes == 0)
        return more;
    rc = write_text(k);
    if (rc == 0 && !more)
        rc = end(k, &sum);
    return rc == 0 ? more : rc;
}

int krbrepl__keylist_write(krbrepl__keylist **out, krbrepl_store *s, krbrepl__repair *r,
                           uint64_t reason, const krbrepl__log *log)
{
    krbrepl__keylist *k = *out;
    int rc = 0;

    if (k == NULL) {
        k = krbrepl__alloc(sizeof *k);
        if (k == NULL)
            return krbrepl__fail_plain(krbrepl__store_ei(s), KRBREPL_ERR_NOMEM);
        k->s = s;
        k->r = r;
        k->log = log;
        k->reason = reason;
        k->dir = k->fd = -1;
        krbrepl__buf_init(&k->text, 0);
        *out = k;
        rc = begin(k);
    }
    if (rc != 0 || k->done)
        return rc;
    return piece(k);
}
