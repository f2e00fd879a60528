/* cmd_store.c: krbrepl init, retention, promote, demote, backup, restore, upgrade. */
#include <string.h>

#include "cli.h"

struct keep {
    uint64_t entries, bytes, age_ms, cap, slot_ms;
};

#define KEEP_OPTS(k)                                                                     \
    {.name = "keep-entries",                                                             \
     .kind = OPT_NUMBER,                                                                 \
     .to = &(k)->entries,                                                                \
     .arg = "N",                                                                         \
     .help = "commits that the journal keeps (100,000)"},                                \
        {.name = "keep-bytes",                                                           \
         .kind = OPT_SIZE,                                                               \
         .to = &(k)->bytes,                                                              \
         .arg = "SIZE",                                                                  \
         .help = "size of the journal (256 MiB)"},                                       \
        {.name = "keep-age",                                                             \
         .kind = OPT_TIME,                                                               \
         .to = &(k)->age_ms,                                                             \
         .arg = "TIME",                                                                  \
         .help = "drop commits that are older (no limit)"},                              \
        {.name = "keep-hard-cap",                                                        \
         .kind = OPT_SIZE,                                                               \
         .to = &(k)->cap,                                                                \
         .arg = "SIZE",                                                                  \
         .help = "size up to which a replica that is behind holds the journal (4 GiB)"}, \
    {                                                                                    \
        .name = "keep-slots", .kind = OPT_TIME, .to = &(k)->slot_ms, .arg = "TIME",      \
        .help = "forget a replica that was not seen for so long (14 days)"               \
    }

static void retention_of(const struct keep *k, krbrepl_retention *r)
{
    KRBREPL_INIT(r);
    r->entries = k->entries;
    r->bytes = k->bytes;
    r->seconds = (k->age_ms + 999) / 1000;
    r->hard_cap = k->cap;
    r->slot_seconds = (k->slot_ms + 999) / 1000;
}

/* Puts what the store keeps now in the place of what the command line does not say. */
static void retention_rest(const struct opt *opts, const krbrepl_store_info *now, krbrepl_retention *r)
{
    if (!opts_is_set(opts, "keep-entries"))
        r->entries = now->retention_entries;
    if (!opts_is_set(opts, "keep-bytes"))
        r->bytes = now->retention_bytes;
    if (!opts_is_set(opts, "keep-age"))
        r->seconds = now->retention_seconds;
    if (!opts_is_set(opts, "keep-hard-cap"))
        r->hard_cap = now->retention_hard_cap;
    if (!opts_is_set(opts, "keep-slots"))
        r->slot_seconds = now->retention_slot_seconds;
}

/* What a store is, after something was done to it. */
static int report(struct cli *c, const char *done, const char *dir)
{
    krbrepl_store_info info;
    int rc;

    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(c->store, &info);
    if (rc != 0)
        return cli_failed_store(c, rc);
    if (c->json) {
        json_open(&c->out, NULL, '{');
        json_text(&c->out, "done", done);
        json_text(&c->out, "dir", dir);
        cli_json_info(&c->out, &info);
        json_close(&c->out, '}');
    } else if (!c->quiet) {
        printf("%s: %s, role %s, position ", dir, done, krbrepl_role_name(info.role));
        cli_print_pos(&info.pos);
    }
    return PROG_OK;
}

static int create(struct cli *c, const char *dir, const krbrepl_create_options *opt)
{
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&ei);
    rc = krbrepl_store_create(dir, opt, &ei);
    if (rc != 0)
        return cli_failed(c, rc, &ei);
    rc = cli_open(c, dir, 0);
    if (rc == PROG_OK)
        rc = report(c, "created", dir);
    if (rc == PROG_OK && !c->json && !c->quiet)
        printf(
            (opt->flags & KRBREPL_CREATE_MASTER) != 0
                ? "next: fill it (`krbrepl load`), then serve it with `krbrepl-master --store %s --acl "
                  "FILE`\n"
                : "next: fill it with `krbrepl-replica --store %s MASTER`, or make it the master with "
                  "`krbrepl promote`\n",
            dir);
    return rc;
}

int cmd_init(int argc, char **argv)
{
    struct cli c = {0};
    struct keep keep = {0};
    krbrepl_create_options create_opt;
    krbrepl_retention retention;
    bool master = false;
    char *group = NULL;
    uint8_t id[16];
    struct opt opts[] = {
        {.name = "master", .kind = OPT_FLAG, .to = &master, .help = "make it a master at once"},
        {.name = "group",
         .kind = OPT_TEXT,
         .to = &group,
         .arg = "GROUP",
         .help = "group that may use the store too (default: the owner only)"},
        {.name = "database-id",
         .kind = OPT_ID,
         .to = id,
         .arg = "HEX",
         .help = "id of the database (random for a master, else the first master's)"},
        KEEP_OPTS(&keep),
        CLI_OPTS(&c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl init",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary = "Makes a store in DIR, which is created if need be and must hold no store yet.",
        .notes = "Without --master the store is unset: it becomes a replica when krbrepl-replica first "
                 "runs on\n"
                 "it, or the master by `krbrepl promote`. A realm has one master."};
    int rc = cli_begin(&c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    retention_of(&keep, &retention);
    KRBREPL_INIT(&create_opt);
    create_opt.flags = master ? KRBREPL_CREATE_MASTER : 0;
    create_opt.group = group;
    create_opt.database_id = opts_is_set(opts, "database-id") ? id : NULL;
    create_opt.retention = &retention;
    return cli_end(&c, &cmd, create(&c, argv[0], &create_opt));
}

int cmd_retention(int argc, char **argv)
{
    struct cli c = {0};
    struct keep keep = {0};
    krbrepl_retention retention;
    krbrepl_store_info now;
    struct opt opts[] = {KEEP_OPTS(&keep), CLI_OPTS(&c)};
    const struct opt_command cmd = {
        .name = "krbrepl retention",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary = "Changes how much journal the store in DIR keeps.",
        .notes =
            "What is not given stays as it is; 0 brings the default back. More journal lets a replica "
            "be "
            "away for\n"
            "longer without a full copy. A commit is dropped as soon as one of the limits says so."};
    int rc = cli_begin(&c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    retention_of(&keep, &retention);
    KRBREPL_INIT(&now);
    rc = cli_open(&c, argv[0], 0);
    if (rc == PROG_OK) {
        rc = krbrepl_store_info_get(c.store, &now);
        retention_rest(opts, &now, &retention);
        if (rc == 0)
            rc = krbrepl_store_set_retention(c.store, &retention);
        rc = rc != 0 ? cli_failed_store(&c, rc) : report(&c, "retention set", argv[0]);
    }
    return cli_end(&c, &cmd, rc);
}

struct trimming {
    struct cli c;
    uint64_t keep, bytes;
    uint64_t size; /* of the commit that was looked at last */
};

static int see_size(void *ctx, const krbrepl_commit *commit)
{
    struct trimming *t = ctx;

    t->size = commit->bytes;
    return 0;
}

/* How many of the newest commits, at most t->keep, have t->bytes together. */
static int count_that_fit(struct trimming *t, uint64_t *count)
{
    krbrepl_store_info info;
    uint64_t seq, sum = 0;
    int rc;

    KRBREPL_INIT(&info);
    *count = 0;
    rc = krbrepl_store_info_get(t->c.store, &info);
    for (seq = info.journal_last; rc == 0 && *count < t->keep && seq >= info.journal_first && seq > 0;
         seq--) {
        rc = krbrepl_journal_each(t->c.store, seq, seq, see_size, t);
        sum += t->size;
        if (rc != 0 || sum > t->bytes)
            break;
        ++*count;
    }
    return rc;
}

static int run_trim(struct trimming *t, const char *dir)
{
    struct cli *c = &t->c;
    uint64_t keep = t->keep, dropped = 0;
    int rc = cli_open(c, dir, 0);

    if (rc != PROG_OK)
        return rc;
    rc = t->bytes != 0 ? count_that_fit(t, &keep) : 0;
    if (rc == 0)
        rc = krbrepl_store_trim(c->store, keep, &dropped);
    if (rc != 0)
        return cli_failed_store(c, rc);
    if (c->json) {
        json_open(&c->out, NULL, '{');
        json_u64(&c->out, "dropped", dropped);
        json_close(&c->out, '}');
    } else if (!c->quiet) {
        printf("%llu commits dropped from the journal\n", (unsigned long long)dropped);
    }
    return PROG_OK;
}

int cmd_trim(int argc, char **argv)
{
    struct trimming t = {.keep = 100};
    struct opt opts[] = {
        {.name = "keep",
         .letter = 'K',
         .kind = OPT_NUMBER,
         .to = &t.keep,
         .arg = "N",
         .help = "how many commits to keep (100)"},
        {.name = "bytes",
         .letter = 'B',
         .kind = OPT_SIZE,
         .to = &t.bytes,
         .arg = "SIZE",
         .help = "as many of them as have SIZE together; the newest stays in any case"},
        CLI_OPTS(&t.c)};
    const struct opt_command cmd = {
        .name = "krbrepl trim",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary = "Drops the oldest commits from the journal of the store in DIR, until N remain.",
        .notes = "What a known replica still needs stays. The journal is trimmed by itself too: see "
                 "krbrepl\n"
                 "retention. The content is not touched."};
    int rc = cli_begin(&t.c, &cmd, &argc, &argv);

    return rc != OPTS_GO ? rc : cli_end(&t.c, &cmd, run_trim(&t, argv[0]));
}

/* promote and demote differ in one call. */
static int change_role(int argc, char **argv, const struct opt_command *shape,
                       int (*change)(krbrepl_store *, const char *, krbrepl_pos *), const char *done)
{
    struct cli c = {0};
    char *who = NULL;
    struct opt opts[] = {
        CLI_WHO(&who),
        CLI_OPTS(&c),
    };
    struct opt_command cmd = *shape;
    int rc;

    cmd.opts = opts;
    rc = cli_begin(&c, &cmd, &argc, &argv);
    if (rc != OPTS_GO)
        return rc;
    rc = cli_open(&c, argv[0], 0);
    if (rc == PROG_OK) {
        rc = change(c.store, who, NULL);
        rc = rc != 0 ? cli_failed_store(&c, rc) : report(&c, done, argv[0]);
    }
    return cli_end(&c, &cmd, rc);
}

int cmd_promote(int argc, char **argv)
{
    const struct opt_command shape = {
        .name = "krbrepl promote",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .summary = "Makes the store in DIR the master, with a new lineage and a higher epoch.",
        .notes =
            "The old master must not go on: demote it first if it is alive. If it is dead, it is "
            "refused\n"
            "when it returns. Stop krbrepl-replica on this store, promote, and start krbrepl-master."};

    return change_role(argc, argv, &shape, krbrepl_promote, "promoted");
}

int cmd_demote(int argc, char **argv)
{
    const struct opt_command shape = {
        .name = "krbrepl demote",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .summary = "Hands the role of the master back: the store in DIR becomes a replica.",
        .notes = "For a planned change: demote the old master, let the new one catch up\n"
                 "(`krbrepl wait`), then promote the new one."};

    return change_role(argc, argv, &shape, krbrepl_demote, "demoted");
}

static int resolve(struct cli *c, bool keep_master, const char *who, const char *dir)
{
    int rc = cli_open(c, dir, 0);

    if (rc != PROG_OK)
        return rc;
    rc = krbrepl_resolve(
        c->store, keep_master ? KRBREPL_RESOLVE_KEEP_MASTER : KRBREPL_RESOLVE_KEEP_REPLICA, who, NULL);
    if (rc != 0)
        return cli_failed_store(c, rc);
    rc = report(c, "resolved", dir);
    if (rc == PROG_OK && !c->json && !c->quiet)
        printf(
            keep_master
                ? "next: a full copy from the master, as soon as krbrepl-replica has connected; what "
                  "only this store has goes to %s/evidence\n"
                : "next: stop krbrepl-replica on %s and start krbrepl-master; then demote the old "
                  "master and start krbrepl-replica there\n",
            dir);
    return rc;
}

int cmd_resolve(int argc, char **argv)
{
    struct cli c = {0};
    bool keep_master = false, keep_replica = false;
    char *who = NULL;
    struct opt opts[] = {
        {.name = "keep-master",
         .kind = OPT_FLAG,
         .to = &keep_master,
         .help = "give up what only the store in DIR has; it is kept in evidence/"},
        {.name = "keep-replica",
         .kind = OPT_FLAG,
         .to = &keep_replica,
         .help = "make the store in DIR the master; the old master gives up what only it has"},
        CLI_WHO(&who),
        CLI_OPTS(&c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl resolve",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary =
            "Decides about the store in DIR of a replica that its master refuses as AHEAD or DIVERGED.",
        .notes =
            "Both have commits that the other does not, and no promotion or restore explains it: "
            "somebody put\nold files back, or wrote two masters. Compare them with `krbrepl log` "
            "first. "
            "The commits that\nlose are kept in evidence/ of the store that loses. May be run while "
            "krbrepl-replica runs."};
    int rc = cli_begin(&c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    if (keep_master == keep_replica) {
        prog_say("say either --keep-master or --keep-replica");
        rc = PROG_USAGE;
    } else {
        rc = resolve(&c, keep_master, who, argv[0]);
    }
    return cli_end(&c, &cmd, rc);
}

int cmd_backup(int argc, char **argv)
{
    struct cli c = {0};
    struct opt opts[] = {CLI_OPTS(&c)};
    const struct opt_command cmd = {
        .name = "krbrepl backup",
        .operands = "DIR FILE",
        .least = 2,
        .most = 2,
        .opts = opts,
        .summary = "Copies the store in DIR into FILE, which must not be there yet.",
        .notes =
            "The copy is consistent and on the disk when the command ends; daemons and writers go on\n"
            "meanwhile. FILE holds every key of the realm: guard it as you guard the KDC."};
    int rc = cli_begin(&c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    rc = cli_open(&c, argv[0], KRBREPL_STORE_READONLY);
    if (rc == PROG_OK) {
        rc = krbrepl_backup(c.store, argv[1]);
        rc = rc != 0 ? cli_failed_store(&c, rc) : report(&c, "backed up", argv[0]);
    }
    return cli_end(&c, &cmd, rc);
}

int cmd_restore(int argc, char **argv)
{
    struct cli c = {0};
    krbrepl_errinfo ei;
    char *who = NULL;
    struct opt opts[] = {
        CLI_WHO(&who),
        CLI_OPTS(&c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl restore",
        .operands = "FILE DIR",
        .least = 2,
        .most = 2,
        .opts = opts,
        .summary = "Makes a store in DIR (empty, or not there yet) out of the backup FILE.",
        .notes = "A backup of a master becomes a master with a new lineage, so that replicas which saw "
                 "more\n"
                 "than the backup holds notice it. Any other becomes a replica."};
    int rc = cli_begin(&c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    KRBREPL_INIT(&ei);
    rc = krbrepl_restore(argv[0], argv[1], who, &ei);
    if (rc != 0)
        return cli_end(&c, &cmd, cli_failed(&c, rc, &ei));
    rc = cli_open(&c, argv[1], KRBREPL_STORE_READONLY);
    if (rc == PROG_OK)
        rc = report(&c, "restored", argv[1]);
    return cli_end(&c, &cmd, rc);
}

int cmd_upgrade(int argc, char **argv)
{
    struct cli c = {0};
    krbrepl_errinfo ei;
    struct opt opts[] = {CLI_OPTS(&c)};
    const struct opt_command cmd = {
        .name = "krbrepl upgrade",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary = "Brings the store in DIR, made by an older release, to today's format, in place.",
        .notes = "Stop everything that uses the store, and make a backup, before."};
    int rc = cli_begin(&c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    KRBREPL_INIT(&ei);
    rc = krbrepl_upgrade(argv[0], &ei);
    if (rc != 0)
        return cli_end(&c, &cmd, cli_failed(&c, rc, &ei));
    rc = cli_open(&c, argv[0], KRBREPL_STORE_READONLY);
    if (rc == PROG_OK)
        rc = report(&c, "up to date", argv[0]);
    return cli_end(&c, &cmd, rc);
}
