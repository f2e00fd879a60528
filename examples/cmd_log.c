/* cmd_log.c: krbrepl log: what is in the journal. */
#include <string.h>

#include "cli.h"
#include "cmd_heimdal.h"
#include "mitglue.h"
#include "times.h"
#include "token.h"

/* How often --follow looks for new commits. */
#define LOOK_EVERY_MS 200

struct logging {
    struct cli c;
    uint64_t from, to, last, next;
    bool has_from, follow, verbose, values, last_version, reverse;
    char *heimdal;
};

static const char *kind_name(uint64_t kind)
{
    return kind == KRBREPL_COMMIT_CHANGES   ? "changes"
           : kind == KRBREPL_COMMIT_RESET   ? "reset"
           : kind == KRBREPL_COMMIT_LINEAGE ? "lineage"
                                            : "unknown";
}

static const char *cause_name(uint64_t cause)
{
    static const char *const names[] = {"unknown", "create", "promote", "demote", "restore", "resolve"};

    return cause < sizeof names / sizeof names[0] ? names[cause] : "unknown";
}

static bool shows_value(const struct logging *l, const krbrepl_change *change)
{
    return l->values && change->op == KRBREPL_PUT && !mitglue_is_secret(change->table);
}

static void json_change(struct logging *l, const krbrepl_change *change)
{
    struct json *j = &l->c.out;
    char line[1024];

    json_open(j, NULL, '{');
    json_text(j, "op", change->op == KRBREPL_PUT ? "put" : "delete");
    json_text(j, "table", change->table);
    json_bytes(j, "key", change->key.data, change->key.len);
    if (change->op == KRBREPL_PUT) {
        json_u64(j, "length", change->value.len);
        if (mitglue_describe(change->table, change->key, change->value, line, sizeof line))
            json_text(j, "about", line);
    }
    if (shows_value(l, change))
        json_bytes(j, "value", change->value.data, change->value.len);
    json_close(j, '}');
}

static void json_commit(struct logging *l, const krbrepl_commit *commit)
{
    struct json *j = &l->c.out;
    uint64_t i;

    json_open(j, NULL, '{');
    cli_json_pos(j, "position", &commit->pos);
    json_text(j, "kind", kind_name(commit->kind));
    json_time(j, "time", commit->time_us);
    json_text(j, "who", commit->who);
    json_text(j, "why", commit->why);
    json_u64(j, "bytes", commit->bytes);
    json_u64(j, "changes_so_far", commit->cumulative);
    if (commit->kind == KRBREPL_COMMIT_LINEAGE)
        json_text(j, "cause", cause_name(commit->cause));
    if (commit->kind == KRBREPL_COMMIT_RESET) {
        json_u64(j, "records", commit->records);
        json_hex(j, "root", commit->root, sizeof commit->root);
    }
    json_open(j, "changes", '[');
    for (i = 0; i < commit->nchanges; i++)
        json_change(l, commit->changes[i]);
    json_close(j, ']');
    json_close(j, '}');
}

static void print_change(struct logging *l, const krbrepl_change *change)
{
    char line[1024];

    printf("    %-6s %s ", change->op == KRBREPL_PUT ? "put" : "delete", change->table);
    token_show(stdout, change->key.data, change->key.len);
    if (shows_value(l, change)) {
        putchar(' ');
        token_show(stdout, change->value.data, change->value.len);
    } else if (change->op == KRBREPL_PUT) {
        printf(" (%zu bytes)", change->value.len);
        if (mitglue_describe(change->table, change->key, change->value, line, sizeof line))
            printf(" %s", line);
    }
    putchar('\n');
}

static void print_commit(struct logging *l, const krbrepl_commit *commit)
{
    char stamp[TIMES_ROOM], hex[65];
    uint64_t i, puts = 0;

    printf("%llu %s ", (unsigned long long)commit->pos.seq, times_stamp(stamp, commit->time_us));
    token_show(stdout, commit->who, strlen(commit->who));
    putchar(' ');
    token_show(stdout, commit->why, strlen(commit->why));
    for (i = 0; i < commit->nchanges; i++)
        puts += commit->changes[i]->op == KRBREPL_PUT;
    if (commit->kind == KRBREPL_COMMIT_LINEAGE)
        printf(" %s, epoch %llu\n", cause_name(commit->cause), (unsigned long long)commit->pos.epoch);
    else if (commit->kind == KRBREPL_COMMIT_RESET)
        printf(" whole content replaced: %llu records\n", (unsigned long long)commit->records);
    else
        printf(" %llu put, %llu deleted, %llu bytes\n", (unsigned long long)puts,
               (unsigned long long)(commit->nchanges - puts), (unsigned long long)commit->bytes);
    if (!l->verbose)
        return;
    if (commit->kind == KRBREPL_COMMIT_RESET) {
        prog_hex(hex, commit->root, 32);
        printf("    root   %s\n", hex);
    }
    for (i = 0; i < commit->nchanges; i++)
        print_change(l, commit->changes[i]);
}

static int show_commit(void *ctx, const krbrepl_commit *commit)
{
    struct logging *l = ctx;

    if (l->c.json)
        json_commit(l, commit);
    else
        print_commit(l, commit);
    l->next = commit->pos.seq + 1;
    /* Stops at once when nobody reads any more. */
    return ferror(stdout) != 0 ? 1 : 0;
}

/* Where to begin: --from, or so that --last commits remain, or the oldest. */
static uint64_t beginning(const struct logging *l, const krbrepl_store_info *info)
{
    uint64_t first = info->journal_first;

    if (l->has_from)
        return l->from;
    if (l->last > 0 && info->journal_last + 1 > first + l->last)
        return info->journal_last + 1 - l->last;
    if (l->last == 0 && l->follow)
        return info->journal_last + 1;
    return first;
}

/* The newest first, each by itself: the journal is read forwards. */
static int show_backwards(struct logging *l, uint64_t from, uint64_t to)
{
    uint64_t seq;
    int rc = 0;

    for (seq = to; rc == 0 && seq >= from && seq > 0; seq--)
        rc = krbrepl_journal_each(l->c.store, seq, seq, show_commit, l);
    return rc;
}

/* Shows what is there from l->next on. 0, or the exit code after a message. */
static int show_new(struct logging *l)
{
    krbrepl_store_info info;
    uint64_t to;
    int rc;

    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(l->c.store, &info);
    if (rc != 0)
        return cli_failed_store(&l->c, rc);
    if (l->next == 0)
        l->next = beginning(l, &info);
    to = l->to > 0 && l->to < info.journal_last ? l->to : info.journal_last;
    /* A journal that is empty, or ends before the place asked for, has nothing to show. */
    if (info.journal_first > info.journal_last || to < l->next)
        return 0;
    rc = l->reverse ? show_backwards(l, l->next, to)
                    : krbrepl_journal_each(l->c.store, l->next, to, show_commit, l);
    fflush(stdout);
    return rc < 0 ? cli_failed_store(&l->c, rc) : 0;
}

static int run_log(struct logging *l, const char *dir)
{
    int rc = cli_open(&l->c, dir, KRBREPL_STORE_READONLY);

    if (rc != PROG_OK)
        return rc;
    rc = show_new(l);
    while (rc == 0 && l->follow && !ferror(stdout) && (l->to == 0 || l->next <= l->to)) {
        times_pause(LOOK_EVERY_MS);
        rc = show_new(l);
    }
    return rc;
}

static int run_heimdal(struct logging *l)
{
    const struct heimdal_range range = {l->has_from ? l->from : 0, l->to,     l->last, l->verbose,
                                        l->last_version,           l->reverse};

    return cmd_log_heimdal(&l->c, l->heimdal, &range);
}

int cmd_log(int argc, char **argv)
{
    struct logging l = {0};
    struct opt opts[] = {
        {.name = "from",
         .kind = OPT_NUMBER,
         .to = &l.from,
         .arg = "N",
         .help = "begin at commit N (the oldest kept)"},
        {.name = "to",
         .kind = OPT_NUMBER,
         .to = &l.to,
         .arg = "N",
         .help = "end at commit N (the newest)"},
        {.name = "last",
         .letter = 'n',
         .kind = OPT_NUMBER,
         .to = &l.last,
         .arg = "N",
         .help = "the last N commits"},
        {.name = "reverse",
         .letter = 'R',
         .kind = OPT_FLAG,
         .to = &l.reverse,
         .help = "the newest first"},
        {.name = "follow",
         .letter = 'f',
         .kind = OPT_FLAG,
         .to = &l.follow,
         .help = "go on with new commits as they are made"},
        {.name = "verbose",
         .letter = 'v',
         .kind = OPT_FLAG,
         .to = &l.verbose,
         .help = "list the changes"},
        {.name = "heimdal-log",
         .kind = OPT_TEXT,
         .to = &l.heimdal,
         .arg = "FILE",
         .help = "instead of a store: the records of a log of Heimdal's"},
        {.name = "last-version",
         .kind = OPT_FLAG,
         .to = &l.last_version,
         .help = "with --heimdal-log: only the version of the database"},
        {.name = "values",
         .kind = OPT_FLAG,
         .to = &l.values,
         .help = "with their values; those of principals are never printed"},
        CLI_OPTS(&l.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl log",
        .operands = "[DIR]",
        .least = 0,
        .most = 1,
        .opts = opts,
        .summary = "Shows the commits that the journal of the store in DIR holds.",
        .notes =
            "A line has the number, the time, who made the commit, what for, and what it holds. With\n"
            "--json one object a line, with the changes. --follow without --from and --last begins "
            "with\n"
            "the next commit. A log of Heimdal's is only read, and checked whole; N counts its\n"
            "versions."};
    int rc = cli_begin(&l.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    l.has_from = opts[0].set && l.from > 0;
    l.verbose = l.verbose || l.values;
    if (l.reverse && l.follow) {
        prog_say("--reverse ends with the oldest commit, and cannot be followed");
        return cli_end(&l.c, &cmd, PROG_USAGE);
    }
    if (l.heimdal != NULL ? argc != 0 || l.follow : argc != 1 || l.last_version) {
        prog_say(l.heimdal != NULL ? "--heimdal-log takes the place of DIR, and cannot be followed"
                                   : "name the DIR of a store, or a file with --heimdal-log");
        return cli_end(&l.c, &cmd, PROG_USAGE);
    }
    return cli_end(&l.c, &cmd, l.heimdal != NULL ? run_heimdal(&l) : run_log(&l, argv[0]));
}
