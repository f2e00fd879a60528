#include "mitcase.h"

uint32_t rnd_u32(rnd *r)
{
    uint64_t z = r->s += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

uint32_t rnd_below(rnd *r, uint32_t n)
{
    return rnd_u32(r) % n;
}

/* Values at the edges are more likely than by chance. */
static uint32_t edgy(rnd *r)
{
    static const uint32_t edge[] = {0, 1, 0x7fffffffu, 0x80000000u, 0xffffffffu};

    return rnd_below(r, 3) == 0 ? edge[rnd_below(r, 5)] : rnd_u32(r);
}

/* Bytes out of the pool: nothing at times, a lot rarely. */
static krbrepl_bytes some(rnd *r, const uint8_t *pool, size_t most)
{
    size_t n =
        rnd_below(r, 4) == 0 ? 0 : rnd_below(r, (uint32_t)(rnd_below(r, 8) == 0 ? most : 40)) + 1;
    krbrepl_bytes b = {pool, n < most ? n : most};

    return b;
}

static krbrepl_mit_item any_item(rnd *r, const uint8_t *pool, size_t most)
{
    krbrepl_mit_item it = {(int64_t)rnd_below(r, 65536) - 32768, some(r, pool, most)};

    return it;
}

void any_principal_make(any_principal *a, rnd *r)
{
    size_t i;

    for (i = 0; i < sizeof a->bytes; i++)
        a->bytes[i] = (uint8_t)rnd_u32(r);
    KRBREPL_INIT(&a->p);
    a->p.base_length = rnd_below(r, 2) ? 38 : rnd_below(r, 65536);
    a->p.attributes = (int32_t)edgy(r);
    a->p.max_life = (int32_t)edgy(r);
    a->p.max_renewable_life = (int32_t)edgy(r);
    a->p.expiration = edgy(r);
    a->p.pw_expiration = edgy(r);
    a->p.tl = a->tl;
    a->p.ntl = rnd_below(r, 13);
    for (i = 0; i < a->p.ntl; i++)
        a->tl[i] = any_item(r, a->bytes, 65535);
    a->p.keys = a->keys;
    a->p.nkeys = rnd_below(r, 5) == 0 ? 60 : rnd_below(r, 5);
    for (i = 0; i < a->p.nkeys; i++) {
        a->keys[i].version = 1 + rnd_below(r, 2);
        a->keys[i].kvno = rnd_below(r, 65536);
        a->keys[i].part[0] = any_item(r, a->bytes, 200);
        a->keys[i].part[1] = any_item(r, a->bytes, 200);
    }
    a->p.extra = some(r, a->bytes, 65535);
}

void any_policy_make(any_policy *a, rnd *r)
{
    size_t i;

    KRBREPL_INIT(&a->p);
    a->p.min_life = edgy(r);
    a->p.max_life = edgy(r);
    a->p.min_length = edgy(r);
    a->p.min_classes = edgy(r);
    a->p.history = edgy(r);
    a->p.references = edgy(r);
    a->p.max_failures = edgy(r);
    a->p.failure_interval = edgy(r);
    a->p.lockout_duration = edgy(r);
    a->p.attributes = edgy(r);
    a->p.max_ticket_life = edgy(r);
    a->p.max_renewable_life = edgy(r);
    for (i = 0; i < sizeof a->bytes; i++)
        a->bytes[i] = (uint8_t)('a' + rnd_below(r, 26));
    if (rnd_below(r, 2))
        a->p.keysalts = (krbrepl_bytes){a->bytes, 1 + rnd_below(r, 300)};
    a->p.tl = a->tl;
    a->p.ntl = rnd_below(r, 5);
    for (i = 0; i < a->p.ntl; i++)
        a->tl[i] = any_item(r, a->bytes, sizeof a->bytes);
}

ssize_t text_read(void *ctx, void *buf, size_t n)
{
    text_file *f = ctx;
    size_t left = f->len - f->at;

    if (f->piece != 0 && n > f->piece)
        n = f->piece;
    if (n > left)
        n = left;
    if (n != 0)
        memcpy(buf, f->text + f->at, n);
    f->at += n;
    return (ssize_t)n;
}

static uint8_t *copy(krbrepl_bytes b)
{
    uint8_t *p = malloc(b.len != 0 ? b.len : 1);

    assert_non_null(p);
    if (b.len != 0)
        memcpy(p, b.data, b.len);
    return p;
}

static void keep(entry *out, const krbrepl__mit_entry *e)
{
    snprintf(out->table, sizeof out->table, "%s", e->table);
    out->key = copy(e->key);
    out->key_len = e->key.len;
    out->value = copy(e->value);
    out->value_len = e->value.len;
    out->lockout = e->lockout;
    out->line = e->line;
}

int text_parse(const char *text, size_t len, size_t piece, entry *out, size_t room, krbrepl_errinfo *ei)
{
    text_file f = {text, len, 0, piece};
    krbrepl__mit_reader *r = krbrepl__mit_reader_new("FILE", text_read, &f);
    krbrepl__mit_entry e;
    int rc, n = 0;

    assert_non_null(r);
    rc = krbrepl__mit_reader_begin(r, ei);
    while (rc == 0 && (rc = krbrepl__mit_reader_next(r, &e, ei)) == 1) {
        if (out != NULL && (size_t)n < room)
            keep(&out[n], &e);
        n++;
        rc = 0;
    }
    krbrepl__mit_reader_free(r);
    if (rc < 0 && out != NULL)
        entries_free(out, (size_t)n < room ? (size_t)n : room);
    return rc < 0 ? rc : n;
}

void entries_free(entry *e, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        free(e[i].key);
        free(e[i].value);
    }
}

krbrepl_bytes entry_key(const entry *e)
{
    return (krbrepl_bytes){e->key, e->key_len};
}

krbrepl_bytes entry_value(const entry *e)
{
    return (krbrepl_bytes){e->value, e->value_len};
}

const char *const golden_line[] = {
    /* A master key principal and a user with a policy, as kdb5_util 1.20.1 wrote them. */
    "princ\t38\t12\t3\t1\t0\tK/M@LAB.TEST\t8388672\t86400\t0\t0\t0\t0\t0\t0\t8\t2\t0100\t9\t8\t"
    "0100010000000000\t2\t25\t803b026b64625f6372656174696f6e404c41422e5445535400\t1\t1\t18\t62\t"
    "2000c0ef6891434e00f055f9bfaf7f1a5f77ab790161fdfa760a5ef868723b6206d8564178dfed59be03bc529553673775"
    "21"
    "2a84d5ea467b6bf25b6498b3\t-1;\n",
    "princ\t38\t14\t5\t2\t0\talice@LAB."
    "TEST\t0\t86400\t0\t0\t1796172416\t1795308416\t1795308417\t3\t11\t4\t"
    "6b007600\t3\t32\t12345c0100000005706f6c310000000000000800000000000000000200000000\t2\t24\t"
    "803b026b726f6f742f61646d696e404c41422e5445535400\t8\t2\t0100\t1\t4\t803b026b\t"
    "1\t1\t18\t4\t20009772\t1\t1\t17\t3\t100059\t-1;\n",
    /* No keys, no tagged data; a name with blanks. */
    "princ\t38\t24\t0\t0\t0\thost/with space@LAB.TEST\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n",
    /* Escapes; a raw TAB and bytes over 127, which only the length can tell from a separator. */
    "princ\t38\t16\t0\t0\t0\ta\\@b\\/c@LAB.TEST\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n",
    "princ\t38\t12\t0\t0\t0\ta\tb@LAB.TEST\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n",
    "princ\t38\t16\t0\t0\t0\tJ\303\274rgen@LAB.TEST\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n",
    "princ\t38\t12\t0\t0\t0\t1\t2;3@LAB.TE\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n",
    /* The ends of every range; tagged data of length 0 and of a negative type; a key with a salt, one whose
     * parts are empty, the largest kvno; extra data. */
    ("princ\t0\t3\t3\t3\t5\tx@Y\t-2147483648\t-1\t2147483647\t4294967295\t4294967295\t4294967295\t"
     "4294967295\t-1\t-32768\t0\t-1\t32767\t1\tff\t1792\t4\t00000000\t2\t65535\t18\t2\tabcd\t-1\t0\t-"
     "1\t"
     "1\t0\t0\t0\t-1\t2\t7\t-135\t0\t-1\t4\t3\t010203\t0001020304;\n"),
    "princ\t65535\t3\t0\t0\t1\tz@Y\t128\t1\t2\t3\t4\t5\t6\t7\t00;\n",
    /* Policies. */
    "policy\tpol1\t86400\t864000\t5\t2\t3\t0\t0\t0\t0\t0\t0\t0\t-\t0\n",
    "policy\tpol2\t0\t0\t1\t1\t1\t0\t3\t600\t300\t0\t0\t0\taes256-cts:normal,aes128-cts\t0\n",
    ("policy\twith space\t4294967295\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\ta:b "
     "c:d\t2\t-1\t0\t-1\t7\t2\tbeef\n"),
};

const size_t golden_count = sizeof golden_line / sizeof *golden_line;
