/* Lines of words, as `krbrepl batch` reads them: a word that was taken is written so that it reads the same. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "lines.h"
#include "token.h"

static void check_again(void (*put)(FILE *, const void *, size_t), const uint8_t *word, size_t len)
{
    char *line = NULL, *p;
    const char *why = NULL;
    uint8_t *again;
    size_t room = 0, n = 0;
    FILE *m = open_memstream(&line, &room);

    MUST(m != NULL);
    put(m, word, len);
    MUST(fclose(m) == 0);
    p = line;
    MUST(token_next(&p, line + room, &again, &n, &why) == 1);
    MUST(n == len && (n == 0 || memcmp(again, word, n) == 0));
    MUST(token_next(&p, line + room, &again, &n, &why) == 0);
    free(line);
}

static void one_line(char *p, char *end)
{
    const char *why = NULL;
    uint8_t *word;
    size_t len = 0;
    int rc;

    while ((rc = token_next(&p, end, &word, &len, &why)) == 1) {
        MUST((char *)word + len <= end && p <= end);
        check_again(token_write, word, len);
        check_again(token_show, word, len);
    }
    MUST(rc == 0 || why != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lines in;
    const char *why = NULL;
    char *copy = malloc(n + 1);
    FILE *f;
    int rc;

    MUST(copy != NULL);
    memcpy(copy, p, n);
    f = fmemopen(copy, n + (n == 0), "r");
    MUST(f != NULL);
    lines_start(&in, f);
    while ((rc = lines_next(&in, &why)) == 1)
        one_line(in.buf, in.buf + in.len);
    MUST(rc == 0 || why != NULL);
    lines_end(&in);
    fclose(f);
    free(copy);
    return 0;
}
