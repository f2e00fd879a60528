/* native.c: files of `krbrepl dump --format native`. */
#include "native.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lines.h"
#include "prog.h"
#include "progress.h"
#include "times.h"
#include "token.h"

#define DIGEST_LEN 32

/* Lines are made in memory first, because every byte goes two ways: into the digest and into the file. */
struct writer {
    FILE *f;
    EVP_MD_CTX *digest;
    uint64_t records, total;
};

static int emit(struct writer *w, char *line, size_t len)
{
    int rc = 0;

    if (EVP_DigestUpdate(w->digest, line, len) != 1 || fwrite(line, 1, len, w->f) != len)
        rc = NATIVE_WRITE;
    prog_wipe_free(line, len);
    return rc;
}

static int write_record(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct writer *w = ctx;
    char *line = NULL;
    size_t len = 0;
    FILE *m = open_memstream(&line, &len);

    if (m == NULL)
        return NATIVE_WRITE;
    fprintf(m, "put %s ", table);
    token_write(m, key.data, key.len);
    putc(' ', m);
    token_write(m, value.data, value.len);
    putc('\n', m);
    if (fclose(m) != 0) {
        free(line);
        return NATIVE_WRITE;
    }
    w->records++;
    progress_show(NULL, "write", w->records, w->total);
    return emit(w, line, len);
}

static int write_head(struct writer *w, const krbrepl_store_info *info, const krbrepl_pos *pos)
{
    char id[33], lineage[33], chain[65], *line;

    prog_hex(id, info->database_id, 16);
    prog_hex(lineage, pos->lineage, 16);
    prog_hex(chain, pos->chain, 32);
    line = prog_format(NATIVE_MAGIC "\ndatabase 0x%s\nposition %" PRIu64 " %" PRIu64 " 0x%s 0x%s\n", id,
                       pos->seq, pos->epoch, lineage, chain);
    return emit(w, line, strlen(line));
}

static int write_end(struct writer *w)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    char hex[2 * DIGEST_LEN + 1];

    if (EVP_DigestFinal_ex(w->digest, sum, NULL) != 1)
        return NATIVE_WRITE;
    prog_hex(hex, sum, DIGEST_LEN);
    if (fprintf(w->f, "end %" PRIu64 " 0x%s\n", w->records, hex) < 0 || fflush(w->f) != 0)
        return NATIVE_WRITE;
    return 0;
}

int native_write(krbrepl_store *s, FILE *f, krbrepl_pos *pos, uint64_t *records)
{
    struct writer w = {.f = f, .digest = EVP_MD_CTX_new()};
    krbrepl_store_info info;
    krbrepl_view *view = NULL;
    int rc;

    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(s, &info);
    if (rc == 0)
        rc = krbrepl_view_open(s, &view);
    if (rc == 0)
        rc = krbrepl_view_pos(view, pos);
    w.total = info.records;
    if (rc == 0 && (w.digest == NULL || EVP_DigestInit_ex(w.digest, EVP_sha256(), NULL) != 1))
        rc = NATIVE_WRITE;
    if (rc == 0)
        rc = write_head(&w, &info, pos);
    if (rc == 0)
        rc = krbrepl_view_each(view, NULL, NULL, NULL, 0, write_record, &w);
    if (rc == 0)
        rc = write_end(&w);
    *records = w.records;
    krbrepl_view_close(view);
    EVP_MD_CTX_free(w.digest);
    return rc;
}

struct reader {
    struct lines in;
    EVP_MD_CTX *digest;
    native_each_fn *each;
    void *ctx;
    uint64_t records;
    int state; /* number of head lines seen, then HEAD_LINES; ENDED after the line `end` */
    const char *wrong;
};

#define HEAD_LINES 3
#define ENDED 4
#define WORDS 5

static bool is(const char *word, const uint8_t *data, size_t len)
{
    return len == strlen(word) && memcmp(word, data, len) == 0;
}

static int split(struct reader *r, uint8_t *words[WORDS], size_t lens[WORDS])
{
    char *p = r->in.buf, *end = r->in.buf + r->in.len;
    uint8_t *word;
    size_t len;
    int n = 0, rc;

    while ((rc = token_next(&p, end, &word, &len, &r->wrong)) == 1) {
        if (n == WORDS) {
            r->wrong = "there is a word too many";
            return -1;
        }
        words[n] = word;
        lens[n++] = len;
    }
    return rc == 0 ? n : -1;
}

static void check_head(struct reader *r, int n, uint8_t *const words[WORDS], const size_t lens[WORDS])
{
    if (r->state == 1 && n == 2 && is("database", words[0], lens[0]) && lens[1] == 16)
        r->state = 2;
    else if (r->state == 2 && n == 5 && is("position", words[0], lens[0]))
        r->state = HEAD_LINES;
    else
        r->wrong = r->state == 1 ? "the line `database 0xID` is missing"
                                 : "the line `position ...` is missing";
}

static void check_end(struct reader *r, int n, uint8_t *const words[WORDS], const size_t lens[WORDS])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    char text[24];
    uint64_t records;

    if (n != 3 || lens[1] >= sizeof text || lens[2] != DIGEST_LEN) {
        r->wrong = "the line `end RECORDS 0xDIGEST` is malformed";
        return;
    }
    memcpy(text, words[1], lens[1]);
    text[lens[1]] = '\0';
    if (!times_parse_number(text, &records) || records != r->records)
        r->wrong = "there are not as many records as the line `end` says";
    else if (EVP_DigestFinal_ex(r->digest, sum, NULL) != 1 || memcmp(sum, words[2], DIGEST_LEN) != 0)
        r->wrong = "the file was altered: its bytes do not match the digest in the line `end`";
    else
        r->state = ENDED;
}

static int take_record(struct reader *r, uint8_t *const words[WORDS], const size_t lens[WORDS])
{
    krbrepl_bytes key = {words[2], lens[2]}, value = {words[3], lens[3]};
    char table[KRBREPL_MAX_TABLE + 1];

    if (lens[1] == 0 || lens[1] > KRBREPL_MAX_TABLE || memchr(words[1], 0, lens[1]) != NULL) {
        r->wrong = "a table has a name of 1 to 32 of the characters a-z 0-9 _ -";
        return 0;
    }
    memcpy(table, words[1], lens[1]);
    table[lens[1]] = '\0';
    r->records++;
    return r->each(r->ctx, table, key, value);
}

static int take_line(struct reader *r)
{
    uint8_t *words[WORDS];
    size_t lens[WORDS];
    int n;

    if (r->state == 0) {
        if (r->in.len == strlen(NATIVE_MAGIC) && memcmp(r->in.buf, NATIVE_MAGIC, r->in.len) == 0)
            r->state = 1;
        else
            r->wrong = "the file does not begin with `" NATIVE_MAGIC "`";
        return 0;
    }
    n = split(r, words, lens);
    if (n < 0)
        return 0;
    if (r->state < HEAD_LINES)
        check_head(r, n, words, lens);
    else if (r->state == ENDED)
        r->wrong = "something stands behind the line `end`";
    else if (n == 4 && is("put", words[0], lens[0]))
        return take_record(r, words, lens);
    else if (n >= 1 && is("end", words[0], lens[0]))
        check_end(r, n, words, lens);
    else
        r->wrong = "a line is `put TABLE KEY VALUE` or `end RECORDS 0xDIGEST`";
    return 0;
}

/* Before the words are taken apart, which is done in place. The line `end` is not covered. */
static bool add_to_digest(struct reader *r)
{
    bool is_end = r->state >= HEAD_LINES && r->in.len >= 4 && memcmp(r->in.buf, "end ", 4) == 0;

    return is_end || (EVP_DigestUpdate(r->digest, r->in.buf, r->in.len) == 1 &&
                      EVP_DigestUpdate(r->digest, "\n", 1) == 1);
}

int native_read(FILE *f, native_each_fn *each, void *ctx, char *why, size_t room)
{
    struct reader r = {.digest = EVP_MD_CTX_new(), .each = each, .ctx = ctx};
    int more = 0, rc = 0;

    lines_start(&r.in, f);
    if (r.digest == NULL || EVP_DigestInit_ex(r.digest, EVP_sha256(), NULL) != 1)
        r.wrong = "SHA-256 is not to be had";
    while (rc == 0 && r.wrong == NULL && (more = lines_next(&r.in, &r.wrong)) == 1) {
        if (!add_to_digest(&r))
            r.wrong = "SHA-256 failed";
        else
            rc = take_line(&r);
        progress_show(NULL, "read", r.records, 0);
    }
    if (rc == 0 && r.wrong == NULL && r.state != ENDED)
        r.wrong = "the file was cut off: the line `end` is missing";
    if (rc == 0 && r.wrong != NULL) {
        snprintf(why, room, "line %" PRIu64 ": %s", r.in.number, r.wrong);
        rc = KRBREPL_ERR_INPUT;
    }
    lines_end(&r.in);
    EVP_MD_CTX_free(r.digest);
    return rc;
}
