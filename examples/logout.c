/* logout.c: where a daemon's log goes. */
#include "logout.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <krbrepl/krbrepl.h>

#include "prog.h"
#include "times.h"

static struct {
    int level;
    bool journal;
    /* Set by a daemon that has gone to the background, while its other thread may be writing a line. */
    atomic_bool syslog;
} out = {.level = KRBREPL_LOG_INFO};

static const char *const names[] = {"", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG"};
static const int priorities[] = {LOG_ERR, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};

/* systemd names the device and inode of the stream that it reads; any other stderr is somebody else's. */
static bool stderr_is_journal(void)
{
    const char *env = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat st;

    if (env == NULL || fstat(STDERR_FILENO, &st) != 0)
        return false;
    snprintf(own, sizeof own, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    return strcmp(env, own) == 0;
}

void logout_open(int level)
{
    out.level = level;
    out.journal = stderr_is_journal();
}

void logout_to_syslog(void)
{
    openlog(prog_name(), LOG_PID | LOG_NDELAY, LOG_DAEMON);
    out.syslog = true;
}

int logout_level(const char *name)
{
    static const char *const lower[] = {"", "error", "warn", "notice", "info", "debug"};
    int i;

    for (i = 1; i <= 5; i++)
        if (strcmp(lower[i], name) == 0)
            return i;
    return 0;
}

/* The names of principals are the words of others, and a terminal obeys control characters. */
static char *printable(const char *msg, size_t len)
{
    char *copy = prog_format("%.*s", (int)len, msg), *p;

    for (p = copy; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return copy;
}

static void say_line(int known, const char *area, const char *msg, size_t len)
{
    char stamp[TIMES_ROOM];
    char *line;

    if (out.syslog) {
        syslog(priorities[known], "%s: %.*s", area, (int)len, msg);
        return;
    }
    if (out.journal)
        line = prog_format("<%d>%s: %.*s\n", priorities[known], area, (int)len, msg);
    else
        line = prog_format("%s %-6s %s: %.*s\n", times_stamp(stamp, times_now()), names[known], area,
                           (int)len, msg);
    /* One write, so that lines of several threads stay whole. Nobody is left to be told of its failure. */
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        len = 0;
    free(line);
}

void logout_line(int level, const char *area, const char *msg, size_t len)
{
    int known = level < 1 ? 1 : level > 5 ? 5 : level;
    char *text;

    if (known > out.level)
        return;
    text = printable(msg, len);
    say_line(known, area, text, strlen(text));
    free(text);
}
