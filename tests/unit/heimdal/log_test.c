#include "place.h"

#include "buf.h"

typedef struct seen {
    uint64_t n, ops[11], last;
    char name[128], from[128];
} seen;

static int look(void *ctx, const krbrepl_heimdal_log_record *rec)
{
    seen *s = ctx;

    s->n++;
    assert_true(rec->op <= 10);
    s->ops[rec->op]++;
    s->last = rec->version;
    if (rec->op == 3) {
        snprintf(s->name, sizeof s->name, "%s", rec->name);
        snprintf(s->from, sizeof s->from, "%s", rec->from);
    }
    return 0;
}

static int walk(place *p, const char *file, uint64_t from, uint64_t to, seen *s,
                krbrepl_heimdal_log_info *info)
{
    memset(s, 0, sizeof *s);
    KRBREPL_INIT(info);
    KRBREPL_INIT(&p->ei);
    return krbrepl_heimdal_log_each(file, from, to, look, s, info, &p->ei);
}

static void a_log_of_heimdal_is_read(void **state)
{
    krbrepl_heimdal_log_info info;
    place *p = *state;
    seen s;

    assert_int_equal(walk(p, SAMPLES "/log", 0, 0, &s, &info), 0);
    assert_int_equal(s.n, 47);
    assert_int_equal(info.records, 47);
    assert_int_equal(info.first, 1);
    assert_int_equal(info.version, 47);
    assert_int_equal(info.unconfirmed, 0);
    assert_int_equal(info.flags, 0);
    assert_string_equal(s.name, "new@EXAMPLE.ORG");
    assert_string_equal(s.from, "old@EXAMPLE.ORG");
    assert_int_equal(walk(p, SAMPLES "/log", 10, 12, &s, &info), 0);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.last, 12);
    assert_int_equal(info.records, 47);
}

/* A copy of the sample with one byte changed is refused, and the text names the offset. */
static void expect_damage(place *p, size_t at, const char *offset)
{
    krbrepl_heimdal_log_info info;
    size_t n;
    char *log = place_read(SAMPLES "/log", &n);
    seen s;

    log[at] ^= 0x40;
    place_write(p->file, log, n);
    assert_int_equal(walk(p, p->file, 0, 0, &s, &info), KRBREPL_ERR_INPUT);
    assert_non_null(strstr(p->ei.text, offset));
    free(log);
}

static void damage_is_named_by_its_offset(void **state)
{
    place *p = *state;

    expect_damage(p, 40, ": offset 40: ");      /* the version of the first record */
    expect_damage(p, 40 + 11, ": offset 40: "); /* its operation */
    expect_damage(p, 40 + 12, ": offset 40: "); /* its length */
    expect_damage(p, 40 + 16, ": offset 40: "); /* its entry */
    expect_damage(p, 28, ": offset 28: ");      /* the version in the header */
    expect_damage(p, 16, ": offset 16: ");      /* where the header says that the log ends */
}

static void a_log_that_was_cut_is_refused(void **state)
{
    krbrepl_heimdal_log_info info;
    place *p = *state;
    size_t n;
    char *log = place_read(SAMPLES "/log", &n);
    seen s;

    place_write(p->file, log, n - 1);
    assert_int_equal(walk(p, p->file, 0, 0, &s, &info), KRBREPL_ERR_INPUT);
    place_write(p->file, log, 39);
    assert_int_equal(walk(p, p->file, 0, 0, &s, &info), KRBREPL_ERR_INPUT);
    assert_int_equal(walk(p, "/nonexistent/log", 0, 0, &s, &info), KRBREPL_ERR_IO);
    free(log);
}

static void what_is_not_confirmed_is_left_out(void **state)
{
    krbrepl_heimdal_log_info info;
    place *p = *state;
    size_t n;
    char *log = place_read(SAMPLES "/log", &n), *more = malloc(n + 10);
    seen s;

    assert_non_null(more);
    memcpy(more, log, n);
    memset(more + n, 'x', 10);
    place_write(p->file, more, n + 10);
    assert_int_equal(walk(p, p->file, 0, 0, &s, &info), 0);
    assert_int_equal(s.n, 47);
    assert_int_equal(info.unconfirmed, 10);
    free(log);
    free(more);
}

static void a_log_without_a_header_is_read_to_its_end(void **state)
{
    krbrepl_heimdal_log_info info;
    place *p = *state;
    size_t n;
    char *log = place_read(SAMPLES "/log", &n);
    seen s;

    place_write(p->file, log + 40, n - 40);
    assert_int_equal(walk(p, p->file, 0, 0, &s, &info), 0);
    assert_int_equal(info.flags, KRBREPL_HEIMDAL_LOG_OLD);
    assert_int_equal(info.version, 47);
    free(log);
}

static void a_gap_in_the_versions_is_refused(void **state)
{
    krbrepl_heimdal_log_info info;
    place *p = *state;
    size_t n, len;
    char *log = place_read(SAMPLES "/log", &n);
    seen s;

    /* The first record is doubled: 1, 1, 2. */
    len = 24 + krbrepl__get_u32((const uint8_t *)log + 40 + 12);
    memmove(log + len, log + 40, len);
    memmove(log, log + len, len);
    place_write(p->file, log, 2 * len);
    assert_int_equal(walk(p, p->file, 0, 0, &s, &info), KRBREPL_ERR_INPUT);
    assert_non_null(strstr(p->ei.text, "the one that follows"));
    free(log);
}

static int replay(place *p, const char *file, uint64_t from, uint64_t to,
                  krbrepl_heimdal_replay_result *res)
{
    krbrepl_heimdal_replay_options opt;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(res);
    KRBREPL_INIT(&p->ei);
    opt.from = from;
    opt.to = to;
    return krbrepl_heimdal_replay(p->s, file, &opt, res, &p->ei);
}

static void a_log_that_is_replayed_twice_changes_nothing_the_second_time(void **state)
{
    krbrepl_heimdal_replay_result res;
    place *p = *state;

    assert_int_equal(replay(p, SAMPLES "/log", 0, 0, &res), 0);
    assert_int_equal(res.records, 47);
    assert_int_equal(res.version, 47);
    assert_int_equal(res.commits, 1);
    assert_int_equal(res.added, 15);
    assert_int_equal(place_records(p), 15);
    assert_non_null(strstr(place_about(p, "alias2@EXAMPLE.ORG"), "alias of alice@EXAMPLE.ORG"));
    assert_string_equal(place_about(p, "gone@EXAMPLE.ORG"), "");
    assert_string_equal(place_about(p, "old@EXAMPLE.ORG"), "");
    assert_int_equal(replay(p, SAMPLES "/log", 0, 0, &res), 0);
    assert_int_equal(res.records, 47);
    assert_int_equal(res.commits, 0);
}

static void a_replay_goes_on_where_an_earlier_one_ended(void **state)
{
    krbrepl_heimdal_replay_result res;
    place *p = *state;

    assert_int_equal(replay(p, SAMPLES "/log", 0, 30, &res), 0);
    assert_int_equal(res.version, 30);
    assert_int_equal(replay(p, SAMPLES "/log", 31, 0, &res), 0);
    assert_int_equal(res.version, 47);
    assert_int_equal(replay(p, SAMPLES "/log", 0, 0, &res), 0);
    assert_int_equal(res.commits, 0);
    assert_int_equal(replay(p, SAMPLES "/log", 48, 0, &res), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(p->ei.text, "1 to 47"));
}

static void a_damaged_log_is_not_replayed_in_part(void **state)
{
    krbrepl_heimdal_replay_result res;
    place *p = *state;
    size_t n;
    char *log = place_read(SAMPLES "/log", &n);

    log[n - 1] ^= 1;
    place_write(p->file, log, n);
    assert_int_equal(replay(p, p->file, 0, 0, &res), KRBREPL_ERR_INPUT);
    assert_int_equal(place_records(p), 0);
    free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE(a_log_of_heimdal_is_read),
        PLACE(damage_is_named_by_its_offset),
        PLACE(a_log_that_was_cut_is_refused),
        PLACE(what_is_not_confirmed_is_left_out),
        PLACE(a_log_without_a_header_is_read_to_its_end),
        PLACE(a_gap_in_the_versions_is_refused),
        PLACE(a_log_that_is_replayed_twice_changes_nothing_the_second_time),
        PLACE(a_replay_goes_on_where_an_earlier_one_ended),
        PLACE(a_damaged_log_is_not_replayed_in_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
