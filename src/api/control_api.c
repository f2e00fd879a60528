/* control_api.c: the door to a node in another process. A file of its own, so that a program that only asks
 * and writes, such as a database module of a KDC, takes nothing of the node along. */
#include <krbrepl/node.h>

#include "errinfo.h"
#include "nodeops.h"
#include "options.h"
#include "unsized.h"

int krbrepl_status_fetch(const char *dir, uint64_t timeout_ms, krbrepl_status *out,
                         krbrepl_peer_fn *each, void *ctx, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;
    krbrepl_status s;
    int rc = 0;

    krbrepl__errinfo_clear(&mine);
    if (dir == NULL || out == NULL)
        rc = krbrepl__fail(&mine, KRBREPL_ERR_INVALID, "status: no directory was given");
    if (rc == 0)
        rc = krbrepl__control_status(dir, timeout_ms, &s, each, ctx, &mine);
    if (rc == 0 && (rc = krbrepl__narrow(out, &s, sizeof s)) != 0)
        krbrepl__fail(&mine, rc, "status: the struct to be filled does not say its size");
    return krbrepl__errinfo_give(rc, &mine, ei);
}

int krbrepl_wait(const char *dir, const krbrepl_wait_options *opt, uint64_t *have, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;
    krbrepl_wait_options w;
    int rc = krbrepl__widen(&w, sizeof w, opt);

    krbrepl__errinfo_clear(&mine);
    if (rc != 0)
        krbrepl__unsized(&mine, rc, "wait: krbrepl_wait_options");
    else if (dir == NULL)
        rc = krbrepl__fail(&mine, KRBREPL_ERR_INVALID, "wait: no directory of a store was given");
    else
        rc = krbrepl__control_wait(dir, &w, have, &mine);
    return krbrepl__errinfo_give(rc, &mine, ei);
}

int krbrepl_prove(const char *dir, const krbrepl_prove_options *opt, krbrepl_proved *out,
                  krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;
    krbrepl_prove_options o;
    krbrepl_proved p;
    int rc = krbrepl__widen(&o, sizeof o, opt);

    krbrepl__errinfo_clear(&mine);
    KRBREPL_INIT(&p);
    if (rc != 0)
        krbrepl__unsized(&mine, rc, "prove: krbrepl_prove_options");
    else if (dir == NULL)
        rc = krbrepl__fail(&mine, KRBREPL_ERR_INVALID, "prove: no directory of a store was given");
    else
        rc = krbrepl__control_prove(dir, &o, &p, &mine);
    if (rc == 0 && out != NULL && (rc = krbrepl__narrow(out, &p, sizeof p)) != 0)
        krbrepl__fail(&mine, rc, "prove: the struct to be filled does not say its size");
    return krbrepl__errinfo_give(rc, &mine, ei);
}
