/* child.c: the process of one node. Arguments: ROLE DIR LOG ACL PRINCIPAL KEYTAB PORT [NAME=NUMBER]... */
#include "nodes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

typedef struct child {
    FILE *log;
    const char *acl;
} child;

static krbrepl_node *the_node;

static void on_signal(int sig)
{
    if (sig == SIGHUP)
        krbrepl_node_reauthorize(the_node);
    else
        krbrepl_node_quit(the_node);
}

static int authorize(void *ctx, const char *principal, const char *address)
{
    child *c = ctx;
    char line[300];
    FILE *f = fopen(c->acl, "r");
    int ok = 0;

    (void)address;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        ok |= strcmp(line, principal) == 0;
    }
    if (f != NULL)
        fclose(f);
    return ok ? KRBREPL_ALLOW_REPLICA : 0;
}

static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    child *c = ctx;

    fprintf(c->log, "%d %s: %.*s\n", level, area, (int)len, msg);
    fflush(c->log);
}

static uint64_t option(int argc, char **argv, const char *name)
{
    size_t len = strlen(name);
    int i;

    for (i = 7; i < argc; i++)
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=')
            return strtoull(argv[i] + len + 1, NULL, 10);
    return 0;
}

static int start_master(krbrepl_node *n, int argc, char **argv)
{
    krbrepl_master_options o;
    char listen[64];

    KRBREPL_INIT(&o);
    snprintf(listen, sizeof listen, "127.0.0.1:%s", argv[6]);
    o.listen = listen;
    o.service = argv[4];
    o.keytab = argv[5];
    o.max_unauth = option(argc, argv, "max_unauth");
    o.max_per_address = option(argc, argv, "max_per_address");
    o.handshake_ms = option(argc, argv, "handshake_ms");
    o.missing_ms = option(argc, argv, "missing_ms");
    o.gone_ms = option(argc, argv, "gone_ms");
    o.repairs_max = option(argc, argv, "repairs_max");
    return krbrepl_master_start(n, &o);
}

static int start_replica(krbrepl_node *n, int argc, char **argv)
{
    krbrepl_replica_options o;
    char master[64];

    KRBREPL_INIT(&o);
    snprintf(master, sizeof master, "127.0.0.1:%s", argv[6]);
    o.master = master;
    o.service = MASTER_PRINC;
    o.principal = argv[4];
    o.keytab = argv[5];
    o.retry_max_ms = 500;
    o.missing_ms = option(argc, argv, "missing_ms");
    o.lost_ms = option(argc, argv, "lost_ms");
    return krbrepl_replica_start(n, &o);
}

static void say_error(krbrepl_node *n, child *c, int rc)
{
    krbrepl_errinfo ei = {.size = sizeof ei};

    if (n != NULL)
        krbrepl_node_errinfo(n, &ei);
    fprintf(c->log, "%s: %s\n", krbrepl_err_name(rc), ei.text);
    fflush(c->log);
}

int child_main(int argc, char **argv)
{
    krbrepl_store *s = NULL;
    krbrepl_config cfg;
    krbrepl_events ev;
    child c = {fopen(argv[2], "a"), argv[3]};
    struct sigaction sa = {.sa_handler = on_signal};
    int rc;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    KRBREPL_INIT(&cfg);
    KRBREPL_INIT(&ev);
    if (option(argc, argv, "nobody") == 0)
        ev.authorize = authorize;
    ev.log = on_log;
    rc = krbrepl_store_open(&s, argv[1], NULL, NULL);
    cfg.store = s;
    cfg.events = &ev;
    cfg.events_ctx = &c;
    cfg.log_level = KRBREPL_LOG_DEBUG;
    if (rc == 0)
        rc = krbrepl_node_new(&the_node, &cfg, NULL);
    if (rc == 0) {
        sigaction(SIGTERM, &sa, NULL);
        sigaction(SIGHUP, &sa, NULL);
        rc = strcmp(argv[0], "master") == 0 ? start_master(the_node, argc, argv)
                                            : start_replica(the_node, argc, argv);
    }
    if (rc == 0)
        rc = krbrepl_node_run(the_node);
    if (rc != 0)
        say_error(the_node, &c, rc);
    krbrepl_node_stop(the_node);
    krbrepl_node_free(the_node);
    krbrepl_store_close(s);
    fclose(c.log);
    return -rc;
}
