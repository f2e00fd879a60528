/* daemon.h: what krbrepl-master and krbrepl-replica share: options, log, background, signals. */
#ifndef KRBREPL_DAEMON_H
#define KRBREPL_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include <krbrepl/krbrepl.h>

#include "conf.h"
#include "opts.h"

struct daemon {
    /* Options that both take; see DAEMON_OPTS. */
    char *store_dir, *keytab, *service, *config_file, *realm, *pid_file, *log_level;
    bool detach;
    uint64_t missing_ms, gone_ms, lost_ms;

    /* A database of somebody else's that has the records; set before daemon_open. */
    const krbrepl_host_ops *host;
    void *host_ctx;

    struct conf *conf;
    krbrepl_store *store;
    krbrepl_node *node;
    int level;  /* enum krbrepl_log_level */
    bool other; /* the node ended because another database is where its own was */
    bool pid_written;

    /* Called by daemon_run in a thread of its own. May be NULL. */
    void (*reload)(void *ctx); /* on SIGHUP */
    void (*tick)(void *ctx);   /* at the start and every few seconds */
    void *ctx;
    unsigned tick_seconds; /* 0: 5 */

    /* Called by daemon_begin, when the command line has been read: before the configuration is, and after. May be
     * NULL; false after a message. */
    bool (*before)(void *ctx), (*settle)(void *ctx);
    void *settle_ctx;
};

#define DAEMON_OPTS(d)                                                                           \
    {.name = "store",                                                                            \
     .kind = OPT_TEXT,                                                                           \
     .to = &(d)->store_dir,                                                                      \
     .arg = "DIR",                                                                               \
     .conf = true,                                                                               \
     .help = "directory of the store (made by krbrepl init)"},                                   \
        {.name = "keytab",                                                                       \
         .kind = OPT_TEXT,                                                                       \
         .to = &(d)->keytab,                                                                     \
         .arg = "FILE",                                                                          \
         .conf = true,                                                                           \
         .help = "keys of the own principal (default: the default keytab)"},                     \
        {.name = "config-file",                                                                  \
         .letter = 'c',                                                                          \
         .kind = OPT_TEXT,                                                                       \
         .to = &(d)->config_file,                                                                \
         .arg = "FILE",                                                                          \
         .help = "configuration to read before krb5.conf"},                                      \
        {.name = "realm",                                                                        \
         .letter = 'r',                                                                          \
         .kind = OPT_TEXT,                                                                       \
         .to = &(d)->realm,                                                                      \
         .arg = "REALM",                                                                         \
         .help = "realm of names without one (default: the default realm)"},                     \
        {.name = "time-missing",                                                                 \
         .kind = OPT_TIME,                                                                       \
         .to = &(d)->missing_ms,                                                                 \
         .arg = "TIME",                                                                          \
         .conf = true,                                                                           \
         .help = "silence before a peer is asked for a sign of life (10 s)"},                    \
        {.name = "time-gone",                                                                    \
         .kind = OPT_TIME,                                                                       \
         .to = &(d)->gone_ms,                                                                    \
         .arg = "TIME",                                                                          \
         .conf = true,                                                                           \
         .help = "silence before a master gives a replica up (60 s)"},                           \
        {.name = "time-lost",                                                                    \
         .kind = OPT_TIME,                                                                       \
         .to = &(d)->lost_ms,                                                                    \
         .arg = "TIME",                                                                          \
         .conf = true,                                                                           \
         .help = "silence before a replica gives the master up (60 s)"},                         \
        {.name = "log-level",                                                                    \
         .kind = OPT_TEXT,                                                                       \
         .to = &(d)->log_level,                                                                  \
         .arg = "LEVEL",                                                                         \
         .conf = true,                                                                           \
         .help = "error, warn, notice, info (default) or debug"},                                \
        {.name = "detach",                                                                       \
         .kind = OPT_FLAG,                                                                       \
         .to = &(d)->detach,                                                                     \
         .help = "go to the background once all is well; log to syslog"},                        \
    {                                                                                            \
        .name = "pid-file", .kind = OPT_TEXT, .to = &(d)->pid_file, .arg = "FILE", .conf = true, \
        .help = "where to write the process id"                                                  \
    }

/* Parses the command line, goes to the background if asked (before anything is opened), reads the
 * configuration, blocks the signals. OPTS_GO, or the exit code. */
int daemon_begin(struct daemon *d, const struct opt_command *cmd, int *argc, char ***argv);

/* Opens the store of --store. With a host's database, one that is not there yet is made. False after a message. */
bool daemon_open(struct daemon *d);

/* Makes the node on the store. False after a message. */
bool daemon_node(struct daemon *d, const krbrepl_events *events, void *ctx);

/* Writes the pid file, tells whoever waits that the work has begun, and runs the node until SIGTERM or
 * SIGINT, or until it fails. Returns the exit code. */
int daemon_run(struct daemon *d);

/* After daemon_run: true when the node ended because another database is where its own was. That one is then open, and
 * a node is to be started on it. */
bool daemon_again(struct daemon *d);

/* Frees everything; the options too. */
void daemon_end(struct daemon *d, const struct opt_command *cmd);

/* The callback `log` of krbrepl_events. */
void daemon_log(void *ctx, int level, const char *area, const char *msg, size_t len);

/* A line of the program's own. */
void daemon_note(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Logs the last failure of the node. */
void daemon_node_failed(struct daemon *d, const char *what, int err);

/* `name` with the realm of -r behind it when it has none; to be freed. NULL for NULL. */
char *daemon_with_realm(const struct daemon *d, const char *name);

/* The principal of the master, which runs on `host`: that of --service; else krbrepl/HOST@REALM when -r was given;
 * else NULL: the library's default. To be freed. */
char *daemon_service(const struct daemon *d, const char *host);

#endif
