/* daemon.c: what krbrepl-master and krbrepl-replica share. */
#include "daemon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "background.h"
#include "logout.h"
#include "prog.h"

#define TICK_SECONDS 5
#define OPEN_TRIES 30

/* Ends the thread that waits for signals, at the end. */
#define SIGNAL_DONE SIGUSR1

void daemon_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    (void)ctx;
    logout_line(level, area, msg, len);
}

void daemon_note(int level, const char *fmt, ...)
{
    char line[2048];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    logout_line(level, "program", line, strlen(line));
}

static void signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGNAL_DONE);
}

/* Before any thread is made, so that all of them leave the signals to the one that waits for them. */
static void block_signals(void)
{
    sigset_t set;

    signals(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static bool take_level(struct daemon *d)
{
    d->level = KRBREPL_LOG_INFO;
    if (d->log_level != NULL)
        d->level = logout_level(d->log_level);
    if (d->level == 0) {
        prog_say("--log-level: `%s` is not error, warn, notice, info or debug", d->log_level);
        return false;
    }
    logout_open(d->level);
    return true;
}

/* Zero is the library's word for its default; nobody means it. */
static bool times_are_sane(const struct opt_command *cmd)
{
    const struct opt *o;

    for (o = cmd->opts; o->name != NULL; o++) {
        if (o->kind == OPT_TIME && o->set && *(uint64_t *)o->to == 0) {
            prog_say("--%s: the time must be longer than 0; leave the option out for the default",
                     o->name);
            return false;
        }
    }
    return true;
}

int daemon_begin(struct daemon *d, const struct opt_command *cmd, int *argc, char ***argv)
{
    int rc = opts_parse(cmd, argc, argv);

    if (rc != OPTS_GO)
        return rc;
    if (!opts_operands(cmd, *argc, *argv))
        return PROG_USAGE;
    if (d->detach) {
        rc = background_go();
        if (rc != OPTS_GO)
            return rc;
    }
    block_signals();
    if (d->before != NULL && !d->before(d->settle_ctx))
        return PROG_FAILED;
    d->conf = conf_open(d->config_file, d->realm);
    if (d->conf == NULL || !opts_from_conf(cmd, d->conf))
        return PROG_FAILED;
    if (d->settle != NULL && !d->settle(d->settle_ctx))
        return PROG_USAGE;
    if (!take_level(d) || !times_are_sane(cmd))
        return PROG_USAGE;
    if (d->store_dir == NULL) {
        prog_say(
            "no store is named; use --store DIR, or write `store = DIR` into [krbrepl] in krb5.conf");
        return PROG_USAGE;
    }
    return OPTS_GO;
}

static int make_hosted(struct daemon *d, const krbrepl_store_options *opt, krbrepl_errinfo *ei)
{
    krbrepl_create_options create;
    int rc;

    KRBREPL_INIT(&create);
    create.flags = KRBREPL_CREATE_HOSTED;
    rc = krbrepl_store_create(d->store_dir, &create, ei);
    return rc == 0 ? krbrepl_store_open(&d->store, d->store_dir, opt, ei) : rc;
}

bool daemon_open(struct daemon *d)
{
    krbrepl_store_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.host = d->host;
    opt.host_ctx = d->host_ctx;
    rc = krbrepl_store_open(&d->store, d->store_dir, &opt, &ei);
    if (rc == KRBREPL_ERR_NOTFOUND && d->host != NULL)
        rc = make_hosted(d, &opt, &ei);
    if (rc == 0)
        return true;
    prog_say("%s (%s)", ei.text, krbrepl_err_name(rc));
    if (rc == KRBREPL_ERR_NOTFOUND)
        prog_say(
            "make a store with `krbrepl init %s`, on the first master with `krbrepl init --master %s`",
            d->store_dir, d->store_dir);
    else if (*prog_hint(rc) != '\0')
        prog_say("%s", prog_hint(rc));
    return false;
}

bool daemon_node(struct daemon *d, const krbrepl_events *events, void *ctx)
{
    krbrepl_config cfg;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&ei);
    KRBREPL_INIT(&cfg);
    cfg.store = d->store;
    cfg.events = events;
    cfg.events_ctx = ctx;
    cfg.log_level = (uint64_t)d->level;
    rc = krbrepl_node_new(&d->node, &cfg, &ei);
    if (rc != 0)
        prog_say("%s (%s)", ei.text, krbrepl_err_name(rc));
    return rc == 0;
}

void daemon_node_failed(struct daemon *d, const char *what, int err)
{
    krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    if (krbrepl_node_errinfo(d->node, &ei) != 0 || ei.text[0] == '\0')
        snprintf(ei.text, sizeof ei.text, "%s", krbrepl_strerror(err));
    daemon_note(KRBREPL_LOG_ERROR, "%s: %s (%s)", what, ei.text, krbrepl_err_name(err));
    if (*prog_hint(err) != '\0')
        daemon_note(KRBREPL_LOG_ERROR, "%s", prog_hint(err));
}

/* Waits for signals and for time to pass, while the node runs in the main thread. */
static void *mind(void *arg)
{
    struct daemon *d = arg;
    const struct timespec pause = {d->tick_seconds != 0 ? (time_t)d->tick_seconds : TICK_SECONDS, 0};
    sigset_t set;
    int sig;

    signals(&set);
    if (d->tick != NULL)
        d->tick(d->ctx);
    while ((sig = sigtimedwait(&set, NULL, &pause)) != SIGNAL_DONE) {
        if (sig == SIGTERM || sig == SIGINT) {
            daemon_note(KRBREPL_LOG_NOTICE, "stopping on signal %s", sig == SIGTERM ? "TERM" : "INT");
            krbrepl_node_quit(d->node);
        } else if (sig == SIGHUP && d->reload != NULL) {
            d->reload(d->ctx);
        }
        if (d->tick != NULL)
            d->tick(d->ctx);
    }
    return NULL;
}

static bool write_pid(const char *file)
{
    FILE *f = fopen(file, "we");

    if (f == NULL || fprintf(f, "%ld\n", (long)getpid()) < 0) {
        daemon_note(KRBREPL_LOG_ERROR,
                    "pid file %s: %s; make its directory, or name another with --pid-file", file,
                    strerror(errno));
        if (f != NULL)
            fclose(f);
        return false;
    }
    if (fclose(f) == 0)
        return true;
    daemon_note(KRBREPL_LOG_ERROR, "pid file %s: %s", file, strerror(errno));
    return false;
}

static int run_minded(struct daemon *d)
{
    pthread_t minder;
    int rc = pthread_create(&minder, NULL, mind, d);

    if (rc != 0) {
        daemon_note(KRBREPL_LOG_ERROR, "no thread for signals: %s; raise the limit of processes",
                    strerror(rc));
        return PROG_FAILED;
    }
    background_ready(d->detach);
    rc = krbrepl_node_run(d->node);
    if (rc != KRBREPL_ERR_CONFLICT)
        background_notify("STOPPING=1");
    d->other = rc == KRBREPL_ERR_CONFLICT;
    if (rc != 0)
        daemon_node_failed(d, "stopped", rc);
    (void)pthread_kill(minder, SIGNAL_DONE);
    (void)pthread_join(minder, NULL);
    return rc == 0 ? PROG_OK : PROG_FAILED;
}

int daemon_run(struct daemon *d)
{
    if (d->pid_file != NULL && !write_pid(d->pid_file))
        return PROG_FAILED;
    d->pid_written = d->pid_file != NULL;
    return run_minded(d);
}

/* Files that are being copied into place are no store yet. */
static bool open_in_time(struct daemon *d)
{
    const struct timespec pause = {1, 0};
    sigset_t set;
    int i, sig;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    for (i = 0; i < OPEN_TRIES; i++) {
        if (daemon_open(d))
            return true;
        sig = sigtimedwait(&set, NULL, &pause);
        if (sig == SIGTERM || sig == SIGINT)
            return false;
    }
    return false;
}

bool daemon_again(struct daemon *d)
{
    if (!d->other)
        return false;
    d->other = false;
    krbrepl_node_free(d->node);
    d->node = NULL;
    krbrepl_store_close(d->store);
    d->store = NULL;
    daemon_note(KRBREPL_LOG_WARN,
                "going on with the database that is in %s by now; replicas whose history it does not "
                "continue will be refused, and say so",
                d->store_dir);
    return open_in_time(d);
}

void daemon_end(struct daemon *d, const struct opt_command *cmd)
{
    krbrepl_node_free(d->node);
    krbrepl_store_close(d->store);
    /* Whoever waits for the file to go may start another node on the store at once. */
    if (d->pid_written)
        (void)unlink(d->pid_file);
    conf_close(d->conf);
    opts_free(cmd->opts);
}

char *daemon_with_realm(const struct daemon *d, const char *name)
{
    if (name == NULL)
        return NULL;
    if (d->realm == NULL || strchr(name, '@') != NULL)
        return prog_dup(name);
    return prog_format("%s@%s", name, d->realm);
}

char *daemon_service(const struct daemon *d, const char *host)
{
    if (d->service != NULL)
        return daemon_with_realm(d, d->service);
    return d->realm == NULL ? NULL : prog_format("krbrepl/%s@%s", host, d->realm);
}
