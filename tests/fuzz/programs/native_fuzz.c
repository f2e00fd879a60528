/* Files of `krbrepl dump --format native`. An input that begins with '+' is lines of records: the right head
 * and the right last line, which a fuzzer would not find, are put around it. Anything else is a whole file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "fuzz.h"
#include "native.h"
#include "prog.h"

static const char head[] = NATIVE_MAGIC "\ndatabase 0x000102030405060708090a0b0c0d0e0f\n"
                                        "position 7 1 0x00112233445566778899aabbccddeeff 0x00\n";

struct seen {
    uint64_t records;
};

static int take(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct seen *s = ctx;

    MUST(strlen(table) >= 1 && strlen(table) <= KRBREPL_MAX_TABLE);
    (void)key, (void)value;
    s->records++;
    return 0;
}

/* The head, the lines, and `end` with their number and their digest. */
static char *complete(const uint8_t *p, size_t n, size_t *len)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    char *text = malloc(sizeof head + n + 128), hex[65];
    uint64_t lines = 0;
    size_t i, at = sizeof head - 1;

    MUST(text != NULL);
    memcpy(text, head, at);
    memcpy(text + at, p, n);
    at += n;
    for (i = 0; i < n; i++)
        lines += p[i] == '\n';
    MUST(EVP_Digest(text, at, sum, NULL, EVP_sha256(), NULL) == 1);
    prog_hex(hex, sum, 32);
    *len = at + (size_t)snprintf(text + at, 128, "end %" PRIu64 " 0x%s\n", lines, hex);
    return text;
}

static int read_text(char *text, size_t len, struct seen *s)
{
    char why[200] = "";
    FILE *f = fmemopen(text, len, "r");
    int rc;

    MUST(f != NULL);
    rc = native_read(f, take, s, why, sizeof why);
    fclose(f);
    MUST((rc == 0) == (why[0] == '\0'));
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct seen s = {0};
    size_t len = n;
    char *text;

    if (n == 0)
        return 0;
    if (p[0] == '+') {
        text = complete(p + 1, n - 1, &len);
    } else {
        text = malloc(n);
        MUST(text != NULL);
        memcpy(text, p, n);
    }
    if (read_text(text, len, &s) == 0 && len > 2) {
        /* Not one byte before the line `end` can go unnoticed. */
        text[len / 2] ^= 1;
        MUST(len / 2 + 70 > len || read_text(text, len, &s) != 0);
    }
    free(text);
    return 0;
}
