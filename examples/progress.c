/* progress.c: a bar on standard error for long work. */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "times.h"

#define WIDTH 30
#define EVERY_MS 100

static struct {
    bool on, drawn;
    uint64_t last_ms;
} bar;

void progress_start(bool quiet)
{
    bar.on = !quiet && isatty(STDERR_FILENO) == 1;
    bar.drawn = false;
    bar.last_ms = 0;
}

static void draw(const char *phase, uint64_t done, uint64_t total)
{
    char full[WIDTH + 1];
    unsigned n;

    if (total == 0) {
        fprintf(stderr, "\r%-10s %" PRIu64 "\033[K", phase, done);
        return;
    }
    if (done > total)
        done = total;
    n = (unsigned)((double)done / (double)total * WIDTH);
    memset(full, '#', n);
    memset(full + n, '.', WIDTH - n);
    full[WIDTH] = '\0';
    fprintf(stderr, "\r%-10s [%s] %3u %% (%" PRIu64 ")\033[K", phase, full,
            (unsigned)((double)done / (double)total * 100), done);
}

void progress_show(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    uint64_t now;

    (void)ctx;
    if (!bar.on)
        return;
    now = times_mono();
    if (bar.drawn && now - bar.last_ms < EVERY_MS && (total == 0 || done != total))
        return;
    draw(phase, done, total);
    fflush(stderr);
    bar.drawn = true;
    bar.last_ms = now;
}

void progress_end(void)
{
    if (bar.drawn)
        fprintf(stderr, "\r\033[K");
    bar.drawn = false;
}
