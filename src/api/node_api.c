/* The door of the node: the pid, the reentrancy, and structs of any age. The work is in src/node. */
#include <krbrepl/node.h>

#include "door.h"
#include "nodeops.h"
#include "options.h"
#include "unsized.h"

static int new_node(krbrepl_node **out, const krbrepl_config *cfg, krbrepl_errinfo *ei)
{
    krbrepl_config c;
    krbrepl_events e;
    int rc;

    if (out == NULL || cfg == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "node: no configuration was given");
    rc = krbrepl__widen(&c, sizeof c, cfg);
    if (rc != 0)
        return krbrepl__unsized(ei, rc, "node: krbrepl_config");
    rc = krbrepl__widen(&e, sizeof e, c.events);
    if (rc != 0)
        return krbrepl__unsized(ei, rc, "node: krbrepl_events");
    if (c.store == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "node: the configuration names no store");
    return krbrepl__node_new(out, &c, &e, ei);
}

int krbrepl_node_new(krbrepl_node **out, const krbrepl_config *cfg, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    if (out != NULL)
        *out = NULL;
    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(new_node(out, cfg, &mine), &mine, ei);
}

int krbrepl_master_start(krbrepl_node *n, const krbrepl_master_options *opt)
{
    krbrepl_master_options o;
    int rc = n != NULL ? krbrepl__node_enter(n, 0) : KRBREPL_ERR_INVALID;

    if (rc != 0)
        return rc;
    rc = krbrepl__widen(&o, sizeof o, opt);
    rc = rc == 0 ? krbrepl__master_start(n, &o)
                 : krbrepl__unsized(krbrepl__node_ei(n), rc, "node: krbrepl_master_options");
    krbrepl__node_leave(n);
    return rc;
}

int krbrepl_replica_start(krbrepl_node *n, const krbrepl_replica_options *opt)
{
    krbrepl_replica_options o;
    krbrepl_master_options serve;
    int rc = n != NULL ? krbrepl__node_enter(n, 0) : KRBREPL_ERR_INVALID;

    if (rc != 0)
        return rc;
    rc = krbrepl__widen(&o, sizeof o, opt);
    if (rc == 0 && o.serve != NULL) {
        rc = krbrepl__widen(&serve, sizeof serve, o.serve);
        o.serve = &serve;
    }
    rc = rc == 0 ? krbrepl__replica_start(n, &o)
                 : krbrepl__unsized(krbrepl__node_ei(n), rc, "node: krbrepl_replica_options");
    krbrepl__node_leave(n);
    return rc;
}

int krbrepl_node_stop(krbrepl_node *n)
{
    return n != NULL ? krbrepl__node_stop(n) : KRBREPL_ERR_INVALID;
}

void krbrepl_node_free(krbrepl_node *n)
{
    if (n == NULL)
        return;
    if (krbrepl__node_check_pid(n) != 0) {
        krbrepl__node_free_forked(n);
        return;
    }
    /* From inside a callback the node is in use, and stays. */
    if (krbrepl__node_enter(n, 0) != 0)
        return;
    krbrepl__node_leave(n);
    krbrepl__node_free(n);
}

int krbrepl_node_fd(const krbrepl_node *n)
{
    int rc = n != NULL ? krbrepl__node_check_pid(n) : KRBREPL_ERR_INVALID;

    return rc == 0 ? krbrepl__node_fd(n) : rc;
}

int krbrepl_node_timeout(const krbrepl_node *n)
{
    /* Taking the node changes only its lock. */
    krbrepl_node *taken = (krbrepl_node *)(uintptr_t)n;
    int ms;

    if (n == NULL || krbrepl__node_enter(taken, 1) != 0)
        return -1;
    ms = krbrepl__node_due(taken);
    krbrepl__node_leave(taken);
    return ms;
}

int krbrepl_node_process(krbrepl_node *n)
{
    int rc = n != NULL ? krbrepl__node_enter(n, 0) : KRBREPL_ERR_INVALID;

    if (rc != 0)
        return rc;
    rc = krbrepl__node_process(n);
    krbrepl__node_leave(n);
    return rc;
}

int krbrepl_node_run(krbrepl_node *n)
{
    return n != NULL ? krbrepl__node_run(n) : KRBREPL_ERR_INVALID;
}

int krbrepl_node_spawn(krbrepl_node *n)
{
    return n != NULL ? krbrepl__node_spawn(n) : KRBREPL_ERR_INVALID;
}

int krbrepl_node_wake(krbrepl_node *n)
{
    return n != NULL ? krbrepl__node_wake(n) : KRBREPL_ERR_INVALID;
}

int krbrepl_node_quit(krbrepl_node *n)
{
    return n != NULL ? krbrepl__node_quit(n) : KRBREPL_ERR_INVALID;
}

int krbrepl_node_reauthorize(krbrepl_node *n)
{
    return n != NULL ? krbrepl__node_reauthorize(n) : KRBREPL_ERR_INVALID;
}

int krbrepl_node_errinfo(const krbrepl_node *n, krbrepl_errinfo *out)
{
    /* Taking the node changes only its lock. */
    krbrepl_node *taken = (krbrepl_node *)(uintptr_t)n;
    int rc = n != NULL ? krbrepl__node_enter(taken, 1) : KRBREPL_ERR_INVALID;

    if (rc != 0)
        return rc;
    rc = krbrepl__errinfo_out(krbrepl__node_ei(taken), out);
    krbrepl__node_leave(taken);
    return rc;
}

int krbrepl_node_status(krbrepl_node *n, krbrepl_status *out)
{
    krbrepl_status s;
    int rc = n != NULL && out != NULL ? krbrepl__node_enter(n, 1) : KRBREPL_ERR_INVALID;

    if (rc != 0)
        return rc;
    rc = krbrepl__node_status(n, &s);
    if (rc == 0)
        rc = krbrepl__narrow(out, &s, sizeof s);
    krbrepl__node_leave(n);
    return rc;
}

int krbrepl_node_peers(krbrepl_node *n, krbrepl_peer_fn *each, void *ctx)
{
    int rc = n != NULL && each != NULL ? krbrepl__node_enter(n, 1) : KRBREPL_ERR_INVALID;

    if (rc != 0)
        return rc;
    rc = krbrepl__node_peers(n, each, ctx);
    krbrepl__node_leave(n);
    return rc;
}
