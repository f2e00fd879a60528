#include "mastercase.h"

made entry(const char *name, uint32_t kvno)
{
    made e = {.name = name, .kvno = kvno};

    return e;
}

void put(world *w, const char *name, uint32_t kvno)
{
    made e = entry(name, kvno);

    world_put(w, &e);
}

void meet(world *w)
{
    world_connect(w);
    world_greet(w, w->slave.version);
    world_run(w, UINT32_MAX);
}

static void come_in_step(world *w)
{
    put(w, "a", 1);
    meet(w);
}

int at_first(void **state)
{
    world *w = malloc(sizeof *w);

    assert_non_null(w);
    world_init(w);
    *state = w;
    return 0;
}

int in_step(void **state)
{
    at_first(state);
    come_in_step(*state);
    return 0;
}

int at_last(void **state)
{
    world_free(*state);
    free(*state);
    return 0;
}

void at_first_anew(world *w)
{
    world_free(w);
    world_init(w);
}

void in_step_anew(world *w)
{
    at_first_anew(w);
    come_in_step(w);
}
