/* plain_lmdb.h: LMDB writing the same bytes as a commit of ours, and nothing else: the floor. */
#ifndef KRBREPL_BENCH_PLAIN_LMDB_H
#define KRBREPL_BENCH_PLAIN_LMDB_H

#include <stddef.h>
#include <stdint.h>

#define VALUE_LEN 600u /* of a record: a principal with a few keys */

typedef struct plain_lmdb plain_lmdb;

plain_lmdb *plain_open(const char *dir, uint64_t records);
/* One durable transaction: `batch` records (at most 1,500), one journal entry with all of them, one position. */
void plain_commit(plain_lmdb *p, uint64_t *random, unsigned batch);
void plain_close(plain_lmdb *p);

/* The key of record i, as both sides have it; returns its length. */
size_t key_of(uint64_t i, char key[64]);

#endif
