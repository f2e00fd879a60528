/* Dump files into a store. */
#include "scene.h"

#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- loading --------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts the lines of a text in place of it. */
static void sort_lines(char *text)
{
    static char out[65536];
    char *line[512];
    size_t n = 0, i;
    char *at;

    out[0] = '\0';
    for (at = strtok(text, "\n"); at != NULL && n < 512; at = strtok(NULL, "\n"))
        line[n++] = at;
    qsort(line, n, sizeof *line, by_text);
    for (i = 0; i < n; i++) {
        strcat(out, line[i]);
        strcat(out, "\n");
    }
    strcpy(text, out);
}

static void dump_after_load_has_every_line_again(void **state)
{
    struct scene *c = *state;
    char text[16384] = V7 MKEY, *again;
    krbrepl_mit_dump_result res;
    krbrepl_store_info info;
    size_t i;

    for (i = 1; i < golden_count; i++)
        strcat(text, golden_line[i]);
    assert_int_equal(scene_load(c, text), 0);
    assert_int_equal(c->res.version, 7);
    assert_int_equal(c->res.principals, golden_count - 3);
    assert_int_equal(c->res.policies, 3);
    assert_int_equal(c->res.added, golden_count);
    assert_int_equal(c->res.commits, 1);
    assert_true(c->shown > 0);
    KRBREPL_INIT(&res);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, &res, &c->ei), 0);
    again = scene_read(c->other);
    assert_int_equal(res.bytes, strlen(again));
    assert_int_equal(res.principals, golden_count - 3);
    assert_int_equal(res.policies, 3);
    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(c->s, &info), 0);
    assert_memory_equal(&res.pos, &info.pos, sizeof res.pos);
    sort_lines(text);
    sort_lines(again);
    assert_string_equal(again, text);
    free(again);
}

static void load_replaces_what_was_there_and_keeps_other_tables(void **state)
{
    struct scene *c = *state;
    krbrepl_bytes value;
    krbrepl_view *v;
    krbrepl_txn *t;

    assert_int_equal(scene_load(c, V7 MKEY PRINC("a@Y") POLICY("p")), 0);
    assert_int_equal(krbrepl_txn_begin(c->s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "mine", BYTES("k"), BYTES("v")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(scene_load(c, V7 MKEY PRINC("b@Y")), 0);
    assert_int_equal(c->res.added, 1);
    assert_int_equal(c->res.deleted, 2);
    assert_int_equal(c->res.changed, 0);
    scene_assert_dump(c, V7 MKEY PRINC("b@Y"));
    assert_int_equal(krbrepl_view_open(c->s, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "mine", BYTES("k"), &value), 0);
    assert_int_equal(value.len, 1);
    krbrepl_view_close(v);
}

static void loading_the_same_again_makes_no_commit(void **state)
{
    struct scene *c = *state;

    assert_int_equal(scene_load(c, V7 MKEY PRINC("a@Y") POLICY("p")), 0);
    assert_int_equal(scene_load(c, NULL), 0);
    assert_int_equal(c->res.kind, 0);
    assert_int_equal(c->res.commits, 0);
    scene_assert_unchanged(c);
    assert_int_equal(scene_update(c, NULL), 0);
    assert_int_equal(c->res.kind, 0);
    assert_int_equal(c->res.commits, 0);
    scene_assert_unchanged(c);
}

static void malformed_file_changes_nothing(void **state)
{
    static const char bad[] = V7 MKEY PRINC("b@Y") "princ\t38\t3\t0\n";
    struct scene *c = *state;

    assert_int_equal(scene_load(c, V7 MKEY LOCKED("a@Y")), 0);
    scene_assert_refused(c, scene_load(c, bad), KRBREPL_ERR_INPUT, "/dump:4: ");
    scene_assert_refused(c, scene_update(c, bad), KRBREPL_ERR_INPUT, "/dump:4: ");
    scene_assert_refused(c, scene_load(c, V7 MKEY "princ\t38"), KRBREPL_ERR_INPUT,
                         "/dump:3: the file ends");
    scene_assert_refused(c, scene_load(c, ""), KRBREPL_ERR_INPUT, "/dump:1: the file is empty");
    scene_assert_refused(c, scene_load(c, "kdb5_util load_dump version 9\n"), KRBREPL_ERR_FORMAT,
                         "version 9");
    unlink(c->file);
    scene_assert_refused(c, scene_load(c, NULL), KRBREPL_ERR_IO, c->file);
    scene_assert_dump(c, V7 MKEY LOCKED("a@Y"));
}

static void record_given_twice_is_refused_with_both_lines(void **state)
{
    static const char twice[] = V7 MKEY PRINC("a@Y") PRINC("b@Y") POLICY("a@Y") LOCKED("a@Y");
    struct scene *c = *state;

    scene_assert_refused(c, scene_load(c, twice), KRBREPL_ERR_INPUT,
                         "/dump:6: the record was given on line 3 already");
    scene_assert_refused(c, scene_update(c, twice), KRBREPL_ERR_INPUT,
                         "/dump:6: the record was given on line 3 already");
}

static void file_without_principals_does_not_empty_the_database(void **state)
{
    struct scene *c = *state;

    assert_int_equal(scene_load(c, V7 MKEY PRINC("a@Y")), 0);
    scene_assert_refused(c, scene_load(c, V7), KRBREPL_ERR_INPUT, "holds no principal");
    scene_assert_refused(c, scene_load(c, V7 POLICY("p")), KRBREPL_ERR_INPUT, "holds no principal");
    assert_int_equal(scene_update(c, V7 POLICY("p")), 0);
    scene_assert_dump(c, V7 MKEY PRINC("a@Y") POLICY("p"));
}

static void dump_of_a_part_is_noted(void **state)
{
    struct scene *c = *state;

    assert_int_equal(scene_load(c, V7 PRINC("a@Y")), 0);
    assert_non_null(strstr(c->notes, "K/M"));
    assert_int_equal(scene_load(c, V7 MKEY), 0);
    assert_string_equal(c->notes, "");
}

static void old_dump_ok_file_is_noted(void **state)
{
    static const struct timespec past[2] = {{1000000000, 0}, {1000000000, 0}};
    struct scene *c = *state;
    char ok[128];

    snprintf(ok, sizeof ok, "%s.dump_ok", c->file);
    scene_write(ok, "");
    assert_int_equal(utimensat(AT_FDCWD, ok, past, 0), 0);
    assert_int_equal(scene_load(c, V7 MKEY), 0);
    assert_non_null(strstr(c->notes, "may be incomplete"));
}

static void update_puts_the_file_beside_what_is_there(void **state)
{
    struct scene *c = *state;

    assert_int_equal(scene_load(c, V7 MKEY PRINC("a@Y") PRINC("b@Y") POLICY("p")), 0);
    assert_int_equal(
        scene_update(c, V7 "princ\t38\t3\t0\t0\t0\tb@Y\t9\t0\t0\t0\t0\t0\t0\t0\t-1;\n" PRINC("c@Y")
                            PRINC("a@Y")),
        0);
    assert_int_equal(c->res.added, 1);
    assert_int_equal(c->res.changed, 1);
    assert_int_equal(c->res.deleted, 0);
    assert_int_equal(c->res.commits, 1);
    assert_int_equal(c->res.pos.seq, c->before.seq + 1);
    scene_assert_dump(
        c, V7 MKEY PRINC("a@Y") "princ\t38\t3\t0\t0\t0\tb@Y\t9\t0\t0\t0\t0\t0\t0\t0\t-1;\n" PRINC("c@Y")
               POLICY("p"));
}

static void update_larger_than_a_commit_is_made_in_several(void **state)
{
    struct scene *c = *state;
    FILE *f = fopen(c->file, "w");
    unsigned i, n = KRBREPL_MAX_CHANGES + 100;

    assert_non_null(f);
    fputs(V7, f);
    for (i = 0; i < n; i++)
        fprintf(f, "princ\t38\t9\t0\t0\t0\tu%06u@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n", i);
    fclose(f);
    assert_int_equal(scene_update(c, NULL), 0);
    assert_int_equal(c->res.commits, 2);
    assert_int_equal(c->res.added, n);
    assert_int_equal(c->res.pos.seq, c->before.seq + 2);
}

static void replica_is_not_loaded(void **state)
{
    struct scene *c = *state;

    assert_int_equal(scene_load(c, V7 MKEY), 0);
    assert_int_equal(krbrepl_demote(c->s, NULL, NULL), 0);
    scene_assert_refused(c, scene_load(c, V7 MKEY PRINC("a@Y")), KRBREPL_ERR_NOT_MASTER, "");
    scene_assert_refused(c, scene_update(c, V7 MKEY PRINC("a@Y")), KRBREPL_ERR_NOT_MASTER, "");
}

/* ---- what is local --------------------------------------------------------------------------- */

static size_t local_len(struct scene *c, krbrepl_bytes key)
{
    uint8_t buf[64];
    size_t len = sizeof buf;
    int rc = krbrepl_local_get(c->s, "principal", key, buf, &len);

    assert_true(rc == 0 || rc == KRBREPL_ERR_NOTFOUND);
    return rc == 0 ? len : 0;
}

static void lockout_values_are_local_and_come_back_in_the_dump(void **state)
{
    struct scene *c = *state;
    krbrepl_pos at;

    assert_int_equal(scene_load(c, V7 MKEY LOCKED("a@Y") LOCKED("b@Y") PRINC("c@Y")), 0);
    at = c->res.pos;
    assert_int_equal(local_len(c, BYTES("a@Y")), KRBREPL_MIT_LOCKOUT_LEN);
    assert_int_equal(local_len(c, BYTES("c@Y")), 0);
    scene_assert_dump(c, V7 MKEY LOCKED("a@Y") LOCKED("b@Y") PRINC("c@Y"));
    /* Only these values differ: no commit. Zeros take an entry away. */
    assert_int_equal(scene_load(c, V7 MKEY PRINC("a@Y") LOCKED("b@Y") LOCKED("c@Y")), 0);
    assert_memory_equal(&at, &c->res.pos, sizeof at);
    assert_int_equal(c->res.kind, 0);
    assert_int_equal(local_len(c, BYTES("a@Y")), 0);
    scene_assert_dump(c, V7 MKEY PRINC("a@Y") LOCKED("b@Y") LOCKED("c@Y"));
    assert_int_equal(scene_update(c, V7 LOCKED("a@Y") PRINC("b@Y")), 0);
    scene_assert_dump(c, V7 MKEY LOCKED("a@Y") PRINC("b@Y") LOCKED("c@Y"));
}

static void principal_that_is_gone_and_comes_back_has_no_lockout_values(void **state)
{
    struct scene *c = *state;

    assert_int_equal(scene_load(c, V7 MKEY LOCKED("a@Y")), 0);
    assert_int_equal(scene_load(c, V7 MKEY), 0);
    assert_int_equal(scene_load(c, "ipropx 1 1 2 3\n" MKEY PRINC("a@Y")), 0);
    scene_assert_dump(c, V7 MKEY PRINC("a@Y"));
}

static void file_made_for_iprop_leaves_lockout_values_alone(void **state)
{
    struct scene *c = *state;

    assert_int_equal(scene_load(c, V7 MKEY LOCKED("a@Y")), 0);
    assert_int_equal(scene_load(c, "ipropx 1 12 1700000000 5\n" MKEY PRINC("a@Y") PRINC("b@Y")), 0);
    assert_int_equal(c->res.version, 0);
    assert_non_null(strstr(c->notes, "iprop"));
    scene_assert_dump(c, V7 MKEY LOCKED("a@Y") PRINC("b@Y"));
}

static void local_entry_of_another_format_is_left_out_of_the_dump(void **state)
{
    struct scene *c = *state;
    krbrepl_mit_dump_options opt;
    char *text;

    assert_int_equal(scene_load(c, V7 MKEY PRINC("a@Y")), 0);
    assert_int_equal(krbrepl_local_put(c->s, "principal", BYTES("a@Y"),
                                       BYTES("something that is longer than a lockout entry")),
                     0);
    KRBREPL_INIT(&opt);
    opt.note = scene_note;
    opt.ctx = c;
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, &opt, NULL, &c->ei), 0);
    assert_non_null(strstr(c->notes, "left out"));
    text = scene_read(c->other);
    assert_string_equal(text, V7 MKEY PRINC("a@Y"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(dump_after_load_has_every_line_again),
        SCENE(load_replaces_what_was_there_and_keeps_other_tables),
        SCENE(loading_the_same_again_makes_no_commit),
        SCENE(malformed_file_changes_nothing),
        SCENE(record_given_twice_is_refused_with_both_lines),
        SCENE(file_without_principals_does_not_empty_the_database),
        SCENE(dump_of_a_part_is_noted),
        SCENE(old_dump_ok_file_is_noted),
        SCENE(update_puts_the_file_beside_what_is_there),
        SCENE(update_larger_than_a_commit_is_made_in_several),
        SCENE(replica_is_not_loaded),
        SCENE(lockout_values_are_local_and_come_back_in_the_dump),
        SCENE(principal_that_is_gone_and_comes_back_has_no_lockout_values),
        SCENE(file_made_for_iprop_leaves_lockout_values_alone),
        SCENE(local_entry_of_another_format_is_left_out_of_the_dump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
