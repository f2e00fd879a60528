#include "msg.h"

#include <string.h>

#include <krbrepl/error.h>

#include "frame.h"
#include "mem.h"

enum kind { NUMBER, ID, CHAIN, POSITION, NAME, TEXT, ANCESTRY, MARKS, CKEY, PARTIAL };

typedef struct field {
    uint8_t tag;
    uint8_t kind;
    uint8_t must; /* the message is malformed without it */
    size_t at;    /* where it is in the struct */
} field;

typedef struct spec {
    const field *f;
    size_t n;
    size_t size;
} spec;

#define F(type, member, tag, kind, must)                       \
    {                                                          \
        KRBREPL__TAG_##tag, kind, must, offsetof(type, member) \
    }

static const field hello_fields[] = {
    F(krbrepl__hello, version, VERSION, NUMBER, 1),
    F(krbrepl__hello, features, FEATURES, NUMBER, 1),
    F(krbrepl__hello, database_id, DATABASE, ID, 1),
    F(krbrepl__hello, expected_id, EXPECTED, ID, 0),
    F(krbrepl__hello, name, NAME, NAME, 1),
    F(krbrepl__hello, role, ROLE, NUMBER, 1),
    F(krbrepl__hello, epoch, EPOCH, NUMBER, 1),
    F(krbrepl__hello, pos, POS, POSITION, 1),
    F(krbrepl__hello, ancestry, ANCESTRY, ANCESTRY, 1),
    F(krbrepl__hello, marks, MARKS, MARKS, 1),
    F(krbrepl__hello, window, WINDOW, NUMBER, 1),
    F(krbrepl__hello, asks, ASKS, NUMBER, 0),
    F(krbrepl__hello, partial, PARTIAL, PARTIAL, 0),
};

static const field welcome_fields[] = {
    F(krbrepl__welcome, version, VERSION, NUMBER, 1),
    F(krbrepl__welcome, features, FEATURES, NUMBER, 1),
    F(krbrepl__welcome, database_id, DATABASE, ID, 1),
    F(krbrepl__welcome, name, NAME, NAME, 1),
    F(krbrepl__welcome, epoch, EPOCH, NUMBER, 1),
    F(krbrepl__welcome, pos, POS, POSITION, 1),
    F(krbrepl__welcome, ancestry, ANCESTRY, ANCESTRY, 1),
    F(krbrepl__welcome, missing_ms, MISSING_MS, NUMBER, 1),
    F(krbrepl__welcome, gone_ms, GONE_MS, NUMBER, 1),
    F(krbrepl__welcome, follows, FOLLOWS, NUMBER, 1),
    F(krbrepl__welcome, from, FROM, NUMBER, 0),
    F(krbrepl__welcome, reason, REASON, NUMBER, 0),
    F(krbrepl__welcome, fork, FORK, NUMBER, 0),
};

static const field parting_fields[] = {
    F(krbrepl__parting, pos, POS, POSITION, 0),
    F(krbrepl__parting, fork, FORK, NUMBER, 0),
    F(krbrepl__parting, code, CODE, NUMBER, 1),
    F(krbrepl__parting, text, TEXT, TEXT, 0),
};

static const field copy_begin_fields[] = {
    F(krbrepl__copy_start, pos, POS, POSITION, 1),
    F(krbrepl__copy_start, ancestry, ANCESTRY, ANCESTRY, 1),
    F(krbrepl__copy_start, reason, REASON, NUMBER, 1),
    F(krbrepl__copy_start, fork, FORK, NUMBER, 0),
    F(krbrepl__copy_start, cumulative, CUMULATIVE, NUMBER, 1),
    F(krbrepl__copy_start, records, RECORDS, NUMBER, 1),
    F(krbrepl__copy_start, after, AFTER, CKEY, 0),
    F(krbrepl__copy_start, levels, LEVELS, NUMBER, 0),
    F(krbrepl__copy_start, salt, SALT, ID, 0),
};

static const field copy_end_fields[] = {
    F(krbrepl__copy_end, pos, POS, POSITION, 1),
    F(krbrepl__copy_end, records, RECORDS, NUMBER, 1),
};

static const field ack_fields[] = {
    F(krbrepl__ack, processed, PROCESSED, NUMBER, 1), F(krbrepl__ack, received, RECEIVED, NUMBER, 0),
    F(krbrepl__ack, durable, DURABLE, NUMBER, 0),     F(krbrepl__ack, applied, APPLIED, NUMBER, 0),
    F(krbrepl__ack, chain, CHAIN, CHAIN, 0),
};

static const field ping_fields[] = {
    F(krbrepl__ping, pos, POS, POSITION, 0),
    F(krbrepl__ping, prompt, PROMPT, NUMBER, 0),
};

static const field check_fields[] = {
    F(krbrepl__check, seq, SEQ, NUMBER, 1),
    F(krbrepl__check, root, ROOT, CHAIN, 0),
};

#define SPEC(fields, type)                                     \
    {                                                          \
        fields, sizeof fields / sizeof fields[0], sizeof(type) \
    }

/* Indexed by frame type; those without fields have no message. */
static const spec spec_of[] = {
    {NULL, 0, 0},
    SPEC(hello_fields, krbrepl__hello),
    SPEC(welcome_fields, krbrepl__welcome),
    SPEC(parting_fields, krbrepl__parting),
    {NULL, 0, 0},
    SPEC(copy_begin_fields, krbrepl__copy_start),
    {NULL, 0, 0},
    SPEC(copy_end_fields, krbrepl__copy_end),
    SPEC(ack_fields, krbrepl__ack),
    SPEC(ping_fields, krbrepl__ping),
    SPEC(ping_fields, krbrepl__ping),
    SPEC(parting_fields, krbrepl__parting),
    SPEC(check_fields, krbrepl__check),
    {NULL, 0, 0},
    {NULL, 0, 0},
};

static const spec *find_spec(unsigned type)
{
    return type < sizeof spec_of / sizeof spec_of[0] ? &spec_of[type] : &spec_of[0];
}

static const field *find_field(const spec *s, unsigned tag)
{
    size_t i;

    for (i = 0; i < s->n; i++)
        if (s->f[i].tag == tag)
            return &s->f[i];
    return NULL;
}

/* ---- making --------------------------------------------------------------------------------- */

static void put_number(krbrepl__buf *b, const void *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
    krbrepl__buf_u16(b, 8);
    krbrepl__buf_u64(b, v);
}

static void put_marks(krbrepl__buf *b, const krbrepl__marks *m)
{
    size_t i;

    krbrepl__buf_u16(b, (unsigned)(m->n * 40));
    for (i = 0; i < m->n; i++) {
        krbrepl__buf_u64(b, m->at[i].seq);
        krbrepl__buf_bytes(b, m->at[i].chain, sizeof m->at[i].chain);
    }
}

static void put_partial(krbrepl__buf *b, const krbrepl__partial *p)
{
    krbrepl__buf_u16(b, (unsigned)(2 * KRBREPL__POS_LEN + p->after.len));
    krbrepl__pos_put(b, &p->pos);
    krbrepl__pos_put(b, &p->upper);
    krbrepl__buf_bytes(b, p->after.b, p->after.len);
}

static void put_field(krbrepl__buf *b, const field *f, const void *at)
{
    const krbrepl__ckey *k = at;

    krbrepl__buf_u16(b, f->tag);
    switch (f->kind) {
    case NUMBER:
        put_number(b, at);
        break;
    case ID:
        krbrepl__buf_vec16(b, at, 16);
        break;
    case CHAIN:
        krbrepl__buf_vec16(b, at, 32);
        break;
    case POSITION:
        krbrepl__buf_u16(b, KRBREPL__POS_LEN);
        krbrepl__pos_put(b, at);
        break;
    case ANCESTRY:
        krbrepl__buf_u16(b, (unsigned)(2 + ((const krbrepl__ancestry *)at)->n * KRBREPL__POS_LEN));
        krbrepl__ancestry_put(b, at);
        break;
    case MARKS:
        put_marks(b, at);
        break;
    case CKEY:
        krbrepl__buf_vec16(b, k->b, k->len);
        break;
    case PARTIAL:
        put_partial(b, at);
        break;
    default:
        krbrepl__buf_str16(b, at);
        break;
    }
}

void krbrepl__msg_put(krbrepl__buf *b, unsigned type, const void *msg)
{
    const spec *s = find_spec(type);
    const char *base = msg;
    uint64_t has;
    size_t i;

    memcpy(&has, msg, sizeof has);
    for (i = 0; i < s->n; i++)
        if (s->f[i].must || (has & KRBREPL__HAS(s->f[i].tag)) != 0)
            put_field(b, &s->f[i], base + s->f[i].at);
}

/* ---- taking apart --------------------------------------------------------------------------- */

/* A text goes to logs and terminals, so it comes out in printable ASCII. */
static void get_text(krbrepl__rd *r, char *out, size_t max)
{
    size_t n = r->left, i;

    if (n > max) {
        r->err = KRBREPL_ERR_PROTO;
        return;
    }
    krbrepl__rd_copy(r, out, n);
    for (i = 0; i < n; i++)
        if (out[i] < 0x20 || out[i] > 0x7e)
            out[i] = '?';
    out[n] = '\0';
}

static void get_marks(krbrepl__rd *r, krbrepl__marks *m)
{
    m->n = 0;
    while (r->left != 0 && r->err == 0 && m->n < KRBREPL__MAX_MARKS) {
        krbrepl__mark *k = &m->at[m->n++];

        k->seq = krbrepl__rd_u64(r);
        krbrepl__rd_copy(r, k->chain, sizeof k->chain);
    }
}

static void get_ckey(krbrepl__rd *r, krbrepl__ckey *k)
{
    k->len = r->left;
    if (k->len == 0 || k->len > sizeof k->b) {
        k->len = 0;
        r->err = KRBREPL_ERR_PROTO;
        return;
    }
    krbrepl__rd_copy(r, k->b, k->len);
}

static void get_partial(krbrepl__rd *r, krbrepl__partial *p)
{
    krbrepl__pos_get(r, &p->pos);
    krbrepl__pos_get(r, &p->upper);
    get_ckey(r, &p->after);
}

static int get_field(krbrepl_bytes value, const field *f, void *at)
{
    krbrepl__rd r;
    uint64_t v;
    int rc = 0;

    krbrepl__rd_init(&r, value.data, value.len);
    switch (f->kind) {
    case NUMBER:
        v = krbrepl__rd_u64(&r);
        memcpy(at, &v, sizeof v);
        break;
    case ID:
        krbrepl__rd_copy(&r, at, 16);
        break;
    case CHAIN:
        krbrepl__rd_copy(&r, at, 32);
        break;
    case POSITION:
        krbrepl__pos_get(&r, at);
        break;
    case NAME:
        get_text(&r, at, KRBREPL__MSG_NAME);
        break;
    case TEXT:
        get_text(&r, at, KRBREPL__MSG_TEXT);
        break;
    case MARKS:
        get_marks(&r, at);
        break;
    case CKEY:
        get_ckey(&r, at);
        break;
    case PARTIAL:
        get_partial(&r, at);
        break;
    default:
        rc = krbrepl__ancestry_get(&r, at);
        break;
    }
    return rc != 0 ? rc : krbrepl__rd_end(&r);
}

static int all_there(const spec *s, uint64_t has)
{
    size_t i;

    for (i = 0; i < s->n; i++)
        if (s->f[i].must && (has & KRBREPL__HAS(s->f[i].tag)) == 0)
            return KRBREPL_ERR_PROTO;
    return 0;
}

int krbrepl__msg_get(krbrepl_bytes body, unsigned type, void *msg, unsigned *tag)
{
    const spec *s = find_spec(type);
    unsigned last = 0;
    uint64_t has = 0;
    krbrepl__rd r;
    int rc = 0;

    *tag = 0;
    memset(msg, 0, s->size);
    krbrepl__rd_init(&r, body.data, body.len);
    while (rc == 0 && r.left != 0) {
        unsigned raw = krbrepl__rd_u16(&r), bare = raw & ~KRBREPL__TAG_REQUIRED;
        krbrepl_bytes value = krbrepl__rd_vec16(&r);
        const field *f = find_field(s, bare);

        if (r.err != 0 || bare <= last)
            return KRBREPL_ERR_PROTO;
        last = bare;
        if (f != NULL) {
            rc = get_field(value, f, (char *)msg + f->at);
            has |= KRBREPL__HAS(bare);
        } else if (raw != bare) {
            *tag = bare;
            rc = KRBREPL_ERR_FORMAT;
        }
    }
    memcpy(msg, &has, sizeof has);
    return rc != 0 ? rc : all_there(s, has);
}

void krbrepl__msg_free(unsigned type, void *msg)
{
    const spec *s = find_spec(type);
    size_t i;

    for (i = 0; i < s->n; i++)
        if (s->f[i].kind == ANCESTRY)
            krbrepl__ancestry_free((void *)((char *)msg + s->f[i].at));
}
