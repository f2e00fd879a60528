/* token.c: bytes as words of a line of text. */
#include "token.h"

#include <string.h>

#include "json.h"
#include "prog.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_bare(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("-_./@+:=,~%^!?;", c) != NULL;
}

static int read_hex(char **p, const char *end, size_t *len, const char **why)
{
    char *out = *p;

    *p += 2;
    *len = 0;
    while (*p < end && !is_blank(**p)) {
        int high = prog_hexdigit(**p), low = *p + 1 < end ? prog_hexdigit((*p)[1]) : -1;

        if (high < 0 || low < 0) {
            *why = "a word that begins with 0x has pairs of hexadecimal digits";
            return -1;
        }
        out[(*len)++] = (char)(high << 4 | low);
        *p += 2;
    }
    return 1;
}

/* What stands behind a backslash; -1 when nothing can. */
static int read_escape(char **p, const char *end)
{
    static const char from[] = "\"\\ntr", to[] = "\"\\\n\t\r";
    const char *found;
    int high, low;

    if (*p >= end)
        return -1;
    if (**p == 'x') {
        high = *p + 1 < end ? prog_hexdigit((*p)[1]) : -1;
        low = *p + 2 < end ? prog_hexdigit((*p)[2]) : -1;
        *p += 3;
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }
    found = **p != '\0' ? strchr(from, **p) : NULL;
    (*p)++;
    return found != NULL ? to[found - from] : -1;
}

static int read_quoted(char **p, const char *end, size_t *len, const char **why)
{
    char *out = (*p)++;
    int c;

    *len = 0;
    while (*p < end && **p != '"') {
        c = (unsigned char)*(*p)++;
        if (c == '\\' && (c = read_escape(p, end)) < 0) {
            *why = "behind a backslash stands one of \" \\ n t r or xHH";
            return -1;
        }
        out[(*len)++] = (char)c;
    }
    if (*p >= end) {
        *why = "a quoted word has no closing quote on its line";
        return -1;
    }
    (*p)++;
    if (*p < end && !is_blank(**p)) {
        *why = "a blank has to follow a quoted word";
        return -1;
    }
    return 1;
}

static int read_bare(char **p, const char *end, size_t *len, const char **why)
{
    char *start = *p;

    while (*p < end && !is_blank(**p)) {
        if (!is_bare(**p)) {
            *why = "a word with this character has to be quoted or in hexadecimal";
            return -1;
        }
        (*p)++;
    }
    *len = (size_t)(*p - start);
    return 1;
}

int token_next(char **p, char *end, uint8_t **out, size_t *len, const char **why)
{
    while (*p < end && is_blank(**p))
        (*p)++;
    if (*p >= end)
        return 0;
    *out = (uint8_t *)*p;
    if (**p == '"')
        return read_quoted(p, end, len, why);
    if (**p == '0' && *p + 1 < end && (*p)[1] == 'x')
        return read_hex(p, end, len, why);
    return read_bare(p, end, len, why);
}

static void write_hex(FILE *f, const uint8_t *p, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    fputs("0x", f);
    for (i = 0; i < len; i++) {
        putc(digits[p[i] >> 4], f);
        putc(digits[p[i] & 15], f);
    }
}

static void write_quoted(FILE *f, const uint8_t *p, size_t len)
{
    size_t i;

    putc('"', f);
    for (i = 0; i < len; i++) {
        if (p[i] == '"' || p[i] == '\\')
            putc('\\', f);
        putc(p[i], f);
    }
    putc('"', f);
}

void token_write(FILE *f, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t i;

    for (i = 0; i < len; i++)
        if (p[i] < 0x20 || p[i] > 0x7e)
            break;
    if (i == len)
        write_quoted(f, p, len);
    else
        write_hex(f, p, len);
}

void token_show(FILE *f, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t i;

    for (i = 0; i < len; i++)
        if (!is_bare((char)p[i]))
            break;
    if (i == len && len > 0 && !(len > 1 && p[0] == '0' && p[1] == 'x'))
        fwrite(p, 1, len, f);
    else if (json_is_text(p, len))
        write_quoted(f, p, len);
    else
        write_hex(f, p, len);
}
