/* cmd_load.c: krbrepl load and dump. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "heimglue.h"
#include "keyfile.h"
#include "mitglue.h"
#include "mkeyfile.h"
#include "native.h"
#include "atomfile.h"
#include "progress.h"

enum format { FORMAT_MIT, FORMAT_NATIVE, FORMAT_HEIMDAL, FORMAT_HPROP };

static bool format_of(struct cli *c, const char *text, enum format *out)
{
    static const char *const names[] = {[FORMAT_MIT] = "mit",
                                        [FORMAT_NATIVE] = "native",
                                        [FORMAT_HEIMDAL] = "heimdal",
                                        [FORMAT_HPROP] = "hprop"};
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum format)i;
            return true;
        }
    (void)cli_refuse(c, "--format: there are the formats `mit`, `native`, `heimdal` and `hprop`",
                     "name one of them");
    return false;
}

/* A file says itself what it is; anything that is not ours nor Heimdal's is taken for MIT's. */
static enum format format_of_file(const char *file)
{
    char head[512];
    enum format found = FORMAT_MIT;
    const size_t magic = sizeof NATIVE_MAGIC - 1;
    size_t n;
    struct stat st;
    struct keyfile k;

    if (stat(file, &st) != 0 || !S_ISREG(st.st_mode))
        return FORMAT_MIT;
    k = keyfile_of(fopen(file, "re"));
    if (k.f == NULL)
        return FORMAT_MIT;
    n = fread(head, 1, sizeof head, k.f);
    if (n >= magic && memcmp(head, NATIVE_MAGIC, magic) == 0)
        found = FORMAT_NATIVE;
    else if (heimglue_format_of(head, n) == HEIMGLUE_DUMP)
        found = FORMAT_HEIMDAL;
    else if (heimglue_format_of(head, n) == HEIMGLUE_HPROP)
        found = FORMAT_HPROP;
    explicit_bzero(head, sizeof head);
    (void)keyfile_close(&k);
    return found;
}

struct loading {
    struct cli c;
    const char *file;
    char *format, *why, *mkey_file;
    bool update;
    krbrepl_load *load; /* whole */
    krbrepl_txn *txn;   /* update */
    struct mitglue_result r;
    int err; /* of the store */
    bool checking;
};

static int load_record(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct loading *l = ctx;

    if (l->checking)
        return 0;
    l->err = l->update ? krbrepl_txn_put(l->txn, table, key, value)
                       : krbrepl_load_put(l->load, table, key, value);
    return l->err;
}

static int input_wrong(struct loading *l, const char *why)
{
    krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    ei.code = KRBREPL_ERR_INPUT;
    snprintf(ei.text, sizeof ei.text, "%.100s: %.130s", l->file, why);
    return cli_failed(&l->c, KRBREPL_ERR_INPUT, &ei);
}

static int read_native(struct loading *l, FILE *f)
{
    char why[200] = "";
    int rc = native_read(f, load_record, l, why, sizeof why);

    if (l->err != 0)
        return cli_failed_store(&l->c, l->err);
    return rc != 0 ? input_wrong(l, why) : PROG_OK;
}

static int load_whole(struct loading *l, FILE *f)
{
    krbrepl_load_options opt;
    krbrepl_load_result r;
    int rc;

    KRBREPL_INIT(&opt);
    opt.why = l->why;
    opt.progress = progress_show;
    rc = krbrepl_load_begin(l->c.store, &l->load, &opt);
    if (rc != 0)
        return cli_failed_store(&l->c, rc);
    rc = read_native(l, f);
    if (rc != PROG_OK) {
        krbrepl_load_abort(l->load);
        return rc;
    }
    KRBREPL_INIT(&r);
    rc = krbrepl_load_commit(l->load, &r);
    if (rc != 0)
        return cli_failed_store(&l->c, rc);
    l->r.pos = r.pos;
    l->r.kind = r.kind;
    l->r.commits = r.kind != 0;
    l->r.added = r.added;
    l->r.changed = r.changed;
    l->r.deleted = r.deleted;
    return PROG_OK;
}

/* The file is read twice: nothing is to be changed by a file that turns out to be cut off. */
static int load_update(struct loading *l, FILE *f)
{
    krbrepl_txn_options opt;
    int rc;

    l->checking = true;
    rc = read_native(l, f);
    l->checking = false;
    if (rc != PROG_OK)
        return rc;
    if (fseek(f, 0, SEEK_SET) != 0)
        return cli_refuse(&l->c, "--update reads its file twice; this one cannot be read again",
                          "write it to the disk first");
    KRBREPL_INIT(&opt);
    opt.why = l->why;
    rc = krbrepl_txn_begin(l->c.store, &l->txn, &opt);
    if (rc != 0)
        return cli_failed_store(&l->c, rc);
    rc = read_native(l, f);
    if (rc != PROG_OK) {
        krbrepl_txn_abort(l->txn);
        return rc;
    }
    rc = krbrepl_txn_commit(l->txn, &l->r.pos);
    l->r.commits = 1;
    l->r.kind = KRBREPL_COMMIT_CHANGES;
    return rc != 0 ? cli_failed_store(&l->c, rc) : PROG_OK;
}

static int load_native(struct loading *l)
{
    struct keyfile k = keyfile_of(strcmp(l->file, "-") == 0 ? stdin : fopen(l->file, "re"));
    int rc;

    if (k.f == NULL) {
        char *text = prog_format("%s: %s", l->file, strerror(errno));

        rc = cli_refuse(&l->c, text, "name a file that can be read");
        free(text);
        return rc;
    }
    rc = l->update ? load_update(l, k.f) : load_whole(l, k.f);
    (void)keyfile_close(&k);
    return rc;
}

static int load_mit(struct loading *l)
{
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&ei);
    rc = mitglue_load(l->c.store, l->file, l->update, l->why, progress_show, &l->r, &ei);
    progress_end();
    return rc == 0 ? PROG_OK : cli_failed(&l->c, rc, &ei);
}

/* The master key file that was named. False after a message. */
static bool open_mkey(struct cli *c, const char *file, struct mkeyfile **out)
{
    *out = NULL;
    if (file == NULL || (*out = mkeyfile_open(file)) != NULL)
        return true;
    (void)cli_refuse(c, "the master key file cannot be used", "name the file that kstash has written");
    return false;
}

static int load_heimdal(struct loading *l, enum heimglue_format format)
{
    struct heimglue_result r = {0};
    struct mkeyfile *mkey;
    krbrepl_errinfo ei;
    int rc;

    if (!open_mkey(&l->c, l->mkey_file, &mkey))
        return PROG_FAILED;
    KRBREPL_INIT(&ei);
    rc = heimglue_load(l->c.store, l->file, format, l->update, l->why, mkey, progress_show, &r, &ei);
    mkeyfile_close(mkey);
    progress_end();
    l->r.pos = r.pos;
    l->r.kind = r.kind;
    l->r.commits = r.commits;
    l->r.added = r.added;
    l->r.changed = r.changed;
    l->r.deleted = r.deleted;
    return rc == 0 ? PROG_OK : cli_failed(&l->c, rc, &ei);
}

static int load_as(struct loading *l, enum format format)
{
    switch (format) {
    case FORMAT_NATIVE:
        return load_native(l);
    case FORMAT_HEIMDAL:
        return load_heimdal(l, HEIMGLUE_DUMP);
    case FORMAT_HPROP:
        return load_heimdal(l, HEIMGLUE_HPROP);
    default:
        return load_mit(l);
    }
}

static const char *kind_name(uint64_t kind)
{
    return kind == KRBREPL_COMMIT_CHANGES ? "changes" : kind == KRBREPL_COMMIT_RESET ? "reset" : "none";
}

static void report_load(struct loading *l)
{
    struct json *j = &l->c.out;

    if (l->c.json) {
        json_open(j, NULL, '{');
        json_text(j, "file", l->file);
        json_text(j, "commit", kind_name(l->r.kind));
        json_u64(j, "commits", l->r.commits);
        json_u64(j, "added", l->r.added);
        json_u64(j, "changed", l->r.changed);
        json_u64(j, "deleted", l->r.deleted);
        cli_json_pos(j, "position", &l->r.pos);
        json_close(j, '}');
        return;
    }
    if (l->c.quiet)
        return;
    if (l->r.kind == 0)
        printf("the content was equal; no commit was made, position ");
    else if (l->update)
        printf("updated from %s, position ", l->file);
    else
        printf("loaded %s (%s): %llu added, %llu changed, %llu deleted, position ", l->file,
               kind_name(l->r.kind), (unsigned long long)l->r.added, (unsigned long long)l->r.changed,
               (unsigned long long)l->r.deleted);
    cli_print_pos(&l->r.pos);
}

/* A store without a role takes no commits; the library's text cannot know what is meant. */
static int check_role(struct loading *l, const char *dir)
{
    krbrepl_store_info info;
    char *text;
    int rc;

    KRBREPL_INIT(&info);
    if (krbrepl_store_info_get(l->c.store, &info) != 0 || info.role != KRBREPL_ROLE_UNSET)
        return PROG_OK;
    text = prog_format("%s is neither master nor replica yet, and only a master can be loaded", dir);
    rc = cli_refuse(
        &l->c, text,
        "make it the master with `krbrepl promote DIR` (a new one: `krbrepl init --master DIR`), or "
        "load the file on the master and let krbrepl-replica fill this store");
    free(text);
    return rc;
}

static int run_load(struct loading *l, const char *dir)
{
    enum format format = format_of_file(l->file);
    char *why = NULL;
    int rc;

    if (l->format != NULL && !format_of(&l->c, l->format, &format))
        return PROG_USAGE;
    rc = cli_open(&l->c, dir, 0);
    if (rc == PROG_OK)
        rc = check_role(l, dir);
    if (rc != PROG_OK)
        return rc;
    if (l->why == NULL)
        l->why = why = prog_format("load %.900s", l->file);
    progress_start(l->c.quiet);
    rc = load_as(l, format);
    progress_end();
    if (rc == PROG_OK)
        report_load(l);
    if (why != NULL) {
        free(why);
        l->why = NULL;
    }
    return rc;
}

int cmd_load(int argc, char **argv)
{
    struct loading l = {0};
    struct opt opts[] = {
        {.name = "format",
         .kind = OPT_TEXT,
         .to = &l.format,
         .arg = "FORMAT",
         .help = "mit, heimdal, hprop or native (default: what the file is; mit for a pipe)"},
        {.name = "mkey-file",
         .kind = OPT_TEXT,
         .to = &l.mkey_file,
         .arg = "FILE",
         .help = "heimdal, hprop: encrypt keys that are in clear under the master key in FILE"},
        {.name = "update",
         .kind = OPT_FLAG,
         .to = &l.update,
         .help = "leave records alone that are not in FILE"},
        {.name = "why",
         .kind = OPT_TEXT,
         .to = &l.why,
         .arg = "TEXT",
         .help = "what the load is for, for the journal (load FILE)"},
        CLI_OPTS(&l.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl load",
        .operands = "DIR FILE",
        .least = 2,
        .most = 2,
        .opts = opts,
        .summary =
            "Replaces the content of the master's store in DIR by what FILE holds, in one commit.",
        .notes = "FILE comes from `kdb5_util dump` (mit), `kadmin -l dump` (heimdal), `hprop --stdout` "
                 "(hprop)\n"
                 "or `krbrepl dump --format native`; - is standard input.\n"
                 "A file that is malformed or was cut off changes nothing. Daemons and writers go on "
                 "with the\n"
                 "old content until the new one is there whole."};
    int rc = cli_begin(&l.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    l.file = argv[1];
    return cli_end(&l.c, &cmd, run_load(&l, argv[0]));
}

struct dumping {
    struct cli c;
    const char *file;
    char *format, *mkey_file;
    bool old;
    struct mitglue_result r;
    uint64_t records;
};

static int dump_native(struct dumping *d)
{
    struct atomfile out;
    char *text;
    int rc;

    if (!atomfile_open(&out, d->file))
        goto broken;
    rc = native_write(d->c.store, out.f, &d->r.pos, &d->records);
    if (rc == 0 && atomfile_commit(&out))
        return PROG_OK;
    atomfile_abort(&out);
    if (rc < 0)
        return cli_failed_store(&d->c, rc);
broken:
    text = prog_format("%s: %s", d->file, strerror(errno));
    rc = cli_refuse(&d->c, text,
                    "make room, or name another file; a file that was there before is still there");
    free(text);
    return rc;
}

static int dump_mit(struct dumping *d)
{
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&ei);
    rc = mitglue_dump(d->c.store, d->file, progress_show, &d->r, &ei);
    progress_end();
    d->records = d->r.principals + d->r.policies;
    return rc == 0 ? PROG_OK : cli_failed(&d->c, rc, &ei);
}

static int dump_heimdal(struct dumping *d, enum heimglue_format format)
{
    struct heimglue_result r = {0};
    struct mkeyfile *mkey;
    krbrepl_errinfo ei;
    int rc;

    if (!open_mkey(&d->c, d->mkey_file, &mkey))
        return PROG_FAILED;
    KRBREPL_INIT(&ei);
    rc = heimglue_dump(d->c.store, d->file, format, mkey, progress_show, &r, &ei);
    mkeyfile_close(mkey);
    progress_end();
    d->r.pos = r.pos;
    d->records = r.entries;
    return rc == 0 ? PROG_OK : cli_failed(&d->c, rc, &ei);
}

static int dump_as(struct dumping *d, enum format format)
{
    switch (format) {
    case FORMAT_NATIVE:
        return dump_native(d);
    case FORMAT_HEIMDAL:
        return dump_heimdal(d, HEIMGLUE_DUMP);
    case FORMAT_HPROP:
        return dump_heimdal(d, HEIMGLUE_HPROP);
    default:
        return dump_mit(d);
    }
}

static void report_dump(struct dumping *d)
{
    /* On standard output the file itself may stand. */
    if (strcmp(d->file, "-") == 0)
        return;
    if (d->c.json) {
        json_open(&d->c.out, NULL, '{');
        json_text(&d->c.out, "file", d->file);
        json_u64(&d->c.out, "records", d->records);
        cli_json_pos(&d->c.out, "position", &d->r.pos);
        json_close(&d->c.out, '}');
    } else if (!d->c.quiet) {
        printf("wrote %s: %llu records, position ", d->file, (unsigned long long)d->records);
        cli_print_pos(&d->r.pos);
    }
}

static int run_dump(struct dumping *d, const char *dir)
{
    enum format format = FORMAT_MIT;
    int rc;

    if (d->format != NULL && !format_of(&d->c, d->format, &format))
        return PROG_USAGE;
    rc = cli_open(&d->c, dir, d->old ? KRBREPL_STORE_OLD : KRBREPL_STORE_READONLY);
    if (rc != PROG_OK)
        return rc;
    progress_start(d->c.quiet);
    rc = dump_as(d, format);
    progress_end();
    if (rc == PROG_OK)
        report_dump(d);
    return rc;
}

int cmd_dump(int argc, char **argv)
{
    struct dumping d = {0};
    struct opt opts[] = {
        {.name = "format",
         .kind = OPT_TEXT,
         .to = &d.format,
         .arg = "FORMAT",
         .help = "mit (default): for kdb5_util load; heimdal: for kadmin -l load; hprop: for hpropd "
                 "--stdin; native: every table"},
        {.name = "mkey-file",
         .kind = OPT_TEXT,
         .to = &d.mkey_file,
         .arg = "FILE",
         .help = "heimdal, hprop: write the keys in clear, by the master key in FILE"},
        {.name = "old",
         .kind = OPT_FLAG,
         .to = &d.old,
         .help = "the content that a copy took the place of without an explanation"},
        CLI_OPTS(&d.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl dump",
        .operands = "DIR [FILE]",
        .least = 1,
        .most = 2,
        .opts = opts,
        .summary =
            "Writes the content of the store in DIR, at one position, to FILE or standard output.",
        .notes = "FILE appears whole or not at all, readable by its owner only. It holds every key of "
                 "the realm."};
    int rc = cli_begin(&d.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    d.file = argc > 1 ? argv[1] : "-";
    return cli_end(&d.c, &cmd, run_dump(&d, argv[0]));
}
