/* logfile.c: krbrepl_heimdal_log_each: a log file of Heimdal's, read and checked. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <krbrepl/heimdal.h>

#include "answer.h"
#include "logfile.h"
#include "mem.h"

/* No record of a log that was ever written comes near; what says more is damaged. */
#define MAX_RECORD (KRBREPL_MAX_VALUE + 65536u)

_Static_assert(sizeof(krbrepl_heimdal_log_info) ==
                   offsetof(krbrepl_heimdal_log_info, flags) + sizeof(uint64_t),
               "tail padding");

typedef struct job {
    const char *file;
    int fd;
    uint64_t at, size;
    krbrepl__buf buf; /* the record at hand */
    krbrepl_heimdal_log_info info;
    uint64_t from, to;
    krbrepl__heim_rec_fn *fn;
    void *ctx;
    krbrepl_errinfo *ei;
} job;

static int damaged(job *j, const char *why)
{
    return krbrepl__fail(j->ei, KRBREPL_ERR_INPUT, "%.110s: offset %llu: %.110s", j->file,
                         (unsigned long long)j->at, why);
}

/* Fills `p` from offset `at`; the file is long enough, unless somebody cuts it just now. */
static int take(job *j, uint8_t *p, size_t n, uint64_t at)
{
    ssize_t got;

    while (n != 0) {
        got = pread(j->fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return krbrepl__fail_sys(j->ei, KRBREPL_ERR_IO, errno, "%.150s", j->file);
        if (got == 0)
            return damaged(j, "the file ends here; if it is in use, read it again");
        p += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return 0;
}

/* ---- records -------------------------------------------------------------------------------- */

static int load_record(job *j)
{
    uint8_t first[16], *room;
    uint64_t left = j->info.end - j->at;
    size_t len;
    int rc;

    if (left < KRBREPL__HDB_REC_OVERHEAD)
        return damaged(j, "the last record was cut off");
    rc = take(j, first, sizeof first, j->at);
    if (rc != 0)
        return rc;
    if (krbrepl__hdb_rec_len(first, left < MAX_RECORD ? (size_t)left : MAX_RECORD, &len) != 0)
        return damaged(j, "a record is longer than what is left of the log");
    krbrepl__buf_reset(&j->buf);
    room = krbrepl__buf_room(&j->buf, len);
    if (room == NULL)
        return krbrepl__fail_plain(j->ei, KRBREPL_ERR_NOMEM);
    return take(j, room, len, j->at);
}

static int read_record(job *j, krbrepl__hdb_rec *rec)
{
    krbrepl_errinfo why;
    krbrepl__rd r;
    int rc = load_record(j);

    if (rc != 0)
        return rc;
    krbrepl__rd_init(&r, j->buf.data, j->buf.len);
    if (krbrepl__hdb_rec_read(&r, rec, &why) != 0)
        return damaged(j, why.text);
    if (j->info.records != 0 && rec->version != (uint32_t)(j->info.version + 1))
        return damaged(j, "the version of a record is not the one that follows");
    return 0;
}

static int walk(job *j)
{
    krbrepl__hdb_rec rec;
    int rc = 0;

    while (rc == 0 && j->at < j->info.end) {
        rc = read_record(j, &rec);
        if (rc != 0)
            return rc;
        if (j->info.records++ == 0)
            j->info.first = rec.version;
        j->info.version = rec.version;
        j->info.time = rec.time;
        if (j->fn != NULL && rec.version >= j->from && (j->to == 0 || rec.version <= j->to))
            rc = j->fn(j->ctx, &rec, j->at);
        j->at += rec.whole.len;
    }
    return rc;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Reads the header record, or finds that there is none. */
static int begin(job *j, krbrepl__hdb_header *h)
{
    uint8_t first[KRBREPL__HDB_HEADER_LEN];
    int rc;

    j->info.end = j->size;
    memset(h, 0, sizeof *h);
    if (j->size < sizeof first) {
        j->info.flags = KRBREPL_HEIMDAL_LOG_OLD;
        return j->size == 0 ? 0 : damaged(j, "the file is too short for a log");
    }
    rc = take(j, first, sizeof first, 0);
    if (rc != 0)
        return rc;
    if (krbrepl__hdb_header_read(first, h) != 0) {
        j->info.flags = KRBREPL_HEIMDAL_LOG_OLD;
        return 0;
    }
    if (h->end < sizeof first || h->end > j->size) {
        j->at = 16;
        return damaged(j, "the header says that the log ends where the file does not reach");
    }
    j->at = sizeof first;
    j->info.end = h->end;
    j->info.unconfirmed = j->size - h->end;
    return 0;
}

/* A log with a header alone has the version that the header says; any other has that of its last record. */
static int check_header(job *j, const krbrepl__hdb_header *h)
{
    if (j->info.flags != 0)
        return 0;
    if (j->info.records == 0) {
        j->info.version = h->version;
        j->info.time = h->time;
        return 0;
    }
    j->at = 28;
    return j->info.version == h->version
               ? 0
               : damaged(j, "the header says another version than the last record");
}

static int read_log(job *j)
{
    krbrepl__hdb_header h;
    struct stat st;
    int rc;

    j->fd = open(j->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (j->fd < 0 || fstat(j->fd, &st) != 0)
        return krbrepl__fail_sys(j->ei, KRBREPL_ERR_IO, errno, "%.150s", j->file);
    if (!S_ISREG(st.st_mode))
        return krbrepl__fail(j->ei, KRBREPL_ERR_INPUT, "%.150s is no regular file", j->file);
    j->size = (uint64_t)st.st_size;
    rc = begin(j, &h);
    if (rc == 0)
        rc = walk(j);
    return rc != 0 ? rc : check_header(j, &h);
}

int krbrepl__heim_log_walk(const char *file, uint64_t from, uint64_t to, krbrepl__heim_rec_fn *fn,
                           void *ctx, krbrepl_heimdal_log_info *info, krbrepl_errinfo *ei)
{
    job j;
    int rc;

    memset(&j, 0, sizeof j);
    KRBREPL_INIT(&j.info);
    krbrepl__buf_init(&j.buf, 0);
    j.file = file;
    j.fd = -1;
    j.from = from;
    j.to = to;
    j.fn = fn;
    j.ctx = ctx;
    j.ei = ei;
    rc = read_log(&j);
    if (j.fd >= 0)
        close(j.fd);
    krbrepl__buf_free(&j.buf);
    *info = j.info;
    return rc;
}

/* ---- the call ------------------------------------------------------------------------------- */

typedef struct teller {
    krbrepl_heimdal_log_fn *fn;
    void *ctx;
    krbrepl__buf name, from;
} teller;

static const char *text_of(krbrepl__buf *b, const krbrepl__hdb_princ *p)
{
    krbrepl__buf_reset(b);
    krbrepl__hdb_princ_text(b, p);
    krbrepl__buf_u8(b, 0);
    return b->err == 0 ? (const char *)b->data : "";
}

static int tell(void *ctx, const krbrepl__hdb_rec *rec, uint64_t offset)
{
    krbrepl_heimdal_log_record out;
    teller *t = ctx;

    KRBREPL_INIT(&out);
    out.version = rec->version;
    out.time = rec->time;
    out.op = rec->op;
    out.mask = rec->mask;
    out.entry = rec->der;
    out.offset = offset;
    out.length = rec->whole.len;
    out.name = out.from = "";
    if (rec->op == KRBREPL__HDB_OP_RENAME) {
        out.name = text_of(&t->name, &rec->entry.princ);
        out.from = text_of(&t->from, &rec->name);
    } else if (rec->op != KRBREPL__HDB_OP_NOP) {
        out.name = text_of(&t->name, &rec->name);
    }
    return t->name.err != 0 || t->from.err != 0 ? KRBREPL_ERR_NOMEM : t->fn(t->ctx, &out);
}

int krbrepl_heimdal_log_each(const char *file, uint64_t from, uint64_t to, krbrepl_heimdal_log_fn *fn,
                             void *ctx, krbrepl_heimdal_log_info *info, krbrepl_errinfo *ei)
{
    krbrepl_heimdal_log_info found;
    krbrepl_errinfo mine;
    teller t = {fn, ctx, {0}, {0}};
    int rc;

    krbrepl__errinfo_clear(&mine);
    krbrepl__buf_init(&t.name, 0);
    krbrepl__buf_init(&t.from, 0);
    KRBREPL_INIT(&found);
    if (file == NULL)
        rc = krbrepl__fail(&mine, KRBREPL_ERR_INVALID, "log: an argument is NULL");
    else
        rc = krbrepl__heim_log_walk(file, from, to, fn != NULL ? tell : NULL, &t, &found, &mine);
    if (t.name.err != 0 || t.from.err != 0)
        rc = krbrepl__fail_plain(&mine, KRBREPL_ERR_NOMEM);
    krbrepl__buf_free(&t.name);
    krbrepl__buf_free(&t.from);
    return krbrepl__common_answer(rc, info, &found, sizeof found, &mine, ei);
}
