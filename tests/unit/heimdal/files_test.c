#include "place.h"

static void a_dump_of_kadmin_comes_out_as_it_went_in(void **state)
{
    place *p = *state;

    assert_int_equal(place_load(p, SAMPLES "/sealed.dump", 0), 0);
    assert_int_equal(p->res.format, KRBREPL_HEIMDAL_DUMP);
    assert_int_equal(p->res.entries, 14);
    assert_int_equal(p->res.aliases, 1);
    assert_int_equal(p->res.clear, 0);
    assert_int_equal(place_records(p), 15);
    place_dump(p, KRBREPL_HEIMDAL_DUMP);
    place_same_lines(p->file, SAMPLES "/sealed.dump");
    assert_string_equal(p->note, "");
}

static void a_decrypted_dump_is_loaded_with_a_note(void **state)
{
    place *p = *state;

    assert_int_equal(place_load(p, SAMPLES "/hdb.dump", 0), 0);
    assert_true(p->res.clear > 30);
    assert_non_null(strstr(p->note, "keys in clear"));
    place_dump(p, 0);
    place_same_lines(p->file, SAMPLES "/hdb.dump");
}

static void both_formats_of_one_database_are_the_same_content(void **state)
{
    place *p = *state;

    assert_int_equal(place_load(p, SAMPLES "/hprop.out", 0), 0);
    assert_int_equal(p->res.format, KRBREPL_HEIMDAL_HPROP);
    assert_int_equal(p->res.entries, 14);
    assert_int_equal(place_load(p, SAMPLES "/sealed.dump", 0), 0);
    assert_int_equal(p->res.commits, 0); /* byte for byte the same */
    place_dump(p, KRBREPL_HEIMDAL_HPROP);
    assert_int_equal(place_load(p, p->file, 0), 0);
    assert_int_equal(p->res.commits, 0);
}

static void what_hprop_wrote_comes_out_with_the_same_entries(void **state)
{
    place *p = *state;
    size_t n, m;
    char *a, *b;

    assert_int_equal(place_load(p, SAMPLES "/hprop.out", 0), 0);
    place_dump(p, KRBREPL_HEIMDAL_HPROP);
    a = place_read(SAMPLES "/hprop.out", &n);
    b = place_read(p->file, &m);
    assert_int_equal(n, m);
    assert_memory_equal(b + m - 4, "\0\0\0\0", 4);
    free(a);
    free(b);
}

static void an_update_leaves_other_entries_alone(void **state)
{
    place *p = *state;
    size_t n;
    char *all = place_read(SAMPLES "/sealed.dump", &n), *end = strchr(all, '\n');

    assert_int_equal(place_load(p, SAMPLES "/sealed.dump", 0), 0);
    place_write(p->file, all, (size_t)(end - all) + 1);
    assert_int_equal(place_load(p, p->file, KRBREPL_HEIMDAL_LOAD_UPDATE), 0);
    assert_int_equal(p->res.entries, 1);
    assert_int_equal(p->res.commits, 0);
    assert_int_equal(place_records(p), 15);
    assert_int_equal(place_load(p, p->file, 0), 0);
    assert_int_equal(place_records(p), 1);
    assert_int_equal(place_load(p, SAMPLES "/sealed.dump", KRBREPL_HEIMDAL_LOAD_UPDATE), 0);
    assert_int_equal(p->res.added, 14);
    assert_int_equal(place_records(p), 15);
    assert_string_not_equal(place_about(p, "alias2@EXAMPLE.ORG"), "");
    free(all);
}

#define OF_OTHERS \
    (KRBREPL_MAX_CHANGES / 2 + 100u) /* entries of which a commit holds less, when all are made anew */

static void write_entries(place *p, const char *creator)
{
    FILE *f = fopen(p->file, "w");
    unsigned i;

    assert_non_null(f);
    for (i = 0; i < OF_OTHERS; i++)
        fprintf(f,
                "u%u@EXAMPLE.ORG 1::18:%064u:- 20261122065453:%s@EXAMPLE.ORG - - - - 86400 604800 126 "
                "20261122065453:1:1 301AA003010100A113A711180F32303236313132323036353435335A\n",
                i, i, creator);
    assert_int_equal(fclose(f), 0);
}

/* An entry that another one has made is a delete and a put in the commit. */
static void an_update_of_more_entries_than_a_commit_holds_makes_two(void **state)
{
    place *p = *state;

    write_entries(p, "someone");
    assert_int_equal(place_load(p, p->file, 0), 0);
    write_entries(p, "another");
    if (place_load(p, p->file, KRBREPL_HEIMDAL_LOAD_UPDATE) != 0)
        fail_msg("%s", p->ei.text);
    assert_int_equal(p->res.changed, OF_OTHERS);
    assert_int_equal(p->res.commits, 2);
    assert_int_equal(place_records(p), OF_OTHERS);
}

static void expect_refused(place *p, const char *file, const char *why)
{
    uint64_t before = place_records(p);

    assert_int_equal(place_load(p, file, 0), KRBREPL_ERR_INPUT);
    assert_non_null(strstr(p->ei.text, why));
    assert_int_equal(place_load(p, file, KRBREPL_HEIMDAL_LOAD_UPDATE), KRBREPL_ERR_INPUT);
    assert_int_equal(place_records(p), before);
}

static void a_file_that_was_cut_off_changes_nothing(void **state)
{
    place *p = *state;
    size_t n;
    char *all;

    assert_int_equal(place_load(p, SAMPLES "/sealed.dump", 0), 0);
    all = place_read(SAMPLES "/hprop.out", &n);
    place_write(p->file, all, n - 100);
    expect_refused(p, p->file, "cut off");
    free(all);
    all = place_read(SAMPLES "/sealed.dump", &n);
    place_write(p->file, all, n - 1);
    expect_refused(p, p->file, ":14: the line has no end");
    place_write(p->file, "", 0);
    expect_refused(p, p->file, "empty");
    free(all);
}

static void expect_line_refused(place *p, const char *line, const char *why)
{
    place_write(p->file, line, strlen(line));
    expect_refused(p, p->file, why);
}

static void a_line_that_is_malformed_is_named(void **state)
{
    place *p = *state;

    expect_line_refused(p, "a@R\n", ":1: the field \"keys\"");
    expect_line_refused(p, "a@R@S 1 - - - - - - - 0 - -\n", "\"principal\"");
    expect_line_refused(p, "a@R x - - - - - - - 0 - -\n", "\"key version\"");
    expect_line_refused(p, "a@R 1::18:0:- 20260101000000:a@R - - - - - - 0 - -\n", "\"key\"");
    expect_line_refused(p, "a@R 1::18:00 20260101000000:a@R - - - - - - 0 - -\n", "\"keys\"");
    expect_line_refused(p, "a@R 1::18:00:3 20260101000000:a@R - - - - - - 0 - -\n", "\"salt\"");
    expect_line_refused(p, "a@R 1 - - - - - - - 0 - -\n", "\"created-by\"");
    expect_line_refused(p, "a@R 1 2026010100000:a@R - - - - - - 0 - -\n", "\"created-by\"");
    expect_line_refused(p, "a@R 1 20260101000000:a@R - x - - - - 0 - -\n", "\"valid-start\"");
    expect_line_refused(p, "a@R 1 20260101000000:a@R - - - - 99999999999 - 0 - -\n", "\"max-life\"");
    expect_line_refused(p, "a@R 1 20260101000000:a@R - - - - - - 0x - -\n", "\"flags\"");
    expect_line_refused(p, "a@R 1 20260101000000:a@R - - - - - - 0 1 -\n", "\"generation\"");
    expect_line_refused(p, "a@R 1 20260101000000:a@R - - - - - - 0 - 3000\n", "extensions");
    expect_line_refused(p, "a@R 1 20260101000000:a@R - - - - - - 0 - - -\n", "number of fields");
}

static void an_entry_that_comes_twice_is_refused(void **state)
{
    place *p = *state;
    static const char twice[] = "a@R 1 20260101000000:a@R - - - - - - 0 - -\n"
                                "b@R 1 20260101000000:UNKNOWN - - - - - - 126 - -\n"
                                "a@R 1 20260101000000:a@R - - - - - - 0 - -\n";

    place_write(p->file, twice, sizeof twice - 1);
    assert_int_equal(place_load(p, p->file, 0), KRBREPL_ERR_INPUT);
    assert_non_null(strstr(p->ei.text, ":3: "));
    assert_int_equal(place_records(p), 0);
}

static void records_of_other_tables_stay(void **state)
{
    place *p = *state;
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(p->s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "other", BYTES("k"), BYTES("v")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(place_load(p, SAMPLES "/hprop.out", 0), 0);
    assert_int_equal(place_records(p), 16);
}

static void records_are_described_without_their_keys(void **state)
{
    place *p = *state;

    assert_int_equal(place_load(p, SAMPLES "/hdb.dump", 0), 0);
    assert_non_null(
        strstr(place_about(p, "alice@EXAMPLE.ORG"), "alice@EXAMPLE.ORG: kvno 2 (aes256-cts, "));
    assert_non_null(strstr(place_about(p, "alice@EXAMPLE.ORG"), "expires 2031-02-03T23:59:59Z"));
    assert_non_null(strstr(place_about(p, "alice@EXAMPLE.ORG"), "aliases alias2@EXAMPLE.ORG"));
    assert_non_null(strstr(place_about(p, "alice@EXAMPLE.ORG"), "by kadmin/admin@EXAMPLE.ORG"));
    assert_string_equal(place_about(p, "alias2@EXAMPLE.ORG"),
                        "alias2@EXAMPLE.ORG: alias of alice@EXAMPLE.ORG");
}

static void a_file_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(krbrepl_heimdal_format_of("a@R 1 ", 6), KRBREPL_HEIMDAL_DUMP);
    assert_int_equal(krbrepl_heimdal_format_of("a\\@b ", 5), 0);
    assert_int_equal(krbrepl_heimdal_format_of("\0\0\1\2\x30\x82", 6), KRBREPL_HEIMDAL_HPROP);
    assert_int_equal(krbrepl_heimdal_format_of("kdb5_util load_dump version 7\n", 30), 0);
    assert_int_equal(krbrepl_heimdal_format_of("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE(a_dump_of_kadmin_comes_out_as_it_went_in),
        PLACE(a_decrypted_dump_is_loaded_with_a_note),
        PLACE(both_formats_of_one_database_are_the_same_content),
        PLACE(what_hprop_wrote_comes_out_with_the_same_entries),
        PLACE(an_update_leaves_other_entries_alone),
        PLACE(an_update_of_more_entries_than_a_commit_holds_makes_two),
        PLACE(a_file_that_was_cut_off_changes_nothing),
        PLACE(a_line_that_is_malformed_is_named),
        PLACE(an_entry_that_comes_twice_is_refused),
        PLACE(records_of_other_tables_stay),
        PLACE(records_are_described_without_their_keys),
        cmocka_unit_test(a_file_says_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
