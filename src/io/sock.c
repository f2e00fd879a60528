/* For accept4: a descriptor must never be seen by a child that another thread of the host starts. */
#define _GNU_SOURCE 1

#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024

static const struct sockaddr_in *in4(const krbrepl__addr *a)
{
    return (const struct sockaddr_in *)(const void *)&a->ss;
}

static const struct sockaddr_in6 *in6(const krbrepl__addr *a)
{
    return (const struct sockaddr_in6 *)(const void *)&a->ss;
}

void krbrepl__addr_text(const krbrepl__addr *a, char out[KRBREPL__ADDR_TEXT])
{
    char host[64], port[8];

    if (getnameinfo((const struct sockaddr *)&a->ss, a->len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(out, KRBREPL__ADDR_TEXT, "unknown address");
    else if (a->ss.ss_family == AF_INET6)
        snprintf(out, KRBREPL__ADDR_TEXT, "[%s]:%s", host, port);
    else
        snprintf(out, KRBREPL__ADDR_TEXT, "%s:%s", host, port);
}

void krbrepl__addr_key(const krbrepl__addr *a, uint8_t key[KRBREPL__ADDR_KEY])
{
    memset(key, 0, KRBREPL__ADDR_KEY);
    if (a->ss.ss_family == AF_INET6) {
        key[0] = 6;
        memcpy(key + 1, &in6(a)->sin6_addr, 8);
    } else {
        key[0] = 4;
        memcpy(key + 1, &in4(a)->sin_addr, 4);
    }
}

unsigned krbrepl__addr_port(const krbrepl__addr *a)
{
    return ntohs(a->ss.ss_family == AF_INET6 ? in6(a)->sin6_port : in4(a)->sin_port);
}

void krbrepl__addr_set_port(krbrepl__addr *a, unsigned port)
{
    if (a->ss.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&a->ss)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)(void *)&a->ss)->sin_port = htons((uint16_t)port);
}

static int take(char *out, size_t room, const char *from, size_t len)
{
    if (len >= room || memchr(from, '\0', len) != NULL)
        return KRBREPL_ERR_INVALID;
    memcpy(out, from, len);
    out[len] = '\0';
    return 0;
}

/* A number that is none of a port must not become another one by wrapping around. */
static int port_fits(const char *port)
{
    size_t digits = strspn(port, "0123456789");

    return port[digits] != '\0' || digits < 5 || (digits == 5 && strcmp(port, "65535") <= 0);
}

static int take_port(char *out, size_t room, const char *from, size_t len)
{
    if (take(out, room, from, len) != 0 || !port_fits(out))
        return KRBREPL_ERR_INVALID;
    return 0;
}

int krbrepl__hostport_split(const char *s, size_t len, char *host, size_t host_room, char *port,
                            size_t port_room)
{
    const char *colon, *end = s + len;

    port[0] = '\0';
    if (len != 0 && s[0] == '[') {
        const char *close = memchr(s, ']', len);

        if (close == NULL || take(host, host_room, s + 1, (size_t)(close - s - 1)) != 0)
            return KRBREPL_ERR_INVALID;
        if (close + 1 == end)
            return 0;
        if (close[1] != ':' || close + 2 == end)
            return KRBREPL_ERR_INVALID;
        return take_port(port, port_room, close + 2, (size_t)(end - close - 2));
    }
    colon = memchr(s, ':', len);
    if (colon == NULL || memchr(colon + 1, ':', (size_t)(end - colon - 1)) != NULL)
        return take(host, host_room, s, len);
    if (colon + 1 == end || take(host, host_room, s, (size_t)(colon - s)) != 0)
        return KRBREPL_ERR_INVALID;
    return take_port(port, port_room, colon + 1, (size_t)(end - colon - 1));
}

static int parse_one(const char *host, const char *port, int family, krbrepl__addr *out)
{
    struct addrinfo hint, *ai = NULL;
    int rc;

    memset(&hint, 0, sizeof hint);
    hint.ai_family = family;
    hint.ai_socktype = SOCK_STREAM;
    hint.ai_flags = AI_PASSIVE | AI_NUMERICHOST;
    rc = getaddrinfo(host, port, &hint, &ai);
    if (rc != 0 || ai->ai_addrlen > sizeof out->ss) {
        if (rc == 0)
            freeaddrinfo(ai);
        return KRBREPL_ERR_INVALID;
    }
    memset(out, 0, sizeof *out);
    memcpy(&out->ss, ai->ai_addr, ai->ai_addrlen);
    out->len = ai->ai_addrlen;
    freeaddrinfo(ai);
    return 0;
}

int krbrepl__addr_parse(const char *host, const char *port, krbrepl__addr out[2])
{
    /* A lone number would be taken for an address of the form 0.0.8.73. */
    if (!port_fits(port) || (host[0] != '\0' && host[strspn(host, "0123456789")] == '\0'))
        return KRBREPL_ERR_INVALID;
    if (host[0] != '\0' && strcmp(host, "*") != 0)
        return parse_one(host, port, AF_UNSPEC, &out[0]) == 0 ? 1 : KRBREPL_ERR_INVALID;
    if (parse_one(NULL, port, AF_INET6, &out[0]) != 0)
        return parse_one(NULL, port, AF_INET, &out[0]) == 0 ? 1 : KRBREPL_ERR_INVALID;
    return parse_one(NULL, port, AF_INET, &out[1]) == 0 ? 2 : 1;
}

static int make_socket(int family)
{
#ifdef SOCK_CLOEXEC
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    int fd = socket(family, SOCK_STREAM, 0);

    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return fd;
#endif
}

int krbrepl__sock_listen(const krbrepl__addr *a, int *fd, krbrepl_errinfo *ei)
{
    char text[KRBREPL__ADDR_TEXT];
    int s = make_socket(a->ss.ss_family), on = 1, e;

    *fd = -1;
    krbrepl__addr_text(a, text);
    if (s >= 0) {
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (a->ss.ss_family == AF_INET6)
            setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        if (bind(s, (const struct sockaddr *)&a->ss, a->len) == 0 && listen(s, BACKLOG) == 0) {
            *fd = s;
            return 0;
        }
    }
    e = errno;
    if (s >= 0)
        close(s);
    return krbrepl__fail_sys(
        ei, KRBREPL_ERR_NET, e,
        "node: cannot listen on %s; stop what listens there, or name another address or port", text);
}

int krbrepl__sock_bound(int fd, krbrepl__addr *out)
{
    out->len = sizeof out->ss;
    return getsockname(fd, (struct sockaddr *)&out->ss, &out->len) == 0 ? 0 : KRBREPL_ERR_NET;
}

/* What is over before it was accepted concerns nobody. */
static int passing(int e)
{
    return e == EAGAIN || e == EWOULDBLOCK || e == EINTR || e == ECONNABORTED || e == EPROTO;
}

int krbrepl__accept(int listener, int *fd, struct sockaddr *sa, socklen_t *len)
{
#ifdef __linux__
    *fd = accept4(listener, sa, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
    *fd = accept(listener, sa, len);
    if (*fd >= 0) {
        fcntl(*fd, F_SETFD, FD_CLOEXEC);
        fcntl(*fd, F_SETFL, O_NONBLOCK);
    }
#endif
    if (*fd >= 0)
        return 0;
    return passing(errno) ? 1 : KRBREPL_ERR_NET;
}

int krbrepl__sock_accept(int listener, int *fd, krbrepl__addr *peer)
{
    peer->len = sizeof peer->ss;
    return krbrepl__accept(listener, fd, (struct sockaddr *)&peer->ss, &peer->len);
}

int krbrepl__sock_connect(const krbrepl__addr *a, int *fd, krbrepl_errinfo *ei)
{
    char text[KRBREPL__ADDR_TEXT];
    int s = make_socket(a->ss.ss_family), e;

    *fd = -1;
    if (s >= 0 && (connect(s, (const struct sockaddr *)&a->ss, a->len) == 0 || errno == EINPROGRESS)) {
        *fd = s;
        return 0;
    }
    e = errno;
    if (s >= 0)
        close(s);
    krbrepl__addr_text(a, text);
    return krbrepl__fail_sys(ei, KRBREPL_ERR_NET, e, "node: cannot connect to %s", text);
}

int krbrepl__sock_error(int fd)
{
    int e = 0;
    socklen_t len = sizeof e;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 ? e : errno;
}

void krbrepl__sock_tune(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

int krbrepl__sock_recv(int fd, void *p, size_t room, size_t *got)
{
    ssize_t n;

    *got = 0;
    do
        n = recv(fd, p, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        *got = (size_t)n;
    if (n >= 0)
        return n > 0 ? 0 : 2;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : KRBREPL_ERR_NET;
}

int krbrepl__sock_send(int fd, const void *p, size_t n, size_t *sent)
{
    ssize_t done;

    *sent = 0;
    do
        done = send(fd, p, n, MSG_NOSIGNAL);
    while (done < 0 && errno == EINTR);
    if (done >= 0) {
        *sent = (size_t)done;
        return 0;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : KRBREPL_ERR_NET;
}

void krbrepl__sock_close(int fd)
{
    if (fd < 0)
        return;
    shutdown(fd, SHUT_RDWR);
    close(fd);
}
