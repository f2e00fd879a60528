/* feedport.h: the store, as the session with a master of another kind sees it (iprop_slave.h). */
#ifndef KRBREPL__FEEDPORT_H
#define KRBREPL__FEEDPORT_H

#include "hdbseal.h"
#include "iprop_slave.h"
#include "source.h"
#include "store.h"

typedef struct krbrepl__feedport {
    krbrepl__islave_port port; /* for the session */
    krbrepl__hdb_rows rows, load_rows;
    krbrepl_store *store;   /* a handle of its own */
    krbrepl__hdbseal *seal; /* NULL: keys are kept as they come */
    krbrepl_txn *txn;
    krbrepl_store *load_store; /* one that another thread may use */
    krbrepl_load *load;
    krbrepl__source source; /* who, and how far, as of the last commit */
    krbrepl_errinfo ei;
    char who[KRBREPL__SOURCE_NAME + 1];
} krbrepl__feedport;

/* Notes in the store that it follows `principal`, or finds that it does. `mkey_file` may be NULL. */
int krbrepl__feedport_open(krbrepl__feedport *p, krbrepl_store *store, const char *principal,
                           const char *mkey_file, int replace, krbrepl_errinfo *ei);
void krbrepl__feedport_close(krbrepl__feedport *p); /* harmless when it was never opened */

#endif
