/*
 * heimdal_watch: says when databases have come to a version, the same way for Heimdal's and for stores.
 *
 *   heimdal_watch log:FILE|store:DIR...
 *
 * For a log of Heimdal's the version is the one in its header, which is written when the record's change is in the
 * database; for a store it is the seq of what readers see. Each is looked at every 0.1 ms. Commands on standard
 * input, answered with one line:
 *
 *   now              the versions, "-" where there is no database yet
 *   until V...       a number for each, 0 for none: waits, and says when each was seen to have it (seconds, monotonic)
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <krbrepl/krbrepl.h>

enum { NAP_NS = 100 * 1000, PATIENCE_S = 570, MOST = 256 };

/* Where Heimdal keeps the version of the last confirmed record. */
enum { HEADER_VERSION = 28 };

typedef struct watched {
    const char *path;
    krbrepl_store *store;
    int is_log, fd;
    int64_t wanted;
    double seen;
} watched;

static watched all[MOST];
static int count;

static void die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fputs("heimdal_watch: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int64_t log_version(watched *w)
{
    unsigned char b[4];

    if (w->fd < 0)
        w->fd = open(w->path, O_RDONLY | O_CLOEXEC);
    if (w->fd < 0 || pread(w->fd, b, sizeof b, HEADER_VERSION) != (ssize_t)sizeof b)
        return -1;
    return (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | (int64_t)b[3];
}

static int64_t store_version(watched *w)
{
    krbrepl_store_options opt;
    krbrepl_store_info info;

    if (w->store == NULL) {
        KRBREPL_INIT(&opt);
        opt.flags = KRBREPL_STORE_READONLY;
        /* Fifty stores in one process; none of them is larger. */
        opt.map_size = (uint64_t)64 << 30;
        if (krbrepl_store_open(&w->store, w->path, &opt, NULL) != 0) {
            w->store = NULL;
            return -1;
        }
    }
    KRBREPL_INIT(&info);
    return krbrepl_store_info_get(w->store, &info) == 0 ? (int64_t)info.pos.seq : -1;
}

static int64_t version(watched *w)
{
    return w->is_log ? log_version(w) : store_version(w);
}

static void show_now(void)
{
    int i;

    for (i = 0; i < count; i++) {
        int64_t v = version(&all[i]);

        if (v < 0)
            printf("- ");
        else
            printf("%lld ", (long long)v);
    }
    printf("\n");
}

static int look(void)
{
    int i, missing = 0;

    for (i = 0; i < count; i++) {
        watched *w = &all[i];

        if (w->seen > 0 || w->wanted <= 0)
            continue;
        if (version(w) >= w->wanted)
            w->seen = now();
        else
            missing++;
    }
    return missing;
}

static void until(char *words)
{
    const struct timespec nap = {0, NAP_NS};
    double end = now() + PATIENCE_S;
    char *word = strtok(words, " \n");
    int i;

    for (i = 0; i < count; i++) {
        all[i].seen = 0;
        all[i].wanted = word != NULL ? strtoll(word, NULL, 10) : 0;
        word = strtok(NULL, " \n");
    }
    while (look() > 0) {
        if (now() > end)
            die("some versions were not reached in %d s", (int)PATIENCE_S);
        nanosleep(&nap, NULL);
    }
    for (i = 0; i < count; i++)
        printf("%.6f ", all[i].seen);
    printf("\n");
}

static void add(const char *what)
{
    watched *w = &all[count];

    if (count == MOST)
        die("more than %d databases", (int)MOST);
    if (strncmp(what, "log:", 4) != 0 && strncmp(what, "store:", 6) != 0)
        die("%s is neither log:FILE nor store:DIR", what);
    w->is_log = what[0] == 'l';
    w->path = strchr(what, ':') + 1;
    w->fd = -1;
    count++;
}

int main(int argc, char **argv)
{
    char line[8192];
    int i;

    for (i = 1; i < argc; i++)
        add(argv[i]);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strncmp(line, "until ", 6) == 0)
            until(line + 6);
        else if (strcmp(line, "now\n") == 0)
            show_now();
        else
            die("this is no command: %s", line);
        fflush(stdout);
    }
    for (i = 0; i < count; i++)
        krbrepl_store_close(all[i].store);
    return 0;
}
