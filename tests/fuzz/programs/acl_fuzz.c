/* The list of those who may follow: whoever stands in it may, and nobody whose name is only similar. */
#include <stdio.h>
#include <string.h>

#include "acl.h"
#include "fuzz.h"
#include "fuzzfile.h"

/* A name that the file does not hold, made out of a piece of it, must not be allowed. */
static void check_pieces(const struct acl *a, const char *text, size_t n)
{
    char name[256];
    size_t len;

    for (len = 1; len < n && len < sizeof name - 8; len++) {
        memcpy(name, text, len);
        snprintf(name + len, sizeof name - len, "\1x");
        MUST(!acl_allows(a, name));
    }
    MUST(!acl_allows(a, ""));
    MUST(!acl_allows(a, "*"));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char why[200] = "";
    struct acl *a = acl_read(fuzz_file(p, n), "EXAMPLE.ORG", why, sizeof why);
    size_t lines = 1, i;

    for (i = 0; i < n; i++)
        lines += p[i] == '\n';
    if (a == NULL) {
        MUST(why[0] != '\0' && memchr(why, 0, sizeof why) != NULL);
        return 0;
    }
    MUST(acl_count(a) <= lines);
    check_pieces(a, (const char *)p, n);
    /* Every name that is allowed has exactly one realm. */
    MUST(!acl_allows(a, "krbrepl/a") && !acl_allows(a, "@EXAMPLE.ORG"));
    acl_free(a);
    return 0;
}
