/* spool.h: the lockout values of a dump, kept in a file without a name until the load has succeeded, for
 * the realm may be larger than memory.
 *
 *   spool := key_length:u32  key  the local entry, 16 bytes; and so on */
#ifndef KRBREPL__MIT_SPOOL_H
#define KRBREPL__MIT_SPOOL_H

#include <stdio.h>

#include <krbrepl/mit.h>

typedef struct krbrepl__mit_spool {
    FILE *f;
    uint64_t n;
    uint8_t key[KRBREPL_MAX_KEY];
} krbrepl__mit_spool;

/* Makes it in directory `dir`. NULL with `ei` filled. */
krbrepl__mit_spool *krbrepl__mit_spool_new(const char *dir, krbrepl_errinfo *ei);
void krbrepl__mit_spool_free(krbrepl__mit_spool *s);
int krbrepl__mit_spool_put(krbrepl__mit_spool *s, krbrepl_bytes key, const krbrepl_mit_lockout *l,
                           krbrepl_errinfo *ei);
/* Writes out what is buffered and goes back to the beginning. */
int krbrepl__mit_spool_rewind(krbrepl__mit_spool *s, krbrepl_errinfo *ei);
/* 1, 0 at the end, or negative. `key` is borrowed until the next call. */
int krbrepl__mit_spool_next(krbrepl__mit_spool *s, krbrepl_bytes *key,
                            uint8_t local[KRBREPL_MIT_LOCKOUT_LEN], krbrepl_errinfo *ei);

#endif
