/* master.h: what a node has while it serves. */
#ifndef KRBREPL__MASTER_H
#define KRBREPL__MASTER_H

#include "conn.h"
#include "prior.h"

#define KRBREPL__LISTENERS 32

typedef struct krbrepl__listener {
    krbrepl_node *n;
    int fd;
    krbrepl__watch watch;
} krbrepl__listener;

/* A slot and what is to be done about it. Kept for every replica that was ever served, until it expires, is
 * dropped by hand, or is not authorized any more. */
typedef struct krbrepl__slot_entry {
    krbrepl__slot s;
    krbrepl__conn *live; /* its session, or NULL */
    int dirty;
    int stored;                        /* the store has it, as far as is known */
    int64_t stored_us;                 /* `seen_us` as the store has it */
    uint32_t stored_base, stored_last; /* the same */
} krbrepl__slot_entry;

/* At most so many lines a second about those who are turned away; the rest is counted. */
typedef struct krbrepl__quiet {
    uint64_t since;
    unsigned lines, dropped;
} krbrepl__quiet;

struct krbrepl__master {
    krbrepl_node *n;
    krbrepl_master_options opt; /* with the defaults filled in; strings below */
    char *service, *keytab, *heimdal_service, *heimdal_keytab;
    krbrepl__listener lst[KRBREPL__LISTENERS];
    size_t nlst;
    int accept_paused;
    krbrepl__item fresh; /* connections that have not authenticated yet, oldest first */
    krbrepl__slot_entry *slots;
    size_t nslots, slots_cap;
    int slots_failed;
    krbrepl__quiet quiet;
    int drain_err; /* the role is gone: why; the node stops when the replicas have what there is */
    uint64_t drain_until;
    int sent_fd;             /* of iprop.sent, or -1 */
    krbrepl__priors *priors; /* NULL: no slave of Heimdal's is served */
    int prompt; /* somebody has waited for what replicas have in memory: all are to say that at once */
};

/* master.c */
/* What a master has, in a node that has begun. `opt` NULL: it listens nowhere. The caller ends the node when it
 * fails. */
int krbrepl__master_serve(krbrepl_node *n, const krbrepl_master_options *opt);
/* Somebody waits for what replicas have in memory: from now on each says at once what it has received. */
void krbrepl__master_prompt(krbrepl_node *n);
/* One line about somebody who was turned away. */
void krbrepl__master_turned_away(krbrepl_node *n, const char *address, const char *why);

/* accept.c */
int krbrepl__master_listen(krbrepl_node *n, const char *listen);
void krbrepl__master_resume(krbrepl_node *n); /* accepting, when it was paused */
void krbrepl__master_close_listeners(krbrepl_node *n);

/* slots.c */
int krbrepl__slots_load(krbrepl_node *n);
void krbrepl__slots_flush(krbrepl_node *n);
void krbrepl__slots_free(krbrepl_node *n);
/* The slot of a principal, made when there is none. NULL: out of memory. Valid until the next is made. */
krbrepl__slot_entry *krbrepl__slot_of(krbrepl_node *n, const char *principal);
/* The same; NULL when there is none. */
krbrepl__slot_entry *krbrepl__slot_find(krbrepl_node *n, const char *principal);
void krbrepl__slot_forget(krbrepl_node *n, const char *principal);
/* Drops a slot that has expired, unless its replica is connected: may_go of krbrepl__store_slots_expire. */
int krbrepl__slot_may_expire(void *ctx, const krbrepl__slot *slot);
/* What the slots hold, for the status. */
void krbrepl__slots_status(krbrepl_node *n, krbrepl_status *s);

#endif
