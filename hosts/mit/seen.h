/* seen.h: finds records that a file names twice, by 24 bytes a record. */
#ifndef KRBREPL__MIT_SEEN_H
#define KRBREPL__MIT_SEEN_H

#include <krbrepl/types.h>

typedef struct krbrepl__mit_seen krbrepl__mit_seen;

krbrepl__mit_seen *krbrepl__mit_seen_new(void); /* NULL: out of memory */
void krbrepl__mit_seen_free(krbrepl__mit_seen *s);
/* 0 or NOMEM. */
int krbrepl__mit_seen_add(krbrepl__mit_seen *s, const char *table, krbrepl_bytes key, uint64_t line);
/* 1 when two lines name one record, and which; call it when all were added. */
int krbrepl__mit_seen_twice(krbrepl__mit_seen *s, uint64_t *first, uint64_t *second);

#endif
