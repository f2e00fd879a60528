/* verto-host: a KDC-like server on libverto, the loop that krb5kdc runs in. The loop gets one descriptor and one
 * timeout of the node, beside what it has.
 *
 *   verto-host STORE MASTER SERVICE PRINCIPAL KEYTAB
 *
 * STORE is a replica's (`krbrepl init`). Standard input is a datagram socket, as inetd and systemd hand it out: a
 * datagram holds a NAME, and is answered by the value of that record as it is here. SIGTERM ends it. */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <verto.h>

#include <krbrepl/krbrepl.h>

struct host {
    krbrepl_store *store;
    krbrepl_node *node;
    verto_ev *timer;
    int rc;
};

/* Runs the node when its descriptor is readable or its time has come, and asks when that is next. */
static void on_node(verto_ctx *loop, verto_ev *ev)
{
    struct host *h = verto_get_private(ev);
    int ms;

    if (h->timer != NULL && ev != h->timer)
        verto_del(h->timer); /* libverto frees one that fires by itself */
    h->timer = NULL;
    h->rc = krbrepl_node_process(h->node);
    ms = krbrepl_node_timeout(h->node);
    if (h->rc == 0)
        h->timer = verto_add_timeout(loop, VERTO_EV_FLAG_NONE, on_node, ms >= 0 ? ms : 60000);
    if (h->timer != NULL)
        verto_set_private(h->timer, h, NULL);
    else
        verto_break(loop); /* the node has stopped by itself, or there is no memory */
}

static void on_request(verto_ctx *loop, verto_ev *ev)
{
    struct host *h = verto_get_private(ev);
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    char name[256];
    ssize_t n = recvfrom(verto_get_fd(ev), name, sizeof name, 0, (struct sockaddr *)&from, &from_len);
    krbrepl_bytes value = {"", 0};
    krbrepl_view *v = NULL;

    (void)loop;
    if (n <= 0 || krbrepl_view_open(h->store, &v) != 0)
        return;
    if (krbrepl_view_get(v, "principal", (krbrepl_bytes){name, (size_t)n}, &value) != 0)
        value.len = 0;
    (void)sendto(verto_get_fd(ev), value.data, value.len, 0, (struct sockaddr *)&from, from_len);
    krbrepl_view_close(v);
}

static void on_term(verto_ctx *loop, verto_ev *ev)
{
    (void)ev;
    verto_break(loop);
}

static int watch(verto_ctx *loop, struct host *h, verto_callback *callback, int fd)
{
    verto_ev *ev = verto_add_io(loop, VERTO_EV_FLAG_PERSIST | VERTO_EV_FLAG_IO_READ, callback, fd);

    if (ev != NULL)
        verto_set_private(ev, h, NULL);
    return ev != NULL ? 0 : KRBREPL_ERR_NOMEM;
}

/* The node has to be running. From here on nobody but libverto waits. */
static int run(struct host *h, verto_ctx *loop)
{
    verto_ev *term = verto_add_signal(loop, VERTO_EV_FLAG_PERSIST, on_term, SIGTERM);

    if (term == NULL || watch(loop, h, on_request, STDIN_FILENO) != 0 ||
        watch(loop, h, on_node, krbrepl_node_fd(h->node)) != 0)
        return KRBREPL_ERR_NOMEM;
    krbrepl_node_wake(h->node); /* the first turn, which finds out when the next one is due */
    verto_run(loop);
    return h->rc;
}

int main(int argc, char **argv)
{
    krbrepl_errinfo ei = {.size = sizeof ei};
    krbrepl_config config = {.size = sizeof config};
    krbrepl_replica_options opt = {.size = sizeof opt};
    verto_ctx *loop =
        verto_default(NULL, VERTO_EV_TYPE_IO | VERTO_EV_TYPE_TIMEOUT | VERTO_EV_TYPE_SIGNAL);
    struct host h = {0};
    int rc;

    if (argc != 6 || loop == NULL)
        return fprintf(stderr, "verto-host STORE MASTER SERVICE PRINCIPAL KEYTAB\n"), 2;
    opt.master = argv[2], opt.service = argv[3], opt.principal = argv[4], opt.keytab = argv[5];
    rc = krbrepl_store_open(&h.store, argv[1], NULL, &ei);
    config.store = h.store;
    if (rc == 0)
        rc = krbrepl_node_new(&h.node, &config, &ei);
    if (rc == 0 && (rc = krbrepl_replica_start(h.node, &opt)) == 0)
        rc = run(&h, loop);
    if (rc != 0 && h.node != NULL)
        krbrepl_node_errinfo(h.node, &ei);
    if (rc != 0)
        fprintf(stderr, "verto-host: %s: %s\n", krbrepl_err_name(rc), ei.text);
    verto_free(loop); /* its events go with it; the default loop itself stays */
    krbrepl_node_free(h.node);
    krbrepl_store_close(h.store);
    return rc != 0;
}
