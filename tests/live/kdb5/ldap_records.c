/* ldap_records.c: random principals and policies, written through libkrbrepl-kdb5 to the realm in a directory that the
 * environment names, come back byte for byte, whatever was there before; what does not is refused by name.
 *
 *   ldap_records REALM ROUNDS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <krbrepl/kdb5.h>

#include "buf.h"
#include "mitcase.h"

#define NAMES 40u
#define MANY 4u

static char noted[1000];
static krbrepl_kdb5 *db;
static struct {
    char key[80];
    void *value;
    size_t len;
} had[NAMES];

static void note(void *ctx, const char *text)
{
    (void)ctx;
    snprintf(noted, sizeof noted, "%s", text);
}

static void die(const char *what, const char *more)
{
    printf("ldap_records: %s: %s\n", what, more);
    exit(1);
}

/* ---- kadmin's data ----------------------------------------------------------------------------- */

static void opaque(krbrepl__buf *b, rnd *r, uint32_t len)
{
    uint32_t i;

    krbrepl__buf_u32(b, len);
    for (i = 0; i < (len + 3) / 4 * 4; i++)
        krbrepl__buf_u8(b, i < len ? rnd_u32(r) & 255 : 0);
}

static void old_key(krbrepl__buf *b, rnd *r, uint32_t kvno)
{
    const uint32_t version = 1 + rnd_below(r, 2), len = 1 + rnd_below(r, 70),
                   salt = version == 2 ? rnd_below(r, 9) : 0;

    krbrepl__buf_u32(b, version);
    krbrepl__buf_u32(b, kvno);
    krbrepl__buf_u32(b, 18);
    krbrepl__buf_u32(b, version == 2 ? 4 : 0);
    krbrepl__buf_u32(b, len);
    krbrepl__buf_u32(b, salt);
    opaque(b, r, len);
    opaque(b, r, salt);
}

/* With a policy or none, and a ring of old passwords that may begin in its middle. */
static void kadm(krbrepl__buf *b, rnd *r)
{
    const uint32_t sets = rnd_below(r, MANY + 1), next = sets != 0 ? rnd_below(r, sets) : 0;
    const int with = (int)rnd_below(r, 2);
    uint32_t i, j, n;

    krbrepl__buf_u32(b, 0x12345c01);
    krbrepl__buf_u32(b, with ? 6 : 0);
    if (with)
        krbrepl__buf_bytes(b, "staff\0\0", 8);
    krbrepl__buf_u32(b, with ? 0x800 : 0);
    krbrepl__buf_u32(b, next);
    krbrepl__buf_u32(b, rnd_below(r, 3));
    krbrepl__buf_u32(b, sets);
    for (i = 0; i < sets; i++) {
        n = 1 + rnd_below(r, 3);
        krbrepl__buf_u32(b, n);
        for (j = 0; j < n; j++)
            old_key(b, r, 10 + (i + sets - next) % sets);
    }
}

/* ---- principals -------------------------------------------------------------------------------- */

static const struct {
    int64_t type;
    const char *bytes; /* NULL: any, and any number */
    size_t len;
} kinds[] = {
    {1, "abcd", 4},         {2, NULL, 0},
    {4, NULL, 0},           {5, NULL, 0},
    {8, "\1\0", 2},         {9, NULL, 0},
    {10, NULL, 0},          {11, "color\0blue\0require_auth\0otp pkinit", 35},
    {0x100, NULL, 0},       {0x400, NULL, 0},
    {0x700, "\0\0\1\2", 4}, {0x700, "\0\0\0\0", 4},
    {255, NULL, 0},         {27506, NULL, 0},
    {-5, NULL, 0},          {300, NULL, 0},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* Some kinds of tagged data, in any order, and mostly kadmin's. */
static size_t tagged(rnd *r, const uint8_t *bytes, krbrepl_bytes kadmin, krbrepl_mit_item *tl)
{
    size_t i, n = 0, at = rnd_below(r, KINDS);
    int unlocked = 0;

    for (i = 0; i < 8; i++, at = (at + 5) % KINDS) {
        if (rnd_below(r, 3) == 0)
            continue;
        if (kinds[at].type == 0x700 && unlocked++)
            continue;
        tl[n].type = kinds[at].type;
        tl[n++].data = kinds[at].bytes != NULL
                           ? (krbrepl_bytes){kinds[at].bytes, kinds[at].len}
                           : (krbrepl_bytes){bytes, rnd_below(r, rnd_below(r, 20) == 0 ? 60000 : 60)};
    }
    if (rnd_below(r, 4) != 0) {
        tl[n].type = 3;
        tl[n++].data = kadmin;
    }
    return n;
}

static void *principal(rnd *r, any_principal *a, size_t *len)
{
    krbrepl_mit_item tl[16];
    krbrepl__buf b;
    void *value = NULL;
    size_t i;

    any_principal_make(a, r);
    krbrepl__buf_init(&b, 0);
    kadm(&b, r);
    a->p.base_length = 38;
    a->p.extra.len = 0;
    a->p.tl = tl;
    a->p.ntl = tagged(r, a->bytes, (krbrepl_bytes){b.data, b.len}, tl);
    for (i = 0; i < a->p.nkeys; i++) {
        a->keys[i].kvno = 900 - i / 2;
        if (a->keys[i].part[0].data.len == 0)
            a->keys[i].part[0].data = (krbrepl_bytes){a->bytes, 16};
    }
    if (krbrepl_mit_principal_encode(&a->p, &value, len, NULL) != 0)
        die("encoding", "a principal");
    krbrepl__buf_free(&b);
    return value;
}

static void *policy(rnd *r, any_policy *a, size_t *len)
{
    void *value = NULL;

    any_policy_make(a, r);
    a->p.references = 0;
    a->p.ntl = 0;
    if (krbrepl_mit_policy_encode(&a->p, &value, len, NULL) != 0)
        die("encoding", "a policy");
    return value;
}

/* ---- the work ---------------------------------------------------------------------------------- */

static const char *table(unsigned i)
{
    return i < NAMES / 4 ? KRBREPL_MIT_TABLE_POLICY : KRBREPL_MIT_TABLE_PRINCIPAL;
}

static int is_there(unsigned i)
{
    krbrepl_bytes got;
    const int rc =
        krbrepl_kdb5_ops(db)->get(db, table(i), (krbrepl_bytes){had[i].key, strlen(had[i].key)}, &got);

    if (had[i].value == NULL)
        return rc == KRBREPL_ERR_NOTFOUND;
    return rc == 0 && got.len == had[i].len && memcmp(got.data, had[i].value, got.len) == 0;
}

static void change(rnd *r, any_principal *a, any_policy *p)
{
    const unsigned i = rnd_below(r, NAMES);
    krbrepl_change c;
    const krbrepl_change *all[1] = {&c};

    KRBREPL_INIT(&c);
    krbrepl_mit_free(had[i].value, had[i].len);
    had[i].value = NULL;
    had[i].len = 0;
    if (rnd_below(r, 8) != 0)
        had[i].value = i < NAMES / 4 ? policy(r, p, &had[i].len) : principal(r, a, &had[i].len);
    c.op = had[i].value != NULL ? KRBREPL_PUT : KRBREPL_DELETE;
    c.table = table(i);
    c.key = (krbrepl_bytes){had[i].key, strlen(had[i].key)};
    c.value = (krbrepl_bytes){had[i].value, had[i].len};
    noted[0] = '\0';
    if (krbrepl_kdb5_ops(db)->apply(db, all, 1, NULL) != 0)
        die("writing", noted);
    if (!is_there(i))
        die("what comes back is something else", had[i].key);
}

int main(int argc, char **argv)
{
    any_principal *a = calloc(1, sizeof *a);
    any_policy *p = calloc(1, sizeof *p);
    krbrepl_kdb5_options o;
    krbrepl_errinfo ei;
    rnd r = {11};
    unsigned i;
    int rounds;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.note = note;
    if (argc != 3 || a == NULL || p == NULL)
        die("usage", "ldap_records REALM ROUNDS");
    if (krbrepl_kdb5_open(&db, &o, &ei) != 0)
        die("opening", ei.text);
    for (i = NAMES / 4; i < NAMES; i++)
        snprintf(had[i].key, sizeof had[i].key, "user%u/a\\/b*(c)@%s", i, argv[1]);
    for (i = 0; i < NAMES / 4; i++)
        snprintf(had[i].key, sizeof had[i].key, "policy (%u)", i);
    for (rounds = atoi(argv[2]); rounds > 0; rounds--)
        change(&r, a, p);
    for (i = 0; i < NAMES; i++) {
        if (!is_there(i))
            die("a record has changed since it was written", had[i].key);
        krbrepl_mit_free(had[i].value, had[i].len);
    }
    krbrepl_kdb5_close(db);
    free(a);
    free(p);
    printf("ldap_records: %s records came back as they were written\n", argv[2]);
    return 0;
}
