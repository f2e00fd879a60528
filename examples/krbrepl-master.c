/* krbrepl-master: serves the replicas of a store.
 *
 * All the work is the library's. This program reads options and configuration, keeps the list of those
 * who may follow, and turns signals into calls. */
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "ipropd.h"
#include "ipropfile.h"
#include "prog.h"
#include "served.h"

struct master {
    struct daemon d;
    struct served served;
    char *listen;
    uint64_t repairs;
    char *heimdal_service, *heimdal_keytab;
    char *stats_file; /* the slaves of Heimdal's, as Heimdal's master lists them */
    struct ipropfile stats;
    struct ipropd as; /* started as ipropd-master */
};

static const char notes[] =
    "The store must be a master: `krbrepl init --master DIR` makes one, `krbrepl promote DIR` turns "
    "any\n"
    "store into one. FILE of --acl holds one principal a line, such as\n"
    "    krbrepl/replica.example.org@EXAMPLE.ORG\n"
    "and `#` comments; it is read again on SIGHUP, and a principal that is no longer in it loses its "
    "live\n"
    "session. Without it nobody may follow. SIGTERM and SIGINT stop the program in good order.\n"
    "Options may stand in [krbrepl] in krb5.conf, with _ for -; see krbrepl.conf(5).\n"
    "Exit codes: 0 stopped by a signal, 1 failure, 2 wrong command line.";

static int authorize(void *ctx, const char *principal, const char *address)
{
    struct master *m = ctx;

    return served_authorize(&m->served, principal, address);
}

static void reload(void *ctx)
{
    struct master *m = ctx;

    served_reload(&m->served);
}

static void tick(void *ctx)
{
    struct master *m = ctx;

    ipropfile_master(&m->stats);
}

/* What the node is told of the slaves of Heimdal's. */
static void set_heimdal(const struct master *m, const char *service, krbrepl_master_options *opt)
{
    opt->flags = m->served.heimdal ? KRBREPL_MASTER_HEIMDAL : 0;
    opt->heimdal_service = service;
    opt->heimdal_keytab = m->heimdal_keytab;
    opt->heimdal_missing_ms = m->d.missing_ms;
    opt->heimdal_gone_ms = m->d.gone_ms;
    if (m->as.d == NULL)
        return;
    /* The times of the command line are for its own dialect alone. */
    opt->missing_ms = opt->gone_ms = 0;
    opt->heimdal_service = m->as.principal;
}

static bool start(struct master *m)
{
    krbrepl_events events;
    krbrepl_master_options opt;
    char *service, *heimdal_service, host[256];
    int rc;

    KRBREPL_INIT(&events);
    events.authorize = authorize;
    events.log = daemon_log;
    if (!daemon_node(&m->d, &events, m))
        return false;
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    service = daemon_service(&m->d, host);
    heimdal_service = daemon_with_realm(&m->d, m->heimdal_service);
    KRBREPL_INIT(&opt);
    opt.listen = m->listen;
    opt.service = service;
    opt.keytab = m->d.keytab;
    opt.missing_ms = m->d.missing_ms;
    opt.gone_ms = m->d.gone_ms;
    opt.repairs_max = m->repairs;
    set_heimdal(m, heimdal_service, &opt);
    rc = krbrepl_master_start(m->d.node, &opt);
    free(service);
    free(heimdal_service);
    if (rc == 0)
        return true;
    daemon_node_failed(&m->d, "cannot start", rc);
    if (rc == KRBREPL_ERR_STATE)
        daemon_note(KRBREPL_LOG_ERROR, "if this store is to be the master, run `krbrepl promote %s`",
                    m->d.store_dir);
    return false;
}

/* Every address, and the port that the services database has for iprop. */
static void take_listen(struct master *m)
{
    char buf[16];

    if (m->listen == NULL)
        m->listen = prog_format("*:%s", m->as.d != NULL ? m->as.port : ipropd_port(NULL, buf));
}

static void take_files(struct master *m)
{
    if (m->as.d != NULL) {
        m->served.heimdal = true;
        m->served.slaves_file = m->as.slaves;
        m->stats.file = m->as.report;
    } else {
        m->stats.file = m->served.heimdal ? m->stats_file : NULL;
    }
    m->stats.dir = m->d.store_dir;
    m->stats.store = &m->d.store;
    m->d.tick = m->stats.file != NULL ? tick : NULL;
    m->d.tick_seconds = 1;
}

static int run(struct master *m, const struct opt_command *cmd, int argc, char **argv)
{
    int rc;

    prog_init(cmd->name);
    argc--;
    argv++;
    rc = daemon_begin(&m->d, cmd, &argc, &argv);
    if (rc == OPTS_GO) {
        m->d.reload = reload;
        m->d.ctx = m;
        take_listen(m);
        take_files(m);
        rc = PROG_FAILED;
        if (daemon_open(&m->d) && served_first(&m->served) && start(m))
            rc = daemon_run(&m->d);
        while (daemon_again(&m->d))
            rc = start(m) ? daemon_run(&m->d) : PROG_FAILED;
        if (rc == PROG_OK)
            ipropfile_master_down(&m->stats);
    }
    daemon_end(&m->d, cmd);
    served_free(&m->served);
    ipropd_free(&m->as);
    return rc;
}

static const char as_notes[] =
    "This is krbrepl-master under the name of Heimdal's program: it takes its options, reads its "
    "settings and\n"
    "serves its slaves from a store. --database krbrepl:DIR names the store; else `store` in "
    "[krbrepl], "
    "else the\n"
    "dbname of [kdc] when it begins with krbrepl:, else krbrepl in the database directory.\n"
    "See krbrepl-master(8).";

/* Started as ipropd-master; `as` knows the daemon already. */
static int run_as(struct master *m, int argc, char **argv)
{
    struct opt opts[] = {
        IPROPD_OPTS(&m->as),
        {.name = "database",
         .letter = 'd',
         .kind = OPT_TEXT,
         .to = &m->as.database,
         .arg = "NAME",
         .help = "krbrepl:DIR; any other name is taken and not looked at"},
        {.name = "slave-stats-file",
         .kind = OPT_TEXT,
         .to = &m->as.report,
         .arg = "FILE",
         .help = "file for slave status information (slaves-stats)"},
        {.name = "time-missing",
         .kind = OPT_TIME,
         .to = &m->d.missing_ms,
         .arg = "TIME",
         .help = "time before slave is polled for presence (2 min)"},
        {.name = "time-gone",
         .kind = OPT_TIME,
         .to = &m->d.gone_ms,
         .arg = "TIME",
         .help = "time of inactivity after which a slave is considered gone (5 min)"},
        {.name = "acl",
         .kind = OPT_TEXT,
         .to = &m->served.acl_file,
         .arg = "FILE",
         .conf = true,
         .own = true,
         .help = "principals that may follow in the native protocol too, one a line"},
        {.name = NULL},
    };
    const struct opt_command cmd = {.name = "ipropd-master",
                                    .operands = "",
                                    .least = 0,
                                    .most = -1,
                                    .summary = "Serves Heimdal's slaves of a Kerberos database.",
                                    .notes = as_notes,
                                    .opts = opts,
                                    .short_names = true};

    m->as.master = true;
    m->d.before = ipropd_before;
    m->d.settle = ipropd_settle;
    m->d.settle_ctx = &m->as;
    return run(m, &cmd, argc, argv);
}

int main(int argc, char **argv)
{
    static struct master m = {.served = {.d = &m.d, .lock = PTHREAD_MUTEX_INITIALIZER}};
    struct opt opts[] = {
        DAEMON_OPTS(&m.d),
        {.name = "listen",
         .kind = OPT_LIST,
         .to = &m.listen,
         .arg = "ADDR:PORT",
         .conf = true,
         .help = "where to listen; may be given again (every address, port of iprop/tcp or 2121)"},
        {.name = "service",
         .kind = OPT_TEXT,
         .to = &m.d.service,
         .arg = "PRINC",
         .conf = true,
         .help = "own principal (krbrepl/HOSTNAME)"},
        {.name = "acl",
         .kind = OPT_TEXT,
         .to = &m.served.acl_file,
         .arg = "FILE",
         .conf = true,
         .help = "principals that may follow, one a line"},
        {.name = "repairs",
         .kind = OPT_NUMBER,
         .to = &m.repairs,
         .arg = "N",
         .conf = true,
         .help = "copies and repairs at a time, the other replicas wait (4)"},
        {.name = "heimdal-iprop",
         .kind = OPT_FLAG,
         .to = &m.served.heimdal,
         .conf = true,
         .help = "serve unmodified slaves of Heimdal's (ipropd-slave) too"},
        {.name = "heimdal-service",
         .kind = OPT_TEXT,
         .to = &m.heimdal_service,
         .arg = "PRINC",
         .conf = true,
         .help = "own principal towards them (iprop/HOSTNAME)"},
        {.name = "heimdal-keytab",
         .kind = OPT_TEXT,
         .to = &m.heimdal_keytab,
         .arg = "FILE",
         .conf = true,
         .help = "keys of that principal (as --keytab)"},
        {.name = "heimdal-slaves",
         .kind = OPT_TEXT,
         .to = &m.served.slaves_file,
         .arg = "FILE",
         .conf = true,
         .help = "principals of such slaves, one a line (`slaves` in the store)"},
        {.name = "slave-stats-file",
         .kind = OPT_TEXT,
         .to = &m.stats_file,
         .arg = "FILE",
         .conf = true,
         .help = "write such slaves there as ipropd-master does"},
        {.name = NULL},
    };
    const struct opt_command cmd = {.name = "krbrepl-master",
                                    .operands = "",
                                    .least = 0,
                                    .most = 0,
                                    .summary = "Serves the replicas of a Kerberos database.",
                                    .notes = notes,
                                    .opts = opts};

    if (argc > 0 && ipropd_named(argv[0], "ipropd-master")) {
        m.as.d = &m.d;
        return run_as(&m, argc, argv);
    }
    return run(&m, &cmd, argc, argv);
}
