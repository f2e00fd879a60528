/* cmd_status.c: krbrepl status, watch, wait: what the running node says. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "snapshot.h"
#include "times.h"

struct asking {
    struct cli c;
    char *max_lag;
    uint64_t timeout_ms, interval_ms, count, replicas;
    struct snapshot_limits limits;
};

#define CHECK_OPTS(a)                                                               \
    {.name = "max-lag",                                                             \
     .kind = OPT_TEXT,                                                              \
     .to = &(a)->max_lag,                                                           \
     .arg = "N|TIME",                                                               \
     .help = "fail (3) when a replica is more than N commits, or TIME, behind"},    \
        {.name = "replicas",                                                        \
         .kind = OPT_NUMBER,                                                        \
         .to = &(a)->replicas,                                                      \
         .arg = "K",                                                                \
         .help = "fail (3) when fewer than K replicas are connected"},              \
    {                                                                               \
        .name = "timeout", .kind = OPT_TIME, .to = &(a)->timeout_ms, .arg = "TIME", \
        .help = "how long to wait for the node's answer (5 s)"                      \
    }

/* A bare number counts commits, a number with a unit is a time. */
static bool take_limits(struct asking *a)
{
    bool unit = false;
    uint64_t ms = 0;

    a->limits.replicas = a->replicas;
    if (a->max_lag == NULL)
        return true;
    if (times_parse_number(a->max_lag, &a->limits.commits)) {
        a->limits.by_commits = true;
        return true;
    }
    if (times_parse(a->max_lag, &ms, &unit)) {
        a->limits.by_time = true;
        a->limits.us = ms * 1000;
        return true;
    }
    (void)cli_refuse(&a->c, "--max-lag: neither a number of commits nor a time such as 30 s",
                     "write 100 for commits, 30 s or 5 min for time");
    return false;
}

static bool is_check(const struct asking *a)
{
    return a->max_lag != NULL || a->replicas > 0;
}

/* Asks once and prints. */
static int show_once(struct asking *a, const char *dir)
{
    struct snapshot s;
    char *complaint = NULL;
    int rc = snapshot_take(&s, &a->c, dir, a->timeout_ms);

    if (rc != PROG_OK)
        return rc;
    if (snapshot_complaint(&s, &a->limits, &complaint))
        rc = PROG_CHECK;
    /* A quiet check says nothing but what is wrong. */
    if (a->c.json)
        snapshot_json(&s, &a->c.out, dir, complaint);
    else if (!a->c.quiet || !is_check(a))
        snapshot_print(&s, dir);
    fflush(stdout);
    if (complaint != NULL)
        prog_say("%s", complaint);
    free(complaint);
    snapshot_free(&s);
    return rc;
}

int cmd_status(int argc, char **argv)
{
    struct asking a = {.timeout_ms = 5000};
    struct opt opts[] = {CHECK_OPTS(&a), CLI_OPTS(&a.c)};
    const struct opt_command cmd = {
        .name = "krbrepl status",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary =
            "Shows role, state and position of the store in DIR and of the node that runs on it, and\n"
            "each replica with what it has, how far it is behind, and why it was last copied whole.",
        .notes = "When no node runs, what the store says is shown. With --max-lag or --replicas it is "
                 "a check:\n"
                 "exit code 3 when a limit is not kept, when a node is refused or fenced, or when none "
                 "runs; --quiet leaves only what is wrong."};
    int rc = cli_begin(&a.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    rc = take_limits(&a) ? show_once(&a, argv[0]) : PROG_USAGE;
    return cli_end(&a.c, &cmd, rc);
}

static int watch(struct asking *a, const char *dir)
{
    bool terminal = !a->c.json && isatty(STDOUT_FILENO) == 1;
    uint64_t i;
    int rc = PROG_OK;

    for (i = 0; (a->count == 0 || i < a->count) && !ferror(stdout); i++) {
        if (i > 0)
            times_pause(a->interval_ms);
        if (terminal)
            fputs("\033[H\033[2J", stdout);
        else if (i > 0 && !a->c.json)
            putchar('\n');
        rc = show_once(a, dir);
        /* A node that is just being restarted is no reason to stop watching. */
        if (rc == PROG_FAILED && i == 0)
            return rc;
    }
    return rc;
}

int cmd_watch(int argc, char **argv)
{
    struct asking a = {.timeout_ms = 5000, .interval_ms = 1000};
    struct opt opts[] = {
        {.name = "interval",
         .letter = 'i',
         .kind = OPT_TIME,
         .to = &a.interval_ms,
         .arg = "TIME",
         .help = "time between two looks (1 s)"},
        {.name = "count",
         .kind = OPT_NUMBER,
         .to = &a.count,
         .arg = "N",
         .help = "stop after N looks (never)"},
        CHECK_OPTS(&a),
        CLI_OPTS(&a.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl watch",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary = "Shows what `krbrepl status` shows, again and again.",
        .notes = "The exit code is that of the last look. With --json one object a line."};
    int rc = cli_begin(&a.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    rc = take_limits(&a) ? watch(&a, argv[0]) : PROG_USAGE;
    return cli_end(&a.c, &cmd, rc);
}

static bool level_of(struct cli *c, const char *text, uint64_t *out)
{
    static const char *const names[] = {"", "received", "durable", "applied"};
    uint64_t i;

    for (i = KRBREPL_LEVEL_RECEIVED; i <= KRBREPL_LEVEL_APPLIED; i++)
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return true;
        }
    (void)cli_refuse(c, "--level: there are `received`, `durable` and `applied`", "name one of them");
    return false;
}

static int run_wait(struct cli *c, const char *dir, const krbrepl_wait_options *opt)
{
    krbrepl_errinfo ei;
    uint64_t have = 0;
    int rc;

    KRBREPL_INIT(&ei);
    rc = krbrepl_wait(dir, opt, &have, &ei);
    if (rc != 0 && rc != KRBREPL_ERR_TIMEOUT)
        return rc == KRBREPL_ERR_NOTFOUND
                   ? cli_refuse(c, ei.text, "start krbrepl-master or krbrepl-replica on it")
                   : cli_failed(c, rc, &ei);
    if (c->json) {
        json_open(&c->out, NULL, '{');
        json_bool(&c->out, "reached", rc == 0);
        json_u64(&c->out, "have", have);
        json_close(&c->out, '}');
    } else if (!c->quiet && rc == 0) {
        printf("%llu have it\n", (unsigned long long)have);
    }
    if (rc == 0)
        return PROG_OK;
    prog_say(
        "the time has passed: %llu of %llu have it; see `krbrepl status %s` for who is behind and why",
        (unsigned long long)have, (unsigned long long)(opt->replicas > 0 ? opt->replicas : 1), dir);
    return PROG_CHECK;
}

int cmd_wait(int argc, char **argv)
{
    struct cli c = {0};
    krbrepl_wait_options opt;
    char *level = NULL;
    struct opt opts[] = {
        {.name = "seq",
         .kind = OPT_NUMBER,
         .to = &opt.seq,
         .arg = "N",
         .help = "the commit (the last there is)"},
        {.name = "replicas",
         .kind = OPT_NUMBER,
         .to = &opt.replicas,
         .arg = "K",
         .help = "how many replicas must have it (1)"},
        {.name = "level",
         .kind = OPT_TEXT,
         .to = &level,
         .arg = "LEVEL",
         .help = "received, durable (default) or applied"},
        {.name = "timeout",
         .kind = OPT_TIME,
         .to = &opt.timeout_ms,
         .arg = "TIME",
         .help = "how long to wait (30 s); 0: only look"},
        CLI_OPTS(&c),
    };
    const struct opt_command cmd = {.name = "krbrepl wait",
                                    .operands = "DIR",
                                    .least = 1,
                                    .most = 1,
                                    .opts = opts,
                                    .summary = "Waits until K replicas have commit N, by asking the "
                                               "master that runs on the store in DIR;\n"
                                               "on a replica's store: until this replica has it.",
                                    .notes = "Exit code 3: the time has passed."};
    int rc;

    KRBREPL_INIT(&opt);
    opt.timeout_ms = 30000;
    rc = cli_begin(&c, &cmd, &argc, &argv);
    if (rc != OPTS_GO)
        return rc;
    rc = PROG_USAGE;
    if (level == NULL || level_of(&c, level, &opt.level))
        rc = run_wait(&c, argv[0], &opt);
    return cli_end(&c, &cmd, rc);
}
