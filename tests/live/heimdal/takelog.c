/* takelog.c: makes a commit of each record of a Heimdal log: takelog STORE LOG FROM
 *
 * Stands in the tests for a host that writes entries into the store. Prints the version of the last record. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <krbrepl/krbrepl.h>

#include "apply.h"

static krbrepl_bytes read_file(const char *path)
{
    krbrepl_bytes out = {NULL, 0};
    FILE *f = fopen(path, "rb");
    size_t room = 64u << 20;
    char *data = malloc(room);

    if (f == NULL || data == NULL) {
        perror(path);
        exit(1);
    }
    out.data = data;
    out.len = fread(data, 1, room, f);
    fclose(f);
    return out;
}

static int get(void *ctx, krbrepl_bytes key, krbrepl_bytes *value, krbrepl_errinfo *ei)
{
    (void)ei;
    return krbrepl_txn_get(ctx, KRBREPL__HDB_TABLE, key, value);
}

static int put(void *ctx, krbrepl_bytes key, krbrepl_bytes value, krbrepl_errinfo *ei)
{
    (void)ei;
    return krbrepl_txn_put(ctx, KRBREPL__HDB_TABLE, key, value);
}

static int del(void *ctx, krbrepl_bytes key, krbrepl_errinfo *ei)
{
    (void)ei;
    return krbrepl_txn_delete(ctx, KRBREPL__HDB_TABLE, key);
}

static void take(krbrepl_store *s, const krbrepl__hdb_rec *rec)
{
    krbrepl__hdb_rows rows = {.get = get, .put = put, .del = del};
    krbrepl_errinfo ei;
    krbrepl_txn *t;
    int rc = krbrepl_txn_begin(s, &t, NULL);

    memset(&ei, 0, sizeof ei);
    ei.size = sizeof ei;
    if (rc == 0) {
        rows.ctx = t;
        rc = krbrepl__hdb_apply(&rows, rec, NULL, &ei);
    }
    if (rc == 0)
        rc = krbrepl_txn_commit(t, NULL);
    if (rc != 0) {
        fprintf(stderr, "takelog: version %lu: %d %s\n", (unsigned long)rec->version, rc, ei.text);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    uint32_t last = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    krbrepl__hdb_rec rec;
    krbrepl_store *s;
    krbrepl_bytes log;
    krbrepl__rd r;

    if (argc != 4 || krbrepl_store_open(&s, argv[1], NULL, NULL) != 0) {
        fprintf(stderr, "takelog STORE LOG FROM\n");
        return 2;
    }
    log = read_file(argv[2]);
    krbrepl__rd_init(&r, log.data, log.len);
    (void)krbrepl__rd_view(&r, KRBREPL__HDB_HEADER_LEN);
    while (r.err == 0 && r.left != 0 && krbrepl__hdb_rec_read(&r, &rec, NULL) == 0) {
        if (rec.version <= last)
            continue;
        take(s, &rec);
        last = rec.version;
    }
    printf("%lu\n", (unsigned long)last);
    krbrepl_store_close(s);
    free((void *)(uintptr_t)log.data);
    return 0;
}
