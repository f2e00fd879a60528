#include "mastercase.h"

/* Names that change hands within one commit: a slave of Heimdal's stops at a record that removes or makes an alias. */

#include <krbrepl/node.h>

/* Always, never: whether it is known what was there. */
static void both_ways(void **state, void (*before)(world *w), void (*change)(world *w))
{
    world *w = *state;
    unsigned forgets;

    for (forgets = 0; forgets < 2; forgets++) {
        in_step_anew(w);
        w->forgets = forgets;
        before(w);
        world_run(w, UINT32_MAX);
        assert_true(world_same(w));
        world_gather(w);
        change(w);
        world_commit(w);
        world_run(w, UINT32_MAX);
        assert_true(world_same(w));
        assert_int_equal(w->completes, 1);
    }
}

static void put_with(world *w, const char *name, const char *alias, const char *other)
{
    made e = entry(name, 3);

    e.aliases[0] = alias;
    e.aliases[1] = alias != NULL ? other : NULL;
    world_put(w, &e);
}

static void two_with_aliases(world *w)
{
    put_with(w, "n", "m", "o");
    put_with(w, "t", "s", NULL);
}

static void n_becomes_an_alias(world *w)
{
    world_delete(w, "n");
    put_with(w, "t", "s", "n");
}

static void an_entry_with_aliases_becomes_an_alias(void **state)
{
    both_ways(state, two_with_aliases, n_becomes_an_alias);
}

static void m_becomes_an_entry(world *w)
{
    put_with(w, "n", "o", NULL);
    put_with(w, "m", NULL, NULL);
}

static void an_alias_becomes_an_entry(void **state)
{
    both_ways(state, two_with_aliases, m_becomes_an_entry);
}

static void m_becomes_the_entry(world *w)
{
    world_delete(w, "n");
    put_with(w, "m", NULL, NULL);
}

static void an_alias_becomes_an_entry_in_the_place_of_its_own(void **state)
{
    both_ways(state, two_with_aliases, m_becomes_the_entry);
}

static void m_goes_to_t(world *w)
{
    put_with(w, "n", "o", NULL);
    put_with(w, "t", "m", NULL);
}

static void an_alias_goes_to_another_entry(void **state)
{
    both_ways(state, two_with_aliases, m_goes_to_t);
}

static void both_go(world *w)
{
    world_delete(w, "n");
    world_delete(w, "t");
}

static void entries_go_with_their_aliases(void **state)
{
    both_ways(state, two_with_aliases, both_go);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_FIRST(an_entry_with_aliases_becomes_an_alias),
        AT_FIRST(an_alias_becomes_an_entry),
        AT_FIRST(an_alias_becomes_an_entry_in_the_place_of_its_own),
        AT_FIRST(an_alias_goes_to_another_entry),
        AT_FIRST(entries_go_with_their_aliases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
