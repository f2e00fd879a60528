/* opts.c: command lines. */
#include "opts.h"

#include <stdlib.h>
#include <string.h>

#include "prog.h"
#include "times.h"

#define HELP_COLUMN 30

static const char *value_name(const struct opt *o)
{
    return o->arg != NULL ? o->arg : "VALUE";
}

static void print_option(const struct opt *o)
{
    const char *blank = o->kind == OPT_FLAG ? "" : " ";
    const char *value = o->kind == OPT_FLAG ? "" : value_name(o);
    char left[120];
    int n;

    if (o->letter != 0)
        n = snprintf(left, sizeof left, "  -%c, --%s%s%s", o->letter, o->name, blank, value);
    else
        n = snprintf(left, sizeof left, "      --%s%s%s", o->name, blank, value);
    if (n < HELP_COLUMN)
        printf("%-*s%s\n", HELP_COLUMN, left, o->help);
    else
        printf("%s\n%*s%s\n", left, HELP_COLUMN, "", o->help);
}

static void print_help(const struct opt_command *cmd)
{
    static const struct opt common[] = {
        {.name = "help", .letter = 'h', .kind = OPT_FLAG, .help = "print this"},
        {.name = "version", .kind = OPT_FLAG, .help = "print the version"},
    };
    const struct opt *o;
    size_t i;

    printf("usage: %s [options] %s\n\n%s\n\noptions:\n", cmd->name, cmd->operands, cmd->summary);
    for (o = cmd->opts; o != NULL && o->name != NULL; o++)
        print_option(o);
    for (i = 0; i < sizeof common / sizeof common[0]; i++)
        print_option(&common[i]);
    if (cmd->notes != NULL)
        printf("\n%s\n", cmd->notes);
}

static int wrong(const struct opt_command *cmd, const char *what, const char *which)
{
    prog_say("%s%s", what, which);
    fprintf(stderr, "usage: %s [options] %s\n`%s --help` explains the options.\n", cmd->name,
            cmd->operands, cmd->name);
    return PROG_USAGE;
}

static void add_to_list(char **list, const char *value)
{
    char *longer = *list == NULL ? prog_dup(value) : prog_format("%s,%s", *list, value);

    free(*list);
    *list = longer;
}

static void add_to_args(char ***args, const char *value)
{
    size_t n = 0;

    while (*args != NULL && (*args)[n] != NULL)
        n++;
    *args = prog_grow(*args, (n + 2) * sizeof **args);
    (*args)[n] = prog_dup(value);
    (*args)[n + 1] = NULL;
}

static void free_args(char ***args)
{
    size_t i;

    for (i = 0; *args != NULL && (*args)[i] != NULL; i++)
        free((*args)[i]);
    free(*args);
    *args = NULL;
}

static bool parse_flag(const char *value, bool *to)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    size_t i;

    for (i = 0; i < 4; i++) {
        if (strcmp(value, yes[i]) == 0)
            return *to = true;
        if (strcmp(value, no[i]) == 0) {
            *to = false;
            return true;
        }
    }
    return false;
}

/* NULL, or what would have been right. */
static const char *store_value(struct opt *o, const char *value)
{
    switch (o->kind) {
    case OPT_FLAG:
        return parse_flag(value, o->to) ? NULL : "yes or no";
    case OPT_TEXT:
        if (*value == '\0')
            return "a text that is not empty";
        free(*(char **)o->to);
        *(char **)o->to = prog_dup(value);
        return NULL;
    case OPT_LIST:
        if (*value == '\0')
            return "a text that is not empty";
        add_to_list(o->to, value);
        return NULL;
    case OPT_ARGS:
        if (*value == '\0')
            return "a text that is not empty";
        add_to_args(o->to, value);
        return NULL;
    case OPT_NUMBER:
        return times_parse_number(value, o->to) ? NULL : "a whole number, 0 or more";
    case OPT_SIZE:
        return times_parse_size(value, o->to) ? NULL : "a number of bytes such as 64 MiB";
    case OPT_TIME:
        return times_parse(value, o->to, NULL) ? NULL
                                               : "a time such as 300, 300 s, 5 min or 1 h 30 min";
    case OPT_ID:
        return prog_unhex(o->to, 16, value) ? NULL : "32 hexadecimal digits";
    }
    return "another option";
}

static int take_value(const struct opt_command *cmd, struct opt *o, const char *value)
{
    const char *expected = store_value(o, value);
    char *what;

    if (expected == NULL) {
        o->set = true;
        return OPTS_GO;
    }
    what = prog_format("--%s: `%s` is not ", o->name, value);
    (void)wrong(cmd, what, expected);
    free(what);
    return PROG_USAGE;
}

static bool begins(const char *name, const char *word, size_t len)
{
    return strncmp(name, word, len) == 0;
}

/* The name that is meant: the word itself, or the only one that begins so, where that is enough. NULL: none, or more
 * than one. */
static const char *meant(const struct opt_command *cmd, const char *word, size_t len)
{
    static const char *const common[] = {"help", "version"};
    const char *found = NULL;
    const struct opt *o;
    size_t i, n = 0;

    for (o = cmd->opts; o != NULL && o->name != NULL; o++) {
        if (begins(o->name, word, len) && o->name[len] == '\0')
            return o->name;
        if (cmd->short_names && !o->own && begins(o->name, word, len) && ++n == 1)
            found = o->name;
    }
    for (i = 0; i < sizeof common / sizeof common[0]; i++) {
        if (begins(common[i], word, len) && common[i][len] == '\0')
            return common[i];
        if (cmd->short_names && begins(common[i], word, len) && ++n == 1)
            found = common[i];
    }
    return n == 1 ? found : NULL;
}

static struct opt *find_name(const struct opt_command *cmd, const char *name)
{
    struct opt *o;

    for (o = cmd->opts; name != NULL && o != NULL && o->name != NULL; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static struct opt *find_letter(const struct opt_command *cmd, char letter)
{
    struct opt *o;

    for (o = cmd->opts; o != NULL && o->name != NULL; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

/* Where a command line is being read. */
struct cursor {
    int *argc;
    char ***argv;
};

static const char *next_word(struct cursor *at)
{
    if (*at->argc == 0)
        return NULL;
    (*at->argc)--;
    return *(*at->argv)++;
}

static int long_flag(const struct opt_command *cmd, struct opt *o, const char *equals, const char *word)
{
    if (equals == NULL)
        return take_value(cmd, o, "yes");
    return cmd->short_names ? take_value(cmd, o, equals + 1)
                            : wrong(cmd, "this option takes no value: ", word);
}

/* `--no-FLAG`; NULL when the word is something else. */
static struct opt *negated(const struct opt_command *cmd, const char *name, const char *equals)
{
    struct opt *o = NULL;

    if (cmd->short_names && equals == NULL && begins(name, "no-", 3))
        o = find_name(cmd, meant(cmd, name + 3, strlen(name + 3)));
    return o != NULL && o->kind == OPT_FLAG ? o : NULL;
}

static int long_option(const struct opt_command *cmd, struct cursor *at, const char *word)
{
    const char *equals = strchr(word, '='), *value;
    const char *name =
        meant(cmd, word + 2, equals != NULL ? (size_t)(equals - word) - 2 : strlen(word + 2));
    struct opt *o = find_name(cmd, name), *off = negated(cmd, word + 2, equals);

    if (o == NULL && off != NULL)
        return take_value(cmd, off, "no");
    if (o == NULL && name != NULL && equals == NULL) {
        if (strcmp(name, "help") == 0)
            print_help(cmd);
        else
            prog_version();
        return PROG_OK;
    }
    if (o == NULL)
        return wrong(cmd, "unknown option ", word);
    if (o->kind == OPT_FLAG)
        return long_flag(cmd, o, equals, word);
    value = equals != NULL ? equals + 1 : next_word(at);
    if (value == NULL)
        return wrong(cmd, "a value has to follow the option ", word);
    return take_value(cmd, o, value);
}

static int short_options(const struct opt_command *cmd, struct cursor *at, const char *word)
{
    const char *p, *value;
    int rc = OPTS_GO;

    for (p = word + 1; *p != '\0' && rc == OPTS_GO; p++) {
        struct opt *o = find_letter(cmd, *p);

        if (*p == 'h' && o == NULL) {
            print_help(cmd);
            return PROG_OK;
        }
        if (o == NULL)
            return wrong(cmd, "unknown option ", word);
        if (o->kind == OPT_FLAG) {
            rc = take_value(cmd, o, "yes");
            continue;
        }
        value = p[1] != '\0' ? p + 1 : next_word(at);
        if (value == NULL)
            return wrong(cmd, "a value has to follow the option ", word);
        return take_value(cmd, o, value);
    }
    return rc;
}

int opts_parse(const struct opt_command *cmd, int *argc, char ***argv)
{
    struct cursor at = {argc, argv};
    int rc = OPTS_GO;

    while (rc == OPTS_GO && *argc > 0 && (**argv)[0] == '-' && (**argv)[1] != '\0') {
        const char *word = next_word(&at);

        if (strcmp(word, "--") == 0)
            break;
        rc = word[1] == '-' ? long_option(cmd, &at, word) : short_options(cmd, &at, word);
    }
    return rc;
}

bool opts_operands(const struct opt_command *cmd, int argc, char **argv)
{
    if (argc < cmd->least) {
        (void)wrong(cmd, "operands are missing: ", cmd->operands);
        return false;
    }
    if (cmd->most >= 0 && argc > cmd->most) {
        const char *surplus = argv[cmd->most];

        (void)wrong(
            cmd, surplus[0] == '-' ? "options stand before the operands: " : "one operand too many: ",
            surplus);
        return false;
    }
    return true;
}

static bool one_from_conf(struct opt *o, struct conf *conf)
{
    char *name = prog_dup(o->name), *p, **values, **v;
    const char *expected = NULL;

    for (p = name; *p != '\0'; p++)
        if (*p == '-')
            *p = '_';
    values = conf_values(conf, name);
    for (v = values; v != NULL && *v != NULL && expected == NULL; v++) {
        expected = store_value(o, *v);
        if (expected != NULL)
            prog_say("[krbrepl] %s = %s: this is not %s; correct it in krb5.conf", name, *v, expected);
        o->set = true;
        if (o->kind != OPT_LIST && o->kind != OPT_ARGS)
            break;
    }
    conf_values_free(values);
    free(name);
    return expected == NULL;
}

bool opts_from_conf(const struct opt_command *cmd, struct conf *conf)
{
    struct opt *o;

    for (o = cmd->opts; o != NULL && o->name != NULL; o++)
        if (o->conf && !o->set && !one_from_conf(o, conf))
            return false;
    return true;
}

bool opts_is_set(const struct opt *opts, const char *name)
{
    for (; opts->name != NULL; opts++)
        if (strcmp(opts->name, name) == 0)
            return opts->set;
    return false;
}

void opts_free(struct opt *opts)
{
    for (; opts != NULL && opts->name != NULL; opts++) {
        if (opts->kind == OPT_ARGS)
            free_args(opts->to);
        if (opts->kind != OPT_TEXT && opts->kind != OPT_LIST)
            continue;
        free(*(char **)opts->to);
        *(char **)opts->to = NULL;
    }
}
