#include "reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "errinfo.h"
#include "mem.h"
#include "record.h"

#define NAME_SHOWN 100 /* how much of a long file name a message shows: its end */
#define S32_MIN (-INT64_C(0x80000000))
#define U32_MAX INT64_C(0xffffffff)

/* ---- failures ------------------------------------------------------------------------------- */

int krbrepl__mit_reader_fail(krbrepl__mit_reader *r, uint64_t line, krbrepl_errinfo *ei, int code,
                             const char *fmt, ...)
{
    size_t len = strlen(r->name);
    const char *name = len > NAME_SHOWN ? r->name + len - NAME_SHOWN : r->name;
    char why[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return krbrepl__fail(ei, code, "%s%s:%llu: %s", name == r->name ? "" : "...", name,
                         (unsigned long long)line, why);
}

#define bad(r, ...) krbrepl__mit_reader_fail((r), (r)->line, (r)->ei, KRBREPL_ERR_INPUT, __VA_ARGS__)

/* The file ended, or could not be read on, inside of a record. */
static int cut_off(krbrepl__mit_reader *r)
{
    if (r->in.error != 0)
        return krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, r->in.error, "%s:%llu: cannot read", r->name,
                                 (unsigned long long)r->line);
    return bad(r, "the file ends in the middle of a record: it is truncated; make the dump again");
}

/* What stands behind `field` is not what has to. */
static int bad_end(krbrepl__mit_reader *r, const char *field, int c)
{
    if (c == KRBREPL__MIT_EOF)
        return cut_off(r);
    if (c == '\n')
        return bad(r, "%s: the line ends here, but more fields have to follow", field);
    if (c > ' ' && c < 0x7f)
        return bad(r, "%s: the character '%c' does not belong here", field, c);
    return bad(r, "%s: the byte 0x%02x does not belong here", field, (unsigned)c);
}

static int built(krbrepl__mit_reader *r)
{
    int err = r->key.err != 0 ? r->key.err : r->value.err;

    if (err == KRBREPL_ERR_TOOBIG)
        return bad(r, "the record is larger than %u MiB", KRBREPL_MAX_VALUE >> 20);
    return err != 0 ? krbrepl__fail_plain(r->ei, err) : 0;
}

/* ---- fields --------------------------------------------------------------------------------- */

/* A decimal number from `low` to `high`; `*end` is the byte behind it. */
static int get_number(krbrepl__mit_reader *r, const char *field, int64_t low, int64_t high,
                      int64_t *out, int *end)
{
    int c = krbrepl__mit_input_get(&r->in), minus = c == '-', digits = 0;
    int64_t v = 0;

    if (minus)
        c = krbrepl__mit_input_get(&r->in);
    for (; c >= '0' && c <= '9'; c = krbrepl__mit_input_get(&r->in)) {
        if (++digits > 18)
            return bad(r, "%s: the number is too long", field);
        v = v * 10 + (c - '0');
    }
    if (c == KRBREPL__MIT_EOF)
        return cut_off(r);
    if (digits == 0)
        return bad(r, "%s: a decimal number has to stand here", field);
    v = minus ? -v : v;
    if (v < low || v > high)
        return bad(r, "%s: %lld is not between %lld and %lld", field, (long long)v, (long long)low,
                   (long long)high);
    *out = v;
    *end = c;
    return 0;
}

/* A number and the TAB behind it. */
static int get_field(krbrepl__mit_reader *r, const char *field, int64_t low, int64_t high, int64_t *out)
{
    int c, rc = get_number(r, field, low, high, out, &c);

    if (rc == 0 && c != '\t')
        rc = bad_end(r, field, c);
    return rc;
}

/* A value of 32 bits. kdb5_util has printed the same ones with and without sign over the years. */
static int get_u32(krbrepl__mit_reader *r, const char *field, uint32_t *out)
{
    int64_t v = 0;
    int rc = get_field(r, field, S32_MIN, U32_MAX, &v);

    *out = (uint32_t)v;
    return rc;
}

static int get_s32(krbrepl__mit_reader *r, const char *field, int32_t *out)
{
    uint32_t v;
    int rc = get_u32(r, field, &v);

    *out = v <= INT32_MAX ? (int32_t)v : (int32_t)((int64_t)v - INT64_C(0x100000000));
    return rc;
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int bad_hex(krbrepl__mit_reader *r, const char *field, size_t len, int c)
{
    if (c == KRBREPL__MIT_EOF)
        return cut_off(r);
    if (len == 0)
        return bad(r, "%s: -1 has to stand for data of length 0", field);
    return bad(r, "%s: %llu hexadecimal digits have to stand here, as its length says", field,
               2 * (unsigned long long)len);
}

/* `len` bytes in hex, or "-1" when there are none; `*end` is the byte behind them. */
static int get_hex(krbrepl__mit_reader *r, const char *field, uint8_t *out, size_t len, int *end)
{
    size_t i;
    int high, low, c;

    if (len == 0) {
        if ((c = krbrepl__mit_input_get(&r->in)) != '-' || (c = krbrepl__mit_input_get(&r->in)) != '1')
            return bad_hex(r, field, len, c);
    } else if (out == NULL) {
        return built(r);
    }
    for (i = 0; i < len; i++) {
        if ((high = hex_digit(c = krbrepl__mit_input_get(&r->in))) < 0 ||
            (low = hex_digit(c = krbrepl__mit_input_get(&r->in))) < 0)
            return bad_hex(r, field, len, c);
        out[i] = (uint8_t)(high << 4 | low);
    }
    *end = krbrepl__mit_input_get(&r->in);
    return 0;
}

/* Type, length and bytes, appended to the value as an item; `*end` is the byte behind. */
static int get_item(krbrepl__mit_reader *r, const char *field, int *end)
{
    int64_t type = 0, len = 0;
    uint8_t *room;
    int rc;

    if ((rc = get_field(r, field, INT16_MIN, UINT16_MAX, &type)) != 0 ||
        (rc = get_field(r, field, 0, KRBREPL__MIT_MAX_DATA, &len)) != 0)
        return rc;
    room = krbrepl__mit_put_item(&r->value, type, (size_t)len);
    return get_hex(r, field, room, (size_t)len, end);
}

static int get_item_tab(krbrepl__mit_reader *r, const char *field)
{
    int c, rc = get_item(r, field, &c);

    if (rc == 0 && c != '\t')
        rc = bad_end(r, field, c);
    return rc;
}

/* ---- principals ----------------------------------------------------------------------------- */

struct counts {
    int64_t base, name, ntl, nkeys, extra;
};

/* The name is taken by its length: blanks, tabs and bytes over 127 may be in it. */
static int get_name(krbrepl__mit_reader *r, int64_t len)
{
    int64_t i;
    int c;

    for (i = 0; i < len; i++) {
        c = krbrepl__mit_input_get(&r->in);
        if (c == KRBREPL__MIT_EOF)
            return cut_off(r);
        if (c == '\n' || c == '\0')
            return bad(r, "name: it is shorter than its length %lld", (long long)len);
        krbrepl__buf_u8(&r->key, (unsigned)c);
    }
    c = krbrepl__mit_input_get(&r->in);
    if (c == KRBREPL__MIT_EOF)
        return cut_off(r);
    return c == '\t' ? built(r) : bad(r, "name: it does not end after its length %lld", (long long)len);
}

static int get_counts(krbrepl__mit_reader *r, struct counts *n)
{
    int rc;

    memset(n, 0, sizeof *n);
    if ((rc = get_field(r, "base length", 0, UINT16_MAX, &n->base)) != 0 ||
        (rc = get_field(r, "name length", 1, KRBREPL_MAX_KEY, &n->name)) != 0 ||
        (rc = get_field(r, "number of tagged data", 0, KRBREPL__MIT_MAX_ITEMS, &n->ntl)) != 0 ||
        (rc = get_field(r, "number of keys", 0, KRBREPL__MIT_MAX_ITEMS, &n->nkeys)) != 0)
        return rc;
    return get_field(r, "extra data length", 0, KRBREPL__MIT_MAX_DATA, &n->extra);
}

static int get_fixed(krbrepl__mit_reader *r, krbrepl_mit_principal *p, krbrepl_mit_lockout *lockout)
{
    int rc;

    if ((rc = get_s32(r, "attributes", &p->attributes)) != 0 ||
        (rc = get_s32(r, "maximum life", &p->max_life)) != 0 ||
        (rc = get_s32(r, "maximum renewable life", &p->max_renewable_life)) != 0 ||
        (rc = get_u32(r, "expiration", &p->expiration)) != 0 ||
        (rc = get_u32(r, "password expiration", &p->pw_expiration)) != 0 ||
        (rc = get_u32(r, "last success", &lockout->last_success)) != 0 ||
        (rc = get_u32(r, "last failure", &lockout->last_failed)) != 0)
        return rc;
    return get_u32(r, "failed attempts", &lockout->failures);
}

static int get_key(krbrepl__mit_reader *r)
{
    int64_t version = 0, kvno = 0, part;
    int rc;

    if ((rc = get_field(r, "key version", 1, 2, &version)) != 0 ||
        (rc = get_field(r, "kvno", INT16_MIN, UINT16_MAX, &kvno)) != 0)
        return rc;
    krbrepl__mit_put_key(&r->value, (uint64_t)version, (uint64_t)(kvno & 0xffff));
    for (part = 0; part < version; part++)
        if ((rc = get_item_tab(r, part == 0 ? "key" : "salt")) != 0)
            return rc;
    return 0;
}

/* The last field of a principal: extra data, ';', and the end of the line. */
static int get_extra(krbrepl__mit_reader *r, size_t len)
{
    uint8_t *room = krbrepl__mit_put_extra(&r->value, len);
    int c, rc = get_hex(r, "extra data", room, len, &c);

    if (rc != 0)
        return rc;
    if (c != ';')
        return c == KRBREPL__MIT_EOF ? cut_off(r) : bad(r, "extra data: a ';' has to stand behind it");
    c = krbrepl__mit_input_get(&r->in);
    if (c == KRBREPL__MIT_EOF)
        return cut_off(r);
    return c == '\n' ? 0 : bad(r, "the line goes on behind the ';' that ends a principal");
}

static int get_principal(krbrepl__mit_reader *r, krbrepl__mit_entry *out)
{
    krbrepl_mit_principal p;
    struct counts n;
    int64_t i;
    int rc;

    KRBREPL_INIT(&p);
    if ((rc = get_counts(r, &n)) != 0 || (rc = get_name(r, n.name)) != 0 ||
        (rc = get_fixed(r, &p, &out->lockout)) != 0)
        return rc;
    p.base_length = (uint32_t)n.base;
    krbrepl__mit_put_principal(&r->value, &p);
    krbrepl__mit_put_count(&r->value, (size_t)n.ntl);
    for (i = 0; i < n.ntl; i++)
        if ((rc = get_item_tab(r, "tagged data")) != 0)
            return rc;
    krbrepl__mit_put_count(&r->value, (size_t)n.nkeys);
    for (i = 0; i < n.nkeys; i++)
        if ((rc = get_key(r)) != 0)
            return rc;
    out->table = KRBREPL_MIT_TABLE_PRINCIPAL;
    return get_extra(r, (size_t)n.extra);
}

/* ---- policies ------------------------------------------------------------------------------- */

/* A field of text up to its TAB, appended to `b`. */
static int get_text(krbrepl__mit_reader *r, const char *field, krbrepl__buf *b, size_t most)
{
    size_t len = 0;
    int c;

    while ((c = krbrepl__mit_input_get(&r->in)) != '\t') {
        if (c == KRBREPL__MIT_EOF || c == '\n' || c == '\0')
            return bad_end(r, field, c);
        if (len++ == most)
            return bad(r, "%s: it is longer than %llu bytes", field, (unsigned long long)most);
        krbrepl__buf_u8(b, (unsigned)c);
    }
    return len != 0 ? built(r) : bad(r, "%s: it is empty", field);
}

/* The fields that are numbers, in the order of the line. */
static int get_policy_numbers(krbrepl__mit_reader *r, krbrepl_mit_policy *p, unsigned *fields)
{
    static const char *const name[] = {"minimum life",
                                       "maximum life",
                                       "minimum length",
                                       "minimum classes",
                                       "history",
                                       "reference count",
                                       "maximum failures",
                                       "failure interval",
                                       "lockout duration",
                                       "policy attributes",
                                       "maximum life of tickets",
                                       "maximum renewable life of tickets"};
    uint32_t *const to[] = {&p->min_life,     &p->max_life,         &p->min_length,
                            &p->min_classes,  &p->history,          &p->references,
                            &p->max_failures, &p->failure_interval, &p->lockout_duration,
                            &p->attributes,   &p->max_ticket_life,  &p->max_renewable_life};
    int64_t v = 0;
    size_t i;
    int c = '\t', rc;

    for (i = 0; i < 12 && c == '\t'; i++) {
        if ((rc = get_number(r, name[i], S32_MIN, U32_MAX, &v, &c)) != 0)
            return rc;
        *to[i] = (uint32_t)v;
        *fields = (unsigned)i + 2; /* the name is the first */
        if (c != '\t' && c != '\n')
            return bad_end(r, name[i], c);
    }
    /* A line may end behind the number that is the last of a form that the version allows. */
    if (c == '\n' && *fields != r->policy_least && *fields != r->policy_most)
        return bad(r, "the line has %u fields, but a policy in this format has %u", *fields,
                   r->policy_least);
    if (c == '\t' && r->policy_most < 14)
        return bad(r, "a policy in this format has %u fields, but the line has more", r->policy_least);
    return 0;
}

/* The tagged data of a policy, up to the end of the line. */
static int get_policy_items(krbrepl__mit_reader *r)
{
    static const char field[] = "tagged data of the policy";
    int64_t i, n = 0;
    int c, rc;

    if ((rc = get_number(r, field, 0, KRBREPL__MIT_MAX_ITEMS, &n, &c)) != 0)
        return rc;
    krbrepl__mit_put_count(&r->value, (size_t)n);
    for (i = 0; i < n && rc == 0; i++) {
        if (c != '\t')
            return bad_end(r, field, c);
        rc = get_item(r, field, &c);
    }
    if (rc == 0 && c != '\n')
        rc = c == KRBREPL__MIT_EOF ? cut_off(r) : bad(r, "the line goes on behind the policy");
    return rc;
}

static int get_policy(krbrepl__mit_reader *r, krbrepl__mit_entry *out)
{
    krbrepl_mit_policy p;
    krbrepl__buf salts;
    unsigned fields = 1;
    int rc;

    KRBREPL_INIT(&p);
    krbrepl__buf_init(&salts, 0);
    if ((rc = get_text(r, "policy name", &r->key, KRBREPL_MAX_KEY)) != 0 ||
        (rc = get_policy_numbers(r, &p, &fields)) != 0)
        goto done;
    if (fields == 13 &&
        (rc = get_text(r, "allowed key/salt types", &salts, KRBREPL__MIT_MAX_DATA)) != 0)
        goto done;
    if (salts.len != 0 && (salts.len != 1 || salts.data[0] != '-'))
        p.keysalts = (krbrepl_bytes){salts.data, salts.len};
    krbrepl__mit_put_policy(&r->value, &p);
    if (fields == 13)
        rc = get_policy_items(r);
    else
        krbrepl__mit_put_count(&r->value, 0);
    out->table = KRBREPL_MIT_TABLE_POLICY;

done:
    krbrepl__buf_free(&salts);
    return rc;
}

/* ---- the file ------------------------------------------------------------------------------- */

krbrepl__mit_reader *krbrepl__mit_reader_new(const char *name, krbrepl__mit_read_fn *read, void *ctx)
{
    krbrepl__mit_reader *r = krbrepl__alloc(sizeof *r);

    if (r == NULL)
        return NULL;
    r->name = name;
    krbrepl__mit_input_init(&r->in, read, ctx);
    krbrepl__buf_init(&r->key, KRBREPL_MAX_KEY);
    krbrepl__buf_init(&r->value, KRBREPL_MAX_VALUE);
    return r;
}

void krbrepl__mit_reader_free(krbrepl__mit_reader *r)
{
    if (r == NULL)
        return;
    krbrepl__buf_free(&r->key);
    krbrepl__buf_free(&r->value);
    krbrepl__free(r, sizeof *r);
}

/* Reads a word or line of at most room - 1 bytes up to `end`; the byte that ended it. */
static int get_word(krbrepl__mit_reader *r, char *word, size_t room, int end)
{
    size_t n = 0;
    int c;

    while ((c = krbrepl__mit_input_get(&r->in)) != end && c != '\n' && c > '\0' && n + 1 < room)
        word[n++] = (char)c;
    word[n] = '\0';
    return c;
}

/* The rest of a header made for iprop: serial number, seconds, microseconds. */
static int three_numbers(const char *s)
{
    int i;

    for (i = 0; i < 3; i++) {
        if (*s != ' ' && *s != '\t')
            return 0;
        s++;
        if (strspn(s, "0123456789") == 0)
            return 0;
        s += strspn(s, "0123456789");
    }
    return *s == '\0';
}

static void set_version(krbrepl__mit_reader *r, unsigned version, unsigned least, unsigned most)
{
    r->version = version;
    r->policy_least = least;
    r->policy_most = most;
}

static int unknown_format(krbrepl__mit_reader *r, const char *line)
{
    if (strncmp(line, "kdb5_util load_dump version ", 28) == 0 ||
        strncmp(line, "OpenV*Secure", 12) == 0 || strncmp(line, "iprop", 5) == 0)
        return krbrepl__mit_reader_fail(r, 1, r->ei, KRBREPL_ERR_FORMAT,
                                        "the format \"%.60s\" is not read; make the dump with "
                                        "`kdb5_util dump FILE`, without a format option",
                                        line);
    return bad(r, "this is no file made by `kdb5_util dump`: the first line does not say so");
}

int krbrepl__mit_reader_begin(krbrepl__mit_reader *r, krbrepl_errinfo *ei)
{
    static const char dump[] = "kdb5_util load_dump version ";
    char line[128];
    int c;

    r->ei = ei;
    r->line = 1;
    c = get_word(r, line, sizeof line, '\n');
    if (c == KRBREPL__MIT_EOF)
        return r->in.error == 0 && r->in.offset == 0 ? bad(r, "the file is empty") : cut_off(r);
    if (c != '\n')
        return bad(r, "this is no file made by `kdb5_util dump`: the first line does not say so");
    if (strncmp(line, dump, sizeof dump - 1) == 0 && line[sizeof dump - 1] >= '4' &&
        line[sizeof dump - 1] <= '7' && line[sizeof dump] == '\0') {
        c = line[sizeof dump - 1] - '0';
        set_version(r, (unsigned)c, c < 6 ? 7 : (c == 6 ? 10 : 14), c < 6 ? 7 : (c == 6 ? 10 : 14));
    } else if (strncmp(line, "ipropx 1", 8) == 0 && three_numbers(line + 8)) {
        set_version(r, 0, 10, 14);
    } else if ((strncmp(line, "ipropx 0", 8) == 0 && three_numbers(line + 8)) ||
               (strncmp(line, "iprop", 5) == 0 && three_numbers(line + 5))) {
        set_version(r, 0, 7, 7);
    } else {
        return unknown_format(r, line);
    }
    return 0;
}

int krbrepl__mit_reader_next(krbrepl__mit_reader *r, krbrepl__mit_entry *out, krbrepl_errinfo *ei)
{
    char word[16];
    int c, rc;

    r->ei = ei;
    r->line = r->in.line;
    memset(out, 0, sizeof *out);
    krbrepl__buf_reset(&r->key);
    krbrepl__buf_reset(&r->value);
    c = get_word(r, word, sizeof word, '\t');
    if (c == KRBREPL__MIT_EOF && word[0] == '\0' && r->in.error == 0)
        return 0;
    if (c == KRBREPL__MIT_EOF)
        return cut_off(r);
    if (c == '\t' && strcmp(word, "princ") == 0)
        rc = get_principal(r, out);
    else if (c == '\t' && strcmp(word, "policy") == 0)
        rc = get_policy(r, out);
    else
        return bad(r, "a line has to begin with princ or policy and a TAB");
    if (rc != 0 || (rc = built(r)) != 0)
        return rc;
    out->key = (krbrepl_bytes){r->key.data, r->key.len};
    out->value = (krbrepl_bytes){r->value.data, r->value.len};
    out->line = r->line;
    return 1;
}
