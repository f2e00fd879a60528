/* iprop_whole.c: a complete database for a slave.
 *
 * The records are read in many short transactions while the store goes on, and so are of the position at which the
 * copy began or of a later one. The number that the slave is told at the end is that of the beginning, and what came
 * since follows as records: done once more on what has it already, they come to the same in the end. */
#include <string.h>

#include <krbrepl/node.h>

#include "entry.h"
#include "iprop_masterint.h"

#define SLICE (64u * 1024u)

void krbrepl__iprop_whole(krbrepl__iprop_master *s, uint64_t reason)
{
    s->copy_due = s->may_ask = 1;
    s->reason = reason;
    s->emitting = 0;
    krbrepl__iprop_emit_end(&s->emit);
    s->skip = 0;
    krbrepl__buf_reset(&s->pend);
}

void krbrepl__iprop_leave(krbrepl__iprop_master *s)
{
    if (s->entered)
        s->port->leave(s->port->ctx);
    s->entered = 0;
}

/* ---- beginning ------------------------------------------------------------------------------ */

/* Where the database that is about to be read begins, and the number for it. This is below the seal of that place,
 * for a slave has it in its log before it has the database; and it is another one than the slave has, so that it shows
 * whether it has taken the database. */
static int choose(krbrepl__iprop_master *s)
{
    krbrepl__local local;
    int rc = s->port->local(s->port->ctx, &local);

    if (rc == 0)
        rc = s->port->numbering(s->port->ctx, 0, &s->num);
    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "numbering the changes");
    s->begin = local.pos;
    memcpy(s->lineage, local.pos.lineage, sizeof s->lineage);
    s->tip = local.pos.seq;
    s->tip_cumulative = local.cumulative;
    s->next = local.pos.seq + 1;
    s->copy_seal = (uint32_t)krbrepl__iprop_number(s, local.cumulative);
    s->copy_version = s->copy_seal - (s->has == s->copy_seal - 1 ? 2 : 1);
    return 0;
}

static void note_begin(krbrepl__iprop_master *s)
{
    krbrepl__sess_info *i = &s->info;

    s->copy_due = 0;
    s->copying = 1;
    s->deaf = s->nmarks != 0;
    s->moved_ms = s->now;
    s->after.len = sizeof KRBREPL__HDB_TABLE; /* table, NUL: before all its records */
    memcpy(s->after.b, KRBREPL__HDB_TABLE, s->after.len);
    i->phase = KRBREPL__SESS_COPYING;
    i->copies++;
    i->copy_reason = (uint32_t)s->reason;
    i->copy_done = 0;
    i->copy_records = i->copy_bytes = 0;
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "heimdal",
                  "%s (%s): complete database begins at %llu: %s", i->principal, s->address,
                  (unsigned long long)s->begin.seq, krbrepl_copy_reason_name(s->reason));
}

static int begin(krbrepl__iprop_master *s)
{
    krbrepl_bytes none = {NULL, 0};
    int rc;

    if (!s->may_ask)
        return 0;
    rc = s->entered ? 0 : s->port->enter(s->port->ctx, 0, NULL);
    if (rc == 1)
        s->may_ask = 0;
    if (rc == 1)
        return 0;
    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "beginning a complete database");
    s->entered = 1;
    rc = choose(s);
    if (rc != 0)
        return rc;
    /* A slave that dies in the midst of it may say any of the numbers without having what they stand for. */
    rc = krbrepl__iprop_note(s, 0);
    if (rc != 0)
        return rc;
    /* Held before the first record is read: what comes after this position is sent too. */
    s->port->hold(s->port->ctx, s->info.principal, s->next);
    note_begin(s);
    rc = krbrepl__iprop_say(s, KRBREPL__IPROP_TELL_YOU_EVERYTHING, none);
    return rc != 0 ? rc : 1;
}

/* ---- records -------------------------------------------------------------------------------- */

/* 1: this one is in the table, and `key` its key; 0: the table is over. */
static int in_table(krbrepl_bytes full, krbrepl_bytes *key)
{
    const size_t n = sizeof KRBREPL__HDB_TABLE;

    if (full.len <= n || memcmp(full.data, KRBREPL__HDB_TABLE, n) != 0)
        return 0;
    key->data = (const uint8_t *)full.data + n;
    key->len = full.len - n;
    return 1;
}

static int send_entry(krbrepl__iprop_master *s, krbrepl_bytes key, krbrepl_bytes value)
{
    if (!krbrepl__iprop_is_entry(key, value)) {
        s->odd += krbrepl__hdb_kind(value) != KRBREPL__HDB_ALIAS;
        return 0;
    }
    s->info.copy_records++;
    s->info.copy_bytes += value.len;
    return krbrepl__iprop_say(s, KRBREPL__IPROP_ONE_PRINC, value);
}

/* Sends a slice of the table. `*end`: it is over. */
static int send_slice(krbrepl__iprop_master *s, int *end)
{
    krbrepl_pos at;
    krbrepl__rd r;
    int rc;

    krbrepl__buf_reset(&s->pend);
    rc = s->port->copy_slice(s->port->ctx, &s->after, SLICE, &s->pend, end, &at);
    if (rc == 0)
        rc = s->pend.err;
    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "reading the records");
    krbrepl__rd_init(&r, s->pend.data, s->pend.len);
    while (rc == 0 && r.left != 0) {
        krbrepl_bytes full = krbrepl__rd_vec32(&r), value = krbrepl__rd_vec32(&r), key;

        if (r.err != 0 || !in_table(full, &key)) {
            *end = 1;
            break;
        }
        rc = send_entry(s, key, value);
    }
    krbrepl__buf_reset(&s->pend);
    return rc;
}

/* What was read is not newer than this. */
static int note_end(krbrepl__iprop_master *s)
{
    krbrepl__local local;
    int rc = s->port->local(s->port->ctx, &local);
    uint64_t number;

    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "reading the position");
    number = krbrepl__iprop_number(s, local.cumulative);
    s->settle_seq = local.pos.seq;
    s->settle_version =
        number < KRBREPL__IPROP_LAST_NUMBER ? (uint32_t)number : KRBREPL__IPROP_LAST_NUMBER;
    s->unsettled = s->next <= s->settle_seq;
    return 0;
}

int krbrepl__iprop_whole_work(krbrepl__iprop_master *s)
{
    uint8_t v[4];
    krbrepl_bytes body = {v, sizeof v};
    int end = 0, rc;

    if (s->copy_due)
        return begin(s);
    /* The slave has to say that it has it, or to answer what came before. */
    if (!s->copying || s->nmarks == KRBREPL__IPROP_MARKS)
        return 0;
    rc = send_slice(s, &end);
    if (rc != 0 || !end)
        return rc != 0 ? rc : 1;
    rc = note_end(s);
    if (rc != 0)
        return rc;
    krbrepl__put_u32(v, s->copy_version);
    rc = krbrepl__iprop_say(s, KRBREPL__IPROP_NOW_YOU_HAVE, body);
    if (rc != 0)
        return rc;
    s->copying = 0;
    s->confirm = 1;
    krbrepl__iprop_mark_add(s, s->copy_version, s->next - 1, 1);
    return 0;
}

int krbrepl__iprop_whole_done(krbrepl__iprop_master *s)
{
    krbrepl__sess_info *i = &s->info;
    int rc = krbrepl__iprop_stand(s, s->begin.seq, s->copy_seal);

    if (rc != 0)
        return rc;
    s->confirm = s->deaf = 0;
    s->has = s->version = s->acked = s->copy_version;
    s->skip = 0;
    s->said_last = 0;
    i->copy_done = 1;
    i->phase = KRBREPL__SESS_STREAMING;
    krbrepl__iprop_leave(s);
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "heimdal",
                  "%s (%s): complete database is there at %llu, version %lu, %llu entries sent",
                  i->principal, s->address, (unsigned long long)s->begin.seq,
                  (unsigned long)s->copy_version, (unsigned long long)i->copy_records);
    return s->unsettled ? 0 : krbrepl__iprop_note(s, s->copy_version);
}

int krbrepl__iprop_settle(krbrepl__iprop_master *s, uint32_t version)
{
    if (!s->unsettled || version < s->settle_version)
        return 0;
    s->unsettled = 0;
    return krbrepl__iprop_note(s, s->version);
}
