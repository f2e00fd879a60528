/* old.h: the content that a copy or a repair took the place of, kept readable because nothing explained how it
 * came about.
 *
 * The state says that the other generation holds it (KRBREPL__OTHER_OLD); the value `old` in `meta` has the rest:
 *
 *   position[64], records:u64, when it was replaced:u64 (microseconds since 1970)
 *
 * It stays until the next load, copy or repair needs the generation. */
#ifndef KRBREPL__OLD_H
#define KRBREPL__OLD_H

#include "impl.h"

typedef struct krbrepl__old {
    krbrepl_pos pos;
    uint64_t records;
    int64_t time_us;
} krbrepl__old;

/* In the transaction of a switch, after krbrepl__build_switch and before the position moves. An empty content is
 * not kept. */
int krbrepl__old_keep(krbrepl_store *s, krbrepl__wtxn *w);
/* NOTFOUND without a text. */
int krbrepl__old_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                     krbrepl__old *out);

#endif
