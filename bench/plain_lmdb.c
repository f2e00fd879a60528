#include "plain_lmdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lmdb.h>

#include "bench.h"

#define HEAD_LEN 200u  /* of a journal entry: header and chain */
#define STATE_LEN 256u /* position and counters */

struct plain_lmdb {
    MDB_env *env;
    MDB_dbi records, journal, meta;
    uint64_t count, seq;
    unsigned char *entry;
};

static void check(int rc, const char *what)
{
    if (rc != 0)
        bench_die("LMDB: %s: %s", what, mdb_strerror(rc));
}

size_t key_of(uint64_t i, char key[64])
{
    int n = snprintf(key, 64, "user%08llu@EXAMPLE.COM", (unsigned long long)i);

    return (size_t)n;
}

static void big_endian(uint64_t v, unsigned char out[8])
{
    int i;

    for (i = 7; i >= 0; i--, v >>= 8)
        out[i] = (unsigned char)v;
}

static void preload(plain_lmdb *p)
{
    unsigned char value[VALUE_LEN];
    MDB_txn *txn = NULL;
    MDB_val k, v;
    char key[64];
    uint64_t i;

    for (i = 0; i < p->count; i++) {
        if (txn == NULL)
            check(mdb_txn_begin(p->env, NULL, 0, &txn), "begin");
        bench_fill(value, sizeof value, i);
        k.mv_size = key_of(i, key);
        k.mv_data = key;
        v.mv_size = sizeof value;
        v.mv_data = value;
        check(mdb_put(txn, p->records, &k, &v, MDB_APPEND), "append");
        if (i % 10000 == 9999 || i + 1 == p->count) {
            check(mdb_txn_commit(txn), "commit");
            txn = NULL;
        }
    }
}

plain_lmdb *plain_open(const char *dir, uint64_t records)
{
    plain_lmdb *p = calloc(1, sizeof *p);
    MDB_txn *txn = NULL;

    if (p == NULL || mkdir(dir, 0700) != 0)
        bench_die("%s: cannot be made", dir);
    p->count = records;
    p->entry = malloc(HEAD_LEN + (4u << 20));
    check(mdb_env_create(&p->env), "create");
    check(mdb_env_set_maxdbs(p->env, 8), "maxdbs");
    check(mdb_env_set_mapsize(p->env, (size_t)1 << 36), "mapsize");
    check(mdb_env_open(p->env, dir, 0, 0600), "open");
    check(mdb_txn_begin(p->env, NULL, 0, &txn), "begin");
    check(mdb_dbi_open(txn, "records", MDB_CREATE, &p->records), "records");
    check(mdb_dbi_open(txn, "journal", MDB_CREATE, &p->journal), "journal");
    check(mdb_dbi_open(txn, "meta", MDB_CREATE, &p->meta), "meta");
    check(mdb_txn_commit(txn), "commit");
    preload(p);
    return p;
}

static size_t put_records(plain_lmdb *p, MDB_txn *txn, uint64_t *random, unsigned batch)
{
    size_t len = HEAD_LEN;
    MDB_val k, v;
    char key[64];
    unsigned i;

    for (i = 0; i < batch; i++) {
        k.mv_size = key_of(bench_random(random) % p->count, key);
        k.mv_data = key;
        v.mv_size = VALUE_LEN;
        memcpy(p->entry + len, key, k.mv_size);
        v.mv_data = p->entry + len + k.mv_size;
        bench_fill(v.mv_data, VALUE_LEN, *random);
        check(mdb_put(txn, p->records, &k, &v, 0), "put");
        len += k.mv_size + VALUE_LEN;
    }
    return len;
}

void plain_commit(plain_lmdb *p, uint64_t *random, unsigned batch)
{
    unsigned char seq[8], state[STATE_LEN] = {0};
    char name[] = "state";
    MDB_txn *txn = NULL;
    MDB_val k, v;

    check(mdb_txn_begin(p->env, NULL, 0, &txn), "begin");
    v.mv_size = put_records(p, txn, random, batch);
    v.mv_data = p->entry;
    big_endian(++p->seq, seq);
    k.mv_size = sizeof seq;
    k.mv_data = seq;
    check(mdb_put(txn, p->journal, &k, &v, MDB_APPEND), "journal");
    memcpy(state, seq, sizeof seq);
    k.mv_size = sizeof name;
    k.mv_data = name;
    v.mv_size = sizeof state;
    v.mv_data = state;
    check(mdb_put(txn, p->meta, &k, &v, 0), "state");
    check(mdb_txn_commit(txn), "commit");
}

void plain_close(plain_lmdb *p)
{
    mdb_env_close(p->env);
    free(p->entry);
    free(p);
}
