/* What a replica's session does to the store by way of its port. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "errinfo.h"
#include "port.h"
#include "store.h"

typedef struct bench {
    char top[64], dir[96];
    krbrepl_store *s;
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
    krbrepl_create_options o;

    memset(b, 0, sizeof *b);
    snprintf(b->top, sizeof b->top, "/tmp/krbrepl-port-XXXXXX");
    assert_non_null(mkdtemp(b->top));
    snprintf(b->dir, sizeof b->dir, "%s/store", b->top);
    KRBREPL_INIT(&o);
    o.flags = master ? KRBREPL_CREATE_MASTER : 0;
    assert_int_equal(krbrepl_store_create(b->dir, &o, NULL), 0);
    assert_int_equal(krbrepl_store_open(&b->s, b->dir, NULL, NULL), 0);
    krbrepl__port_init(&b->port, &b->np, b->s, NULL);
}

static void drop(bench *b)
{
    char cmd[128];

    krbrepl_store_close(b->s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", b->top);
    assert_int_equal(system(cmd), 0);
}

static void put(krbrepl_store *s, const char *key)
{
    krbrepl_bytes k = {key, strlen(key)};
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", k, k), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
}

/* How many files are in evidence/; the last one's path. */
static int count_evidence(const bench *b, char path[400])
{
    char dir[128];
    struct dirent *e;
    DIR *d;
    int n = 0;

    snprintf(dir, sizeof dir, "%s/evidence", b->dir);
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
    put(b.s, "a");
    put(b.s, "b");
    nsynced = 0;
    assert_int_equal(b.port.save_evidence(b.port.ctx, 3), 0);
    assert_int_equal(count_evidence(&b, path), 1);
    assert_true(was_synced(path));
    snprintf(dir, sizeof dir, "%s/evidence", b.dir);
    assert_true(was_synced(dir));
    assert_true(was_synced(b.dir));
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
    put(b.s, "a");
    snprintf(link, sizeof link, "%s/evidence", b.dir);
    snprintf(target, sizeof target, "%s/elsewhere", b.top);
    assert_int_equal(mkdir(target, 0700), 0);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(b.port.save_evidence(b.port.ctx, 2), KRBREPL_ERR_IO);
    assert_int_equal(rmdir(target), 0); /* empty */
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
        cmocka_unit_test(what_an_earlier_copy_left_is_cleared_away_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
