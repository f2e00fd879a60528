/* cmd_adopt.c: krbrepl adopt: the database that a KDC of MIT krb5 has today, into a store of the KDB module.
 *
 * The old database is only read, by kdb5_util. A round takes its dump, loads it (of which only the differences
 * become a commit, in one transaction), and compares what the store holds then with the dump, record by record. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "progress.h"
#include "times.h"

#define NAMES_SHOWN 20
#define ROUNDS_MOST 10

typedef unsigned long long ull;

/* What differed in one comparison. */
struct tally {
    struct adopt *a;
    const struct adopt_own *own; /* a comparison; else NULL */
    bool names;                  /* name them */
    uint64_t n[4];
    uint64_t shown, both;
};

static const char *const what_names[] = {"added", "changed", "counted", "deleted"};

static bool plain(const struct adopt *a)
{
    return !a->c.json && !a->c.quiet;
}

/* ---- the old database ------------------------------------------------------------------------- */

static int find_old(struct adopt *a)
{
    char *kdc_file, *why = NULL, *text;
    int rc = PROG_OK;

    /* The stash file is looked for in the same profile. */
    if (a->kdc_file != NULL && setenv("KRB5_KDC_PROFILE", a->kdc_file, 1) != 0)
        return PROG_FAILED;
    a->conf = conf_open(NULL, a->realm);
    if (a->conf == NULL)
        return PROG_FAILED;
    if (*conf_realm(a->conf) == '\0')
        return cli_refuse(&a->c, "no realm is known", "name one with --realm");
    kdc_file = conf_kdc_file();
    if (!kdbdump_open(&a->old, conf_realm(a->conf), kdc_file, a->module, a->util, &why)) {
        rc = cli_refuse(&a->c, why, "correct it, or name another one with --kdc-conf");
        free(why);
    } else if (strcmp(a->old.library, "krbrepl") == 0) {
        text =
            prog_format("the section %s of [dbmodules] in %s says db_library = krbrepl: that is no old "
                        "database",
                        a->old.module, kdc_file);
        rc = cli_refuse(&a->c, text,
                        "name the section of the old database with --module, or the old kdc.conf with "
                        "--kdc-conf");
        free(text);
    }
    free(kdc_file);
    return rc;
}

static struct keyfile take_dump(struct adopt *a, struct dumpset *set)
{
    struct keyfile k;
    char *why = NULL;

    memset(set, 0, sizeof *set);
    progress_show(NULL, "dump", 0, 0);
    k = kdbdump_take(&a->old, a->scratch, &why);
    progress_end();
    if (k.f != NULL && (!dumpset_read(set, k.f, &why) || fseek(k.f, 0, SEEK_SET) != 0))
        (void)keyfile_close(&k);
    if (k.f == NULL)
        (void)cli_refuse(&a->c, why != NULL ? why : "the dump cannot be read again",
                         "the old database and the store are as before");
    free(why);
    return k;
}

/* ---- what differs ----------------------------------------------------------------------------- */

static void tell_name(struct tally *t, enum dumpset_what what, const struct dumpset_entry *e, bool both)
{
    if (!plain(t->a) || !t->names || what == DUMPSET_COUNTED || t->shown++ >= NAMES_SHOWN)
        return;
    printf("  %-8s %s %s%s\n", what_names[what], e->policy ? "policy" : "principal", e->name,
           both ? " (written in the store since)" : "");
}

static void see_difference(void *ctx, enum dumpset_what what, const struct dumpset_entry *e)
{
    struct tally *t = ctx;
    bool both = t->own != NULL && adopt_own_has(t->own, e);

    t->n[what]++;
    t->both += both && what != DUMPSET_COUNTED;
    tell_name(t, what, e, both);
}

static uint64_t differing(const struct tally *t)
{
    return t->n[DUMPSET_ADDED] + t->n[DUMPSET_CHANGED] + t->n[DUMPSET_DELETED];
}

static void tell_tally(const struct tally *t, const char *when)
{
    if (!plain(t->a))
        return;
    if (t->names && t->shown > NAMES_SHOWN)
        printf("  ... and %llu more\n", (ull)(t->shown - NAMES_SHOWN));
    printf("%s: %llu added, %llu changed, %llu deleted; %llu with other counters of logins only\n",
           when, (ull)t->n[DUMPSET_ADDED], (ull)t->n[DUMPSET_CHANGED], (ull)t->n[DUMPSET_DELETED],
           (ull)t->n[DUMPSET_COUNTED]);
}

/* ---- a round ---------------------------------------------------------------------------------- */

/* Loading again would undo what was written in the store itself. */
static int guard(struct adopt *a)
{
    struct adopt_own own;
    char *text;
    int rc = adopt_store_own(a, &own);

    if (rc == PROG_OK && own.seq != 0 && !a->over) {
        text = prog_format(
            "%s was written by others since it last adopted a database: commit %llu, \"%s\"%s%s",
            a->dir, (ull)own.seq, own.why != NULL ? own.why : "trimmed", own.who != NULL ? ", by " : "",
            own.who != NULL ? own.who : "");
        rc = cli_refuse(&a->c, text,
                        "adopting again would undo that; `krbrepl adopt --compare` tells what differs, "
                        "--over replaces the store's content all the same");
        free(text);
    }
    adopt_own_free(&own);
    return rc;
}

static int load(struct adopt *a, const struct keyfile *k)
{
    char *why = prog_format(ADOPT_WHY "%.60s of %.200s", a->old.library, a->old.realm);
    char *name = kdbdump_name(k);
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&ei);
    rc = mitglue_load(a->c.store, name, false, why, progress_show, &a->r, &ei);
    progress_end();
    free(name);
    free(why);
    return rc == 0 ? PROG_OK : cli_failed(&a->c, rc, &ei);
}

/* The store has to hold what the dump holds, with every counter. */
static int check(struct adopt *a, const struct dumpset *want)
{
    struct tally t = {.a = a, .names = true};
    struct dumpset have;
    int rc = adopt_store_set(a, &have);
    char *text;

    if (rc == PROG_OK) {
        dumpset_compare(want, &have, see_difference, &t);
        if (differing(&t) + t.n[DUMPSET_COUNTED] > 0) {
            text = prog_format("the store does not hold what was read: %llu of %llu records differ",
                               (ull)(differing(&t) + t.n[DUMPSET_COUNTED]), (ull)want->n);
            rc = cli_refuse(&a->c, text,
                            "do not use it; if nothing else writes to it, run the command again");
            free(text);
        }
    }
    dumpset_free(&have);
    return rc;
}

static int load_and_check(struct adopt *a, const struct keyfile *k, const struct dumpset *now,
                          struct tally *t)
{
    struct dumpset have = {0};
    int rc = adopt_store_open(a);

    if (rc == PROG_OK)
        rc = adopt_store_lock(a);
    if (rc == PROG_OK)
        rc = guard(a);
    if (rc == PROG_OK)
        rc = adopt_store_set(a, &have);
    if (rc == PROG_OK) {
        t->names = have.n > 0;
        dumpset_compare(&have, now, see_difference, t);
        tell_tally(t,
                   have.n > 0 ? "changed in the old database since it was last read" : "first reading");
        rc = load(a, k);
    }
    if (rc == PROG_OK)
        rc = check(a, now);
    adopt_store_unlock(a);
    dumpset_free(&have);
    return rc;
}

static int one_round(struct adopt *a, struct dumpset *now, struct tally *t)
{
    struct keyfile k = take_dump(a, now);
    int rc = k.f == NULL ? PROG_FAILED : load_and_check(a, &k, now, t);

    (void)keyfile_close(&k);
    return rc;
}

/* ---- what is told ----------------------------------------------------------------------------- */

struct stash_state {
    char *file; /* NULL: not known */
    bool opens;
    uint64_t has, want;
};

static void look_at_stash(struct adopt *a, struct stash_state *s)
{
    s->file = conf_stash(a->conf);
    if (s->file == NULL || mitglue_stash_kvno(s->file, conf_realm(a->conf), &s->has) != 0)
        s->has = 0;
    if (mitglue_mkey_kvno(a->c.store, conf_realm(a->conf), &s->want) != 0)
        s->want = 0;
    s->opens = s->has != 0 && kdbdump_stash_opens(&a->old);
}

static void tell_stash(const struct stash_state *s)
{
    const char *file = s->file != NULL ? s->file : "the stash file";

    if (s->opens && s->has == s->want)
        printf(
            "stash: %s holds master key %llu and opens the database; it goes on being used as it is.\n"
            "       It does not travel: copy it to every replica.\n",
            file, (ull)s->has);
    else if (s->has == 0)
        prog_say("%s holds no master key; the KDC will ask for its password as it did before, or run "
                 "`kdb5_util stash`",
                 file);
    else
        prog_say(
            "%s holds master key %llu, the database is at %llu%s; run `kdb5_util stash` and copy the "
            "file to every replica",
            file, (ull)s->has, (ull)s->want, s->opens ? "" : ", and it does not open it");
}

#ifndef KRBREPL_KDB_FROM_BIN
#define KRBREPL_KDB_FROM_BIN "."
#endif

/* Where the module was installed together with this program, whatever the prefix. NULL: not there. */
static char *module_dir(void)
{
    char self[4096], *slash, *path, *found = NULL;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n < 0 ? 0 : n] = '\0';
    slash = strrchr(self, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    path = KRBREPL_KDB_FROM_BIN[0] == '/' ? prog_dup(KRBREPL_KDB_FROM_BIN "/krbrepl.so")
                                          : prog_format("%s/%s/krbrepl.so", self, KRBREPL_KDB_FROM_BIN);
    found = realpath(path, NULL);
    free(path);
    if (found != NULL)
        *strrchr(found, '/') = '\0';
    return found;
}

static void tell_section(const struct adopt *a)
{
    char *full = realpath(a->dir, NULL), *plugins = module_dir();

    printf("\nTo switch, write this into %s, in the place of what is there for the realm:\n\n"
           "[realms]\n    %s = {\n        database_module = krbrepl\n    }\n[dbmodules]\n",
           a->old.kdc_file, a->old.realm);
    if (plugins != NULL)
        printf("    db_module_dir = %s\n", plugins);
    printf("    krbrepl = {\n        db_library = krbrepl\n        database_name = %s\n",
           full != NULL ? full : a->dir);
    if (a->old.no_success)
        printf("        disable_last_success = true\n");
    if (a->old.no_lockout)
        printf("        disable_lockout = true\n");
    printf("    }\n\n");
    free(full);
    free(plugins);
    if (!a->final)
        printf("Before: stop kadmind and every other writer, and run `krbrepl adopt --final %s`, which "
               "brings\n"
               "what was changed meanwhile. After: start krb5kdc and kadmind again.\n",
               a->dir);
    else
        printf("The old database is as it was; keep it, and the old kdc.conf, until the new one has "
               "proved\n"
               "itself. Restart krb5kdc, then start kadmind.\n");
}

static void json_result(struct adopt *a, const struct dumpset *now, const struct tally *t,
                        unsigned rounds, const struct stash_state *s)
{
    struct json *j = &a->c.out;
    uint8_t digest[32];

    dumpset_digest(now, digest);
    json_open(j, NULL, '{');
    json_text(j, "realm", a->old.realm);
    json_text(j, "library", a->old.library);
    json_text(j, "store", a->dir);
    json_bool(j, "made", a->made);
    json_u64(j, "principals", now->principals);
    json_u64(j, "policies", now->policies);
    json_u64(j, "added", t->n[DUMPSET_ADDED]);
    json_u64(j, "changed", t->n[DUMPSET_CHANGED]);
    json_u64(j, "deleted", t->n[DUMPSET_DELETED]);
    json_u64(j, "counted", t->n[DUMPSET_COUNTED]);
    json_u64(j, "rounds", rounds);
    json_bool(j, "final", a->final);
    json_hex(j, "digest", digest, sizeof digest);
    json_bool(j, "stash_opens", s->opens && s->has == s->want);
    cli_json_pos(j, "position", &a->r.pos);
    json_close(j, '}');
}

static void report(struct adopt *a, const struct dumpset *now, const struct tally *t, unsigned rounds)
{
    struct stash_state s = {0};

    look_at_stash(a, &s);
    if (a->c.json) {
        json_result(a, now, t, rounds, &s);
    } else {
        if (!a->c.quiet) {
            printf("adopted and checked: %llu principals and %llu policies are in %s as %s has them, "
                   "position ",
                   (ull)now->principals, (ull)now->policies, a->dir, a->old.library);
            cli_print_pos(&a->r.pos);
        }
        if (!a->c.quiet || s.has != s.want || !s.opens)
            tell_stash(&s);
        if (!a->c.quiet)
            tell_section(a);
    }
    free(s.file);
}

/* ---- the three ways --------------------------------------------------------------------------- */

static void add_up(struct tally *sum, const struct tally *t)
{
    size_t i;

    for (i = 0; i < sizeof sum->n / sizeof sum->n[0]; i++)
        sum->n[i] += t->n[i];
}

/* With --final until a reading found nothing that the one before had not. */
static int adopt(struct adopt *a)
{
    struct tally sum = {.a = a}, t;
    struct dumpset now = {0};
    unsigned rounds = 0;
    int rc;

    do {
        dumpset_free(&now);
        t = (struct tally){.a = a};
        rc = one_round(a, &now, &t);
        add_up(&sum, &t);
        rounds++;
    } while (rc == PROG_OK && a->final && rounds < ROUNDS_MOST && (rounds < 2 || differing(&t) > 0));
    if (rc == PROG_OK && a->final && differing(&t) > 0) {
        (void)cli_refuse(&a->c, "the old database is still being written",
                         "stop kadmind and every other writer, and run the command again");
        rc = PROG_CHECK;
    }
    if (rc == PROG_OK) {
        if (a->final && plain(a))
            printf("final: two readings, one after the other, found the same content\n");
        report(a, &now, &sum, rounds);
    }
    dumpset_free(&now);
    return rc;
}

static void report_comparison(struct adopt *a, const struct tally *t)
{
    struct json *j = &a->c.out;

    tell_tally(t, "in the old database, against the store");
    if (plain(a) && t->both > 0)
        printf("%llu of them were written in the store since it adopted the database\n", (ull)t->both);
    if (plain(a) && differing(t) > t->both)
        printf("%llu of them were written in the old database alone: make them again by hand, or adopt "
               "again\n",
               (ull)(differing(t) - t->both));
    if (!a->c.json)
        return;
    json_open(j, NULL, '{');
    json_u64(j, "added", t->n[DUMPSET_ADDED]);
    json_u64(j, "changed", t->n[DUMPSET_CHANGED]);
    json_u64(j, "deleted", t->n[DUMPSET_DELETED]);
    json_u64(j, "counted", t->n[DUMPSET_COUNTED]);
    json_u64(j, "written_in_store", t->both);
    json_close(j, '}');
}

static int compare(struct adopt *a)
{
    struct dumpset now, have = {0};
    struct adopt_own own = {0};
    struct tally t = {.a = a, .own = &own, .names = true};
    struct keyfile k = take_dump(a, &now);
    int rc = k.f == NULL ? PROG_FAILED : adopt_store_open(a);

    if (rc == PROG_OK)
        rc = adopt_store_own(a, &own);
    if (rc == PROG_OK)
        rc = adopt_store_set(a, &have);
    if (rc == PROG_OK) {
        dumpset_compare(&have, &now, see_difference, &t);
        report_comparison(a, &t);
        rc = differing(&t) > 0 ? PROG_CHECK : PROG_OK;
    }
    (void)keyfile_close(&k);
    dumpset_free(&now);
    dumpset_free(&have);
    adopt_own_free(&own);
    return rc;
}

static int run(struct adopt *a)
{
    int rc = find_old(a);

    if (rc != PROG_OK)
        return rc;
    adopt_store_scratch(a);
    if (plain(a))
        printf("old database: %s%s%s, section %s of %s\n", a->old.library,
               a->old.database != NULL ? " " : "", a->old.database != NULL ? a->old.database : "",
               a->old.module, a->old.kdc_file);
    progress_start(a->c.quiet);
    return a->compare ? compare(a) : adopt(a);
}

int cmd_adopt(int argc, char **argv)
{
    struct adopt a = {.lock = -1};
    struct opt opts[] = {
        {.name = "realm",
         .kind = OPT_TEXT,
         .to = &a.realm,
         .arg = "REALM",
         .help = "not the default realm"},
        {.name = "kdc-conf",
         .kind = OPT_TEXT,
         .to = &a.kdc_file,
         .arg = "FILE",
         .help = "the kdc.conf of the old database, if not the usual one"},
        {.name = "module",
         .kind = OPT_TEXT,
         .to = &a.module,
         .arg = "SECTION",
         .help = "the section of [dbmodules] of the old database, if not the realm's"},
        {.name = "kdb5-util",
         .kind = OPT_TEXT,
         .to = &a.util,
         .arg = "FILE",
         .help = "the kdb5_util to read it with"},
        {.name = "final",
         .kind = OPT_FLAG,
         .to = &a.final,
         .help = "read until nothing changes any more: the last run before the switch"},
        {.name = "compare",
         .kind = OPT_FLAG,
         .to = &a.compare,
         .help = "change nothing; tell what differs (exit code 3 when anything does)"},
        {.name = "over",
         .kind = OPT_FLAG,
         .to = &a.over,
         .help = "also over a store that others have written"},
        CLI_OPTS(&a.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl adopt",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary = "Copies the database that the KDC of this host has today, whatever module keeps it, "
                   "into the\n"
                   "store in DIR, for the KDB module.",
        .notes =
            "The old database is only read. krb5kdc and kadmind may go on; run it again as often as "
            "you "
            "like:\nonly what was changed becomes a commit. The result is compared with what was read, "
            "and the\nsection for kdc.conf is printed. A run that is killed has changed nothing, or "
            "all."};
    int rc = cli_begin(&a.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    a.dir = argv[0];
    if (a.compare && (a.final || a.over)) {
        prog_say("--compare changes nothing; it does not go with --final and --over");
        rc = PROG_USAGE;
    } else {
        rc = run(&a);
    }
    free(a.scratch);
    kdbdump_close(&a.old);
    conf_close(a.conf);
    return cli_end(&a.c, &cmd, rc);
}
