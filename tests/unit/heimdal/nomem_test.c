/* Memory that runs out, at each allocation in turn: a clear error, nothing leaked, nothing half done.
 *
 * The linker sends the library's calloc and malloc through here (--wrap), so it is the real code that runs
 * out. */
#include "place.h"

#include <unistd.h>

void *__real_calloc(size_t n, size_t each);
void *__real_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_malloc(size_t n);

static long left = -1; /* allocations that still succeed; -1: all */
static int forever;    /* all after the one that fails, fail too */
static int failed;

static int allowed(void)
{
    if (left != 0) {
        left -= left > 0;
        return 1;
    }
    failed = 1;
    left = forever ? 0 : -1;
    return 0;
}

void *__wrap_calloc(size_t n, size_t each)
{
    return allowed() ? __real_calloc(n, each) : NULL;
}

void *__wrap_malloc(size_t n)
{
    return allowed() ? __real_malloc(n) : NULL;
}

typedef int step_fn(place *p, const char *file);

static krbrepl_store_info info_of(place *p)
{
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(p->s, &info), 0);
    return info;
}

/* One run with `n` allocations. 0: there were enough. The store is the same after a failure; when it went well
 * without what was not to be had, then nothing is missing: the same once more changes nothing. */
static int run_out(place *p, step_fn *step, const char *file, long n)
{
    krbrepl_store_info was = info_of(p);
    int rc;

    KRBREPL_INIT(&p->ei);
    failed = 0;
    left = n;
    rc = step(p, file);
    left = -1;
    if (rc == 0) {
        was = info_of(p);
        assert_int_equal(step(p, file), 0);
    } else {
        assert_int_equal(rc, KRBREPL_ERR_NOMEM);
        assert_int_equal(p->ei.code, KRBREPL_ERR_NOMEM);
    }
    assert_int_equal(info_of(p).pos.seq, was.pos.seq);
    assert_int_equal(info_of(p).records, was.records);
    return failed;
}

/* Runs `step` with 0, 1, 2 ... allocations until they are enough; then again, and what fails goes on failing. What
 * one entry needs the next one needs too, so the later ones are tried at every seventh. */
static void until_it_succeeds(place *p, step_fn *step, const char *file)
{
    long n, enough;

    forever = 0;
    for (enough = 0; run_out(p, step, file, enough) != 0;)
        enough += enough < 300 ? 1 : 7;
    assert_in_range(enough, 1, 99999);
    forever = 1;
    for (n = 0; n < enough && run_out(p, step, file, n) != 0;)
        n += n < 300 ? 1 : 7;
}

/* ---- what is tried -------------------------------------------------------------------------- */

static int load(place *p, const char *file)
{
    return place_load(p, file, 0);
}

static int update(place *p, const char *file)
{
    return place_load(p, file, KRBREPL_HEIMDAL_LOAD_UPDATE);
}

/* An encryption for tests: one byte more, and all others changed. */
static int seal(void *ctx, krbrepl_bytes in, void *out, size_t *len, uint64_t *mkvno)
{
    const uint8_t *from = in.data;
    uint8_t *to = out;
    size_t i;

    (void)ctx;
    for (i = 0; i < in.len; i++)
        to[i] = from[i] ^ 0x55;
    to[in.len] = 0;
    *len = in.len + 1;
    *mkvno = 1;
    return 0;
}

static int unseal(void *ctx, uint64_t mkvno, int64_t etype, krbrepl_bytes in, void *out, size_t *len)
{
    const uint8_t *from = in.data;
    uint8_t *to = out;
    size_t i;

    (void)ctx;
    (void)mkvno;
    (void)etype;
    if (in.len == 0)
        return 1;
    for (i = 0; i + 1 < in.len; i++)
        to[i] = from[i] ^ 0x55;
    *len = in.len - 1;
    return 0;
}

static const krbrepl_heimdal_cipher cipher = {sizeof cipher, seal, unseal, NULL};

static int load_sealed(place *p, const char *file)
{
    krbrepl_heimdal_load_options opt;

    KRBREPL_INIT(&opt);
    opt.cipher = &cipher;
    return krbrepl_heimdal_load(p->s, file, &opt, NULL, &p->ei);
}

static int replay(place *p, const char *file)
{
    return krbrepl_heimdal_replay(p->s, file, NULL, NULL, &p->ei);
}

static int replay_sealed(place *p, const char *file)
{
    krbrepl_heimdal_replay_options opt;

    KRBREPL_INIT(&opt);
    opt.cipher = &cipher;
    return krbrepl_heimdal_replay(p->s, file, &opt, NULL, &p->ei);
}

static int look(void *ctx, const krbrepl_heimdal_log_record *rec)
{
    (void)ctx;
    return rec->version == 0;
}

static int each(place *p, const char *file)
{
    return krbrepl_heimdal_log_each(file, 0, 0, look, NULL, NULL, &p->ei);
}

static int dump_as(place *p, const char *file, uint64_t format, const krbrepl_heimdal_cipher *c)
{
    krbrepl_heimdal_dump_options opt;
    char tmp[128];
    int rc;

    KRBREPL_INIT(&opt);
    opt.format = format;
    opt.cipher = c;
    rc = krbrepl_heimdal_dump(p->s, file, &opt, NULL, &p->ei);
    snprintf(tmp, sizeof tmp, "%s.tmp", file);
    assert_int_not_equal(access(tmp, F_OK), 0);
    return rc;
}

static int dump_text(place *p, const char *file)
{
    return dump_as(p, file, KRBREPL_HEIMDAL_DUMP, NULL);
}

static int dump_hprop(place *p, const char *file)
{
    return dump_as(p, file, KRBREPL_HEIMDAL_HPROP, NULL);
}

static int dump_clear(place *p, const char *file)
{
    return dump_as(p, file, KRBREPL_HEIMDAL_DUMP, &cipher);
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void a_load_without_memory_changes_nothing(void **state)
{
    place *p = *state;

    until_it_succeeds(p, load, SAMPLES "/sealed.dump");
    assert_int_equal(place_records(p), 15);
    assert_int_equal(load(p, SAMPLES "/hprop.out"), 0);
    assert_int_equal(p->res.commits, 0);
    until_it_succeeds(p, load_sealed, SAMPLES "/hdb.dump");
    until_it_succeeds(p, load_sealed, SAMPLES "/hdb.dump");
}

static void an_update_without_memory_changes_nothing(void **state)
{
    place *p = *state;

    until_it_succeeds(p, update, SAMPLES "/hprop.out");
    assert_int_equal(place_records(p), 15);
}

static void a_replay_without_memory_changes_nothing(void **state)
{
    place *p = *state;

    until_it_succeeds(p, each, SAMPLES "/log");
    until_it_succeeds(p, replay, SAMPLES "/log");
    assert_true(place_records(p) > 0);
    until_it_succeeds(p, replay_sealed, SAMPLES "/log");
}

static void a_dump_without_memory_leaves_the_file_of_before(void **state)
{
    place *p = *state;
    size_t n, m;
    char *was, *now;

    assert_int_equal(load_sealed(p, SAMPLES "/hdb.dump"), 0);
    until_it_succeeds(p, dump_text, p->file);
    until_it_succeeds(p, dump_clear, p->file);
    until_it_succeeds(p, dump_hprop, p->file);
    was = place_read(p->file, &n);
    left = 3;
    assert_int_equal(dump_text(p, p->file), KRBREPL_ERR_NOMEM);
    left = -1;
    now = place_read(p->file, &m);
    assert_int_equal(n, m);
    assert_memory_equal(was, now, n);
    free(was);
    free(now);
}

static int describe_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    char line[512];
    long n;
    int rc = KRBREPL_ERR_NOMEM;

    (void)ctx;
    (void)table;
    for (n = 0; rc < 0 && n < 1000; n++) {
        left = n;
        rc = krbrepl_heimdal_describe(key, value, line, sizeof line);
        left = -1;
        assert_true(rc > 0 || rc == KRBREPL_ERR_NOMEM);
    }
    return rc > 0 ? 0 : rc;
}

static void a_description_without_memory_fails_cleanly(void **state)
{
    place *p = *state;
    krbrepl_view *v;

    assert_int_equal(load(p, SAMPLES "/sealed.dump"), 0);
    assert_int_equal(krbrepl_view_open(p->s, &v), 0);
    assert_int_equal(krbrepl_view_each(v, KRBREPL_HEIMDAL_TABLE, NULL, NULL, 0, describe_one, NULL), 0);
    krbrepl_view_close(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE(a_load_without_memory_changes_nothing),
        PLACE(an_update_without_memory_changes_nothing),
        PLACE(a_replay_without_memory_changes_nothing),
        PLACE(a_dump_without_memory_leaves_the_file_of_before),
        PLACE(a_description_without_memory_fails_cleanly),
    };

    return cmocka_run_group_tests_name("heimdal/nomem", tests, NULL, NULL);
}
