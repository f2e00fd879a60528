/* Command lines: the words are what stands between zero bytes. */
#include <string.h>

#include "fuzz.h"
#include "opts.h"
#include "prog.h"

#define WORDS 40

struct values {
    bool flag;
    char *text, *list;
    uint64_t number, size, time;
    uint8_t id[16];
};

/* Every word in memory of its own, so that a sanitizer sees each step over an end. */
static int split(const uint8_t *p, size_t n, char *argv[WORDS + 1])
{
    const uint8_t *end;
    int argc = 0;
    size_t len;

    while (n != 0 && argc < WORDS) {
        end = memchr(p, 0, n);
        len = end != NULL ? (size_t)(end - p) : n;
        argv[argc] = malloc(len + 1);
        MUST(argv[argc] != NULL);
        memcpy(argv[argc], p, len);
        argv[argc++][len] = '\0';
        len += end != NULL;
        p += len;
        n -= len;
    }
    argv[argc] = NULL;
    return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct values v = {0};
    struct opt opts[] = {
        {.name = "detach", .letter = 'd', .kind = OPT_FLAG, .to = &v.flag, .help = ""},
        {.name = "store", .letter = 's', .kind = OPT_TEXT, .to = &v.text, .help = ""},
        {.name = "listen", .letter = 'l', .kind = OPT_LIST, .to = &v.list, .help = ""},
        {.name = "entries", .letter = 'e', .kind = OPT_NUMBER, .to = &v.number, .help = ""},
        {.name = "bytes", .letter = 'b', .kind = OPT_SIZE, .to = &v.size, .help = ""},
        {.name = "time", .letter = 't', .kind = OPT_TIME, .to = &v.time, .help = ""},
        {.name = "id", .letter = 'i', .kind = OPT_ID, .to = v.id, .help = ""},
        {.name = NULL},
    };
    const struct opt_command cmd = {
        .name = "fuzz", .operands = "A [B]", .least = 1, .most = 2, .summary = "", .opts = opts};
    char *words[WORDS + 1], **argv = words;
    int argc = split(p, n, words), all = argc, left = argc, rc;

    rc = opts_parse(&cmd, &left, &argv);
    MUST(left >= 0 && left <= argc && argv == words + (argc - left));
    MUST(rc == OPTS_GO || rc == PROG_OK || rc == PROG_USAGE);
    if (rc == OPTS_GO && opts_operands(&cmd, left, argv))
        MUST(left >= 1 && left <= 2);
    opts_free(opts);
    while (all > 0)
        free(words[--all]);
    return 0;
}
