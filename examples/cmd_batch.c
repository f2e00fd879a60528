/* cmd_batch.c: krbrepl batch: many commits from standard input.
 *
 * One instruction a line; words are those of token.h:
 *     put TABLE KEY VALUE
 *     delete TABLE KEY
 *     commit [WHY]
 * Blank lines and lines that begin with # are passed over. The changes of a commit are gathered before its
 * transaction begins, so that the writer lock is never held at the pace of whoever writes the input. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "keyfile.h"
#include "lines.h"
#include "token.h"

struct pending {
    uint64_t line;
    char table[KRBREPL_MAX_TABLE + 1];
    uint8_t *key, *value;
    size_t key_len, value_len;
    bool put;
};

struct batch {
    struct cli c;
    char *why;
    bool missing_ok;
    struct lines in;
    struct pending *list;
    size_t count, room, bytes;
    uint64_t commits;
};

static void drop(struct batch *b)
{
    size_t i;

    for (i = 0; i < b->count; i++) {
        prog_wipe_free(b->list[i].key, b->list[i].key_len);
        prog_wipe_free(b->list[i].value, b->list[i].value_len);
    }
    b->count = b->bytes = 0;
}

static int refuse(struct batch *b, uint64_t line, const char *what)
{
    char *text = prog_format("line %llu: %s", (unsigned long long)line, what);
    int rc = cli_refuse(
        &b->c, text,
        "the commits printed so far were made, nothing after them; correct the line and give "
        "the rest of the input");

    free(text);
    return rc;
}

static int store_failed(struct batch *b, uint64_t line, int err)
{
    krbrepl_errinfo ei, with_line;

    KRBREPL_INIT(&ei);
    if (krbrepl_store_errinfo(b->c.store, &ei) != 0 || ei.code != err)
        snprintf(ei.text, sizeof ei.text, "%s", krbrepl_strerror(err));
    with_line = ei;
    /* The front of the text says where; its end may go. */
    (void)snprintf(with_line.text, sizeof with_line.text, "line %llu: %.200s", (unsigned long long)line,
                   ei.text);
    return cli_failed(&b->c, err, &with_line);
}

/* The words of a line, at most four. -1 after a message. */
static int split(struct batch *b, uint8_t *words[4], size_t lens[4])
{
    char *p = b->in.buf, *end = b->in.buf + b->in.len;
    const char *why = "";
    uint8_t *word;
    size_t len;
    int n = 0, rc;

    while ((rc = token_next(&p, end, &word, &len, &why)) == 1) {
        if (n == 4) {
            (void)refuse(b, b->in.number, "there is a word too many");
            return -1;
        }
        words[n] = word;
        lens[n++] = len;
    }
    if (rc == 0)
        return n;
    (void)refuse(b, b->in.number, why);
    return -1;
}

static uint8_t *copy(const uint8_t *data, size_t len)
{
    uint8_t *p = prog_alloc(len);

    if (len > 0)
        memcpy(p, data, len);
    return p;
}

/* "" or what is wrong. */
static const char *add(struct batch *b, bool put, uint8_t *const words[4], const size_t lens[4])
{
    struct pending *change;

    if (lens[1] == 0 || lens[1] > KRBREPL_MAX_TABLE || memchr(words[1], 0, lens[1]) != NULL)
        return "a table has a name of 1 to 32 of the characters a-z 0-9 _ -";
    if (b->count == KRBREPL_MAX_CHANGES)
        return "a commit has at most 65,536 changes; write `commit` in between";
    if (b->bytes + lens[2] + (put ? lens[3] : 0) > KRBREPL_MAX_COMMIT)
        return "a commit has at most 64 MiB; write `commit` in between";
    if (b->count == b->room) {
        b->room = b->room == 0 ? 64 : b->room * 2;
        b->list = prog_grow(b->list, b->room * sizeof *b->list);
    }
    change = &b->list[b->count++];
    memset(change, 0, sizeof *change);
    change->line = b->in.number;
    change->put = put;
    memcpy(change->table, words[1], lens[1]);
    change->key_len = lens[2];
    change->key = copy(words[2], lens[2]);
    if (put) {
        change->value_len = lens[3];
        change->value = copy(words[3], lens[3]);
    }
    b->bytes += change->key_len + change->value_len;
    return "";
}

static int apply(struct batch *b, krbrepl_txn *t, uint64_t *line)
{
    int rc = 0;
    size_t i;

    for (i = 0; i < b->count && rc == 0; i++) {
        const struct pending *change = &b->list[i];
        krbrepl_bytes key = {change->key, change->key_len}, value = {change->value, change->value_len};

        *line = change->line;
        if (change->put)
            rc = krbrepl_txn_put(t, change->table, key, value);
        else
            rc = krbrepl_txn_delete(t, change->table, key);
        if (rc == KRBREPL_ERR_NOTFOUND && b->missing_ok)
            rc = 0;
    }
    return rc;
}

static void report(struct batch *b, const krbrepl_pos *pos)
{
    if (b->c.json) {
        json_open(&b->c.out, NULL, '{');
        json_u64(&b->c.out, "line", b->in.number);
        json_u64(&b->c.out, "changes", b->count);
        cli_json_pos(&b->c.out, "position", pos);
        json_close(&b->c.out, '}');
    } else if (!b->c.quiet) {
        printf("%llu\n", (unsigned long long)pos->seq);
    }
    /* Whoever writes the input may wait for the answer. */
    fflush(stdout);
}

static int commit(struct batch *b, const char *why)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    uint64_t line = b->in.number;
    krbrepl_pos pos;
    int rc;

    KRBREPL_INIT(&opt);
    opt.why = why;
    rc = krbrepl_txn_begin(b->c.store, &t, &opt);
    if (rc == 0)
        rc = apply(b, t, &line);
    if (rc == 0) {
        line = b->in.number;
        rc = krbrepl_txn_commit(t, &pos);
        t = NULL;
    }
    if (rc != 0)
        rc = store_failed(b, line, rc);
    else
        report(b, &pos);
    krbrepl_txn_abort(t);
    drop(b);
    return rc;
}

static int commit_line(struct batch *b, int n, uint8_t *const words[4], const size_t lens[4])
{
    char *why;
    int rc;

    if (n > 2)
        return refuse(b, b->in.number, "behind `commit` stands one word at most: what it is for");
    if (n < 2)
        return commit(b, b->why != NULL ? b->why : "krbrepl batch");
    why = prog_alloc(lens[1] + 1);
    memcpy(why, words[1], lens[1]);
    rc = commit(b, why);
    free(why);
    return rc;
}

static bool is(const char *word, const uint8_t *data, size_t len)
{
    return len == strlen(word) && memcmp(word, data, len) == 0;
}

static int one_line(struct batch *b)
{
    uint8_t *words[4];
    size_t lens[4];
    const char *wrong;
    int n;

    if (b->in.len > 0 && b->in.buf[0] == '#')
        return PROG_OK;
    n = split(b, words, lens);
    if (n <= 0)
        return n == 0 ? PROG_OK : PROG_FAILED;
    if (is("commit", words[0], lens[0]))
        return commit_line(b, n, words, lens);
    if (is("put", words[0], lens[0]) && n == 4)
        wrong = add(b, true, words, lens);
    else if (is("delete", words[0], lens[0]) && n == 3)
        wrong = add(b, false, words, lens);
    else
        wrong = "a line is `put TABLE KEY VALUE`, `delete TABLE KEY` or `commit`";
    return *wrong == '\0' ? PROG_OK : refuse(b, b->in.number, wrong);
}

static int run_batch(struct batch *b, const char *dir)
{
    const char *why = "";
    int rc = cli_open(&b->c, dir, 0), more;
    struct keyfile k;

    if (rc != PROG_OK)
        return rc;
    k = keyfile_of(stdin);
    lines_start(&b->in, k.f);
    while ((more = lines_next(&b->in, &why)) == 1 && rc == PROG_OK)
        rc = one_line(b);
    if (rc == PROG_OK && more < 0)
        rc = refuse(b, b->in.number, why);
    if (rc == PROG_OK && b->count > 0)
        rc = refuse(
            b, b->list[0].line,
            "this change and those after it were not committed: the input ends without `commit`");
    drop(b);
    free(b->list);
    lines_end(&b->in);
    (void)keyfile_close(&k);
    return rc;
}

int cmd_batch(int argc, char **argv)
{
    struct batch b = {0};
    struct opt opts[] = {
        {.name = "why",
         .kind = OPT_TEXT,
         .to = &b.why,
         .arg = "TEXT",
         .help = "what the commits are for, where a line does not say"},
        {.name = "missing-ok",
         .kind = OPT_FLAG,
         .to = &b.missing_ok,
         .help = "deleting what is not there is no failure"},
        CLI_OPTS(&b.c),
    };
    const struct opt_command cmd = {
        .name = "krbrepl batch",
        .operands = "DIR",
        .least = 1,
        .most = 1,
        .opts = opts,
        .summary = "Reads changes from standard input and commits them, on the master.",
        .notes = "Each line is one of\n"
                 "    put TABLE KEY VALUE\n"
                 "    delete TABLE KEY\n"
                 "    commit [WHY]\n"
                 "or begins with #. A word is written as it is (letters, digits and -_./@+:=,~%^!?;), "
                 "or \"quoted\"\n"
                 "with \\\" \\\\ \\n \\t \\r \\xHH inside, or in hexadecimal as 0xHEX. What stands "
                 "before a `commit` is\n"
                 "one commit, whole or not at all; its number is printed as soon as it is on the disk. "
                 "The first\n"
                 "mistake ends the work and is named with its line."};
    int rc = cli_begin(&b.c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    return cli_end(&b.c, &cmd, run_batch(&b, argv[0]));
}
