/* A program that embeds libkrbrepl-kdb5: a database that is not there is refused in the words of libkrb5. */
#include <stdio.h>

#include <krbrepl/kdb5.h>
#include <krbrepl/krbrepl.h>

int main(void)
{
    static const char *const args[] = {"no-such-argument=1", NULL};
    krbrepl_kdb5_options opt;
    krbrepl_kdb5 *db = NULL;
    krbrepl_errinfo ei;
    int ret;

    KRBREPL_INIT(&ei);
    KRBREPL_INIT(&opt);
    opt.realm = "EXAMPLE.ORG";
    opt.db_args = args;
    ret = krbrepl_kdb5_open(&db, &opt, &ei);
    krbrepl_kdb5_close(db);
    if (ret != KRBREPL_ERR_HOST || ei.host_code == 0)
        fprintf(stderr, "%d: %s\n", ret, ei.text);
    return ret == KRBREPL_ERR_HOST && ei.host_code != 0 ? 0 : 1;
}
