/* prog.c: what all programs have in common. */
#include "prog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *name_of_program = "krbrepl";

void prog_init(const char *name)
{
    struct rlimit none = {0, 0};

    name_of_program = name;
    /* Records pass through this process; a core file would put every key of the realm on the disk. */
    (void)setrlimit(RLIMIT_CORE, &none);
}

const char *prog_name(void)
{
    return name_of_program;
}

void prog_say(const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "%s: ", name_of_program);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

const char *prog_hint(int err)
{
    switch (err) {
    case KRBREPL_ERR_NOT_MASTER:
        return "run the command on the master, or make this store the master with `krbrepl promote "
               "DIR`";
    case KRBREPL_ERR_FENCED:
        return "write on the newer master; or, if this store is to take over, run `krbrepl promote "
               "DIR`";
    case KRBREPL_ERR_NOTFOUND:
        return "look for it with `krbrepl list DIR`; a store is made with `krbrepl init DIR`";
    case KRBREPL_ERR_EXISTS:
        return "name another place, or move away what is there";
    case KRBREPL_ERR_LOCKED:
        return "wait for the other process to end, or stop it, and try again";
    case KRBREPL_ERR_NOSPACE:
        return "make room on the device and try again; nothing was lost";
    case KRBREPL_ERR_CORRUPT:
        return "check the disk; then bring the store back with `krbrepl restore FILE DIR`, or remove a "
               "replica's store and let it be copied again";
    case KRBREPL_ERR_FORMAT:
        return "an older store is brought up to date with `krbrepl upgrade DIR`; for a newer one, "
               "install "
               "the newer release";
    case KRBREPL_ERR_CONFLICT:
        return "run the command again; it then starts from the present content";
    case KRBREPL_ERR_TRIMMED:
        return "begin later, or leave --from out to begin at the oldest commit that is kept";
    case KRBREPL_ERR_TIMEOUT:
        return "try again, with a longer --timeout if need be";
    case KRBREPL_ERR_INPUT:
        return "make the file anew and try again; nothing was changed";
    case KRBREPL_ERR_DENIED:
        return "run the command as the owner of the store, or as a member of its group";
    case KRBREPL_ERR_TOOBIG:
        return "split it into several commits";
    default:
        return "";
    }
}

void prog_version(void)
{
    const krbrepl_info *lib = krbrepl_version(0);

    printf("%s %s\n", name_of_program, KRBREPL_VERSION_TEXT);
    if (lib != NULL)
        printf("libkrbrepl %s, protocol %u, store format %u\n", lib->text, (unsigned)lib->protocol,
               (unsigned)lib->format);
}

bool prog_flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    prog_say("standard output: %s; not everything that was to be printed got there", strerror(errno));
    return false;
}

static void out_of_memory(void)
{
    prog_say("out of memory; close other programs or raise the limit, and try again");
    exit(PROG_FAILED);
}

void *prog_alloc(size_t n)
{
    void *p = calloc(1, n > 0 ? n : 1);

    if (p == NULL)
        out_of_memory();
    return p;
}

void *prog_grow(void *p, size_t n)
{
    void *grown = realloc(p, n > 0 ? n : 1);

    if (grown == NULL)
        out_of_memory();
    return grown;
}

char *prog_dup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = prog_alloc(n);

    memcpy(copy, text, n);
    return copy;
}

char *prog_format(const char *fmt, ...)
{
    va_list ap;
    char *text;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    text = prog_alloc((size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

void prog_wipe_free(void *p, size_t n)
{
    if (p != NULL && n > 0)
        explicit_bzero(p, n);
    free(p);
}

void prog_hex(char *out, const void *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    size_t i;

    for (i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

int prog_hexdigit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool prog_unhex(uint8_t *out, size_t n, const char *text)
{
    size_t i;

    if (strlen(text) != 2 * n)
        return false;
    for (i = 0; i < n; i++) {
        int high = prog_hexdigit(text[2 * i]), low = prog_hexdigit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
