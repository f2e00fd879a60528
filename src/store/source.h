/* source.h: a master whose records come from a master of another kind.
 *
 * Its history is its own: every change that it follows becomes a commit here, and replicas follow that. So
 * the role is master. What nobody but the follower may do is to write: the note of the source, in the meta
 * table, makes every other handle refuse commits and loads. How far the source was followed stands in the same
 * note and is written by the same transaction as what came from there. Whatever draws a lineage (promote,
 * restore) takes the note away, and the store is its own master. */
#ifndef KRBREPL__STORE_SOURCE_H
#define KRBREPL__STORE_SOURCE_H

#include <krbrepl/store.h>

#define KRBREPL__SOURCE_NAME 1024u

typedef struct krbrepl__source {
    uint32_t dialect; /* enum krbrepl_dialect */
    uint32_t version; /* that the content stands for; 0: no whole content was taken yet */
    int settling; /* the content may be newer than the version says, until the source has no more to tell */
    int marked;       /* `mark` is there */
    uint8_t mark[32]; /* a digest of what came with the version, to know that history again */
    char principal[KRBREPL__SOURCE_NAME + 1]; /* of the source */
} krbrepl__source;

/* NOTFOUND: the store is its own master, or none. */
int krbrepl__source_get(krbrepl_store *s, krbrepl__source *out);
/* This handle follows the source from now on, and may write. Notes the source; how far it was followed is kept when
 * it is the same one. A store without a role becomes master. `replace`: the records that are there came from
 * elsewhere, and may be replaced; else STATE. STATE when the role is neither. */
int krbrepl__source_follow(krbrepl_store *s, uint32_t dialect, const char *principal, int replace,
                           krbrepl__source *out);
/* This handle may write beside the one that has called source_follow. */
void krbrepl__source_join(krbrepl_store *s);
/* Noted with the commit, or alone when the transaction changes nothing. `src` is copied. */
int krbrepl__txn_source(krbrepl_txn *t, const krbrepl__source *src);
int krbrepl__load_source(krbrepl_load *l, const krbrepl__source *src);

#endif
