/* times.c: durations, sizes and points in time, as people write and read them. */
#include "times.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* The first name of each length of time; a plural `s` is taken off before the search. */
static const struct unit time_units[] = {
    {"ms", 1},
    {"msec", 1},
    {"millisecond", 1},
    {"s", 1000},
    {"sec", 1000},
    {"second", 1000},
    {"m", 60000},
    {"min", 60000},
    {"minute", 60000},
    {"h", 3600000},
    {"hr", 3600000},
    {"hour", 3600000},
    {"d", 86400000},
    {"day", 86400000},
    {"w", 7 * UINT64_C(86400000)},
    {"week", 7 * UINT64_C(86400000)},
    {"month", 30 * UINT64_C(86400000)},
    {"y", 365 * UINT64_C(86400000)},
    {"year", 365 * UINT64_C(86400000)},
};

static const struct unit size_units[] = {
    {"B", 1},
    {"K", UINT64_C(1) << 10},
    {"KB", UINT64_C(1) << 10},
    {"KiB", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"MB", UINT64_C(1) << 20},
    {"MiB", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"GB", UINT64_C(1) << 30},
    {"GiB", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {"TB", UINT64_C(1) << 40},
    {"TiB", UINT64_C(1) << 40},
};

/* Durations are handed on in microseconds now and then; no sum may be longer than these hold. */
#define LONGEST_MS (INT64_MAX / 1000)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

static const char *skip_blanks(const char *p)
{
    while (is_blank(*p))
        p++;
    return p;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool read_number(const char **p, uint64_t *n)
{
    if (!is_digit(**p))
        return false;
    for (*n = 0; is_digit(**p); (*p)++) {
        uint64_t d = (uint64_t)(**p - '0');

        if (*n > (UINT64_MAX - d) / 10)
            return false;
        *n = *n * 10 + d;
    }
    return true;
}

static size_t letters(const char *p)
{
    size_t n = 0;

    while (is_letter(p[n]))
        n++;
    return n;
}

static uint64_t find_unit(const struct unit *units, size_t count, const char *word, size_t len)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (strlen(units[i].name) == len && strncasecmp(units[i].name, word, len) == 0)
            return units[i].factor;
    return 0;
}

static uint64_t time_unit(const char *word, size_t len)
{
    const size_t count = sizeof time_units / sizeof time_units[0];
    uint64_t factor = find_unit(time_units, count, word, len);
    size_t i;

    /* "5 mo", "1 ho": the beginning of a word that is no unit by itself. */
    for (i = 0; factor == 0 && len > 1 && i < count; i++)
        if (time_units[i].factor > 1 && strlen(time_units[i].name) > len &&
            strncasecmp(time_units[i].name, word, len) == 0)
            return time_units[i].factor;
    /* A plural needs a word: "ms" is no plural of "m". */
    if (factor == 0 && len > 2 && (word[len - 1] == 's' || word[len - 1] == 'S'))
        factor = find_unit(time_units, count, word, len - 1);
    return factor;
}

bool times_parse(const char *text, uint64_t *ms, bool *had_unit)
{
    const char *p = skip_blanks(text);
    uint64_t sum = 0, n, factor;
    bool unit = false;

    if (*p == '\0')
        return false;
    while (*p != '\0') {
        size_t len;

        if (!read_number(&p, &n))
            return false;
        p = skip_blanks(p);
        len = letters(p);
        factor = len == 0 ? 1000 : time_unit(p, len);
        if (factor == 0 || n > LONGEST_MS / factor || sum > LONGEST_MS - n * factor)
            return false;
        /* A number without unit stands alone or at the end: "5 3 min" is a slip of the pen. */
        if (len == 0 && *p != '\0')
            return false;
        unit = unit || len > 0;
        sum += n * factor;
        p = skip_blanks(p + len);
    }
    *ms = sum;
    if (had_unit != NULL)
        *had_unit = unit;
    return true;
}

bool times_parse_size(const char *text, uint64_t *bytes)
{
    const char *p = skip_blanks(text);
    uint64_t n, factor = 1;
    size_t len;

    if (!read_number(&p, &n))
        return false;
    p = skip_blanks(p);
    len = letters(p);
    if (len > 0)
        factor = find_unit(size_units, sizeof size_units / sizeof size_units[0], p, len);
    if (factor == 0 || n > UINT64_MAX / factor || *skip_blanks(p + len) != '\0')
        return false;
    *bytes = n * factor;
    return true;
}

bool times_parse_number(const char *text, uint64_t *n)
{
    const char *p = text;

    return read_number(&p, n) && *p == '\0';
}

const char *times_duration(char buf[TIMES_ROOM], uint64_t us)
{
    uint64_t s = us / 1000000;

    if (s < 60)
        snprintf(buf, TIMES_ROOM, "%" PRIu64 ".%03" PRIu64 " s", s, us / 1000 % 1000);
    else if (s < 3600)
        snprintf(buf, TIMES_ROOM, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(buf, TIMES_ROOM, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
    else
        snprintf(buf, TIMES_ROOM, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
    return buf;
}

const char *times_stamp(char buf[TIMES_ROOM], int64_t us)
{
    time_t s = (time_t)(us / 1000000);
    struct tm tm;

    if (us == 0)
        snprintf(buf, TIMES_ROOM, "never");
    else if (us < 0 || gmtime_r(&s, &tm) == NULL || tm.tm_year > 8099)
        snprintf(buf, TIMES_ROOM, "%" PRId64 " us", us);
    else {
        size_t n = strftime(buf, TIMES_ROOM, "%Y-%m-%dT%H:%M:%S", &tm);

        snprintf(buf + n, TIMES_ROOM - n, ".%03dZ", (int)(us / 1000 % 1000));
    }
    return buf;
}

const char *times_size(char buf[TIMES_ROOM], uint64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes / 1024;
    size_t i = 0;

    if (bytes < 1024) {
        snprintf(buf, TIMES_ROOM, "%" PRIu64 " bytes", bytes);
        return buf;
    }
    while (n >= 1024 && i < 3) {
        n /= 1024;
        i++;
    }
    snprintf(buf, TIMES_ROOM, "%.1f %s", n, names[i]);
    return buf;
}

int64_t times_now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

uint64_t times_mono(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void times_pause(uint64_t ms)
{
    struct timespec ts;

    ts.tv_sec = (time_t)(ms / 1000);
    ts.tv_nsec = (long)(ms % 1000) * 1000000;
    (void)nanosleep(&ts, NULL);
}
