/* A program as an embedder would begin it: makes a master's store, writes one record, reads it back. */
#include <stdio.h>
#include <string.h>

#include <krbrepl/krbrepl.h>

static int write_one(krbrepl_store *s)
{
    krbrepl_bytes key = {"alice@EXAMPLE.COM", 17};
    krbrepl_bytes value = {"record", 6};
    krbrepl_txn *t = NULL;
    krbrepl_pos pos;
    int ret;

    ret = krbrepl_txn_begin(s, &t, NULL);
    if (ret != 0)
        return ret;
    ret = krbrepl_txn_put(t, "principal", key, value);
    if (ret != 0) {
        krbrepl_txn_abort(t);
        return ret;
    }
    ret = krbrepl_txn_commit(t, &pos);
    if (ret == 0)
        printf("commit %llu\n", (unsigned long long)pos.seq);
    return ret;
}

static int read_one(krbrepl_store *s)
{
    krbrepl_bytes key = {"alice@EXAMPLE.COM", 17};
    krbrepl_bytes value = {NULL, 0};
    krbrepl_view *v = NULL;
    int ret;

    ret = krbrepl_view_open(s, &v);
    if (ret == 0)
        ret = krbrepl_view_get(v, "principal", key, &value);
    if (ret == 0 && (value.len != 6 || memcmp(value.data, "record", 6) != 0))
        ret = KRBREPL_ERR_CORRUPT;
    krbrepl_view_close(v);
    return ret;
}

int main(int argc, char **argv)
{
    krbrepl_create_options create;
    krbrepl_errinfo ei;
    krbrepl_store *s = NULL;
    int ret;

    if (argc != 2) {
        fprintf(stderr, "usage: first DIR\n");
        return 2;
    }
    if (krbrepl_version(KRBREPL_VERSION_NUMBER) == NULL) {
        fprintf(stderr, "the library is older than its headers\n");
        return 1;
    }
    KRBREPL_INIT(&ei);
    KRBREPL_INIT(&create);
    create.flags = KRBREPL_CREATE_MASTER;
    ret = krbrepl_store_create(argv[1], &create, &ei);
    if (ret == 0)
        ret = krbrepl_store_open(&s, argv[1], NULL, &ei);
    if (ret == 0)
        ret = write_one(s);
    if (ret == 0)
        ret = read_one(s);
    krbrepl_store_close(s);
    if (ret != 0)
        fprintf(stderr, "%s: %s: %s\n", krbrepl_err_name(ret), krbrepl_strerror(ret), ei.text);
    return ret == 0 ? 0 : 1;
}
