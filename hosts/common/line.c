#include "line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 2048u /* a name alone may have 64 KiB */

void krbrepl__line_put(krbrepl__buf *b, const char *fmt, ...)
{
    char text[128];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    krbrepl__buf_bytes(b, text, strlen(text));
}

void krbrepl__line_text(krbrepl__buf *b, const void *text, size_t len)
{
    const uint8_t *p = text;
    size_t i;

    for (i = 0; i < len && i < TEXT_MAX_BYTES; i++)
        krbrepl__buf_u8(b, p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i]);
    if (i < len)
        krbrepl__line_put(b, "...");
}

/* The names that both kinds of KDC have for the numbers of RFC 3961 and its like. */
void krbrepl__line_enctype(krbrepl__buf *b, int64_t type)
{
    static const struct {
        int64_t type;
        const char *name;
    } known[] = {{1, "des-cbc-crc"},     {3, "des-cbc-md5"},   {16, "des3-cbc-sha1"},
                 {17, "aes128-cts"},     {18, "aes256-cts"},   {19, "aes128-sha2"},
                 {20, "aes256-sha2"},    {23, "arcfour-hmac"}, {25, "camellia128-cts"},
                 {26, "camellia256-cts"}};
    size_t i;

    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].type == type) {
            krbrepl__line_put(b, "%s", known[i].name);
            return;
        }
    krbrepl__line_put(b, "enctype %" PRId64, type);
}

int krbrepl__line_out(const krbrepl__buf *b, char *buf, size_t room)
{
    size_t n = b->len < room ? b->len : room - (room != 0);

    if (b->err != 0)
        return b->err;
    if (room == 0)
        return (int)b->len;
    if (n != 0)
        memcpy(buf, b->data, n);
    buf[n] = '\0';
    return (int)b->len;
}
