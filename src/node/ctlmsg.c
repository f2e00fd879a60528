#include "ctlmsg.h"

#include <string.h>

#include "pos.h"

/* The fields in the order in which they travel: all are 64 bits wide. Only ever append. */
#define S(f) offsetof(krbrepl_status, f)
#define R(reason) S(copies_by_reason) + (reason) * sizeof(uint64_t)
#define M(reason) S(repairs_by_reason) + (reason) * sizeof(uint64_t)
static const size_t status_fields[] = {
    S(role),
    S(state),
    S(flags),
    S(last_err),
    S(known_epoch),
    S(records),
    S(journal_first),
    S(journal_last),
    S(journal_bytes),
    S(peers),
    S(upstream_seq),
    S(lag_commits),
    S(lag_us),
    S(last_heard_us),
    S(commits_in),
    S(commits_out),
    S(bytes_in),
    S(bytes_out),
    S(copies_in),
    S(copies_out),
    S(refused),
    S(unauth),
    S(last_copy_us),
    S(last_copy_reason),
    S(started_us),
    S(pid),
    R(0),
    R(1),
    R(2),
    R(3),
    R(4),
    R(5),
    R(6),
    R(7),
    R(8),
    R(9),
    R(10),
    R(11),
    R(12),
    R(13),
    R(14),
    R(15),
    S(slots),
    S(slots_cut),
    S(held_from),
    S(held_commits),
    S(held_bytes),
    S(hard_cap),
    S(headroom_commits),
    S(proved_seq),
    S(proved_us),
    S(proofs),
    S(differs),
    M(0),
    M(1),
    M(2),
    M(3),
    M(4),
    M(5),
    M(6),
    M(7),
    M(8),
    M(9),
    M(10),
    M(11),
    M(12),
    M(13),
    M(14),
    M(15),
    S(repair_records),
    S(repair_bytes),
    S(upstream_dialect),
    S(upstream_version),
};
#undef M
#undef R
#undef S
#define P(f) offsetof(krbrepl_peer, f)
static const size_t peer_fields[] = {
    P(id),          P(state),    P(last_err),     P(received),     P(durable),      P(applied),
    P(lag_commits), P(lag_us),   P(connected_us), P(last_seen_us), P(last_copy_us), P(last_copy_reason),
    P(bytes_out),   P(bytes_in), P(proved_seq),   P(proved_us),    P(dialect),      P(version),
};
#undef P
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

size_t krbrepl__ctl_begin(krbrepl__buf *b, unsigned type)
{
    size_t at = b->len;

    krbrepl__buf_u32(b, 0);
    krbrepl__buf_u8(b, KRBREPL__CTL_VERSION);
    krbrepl__buf_u8(b, type);
    return at;
}

void krbrepl__ctl_end(krbrepl__buf *b, size_t at)
{
    if (b->err == 0)
        krbrepl__buf_set_u32(b, at, (uint32_t)(b->len - at - KRBREPL__CTL_HEAD));
}

int krbrepl__ctl_next(const krbrepl__buf *in, size_t max, unsigned *type, krbrepl_bytes *body,
                      size_t *whole)
{
    krbrepl__rd r;
    uint32_t len;
    unsigned version;

    if (in->len < KRBREPL__CTL_HEAD)
        return 0;
    krbrepl__rd_init(&r, in->data, in->len);
    len = krbrepl__rd_u32(&r);
    if (len < 2 || len > max)
        return KRBREPL_ERR_PROTO;
    if (r.left < len)
        return 0;
    version = krbrepl__rd_u8(&r);
    *type = krbrepl__rd_u8(&r);
    *body = krbrepl__rd_view(&r, len - 2);
    *whole = KRBREPL__CTL_HEAD + len;
    return r.err == 0 && version == KRBREPL__CTL_VERSION ? 1 : KRBREPL_ERR_PROTO;
}

static void put_fields(krbrepl__buf *b, const void *from, const size_t *at, size_t n)
{
    size_t i;
    uint64_t v;

    krbrepl__buf_u16(b, (unsigned)n);
    for (i = 0; i < n; i++) {
        memcpy(&v, (const char *)from + at[i], sizeof v);
        krbrepl__buf_u64(b, v);
    }
}

static void get_fields(krbrepl__rd *r, void *to, const size_t *at, size_t n)
{
    size_t i, count = krbrepl__rd_u16(r);
    uint64_t v;

    for (i = 0; i < count && r->err == 0; i++) {
        v = krbrepl__rd_u64(r);
        if (i < n && r->err == 0)
            memcpy((char *)to + at[i], &v, sizeof v);
    }
}

void krbrepl__ctl_put_status(krbrepl__buf *b, const krbrepl_status *s)
{
    size_t at = krbrepl__ctl_begin(b, KRBREPL__CTL_STATUS);

    put_fields(b, s, status_fields, COUNT(status_fields));
    krbrepl__buf_bytes(b, s->database_id, sizeof s->database_id);
    krbrepl__pos_put(b, &s->pos);
    krbrepl__buf_str16(b, s->last_error);
    krbrepl__ctl_end(b, at);
}

int krbrepl__ctl_get_status(krbrepl_bytes body, krbrepl_status *s)
{
    krbrepl__rd r;

    memset(s, 0, sizeof *s);
    s->size = sizeof *s;
    krbrepl__rd_init(&r, body.data, body.len);
    get_fields(&r, s, status_fields, COUNT(status_fields));
    krbrepl__rd_copy(&r, s->database_id, sizeof s->database_id);
    krbrepl__pos_get(&r, &s->pos);
    krbrepl__rd_str16(&r, s->last_error, sizeof s->last_error - 1);
    return r.err;
}

void krbrepl__ctl_put_peer(krbrepl__buf *b, const krbrepl_peer *p)
{
    size_t at = krbrepl__ctl_begin(b, KRBREPL__CTL_PEER);

    put_fields(b, p, peer_fields, COUNT(peer_fields));
    krbrepl__buf_str16(b, p->principal);
    krbrepl__buf_str16(b, p->address);
    krbrepl__buf_str16(b, p->name);
    krbrepl__ctl_end(b, at);
}

int krbrepl__ctl_get_peer(krbrepl_bytes body, krbrepl_peer *p, krbrepl__ctl_names *names)
{
    krbrepl__rd r;

    memset(p, 0, sizeof *p);
    p->size = sizeof *p;
    krbrepl__rd_init(&r, body.data, body.len);
    get_fields(&r, p, peer_fields, COUNT(peer_fields));
    krbrepl__rd_str16(&r, names->principal, sizeof names->principal - 1);
    krbrepl__rd_str16(&r, names->address, sizeof names->address - 1);
    krbrepl__rd_str16(&r, names->name, sizeof names->name - 1);
    p->principal = names->principal;
    p->address = names->address;
    p->name = names->name;
    return r.err;
}

void krbrepl__ctl_put_wait(krbrepl__buf *b, const krbrepl_wait_options *w)
{
    size_t at = krbrepl__ctl_begin(b, KRBREPL__CTL_ASK_WAIT);

    krbrepl__buf_u64(b, w->seq);
    krbrepl__buf_u64(b, w->replicas);
    krbrepl__buf_u64(b, w->level);
    krbrepl__buf_u64(b, w->timeout_ms);
    krbrepl__ctl_end(b, at);
}

int krbrepl__ctl_get_wait(krbrepl_bytes body, krbrepl_wait_options *w)
{
    krbrepl__rd r;

    memset(w, 0, sizeof *w);
    w->size = sizeof *w;
    krbrepl__rd_init(&r, body.data, body.len);
    w->seq = krbrepl__rd_u64(&r);
    w->replicas = krbrepl__rd_u64(&r);
    w->level = krbrepl__rd_u64(&r);
    w->timeout_ms = krbrepl__rd_u64(&r);
    return r.err;
}

void krbrepl__ctl_put_waited(krbrepl__buf *b, int err, uint64_t have)
{
    size_t at = krbrepl__ctl_begin(b, KRBREPL__CTL_WAITED);

    krbrepl__buf_u32(b, (uint32_t)-err);
    krbrepl__buf_u64(b, have);
    krbrepl__ctl_end(b, at);
}

/* A code that this library does not know is as good as a broken answer. */
static int code_of(uint32_t wire)
{
    int err = wire < 1000 ? -(int)wire : KRBREPL_ERR_PROTO;

    return err == 0 || strcmp(krbrepl_err_name(err), "UNKNOWN") != 0 ? err : KRBREPL_ERR_PROTO;
}

int krbrepl__ctl_get_waited(krbrepl_bytes body, int *err, uint64_t *have)
{
    krbrepl__rd r;

    krbrepl__rd_init(&r, body.data, body.len);
    *err = code_of(krbrepl__rd_u32(&r));
    *have = krbrepl__rd_u64(&r);
    return r.err;
}

void krbrepl__ctl_put_prove(krbrepl__buf *b, uint64_t timeout_ms)
{
    size_t at = krbrepl__ctl_begin(b, KRBREPL__CTL_ASK_PROVE);

    krbrepl__buf_u64(b, timeout_ms);
    krbrepl__ctl_end(b, at);
}

int krbrepl__ctl_get_prove(krbrepl_bytes body, uint64_t *timeout_ms)
{
    krbrepl__rd r;

    krbrepl__rd_init(&r, body.data, body.len);
    *timeout_ms = krbrepl__rd_u64(&r);
    return r.err;
}

void krbrepl__ctl_put_going(krbrepl__buf *b, uint64_t done, uint64_t total)
{
    size_t at = krbrepl__ctl_begin(b, KRBREPL__CTL_GOING);

    krbrepl__buf_u64(b, done);
    krbrepl__buf_u64(b, total);
    krbrepl__ctl_end(b, at);
}

int krbrepl__ctl_get_going(krbrepl_bytes body, uint64_t *done, uint64_t *total)
{
    krbrepl__rd r;

    krbrepl__rd_init(&r, body.data, body.len);
    *done = krbrepl__rd_u64(&r);
    *total = krbrepl__rd_u64(&r);
    return r.err;
}

static const size_t proved_fields[] = {offsetof(krbrepl_proved, seq), offsetof(krbrepl_proved, records),
                                       offsetof(krbrepl_proved, compared),
                                       offsetof(krbrepl_proved, differed)};

void krbrepl__ctl_put_proved(krbrepl__buf *b, int err, const krbrepl_proved *p)
{
    size_t at = krbrepl__ctl_begin(b, KRBREPL__CTL_PROVED);

    krbrepl__buf_u32(b, (uint32_t)-err);
    put_fields(b, p, proved_fields, COUNT(proved_fields));
    krbrepl__ctl_end(b, at);
}

int krbrepl__ctl_get_proved(krbrepl_bytes body, int *err, krbrepl_proved *p)
{
    krbrepl__rd r;

    KRBREPL_INIT(p);
    krbrepl__rd_init(&r, body.data, body.len);
    *err = code_of(krbrepl__rd_u32(&r));
    get_fields(&r, p, proved_fields, COUNT(proved_fields));
    return r.err;
}

void krbrepl__ctl_put_error(krbrepl__buf *b, int err, const char *text)
{
    size_t at = krbrepl__ctl_begin(b, KRBREPL__CTL_ERROR);

    krbrepl__buf_u32(b, (uint32_t)-err);
    krbrepl__buf_str16(b, text);
    krbrepl__ctl_end(b, at);
}

int krbrepl__ctl_get_error(krbrepl_bytes body, int *err, char text[200])
{
    krbrepl__rd r;

    krbrepl__rd_init(&r, body.data, body.len);
    *err = code_of(krbrepl__rd_u32(&r));
    krbrepl__rd_str16(&r, text, 199);
    return r.err != 0 || *err == 0 ? KRBREPL_ERR_PROTO : 0;
}
