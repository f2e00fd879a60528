/* dumpset.c: what is in a dump file, whatever its order. */
#include "dumpset.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lines.h"
#include "prog.h"

/* Fields of a principal's line, from 1: the length of its name, the name, the three counters. */
#define NAME_LENGTH 3
#define NAME 7
#define COUNTERS_FIRST 13
#define COUNTERS_LAST 15

struct hashing {
    EVP_MD_CTX *all, *content;
};

static bool is_number(const char *p, size_t len)
{
    size_t i;

    for (i = 1; i < len; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return len > 1 && len < 12 && p[0] == '-';
}

/* Attributes and lives are signed in some releases and unsigned in others. */
static bool add_field(struct hashing *h, const char *p, size_t len, bool counter)
{
    char text[16];
    bool ok;

    if (is_number(p, len)) {
        len = (size_t)snprintf(text, sizeof text, "%u", (unsigned)strtol(p, NULL, 10));
        p = text;
    }
    ok = EVP_DigestUpdate(h->all, p, len) == 1 && EVP_DigestUpdate(h->all, "\t", 1) == 1;
    if (ok && !counter)
        ok = EVP_DigestUpdate(h->content, p, len) == 1 && EVP_DigestUpdate(h->content, "\t", 1) == 1;
    return ok;
}

static void take_name(struct dumpset_entry *e, const char *p, size_t len)
{
    e->name = prog_alloc(len + 1);
    memcpy(e->name, p, len);
    e->name[len] = '\0';
}

/* The fields of a line without its newline. False: it is none of a principal or of a policy. */
static bool each_field(struct hashing *h, struct dumpset_entry *e, char *line, size_t len)
{
    char *p = line, *end = line + len, *tab;
    size_t at, name_len = 0;
    bool ok = true;

    for (at = 1; ok && p <= end; at++, p = tab + 1) {
        tab = memchr(p, '\t', (size_t)(end - p));
        if (tab == NULL)
            tab = end;
        if (at == 1) {
            e->policy = tab - p == 6 && memcmp(p, "policy", 6) == 0;
            ok = e->policy || (tab - p == 5 && memcmp(p, "princ", 5) == 0);
        } else if (at == NAME_LENGTH && !e->policy) {
            name_len = strtoul(p, NULL, 10);
        } else if (at == (e->policy ? 2 : NAME)) {
            /* There may be a TAB in the name of a principal. */
            if (!e->policy && name_len <= (size_t)(end - p))
                tab = p + name_len;
            take_name(e, p, (size_t)(tab - p));
        }
        ok = ok && add_field(h, p, (size_t)(tab - p),
                             !e->policy && at >= COUNTERS_FIRST && at <= COUNTERS_LAST);
    }
    return ok && e->name != NULL;
}

static bool digest_line(struct dumpset_entry *e, char *line, size_t len)
{
    struct hashing h = {EVP_MD_CTX_new(), EVP_MD_CTX_new()};
    bool ok = h.all != NULL && h.content != NULL && EVP_DigestInit_ex(h.all, EVP_sha256(), NULL) == 1 &&
              EVP_DigestInit_ex(h.content, EVP_sha256(), NULL) == 1 && each_field(&h, e, line, len) &&
              EVP_DigestFinal_ex(h.all, e->all, NULL) == 1 &&
              EVP_DigestFinal_ex(h.content, e->content, NULL) == 1;

    EVP_MD_CTX_free(h.all);
    EVP_MD_CTX_free(h.content);
    return ok;
}

static int order(const struct dumpset_entry *a, const struct dumpset_entry *b)
{
    return a->policy != b->policy ? (int)a->policy - (int)b->policy : strcmp(a->name, b->name);
}

static int by_name(const void *a, const void *b)
{
    return order(a, b);
}

static bool add_line(struct dumpset *s, char *line, size_t len)
{
    struct dumpset_entry e = {0};

    if (!digest_line(&e, line, len)) {
        free(e.name);
        return false;
    }
    if (s->n == s->room) {
        s->room = s->room == 0 ? 1024 : s->room * 2;
        s->entries = s->entries == NULL ? prog_alloc(s->room * sizeof *s->entries)
                                        : prog_grow(s->entries, s->room * sizeof *s->entries);
    }
    s->entries[s->n++] = e;
    s->policies += e.policy;
    s->principals += !e.policy;
    return true;
}

bool dumpset_read(struct dumpset *s, FILE *f, char **why)
{
    const char *wrong = "it is neither a principal nor a policy";
    struct lines in;
    bool ok = true;
    int more = 1;

    memset(s, 0, sizeof *s);
    lines_start(&in, f);
    while (ok && (more = lines_next(&in, &wrong)) == 1)
        /* The first line tells the format, which whoever loads the file checks. */
        ok = in.number == 1 || add_line(s, in.buf, in.len);
    ok = ok && more == 0;
    if (!ok)
        *why = prog_format("line %llu of the dump: %s", (unsigned long long)in.number, wrong);
    lines_end(&in);
    if (s->n > 0)
        qsort(s->entries, s->n, sizeof *s->entries, by_name);
    return ok;
}

void dumpset_free(struct dumpset *s)
{
    size_t i;

    for (i = 0; i < s->n; i++)
        free(s->entries[i].name);
    free(s->entries);
    memset(s, 0, sizeof *s);
}

void dumpset_compare(const struct dumpset *before, const struct dumpset *after, dumpset_fn *fn,
                     void *ctx)
{
    const struct dumpset_entry *a = before->entries, *b = after->entries;
    size_t i = 0, k = 0;
    int cmp;

    while (i < before->n || k < after->n) {
        cmp = i == before->n ? 1 : k == after->n ? -1 : order(&a[i], &b[k]);
        if (cmp < 0)
            fn(ctx, DUMPSET_DELETED, &a[i]);
        else if (cmp > 0)
            fn(ctx, DUMPSET_ADDED, &b[k]);
        else if (memcmp(a[i].content, b[k].content, sizeof a[i].content) != 0)
            fn(ctx, DUMPSET_CHANGED, &b[k]);
        else if (memcmp(a[i].all, b[k].all, sizeof a[i].all) != 0)
            fn(ctx, DUMPSET_COUNTED, &b[k]);
        i += cmp <= 0;
        k += cmp >= 0;
    }
}

void dumpset_digest(const struct dumpset *s, uint8_t out[32])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    size_t i;

    for (i = 0; ok && i < s->n; i++)
        ok = EVP_DigestUpdate(md, s->entries[i].all, sizeof s->entries[i].all) == 1;
    memset(out, 0, 32);
    if (ok)
        (void)EVP_DigestFinal_ex(md, out, NULL);
    EVP_MD_CTX_free(md);
}
