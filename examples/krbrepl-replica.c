/* krbrepl-replica: keeps a store in step with a master.
 *
 * All the work is the library's. This program reads options and configuration, watches the stash file, and
 * turns signals into calls. */
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "ipropd.h"
#include "ipropfile.h"
#include "kdbglue.h"
#include "prog.h"
#include "served.h"
#include "stash.h"

struct replica {
    struct daemon d;
    struct served served;
    char *principal, *stash_file, *master, *side, **db_args;
    /* For a master that speaks another dialect: */
    char *dialect, *mkey_file, *listen;
    uint64_t speaks; /* enum krbrepl_dialect */
    uint64_t whole_ms;
    bool replace;
    uint8_t database_id[16];
    uint64_t retry_min_ms, retry_max_ms;
    char *status_file;
    struct ipropfile status;
    struct ipropd as; /* started as ipropd-slave */
    struct stash *stash;
    struct kdbglue *kdb; /* NULL: the store has its records itself */
};

static const char notes[] =
    "MASTER is a host name or an address, with :PORT behind it when it is not 2121 ([ADDR]:PORT for "
    "IPv6).\n"
    "It may be left out when [krbrepl] in krb5.conf has `master`. The keytab must hold the own "
    "principal;\n"
    "the master's --acl must name it. A master or KDC out of reach is tried again for ever.\n"
    "SIGTERM and SIGINT stop the program in good order.\n"
    "With --store kdb the records are in the database of this host's MIT KDC, whatever kdc.conf says "
    "that it\n"
    "is; the directory of --side holds the rest and is made when it is not there.\n"
    "Options may stand in [krbrepl] in krb5.conf, with _ for -; see krbrepl.conf(5).\n"
    "Exit codes: 0 stopped by a signal, 1 failure, 2 wrong command line.";

static void tick(void *ctx)
{
    struct replica *r = ctx;

    /* With a host's database only the thread that works on that may look. */
    if (r->kdb == NULL)
        stash_look(r->stash);
    ipropfile_slave(&r->status);
}

static int authorize(void *ctx, const char *principal, const char *address)
{
    struct replica *r = ctx;

    return served_authorize(&r->served, principal, address);
}

/* In the thread that works on the KDC's database: no other may use libkdb5 then. */
static void state_changed(void *ctx, uint64_t was, uint64_t is, int err)
{
    struct replica *r = ctx;

    (void)was, (void)is, (void)err;
    if (r->kdb != NULL)
        stash_look(r->stash);
}

static void reload(void *ctx)
{
    struct replica *r = ctx;

    if (r->listen != NULL) {
        served_reload(&r->served);
        return;
    }
    daemon_note(KRBREPL_LOG_INFO, "nothing to read again: a replica has no list of principals");
}

/* The host in "HOST", "HOST:PORT", "[ADDR]:PORT". To be freed. */
static char *host_of(const char *master)
{
    char *host = prog_dup(master[0] == '[' ? master + 1 : master);
    char *end = master[0] == '[' ? strchr(host, ']') : strrchr(host, ':');

    /* Two colons without brackets: an IPv6 address without port. */
    if (end != NULL && (master[0] == '[' || strchr(host, ':') == end))
        *end = '\0';
    return host;
}

static void explain(struct replica *r, int rc)
{
    daemon_node_failed(&r->d, "cannot start", rc);
    if (rc == KRBREPL_ERR_STATE && r->speaks == KRBREPL_DIALECT_NATIVE)
        daemon_note(
            KRBREPL_LOG_ERROR,
            "if this store is to follow %s, run `krbrepl demote %s` first; the master there must have "
            "been promoted after this one",
            r->master, r->d.store_dir);
}

/* The principal of a master, in the dialect that it speaks. To be freed; NULL: the library's default. */
static char *service_of(const struct replica *r, const char *host)
{
    if (r->d.service != NULL || r->d.realm == NULL || r->speaks != KRBREPL_DIALECT_HEIMDAL)
        return daemon_service(&r->d, host);
    return prog_format("iprop/%s@%s", host, r->d.realm);
}

/* What native replicas of this one see, when it is a Heimdal slave with `--listen`. */
static void set_dialect(struct replica *r, krbrepl_replica_options *opt, krbrepl_master_options *serve)
{
    KRBREPL_INIT(serve);
    serve->listen = r->listen;
    serve->keytab = r->d.keytab;
    serve->missing_ms = r->d.missing_ms;
    serve->gone_ms = r->d.gone_ms;
    opt->dialect = r->speaks;
    opt->flags = r->replace ? KRBREPL_REPLICA_REPLACE : 0;
    opt->mkey_file = r->mkey_file;
    opt->whole_ms = r->whole_ms;
    opt->serve = r->listen != NULL ? serve : NULL;
}

static bool start(struct replica *r, const struct opt *opts)
{
    krbrepl_events events;
    krbrepl_replica_options opt;
    krbrepl_master_options serve;
    char *host = host_of(r->master), *service, *principal;
    int rc = 0;

    KRBREPL_INIT(&events);
    events.log = daemon_log;
    events.authorize = r->listen != NULL ? authorize : NULL;
    events.state = state_changed;
    service = service_of(r, host);
    principal = daemon_with_realm(&r->d, r->principal);
    KRBREPL_INIT(&opt);
    opt.master = r->master;
    opt.service = service;
    opt.principal = principal;
    opt.keytab = r->d.keytab;
    opt.database_id = opts_is_set(opts, "database-id") ? r->database_id : NULL;
    opt.missing_ms = r->d.missing_ms;
    opt.lost_ms = r->d.lost_ms;
    opt.retry_min_ms = r->retry_min_ms;
    opt.retry_max_ms = r->retry_max_ms;
    set_dialect(r, &opt, &serve);
    if (!daemon_node(&r->d, &events, r))
        rc = PROG_FAILED;
    else if ((rc = krbrepl_replica_start(r->d.node, &opt)) != 0)
        explain(r, rc);
    free(principal);
    free(service);
    free(host);
    return rc == 0;
}

/* From the command line, or from [krbrepl]. */
static bool take_master(struct replica *r, int argc, char **argv)
{
    if (argc > 0) {
        free(r->master);
        r->master = prog_dup(argv[0]);
    }
    if (r->master != NULL) {
        char buf[16], *whole;

        whole = ipropd_with_port(r->master, r->as.d != NULL ? r->as.port : ipropd_port(NULL, buf));
        free(r->master);
        r->master = whole;
    }
    if (r->master == NULL)
        prog_say("no master is named; write `krbrepl-replica --store DIR MASTER[:PORT]`, or `master = "
                 "HOST` into "
                 "[krbrepl] in krb5.conf");
    return r->master != NULL;
}

static bool take_dialect(struct replica *r)
{
    r->speaks = KRBREPL_DIALECT_NATIVE;
    if (r->dialect == NULL || strcmp(r->dialect, "native") == 0) {
        if (!r->replace && r->mkey_file == NULL && r->listen == NULL && r->whole_ms == 0)
            return true;
        prog_say("--replace, --mkey-file, --listen and --whole-every are for a master that speaks "
                 "another dialect "
                 "(--dialect heimdal-iprop)");
        return false;
    }
    if (strcmp(r->dialect, "heimdal-iprop") == 0) {
        r->speaks = KRBREPL_DIALECT_HEIMDAL;
        return true;
    }
    prog_say("--dialect is native or heimdal-iprop, not \"%s\"", r->dialect);
    return false;
}

/* --store kdb: the records are in the database of this host's KDC. */
static bool take_kdb(struct replica *r)
{
    if (strcmp(r->d.store_dir, KDBGLUE_STORE) != 0)
        return true;
    free(r->d.store_dir);
    r->d.store_dir = prog_dup(r->side != NULL ? r->side : KDBGLUE_SIDE);
    r->kdb = kdbglue_open(r->d.realm, r->db_args);
    if (r->kdb == NULL)
        return false;
    r->d.host = kdbglue_ops(r->kdb);
    r->d.host_ctx = kdbglue_ctx(r->kdb);
    return true;
}

/* False when the KDC's database was deleted or made anew, and does not have what the store says of it. Nothing would
 * tell the KDC's users before the records are read again. */
static bool kdb_is_the_same(struct replica *r)
{
    char *key = prog_format("K/M@%s", conf_realm(r->d.conf));
    const krbrepl_bytes name = {key, strlen(key)};
    krbrepl_bytes value;
    krbrepl_view *v = NULL;
    int rc = krbrepl_view_open(r->d.store, &v);
    bool same = true;

    if (rc == 0)
        rc = krbrepl_view_get(v, "principal", name, &value);
    krbrepl_view_close(v);
    if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        same = r->d.host->get(r->d.host_ctx, "principal", name, &value) != KRBREPL_ERR_NOTFOUND;
    if (!same)
        prog_say(
            "the database of the KDC has no %s, and %s says that it has: it is another database; move "
            "that directory away, and everything is copied",
            key, r->d.store_dir);
    free(key);
    return same;
}

static bool open_store(struct replica *r)
{
    return take_kdb(r) && daemon_open(&r->d) && (r->kdb == NULL || kdb_is_the_same(r));
}

/* Started as ipropd-slave: what its options and settings mean. */
static void take_as(struct ipropd *as, struct replica *r)
{
    if (as->d == NULL)
        return;
    r->dialect = prog_dup("heimdal-iprop");
    r->principal = prog_dup(as->principal);
    r->mkey_file = as->mkey_file != NULL ? prog_dup(as->mkey_file) : NULL;
    r->retry_min_ms = as->retry_min_ms;
    r->retry_max_ms = as->retry_max_ms;
    r->status_file = as->report;
}

static void take_status(struct replica *r)
{
    r->status.file = r->status_file;
    r->status.dir = r->d.store_dir;
    r->status.master = r->master;
    r->status.lost_ms = r->d.lost_ms;
    r->d.tick_seconds = r->status_file != NULL ? 1 : 0;
}

/* The watch has a handle of its own. It ends before the store is opened again on other files, or this process would have
 * both open, with one file of locks, which the end of the first takes from the second. */
static int follow(struct replica *r, const struct opt *opts)
{
    int rc;

    r->stash = stash_watch(&r->d, r->stash_file);
    rc = start(r, opts) ? daemon_run(&r->d) : PROG_FAILED;
    stash_free(r->stash);
    r->stash = NULL; /* the end of the node is told too */
    return rc;
}

static int work(struct replica *r, const struct opt *opts)
{
    int rc = PROG_FAILED;

    ipropfile_begin(&r->status);
    if (r->listen == NULL || served_first(&r->served))
        rc = follow(r, opts);
    while (daemon_again(&r->d))
        rc = follow(r, opts);
    if (rc == PROG_OK)
        ipropfile_slave_down(&r->status);
    return rc;
}

static int run(struct replica *r, const struct opt_command *cmd, int argc, char **argv)
{
    int rc;

    prog_init(cmd->name);
    argc--;
    argv++;
    rc = daemon_begin(&r->d, cmd, &argc, &argv);
    if (rc == OPTS_GO)
        take_as(&r->as, r);
    if (rc == OPTS_GO && (!take_master(r, argc, argv) || !take_dialect(r)))
        rc = PROG_USAGE;
    if (rc == OPTS_GO) {
        bool kdb = strcmp(r->d.store_dir, KDBGLUE_STORE) == 0;

        r->d.reload = reload;
        r->d.tick = !kdb || r->status_file != NULL ? tick : NULL;
        r->d.ctx = r;
        rc = PROG_FAILED;
        if ((r->as.d == NULL || ipropd_make_store(&r->as)) && open_store(r)) {
            take_status(r);
            rc = work(r, cmd->opts);
        }
    }
    daemon_end(&r->d, cmd);
    served_free(&r->served);
    kdbglue_close(r->kdb);
    ipropd_free(&r->as);
    return rc;
}

static const char as_notes[] =
    "This is krbrepl-replica under the name of Heimdal's program: it takes its options, reads its "
    "settings and\n"
    "follows its master into a store, which is made when it is not there: --store, else `store` in "
    "[krbrepl], else\n"
    "the dbname of [kdc] when it begins with krbrepl:, else krbrepl in the database directory.\n"
    "See krbrepl-replica(8).";

/* Started as ipropd-slave; `as` knows the daemon already. */
static int run_as(struct replica *r, int argc, char **argv)
{
    struct opt opts[] = {
        IPROPD_OPTS(&r->as),
        {.name = "time-lost",
         .kind = OPT_TIME,
         .to = &r->d.lost_ms,
         .arg = "TIME",
         .help = "time before server is considered lost (5 min)"},
        {.name = "status-file",
         .kind = OPT_TEXT,
         .to = &r->as.report,
         .arg = "FILE",
         .help = "file to write out status into (ipropd-slave-status)"},
        {.name = NULL},
    };
    const struct opt_command cmd = {.name = "ipropd-slave",
                                    .operands = "master",
                                    .least = 1,
                                    .most = 1,
                                    .summary = "Follows Heimdal's ipropd-master.",
                                    .notes = as_notes,
                                    .opts = opts,
                                    .short_names = true};
    int rc;

    r->d.before = ipropd_before;
    r->d.settle = ipropd_settle;
    r->d.settle_ctx = &r->as;
    rc = run(r, &cmd, argc, argv);
    free(r->dialect);
    free(r->principal);
    free(r->mkey_file);
    free(r->master);
    return rc;
}

int main(int argc, char **argv)
{
    static struct replica r = {.served = {.d = &r.d, .lock = PTHREAD_MUTEX_INITIALIZER}};
    struct opt opts[] = {
        DAEMON_OPTS(&r.d),
        {.name = "principal",
         .kind = OPT_TEXT,
         .to = &r.principal,
         .arg = "PRINC",
         .conf = true,
         .help = "own principal (krbrepl/HOSTNAME)"},
        {.name = "service",
         .kind = OPT_TEXT,
         .to = &r.d.service,
         .arg = "PRINC",
         .help = "the master's principal (krbrepl/MASTER)"},
        {.name = "database-id",
         .kind = OPT_ID,
         .to = r.database_id,
         .arg = "HEX",
         .conf = true,
         .help = "follow only the database with this id"},
        {.name = "stash-file",
         .kind = OPT_TEXT,
         .to = &r.stash_file,
         .arg = "FILE",
         .conf = true,
         .help = "where the KDC of this host keeps the master key"},
        {.name = "side",
         .kind = OPT_TEXT,
         .to = &r.side,
         .arg = "DIR",
         .conf = true,
         .help = "with --store kdb: directory of journal and position (" KDBGLUE_SIDE ")"},
        {.name = "db-arg",
         .letter = 'x',
         .kind = OPT_ARGS,
         .to = &r.db_args,
         .arg = "ARG",
         .conf = true,
         .help = "with --store kdb: a database argument, as for kadmin.local"},
        {.name = "master",
         .kind = OPT_TEXT,
         .to = &r.master,
         .arg = "MASTER",
         .conf = true,
         .help = "the same as the operand"},
        {.name = "dialect",
         .kind = OPT_TEXT,
         .to = &r.dialect,
         .arg = "NAME",
         .conf = true,
         .help = "what the master speaks: native, or heimdal-iprop for an ipropd-master"},
        {.name = "mkey-file",
         .kind = OPT_TEXT,
         .to = &r.mkey_file,
         .arg = "FILE",
         .conf = true,
         .help =
             "heimdal-iprop: the realm's master key; keys that come unencrypted are encrypted with it"},
        {.name = "replace",
         .kind = OPT_FLAG,
         .to = &r.replace,
         .help = "heimdal-iprop: the store's records came from elsewhere, and may be replaced"},
        {.name = "whole-every",
         .kind = OPT_TIME,
         .to = &r.whole_ms,
         .arg = "TIME",
         .conf = true,
         .help = "heimdal-iprop: ask for a whole database so often (only when it is needed)"},
        {.name = "retry-min",
         .kind = OPT_TIME,
         .to = &r.retry_min_ms,
         .arg = "TIME",
         .conf = true,
         .help = "first wait before connecting again (100 ms; heimdal-iprop: 1 s)"},
        {.name = "retry-max",
         .kind = OPT_TIME,
         .to = &r.retry_max_ms,
         .arg = "TIME",
         .conf = true,
         .help = "longest wait before connecting again (30 s)"},
        {.name = "status-file",
         .kind = OPT_TEXT,
         .to = &r.status_file,
         .arg = "FILE",
         .conf = true,
         .help = "say there how it stands, in the words of ipropd-slave"},
        {.name = "listen",
         .kind = OPT_LIST,
         .to = &r.listen,
         .arg = "ADDR:PORT",
         .help = "heimdal-iprop: serve native replicas there; may be given again (nowhere)"},
        {.name = "acl",
         .kind = OPT_TEXT,
         .to = &r.served.acl_file,
         .arg = "FILE",
         .conf = true,
         .help = "with --listen: principals that may follow, one a line"},
        {.name = NULL},
    };
    const struct opt_command cmd = {.name = "krbrepl-replica",
                                    .operands = "MASTER[:PORT]",
                                    .least = 0,
                                    .most = 1,
                                    .summary =
                                        "Keeps a copy of a Kerberos database in step with its master.",
                                    .notes = notes,
                                    .opts = opts};

    if (argc > 0 && ipropd_named(argv[0], "ipropd-slave")) {
        r.as.d = &r.d;
        return run_as(&r, argc, argv);
    }
    return run(&r, &cmd, argc, argv);
}
