/* The structs of mit.h at every length, the errinfos that its functions fill in, and its functions in a child. */
#include "growth.h"

#include "scene.h"

typedef struct ground {
    struct scene *c;
    any_principal principal;
    any_policy policy;
} ground;

static int setup(void **state)
{
    ground *g = calloc(1, sizeof *g);
    void *scene;
    rnd r = {1};

    assert_non_null(g);
    *state = g;
    scene_setup(&scene);
    g->c = scene;
    any_principal_make(&g->principal, &r);
    any_policy_make(&g->policy, &r);
    assert_int_equal(scene_load(g->c, V7 MKEY), 0);
    return 0;
}

static int teardown(void **state)
{
    ground *g = *state;
    void *scene = g->c;

    scene_teardown(&scene);
    free(g);
    return 0;
}

/* ---- structs -------------------------------------------------------------------------------- */

/* What is taken at any length is handed out at today's. */
static int principal(void *ctx, void *p)
{
    krbrepl_mit_principal *back;
    krbrepl_bytes value;
    void *out = NULL;
    int rc;

    (void)ctx;
    rc = krbrepl_mit_principal_encode(p, &out, &value.len, NULL);
    if (rc != 0)
        return rc;
    value.data = out;
    assert_int_equal(krbrepl_mit_principal_decode(value, &back, NULL), 0);
    assert_int_equal(back->size, sizeof *back);
    krbrepl_mit_principal_free(back);
    krbrepl_mit_free(out, value.len);
    return 0;
}

static int policy(void *ctx, void *p)
{
    krbrepl_mit_policy *back;
    krbrepl_bytes value;
    void *out = NULL;
    int rc;

    (void)ctx;
    rc = krbrepl_mit_policy_encode(p, &out, &value.len, NULL);
    if (rc != 0)
        return rc;
    value.data = out;
    assert_int_equal(krbrepl_mit_policy_decode(value, &back, NULL), 0);
    assert_int_equal(back->size, sizeof *back);
    krbrepl_mit_policy_free(back);
    krbrepl_mit_free(out, value.len);
    return 0;
}

static int load_options(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_mit_load(g->c->s, g->c->file, p, NULL, NULL);
}

static int load_result(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_mit_load(g->c->s, g->c->file, NULL, p, NULL);
}

static int dump_options(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_mit_dump(g->c->s, g->c->other, p, NULL, NULL);
}

static int dump_result(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_mit_dump(g->c->s, g->c->other, NULL, p, NULL);
}

static const shape shapes[] = {
    GROWTH_SHAPE(krbrepl_mit_principal, TAKEN, principal),
    GROWTH_SHAPE(krbrepl_mit_policy, TAKEN, policy),
    GROWTH_SHAPE(krbrepl_mit_load_options, TAKEN, load_options),
    GROWTH_SHAPE(krbrepl_mit_load_result, FILLED, load_result),
    GROWTH_SHAPE(krbrepl_mit_dump_options, TAKEN, dump_options),
    GROWTH_SHAPE(krbrepl_mit_dump_result, FILLED, dump_result),
};

static void every_length_is_taken_filled_or_refused_and_nothing_behind_it_is_touched(void **state)
{
    growth_complete(shapes, sizeof shapes / sizeof shapes[0], "tests/unit/mit/growth_test.c");
    growth_check(shapes, sizeof shapes / sizeof shapes[0], *state);
}

/* A value that is whole goes back and forth with all that hangs on it. */
static void whole_structs_are_taken_whole(void **state)
{
    ground *g = *state;

    assert_int_equal(principal(g, &g->principal.p), 0);
    assert_int_equal(policy(g, &g->policy.p), 0);
}

/* ---- the detail of a failure ------------------------------------------------------------------ */

static const krbrepl_bytes rubbish = {"rubbish", 7};

static int fail_dump(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_mit_dump(g->c->s, "/nonexistent/dump", NULL, NULL, ei);
}

static int fail_load(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_mit_load(g->c->s, "/nonexistent/dump", NULL, NULL, ei);
}

static int fail_mkey(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;
    uint64_t kvno;

    return krbrepl_mit_mkey_kvno(g->c->s, "ANOTHER.REALM", &kvno, ei);
}

static int fail_policy_decode(void *ctx, krbrepl_errinfo *ei)
{
    krbrepl_mit_policy *p;

    (void)ctx;
    return krbrepl_mit_policy_decode(rubbish, &p, ei);
}

static int fail_policy_encode(void *ctx, krbrepl_errinfo *ei)
{
    (void)ctx;
    return krbrepl_mit_policy_encode(NULL, NULL, NULL, ei);
}

static int fail_principal_decode(void *ctx, krbrepl_errinfo *ei)
{
    krbrepl_mit_principal *p;

    (void)ctx;
    return krbrepl_mit_principal_decode(rubbish, &p, ei);
}

static int fail_principal_encode(void *ctx, krbrepl_errinfo *ei)
{
    (void)ctx;
    return krbrepl_mit_principal_encode(NULL, NULL, NULL, ei);
}

static int fail_stash(void *ctx, krbrepl_errinfo *ei)
{
    uint64_t kvno;

    (void)ctx;
    return krbrepl_mit_stash_kvno("/nonexistent/stash", NULL, &kvno, NULL, ei);
}

static const teller tellers[] = {
    {"krbrepl_mit_dump", fail_dump},
    {"krbrepl_mit_load", fail_load},
    {"krbrepl_mit_mkey_kvno", fail_mkey},
    {"krbrepl_mit_policy_decode", fail_policy_decode},
    {"krbrepl_mit_policy_encode", fail_policy_encode},
    {"krbrepl_mit_principal_decode", fail_principal_decode},
    {"krbrepl_mit_principal_encode", fail_principal_encode},
    {"krbrepl_mit_stash_kvno", fail_stash},
};

static void an_errinfo_of_any_length_is_filled_to_its_end(void **state)
{
    growth_errinfos(tellers, sizeof tellers / sizeof tellers[0], *state);
}

/* ---- children -------------------------------------------------------------------------------- */

static int forked_load(void *ctx, krbrepl_store *s)
{
    const ground *g = ctx;

    return krbrepl_mit_load(s, g->c->file, NULL, NULL, NULL);
}

static int forked_dump(void *ctx, krbrepl_store *s)
{
    const ground *g = ctx;

    return krbrepl_mit_dump(s, g->c->other, NULL, NULL, NULL);
}

static int forked_mkey(void *ctx, krbrepl_store *s)
{
    uint64_t kvno;

    (void)ctx;
    return krbrepl_mit_mkey_kvno(s, NULL, &kvno, NULL);
}

static const storer with_store[] = {{"krbrepl_mit_dump", forked_dump},
                                    {"krbrepl_mit_load", forked_load},
                                    {"krbrepl_mit_mkey_kvno", forked_mkey}};

static void a_child_is_told_so_by_every_function_with_a_store(void **state)
{
    growth_forked(with_store, sizeof with_store / sizeof with_store[0], *state,
                  ((ground *)*state)->c->s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_taken_filled_or_refused_and_nothing_behind_it_is_touched),
        cmocka_unit_test(whole_structs_are_taken_whole),
        cmocka_unit_test(an_errinfo_of_any_length_is_filled_to_its_end),
        cmocka_unit_test(a_child_is_told_so_by_every_function_with_a_store),
    };

    return cmocka_run_group_tests_name("mit growth", tests, setup, teardown);
}
