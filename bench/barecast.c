#include "barecast.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bench.h"

void barecast_begin(barecast *b, crowd *c, unsigned room)
{
    struct sockaddr_in at = {0};
    socklen_t len = sizeof at;

    b->crowd = c;
    b->room = room;
    b->n = 0;
    b->ctx = crowd_bare_context(1);
    b->to = calloc(room, sizeof *b->to);
    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (b->to == NULL || b->listener < 0 || bind(b->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(b->listener, 128) != 0 || getsockname(b->listener, (struct sockaddr *)&at, &len) != 0)
        bench_die("nothing can be listened on");
    atomic_store(&c->port, ntohs(at.sin_port));
}

void barecast_grow(barecast *b, unsigned n)
{
    int fd, on = 1;

    if (n > b->room)
        bench_die("there is no room for %u receivers", n);
    atomic_store(&b->crowd->wanted, n);
    for (; b->n < n; b->n++) {
        fd = accept(b->listener, NULL, NULL);
        b->to[b->n] = SSL_new(b->ctx);
        if (fd < 0 || b->to[b->n] == NULL || SSL_set_fd(b->to[b->n], fd) != 1)
            bench_die("a connection cannot be accepted");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (SSL_accept(b->to[b->n]) != 1)
            bench_die("a bare TLS handshake fails");
    }
    crowd_wait_there(b->crowd);
}

void barecast_send(barecast *b, const void *p, size_t n)
{
    unsigned i;

    for (i = 0; i < b->n; i++)
        if (SSL_write(b->to[i], p, (int)n) != (int)n)
            bench_die("a bare TLS write fails");
}
