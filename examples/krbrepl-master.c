/* krbrepl-master: serves the replicas of a store.
 *
 * All the work is the library's. This program reads options and configuration, keeps the list of those
 * who may follow, and turns signals into calls. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "acl.h"
#include "daemon.h"
#include "prog.h"

#define SAID_PER_SECOND 5

struct master {
    struct daemon d;
    char *listen, *acl_file;
    uint64_t repairs;
    pthread_mutex_t lock; /* guards `acl`: SIGHUP replaces it while the node asks */
    struct acl *acl;
    time_t said_at; /* of the refusals in the log; the node's thread */
    unsigned said;
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

static const char *own_realm(const struct master *m)
{
    const char *realm = conf_realm(m->d.conf);

    return *realm != '\0' ? realm : "EXAMPLE.ORG";
}

static void say_how_to_allow(const struct master *m)
{
    if (m->acl_file == NULL)
        daemon_note(KRBREPL_LOG_WARN,
                    "no --acl: nobody may follow this master; write the principals of the replicas "
                    "into a file, "
                    "one a line, such as `krbrepl/replica.example.org@%s`, and start with --acl FILE",
                    own_realm(m));
    else
        daemon_note(
            KRBREPL_LOG_WARN,
            "%s allows nobody: write the principals of the replicas into it, one a line, such as "
            "`krbrepl/replica.example.org@%s`, and send SIGHUP to process %ld",
            m->acl_file, own_realm(m), (long)getpid());
}

/* Whoever has a ticket of the realm can ask to follow as often as he likes, and must not fill the log. */
static bool may_say(struct master *m)
{
    time_t now = time(NULL);

    if (now != m->said_at) {
        m->said_at = now;
        m->said = 0;
    }
    return m->said++ < SAID_PER_SECOND;
}

/* Called by the node, in its thread. */
static int authorize(void *ctx, const char *principal, const char *address)
{
    struct master *m = ctx;
    bool allowed;

    pthread_mutex_lock(&m->lock);
    allowed = acl_allows(m->acl, principal);
    pthread_mutex_unlock(&m->lock);
    if (allowed)
        return KRBREPL_ALLOW_REPLICA | KRBREPL_ALLOW_MONITOR;
    if (*address == '\0') {
        daemon_note(
            KRBREPL_LOG_NOTICE,
            "%s may not follow any more and is not connected: nothing is kept for it from now on",
            principal);
        return 0;
    }
    if (!may_say(m))
        return 0;
    if (m->acl_file != NULL)
        daemon_note(
            KRBREPL_LOG_WARN,
            "refused %s from %s: if it may have every key of the realm, add the line `%s` to %s and "
            "send SIGHUP to process %ld",
            principal, address, principal, m->acl_file, (long)getpid());
    else
        daemon_note(
            KRBREPL_LOG_WARN,
            "refused %s from %s: no --acl was given; if it may have every key of the realm, write the "
            "line `%s` into a file and start with --acl FILE",
            principal, address, principal);
    return 0;
}

/* A file that is not there yet allows nobody; one that is malformed is not obeyed at all. */
static bool first_acl(struct master *m)
{
    char why[512];

    if (m->acl_file == NULL || access(m->acl_file, F_OK) != 0) {
        say_how_to_allow(m);
        return true;
    }
    m->acl = acl_read(m->acl_file, conf_realm(m->d.conf), why, sizeof why);
    if (m->acl == NULL) {
        prog_say("%s; correct the file and start again", why);
        return false;
    }
    if (acl_count(m->acl) == 0)
        say_how_to_allow(m);
    return true;
}

/* SIGHUP. In the thread of the signals. */
static void reload(void *ctx)
{
    struct master *m = ctx;
    struct acl *fresh, *old;
    char why[512];

    if (m->acl_file == NULL) {
        say_how_to_allow(m);
        return;
    }
    fresh = acl_read(m->acl_file, conf_realm(m->d.conf), why, sizeof why);
    if (fresh == NULL) {
        daemon_note(
            KRBREPL_LOG_ERROR,
            "%s; the list of replicas as it was stays in force: correct the file and send SIGHUP again",
            why);
        return;
    }
    pthread_mutex_lock(&m->lock);
    old = m->acl;
    m->acl = fresh;
    pthread_mutex_unlock(&m->lock);
    acl_free(old);
    daemon_note(KRBREPL_LOG_NOTICE, "%s was read again: %zu principals may follow", m->acl_file,
                acl_count(fresh));
    if (acl_count(fresh) == 0)
        say_how_to_allow(m);
    krbrepl_node_reauthorize(m->d.node);
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
    static struct master m = {.lock = PTHREAD_MUTEX_INITIALIZER};
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
         .to = &m.acl_file,
         .arg = "FILE",
         .conf = true,
         .help = "principals that may follow, one a line"},
        {.name = "repairs",
         .kind = OPT_NUMBER,
         .to = &m.repairs,
         .arg = "N",
         .conf = true,
         .help = "copies and repairs at a time, the other replicas wait (4)"},
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
        if (daemon_open(&m.d) && first_acl(&m) && start(&m))
            rc = daemon_run(&m.d);
        while (daemon_again(&m.d))
            rc = start(&m) ? daemon_run(&m.d) : PROG_FAILED;
    }
    daemon_end(&m.d, &cmd);
    acl_free(m.acl);
    return rc;
}
