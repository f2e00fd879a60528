/* The structs of heimdal.h at every length, the errinfos that its functions fill in, and its functions in a child. */
#include "growth.h"

#include "place.h"

static place *ground(void *ctx)
{
    return ctx;
}

/* ---- structs -------------------------------------------------------------------------------- */

static int load_options(void *ctx, void *p)
{
    return krbrepl_heimdal_load(ground(ctx)->s, SAMPLES "/sealed.dump", p, NULL, NULL);
}

static int load_result(void *ctx, void *p)
{
    return krbrepl_heimdal_load(ground(ctx)->s, SAMPLES "/sealed.dump", NULL, p, NULL);
}

static int dump_options(void *ctx, void *p)
{
    return krbrepl_heimdal_dump(ground(ctx)->s, ground(ctx)->file, p, NULL, NULL);
}

static int dump_result(void *ctx, void *p)
{
    return krbrepl_heimdal_dump(ground(ctx)->s, ground(ctx)->file, NULL, p, NULL);
}

static int replay_options(void *ctx, void *p)
{
    return krbrepl_heimdal_replay(ground(ctx)->s, SAMPLES "/log", p, NULL, NULL);
}

static int replay_result(void *ctx, void *p)
{
    return krbrepl_heimdal_replay(ground(ctx)->s, SAMPLES "/log", NULL, p, NULL);
}

static int log_info(void *ctx, void *p)
{
    (void)ctx;
    return krbrepl_heimdal_log_each(SAMPLES "/log", 0, 0, NULL, NULL, p, NULL);
}

static int look(void *ctx, const krbrepl_heimdal_log_record *rec)
{
    *(size_t *)ctx = rec->size;
    return 1;
}

static int log_record(void *ctx, void *p)
{
    size_t size = 0;

    (void)ctx, (void)p;
    assert_int_equal(krbrepl_heimdal_log_each(SAMPLES "/log", 0, 0, look, &size, NULL, NULL), 1);
    return size == sizeof(krbrepl_heimdal_log_record) ? 0 : 1;
}

static int seal(void *ctx, krbrepl_bytes in, void *out, size_t *len, uint64_t *mkvno)
{
    (void)ctx;
    memcpy(out, in.data, in.len);
    *len = in.len;
    *mkvno = 1;
    return 0;
}

static int unseal(void *ctx, uint64_t mkvno, int64_t etype, krbrepl_bytes in, void *out, size_t *len)
{
    (void)ctx, (void)mkvno, (void)etype;
    memcpy(out, in.data, in.len);
    *len = in.len;
    return 0;
}

static const krbrepl_heimdal_cipher both = {sizeof both, seal, unseal, NULL};

static int cipher(void *ctx, void *p)
{
    krbrepl_heimdal_load_options opt;

    KRBREPL_INIT(&opt);
    opt.cipher = p;
    return krbrepl_heimdal_load(ground(ctx)->s, SAMPLES "/hdb.dump", &opt, NULL, NULL);
}

static const shape shapes[] = {
    {"krbrepl_heimdal_cipher", sizeof(krbrepl_heimdal_cipher), TAKEN, cipher, 0,
     offsetof(krbrepl_heimdal_cipher, ctx), &both},
    GROWTH_SHAPE(krbrepl_heimdal_load_options, TAKEN, load_options),
    GROWTH_SHAPE(krbrepl_heimdal_load_result, FILLED, load_result),
    GROWTH_SHAPE(krbrepl_heimdal_dump_options, TAKEN, dump_options),
    GROWTH_SHAPE(krbrepl_heimdal_dump_result, FILLED, dump_result),
    GROWTH_SHAPE(krbrepl_heimdal_log_record, HANDED_OUT, log_record),
    GROWTH_SHAPE(krbrepl_heimdal_log_info, FILLED, log_info),
    GROWTH_SHAPE(krbrepl_heimdal_replay_options, TAKEN, replay_options),
    GROWTH_SHAPE(krbrepl_heimdal_replay_result, FILLED, replay_result),
};

static void every_length_is_taken_filled_or_refused_and_nothing_behind_it_is_touched(void **state)
{
    growth_complete(shapes, sizeof shapes / sizeof shapes[0], "tests/unit/heimdal/growth_test.c");
    growth_check(shapes, sizeof shapes / sizeof shapes[0], *state);
}

/* ---- the detail of a failure ------------------------------------------------------------------ */

static int fail_dump(void *ctx, krbrepl_errinfo *ei)
{
    return krbrepl_heimdal_dump(ground(ctx)->s, "/nonexistent/dump", NULL, NULL, ei);
}

static int fail_load(void *ctx, krbrepl_errinfo *ei)
{
    return krbrepl_heimdal_load(ground(ctx)->s, "/nonexistent/dump", NULL, NULL, ei);
}

static int fail_log(void *ctx, krbrepl_errinfo *ei)
{
    (void)ctx;
    return krbrepl_heimdal_log_each("/nonexistent/log", 0, 0, NULL, NULL, NULL, ei);
}

static int fail_replay(void *ctx, krbrepl_errinfo *ei)
{
    return krbrepl_heimdal_replay(ground(ctx)->s, "/nonexistent/log", NULL, NULL, ei);
}

static const teller tellers[] = {
    {"krbrepl_heimdal_dump", fail_dump},
    {"krbrepl_heimdal_load", fail_load},
    {"krbrepl_heimdal_log_each", fail_log},
    {"krbrepl_heimdal_replay", fail_replay},
};

static void an_errinfo_of_any_length_is_filled_to_its_end(void **state)
{
    growth_errinfos(tellers, sizeof tellers / sizeof tellers[0], *state);
}

/* ---- children -------------------------------------------------------------------------------- */

static int forked_dump(void *ctx, krbrepl_store *s)
{
    (void)ctx;
    return krbrepl_heimdal_dump(s, "/dev/null", NULL, NULL, NULL);
}

static int forked_load(void *ctx, krbrepl_store *s)
{
    (void)ctx;
    return krbrepl_heimdal_load(s, SAMPLES "/sealed.dump", NULL, NULL, NULL);
}

static int forked_replay(void *ctx, krbrepl_store *s)
{
    (void)ctx;
    return krbrepl_heimdal_replay(s, SAMPLES "/log", NULL, NULL, NULL);
}

static const storer with_store[] = {{"krbrepl_heimdal_dump", forked_dump},
                                    {"krbrepl_heimdal_load", forked_load},
                                    {"krbrepl_heimdal_replay", forked_replay}};

static void a_child_is_told_so_by_every_function_with_a_store(void **state)
{
    growth_forked(with_store, sizeof with_store / sizeof with_store[0], *state, ground(*state)->s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_taken_filled_or_refused_and_nothing_behind_it_is_touched),
        cmocka_unit_test(an_errinfo_of_any_length_is_filled_to_its_end),
        cmocka_unit_test(a_child_is_told_so_by_every_function_with_a_store),
    };

    return cmocka_run_group_tests_name("heimdal growth", tests, place_setup, place_teardown);
}
