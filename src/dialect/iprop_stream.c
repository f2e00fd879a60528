/* iprop_stream.c: where a slave stands in the journal, and the records from there on.
 *
 * A slave writes its log before its database, and says when it comes back what its log has. So the number of a record
 * proves nothing unless it was answered for. But it takes one message after the other, and a nop changes nothing: a
 * slave that has the number of a nop which came in a message with nothing else for it, a seal, has written the pages of
 * everything that came before. Every message of records is followed by a seal, in the same breath, and no other before it was
 * answered: then a slave whose master or network goes away still finds the seal among what it has received. */
#include <string.h>

#include <krbrepl/node.h>

#include "iprop_masterint.h"
#include "logrec.h"

uint64_t krbrepl__iprop_number(const krbrepl__iprop_master *s, uint64_t cumulative)
{
    return s->num.base + KRBREPL__IPROP_NUMBERS(cumulative - s->num.cumulative);
}

int krbrepl__iprop_is_small(const krbrepl__commit *c)
{
    return c->nchanges <= KRBREPL__IPROP_SMALL && c->encoded.len <= KRBREPL__IPROP_SMALL_BYTES;
}

int krbrepl__iprop_note(krbrepl__iprop_master *s, uint32_t last)
{
    krbrepl__told told = {s->num.base, last, last != 0 ? s->acked : 0};
    int rc;

    if (s->told.base == told.base && s->told.last == told.last && s->told.acked == told.acked)
        return 0;
    rc = s->port->tell(s->port->ctx, s->info.principal, &told);
    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "writing down what the slave has");
    s->told = told;
    return 0;
}

/* ---- where it stands ------------------------------------------------------------------------ */

/* What stands at one place of the journal. */
typedef struct place {
    uint64_t seq;
    uint64_t first, last; /* the number before its first one, and its last one */
    int small;
    uint32_t time;
} place;

/* 0; 1: the journal does not help here (trimmed, a reset); negative: ended. */
static int look(krbrepl__iprop_master *s, uint64_t seq, place *out)
{
    krbrepl__port_batch batch = {0, 0, 0};
    krbrepl__commit c;
    krbrepl__rd r;
    int rc;

    krbrepl__buf_reset(&s->pend);
    rc = s->port->read_commits(s->port->ctx, seq, 1, &s->pend, &batch);
    if (rc == KRBREPL_ERR_TRIMMED || (rc == 0 && batch.count == 0))
        return 1;
    krbrepl__rd_init(&r, s->pend.data, s->pend.len);
    if (rc == 0)
        rc = s->pend.err != 0 ? s->pend.err : krbrepl__commit_decode(krbrepl__rd_vec32(&r), &c);
    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "reading the journal");
    out->seq = seq;
    out->last = krbrepl__iprop_number(s, c.cumulative);
    out->first = out->last - KRBREPL__IPROP_NUMBERS(c.kind == KRBREPL_COMMIT_CHANGES ? c.nchanges : 0);
    out->small = krbrepl__iprop_is_small(&c);
    out->time = krbrepl__iprop_seconds(c.time_us);
    krbrepl__buf_reset(&s->pend);
    return 0;
}

/* The first commit whose last number the slave at `v` does not have. 0, 1 or negative, as look. */
static int find(krbrepl__iprop_master *s, uint64_t low, uint64_t high, uint32_t v, place *out)
{
    place at = {0, 0, 0, 0, 0};
    int rc;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        rc = look(s, middle, &at);
        if (rc != 0)
            return rc;
        if (at.last > v)
            high = middle;
        else
            low = middle + 1;
    }
    rc = look(s, low, out);
    return rc != 0 ? rc : out->first > v || (out->first != v && out->small);
}

/* Finds the commit that the slave is to get next when it stands at a seal. 1: the records from there on will do; 0:
 * they will not; negative: ended. */
static int find_place(krbrepl__iprop_master *s, const krbrepl__local *local, uint32_t seal)
{
    uint64_t low = s->num.seq + 1;
    place at;
    int rc;

    s->next = local->pos.seq + 1;
    s->skip = 0;
    if (seal == krbrepl__iprop_number(s, local->cumulative))
        return 1;
    if (low < local->journal_first)
        low = local->journal_first;
    if (low > local->pos.seq)
        return 0;
    rc = find(s, low, local->pos.seq, seal, &at);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    s->next = at.seq;
    s->skip = seal - at.first;
    return 1;
}

int krbrepl__iprop_stand(krbrepl__iprop_master *s, uint64_t seq, uint32_t seal)
{
    place at = {0, 0, 0, 0, 0};
    int rc = look(s, seq, &at);

    if (rc < 0)
        return rc;
    s->whole = seq;
    s->whole_time = at.time; /* 0: it is not in the journal any more */
    s->seal = seal;
    return 0;
}

void krbrepl__iprop_answered(krbrepl__iprop_master *s, uint32_t version)
{
    s->acked = version;
    if (s->unsettled || s->told.last == 0)
        return;
    s->told.acked = version;
    s->port->answered(s->port->ctx, s->info.principal, version);
}

static int is_seal(const krbrepl__iprop_master *s, uint32_t version)
{
    return version >= s->num.base && (version - s->num.base) % KRBREPL__IPROP_EACH == 0;
}

/* The one that follows what was sent up to this number, where a message or a complete database ended. */
static uint32_t next_seal(const krbrepl__iprop_master *s, uint32_t version)
{
    const uint32_t before =
        s->num.base - KRBREPL__IPROP_EACH; /* that of a complete database is below the base */
    const uint32_t n = (version - before + KRBREPL__IPROP_EACH - 1) / KRBREPL__IPROP_EACH;

    return before + n * KRBREPL__IPROP_EACH;
}

/* Is this a number of the history that the store has now, for which the database of this slave is sure to be what its
 * log says? */
static int is_ours(const krbrepl__iprop_master *s, const krbrepl__local *local)
{
    if (s->has == 0 || s->told.base != s->num.base || s->has <= s->num.base - KRBREPL__IPROP_EACH ||
        s->has > s->told.last || s->has > krbrepl__iprop_number(s, local->cumulative))
        return 0;
    return s->has == s->told.acked || is_seal(s, s->has);
}

static uint64_t why_whole(const krbrepl__iprop_master *s, int ours)
{
    if (s->has == 0)
        return KRBREPL_COPY_EMPTY;
    return ours ? KRBREPL_COPY_BEHIND : KRBREPL_COPY_UNVERIFIABLE;
}

/* What was found is where the stream begins. */
static int begin(krbrepl__iprop_master *s)
{
    int rc = krbrepl__iprop_stand(s, s->next - 1, next_seal(s, s->has));

    if (rc != 0)
        return rc;
    s->version = s->acked = s->has;
    s->info.received = s->info.durable = s->info.applied = s->whole;
    s->info.version = s->has;
    s->port->hold(s->port->ctx, s->info.principal, s->next);
    /* One that was put back to an earlier state gets once more what it has answered for, and may die of it. */
    return krbrepl__iprop_note(s, s->told.last);
}

int krbrepl__iprop_start(krbrepl__iprop_master *s)
{
    const krbrepl__port *p = s->port;
    krbrepl__local local;
    int ours, rc = p->local(p->ctx, &local);

    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "reading the position");
    if (local.role != KRBREPL_ROLE_MASTER)
        return krbrepl__iprop_end(s, KRBREPL_ERR_NOT_MASTER, "this node is %s",
                                  krbrepl_role_name(local.role));
    rc = p->numbering(p->ctx, 0, &s->num);
    if (rc == 0)
        rc = p->told(p->ctx, s->info.principal, &s->told);
    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "reading what the slave has");
    s->tip = local.pos.seq;
    s->tip_cumulative = local.cumulative;
    memcpy(s->lineage, local.pos.lineage, sizeof s->lineage);
    ours = is_ours(s, &local);
    rc = ours ? find_place(s, &local, next_seal(s, s->has)) : 0;
    if (rc == 1)
        return begin(s);
    if (rc == 0)
        krbrepl__iprop_whole(s, why_whole(s, ours));
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------- */

#define READ_BYTES (128u * 1024u)

/* The numbers that went before mean nothing any more. */
static int renumber(krbrepl__iprop_master *s, uint64_t reason)
{
    int rc = s->port->numbering(s->port->ctx, 1, &s->num);

    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "numbering the changes");
    krbrepl__iprop_whole(s, reason);
    return 1;
}

static int read_more(krbrepl__iprop_master *s)
{
    krbrepl__port_batch batch = {0, 0, 0};
    krbrepl__local local;
    int rc = s->port->local(s->port->ctx, &local);

    if (rc == 0)
        rc = s->port->read_commits(s->port->ctx, s->next, READ_BYTES, &s->pend, &batch);
    if (rc == KRBREPL_ERR_TRIMMED) {
        krbrepl__iprop_whole(s, KRBREPL_COPY_BEHIND);
        return 1;
    }
    if (rc != 0 || s->pend.err != 0)
        return krbrepl__iprop_port_failed(s, rc != 0 ? rc : s->pend.err, "reading the journal");
    s->tip_cumulative = local.cumulative;
    if (batch.count == 0 && batch.reset)
        return renumber(s, KRBREPL_COPY_RESET);
    if (batch.count == 0)
        s->tip = s->next - 1; /* the hint was wrong */
    else
        s->next = batch.next;
    return 1;
}

/* ---- sending -------------------------------------------------------------------------------- */

static void drop_commit(krbrepl__iprop_master *s)
{
    s->whole = s->emit.c.seq;
    s->whole_time = krbrepl__iprop_seconds(s->emit.c.time_us);
    s->odd += s->emit.odd;
    s->info.commits++;
    s->emitting = 0;
    krbrepl__buf_consume(&s->pend, 4 + s->emit.c.encoded.len);
    krbrepl__iprop_emit_end(&s->emit);
}

/* What is known of the records that the commit puts. */
static enum krbrepl__prior prior_of(const krbrepl__iprop_master *s, const krbrepl__commit *c)
{
    if (s->port->prior == NULL || c->seq <= s->settle_seq || !krbrepl__iprop_is_small(c))
        return KRBREPL__PRIOR_UNKNOWN;
    return s->port->prior(s->port->ctx, c->seq);
}

/* Opens the commit that `pend` begins with. 0; 1: the numbers had to be drawn anew; negative: ended. */
static int open_commit(krbrepl__iprop_master *s)
{
    krbrepl_bytes encoded;
    krbrepl__commit c;
    krbrepl__rd r;
    uint64_t numbers;
    int rc;

    krbrepl__rd_init(&r, s->pend.data, s->pend.len);
    encoded = krbrepl__rd_vec32(&r);
    rc = krbrepl__commit_decode(encoded, &c);
    if (rc == 0)
        rc = krbrepl__iprop_emit_begin(&s->emit, encoded, prior_of(s, &c));
    if (rc != 0)
        return krbrepl__iprop_port_failed(s, rc, "taking a commit apart");
    if (memcmp(s->emit.c.lineage, s->lineage, sizeof s->lineage) != 0)
        return renumber(s, KRBREPL_COPY_FORK);
    numbers = KRBREPL__IPROP_NUMBERS(s->emit.c.nchanges);
    if (krbrepl__iprop_number(s, s->emit.c.cumulative) >= KRBREPL__IPROP_LAST_NUMBER)
        return renumber(s, KRBREPL_COPY_RESET);
    s->before = (uint32_t)(krbrepl__iprop_number(s, s->emit.c.cumulative) - numbers);
    krbrepl__iprop_emit_skip(&s->emit, s->skip);
    s->skip = 0;
    s->emitting = 1;
    return 0;
}

/* Commits behind the last one that this session was told of wait: what is known of them is not known yet. */
static int has_more(const krbrepl__iprop_master *s)
{
    return s->pend.len != 0 && (s->emitting || s->whole < s->tip);
}

/* May the message end here, and has it enough? Within a small commit it may not, nor where no seal can follow. */
static int is_full(const krbrepl__iprop_master *s, unsigned n)
{
    if (s->emitting && (krbrepl__iprop_is_small(&s->emit.c) || krbrepl__iprop_emit_seal(&s->emit) == 0))
        return 0;
    return n >= KRBREPL__IPROP_BATCH || s->msg.len >= KRBREPL__IPROP_BYTES;
}

/* Gathers records for one message. As krbrepl__iprop_stream. */
static int gather(krbrepl__iprop_master *s, uint32_t *version)
{
    unsigned n = 0;
    uint64_t seal;
    int rc = 0;

    krbrepl__buf_reset(&s->msg);
    while (has_more(s) && !is_full(s, n)) {
        rc = s->emitting ? 0 : open_commit(s);
        if (rc != 0)
            return rc;
        n += (unsigned)krbrepl__iprop_emit_next(&s->emit, s->before, version, &s->msg);
        seal = krbrepl__iprop_emit_seal(&s->emit);
        if (seal != 0)
            s->seal = s->before + (uint32_t)seal;
        if (s->emit.left == 0)
            drop_commit(s);
    }
    return s->msg.err != 0 ? krbrepl__iprop_port_failed(s, s->msg.err, "making a message") : 0;
}

/* What is sent is written down before, up to where the master is now: then one note does for all slaves. */
static int note_seal(krbrepl__iprop_master *s)
{
    const uint64_t tip = krbrepl__iprop_number(s, s->tip_cumulative);

    if (s->seal <= s->told.last || s->unsettled)
        return 0;
    return krbrepl__iprop_note(s, tip > s->seal && tip < KRBREPL__IPROP_LAST_NUMBER ? (uint32_t)tip
                                                                                    : s->seal);
}

static int say_records(krbrepl__iprop_master *s, uint32_t version)
{
    krbrepl_bytes body = {s->msg.data, s->msg.len};
    int rc = krbrepl__iprop_say(s, KRBREPL__IPROP_FOR_YOU, body);

    krbrepl__buf_reset(&s->msg);
    if (rc != 0)
        return rc;
    s->version = version;
    s->said_last = 0;
    krbrepl__iprop_mark_add(s, version, s->whole, 0);
    return 0;
}

/* Nothing numbers the messages: somebody on the way could take the records out and let the seal pass. So it stands
 * behind a record of the number that the slave has by then, which it passes over; without the records it stops there. */
static int say_seal(krbrepl__iprop_master *s)
{
    krbrepl__hdb_rec_stop(&s->msg, s->version, s->whole_time);
    krbrepl__hdb_rec_nop(&s->msg, s->seal, s->whole_time);
    if (s->msg.err != 0)
        return krbrepl__iprop_port_failed(s, s->msg.err, "making a message");
    return say_records(s, s->seal);
}

static int send_records(krbrepl__iprop_master *s)
{
    uint32_t version = s->version;
    int rc = gather(s, &version);

    if (rc != 0 || s->seal == s->version)
        return rc;
    rc = note_seal(s);
    if (rc == 0 && version != s->version)
        rc = say_records(s, version);
    return rc == 0 ? say_seal(s) : rc;
}

/* A slave that has all is told so, once for each time. */
static int say_last(krbrepl__iprop_master *s)
{
    krbrepl_bytes none = {NULL, 0};

    if (s->whole > s->info.durable) {
        s->info.received = s->info.durable = s->info.applied = s->whole;
        s->port->hold(s->port->ctx, s->info.principal, s->whole + 1);
    }
    if (s->said_last)
        return 0;
    s->said_last = 1;
    return krbrepl__iprop_say(s, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION, none);
}

int krbrepl__iprop_stream(krbrepl__iprop_master *s)
{
    int rc;

    if (s->nmarks != 0)
        return 0;
    if (has_more(s))
        rc = send_records(s);
    else if (s->pend.len != 0)
        return 0;
    else if (s->next <= s->tip)
        rc = read_more(s);
    else if (s->version != s->seal)
        rc = send_records(s);
    else
        return say_last(s);
    return rc < 0 ? rc : 1;
}
