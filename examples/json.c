/* json.c: writes JSON. */
#include "json.h"

#include <inttypes.h>
#include <string.h>

#include "times.h"

void json_start(struct json *j, FILE *f)
{
    memset(j, 0, sizeof *j);
    j->f = f;
}

size_t json_utf8(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t c;
    size_t n, i;

    if (len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    n = p[0] >= 0xf0 && p[0] < 0xf8   ? 4
        : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
        : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                                      : 0;
    if (n == 0 || len < n)
        return 0;
    c = p[0] & (0xffu >> (n + 1));
    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
        return 0;
    return n;
}

bool json_is_text(const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t i, n;

    for (i = 0; i < len; i += n) {
        n = json_utf8(p + i, len - i);
        if (n == 0 || p[i] < 0x20 || p[i] == 0x7f)
            return false;
        /* U+0080 to U+009F are control characters too. */
        if (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)
            return false;
    }
    return true;
}

static void escaped(FILE *f, uint8_t c)
{
    switch (c) {
    case '"':
        fputs("\\\"", f);
        break;
    case '\\':
        fputs("\\\\", f);
        break;
    case '\n':
        fputs("\\n", f);
        break;
    case '\t':
        fputs("\\t", f);
        break;
    default:
        if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
}

static void quoted(FILE *f, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t i, n;

    fputc('"', f);
    for (i = 0; i < len; i += n) {
        n = json_utf8(p + i, len - i);
        if (n == 0) {
            fputs("\\ufffd", f);
            n = 1;
        } else if (n == 1) {
            escaped(f, p[i]);
        } else {
            fwrite(p + i, 1, n, f);
        }
    }
    fputc('"', f);
}

static void member(struct json *j, const char *key)
{
    if (j->comma)
        fputc(',', j->f);
    j->comma = true;
    if (key != NULL) {
        quoted(j->f, key, strlen(key));
        fputc(':', j->f);
    }
}

void json_open(struct json *j, const char *key, char bracket)
{
    member(j, key);
    fputc(bracket, j->f);
    j->comma = false;
    j->depth++;
}

void json_close(struct json *j, char bracket)
{
    fputc(bracket, j->f);
    j->comma = true;
    if (--j->depth == 0) {
        fputc('\n', j->f);
        j->comma = false;
    }
}

void json_text(struct json *j, const char *key, const char *text)
{
    member(j, key);
    quoted(j->f, text, strlen(text));
}

void json_hex(struct json *j, const char *key, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t i;

    member(j, key);
    fputc('"', j->f);
    for (i = 0; i < len; i++)
        fprintf(j->f, "%02x", p[i]);
    fputc('"', j->f);
}

void json_bytes(struct json *j, const char *key, const void *data, size_t len)
{
    char with_suffix[64];

    if (json_is_text(data, len)) {
        member(j, key);
        quoted(j->f, data, len);
        return;
    }
    snprintf(with_suffix, sizeof with_suffix, "%s_hex", key);
    json_hex(j, with_suffix, data, len);
}

void json_u64(struct json *j, const char *key, uint64_t n)
{
    member(j, key);
    fprintf(j->f, "%" PRIu64, n);
}

void json_i64(struct json *j, const char *key, int64_t n)
{
    member(j, key);
    fprintf(j->f, "%" PRId64, n);
}

void json_bool(struct json *j, const char *key, bool b)
{
    member(j, key);
    fputs(b ? "true" : "false", j->f);
}

void json_time(struct json *j, const char *key, int64_t us)
{
    char buf[TIMES_ROOM];

    if (us != 0) {
        json_text(j, key, times_stamp(buf, us));
        return;
    }
    member(j, key);
    fputs("null", j->f);
}
