/* cmd_verify.c: krbrepl verify: reads all there is, checks it, and tells whether stores are equal. */
#include <string.h>

#include "differs.h"
#include "progress.h"

struct verified {
    krbrepl_store_info info;
    krbrepl_pos pos;
    uint8_t root[32];
    uint64_t records, commits;
};

struct walk {
    uint64_t commits, first, last;
};

static int count_commit(void *ctx, const krbrepl_commit *commit)
{
    struct walk *w = ctx;

    (void)commit;
    w->commits++;
    progress_show(NULL, "commits", w->commits, w->last >= w->first ? w->last - w->first + 1 : 0);
    return 0;
}

static int read_records(struct cli *c, struct verified *v)
{
    krbrepl_view *view = NULL;
    int rc;

    progress_show(NULL, "records", 0, 0);
    rc = krbrepl_view_open(c->store, &view);
    if (rc == 0)
        rc = krbrepl_view_pos(view, &v->pos);
    if (rc == 0)
        rc = krbrepl_view_digest(view, v->root, &v->records);
    krbrepl_view_close(view);
    return rc;
}

static int read_journal(struct cli *c, struct verified *v)
{
    struct walk w = {0, v->info.journal_first, v->info.journal_last};
    int rc = 0;

    if (w.first <= w.last && w.last > 0)
        rc = krbrepl_journal_each(c->store, 0, w.last, count_commit, &w);
    v->commits = w.commits;
    return rc;
}

static int verify_one(struct cli *c, const char *dir, struct verified *v)
{
    int rc = cli_open(c, dir, KRBREPL_STORE_READONLY);

    if (rc != PROG_OK)
        return rc;
    progress_start(c->quiet);
    KRBREPL_INIT(&v->info);
    rc = krbrepl_store_info_get(c->store, &v->info);
    if (rc == 0)
        rc = read_records(c, v);
    if (rc == 0)
        rc = read_journal(c, v);
    progress_end();
    rc = rc != 0 ? cli_failed_store(c, rc) : PROG_OK;
    krbrepl_store_close(c->store);
    c->store = NULL;
    return rc;
}

static void print_one(struct cli *c, const char *dir, const struct verified *v)
{
    char hex[65];

    if (c->json) {
        json_open(&c->out, NULL, '{');
        json_text(&c->out, "dir", dir);
        json_hex(&c->out, "database_id", v->info.database_id, 16);
        json_text(&c->out, "role", krbrepl_role_name(v->info.role));
        cli_json_pos(&c->out, "position", &v->pos);
        json_u64(&c->out, "records", v->records);
        json_u64(&c->out, "commits", v->commits);
        json_hex(&c->out, "root", v->root, 32);
        json_close(&c->out, '}');
        return;
    }
    printf("%s: %llu records and %llu commits are sound\n  position ", dir,
           (unsigned long long)v->records, (unsigned long long)v->commits);
    cli_print_pos(&v->pos);
    prog_hex(hex, v->root, 32);
    printf("  root     %s\n", hex);
}

/* What differs between two stores, or NULL. */
static const char *difference(const struct verified *a, const struct verified *b)
{
    if (memcmp(a->info.database_id, b->info.database_id, 16) != 0)
        return "they are different databases";
    if (memcmp(a->root, b->root, 32) != 0)
        return a->pos.seq == b->pos.seq && memcmp(a->pos.chain, b->pos.chain, 32) == 0
                   ? "their content differs at the same position: one of them was altered behind our "
                     "back"
                   : "their content differs, and so does their position";
    if (a->pos.seq != b->pos.seq || memcmp(a->pos.chain, b->pos.chain, 32) != 0)
        return "their content is equal, their position is not";
    return NULL;
}

/* What the operands have in common, or have not. */
struct compared {
    struct verified first;
    const char *differs; /* NULL: nothing */
    int at;              /* the operand that does */
    bool content;
};

static int verify_all(struct cli *c, int argc, char **argv, struct compared *all)
{
    struct verified other;
    int i, rc;

    for (i = 0; i < argc; i++) {
        memset(&other, 0, sizeof other);
        rc = verify_one(c, argv[i], &other);
        if (rc != PROG_OK)
            return rc;
        print_one(c, argv[i], &other);
        if (i == 0)
            all->first = other;
        if (all->differs != NULL || (all->differs = difference(&all->first, &other)) == NULL)
            continue;
        all->at = i;
        all->content = memcmp(all->first.info.database_id, other.info.database_id, 16) == 0 &&
                       memcmp(all->first.root, other.root, 32) != 0;
    }
    return PROG_OK;
}

static int run_verify(struct cli *c, uint64_t most, int argc, char **argv)
{
    struct compared all;
    int rc;

    memset(&all, 0, sizeof all);
    if (c->json)
        json_open(&c->out, NULL, '{'), json_open(&c->out, "stores", '[');
    rc = verify_all(c, argc, argv, &all);
    if (rc != PROG_OK)
        return rc;
    if (c->json)
        json_close(&c->out, ']');
    if (all.content)
        rc = differs_list(c, argv[0], argv[all.at], most);
    if (rc != PROG_OK)
        return rc;
    if (c->json) {
        json_bool(&c->out, "equal", all.differs == NULL);
        json_close(&c->out, '}');
    } else if (argc > 1 && all.differs == NULL) {
        printf("equal: %d stores\n", argc);
    }
    if (all.differs == NULL)
        return PROG_OK;
    prog_say("%s and %s: %s; see `krbrepl status` of both for why", argv[0], argv[all.at], all.differs);
    return PROG_CHECK;
}

int cmd_verify(int argc, char **argv)
{
    struct cli c = {0};
    uint64_t most = 20;
    struct opt opts[] = {{.name = "list",
                          .kind = OPT_NUMBER,
                          .to = &most,
                          .arg = "N",
                          .help = "name at most N records that differ (default 20)"},
                         CLI_OPTS(&c)};
    const struct opt_command cmd = {
        .name = "krbrepl verify",
        .operands = "DIR ...",
        .least = 1,
        .most = -1,
        .opts = opts,
        .summary =
            "Reads every record and every commit of each store, checks it against its checksum, and\n"
            "prints position and digest root. Several stores are compared with the first, and where "
            "one\n"
            "has other content, the records that differ are named.",
        .notes = "Equal database ids and roots mean equal content. Exit code 3: the stores differ."};
    int rc = cli_begin(&c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    return cli_end(&c, &cmd, run_verify(&c, most, argc, argv));
}
