/* The configuration: a krb5.conf with any section [krbrepl], and a kdc.conf. The text is taken apart by
 * libkrb5; what this project makes of the values is under test. Lines by which that library reads other files
 * or loads plugins are left to it: inputs with them are passed over. */
#include <string.h>

#include "conf.h"
#include "fuzz.h"
#include "fuzzfile.h"
#include "opts.h"

struct values {
    bool flag;
    char *text, *list;
    uint64_t number, size, time;
    uint8_t id[16];
};

static bool holds(const uint8_t *p, size_t n, const char *word)
{
    size_t len = strlen(word), i;

    for (i = 0; i + len <= n; i++)
        if (memcmp(p + i, word, len) == 0)
            return true;
    return false;
}

static void read_all(struct conf *c)
{
    struct values v = {0};
    struct opt opts[] = {
        {.name = "detach", .kind = OPT_FLAG, .to = &v.flag, .conf = true},
        {.name = "store", .kind = OPT_TEXT, .to = &v.text, .conf = true},
        {.name = "listen", .kind = OPT_LIST, .to = &v.list, .conf = true},
        {.name = "keep-entries", .kind = OPT_NUMBER, .to = &v.number, .conf = true},
        {.name = "keep-bytes", .kind = OPT_SIZE, .to = &v.size, .conf = true},
        {.name = "time-gone", .kind = OPT_TIME, .to = &v.time, .conf = true},
        {.name = "database-id", .kind = OPT_ID, .to = v.id, .conf = true},
        {.name = NULL},
    };
    const struct opt_command cmd = {.name = "fuzz", .operands = "", .summary = "", .opts = opts};

    if (opts_from_conf(&cmd, c)) {
        MUST(v.time <= INT64_MAX / 1000);
        MUST(v.text == NULL || v.text[0] != '\0');
    }
    opts_free(opts);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const char *file;
    struct conf *c;

    if (holds(p, n, "include") || holds(p, n, "module"))
        return 0;
    file = fuzz_file(p, n);
    MUST(setenv("KRB5_CONFIG", file, 1) == 0 && setenv("KRB5_KDC_PROFILE", file, 1) == 0);
    c = conf_open(NULL, "EXAMPLE.ORG");
    if (c == NULL)
        return 0;
    MUST(strcmp(conf_realm(c), "EXAMPLE.ORG") == 0);
    read_all(c);
    free(conf_stash(c));
    conf_close(c);
    return 0;
}
