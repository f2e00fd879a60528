#include "lookup.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

static void take_all(krbrepl__lookup *l, const struct addrinfo *ai)
{
    for (; ai != NULL && l->n < KRBREPL__LOOKUP_MAX; ai = ai->ai_next) {
        if (ai->ai_addrlen > sizeof l->addr[0].ss ||
            (ai->ai_family != AF_INET && ai->ai_family != AF_INET6))
            continue;
        memcpy(&l->addr[l->n].ss, ai->ai_addr, ai->ai_addrlen);
        l->addr[l->n++].len = ai->ai_addrlen;
    }
}

static void run(krbrepl__job *j)
{
    krbrepl__lookup *l = (krbrepl__lookup *)j;
    struct addrinfo hint, *ai = NULL;
    int rc;

    memset(&hint, 0, sizeof hint);
    hint.ai_family = AF_UNSPEC;
    hint.ai_socktype = SOCK_STREAM;
    rc = getaddrinfo(l->host, l->port, &hint, &ai);
    if (rc != 0) {
        snprintf(l->text, sizeof l->text, "%s", gai_strerror(rc));
        return;
    }
    take_all(l, ai);
    freeaddrinfo(ai);
    if (l->n == 0)
        snprintf(l->text, sizeof l->text, "it has no IPv4 or IPv6 address");
}

static void free_lookup(krbrepl__job *j)
{
    krbrepl__lookup *l = (krbrepl__lookup *)j;

    krbrepl__strfree(l->host);
    krbrepl__strfree(l->port);
    krbrepl__free(l, sizeof *l);
}

krbrepl__lookup *krbrepl__lookup_new(const char *host, const char *port)
{
    krbrepl__lookup *l = krbrepl__alloc(sizeof *l);

    if (l == NULL)
        return NULL;
    l->job.run = run;
    l->job.free = free_lookup;
    l->job.initiator = 1;
    l->host = krbrepl__strdup(host);
    l->port = krbrepl__strdup(port);
    if (l->host == NULL || l->port == NULL) {
        free_lookup(&l->job);
        return NULL;
    }
    return l;
}
