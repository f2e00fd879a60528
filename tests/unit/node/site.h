/* site.h: a directory of a test's own with a keytab, a store and a node. */
#ifndef KRBREPL_TEST_SITE_H
#define KRBREPL_TEST_SITE_H

#include "test.h"

typedef struct site {
    char top[64], dir[96], keytab[96]; /* the directory, that of the store, a keytab of TEST_SERVICE */
    krbrepl_store *s;
    krbrepl_node *n;
} site;

/* The directory with a store of these flags, which is not open. */
void site_make(site *at, uint64_t flags);
void site_open(site *at, const krbrepl_store_options *opt);
/* A node of the store; `ev` may be NULL. */
void site_node(site *at, const krbrepl_events *ev, void *ctx);
/* A master on a free port. */
void site_master_options(const site *at, krbrepl_master_options *o);
void site_master(site *at);
/* A commit of one record. */
uint64_t site_put(krbrepl_store *s, const char *key);
/* Closes what is open and removes the directory. */
int site_drop(site *at);

#endif
