/* cmd_heimdal.c: krbrepl replay, and krbrepl log on a log file of Heimdal's. */
#include "cmd_heimdal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heimglue.h"
#include "mkeyfile.h"
#include "times.h"
#include "token.h"

/* ---- krbrepl log --heimdal-log --------------------------------------------------------------- */

struct listing {
    struct cli *c;
    FILE *f; /* where it is printed */
    bool verbose;
    /* To be printed backwards: the listing, and where each of its records begins. */
    char *text;
    size_t length;
    long *begins;
    size_t records;
};

static const char *op_name(uint64_t op)
{
    switch (op) {
    case 1:
        return "delete";
    case 2:
        return "create";
    case 3:
        return "rename";
    case 5:
        return "modify";
    default:
        return "nop";
    }
}

/* What a modify changes, by the bits of its mask. */
static const struct {
    uint64_t bit;
    const char *name;
} fields[] = {
    {0x1, "principal"},       {0x2, "expiration"},   {0x4, "pw-expiration"},   {0x8, "last-pw-change"},
    {0x10, "attributes"},     {0x20, "max-life"},    {0x40, "mod-time"},       {0x80, "mod-name"},
    {0x100, "kvno"},          {0x200, "mkvno"},      {0x400, "aux"},           {0x800, "policy"},
    {0x1000, "policy-clear"}, {0x2000, "max-renew"}, {0x4000, "last-success"}, {0x8000, "last-failure"},
    {0x10000, "failures"},    {0x20000, "keys"},     {0x40000, "extensions"},
};

static void json_record(struct listing *l, const struct heimglue_record *rec)
{
    struct json *j = &l->c->out;
    char line[1024];
    size_t i;

    json_open(j, NULL, '{');
    json_u64(j, "version", rec->version);
    json_time(j, "time", (int64_t)rec->time * 1000000);
    json_text(j, "op", op_name(rec->op));
    json_text(j, "name", rec->name);
    if (rec->op == 3)
        json_text(j, "from", rec->from);
    if (rec->op == 5) {
        json_open(j, "fields", '[');
        for (i = 0; i < sizeof fields / sizeof fields[0]; i++)
            if ((rec->mask & fields[i].bit) != 0)
                json_text(j, NULL, fields[i].name);
        json_close(j, ']');
    }
    json_u64(j, "offset", rec->offset);
    json_u64(j, "bytes", rec->length);
    if (rec->entry.len != 0 && heimglue_describe(rec->entry, rec->entry, line, sizeof line))
        json_text(j, "about", line);
    json_close(j, '}');
}

static void print_record(struct listing *l, const struct heimglue_record *rec)
{
    char stamp[TIMES_ROOM], line[1024];
    size_t i;

    fprintf(l->f, "%" PRIu64 " %s %s ", rec->version, times_stamp(stamp, (int64_t)rec->time * 1000000),
            op_name(rec->op));
    if (rec->op == 3) {
        token_show(l->f, rec->from, strlen(rec->from));
        fprintf(l->f, " to ");
    }
    token_show(l->f, rec->name, strlen(rec->name));
    for (i = 0; rec->op == 5 && i < sizeof fields / sizeof fields[0]; i++)
        if ((rec->mask & fields[i].bit) != 0)
            fprintf(l->f, " %s", fields[i].name);
    fprintf(l->f, " (offset %" PRIu64 ", %" PRIu64 " bytes)\n", rec->offset, rec->length);
    if (l->verbose && rec->entry.len != 0 &&
        heimglue_describe(rec->entry, rec->entry, line, sizeof line))
        fprintf(l->f, "    %s\n", line);
}

static int show(void *ctx, const struct heimglue_record *rec)
{
    struct listing *l = ctx;

    if (l->f != stdout) {
        l->begins = prog_grow(l->begins, (l->records + 1) * sizeof *l->begins);
        l->begins[l->records++] = ftell(l->f);
    }
    if (l->c->json)
        json_record(l, rec);
    else
        print_record(l, rec);
    /* Stops at once when nobody reads any more. */
    return ferror(l->f) != 0 ? 1 : 0;
}

/* A listing that is printed backwards is made in memory first. */
static bool listing_begin(struct listing *l, bool reverse)
{
    l->f = reverse ? open_memstream(&l->text, &l->length) : stdout;
    if (l->f == NULL)
        prog_say("there is not enough memory for the listing; leave out --reverse");
    else if (l->c->json)
        l->c->out.f = l->f;
    return l->f != NULL;
}

static bool listing_end(struct listing *l)
{
    size_t i, end = 0;
    bool whole = true;

    l->c->out.f = stdout;
    if (l->f == stdout)
        return true;
    whole = fclose(l->f) == 0;
    end = l->length;
    for (i = l->records; whole && i-- > 0; end = (size_t)l->begins[i])
        fwrite(l->text + l->begins[i], 1, end - (size_t)l->begins[i], stdout);
    if (!whole)
        prog_say("there is not enough memory for the listing; leave out --reverse");
    free(l->text);
    free(l->begins);
    return whole;
}

static void report_log(struct cli *c, const char *file, const struct heimglue_log *log)
{
    if (c->json) {
        json_open(&c->out, NULL, '{');
        json_text(&c->out, "file", file);
        json_u64(&c->out, "last_version", log->version);
        json_time(&c->out, "time", (int64_t)log->time * 1000000);
        json_u64(&c->out, "first_version", log->first);
        json_u64(&c->out, "records", log->records);
        json_u64(&c->out, "end", log->end);
        json_u64(&c->out, "unconfirmed", log->unconfirmed);
        json_close(&c->out, '}');
        return;
    }
    if (log->unconfirmed != 0)
        prog_say("%s: %" PRIu64 " bytes behind the last confirmed record are left out", file,
                 log->unconfirmed);
    if (log->old)
        prog_say("%s: it has no header record, as logs of old releases of Heimdal have none", file);
}

int cmd_log_heimdal(struct cli *c, const char *file, const struct heimdal_range *range)
{
    struct listing l = {.c = c, .verbose = range->verbose};
    struct heimglue_log log;
    krbrepl_errinfo ei;
    uint64_t from = range->from;
    int rc;

    KRBREPL_INIT(&ei);
    rc = heimglue_log(file, 0, 0, NULL, NULL, &log, &ei);
    if (rc == 0 && range->last_version) {
        if (c->json)
            report_log(c, file, &log);
        else
            printf("version: %" PRIu64 "\n", log.version);
        return PROG_OK;
    }
    if (range->last != 0 && log.version >= log.first + range->last)
        from = log.version - range->last + 1;
    if (rc == 0) {
        if (!listing_begin(&l, range->reverse))
            return PROG_FAILED;
        rc = heimglue_log(file, from, range->to, show, &l, &log, &ei);
        if (!listing_end(&l))
            return PROG_FAILED;
    }
    if (rc < 0)
        return cli_failed(c, rc, &ei);
    report_log(c, file, &log);
    return PROG_OK;
}

/* ---- krbrepl replay -------------------------------------------------------------------------- */

struct replaying {
    struct cli c;
    char *file, *why, *mkey_file;
    uint64_t from, to;
};

static void report_replay(struct replaying *p, const struct heimglue_result *r)
{
    struct json *j = &p->c.out;

    if (p->c.json) {
        json_open(j, NULL, '{');
        json_text(j, "file", p->file);
        json_u64(j, "records", r->records);
        json_u64(j, "applied", r->applied);
        json_u64(j, "last_version", r->version);
        json_u64(j, "commits", r->commits);
        json_u64(j, "added", r->added);
        json_u64(j, "changed", r->changed);
        json_u64(j, "deleted", r->deleted);
        cli_json_pos(j, "position", &r->pos);
        json_close(j, '}');
    } else if (!p->c.quiet) {
        printf("replayed %" PRIu64 " records, to version %" PRIu64 ": %" PRIu64 " added, %" PRIu64
               " changed, %" PRIu64 " deleted, position ",
               r->records, r->version, r->added, r->changed, r->deleted);
        cli_print_pos(&r->pos);
    }
}

static int run_replay(struct replaying *p, const char *dir)
{
    struct heimglue_result r = {0};
    struct mkeyfile *mkey = NULL;
    krbrepl_errinfo ei;
    int rc;

    if (p->file == NULL) {
        prog_say("--heimdal-log names the file whose records are replayed");
        return PROG_USAGE;
    }
    rc = cli_open(&p->c, dir, 0);
    if (rc != PROG_OK)
        return rc;
    if (p->mkey_file != NULL && (mkey = mkeyfile_open(p->mkey_file)) == NULL)
        return cli_refuse(&p->c, "the master key file cannot be used",
                          "name the file that kstash has written");
    KRBREPL_INIT(&ei);
    rc = heimglue_replay(p->c.store, p->file, p->from, p->to, p->why, mkey, &r, &ei);
    mkeyfile_close(mkey);
    if (rc != 0)
        return cli_failed(&p->c, rc, &ei);
    report_replay(p, &r);
    return PROG_OK;
}

int cmd_replay(int argc, char **argv)
{
    struct replaying p = {0};
    struct opt opts[] = {
        {.name = "heimdal-log",
         .kind = OPT_TEXT,
         .to = &p.file,
         .arg = "FILE",
         .help = "the log of a Heimdal master or slave"},
        {.name = "from",
         .kind = OPT_NUMBER,
         .to = &p.from,
         .arg = "N",
         .help = "begin at version N (the oldest there is)"},
        {.name = "to",
         .kind = OPT_NUMBER,
         .to = &p.to,
         .arg = "N",
         .help = "end at version N (the last)"},
        {.name = "mkey-file",
         .kind = OPT_TEXT,
         .to = &p.mkey_file,
         .arg = "FILE",
         .help = "encrypt keys that are in clear under the master key in FILE"},
        {.name = "why",
         .kind = OPT_TEXT,
         .to = &p.why,
         .arg = "TEXT",
         .help = "what the replay is for, for the journal (replay FILE to N)"},
        CLI_OPTS(&p.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl replay",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary = "Does to the master's store in DIR what the records of a Heimdal log say.",
        .notes = "The log is only read, and checked whole before anything is changed; a damaged one is "
                 "named\n"
                 "with the offset. What is there already is not changed again, so that a log may be "
                 "replayed\n"
                 "as often as one likes. Keys stay as they are in the log, unless --mkey-file says how "
                 "to encrypt those in clear."};
    int rc = cli_begin(&p.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    return cli_end(&p.c, &cmd, run_replay(&p, argv[0]));
}
