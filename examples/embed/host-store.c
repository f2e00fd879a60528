/* host-store: a replica whose records and commits are in a database of its own, here SQLite.
 *
 *   host-store DATABASE STORE MASTER SERVICE PRINCIPAL KEYTAB
 *
 * STORE is a directory for the position and what else replication needs; it and DATABASE are made when they are not there.
 * SIGTERM ends it. */
#include <signal.h>
#include <stdio.h>

#include <krbrepl/krbrepl.h>

#include "sqlite-host.h"

static krbrepl_node *node;

static void on_signal(int sig)
{
    (void)sig;
    krbrepl_node_quit(node);
}

static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s: %.*s\n", area, (int)len, msg);
}

static int open_store(const char *dir, void *host, krbrepl_store **out, krbrepl_errinfo *ei)
{
    krbrepl_create_options create = {.size = sizeof create,
                                     .flags = KRBREPL_CREATE_HOSTED | KRBREPL_CREATE_JOURNALED};
    krbrepl_store_options opt = {.size = sizeof opt, .host = &sqlite_host_ops, .host_ctx = host};
    int rc = krbrepl_store_create(dir, &create, ei);

    opt.journal = &sqlite_journal_ops, opt.journal_ctx = host;
    return rc == 0 || rc == KRBREPL_ERR_EXISTS ? krbrepl_store_open(out, dir, &opt, ei) : rc;
}

int main(int argc, char **argv)
{
    krbrepl_errinfo ei = {.size = sizeof ei};
    krbrepl_events events = {.size = sizeof events, .log = on_log};
    krbrepl_config config = {.size = sizeof config, .events = &events};
    krbrepl_replica_options opt = {.size = sizeof opt};
    struct sigaction sa = {.sa_handler = on_signal};
    void *host = NULL;
    int rc;

    if (argc != 7)
        return fprintf(stderr, "host-store DATABASE STORE MASTER SERVICE PRINCIPAL KEYTAB\n"), 2;
    opt.master = argv[3], opt.service = argv[4], opt.principal = argv[5], opt.keytab = argv[6];
    host = sqlite_host_open(argv[1]);
    if (host == NULL)
        return fprintf(stderr, "host-store: cannot open %s\n", argv[1]), 1;
    rc = open_store(argv[2], host, &config.store, &ei);
    if (rc == 0)
        rc = krbrepl_node_new(&node, &config, &ei);
    if (rc == 0) {
        sigaction(SIGTERM, &sa, NULL);
        rc = krbrepl_replica_start(node, &opt);
        if (rc == 0)
            rc = krbrepl_node_run(node);
        krbrepl_node_errinfo(node, &ei);
    }
    if (rc != 0)
        fprintf(stderr, "host-store: %s: %s\n", krbrepl_err_name(rc), ei.text);
    krbrepl_node_free(node);
    krbrepl_store_close(config.store);
    sqlite_host_close(host);
    return rc != 0;
}
