/* What a replica's session does to the store by way of its port. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "errinfo.h"
#include "port.h"
#include "site.h"
#include "store.h"

typedef struct bench {
    site at;
    krbrepl__port port;
    krbrepl__node_port np;
} bench;

/* ---- what was synced ------------------------------------------------------------------------ */

#define SYNCS 64
static ino_t synced[SYNCS];
static size_t nsynced;

/* In place of the C library's. */
int fsync(int fd)
{
    struct stat st;

    if (nsynced < SYNCS && fstat(fd, &st) == 0)
        synced[nsynced++] = st.st_ino;
    return (int)syscall(SYS_fsync, fd);
}

static int was_synced(const char *path)
{
    struct stat st;
    size_t i;

    assert_int_equal(stat(path, &st), 0);
    for (i = 0; i < nsynced; i++)
        if (synced[i] == st.st_ino)
            return 1;
    return 0;
}

/* ---- stores --------------------------------------------------------------------------------- */

static void make(bench *b, int master)
{
    memset(b, 0, sizeof *b);
    site_make(&b->at, master ? KRBREPL_CREATE_MASTER : 0);
    site_open(&b->at, NULL);
    krbrepl__port_init(&b->port, &b->np, b->at.s, NULL);
}

static void drop(bench *b)
{
    assert_int_equal(site_drop(&b->at), 0);
}

/* How many files are in evidence/; the last one's path. */
static int count_evidence(const bench *b, char path[400])
{
    char dir[128];
    struct dirent *e;
    DIR *d;
    int n = 0;

    snprintf(dir, sizeof dir, "%s/evidence", b->at.dir);
    d = opendir(dir);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, 400, "%s/%.200s", dir, e->d_name);
        n++;
    }
    closedir(d);
    return n;
}

/* ---- evidence ------------------------------------------------------------------------------- */

static void evidence_is_on_disk_with_every_name_that_leads_to_it(void **state)
{
    char path[400], dir[128];
    struct stat st;
    bench b;

    (void)state;
    make(&b, 1);
    site_put(b.at.s, "a");
    site_put(b.at.s, "b");
    nsynced = 0;
    assert_int_equal(b.port.save_evidence(b.port.ctx, 3), 0);
    assert_int_equal(count_evidence(&b, path), 1);
    assert_true(was_synced(path));
    snprintf(dir, sizeof dir, "%s/evidence", b.at.dir);
    assert_true(was_synced(dir));
    assert_true(was_synced(b.at.dir));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    /* The same again is not written again; what begins earlier is. */
    assert_int_equal(b.port.save_evidence(b.port.ctx, 3), 0);
    assert_int_equal(count_evidence(&b, path), 1);
    assert_int_equal(b.port.save_evidence(b.port.ctx, 2), 0);
    assert_int_equal(count_evidence(&b, path), 2);
    drop(&b);
}

/* Whoever may write to the store's directory must not choose where the keys go. */
static void evidence_never_leaves_the_store(void **state)
{
    char link[128], target[128];
    bench b;

    (void)state;
    make(&b, 1);
    site_put(b.at.s, "a");
    snprintf(link, sizeof link, "%s/evidence", b.at.dir);
    snprintf(target, sizeof target, "%s/elsewhere", b.at.top);
    assert_int_equal(mkdir(target, 0700), 0);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(b.port.save_evidence(b.port.ctx, 2), KRBREPL_ERR_IO);
    assert_int_equal(rmdir(target), 0); /* empty */
    drop(&b);
}

static void put_large(krbrepl_store *s, const char *key, size_t n)
{
    char *value = calloc(1, n);
    krbrepl_txn *t;

    assert_non_null(value);
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(
        krbrepl_txn_put(t, "principal", (krbrepl_bytes){key, strlen(key)}, (krbrepl_bytes){value, n}),
        0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    free(value);
}

/* The one file in evidence/ that is not finished. */
static void unfinished(const bench *b, char path[400])
{
    char dir[128];
    struct dirent *e;
    DIR *d;
    int n = 0;

    snprintf(dir, sizeof dir, "%s/evidence", b->at.dir);
    d = opendir(dir);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] == '.' && e->d_name[1] >= '0') {
            snprintf(path, 400, "%s/%.200s", dir, e->d_name);
            n++;
        }
    closedir(d);
    assert_int_equal(n, 1);
}

static void evidence_of_many_commits_is_written_in_pieces_that_go_on(void **state)
{
    const size_t head = 19 + 16 + 64 + 8;
    char path[400], key[32];
    krbrepl__batch batch;
    krbrepl__buf is;
    uint8_t *got;
    FILE *f;
    int i, rc;
    bench b;

    (void)state;
    make(&b, 1);
    for (i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        put_large(b.at.s, key, 100000);
    }
    for (i = 0; (rc = b.port.save_evidence(b.port.ctx, 2)) == 1; i++) {
        unfinished(&b, path);
        assert_true(was_synced(path) || nsynced == SYNCS);
        /* A piece that a crash cut off, and another process. */
        f = fopen(path, "ab");
        assert_non_null(f);
        assert_int_equal(fputs("half of a piece", f) >= 0, 1);
        assert_int_equal(fclose(f), 0);
        krbrepl__port_init(&b.port, &b.np, b.at.s, NULL);
    }
    assert_int_equal(rc, 0);
    assert_true(i >= 3);
    assert_int_equal(count_evidence(&b, path), 1);
    krbrepl__buf_init(&is, 0);
    assert_int_equal(krbrepl__store_read_commits(b.at.s, 2, 1u << 30, &is, &batch), 0);
    got = malloc(head + is.len + 1);
    assert_non_null(got);
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, head + is.len + 1, f), head + is.len);
    fclose(f);
    assert_memory_equal(got + head, is.data, is.len);
    free(got);
    krbrepl__buf_free(&is);
    drop(&b);
}

/* ---- repairs -------------------------------------------------------------------------------- */

static int wants_nothing(void *ctx, const uint8_t rdigest[16])
{
    (void)ctx, (void)rdigest;
    return 0;
}

typedef struct heard {
    char changed[200];
    int copied, over, lines;
    char log[2000];
} heard;

static void on_changed(void *ctx, const void *ckey, size_t len)
{
    heard *h = ctx;
    size_t n = strlen(h->changed);

    memcpy(h->changed + n, (const char *)ckey + 10, len - 10);
    h->changed[n + len - 10] = ' ';
}

static void on_copied(void *ctx)
{
    ((heard *)ctx)->copied++;
}

static void on_over(void *ctx)
{
    ((heard *)ctx)->over++;
}

static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    heard *h = ctx;
    size_t n = strlen(h->log);

    (void)area;
    assert_int_equal(level, KRBREPL_LOG_WARN);
    h->lines++;
    if (n + len + 2 < sizeof h->log)
        snprintf(h->log + n, sizeof h->log - n, "%.*s\n", (int)len, msg);
}

/* Everything goes, and `b`, whose key is not all printable, and `c` come. The answer of the switch. */
static int repair(bench *b, uint64_t reason)
{
    const krbrepl__wanted wanted = {NULL, wants_nothing};
    const krbrepl__ancestry none = {NULL, 0};
    krbrepl__copy_plan plan = {.mode = KRBREPL__COPY_REPAIR, .ancestry = &none, .reason = reason};
    const krbrepl_bytes all = {NULL, 0};
    void *ctx = b->port.ctx;
    krbrepl_pos out;
    int rc;

    plan.from.seq = plan.from.epoch = plan.from.lineage[0] = 1;
    assert_int_equal(b->port.copy_begin(ctx, &plan), 0);
    while ((rc = b->port.copy_range(ctx, all, all, &wanted)) == 1)
        continue;
    assert_int_equal(rc, 0);
    assert_int_equal(b->port.copy_put(ctx, BYTES("principal\0b\n\\"), BYTES("secret")), 0);
    assert_int_equal(b->port.copy_put(ctx, BYTES("principal\0c"), BYTES("secret")), 0);
    while ((rc = b->port.copy_switch(ctx, &out)) == 1)
        assert_true(b->np.repair != NULL);
    assert_null(b->np.repair);
    return rc;
}

static void make_replica(bench *b, heard *h, const krbrepl__log *log)
{
    const krbrepl__port_owner owner = {
        .ctx = h, .changed = on_changed, .copied = on_copied, .over = on_over, .log = log};
    const uint8_t id[16] = {7};

    memset(h, 0, sizeof *h);
    make(b, 0);
    krbrepl__port_init(&b->port, &b->np, b->at.s, &owner);
    assert_int_equal(b->port.adopt(b->port.ctx, id), 0);
}

static void what_a_repair_changes_is_listed_without_values_before_it_goes_live(void **state)
{
    char path[400], text[4000] = "";
    krbrepl__log log = {on_log, NULL, KRBREPL_LOG_INFO};
    size_t n;
    FILE *f;
    heard h;
    bench b;

    (void)state;
    make_replica(&b, &h, &log);
    log.ctx = &h;
    nsynced = 0;
    assert_int_equal(repair(&b, KRBREPL_COPY_DIFFERS), 0);
    assert_int_equal(count_evidence(&b, path), 1);
    assert_true(was_synced(path));
    assert_non_null(strstr(path, "/repair-"));
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    assert_true(n > 0);
    assert_non_null(strstr(text, "krbrepl repair 1\ndatabase 0700"));
    assert_non_null(strstr(text, "\nreason differs\nwas 0 "));
    assert_non_null(
        strstr(text, "\nput principal b\\x0a\\x5c\nput principal c\ntotal 2 put, 0 deleted, 0 "));
    assert_null(strstr(text, "secret"));
    assert_int_equal(h.lines, 3);
    assert_non_null(strstr(h.log, "puts principal c"));
    assert_null(strstr(h.log, "secret"));
    assert_string_equal(h.changed, "b\n\\ c ");
    assert_int_equal(h.copied, 1);
    assert_int_equal(h.over, 1);
    drop(&b);
}

static void repair_for_a_reason_that_explains_itself_leaves_no_list(void **state)
{
    char path[400];
    struct stat st;
    heard h;
    bench b;

    (void)state;
    make_replica(&b, &h, NULL);
    assert_int_equal(repair(&b, KRBREPL_COPY_BEHIND), 0);
    snprintf(path, sizeof path, "%s/evidence", b.at.dir);
    assert_int_equal(stat(path, &st), -1);
    drop(&b);
}

/* Else nobody would ever know what was lost. */
static void repair_that_cannot_be_listed_does_not_go_live(void **state)
{
    char path[400];
    krbrepl_store_info i;
    heard h;
    bench b;
    FILE *f;

    (void)state;
    make_replica(&b, &h, NULL);
    snprintf(path, sizeof path, "%s/evidence", b.at.dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(repair(&b, KRBREPL_COPY_FORK), KRBREPL_ERR_IO);
    KRBREPL_INIT(&i);
    assert_int_equal(krbrepl__store_info(b.at.s, &i), 0);
    assert_int_equal(i.pos.seq, 0);
    assert_int_equal(i.records, 0);
    assert_int_equal(h.copied, 0);
    assert_int_equal(h.over, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(repair(&b, KRBREPL_COPY_FORK), 0);
    drop(&b);
}

/* ---- copies --------------------------------------------------------------------------------- */

static void put_records(bench *b, int n)
{
    char key[64], value[1000] = {1};
    int i;

    for (i = 0; i < n; i++) {
        snprintf(key, sizeof key, "principal%cuser%06d", 0, i);
        assert_int_equal(b->port.copy_put(b->port.ctx, (krbrepl_bytes){key, strlen("principal") + 11},
                                          (krbrepl_bytes){value, sizeof value}),
                         0);
    }
}

static void what_an_earlier_copy_left_is_cleared_away_in_pieces(void **state)
{
    const uint8_t id[16] = {7};
    const krbrepl__ancestry none = {NULL, 0};
    krbrepl__copy_plan plan = {.mode = KRBREPL__COPY_WHOLE, .ancestry = &none};
    int rc, pieces = 0;
    bench b;

    (void)state;
    plan.from.seq = plan.from.epoch = plan.from.lineage[0] = 1;
    make(&b, 0);
    assert_int_equal(b.port.adopt(b.port.ctx, id), 0);
    assert_int_equal(b.port.copy_begin(b.port.ctx, &plan), 0);
    put_records(&b, 8000);
    b.port.copy_abort(b.port.ctx);
    while ((rc = b.port.copy_begin(b.port.ctx, &plan)) == 1)
        pieces++;
    assert_int_equal(rc, 0);
    assert_true(pieces >= 4);
    put_records(&b, 10);
    b.port.copy_abort(b.port.ctx);
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_on_disk_with_every_name_that_leads_to_it),
        cmocka_unit_test(evidence_never_leaves_the_store),
        cmocka_unit_test(evidence_of_many_commits_is_written_in_pieces_that_go_on),
        cmocka_unit_test(what_a_repair_changes_is_listed_without_values_before_it_goes_live),
        cmocka_unit_test(repair_for_a_reason_that_explains_itself_leaves_no_list),
        cmocka_unit_test(repair_that_cannot_be_listed_does_not_go_live),
        cmocka_unit_test(what_an_earlier_copy_left_is_cleared_away_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
