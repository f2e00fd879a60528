/* sock.h: non-blocking TCP sockets over IPv4 and IPv6. Nothing here ever looks a name up. */
#ifndef KRBREPL__SOCK_H
#define KRBREPL__SOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "errinfo.h"

#define KRBREPL__ADDR_TEXT 80u
#define KRBREPL__ADDR_KEY 9u

typedef struct krbrepl__addr {
    struct sockaddr_storage ss;
    socklen_t len;
} krbrepl__addr;

/* "1.2.3.4:2121", "[::1]:2121". */
void krbrepl__addr_text(const krbrepl__addr *a, char out[KRBREPL__ADDR_TEXT]);
/* Whom a limit per address counts as one: an IPv4 address, or an IPv6 network of 64 bits. */
void krbrepl__addr_key(const krbrepl__addr *a, uint8_t key[KRBREPL__ADDR_KEY]);
unsigned krbrepl__addr_port(const krbrepl__addr *a);
void krbrepl__addr_set_port(krbrepl__addr *a, unsigned port);

/* Splits "HOST", "HOST:PORT", "[ADDR]", "[ADDR]:PORT" or a bare IPv6 address. A port that is not there
 * is
 * "". INVALID when it is malformed or too long. */
int krbrepl__hostport_split(const char *s, size_t len, char *host, size_t host_room, char *port,
                            size_t port_room);
/* Numbers only: an address, or "*" or "" for any (which gives two, IPv6 first). The port is a number or
 * a name of the services database. How many addresses, or INVALID. */
int krbrepl__addr_parse(const char *host, const char *port, krbrepl__addr out[2]);

/* NET with the reason. *fd is closed on exec and does not block. */
int krbrepl__sock_listen(const krbrepl__addr *a, int *fd, krbrepl_errinfo *ei);
int krbrepl__sock_bound(int fd, krbrepl__addr *out); /* the address that it really has */
/* 0: one came; 1: none waits; NET otherwise, with errno set. `sa` may be NULL. */
int krbrepl__accept(int listener, int *fd, struct sockaddr *sa, socklen_t *len);
int krbrepl__sock_accept(int listener, int *fd, krbrepl__addr *peer);
/* Begins to connect; writable when that is decided. NET with the errno in ei. */
int krbrepl__sock_connect(const krbrepl__addr *a, int *fd, krbrepl_errinfo *ei);
/* The errno of a connect that is decided; 0: connected. */
int krbrepl__sock_error(int fd);
/* TCP_NODELAY, keepalive. */
void krbrepl__sock_tune(int fd);

/* 0 with *got > 0; 1: would block; 2: the end; NET with errno set. */
int krbrepl__sock_recv(int fd, void *p, size_t room, size_t *got);
/* 0 with *sent > 0; 1: would block; NET with errno set. Never raises SIGPIPE. */
int krbrepl__sock_send(int fd, const void *p, size_t n, size_t *sent);
/* Ends the connection for everybody who holds the descriptor, a forked child included, and closes it.
 */
void krbrepl__sock_close(int fd);

#endif
