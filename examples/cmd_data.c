/* cmd_data.c: krbrepl put, get, delete, list. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "keyfile.h"
#include "mitglue.h"
#include "token.h"

/* Bytes that are ours to free. */
struct owned {
    uint8_t *data;
    size_t len;
};

static krbrepl_bytes borrow(const struct owned *o)
{
    krbrepl_bytes b = {o->data, o->len};

    return b;
}

static void owned_free(struct owned *o)
{
    prog_wipe_free(o->data, o->len);
    o->data = NULL;
}

/* An operand: its characters, or with --hex what its digits say. */
static bool from_operand(struct cli *c, struct owned *o, const char *text, bool hex)
{
    o->len = hex ? strlen(text) / 2 : strlen(text);
    o->data = prog_alloc(o->len + 1);
    if (!hex) {
        memcpy(o->data, text, o->len);
        return true;
    }
    if (strlen(text) % 2 == 0 && prog_unhex(o->data, o->len, text))
        return true;
    (void)cli_refuse(c, "--hex: an operand is not made of pairs of hexadecimal digits",
                     "leave --hex out for text");
    return false;
}

static bool read_all(struct cli *c, struct owned *o, FILE *f, const char *name)
{
    size_t room = 0, n = 1;

    while (n > 0 && o->len <= KRBREPL_MAX_VALUE) {
        if (o->len == room) {
            size_t bigger = room == 0 ? 65536 : room * 2;
            uint8_t *fresh = prog_alloc(bigger);

            if (o->len > 0)
                memcpy(fresh, o->data, o->len);
            prog_wipe_free(o->data, room);
            o->data = fresh;
            room = bigger;
        }
        n = fread(o->data + o->len, 1, room - o->len, f);
        o->len += n;
    }
    if (ferror(f)) {
        prog_say("%s: %s", name, strerror(errno));
        (void)cli_refuse(c, "the value cannot be read", "nothing was changed; name another file");
        return false;
    }
    if (o->len > KRBREPL_MAX_VALUE) {
        (void)cli_refuse(c, "the value is larger than 16 MiB", "nothing was changed; store less");
        return false;
    }
    return true;
}

static bool from_stream(struct cli *c, struct owned *o, FILE *f, const char *name)
{
    struct keyfile k = keyfile_of(f);
    const bool ok = read_all(c, o, k.f, name);

    (void)keyfile_close(&k);
    return ok;
}

static bool from_file(struct cli *c, struct owned *o, const char *file)
{
    FILE *f = fopen(file, "re");

    if (f == NULL) {
        prog_say("%s: %s", file, strerror(errno));
        (void)cli_refuse(c, "the value cannot be read", "nothing was changed; name another file");
        return false;
    }
    return from_stream(c, o, f, file);
}

struct edit {
    struct cli c;
    char *why, *file;
    bool hex;
};

#define EDIT_OPTS(e)                                         \
    {.name = "hex",                                          \
     .kind = OPT_FLAG,                                       \
     .to = &(e)->hex,                                        \
     .help = "KEY and VALUE are hexadecimal digits"},        \
        {.name = "why",                                      \
         .kind = OPT_TEXT,                                   \
         .to = &(e)->why,                                    \
         .arg = "TEXT",                                      \
         .help = "what the change is for, for the journal"}, \
        CLI_OPTS(&(e)->c)

static int report_commit(struct cli *c, const krbrepl_pos *pos)
{
    if (c->json) {
        json_open(&c->out, NULL, '{');
        cli_json_pos(&c->out, "position", pos);
        json_close(&c->out, '}');
    } else if (!c->quiet) {
        printf("commit %llu\n", (unsigned long long)pos->seq);
    }
    return PROG_OK;
}

/* One commit of one change: a put, or with `value` NULL a delete. */
static int commit_one(struct edit *e, const char *dir, const char *table, krbrepl_bytes key,
                      const krbrepl_bytes *value)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    krbrepl_pos pos;
    int rc = cli_open(&e->c, dir, 0);

    if (rc != PROG_OK)
        return rc;
    KRBREPL_INIT(&opt);
    opt.why = e->why != NULL ? e->why : value != NULL ? "krbrepl put" : "krbrepl delete";
    rc = krbrepl_txn_begin(e->c.store, &t, &opt);
    if (rc == 0)
        rc = value != NULL ? krbrepl_txn_put(t, table, key, *value) : krbrepl_txn_delete(t, table, key);
    if (rc == 0) {
        rc = krbrepl_txn_commit(t, &pos);
        t = NULL;
    }
    if (rc != 0)
        rc = cli_failed_store(&e->c, rc);
    else
        rc = report_commit(&e->c, &pos);
    krbrepl_txn_abort(t);
    return rc;
}

static bool read_value(struct edit *e, struct owned *value, int argc, char **argv)
{
    if (argc == 4 && e->file != NULL) {
        (void)cli_refuse(&e->c, "VALUE and --file exclude each other", "leave one of them out");
        return false;
    }
    if (e->file != NULL)
        return from_file(&e->c, value, e->file);
    if (argc == 4 && strcmp(argv[3], "-") != 0)
        return from_operand(&e->c, value, argv[3], e->hex);
    return from_stream(&e->c, value, stdin, "standard input");
}

int cmd_put(int argc, char **argv)
{
    struct edit e = {0};
    struct owned key = {0}, value = {0};
    krbrepl_bytes borrowed;
    struct opt opts[] = {
        {.name = "file",
         .kind = OPT_TEXT,
         .to = &e.file,
         .arg = "FILE",
         .help = "the bytes of FILE are the value"},
        EDIT_OPTS(&e),
    };
    const struct opt_command cmd = {
        .name = "krbrepl put",
        .operands = "DIR TABLE KEY [VALUE|-]",
        .least = 3,
        .most = 4,
        .opts = opts,
        .summary = "Stores the record KEY of TABLE, in one commit, on the master.",
        .notes = "Without VALUE, and with -, the value is read from standard input, byte for byte.\n"
                 "Prints the number of the commit."};
    int rc = cli_begin(&e.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    rc = PROG_FAILED;
    if (from_operand(&e.c, &key, argv[2], e.hex) && read_value(&e, &value, argc, argv)) {
        borrowed = borrow(&value);
        rc = commit_one(&e, argv[0], argv[1], borrow(&key), &borrowed);
    }
    owned_free(&key);
    owned_free(&value);
    return cli_end(&e.c, &cmd, rc);
}

int cmd_delete(int argc, char **argv)
{
    struct edit e = {0};
    struct owned key = {0};
    struct opt opts[] = {EDIT_OPTS(&e)};
    const struct opt_command cmd = {
        .name = "krbrepl delete",
        .operands = "DIR TABLE KEY",
        .least = 3,
        .most = 3,
        .opts = opts,
        .summary = "Deletes the record KEY of TABLE, in one commit, on the master.",
        .notes = "Prints the number of the commit. A record that is not there is a failure."};
    int rc = cli_begin(&e.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    rc = PROG_FAILED;
    if (from_operand(&e.c, &key, argv[2], e.hex))
        rc = commit_one(&e, argv[0], argv[1], borrow(&key), NULL);
    owned_free(&key);
    return cli_end(&e.c, &cmd, rc);
}

/* How a value is shown. */
struct show {
    struct cli c;
    bool hex, raw, values, count, reverse;
    uint64_t limit;
    uint64_t seen;
    krbrepl_bytes prefix;
};

static void json_record(struct show *s, const char *table, krbrepl_bytes key, krbrepl_bytes value,
                        bool with_value)
{
    struct json *j = &s->c.out;
    char line[1024];

    json_open(j, NULL, '{');
    json_text(j, "table", table);
    json_bytes(j, "key", key.data, key.len);
    json_u64(j, "length", value.len);
    if (mitglue_describe(table, key, value, line, sizeof line))
        json_text(j, "about", line);
    if (s->hex)
        json_hex(j, "value_hex", value.data, value.len);
    else if (with_value && !mitglue_is_secret(table))
        json_bytes(j, "value", value.data, value.len);
    json_close(j, '}');
}

static void print_hex(const krbrepl_bytes *b)
{
    const uint8_t *p = b->data;
    size_t i;

    for (i = 0; i < b->len; i++)
        printf("%02x", p[i]);
}

/* The value alone, or what may be said about it. */
static void print_value(const struct show *s, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    char line[1024];

    if (s->hex)
        print_hex(&value);
    else if (mitglue_describe(table, key, value, line, sizeof line))
        fputs(line, stdout);
    else if (mitglue_is_secret(table))
        printf("%zu bytes; --hex or --raw show them", value.len);
    else if (json_is_text(value.data, value.len))
        fwrite(value.data, 1, value.len, stdout);
    else
        token_show(stdout, value.data, value.len);
    putchar('\n');
}

static int get_one(struct show *s, const char *dir, const char *table, krbrepl_bytes key)
{
    krbrepl_view *view = NULL;
    krbrepl_bytes value;
    int rc = cli_open(&s->c, dir, KRBREPL_STORE_READONLY);

    if (rc != PROG_OK)
        return rc;
    rc = krbrepl_view_open(s->c.store, &view);
    if (rc == 0)
        rc = krbrepl_view_get(view, table, key, &value);
    if (rc != 0)
        rc = cli_failed_store(&s->c, rc);
    else if (s->c.json)
        json_record(s, table, key, value, true);
    else if (s->raw)
        fwrite(value.data, 1, value.len, stdout);
    else
        print_value(s, table, key, value);
    krbrepl_view_close(view);
    return rc;
}

int cmd_get(int argc, char **argv)
{
    struct show s = {0};
    struct owned key = {0};
    bool hex_key = false;
    struct opt opts[] = {
        {.name = "hex", .kind = OPT_FLAG, .to = &s.hex, .help = "print the value in hexadecimal"},
        {.name = "raw",
         .kind = OPT_FLAG,
         .to = &s.raw,
         .help = "print the bytes of the value, nothing else"},
        {.name = "hex-key", .kind = OPT_FLAG, .to = &hex_key, .help = "KEY is hexadecimal digits"},
        CLI_OPTS(&s.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl get",
        .operands = "DIR TABLE KEY",
        .least = 3,
        .most = 3,
        .opts = opts,
        .summary = "Prints the record KEY of TABLE.",
        .notes =
            "Text is printed as it is, anything else as 0x and hexadecimal digits. Of principals and\n"
            "policies only a description is printed, for principals hold keys; --hex and --raw print\n"
            "their bytes."};
    int rc = cli_begin(&s.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    rc = PROG_FAILED;
    if (from_operand(&s.c, &key, argv[2], hex_key))
        rc = get_one(&s, argv[0], argv[1], borrow(&key));
    owned_free(&key);
    return cli_end(&s.c, &cmd, rc);
}

/* What ends a walk before its end, well. */
#define ENOUGH 1
/* Up to this length keys are walked in the order of their bytes. */
#define LONGEST_IN_ORDER 400

static int list_record(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct show *s = ctx;

    if (key.len < s->prefix.len || memcmp(key.data, s->prefix.data, s->prefix.len) != 0)
        return 0;
    s->seen++;
    /* Stops at once when nobody reads any more. */
    if (ferror(stdout))
        return ENOUGH;
    if (s->count)
        return 0;
    if (s->c.json) {
        json_record(s, table, key, value, s->values);
    } else {
        printf("%s ", table);
        token_show(stdout, key.data, key.len);
        putchar(s->values || s->hex ? ' ' : '\n');
        if (s->values || s->hex)
            print_value(s, table, key, value);
    }
    return s->limit > 0 && s->seen >= s->limit ? ENOUGH : 0;
}

static int list_all(struct show *s, const char *dir, const char *table)
{
    const krbrepl_bytes *from = NULL;
    krbrepl_view *view = NULL;
    int rc = cli_open(&s->c, dir, KRBREPL_STORE_READONLY);

    if (rc != PROG_OK)
        return rc;
    /* The order of longer keys is not that of their bytes. */
    if (table != NULL && !s->reverse && s->prefix.len > 0 && s->prefix.len <= LONGEST_IN_ORDER)
        from = &s->prefix;
    rc = krbrepl_view_open(s->c.store, &view);
    if (rc == 0)
        rc = krbrepl_view_each(view, table, from, NULL, s->reverse ? KRBREPL_EACH_REVERSE : 0,
                               list_record, s);
    if (rc == ENOUGH)
        rc = 0;
    if (rc != 0)
        rc = cli_failed_store(&s->c, rc);
    krbrepl_view_close(view);
    if (rc == PROG_OK && s->count && !s->c.json)
        printf("%llu\n", (unsigned long long)s->seen);
    if (rc == PROG_OK && s->c.json) {
        if (!s->count)
            return rc;
        json_open(&s->c.out, NULL, '{');
        json_u64(&s->c.out, "records", s->seen);
        json_close(&s->c.out, '}');
    }
    return rc;
}

int cmd_list(int argc, char **argv)
{
    struct show s = {0};
    struct opt opts[] = {
        {.name = "values",
         .letter = 'v',
         .kind = OPT_FLAG,
         .to = &s.values,
         .help = "print the values too; of principals and policies a description"},
        {.name = "hex", .kind = OPT_FLAG, .to = &s.hex, .help = "print the values in hexadecimal"},
        {.name = "count", .kind = OPT_FLAG, .to = &s.count, .help = "print only how many there are"},
        {.name = "reverse", .kind = OPT_FLAG, .to = &s.reverse, .help = "begin at the end"},
        {.name = "limit", .kind = OPT_NUMBER, .to = &s.limit, .arg = "N", .help = "print at most N"},
        CLI_OPTS(&s.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl list",
        .operands = "DIR [TABLE [PREFIX]]",
        .least = 1,
        .most = 3,
        .opts = opts,
        .summary =
            "Lists the records of TABLE (of all tables) in key order; with PREFIX those that begin so.",
        .notes = "One record a line: table and key. With --json one object a line."};
    int rc = cli_begin(&s.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    s.prefix.data = argc > 2 ? argv[2] : "";
    s.prefix.len = argc > 2 ? strlen(argv[2]) : 0;
    return cli_end(&s.c, &cmd, list_all(&s, argv[0], argc > 1 ? argv[1] : NULL));
}
