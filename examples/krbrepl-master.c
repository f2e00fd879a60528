/* krbrepl-master: serves the replicas of a store.
 *
 * All the work is the library's. This program reads options and configuration, keeps the list of those
 * who may follow, and turns signals into calls. */
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "prog.h"
#include "served.h"

struct master {
    struct daemon d;
    struct served served;
    char *listen;
    uint64_t repairs;
    char *heimdal_service, *heimdal_keytab;
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

static bool start(struct master *m)
{
    krbrepl_events events;
    krbrepl_master_options opt;
    char *service, host[256];
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
    KRBREPL_INIT(&opt);
    opt.listen = m->listen;
    opt.service = service;
    opt.keytab = m->d.keytab;
    opt.missing_ms = m->d.missing_ms;
    opt.gone_ms = m->d.gone_ms;
    opt.repairs_max = m->repairs;
    opt.flags = m->served.heimdal ? KRBREPL_MASTER_HEIMDAL : 0;
    opt.heimdal_service = m->heimdal_service;
    opt.heimdal_keytab = m->heimdal_keytab;
    opt.heimdal_missing_ms = m->d.missing_ms;
    opt.heimdal_gone_ms = m->d.gone_ms;
    rc = krbrepl_master_start(m->d.node, &opt);
    free(service);
    if (rc == 0)
        return true;
    daemon_node_failed(&m->d, "cannot start", rc);
    if (rc == KRBREPL_ERR_STATE)
        daemon_note(KRBREPL_LOG_ERROR, "if this store is to be the master, run `krbrepl promote %s`",
                    m->d.store_dir);
    return false;
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
         .help = "where to listen; may be given again (every address, port 2121)"},
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
        {.name = NULL},
    };
    const struct opt_command cmd = {.name = "krbrepl-master",
                                    .operands = "",
                                    .least = 0,
                                    .most = 0,
                                    .summary = "Serves the replicas of a Kerberos database.",
                                    .notes = notes,
                                    .opts = opts};
    int rc;

    prog_init(cmd.name);
    argc--;
    argv++;
    rc = daemon_begin(&m.d, &cmd, &argc, &argv);
    if (rc == OPTS_GO) {
        m.d.reload = reload;
        m.d.ctx = &m;
        rc = PROG_FAILED;
        if (daemon_open(&m.d) && served_first(&m.served) && start(&m))
            rc = daemon_run(&m.d);
        while (daemon_again(&m.d))
            rc = start(&m) ? daemon_run(&m.d) : PROG_FAILED;
    }
    daemon_end(&m.d, &cmd);
    served_free(&m.served);
    return rc;
}
