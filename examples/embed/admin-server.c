/* admin-server: an admin server with a poll loop of its own, which serves its replicas in the same loop.
 *
 *   admin-server STORE LISTEN SERVICE KEYTAB REPLICA...
 *
 * STORE is a master's (`krbrepl init --master`). The principals REPLICA... may follow. Standard input is a
 * datagram socket, as inetd and systemd hand it out: "NAME VALUE" puts a record, "NAME" deletes it; the answer
 * is "ok SEQ", once that is durable, or the error. SIGTERM ends it. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <krbrepl/krbrepl.h>

static krbrepl_node *node;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
    krbrepl_node_wake(node); /* so that poll returns, also when it is called only now */
}

static int authorize(void *ctx, const char *principal, const char *address)
{
    char **may;

    (void)address;
    for (may = ctx; *may != NULL; may++)
        if (strcmp(*may, principal) == 0)
            return KRBREPL_ALLOW_REPLICA;
    return 0;
}

/* One command is one commit. */
static int execute(krbrepl_store *s, const char *line, krbrepl_pos *pos)
{
    char name[256] = "";
    int at = 0, rc = sscanf(line, "%255s %n", name, &at) == 1 ? 0 : KRBREPL_ERR_INVALID;
    krbrepl_bytes key = {name, strlen(name)}, value = {line + at, strlen(line + at)};
    krbrepl_txn *t = NULL;

    if (rc != 0 || (rc = krbrepl_txn_begin(s, &t, NULL)) != 0)
        return rc;
    rc = value.len != 0 ? krbrepl_txn_put(t, "principal", key, value)
                        : krbrepl_txn_delete(t, "principal", key);
    if (rc == 0)
        return krbrepl_txn_commit(t, pos); /* all of it or nothing; frees t in any case */
    krbrepl_txn_abort(t);
    return rc;
}

static void serve(krbrepl_store *s, int fd)
{
    char line[4096], answer[64];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    ssize_t n = recvfrom(fd, line, sizeof line - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    krbrepl_pos pos;
    int rc;

    if (n < 0)
        return;
    line[n] = '\0';
    rc = execute(s, line, &pos);
    n = rc == 0 ? snprintf(answer, sizeof answer, "ok %llu", (unsigned long long)pos.seq)
                : snprintf(answer, sizeof answer, "%s", krbrepl_err_name(rc));
    (void)sendto(fd, answer, (size_t)n, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
}

static int loop(krbrepl_store *s)
{
    struct pollfd p[2] = {{STDIN_FILENO, POLLIN, 0}, {krbrepl_node_fd(node), POLLIN, 0}};
    int rc = 0;

    while (rc == 0 && !stop) {
        (void)poll(p, 2, krbrepl_node_timeout(node)); /* fails only when a signal came */
        rc = krbrepl_node_process(node);              /* cheap when there is nothing to do */
        serve(s, STDIN_FILENO);
    }
    return rc;
}

int main(int argc, char **argv)
{
    krbrepl_errinfo ei = {.size = sizeof ei};
    krbrepl_events events = {.size = sizeof events, .authorize = authorize};
    krbrepl_config config = {.size = sizeof config, .events = &events, .events_ctx = argv + 5};
    krbrepl_master_options opt = {.size = sizeof opt};
    struct sigaction sa = {.sa_handler = on_signal};
    int rc;

    if (argc < 6)
        return fprintf(stderr, "admin-server STORE LISTEN SERVICE KEYTAB REPLICA...\n"), 2;
    opt.listen = argv[2], opt.service = argv[3], opt.keytab = argv[4];
    sigaction(SIGTERM, &sa, NULL);
    rc = krbrepl_store_open(&config.store, argv[1], NULL, &ei);
    if (rc == 0)
        rc = krbrepl_node_new(&node, &config, &ei);
    if (rc == 0 && (rc = krbrepl_master_start(node, &opt)) == 0)
        rc = loop(config.store);
    if (rc != 0 && node != NULL)
        krbrepl_node_errinfo(node, &ei); /* what failed, why, and what to do about it */
    if (rc != 0)
        fprintf(stderr, "admin-server: %s: %s\n", krbrepl_err_name(rc), ei.text);
    krbrepl_node_free(node); /* says goodbye to the replicas */
    krbrepl_store_close(config.store);
    return rc != 0;
}
