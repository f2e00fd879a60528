#include "liveproof.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "progress.h"

/* ---- what a repair has changed --------------------------------------------------------------- */

/* A line of a list of evidence, as the node writes it: "put TABLE KEY" or "delete TABLE KEY". */
static int show_line(struct cli *c, const char *line)
{
    const char *rest = strchr(line, ' ');

    if (rest == NULL || (strncmp(line, "put ", 4) != 0 && strncmp(line, "delete ", 7) != 0))
        return 0;
    if (!c->json) {
        printf("  %-7.*s%s\n", (int)(rest - line), line, rest);
        return 1;
    }
    json_open(&c->out, NULL, '{');
    json_bytes(&c->out, "change", line, (size_t)(rest - line));
    json_text(&c->out, "record", rest + 1);
    json_close(&c->out, '}');
    return 1;
}

static uint64_t show_list(struct cli *c, const char *dir, const char *name, uint64_t most)
{
    char path[4096], *line = NULL;
    uint64_t shown = 0;
    size_t room = 0;
    ssize_t n;
    FILE *f;

    snprintf(path, sizeof path, "%s/evidence/%s", dir, name);
    f = fopen(path, "r");
    while (f != NULL && shown < most && (n = getline(&line, &room, f)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        shown += (uint64_t)show_line(c, line);
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return shown;
}

/* The newest list that is not older than the call; its time is in its name, in microseconds. */
static int find_list(const char *dir, long long since, char name[256])
{
    char path[4096];
    struct dirent *e;
    DIR *d;

    name[0] = '\0';
    snprintf(path, sizeof path, "%s/evidence", dir);
    d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL)
        if (strncmp(e->d_name, "repair-", 7) == 0 && strtoll(e->d_name + 7, NULL, 10) >= since &&
            strcmp(e->d_name, name) > 0)
            snprintf(name, 256, "%.255s", e->d_name);
    if (d != NULL)
        closedir(d);
    return name[0] != '\0';
}

static void show_changes(struct cli *c, const char *dir, long long since, uint64_t most)
{
    char name[256];
    const int found = find_list(dir, since, name);

    if (c->json)
        json_open(&c->out, "repaired", '[');
    if (found)
        show_list(c, dir, name, most);
    if (c->json)
        json_close(&c->out, ']');
    else if (found)
        printf("  the whole list is %s/evidence/%s\n", dir, name);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void show(struct cli *c, const char *dir, const krbrepl_proved *p, long long since,
                 uint64_t most)
{
    if (c->json) {
        json_open(&c->out, NULL, '{');
        json_text(&c->out, "dir", dir);
        json_u64(&c->out, "seq", p->seq);
        json_u64(&c->out, "records", p->records);
        json_u64(&c->out, "compared", p->compared);
        json_bool(&c->out, "differed", p->differed != 0);
        show_changes(c, dir, since, most);
        json_close(&c->out, '}');
        return;
    }
    printf("%s: %llu records at %llu were read again and are sound; proved equal to %llu peer%s\n", dir,
           (unsigned long long)p->records, (unsigned long long)p->seq, (unsigned long long)p->compared,
           p->compared == 1 ? "" : "s");
    if (p->differed == 0)
        return;
    printf("  it was not so before: what differed has been repaired\n");
    show_changes(c, dir, since, most);
}

int liveproof(struct cli *c, const char *dir, uint64_t timeout_ms, uint64_t most)
{
    krbrepl_prove_options opt;
    krbrepl_proved p;
    krbrepl_errinfo ei;
    struct timespec now;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&p);
    KRBREPL_INIT(&ei);
    opt.timeout_ms = timeout_ms;
    opt.progress = progress_show;
    clock_gettime(CLOCK_REALTIME, &now);
    progress_start(c->quiet);
    rc = krbrepl_prove(dir, &opt, &p, &ei);
    progress_end();
    if (rc != 0)
        return cli_failed(c, rc, &ei);
    show(c, dir, &p, (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000, most);
    if (p.differed != 0)
        prog_say("%s differed, and has been repaired; see `krbrepl status %s` for why", dir, dir);
    return p.differed != 0 ? PROG_CHECK : PROG_OK;
}
