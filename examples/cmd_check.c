/* cmd_check.c: krbrepl check-config: what the KDC's configuration says about its database, and what becomes of
 * the settings of MIT's incremental propagation on a store. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <krb5.h>
#include <profile.h>

#include "cli.h"
#include "conf.h"
#include "mitglue.h"
#include "times.h"

typedef unsigned long long ull;

struct check {
    struct cli c;
    char *realm, *file; /* options */
    struct conf *conf;
    profile_t kdc;
    char *module; /* the section of [dbmodules]; NULL: none */
    char *dir;    /* NULL: not known */
    krbrepl_store_info info;
    bool has_store;
    unsigned wrong;
};

/* ---- telling ---------------------------------------------------------------------------------- */

enum verdict { USED, MAPPED, UNUSED, WRONG };

/* `value` may be NULL. */
static void tell(struct check *k, enum verdict v, const char *section, const char *name,
                 const char *value, const char *text)
{
    static const char *const names[] = {"used", "mapped", "no use", "WRONG"};
    struct json *j = &k->c.out;

    k->wrong += v == WRONG;
    if (k->c.json) {
        json_open(j, NULL, '{');
        json_text(j, "verdict", v == WRONG ? "wrong" : v == UNUSED ? "unused" : names[v]);
        json_text(j, "section", section);
        json_text(j, "name", name);
        if (value != NULL)
            json_text(j, "value", value);
        json_text(j, "text", text);
        json_close(j, '}');
        return;
    }
    if (k->c.quiet && v != WRONG)
        return;
    printf("%-7s %s: %s%s%s\n        %s\n", names[v], section, name, value != NULL ? " = " : "",
           value != NULL ? value : "", text);
}

static char *setting(const struct check *k, const char *top, const char *sub, const char *name)
{
    char *value = NULL, *copy = NULL;

    if (sub != NULL && profile_get_string(k->kdc, top, sub, name, NULL, &value) == 0 && value != NULL) {
        copy = prog_dup(value);
        profile_release_string(value);
    }
    return copy;
}

/* ---- the module's own options ----------------------------------------------------------------- */

enum kind { TEXT, FLAG, NUMBER, TIME, LEVEL, LIBRARY };

static const struct option {
    const char *name;
    enum kind kind;
    const char *text;
    uint64_t most; /* of a number, as hosts/mit/kdb/conf.c has it */
} options[] = {
    {"db_library", LIBRARY, "the KDB module", 0},
    {"database_name", TEXT, "the directory of the store", 0},
    {"mapsize", NUMBER, "address space to reserve, in megabytes; it costs no disk", 1 << 30},
    {"max_readers", NUMBER, "processes and threads that read at a time", 1 << 20},
    {"nosync", FLAG, "commits are not flushed: a power cut can ruin the database", 0},
    {"disable_last_success", FLAG, "whether the last success of a principal is not noted", 0},
    {"disable_lockout", FLAG, "whether failed logins are neither counted nor lock", 0},
    {"sync_replicas", NUMBER, "how many replicas a write of kadmin waits for", 10000},
    {"sync_timeout", TIME, "how long it waits; the change stays when this has passed", 0},
    {"sync_level", LEVEL, "what it waits for: received, durable or applied", 0},
};

static bool is_flag(const char *value)
{
    static const char *const known[] = {"y", "yes", "true",  "t",   "1", "on",
                                        "n", "no",  "false", "nil", "0", "off"};
    size_t i;

    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(value, known[i]) == 0)
            return true;
    return false;
}

static bool is_number(const char *value)
{
    return *value != '\0' && strspn(value, "0123456789") == strlen(value);
}

static bool is_time(const char *value)
{
    krb5_deltat seconds;
    char *copy = prog_dup(value);
    bool ok = krb5_string_to_deltat(copy, &seconds) == 0 && seconds >= 0;

    free(copy);
    return ok;
}

static bool is_level(const char *value)
{
    return strcmp(value, "received") == 0 || strcmp(value, "durable") == 0 ||
           strcmp(value, "applied") == 0;
}

static const char *mistake(const struct option *o, const char *value)
{
    uint64_t n;

    if (o->kind == FLAG && !is_flag(value))
        return "it is neither true nor false; the module refuses to open the database";
    if (o->kind == NUMBER && !is_number(value))
        return "it is no number; the module refuses to open the database";
    if (o->kind == NUMBER && (!times_parse_number(value, &n) || n > o->most))
        return "it is too large a number; the module refuses to open the database";
    if (o->kind == TIME && !is_time(value))
        return "it is no duration such as 5s; the module refuses to open the database";
    if (o->kind == LEVEL && !is_level(value))
        return "it is none of received, durable and applied; the module refuses to open the database";
    return NULL;
}

static void check_option(struct check *k, const char *section, const char *name)
{
    char *value = setting(k, "dbmodules", k->module, name);
    const char *bad;
    size_t i;

    for (i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i].name, name) == 0)
            break;
    if (i == sizeof options / sizeof options[0]) {
        if (strncmp(name, "iprop_", 6) != 0 && strncmp(name, "sunw_", 5) != 0)
            tell(k, UNUSED, section, name, value,
                 "the module krbrepl has no such option, and ignores it");
    } else if (value != NULL) {
        bad = mistake(&options[i], value);
        tell(k, bad != NULL ? WRONG : USED, section, name, value, bad != NULL ? bad : options[i].text);
    }
    free(value);
}

static void check_options(struct check *k)
{
    const char *names[] = {"dbmodules", k->module, NULL};
    char *section = prog_format("[dbmodules] %s", k->module), *name = NULL;
    void *iter = NULL;

    if (profile_iterator_create(k->kdc, names, PROFILE_ITER_LIST_SECTION | PROFILE_ITER_RELATIONS_ONLY,
                                &iter) == 0)
        while (profile_iterator(&iter, &name, NULL) == 0 && name != NULL) {
            check_option(k, section, name);
            profile_release_string(name);
        }
    if (iter != NULL)
        profile_iterator_free(&iter);
    free(section);
}

/* ---- the settings of incremental propagation -------------------------------------------------- */

static void map_port(struct check *k, const char *section, const char *name, const char *value)
{
    char **listen = conf_values(k->conf, "listen"), *text;
    size_t i, len = strlen(value);
    bool made = false;

    for (i = 0; listen != NULL && listen[i] != NULL; i++)
        made |= strlen(listen[i]) > len && strcmp(listen[i] + strlen(listen[i]) - len, value) == 0 &&
                listen[i][strlen(listen[i]) - len - 1] == ':';
    text =
        made || strcmp(value, "2121") == 0
            ? prog_dup(
                  "krbrepl-master listens on this port, and replicas connect to it; it can be removed")
            : prog_format("say `listen = 0.0.0.0:%s` in [krbrepl] of krb5.conf on the master, and name "
                          "the port to krbrepl-replica: HOST:%s; then it can be removed",
                          value, value);
    tell(k, MAPPED, section, name, value, text);
    free(text);
    conf_values_free(listen);
}

static void map_size(struct check *k, const char *section, const char *name, const char *value)
{
    ull wanted = is_number(value) ? strtoull(value, NULL, 10) : 0;
    char *text;

    if (!is_number(value))
        text = prog_dup("it is no number; the journal is kept as `krbrepl retention` says");
    else if (k->has_store && k->info.retention_entries >= wanted)
        text = prog_format("the store keeps %llu commits already, and longer for replicas that are "
                           "behind; it can be removed",
                           (ull)k->info.retention_entries);
    else
        text =
            prog_format("the store keeps %llu commits and longer for replicas that are behind; if that "
                        "is not enough, run `krbrepl retention --keep-entries %llu %s`; then it can be "
                        "removed",
                        k->has_store ? (ull)k->info.retention_entries : 100000ull, wanted,
                        k->dir != NULL ? k->dir : "DIR");
    tell(k, MAPPED, section, name, value, text);
    free(text);
}

static const struct iprop {
    const char *name;
    void (*map)(struct check *k, const char *section, const char *name, const char *value);
    const char *text; /* without a map: why it has no use */
} iprop[] = {
    {"iprop_enable", NULL,
     "krbrepl-master replicates the store; with true, kadmind also writes an update log that nobody "
     "reads: "
     "remove it"},
    {"iprop_port", map_port, NULL},
    {"iprop_listen", NULL,
     "kadmind serves no replicas any more; where krbrepl-master listens is `listen` in [krbrepl] of "
     "krb5.conf"},
    {"iprop_master_ulogsize", map_size, NULL},
    {"iprop_ulogsize", map_size, NULL},
    {"iprop_replica_poll", NULL, "replicas do not poll: changes are sent to them as they are made"},
    {"iprop_slave_poll", NULL, "replicas do not poll: changes are sent to them as they are made"},
    {"iprop_resync_timeout", NULL,
     "a full copy runs in the stream, with no dump and no process to wait for, and the KDC answers "
     "meanwhile"},
    {"iprop_logfile", NULL, "the journal is in the store, in the transaction of each change"},
    {"sunw_dbprop_enable", NULL,
     "krbrepl-master replicates the store; with true, kadmind also writes an update log that nobody "
     "reads: "
     "remove it"},
    {"sunw_dbprop_master_ulogsize", map_size, NULL},
    {"sunw_dbprop_slave_poll", NULL, "replicas do not poll: changes are sent to them as they are made"},
};

static void check_iprop(struct check *k, const char *top, const char *sub)
{
    char *section = prog_format("[%s] %s", top, sub), *value;
    size_t i;

    for (i = 0; i < sizeof iprop / sizeof iprop[0]; i++) {
        value = setting(k, top, sub, iprop[i].name);
        if (value == NULL)
            continue;
        if (iprop[i].map != NULL)
            iprop[i].map(k, section, iprop[i].name, value);
        else
            tell(k, UNUSED, section, iprop[i].name, value, iprop[i].text);
        free(value);
    }
    free(section);
}

/* ---- the realm -------------------------------------------------------------------------------- */

/* Without database_module the section is that of the realm's name, and without db_library it is db2: so libkdb5
 * decides it. */
static void check_module(struct check *k)
{
    const char *realm = conf_realm(k->conf);
    char *section = prog_format("[realms] %s", realm), *library;

    k->module = setting(k, "realms", realm, "database_module");
    library = setting(k, "dbmodules", k->module != NULL ? k->module : realm, "db_library");
    if (library != NULL && strcmp(library, "krbrepl") == 0) {
        if (k->module == NULL)
            k->module = prog_dup(realm);
        k->dir = setting(k, "dbmodules", k->module, "database_name");
        if (k->dir == NULL)
            k->dir = prog_dup("/var/lib/krb5kdc/krbrepl");
    } else if (k->module == NULL) {
        tell(k, WRONG, section, "database_module", NULL,
             "it is not there, so the KDC uses MIT's own db2; name a section of [dbmodules] that has "
             "db_library = krbrepl");
    } else {
        tell(k, WRONG, section, "database_module", k->module,
             "db_library of that section of [dbmodules] is not krbrepl, so the KDC's database is no "
             "krbrepl store; `krbrepl adopt` brings it into one");
    }
    free(library);
    free(section);
}

static bool has_plugin(const char *dir)
{
    char *path = prog_format("%s/krbrepl.so", dir);
    bool there = access(path, R_OK) == 0;

    free(path);
    return there;
}

/* Where libkdb5 looks by itself is a matter of how it was built; distributions have it in one of these. */
static bool has_plugin_by_itself(void)
{
    static const char *const patterns[] = {"/usr/lib/*/krb5/plugins/kdb", "/usr/lib*/krb5/plugins/kdb",
                                           "/usr/local/lib/krb5/plugins/kdb"};
    bool there = false;
    glob_t found;
    size_t i, n;

    for (i = 0; !there && i < sizeof patterns / sizeof patterns[0]; i++) {
        if (glob(patterns[i], 0, NULL, &found) != 0)
            continue;
        for (n = 0; !there && n < found.gl_pathc; n++)
            there = has_plugin(found.gl_pathv[n]);
        globfree(&found);
    }
    return there;
}

/* A module that is not found is reported by every tool as "cannot be found", without saying where it was looked for. */
static void check_plugin(struct check *k)
{
    const char *names[] = {"dbmodules", "db_module_dir", NULL};
    char **dirs = NULL;
    bool there = false;
    size_t i;

    if (k->dir == NULL)
        return;
    if (profile_get_values(k->kdc, names, &dirs) != 0)
        dirs = NULL;
    for (i = 0; dirs != NULL && dirs[i] != NULL; i++) {
        if (!has_plugin(dirs[i]))
            continue;
        there = true;
        tell(k, USED, "[dbmodules]", "db_module_dir", dirs[i], "krbrepl.so is there");
    }
    if (!there && !has_plugin_by_itself())
        tell(k, WRONG, "[dbmodules]", "db_module_dir", dirs != NULL && dirs[0] != NULL ? dirs[0] : NULL,
             "krbrepl.so is neither there nor where libkdb5 looks by itself; name the directory that "
             "it was "
             "installed in");
    if (dirs != NULL)
        profile_free_list(dirs);
}

/* The stash file does not travel, and does not change with the database. */
static void check_stash(struct check *k)
{
    char *file = k->has_store ? conf_stash(k->conf) : NULL, *text = NULL;
    uint64_t want = 0, has = 0;

    if (file == NULL || mitglue_mkey_kvno(k->c.store, conf_realm(k->conf), &want) != 0)
        want = 0;
    if (want != 0 && mitglue_stash_kvno(file, conf_realm(k->conf), &has) != 0)
        text =
            prog_dup("no master key can be read there: krb5kdc and kadmind cannot use the database by "
                     "themselves; copy the file from the master, or run `kdb5_util stash`");
    else if (want != 0 && has != want)
        text = prog_format(
            "its newest master key is %llu, that of the database is %llu; copy the file from "
            "the master, or run `kdb5_util stash`",
            (ull)has, (ull)want);
    if (want != 0)
        tell(k, text != NULL ? WRONG : USED, "the stash file", file, NULL,
             text != NULL ? text : "it holds the newest master key of the database");
    free(text);
    free(file);
}

static void check_store(struct check *k)
{
    krbrepl_store_options opt;
    krbrepl_errinfo ei;

    if (k->dir == NULL)
        return;
    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    KRBREPL_INIT(&k->info);
    opt.flags = KRBREPL_STORE_READONLY;
    if (krbrepl_store_open(&k->c.store, k->dir, &opt, &ei) != 0)
        tell(k, WRONG, "the store", k->dir, NULL, ei.text);
    else if (krbrepl_store_info_get(k->c.store, &k->info) == 0)
        k->has_store = true;
    if (k->has_store && !k->c.json && !k->c.quiet)
        printf("The database of %s is the store %s: %s, commit %llu, %llu records.\n",
               conf_realm(k->conf), k->dir, krbrepl_role_name(k->info.role), (ull)k->info.pos.seq,
               (ull)k->info.records);
}

static int check_all(struct check *k)
{
    if (k->c.json) {
        json_open(&k->c.out, NULL, '{');
        json_text(&k->c.out, "realm", conf_realm(k->conf));
        json_open(&k->c.out, "settings", '[');
    }
    check_module(k);
    check_plugin(k);
    check_store(k);
    check_stash(k);
    if (k->module != NULL)
        check_options(k);
    check_iprop(k, "realms", conf_realm(k->conf));
    if (k->module != NULL)
        check_iprop(k, "dbmodules", k->module);
    if (k->c.json) {
        json_close(&k->c.out, ']');
        if (k->dir != NULL)
            json_text(&k->c.out, "store", k->dir);
        if (k->has_store)
            json_text(&k->c.out, "role", krbrepl_role_name(k->info.role));
        json_u64(&k->c.out, "wrong", k->wrong);
        json_close(&k->c.out, '}');
    }
    return k->wrong == 0 ? PROG_OK : PROG_CHECK;
}

/* The files that the KDC reads, in its order. */
static int open_profile(struct check *k)
{
    const char *krb5 = getenv("KRB5_CONFIG");
    char *kdc = k->file != NULL ? prog_dup(k->file) : conf_kdc_file();
    char *list = prog_format("%s:%s", kdc, krb5 != NULL && *krb5 != '\0' ? krb5 : "/etc/krb5.conf");
    long err = profile_init_path(list, &k->kdc);
    int rc = PROG_OK;

    if (err != 0) {
        char *text = prog_format("%s cannot be read as a configuration of Kerberos", list);

        rc = cli_refuse(&k->c, text, "correct it, or name another one with --kdc-conf");
        free(text);
    }
    free(list);
    free(kdc);
    return rc;
}

int cmd_check_config(int argc, char **argv)
{
    struct check k = {0};
    struct opt opts[] = {{.name = "realm",
                          .kind = OPT_TEXT,
                          .to = &k.realm,
                          .arg = "REALM",
                          .help = "not the default realm"},
                         {.name = "kdc-conf",
                          .kind = OPT_TEXT,
                          .to = &k.file,
                          .arg = "FILE",
                          .help = "not the usual kdc.conf"},
                         CLI_OPTS(&k.c)};
    const struct opt_command cmd = {
        .name = "krbrepl check-config",
        .operands = "",
        .least = 0,
        .most = 0,
        .opts = opts,
        .summary =
            "Checks what kdc.conf says about the KDB module krbrepl, and tells what becomes of the\n"
            "settings of MIT's incremental propagation.",
        .notes = "Each setting is used, mapped (it has a meaning here and another name), of no use, or "
                 "wrong.\nThe exit code is 3 when one is wrong."};
    int rc = cli_begin(&k.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    /* The stash file is looked for in the same profile. */
    if (k.file != NULL && setenv("KRB5_KDC_PROFILE", k.file, 1) != 0)
        return cli_end(&k.c, &cmd, PROG_FAILED);
    k.conf = conf_open(NULL, k.realm);
    rc = k.conf == NULL ? PROG_FAILED : open_profile(&k);
    if (rc == PROG_OK && *conf_realm(k.conf) == '\0')
        rc = cli_refuse(&k.c, "no realm is known", "name one with --realm");
    else if (rc == PROG_OK)
        rc = check_all(&k);
    if (k.kdc != NULL)
        profile_release(k.kdc);
    if (k.conf != NULL)
        conf_close(k.conf);
    free(k.module);
    free(k.dir);
    return cli_end(&k.c, &cmd, rc);
}
