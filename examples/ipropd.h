/* ipropd.h: the command lines of Heimdal's ipropd-master and ipropd-slave: what the two daemons understand when they
 * are started under these names, and what Heimdal's own settings then mean for them. */
#ifndef KRBREPL_IPROPD_H
#define KRBREPL_IPROPD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon.h"

struct ipropd {
    struct daemon *d;
    bool master;
    /* As given; then completed by ipropd_settle. */
    char *keytab, *database, *port, *hostname;
    char *report; /* --slave-stats-file of the master, --status-file of the slave */
    bool verbose;
    uint64_t child;
    /* Found by ipropd_settle: */
    char *principal; /* iprop/HOSTNAME@REALM */
    char *slaves;    /* master: those who may follow */
    char *mkey_file; /* slave: NULL when there is none */
    uint64_t retry_min_ms, retry_max_ms;
};

#define IPROPD_OPTS(p)                                                                              \
    {.name = "config-file",                                                                         \
     .letter = 'c',                                                                                 \
     .kind = OPT_TEXT,                                                                              \
     .to = &(p)->d->config_file,                                                                    \
     .arg = "FILE",                                                                                 \
     .help = "configuration to read before krb5.conf (kdc.conf in the database directory)"},        \
        {.name = "realm",                                                                           \
         .letter = 'r',                                                                             \
         .kind = OPT_TEXT,                                                                          \
         .to = &(p)->d->realm,                                                                      \
         .arg = "REALM",                                                                            \
         .help = "realm (the default realm)"},                                                      \
        {.name = "keytab",                                                                          \
         .letter = 'k',                                                                             \
         .kind = OPT_TEXT,                                                                          \
         .to = &(p)->keytab,                                                                        \
         .arg = "KSPEC",                                                                            \
         .help = "keytab to get authentication from (the default keytab)"},                         \
        {.name = "port",                                                                            \
         .kind = OPT_TEXT,                                                                          \
         .to = &(p)->port,                                                                          \
         .arg = "PORT",                                                                             \
         .help = "number or service name (iprop/tcp, else 2121)"},                                  \
        {.name = "detach",                                                                          \
         .kind = OPT_FLAG,                                                                          \
         .to = &(p)->d->detach,                                                                     \
         .help = "go to the background once all is well; log to syslog"},                           \
        {.name = "daemon-child",                                                                    \
         .kind = OPT_NUMBER,                                                                        \
         .to = &(p)->child,                                                                         \
         .arg = "N",                                                                                \
         .help = "taken, and means nothing"},                                                       \
        {.name = "hostname",                                                                        \
         .kind = OPT_TEXT,                                                                          \
         .to = &(p)->hostname,                                                                      \
         .arg = "HOST",                                                                             \
         .help = "name of this host in its principal iprop/HOST"},                                  \
        {.name = "verbose", .kind = OPT_FLAG, .to = &(p)->verbose, .help = "log more"},             \
        {.name = "store",                                                                           \
         .kind = OPT_TEXT,                                                                          \
         .to = &(p)->d->store_dir,                                                                  \
         .arg = "DIR",                                                                              \
         .conf = true,                                                                              \
         .own = true,                                                                               \
         .help = "directory of the store (krbrepl in the database directory)"},                     \
        {.name = "log-level",                                                                       \
         .kind = OPT_TEXT,                                                                          \
         .to = &(p)->d->log_level,                                                                  \
         .arg = "LEVEL",                                                                            \
         .conf = true,                                                                              \
         .own = true,                                                                               \
         .help = "error, warn, notice, info (default) or debug"},                                   \
    {                                                                                               \
        .name = "pid-file", .kind = OPT_TEXT, .to = &(p)->d->pid_file, .arg = "FILE", .conf = true, \
        .own = true, .help = "where to write the process id (NAME.pid, as iprop(8) says)"           \
    }

/* Was the program started as `name`, by whatever path? */
bool ipropd_named(const char *argv0, const char *name);

/* The two steps of daemon_begin in between; `ctx` is a struct ipropd. False after a message. */
bool ipropd_before(void *ctx);
bool ipropd_settle(void *ctx);

/* The slave's store is made when it is not there, as ipropd-slave makes its database. False after a message. */
bool ipropd_make_store(const struct ipropd *p);

/* `text` as a port, "" when it is none; NULL: that of iprop/tcp in the services database, else 2121. */
const char *ipropd_port(const char *text, char buf[16]);

/* "HOST", "HOST:PORT", "[ADDR]", "[ADDR]:PORT" or an IPv6 address: with `port` behind it when it has none. To be freed. */
char *ipropd_with_port(const char *master, const char *port);

/* What is wrong with a keytab's name, or NULL. */
const char *ipropd_keytab_wrong(const char *spec);

/* What the options did not free. */
void ipropd_free(struct ipropd *p);

#endif
