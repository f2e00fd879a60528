/* iprop_intake.c: records of the master's log, and whole databases, on their way into the store. */
#include <stdio.h>
#include <string.h>

#include <krbrepl/node.h>

#include "iprop_slaveint.h"

/* ---- log records ---------------------------------------------------------------------------- */

/* Where the work on one FOR_YOU is. */
typedef struct batch {
    krbrepl__islave_state st; /* after the records so far */
    uint32_t first;           /* the first one that is new; 0: none yet */
    int failed;               /* what apply_one said of record st.version + 1 */
    int learned;              /* the mark of what was held was not known before */
} batch;

static int mark_of(krbrepl__islave *s, const krbrepl__hdb_rec *rec, uint8_t out[32])
{
    return krbrepl__sha_sum(s->sha, &rec->whole, 1, out);
}

/* The record that is held already. */
static int check_held(krbrepl__islave *s, batch *b, const krbrepl__hdb_rec *rec)
{
    uint8_t mark[32];
    int rc = mark_of(s, rec, mark);

    if (rc != 0)
        return krbrepl__islave_end(s, rc, "no memory");
    s->check_mark = 0;
    if (!b->st.marked) {
        b->st.marked = b->learned = 1;
        memcpy(b->st.mark, mark, sizeof mark);
        return 0;
    }
    if (memcmp(mark, b->st.mark, sizeof mark) == 0)
        return 0;
    return krbrepl__islave_end_for_whole(
        s, "the master has another history: its log was reset, or an older state restored");
}

/* Keys in clear stay so where there is no master key; somebody should know. */
static void look_for_clear(krbrepl__islave *s, const krbrepl__hdb_entry *e)
{
    if (e->clear == 0 || s->told_clear || s->port->rows->seal != NULL)
        return;
    s->told_clear = 1;
    krbrepl__logf(s->log, KRBREPL_LOG_WARN, "iprop",
                  "the master sends keys that are not encrypted, and they are kept as they come; "
                  "give the file with the realm's master key to have them encrypted");
}

/* In a content that is newer than its version, a rename has happened already when the new name is there. */
static int rename_settled(krbrepl__islave *s, const krbrepl__hdb_rec *rec)
{
    int rc = krbrepl__hdb_del_entry(s->port->rows, &rec->name, &s->ei);

    return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
}

/* 0; 1: it has no effect, which cannot be; negative: an error. */
static int apply_one(krbrepl__islave *s, const krbrepl__hdb_rec *rec, const krbrepl__islave_state *st)
{
    int effect = 0, rc;

    krbrepl__errinfo_clear(&s->ei);
    if (rec->op != KRBREPL__HDB_OP_NOP && rec->der.len != 0)
        look_for_clear(s, &rec->entry);
    rc = krbrepl__hdb_apply(s->port->rows, rec, &effect, &s->ei);
    if (rc != 0 || effect || rec->op == KRBREPL__HDB_OP_NOP)
        return rc;
    if (!st->settling)
        return 1;
    return rec->op == KRBREPL__HDB_OP_RENAME ? rename_settled(s, rec) : 0;
}

/* A record in front of a seal, which stops a slave that lacks what came before it, and is nothing for one that has it. */
static int passes_over(krbrepl__rd *r, uint32_t has)
{
    krbrepl__rd at = *r;
    uint32_t version = krbrepl__rd_u32(&at), op;

    (void)krbrepl__rd_u32(&at);
    op = krbrepl__rd_u32(&at);
    (void)krbrepl__rd_view(&at, krbrepl__rd_u32(&at));
    (void)krbrepl__rd_u32(&at);
    (void)krbrepl__rd_u32(&at);
    if (at.err != 0 || op != KRBREPL__HDB_OP_GET || version > has)
        return 0;
    *r = at;
    return 1;
}

static int next_record(krbrepl__islave *s, batch *b, krbrepl__rd *r)
{
    krbrepl__hdb_rec rec;
    int rc;

    if (!s->check_mark && passes_over(r, b->st.version))
        return 0;
    rc = krbrepl__hdb_rec_read(r, &rec, &s->ei);
    if (rc != 0)
        return krbrepl__islave_end_for_whole(s, s->ei.text);
    if (s->check_mark && rec.version == b->st.version)
        return check_held(s, b, &rec);
    if (rec.version <= b->st.version && !s->check_mark)
        return 0;
    if (rec.version != b->st.version + 1 || s->check_mark)
        return krbrepl__islave_end_for_whole(
            s, "records are missing between what is held and what has come");
    if (rec.version == s->stop_at && b->first != 0)
        return 1;
    b->failed = apply_one(s, &rec, &b->st);
    if (b->failed != 0)
        return 1;
    b->st.version = rec.version;
    b->st.marked = 1;
    if (b->first == 0)
        b->first = rec.version;
    rc = mark_of(s, &rec, b->st.mark);
    return rc == 0 ? 0 : krbrepl__islave_end(s, rc, "no memory");
}

/* 0 at the end of the message; 1: at a record that waits or has failed; negative: the session is over. */
static int apply_records(krbrepl__islave *s, batch *b, krbrepl_bytes body)
{
    krbrepl__rd r;
    int rc = 0;

    krbrepl__rd_init(&r, body.data, body.len);
    while (rc == 0 && r.left != 0)
        rc = next_record(s, b, &r);
    return rc;
}

static int commit(krbrepl__islave *s, const batch *b)
{
    krbrepl_pos pos;
    int rc = s->port->commit(s->port->ctx, &b->st, &pos);

    if (rc != 0)
        return krbrepl__islave_store_failed(s, rc, "a change of the master's cannot be committed");
    if (b->first != 0)
        s->info.commits++;
    s->info.received = s->info.durable = s->info.applied = pos.seq;
    s->st = b->st;
    s->news.version = s->info.version = s->st.version;
    s->news.marked = s->st.marked;
    return 0;
}

/* A record that cannot be applied: what came before it in the message is committed first, by going through the
 * message once more, so that it is this record alone that is complained of. */
static int record_failed(krbrepl__islave *s, const batch *b)
{
    uint32_t version = b->st.version + 1;

    if (b->first != 0) {
        s->stop_at = version;
        return 0;
    }
    s->info.apply_seq = version;
    if (b->failed > 0) {
        char why[120];

        snprintf(why, sizeof why, "record %lu changes what is not here, or makes what is here",
                 (unsigned long)version);
        return krbrepl__islave_end_for_whole(s, why);
    }
    return krbrepl__islave_store_failed(s, b->failed, "a record of the master's log cannot be applied");
}

static void why_of(const krbrepl__islave *s, krbrepl_bytes body, char out[64])
{
    uint32_t first = s->st.version + 1;

    (void)body;
    snprintf(out, 64, "heimdal-iprop, from version %lu on", (unsigned long)first);
}

/* 1: the message is done; 0: call again; negative. */
int krbrepl__islave_take_records(krbrepl__islave *s, krbrepl_bytes body)
{
    batch b = {s->st, 0, 0, 0};
    char why[64];
    int rc;

    if (!s->have)
        return krbrepl__islave_end_for_whole(s, "the master has begun a new log");
    why_of(s, body, why);
    rc = s->port->begin(s->port->ctx, why);
    if (rc != 0)
        return krbrepl__islave_store_failed(s, rc, "a change of the master's cannot be committed");
    rc = apply_records(s, &b, body);
    if (rc < 0 || b.failed != 0) {
        s->port->abort(s->port->ctx);
        return rc < 0 ? rc : record_failed(s, &b);
    }
    if (b.first != 0 || b.learned) {
        int gone = commit(s, &b);

        if (gone != 0)
            return gone;
        if (b.learned)
            krbrepl__logf(s->log, KRBREPL_LOG_INFO, "iprop",
                          "the history of %s is known by its record %lu from now on", s->info.principal,
                          (unsigned long)s->st.version);
    } else {
        s->port->abort(s->port->ctx);
    }
    s->stop_at = 0;
    if (rc == 1)
        return 0;
    s->info.phase = KRBREPL__SESS_STREAMING;
    s->news.even = 0;
    rc = krbrepl__islave_say_have(s, s->st.version);
    return rc != 0 ? rc : 1;
}

/* ---- a whole database ----------------------------------------------------------------------- */

int krbrepl__islave_begin_whole(krbrepl__islave *s)
{
    int rc = s->port->load_begin(s->port->ctx, "heimdal-iprop, whole database");

    if (rc != 0)
        return krbrepl__islave_store_failed(s, rc, "a whole database cannot be taken");
    s->loading = 1;
    s->check_mark = 0;
    s->news.even = 0;
    s->info.copies++;
    s->info.copy_done = 0;
    s->info.copy_reason = s->st.version == 0 ? KRBREPL_COPY_EMPTY
                          : s->whole         ? KRBREPL_COPY_DIFFERS
                                             : KRBREPL_COPY_BEHIND;
    s->info.copy_records = s->info.copy_bytes = 0;
    s->info.phase = KRBREPL__SESS_COPYING;
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "iprop", "%s sends its whole database",
                  s->info.principal);
    return 1;
}

int krbrepl__islave_take_entry(krbrepl__islave *s, krbrepl_bytes entry)
{
    int rc;

    krbrepl__errinfo_clear(&s->ei);
    rc = krbrepl__hdb_put_entry(s->port->load_rows, entry, &s->ei);
    if (rc != 0)
        return krbrepl__islave_store_failed(s, rc, "an entry of the master's database cannot be taken");
    s->info.copy_records++;
    s->info.copy_bytes += entry.len;
    return 1;
}

int krbrepl__islave_end_whole(krbrepl__islave *s, krbrepl_bytes body)
{
    krbrepl__islave_state st = {0};
    krbrepl__rd r;
    int rc;

    krbrepl__rd_init(&r, body.data, body.len);
    st.version = krbrepl__rd_u32(&r);
    st.settling = 1;
    if (r.err != 0)
        return krbrepl__islave_end(s, KRBREPL_ERR_PROTO, "NOW_YOU_HAVE without a version");
    rc = s->port->load_end(s->port->ctx, &st, &s->job);
    if (rc != 0)
        return krbrepl__islave_store_failed(
            s, rc, "the master's database cannot be put in the place of the old one");
    s->st = st;
    return 1;
}

void krbrepl__islave_whole_done(krbrepl__islave *s, krbrepl__job *j)
{
    krbrepl_pos pos;
    int rc = s->port->load_done(s->port->ctx, j, &pos);

    s->loading = s->job_out = 0;
    if (rc != 0) {
        krbrepl__islave_store_failed(s, rc,
                                     "the master's database cannot be put in the place of the old one");
        return;
    }
    s->have = 1;
    s->whole = 0;
    s->info.copy_done = 1;
    s->info.commits++;
    s->info.received = s->info.durable = s->info.applied = pos.seq;
    s->news.version = s->info.version = s->st.version;
    s->news.marked = s->st.marked;
    s->info.phase = KRBREPL__SESS_STREAMING;
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "iprop",
                  "the whole database of %s is here, %llu entries, version %lu", s->info.principal,
                  (unsigned long long)s->info.copy_records, (unsigned long)s->st.version);
    krbrepl__islave_say_have(s, s->st.version);
}

/* The content is not newer than its version any more. */
int krbrepl__islave_settled(krbrepl__islave *s)
{
    batch b = {s->st, 0, 0, 0};
    int rc;

    b.st.settling = 0;
    rc = s->port->begin(s->port->ctx, "");
    if (rc != 0)
        return krbrepl__islave_store_failed(s, rc, "the state cannot be noted");
    return commit(s, &b);
}
