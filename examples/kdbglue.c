/* kdbglue.c: the only door of the programs to libkrbrepl-kdb5. */
#include "kdbglue.h"

#include <stdlib.h>

#include "prog.h"

#ifdef KRBREPL_PROG_KDB5

#include <krbrepl/kdb5.h>

#include "daemon.h"

struct kdbglue {
    krbrepl_kdb5 *db;
};

static void note(void *ctx, const char *text)
{
    (void)ctx;
    daemon_note(KRBREPL_LOG_ERROR, "database of the KDC: %s", text);
}

struct kdbglue *kdbglue_open(const char *realm, char *const *args)
{
    struct kdbglue *g = prog_alloc(sizeof *g);
    krbrepl_kdb5_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.realm = realm;
    opt.db_args = (const char *const *)args;
    opt.note = note;
    rc = krbrepl_kdb5_open(&g->db, &opt, &ei);
    if (rc == 0)
        return g;
    prog_say("%s (%s)", ei.text, krbrepl_err_name(rc));
    free(g);
    return NULL;
}

const krbrepl_host_ops *kdbglue_ops(const struct kdbglue *g)
{
    return krbrepl_kdb5_ops(g->db);
}

void *kdbglue_ctx(const struct kdbglue *g)
{
    return g->db;
}

void kdbglue_close(struct kdbglue *g)
{
    if (g == NULL)
        return;
    krbrepl_kdb5_close(g->db);
    free(g);
}

#else

struct kdbglue *kdbglue_open(const char *realm, char *const *args)
{
    (void)realm, (void)args;
    prog_say("this program was built without libkdb5 (KRBREPL_BUILD_KDB); name a store's directory "
             "with --store");
    return NULL;
}

const krbrepl_host_ops *kdbglue_ops(const struct kdbglue *g)
{
    (void)g;
    return NULL;
}

void *kdbglue_ctx(const struct kdbglue *g)
{
    (void)g;
    return NULL;
}

void kdbglue_close(struct kdbglue *g)
{
    (void)g;
}

#endif
