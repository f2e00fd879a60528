/* A process that loads is killed at every kind of point: the store holds the old content whole, or, once
 * the one commit is in, the new content whole; and the next load works. */
#include "../unit/store/bulk.h"

#include <signal.h>
#include <time.h>

/* More than fit into one commit, so that a second generation is built. */
#define MANY (KRBREPL_MAX_CHANGES + 3000u)

typedef struct point {
    const char *phase;
    uint64_t at; /* dies at the first report of the phase at or above this */
} point;

static void die_there(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    const point *p = ctx;

    (void)total;
    if (strcmp(phase, p->phase) == 0 && done >= p->at)
        kill(getpid(), SIGKILL);
}

static void put_all(krbrepl_load *l, uint64_t n, const char *value)
{
    char key[700], row[200]; /* so much that there are many slices */
    uint64_t i;

    memset(row, value[0], sizeof row);
    for (i = 0; i < n; i++)
        OK(krbrepl__load_put(l, "principal", (krbrepl_bytes){key, make_key(key, i)},
                             (krbrepl_bytes){row, sizeof row}));
}

/* Loads n records with one value; dies at `p` (NULL: lives). */
static void load(const char *dir, uint64_t n, const char *value, point *p)
{
    krbrepl_store *s = store_open_at(dir);
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;

    KRBREPL_INIT(&opt);
    if (p != NULL) {
        opt.progress = die_there;
        opt.progress_ctx = p;
    }
    OKS(s, krbrepl__load_begin(s, &l, &opt));
    put_all(l, n, value);
    OKS(s, krbrepl__load_commit(l, NULL));
    krbrepl__store_close(s);
}

static pid_t load_in_child(const char *dir, const char *value, point *p)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        load(dir, MANY, value, p);
        _exit(0);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    return WIFSIGNALED(status);
}

static void remake(tmpdir *t, char dir[320])
{
    krbrepl_store *s;

    tmpdir_make(t);
    s = store_make(t, "m", KRBREPL_CREATE_MASTER);
    krbrepl__store_close(s);
    load(tmpdir_path(t, "m", dir), 200, "old", NULL);
}

static void assert_upkeep_ends(krbrepl_store *s)
{
    int more;

    while ((more = krbrepl__store_upkeep(s)) == 1)
        continue;
    assert_int_equal(more, 0);
    assert_int_equal(store_state(s).other, KRBREPL__OTHER_EMPTY);
}

static void load_killed_at_any_phase_changes_nothing(void **state)
{
    static point points[] = {{"sorting", 1},        {"sorting", 10000},       {"sorting", 60000},
                             {"comparing", 1},      {"comparing", 50000},     {"writing", 1},
                             {"writing", MANY / 2}, {"writing", MANY - 10000}};
    krbrepl_store *s;
    content before;
    char dir[320];
    tmpdir t;
    size_t i;

    (void)state;
    remake(&t, dir);
    s = store_open_at(dir);
    before = store_content(s);
    krbrepl__store_close(s);
    for (i = 0; i < sizeof points / sizeof points[0]; i++) {
        assert_true(wait_for(load_in_child(dir, "new", &points[i])));
        s = store_open_at(dir);
        assert_content(s, &before);
        if (i % 2 == 0)
            assert_upkeep_ends(s); /* else the next load has to clear away */
        assert_content(s, &before);
        krbrepl__store_close(s);
    }
    load(dir, MANY, "new", NULL);
    s = store_open_at(dir);
    assert_int_equal(store_content(s).records, MANY);
    assert_upkeep_ends(s);
    krbrepl__store_close(s);
    tmpdir_remove(&t);
}

static void load_killed_behind_its_commit_is_there(void **state)
{
    static point behind = {"done", 0};
    krbrepl_store *s;
    char dir[320];
    tmpdir t;

    (void)state;
    remake(&t, dir);
    assert_true(wait_for(load_in_child(dir, "new", &behind)));
    s = store_open_at(dir);
    assert_int_equal(store_content(s).records, MANY);
    assert_upkeep_ends(s);
    krbrepl__store_close(s);
    tmpdir_remove(&t);
}

/* Kills at any instruction, not only where the load reports. */
static void load_killed_at_any_time_leaves_one_content_whole(void **state)
{
    krbrepl_store *s;
    struct timespec pause;
    content c, old;
    char dir[320];
    unsigned i;
    pid_t pid;
    tmpdir t;

    (void)state;
    remake(&t, dir);
    s = store_open_at(dir);
    old = store_content(s);
    krbrepl__store_close(s);
    for (i = 0; i < 20; i++) {
        pid = load_in_child(dir, i % 2 ? "odd" : "even", NULL);
        pause = (struct timespec){0, (long)(i * 37 % 20) * 25 * 1000000};
        nanosleep(&pause, NULL);
        kill(pid, SIGKILL);
        wait_for(pid);
        s = store_open_at(dir);
        c = store_content(s);
        if (c.pos.seq == old.pos.seq) {
            assert_content(s, &old);
        } else {
            assert_int_equal(c.pos.seq, old.pos.seq + 1);
            assert_int_equal(c.records, MANY);
        }
        old = c;
        put_one(s, "alive", i % 2 ? "1" : "2", "between");
        old = store_content(s);
        krbrepl__store_close(s);
    }
    tmpdir_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_killed_at_any_phase_changes_nothing),
        cmocka_unit_test(load_killed_behind_its_commit_is_there),
        cmocka_unit_test(load_killed_at_any_time_leaves_one_content_whole),
    };
    return cmocka_run_group_tests_name("crash/load", tests, NULL, NULL);
}
