/* served.h: who may follow: the list of principals that a program serves replicas by. */
#ifndef KRBREPL_SERVED_H
#define KRBREPL_SERVED_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "acl.h"
#include "daemon.h"

struct served {
    struct daemon *d;
    char *acl_file;
    bool heimdal; /* slaves of Heimdal's are served */
    char *
        slaves_file; /* those who may be that, in Heimdal's format; NULL: `slaves` in the store's directory */
    pthread_mutex_t lock; /* guards `acl`: SIGHUP replaces it while the node asks */
    struct acl *acl;
    time_t said_at; /* of the refusals in the log; the node's thread */
    unsigned said;
};

/* The callback `authorize` of krbrepl_events; the node calls it in its thread. */
int served_authorize(struct served *s, const char *principal, const char *address);
/* A file that is not there yet allows nobody; one that is malformed is not obeyed at all: false after a message. */
bool served_first(struct served *s);
/* SIGHUP. In the thread of the signals. */
void served_reload(struct served *s);
void served_free(struct served *s);

#endif
