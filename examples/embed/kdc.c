/* kdc: a KDC that keeps its database in step with the master by itself: Heimdal's libkdc and a replica node in one
 * process and one loop. What the master commits is what the next request is answered from.
 *
 *   kdc STORE MASTER SERVICE PRINCIPAL KEYTAB ADDRESS PORT
 *
 * STORE is a replica's (`krbrepl init`). krb5.conf has `dbname = krbrepl:STORE` in [kdc] database, and the master key's
 * file. Serves UDP and TCP until SIGTERM. */
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <krb5.h>
#include <kdc.h>

#include <krbrepl/hdb.h>
#include <krbrepl/krbrepl.h>

#define CLIENTS 256   /* at a time on TCP; one more, and the oldest has had its time */
#define REQUEST 65536 /* bytes, with the length in front */
enum { NODE, UDP, TCP, FIRST };

struct client {
    unsigned char *in; /* NULL: the place is free */
    size_t have;
};

static volatile sig_atomic_t stop;
static krb5_context krb5;
static krb5_kdc_configuration *kdc;
static struct sockaddr_storage from; /* who the request that is worked on comes from */
static socklen_t from_len;
static struct client clients[CLIENTS];
static struct pollfd polled[FIRST + CLIENTS];

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

/* The KDC's work, for `from`. The reply is to be freed; without one there is nothing to say. */
static krb5_data answer(unsigned char *request, size_t len, int udp)
{
    struct sockaddr *addr = (struct sockaddr *)&from;
    krb5_data reply = {0, NULL};
    krb5_boolean prepend = 1;
    char text[NI_MAXHOST] = "?";

    (void)getnameinfo(addr, from_len, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    krb5_kdc_update_time(NULL);
    (void)krb5_kdc_process_request(krb5, kdc, request, len, &reply, &prepend, text, addr, udp);
    return reply;
}

static void serve_udp(int fd)
{
    static unsigned char request[REQUEST];
    krb5_data reply;
    ssize_t n = (from_len = sizeof from, recvfrom(fd, request, sizeof request, MSG_DONTWAIT,
                                                  (struct sockaddr *)&from, &from_len));

    if (n <= 0)
        return;
    reply = answer(request, (size_t)n, 1);
    if (reply.length > 0)
        (void)sendto(fd, reply.data, reply.length, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
    krb5_data_free(&reply);
}

static void hang_up(int i)
{
    close(polled[FIRST + i].fd);
    polled[FIRST + i].fd = -1;
    free(clients[i].in);
    clients[i] = (struct client){NULL, 0};
}

static void welcome(int fd)
{
    static unsigned next;
    int i = (int)(next++ % CLIENTS);

    if (clients[i].in != NULL)
        hang_up(i);
    polled[FIRST + i].fd = accept(fd, NULL, NULL);
    clients[i].in = polled[FIRST + i].fd >= 0 ? malloc(REQUEST) : NULL;
    if (clients[i].in == NULL)
        hang_up(i);
}

/* A request is four bytes of length and so many bytes; so is the reply, which fits into an empty socket. */
static void serve_tcp(int i)
{
    struct client *c = &clients[i];
    int fd = polled[FIRST + i].fd;
    ssize_t n = recv(fd, c->in + c->have, REQUEST - c->have, MSG_DONTWAIT);
    uint32_t len = 0;
    krb5_data reply;

    c->have += n > 0 ? (size_t)n : 0;
    if (c->have >= sizeof len)
        memcpy(&len, c->in, sizeof len);
    len = ntohl(len);
    if (n > 0 && len <= REQUEST - sizeof len && (len == 0 || c->have < len + sizeof len))
        return; /* there is more to come */
    from_len = sizeof from;
    if (n > 0 && len <= REQUEST - 4 && getpeername(fd, (struct sockaddr *)&from, &from_len) == 0) {
        reply = answer(c->in + sizeof len, len, 0);
        len = htonl((uint32_t)reply.length);
        if (reply.length > 0 && send(fd, &len, sizeof len, MSG_NOSIGNAL | MSG_MORE) == sizeof len)
            (void)send(fd, reply.data, reply.length, MSG_NOSIGNAL | MSG_DONTWAIT);
        krb5_data_free(&reply);
    }
    hang_up(i);
}

static int loop(krbrepl_node *node)
{
    int i, rc = 0;

    polled[NODE] = (struct pollfd){krbrepl_node_fd(node), POLLIN, 0};
    for (i = UDP; i < FIRST + CLIENTS; i++)
        polled[i] = (struct pollfd){i < FIRST ? polled[i].fd : -1, POLLIN, 0};
    while (rc == 0 && !stop) {
        if (poll(polled, FIRST + CLIENTS, krbrepl_node_timeout(node)) < 0)
            continue;                    /* what `polled` says is old */
        rc = krbrepl_node_process(node); /* first, so that requests see what has arrived */
        serve_udp(polled[UDP].fd);
        for (i = 0; i < CLIENTS; i++)
            if (clients[i].in != NULL && polled[FIRST + i].revents != 0)
                serve_tcp(i);
        if ((polled[TCP].revents & POLLIN) != 0)
            welcome(polled[TCP].fd);
    }
    return rc;
}

static int listener(const char *address, const char *port, int type)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST, .ai_socktype = type}, *at;
    int on = 1, fd = -1;

    if (getaddrinfo(address, port, &hints, &at) != 0)
        return -1;
    fd = socket(at->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || (type == SOCK_STREAM && listen(fd, 128) != 0))
        fd = (close(fd), -1);
    freeaddrinfo(at);
    return fd;
}

static int kdc_start(char **at)
{
    polled[UDP].fd = listener(at[0], at[1], SOCK_DGRAM);
    polled[TCP].fd = listener(at[0], at[1], SOCK_STREAM);
    if (polled[UDP].fd < 0 || polled[TCP].fd < 0 || krb5_init_context(&krb5) != 0 ||
        krbrepl_hdb_register(krb5) != 0 || krb5_kdc_get_config(krb5, &kdc) != 0)
        return -1;
    kdc_openlog(krb5, "kdc", kdc);
    return krb5_kdc_set_dbinfo(krb5, kdc);
}

int main(int argc, char **argv)
{
    krbrepl_errinfo ei = {.size = sizeof ei};
    krbrepl_config config = {.size = sizeof config};
    krbrepl_replica_options opt = {.size = sizeof opt};
    struct sigaction sa = {.sa_handler = on_signal};
    krbrepl_node *node = NULL;
    int rc;

    if (argc != 8)
        return fprintf(stderr, "kdc STORE MASTER SERVICE PRINCIPAL KEYTAB ADDRESS PORT\n"), 2;
    opt.master = argv[2], opt.service = argv[3], opt.principal = argv[4], opt.keytab = argv[5];
    sigaction(SIGTERM, &sa, NULL);
    if (kdc_start(argv + 6) != 0)
        return fprintf(stderr,
                       "kdc: it cannot listen, or krb5.conf is not right; see the log of the KDC\n"),
               1;
    rc = krbrepl_store_open(&config.store, argv[1], NULL, &ei);
    if (rc == 0)
        rc = krbrepl_node_new(&node, &config, &ei);
    if (rc == 0 && (rc = krbrepl_replica_start(node, &opt)) == 0)
        rc = loop(node);
    if (rc != 0 && node != NULL)
        krbrepl_node_errinfo(node, &ei);
    if (rc != 0)
        fprintf(stderr, "kdc: %s: %s\n", krbrepl_err_name(rc), ei.text);
    krbrepl_node_free(node);
    krbrepl_store_close(config.store);
    return rc != 0;
}
