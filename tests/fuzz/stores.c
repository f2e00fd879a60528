#include "stores.h"

#include <stdio.h>
#include <string.h>

#define RECORDS 200

void fuzz_master_store(memstore *m, int full)
{
    char key[24];
    int i;

    mem_init(m);
    mem_master(m, 7, 1);
    for (i = 0; !full && i < 30; i++) {
        snprintf(key, sizeof key, "user%d", i % 7);
        mem_commit(m, key, "0123456789", (size_t)(i % 11));
    }
    for (i = 0; full && i < RECORDS; i++) {
        snprintf(key, sizeof key, "user%03d", i);
        mem_commit(m, key, "0123456789", (size_t)(i % 11));
    }
    mem_promote(m, 2);
    mem_trim(m, 10);
}

void fuzz_replica_store(memstore *m, int full)
{
    memstore master;
    size_t i;

    if (!full) {
        mem_init(m);
        return;
    }
    fuzz_master_store(&master, 1);
    mem_copy(m, &master);
    mem_free(&master);
    m->local.role = KRBREPL_ROLE_REPLICA;
    for (i = 10; i < m->live.n; i += 37)
        mem_alter(m, i, "forged");
    for (i = 100; i < 105; i++) {
        krbrepl__ckey k = m->live.at[i].ckey;

        memrecs_delete(&m->live, &k);
    }
    m->local.records = m->live.n;
}
