/* The door of libkrbrepl-testing. */
#include <krbrepl/testing.h>

#include <string.h>

#include "world.h"

#define STEPS 5000u

/* A shorter struct of an older header is read as if filled up with zeros. */
static int take_options(krbrepl_testing_options *to, const krbrepl_testing_options *from)
{
    if (from == NULL || from->size < sizeof from->size || from->size > sizeof *to)
        return KRBREPL_ERR_INVALID;
    memset(to, 0, sizeof *to);
    memcpy(to, from, from->size);
    return (to->flags & ~(uint64_t)KRBREPL_TESTING_TRACE) == 0 ? 0 : KRBREPL_ERR_INVALID;
}

static void tell(const world *w, krbrepl_testing_result *out)
{
    krbrepl_testing_result r;
    size_t size = out->size;

    memset(&r, 0, sizeof r);
    r.commits = w->did[DID_COMMIT];
    r.copies = w->did[DID_COPIED];
    r.repairs = w->did[DID_REPAIRED];
    r.crashes = w->did[DID_CRASH];
    r.power_losses = w->did[DID_POWER];
    r.failovers = w->did[DID_FAILOVER] + w->did[DID_USURP];
    r.proofs = w->did[DID_PROVE];
    r.simulated = w->now;
    memcpy(r.text, w->why, sizeof r.text);
    r.size = size < sizeof r ? size : sizeof r;
    memcpy(out, &r, r.size);
}

int krbrepl_testing_run(const krbrepl_testing_options *opt, krbrepl_testing_result *out)
{
    static world w;
    krbrepl_testing_options o;
    plan p = {0};
    int rc = take_options(&o, opt);

    if (rc != 0 || (out != NULL && out->size < sizeof out->size))
        return KRBREPL_ERR_INVALID;
    p.seed = o.seed;
    p.steps = o.steps != 0 ? o.steps : STEPS;
    p.trace = (o.flags & KRBREPL_TESTING_TRACE) != 0;
    p.dir = o.dir;
    p.change = o.change;
    p.check = o.check;
    p.say = o.say;
    p.ctx = o.ctx;
    if (world_init(&w, &p) == 0)
        world_run(&w);
    else if (w.root[0] == '\0')
        rc = KRBREPL_ERR_IO;
    world_free(&w);
    if (out != NULL)
        tell(&w, out);
    return rc == 0 && w.failed ? KRBREPL_ERR_CONFLICT : rc;
}
