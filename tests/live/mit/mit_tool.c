/* mit_tool: the functions of libkrbrepl-mit for a shell script.
 *
 *   mit_tool create DIR
 *   mit_tool load|update DIR FILE    prints "kind K commits N added A changed C deleted D"
 *   mit_tool dump DIR FILE
 *   mit_tool mkey DIR STASH          prints the newest version of K/M in the store and in the stash file
 *   mit_tool describe DIR            one line for each record */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <krbrepl/krbrepl.h>
#include <krbrepl/mit.h>

static krbrepl_errinfo ei = {.size = sizeof ei};

static int told(int rc)
{
    if (rc != 0)
        fprintf(stderr, "mit_tool: %s: %s\n", krbrepl_err_name(rc), ei.text);
    return rc;
}

static void note(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "note: %s\n", text);
}

static int create(const char *dir)
{
    krbrepl_create_options opt;

    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_CREATE_MASTER;
    return told(krbrepl_store_create(dir, &opt, &ei));
}

static int load(krbrepl_store *s, const char *file, uint64_t flags)
{
    krbrepl_mit_load_options opt;
    krbrepl_mit_load_result res;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&res);
    opt.flags = flags;
    opt.note = note;
    rc = told(krbrepl_mit_load(s, file, &opt, &res, &ei));
    if (rc == 0)
        printf("kind %" PRIu64 " commits %" PRIu64 " added %" PRIu64 " changed %" PRIu64
               " deleted %" PRIu64 "\n",
               res.kind, res.commits, res.added, res.changed, res.deleted);
    return rc;
}

static int mkey(krbrepl_store *s, const char *stash)
{
    uint64_t have = 0, stashed = 0;
    int rc = told(krbrepl_mit_mkey_kvno(s, NULL, &have, &ei));

    if (rc == 0)
        rc = told(krbrepl_mit_stash_kvno(stash, NULL, &stashed, NULL, &ei));
    if (rc == 0)
        printf("%" PRIu64 " %" PRIu64 "\n", have, stashed);
    return rc;
}

static int describe_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    char line[8192];
    int n = krbrepl_mit_describe(table, key, value, line, sizeof line);

    (void)ctx;
    if (n >= 0)
        puts(line);
    return n >= 0 ? 0 : n;
}

static int describe(krbrepl_store *s)
{
    krbrepl_view *v = NULL;
    int rc = krbrepl_view_open(s, &v);

    if (rc == 0)
        rc = krbrepl_view_each(v, NULL, NULL, NULL, 0, describe_one, NULL);
    krbrepl_view_close(v);
    return told(rc);
}

static int run(krbrepl_store *s, const char *what, const char *file)
{
    if (strcmp(what, "load") == 0)
        return load(s, file, 0);
    if (strcmp(what, "update") == 0)
        return load(s, file, KRBREPL_MIT_LOAD_UPDATE);
    if (strcmp(what, "dump") == 0)
        return told(krbrepl_mit_dump(s, file, NULL, NULL, &ei));
    if (strcmp(what, "mkey") == 0)
        return mkey(s, file);
    return describe(s);
}

int main(int argc, char **argv)
{
    krbrepl_store *s = NULL;
    int rc;

    if (argc < 3)
        return 2;
    if (strcmp(argv[1], "create") == 0)
        return create(argv[2]) != 0;
    rc = told(krbrepl_store_open(&s, argv[2], NULL, &ei));
    if (rc == 0)
        rc = run(s, argv[1], argc > 3 ? argv[3] : "-");
    krbrepl_store_close(s);
    return rc != 0;
}
