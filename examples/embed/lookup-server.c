/* lookup-server: a server that blocks, one client at a time, while a thread of the library keeps its copy of the
 * database in step with the master.
 *
 *   lookup-server STORE MASTER SERVICE PRINCIPAL KEYTAB
 *
 * STORE is a replica's (`krbrepl init`). Standard input is a socket that listens, as inetd and systemd hand it
 * out: a client sends NAME, and gets the value of that record as it is here. SIGTERM ends it. */
#include <signal.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <krbrepl/krbrepl.h>

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

/* Called in the thread of the node. */
static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s: %.*s\n", area, (int)len, msg);
}

/* A view shows one position; it is closed at once, for it keeps old pages alive. */
static void answer(krbrepl_store *s, int client)
{
    char name[256];
    ssize_t n = recv(client, name, sizeof name, 0);
    krbrepl_bytes key = {name, n > 0 ? (size_t)n : 0}, value = {"", 0};
    krbrepl_view *v = NULL;
    int rc = krbrepl_view_open(s, &v);

    if (rc == 0)
        rc = krbrepl_view_get(v, "principal", key, &value);
    if (rc == 0)
        (void)send(client, value.data, value.len, MSG_NOSIGNAL);
    else if (rc != KRBREPL_ERR_NOTFOUND)
        fprintf(stderr, "lookup-server: %s\n", krbrepl_strerror(rc));
    krbrepl_view_close(v);
}

/* SIGTERM is let in only while pselect waits, so that it cannot be missed. */
static void serve(krbrepl_store *s, int listener, const sigset_t *waiting)
{
    const struct timeval patience = {5, 0};
    fd_set set;
    int fd;

    FD_ZERO(&set);
    while (!stop) {
        FD_SET(listener, &set);
        if (pselect(listener + 1, &set, NULL, NULL, NULL, waiting) <= 0 ||
            (fd = accept(listener, NULL, NULL)) < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        answer(s, fd);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    krbrepl_errinfo ei = {.size = sizeof ei};
    krbrepl_events events = {.size = sizeof events, .log = on_log};
    krbrepl_config config = {.size = sizeof config, .events = &events};
    krbrepl_replica_options opt = {.size = sizeof opt};
    struct sigaction sa = {.sa_handler = on_signal};
    sigset_t term, waiting;
    krbrepl_node *node = NULL;
    int rc;

    if (argc != 6)
        return fprintf(stderr, "lookup-server STORE MASTER SERVICE PRINCIPAL KEYTAB\n"), 2;
    opt.master = argv[2], opt.service = argv[3], opt.principal = argv[4], opt.keytab = argv[5];
    sigaction(SIGTERM, &sa, NULL);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &waiting);
    rc = krbrepl_store_open(&config.store, argv[1], NULL, &ei);
    if (rc == 0)
        rc = krbrepl_node_new(&node, &config, &ei);
    if (rc == 0 && (rc = krbrepl_replica_start(node, &opt)) == 0 &&
        (rc = krbrepl_node_spawn(node)) == 0) {
        serve(config.store, STDIN_FILENO, &waiting); /* the node has opened a handle of its own */
        rc = krbrepl_node_stop(node);
    }
    if (rc != 0 && node != NULL)
        krbrepl_node_errinfo(node, &ei);
    if (rc != 0)
        fprintf(stderr, "lookup-server: %s: %s\n", krbrepl_err_name(rc), ei.text);
    krbrepl_node_free(node);
    krbrepl_store_close(config.store);
    return rc != 0;
}
