/* The structs of mit.h at every length, the errinfos that its functions fill in, and its functions in a child. */
#include "growth.h"

#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"

typedef struct ground {
    char top[64], dir[96], file[96], out[96];
    krbrepl_store *s;
    any_principal principal;
    any_policy policy;
} ground;

static int setup(void **state)
{
    ground *g = calloc(1, sizeof *g);
    krbrepl_create_options o = {.size = sizeof o, .flags = KRBREPL_CREATE_MASTER};
    rnd r = {1};
    FILE *f;

    assert_non_null(g);
    *state = g;
    snprintf(g->top, sizeof g->top, "/tmp/krbrepl-growth-XXXXXX");
    assert_non_null(mkdtemp(g->top));
    snprintf(g->dir, sizeof g->dir, "%s/store", g->top);
    snprintf(g->file, sizeof g->file, "%s/dump", g->top);
    snprintf(g->out, sizeof g->out, "%s/out", g->top);
    assert_int_equal(krbrepl_store_create(g->dir, &o, NULL), 0);
    assert_int_equal(krbrepl_store_open(&g->s, g->dir, NULL, NULL), 0);
    any_principal_make(&g->principal, &r);
    any_policy_make(&g->policy, &r);
    f = fopen(g->file, "w");
    assert_non_null(f);
    fputs(V7 MKEY, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(krbrepl_mit_load(g->s, g->file, NULL, NULL, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    ground *g = *state;
    char cmd[128];
    int rc;

    krbrepl_store_close(g->s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", g->top);
    rc = system(cmd);
    free(g);
    return rc;
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

    return krbrepl_mit_load(g->s, g->file, p, NULL, NULL);
}

static int load_result(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_mit_load(g->s, g->file, NULL, p, NULL);
}

static int dump_options(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_mit_dump(g->s, g->out, p, NULL, NULL);
}

static int dump_result(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_mit_dump(g->s, g->out, NULL, p, NULL);
}

#define TAKES(name, go)                                         \
    {                                                           \
#name, sizeof(name), TAKEN, go, 0, sizeof(size_t), NULL \
    }
#define FILLS(name, go)                                          \
    {                                                            \
#name, sizeof(name), FILLED, go, 0, sizeof(size_t), NULL \
    }

static const shape shapes[] = {
    TAKES(krbrepl_mit_principal, principal),       TAKES(krbrepl_mit_policy, policy),
    TAKES(krbrepl_mit_load_options, load_options), FILLS(krbrepl_mit_load_result, load_result),
    TAKES(krbrepl_mit_dump_options, dump_options), FILLS(krbrepl_mit_dump_result, dump_result),
};

static const char *const public_structs[] = {
#define KRBREPL_SIZED(name) #name,
#include "sized.inc"
#undef KRBREPL_SIZED
};

static void every_length_is_taken_filled_or_refused_and_nothing_behind_it_is_touched(void **state)
{
    size_t i, n = sizeof shapes / sizeof shapes[0];

    growth_complete(shapes, n, public_structs, sizeof public_structs / sizeof public_structs[0],
                    "tests/unit/mit/growth_test.c");
    for (i = 0; i < n; i++)
        growth_check(&shapes[i], *state);
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

    return krbrepl_mit_dump(g->s, "/nonexistent/dump", NULL, NULL, ei);
}

static int fail_load(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_mit_load(g->s, "/nonexistent/dump", NULL, NULL, ei);
}

static int fail_mkey(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;
    uint64_t kvno;

    return krbrepl_mit_mkey_kvno(g->s, "ANOTHER.REALM", &kvno, ei);
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

static const char *const telling_functions[] = {
#define KRBREPL_WITH_ERRINFO(name) #name,
#include "errinfos.inc"
#undef KRBREPL_WITH_ERRINFO
};

static void an_errinfo_of_any_length_is_filled_to_its_end(void **state)
{
    size_t i, n = sizeof tellers / sizeof tellers[0];

    assert_int_equal(sizeof telling_functions / sizeof telling_functions[0], n);
    for (i = 0; i < n; i++) {
        assert_string_equal(tellers[i].name, telling_functions[i]);
        growth_errinfo(&tellers[i], *state);
    }
}

/* ---- children -------------------------------------------------------------------------------- */

static int forked_load(ground *g)
{
    return krbrepl_mit_load(g->s, g->file, NULL, NULL, NULL);
}

static int forked_dump(ground *g)
{
    return krbrepl_mit_dump(g->s, g->out, NULL, NULL, NULL);
}

static int forked_mkey(ground *g)
{
    uint64_t kvno;

    return krbrepl_mit_mkey_kvno(g->s, NULL, &kvno, NULL);
}

static const struct {
    const char *name;
    int (*go)(ground *g);
} with_store[] = {{"krbrepl_mit_dump", forked_dump},
                  {"krbrepl_mit_load", forked_load},
                  {"krbrepl_mit_mkey_kvno", forked_mkey}};

static const char *const public_names[] = {
#define KRBREPL_WITH_HANDLE(function, handle) #function,
#include "handles.inc"
#undef KRBREPL_WITH_HANDLE
};

static void a_child_is_told_so_by_every_function_with_a_store(void **state)
{
    size_t i, n = sizeof with_store / sizeof with_store[0];
    ground none = {.s = NULL};
    int status;
    pid_t child;

    assert_int_equal(sizeof public_names / sizeof public_names[0], n);
    for (i = 0; i < n; i++) {
        assert_string_equal(with_store[i].name, public_names[i]);
        assert_int_equal(with_store[i].go(&none), KRBREPL_ERR_INVALID);
        child = fork();
        if (child == 0)
            _exit(-with_store[i].go(*state));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(-WEXITSTATUS(status), KRBREPL_ERR_FORKED);
    }
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
