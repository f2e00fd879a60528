/* opts_test.c: command lines. */
#include "test.h"

#include "opts.h"
#include "prog.h"

struct values {
    bool flag, other;
    char *text, *list;
    uint64_t number, size, time;
    uint8_t id[16];
};

static struct values v;
static struct opt opts[10];
static int argc;
static char **argv;

static int fill(struct opt_command *cmd)
{
    const struct opt table[] = {
        {.name = "flag", .letter = 'f', .kind = OPT_FLAG, .to = &v.flag, .help = "x"},
        {.name = "other", .letter = 'o', .kind = OPT_FLAG, .to = &v.other, .help = "x"},
        {.name = "text", .letter = 't', .kind = OPT_TEXT, .to = &v.text, .arg = "TEXT", .help = "x"},
        {.name = "list", .letter = 'l', .kind = OPT_LIST, .to = &v.list, .arg = "ITEM", .help = "x"},
        {.name = "number", .kind = OPT_NUMBER, .to = &v.number, .arg = "N", .help = "x"},
        {.name = "size", .kind = OPT_SIZE, .to = &v.size, .arg = "SIZE", .help = "x"},
        {.name = "time", .kind = OPT_TIME, .to = &v.time, .arg = "TIME", .help = "x"},
        {.name = "id", .kind = OPT_ID, .to = v.id, .arg = "HEX", .help = "x"},
        {.name = NULL},
    };

    opts_free(opts);
    memset(&v, 0, sizeof v);
    memcpy(opts, table, sizeof table);
    *cmd = (struct opt_command){
        .name = "test", .operands = "A B", .least = 1, .most = 2, .summary = "x", .opts = opts};
    return 0;
}

/* Splits a line at its blanks, `_` standing for a blank inside a word, and parses it. */
static int parse(const char *line)
{
    static char copy[512], *words[32];
    struct opt_command cmd;
    char *p, *save = NULL;

    fill(&cmd);
    snprintf(copy, sizeof copy, "%s", line);
    argc = 0;
    for (p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save)) {
        char *u;

        for (u = p; *u != '\0'; u++)
            if (*u == '_')
                *u = ' ';
        words[argc++] = p;
    }
    argv = words;
    return opts_parse(&cmd, &argc, &argv);
}

static void each_kind_of_value_is_stored(void **state)
{
    (void)state;
    assert_int_equal(parse("-f --text hello -l a --list=b,c --number 7 --size 2K --time 5_min "
                           "--id 000102030405060708090a0b0c0d0e0f DIR X"),
                     OPTS_GO);
    assert_true(v.flag);
    assert_false(v.other);
    assert_string_equal(v.text, "hello");
    assert_string_equal(v.list, "a,b,c");
    assert_int_equal(v.number, 7);
    assert_int_equal(v.size, 2048);
    assert_int_equal(v.time, 300000);
    assert_int_equal(v.id[15], 15);
    assert_int_equal(argc, 2);
    assert_string_equal(argv[0], "DIR");
}

static void short_options_can_stand_together(void **state)
{
    (void)state;
    assert_int_equal(parse("-fotword DIR"), OPTS_GO);
    assert_true(v.flag && v.other);
    assert_string_equal(v.text, "word");
    assert_int_equal(parse("-fo -t word DIR"), OPTS_GO);
    assert_string_equal(v.text, "word");
}

static void the_last_of_two_equal_options_holds(void **state)
{
    (void)state;
    assert_int_equal(parse("--text one --text two DIR"), OPTS_GO);
    assert_string_equal(v.text, "two");
}

static void two_dashes_and_one_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(parse("-- -f"), OPTS_GO);
    assert_int_equal(argc, 1);
    assert_false(v.flag);
    assert_int_equal(parse("- -f"), OPTS_GO);
    assert_int_equal(argc, 2);
}

static void what_is_wrong_is_a_usage_error(void **state)
{
    static const char *const lines[] = {
        "--unknown",  "-x",          "-fx",         "--text",      "-t",      "--flag=yes",
        "--number x", "--number -1", "--size much", "--time soon", "--id 00", "--text=",
        "--no-flag",  "--fla",       "--versio",    "--hel",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (parse(lines[i]) != PROG_USAGE)
            fail_msg("`%s` was accepted", lines[i]);
}

static void the_number_of_operands_is_checked(void **state)
{
    char *words[] = {(char[]){"a"}, (char[]){"b"}, (char[]){"-c"}, NULL};
    struct opt_command cmd;

    (void)state;
    fill(&cmd);
    assert_false(opts_operands(&cmd, 0, words));
    assert_true(opts_operands(&cmd, 1, words));
    assert_true(opts_operands(&cmd, 2, words));
    assert_false(opts_operands(&cmd, 3, words));
    cmd.most = -1;
    assert_true(opts_operands(&cmd, 3, words));
}

static int forget(void **state)
{
    (void)state;
    opts_free(opts);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_value_is_stored),
        cmocka_unit_test(short_options_can_stand_together),
        cmocka_unit_test(the_last_of_two_equal_options_holds),
        cmocka_unit_test(two_dashes_and_one_end_the_options),
        cmocka_unit_test(what_is_wrong_is_a_usage_error),
        cmocka_unit_test(the_number_of_operands_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
