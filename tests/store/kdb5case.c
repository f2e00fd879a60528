#include "kdb5case.h"

#include <stdlib.h>
#include <unistd.h>

char kdb5case_noted[1000];

void kdb5case_note(void *ctx, const char *text)
{
    (void)ctx;
    snprintf(kdb5case_noted, sizeof kdb5case_noted, "%s", text);
}

int kdb5case_lmdb(void)
{
    return getenv("KRBREPL_TEST_KLMDB") != NULL;
}

void kdb5case_begin(char dir[256])
{
    char path[300];
    FILE *f;

    snprintf(dir, 256, "%s/krbrepl-kdb5-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/krb5.conf", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f,
            "[libdefaults]\n default_realm = %s\n dns_lookup_kdc = false\n[realms]\n %s = {\n"
            "  database_name = %s/principal\n }\n",
            KDB5_REALM, KDB5_REALM, dir);
    if (kdb5case_lmdb())
        fprintf(f, "[dbmodules]\n db_module_dir = %s\n %s = {\n  db_library = klmdb\n }\n",
                getenv("KRBREPL_TEST_KLMDB"), KDB5_REALM);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(setenv("KRB5_CONFIG", path, 1), 0);
    assert_int_equal(setenv("KRB5_KDC_PROFILE", path, 1), 0);
    kdb5case_noted[0] = '\0';
}

void kdb5case_end(const char *dir)
{
    char cmd[300];

    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
}

krbrepl_kdb5 *kdb5case_open(const char *dir, const char *name)
{
    char arg[400];
    const char *args[] = {arg, NULL};
    krbrepl_kdb5_options o;
    krbrepl_kdb5 *db = NULL;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    snprintf(arg, sizeof arg, "dbname=%s/%s", dir, name);
    o.db_args = args;
    o.note = kdb5case_note;
    rc = krbrepl_kdb5_open(&db, &o, &ei);
    if (rc != 0)
        fail_msg("opening %s: %s", arg, ei.text);
    return db;
}
