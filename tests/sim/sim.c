/* sim: a realm under faults, replayed from a seed.
 *
 *   sim --seed N [--trace]     one seed
 *   sim --seeds FROM TO        a range; says which ones failed
 *   sim --journaled FROM TO    the same with commits that are in journals of the hosts
 *   sim --rotten FROM TO       the same with bits that flip often
 *   sim --twice N              one seed twice: the same trace both times
 *   sim --forever FROM FILE    from there on until it is stopped; failing seeds are appended to the file
 *   sim --fails N              this seed is to fail: in a program with a mistake in it (mutant.h)
 *   sim --hunt FROM TO         looks for such a seed
 *
 * Everything that happens is chosen by a seeded generator, so a failure is replayed by its seed. After
 * every step: a replica is at a position that its master was at, with the content of that position, and
 * no more was acknowledged than it has. When the faults stop, all become equal. */
#include "world.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS 5000u
#define SEED_SECONDS 120u /* when it runs on its own */

/* Of all runs so far. */
static uint64_t total[DID_LAST];

static void add_up(const world *w)
{
    int i;

    for (i = 0; i < DID_LAST; i++)
        total[i] += w->did[i];
}

/* A range that is long enough, and in which a thing never happened, says nothing about it. */
static int print_total(uint64_t seeds)
{
    int i, bad = 0;

    for (i = 0; i < DID_LAST; i++) {
        printf("%10llu %s\n", (unsigned long long)total[i], deed_name[i]);
        if (seeds >= 200 && total[i] == 0) {
            printf("this never happened in %llu seeds\n", (unsigned long long)seeds);
            bad++;
        }
    }
    return bad;
}

/* Descriptors of this process. */
static int count_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (dir != NULL && readdir(dir) != NULL)
        n++;
    if (dir != NULL)
        closedir(dir);
    return n;
}

/* What a run has left behind. */
static int leaves_nothing(uint64_t seed, int before, int64_t blocks)
{
    int now = count_open(), bad = 0;

    if (now != before) {
        printf("seed %llu: %d descriptors were open before it, %d are after it\n",
               (unsigned long long)seed, before, now);
        bad = 1;
    }
    if (blocks_in_use() != blocks) {
        printf("seed %llu: %lld blocks of memory were in use before it, %lld are after it\n",
               (unsigned long long)seed, (long long)blocks, (long long)blocks_in_use());
        bad = 1;
    }
    return bad;
}

/* For whoever crashes. */
static volatile uint64_t now_running;
/* Where stores are to lie, for whoever removes what a crash leaves; NULL: anywhere. */
static const char *stores;

static int journaled, rotten;

static int run(uint64_t seed, int trace, uint64_t *hash)
{
    static world w;
    plan p = {.seed = seed,
              .steps = STEPS,
              .trace = trace,
              .dir = stores,
              .journaled = journaled,
              .rotten = rotten};
    int open = count_open();
    int64_t blocks = blocks_in_use();

    now_running = seed;
    if (world_init(&w, &p) == 0)
        world_run(&w);
    *hash = w.hash;
    world_free(&w);
    add_up(&w);
    return leaves_nothing(seed, open, blocks) || w.failed;
}

static int range(uint64_t from, uint64_t to)
{
    uint64_t seed, hash;
    int bad = 0;

    for (seed = from; seed <= to; seed++)
        bad += run(seed, 0, &hash);
    printf("%llu seeds, %d failed\n", (unsigned long long)(to - from + 1), bad);
    bad += print_total(to - from + 1);
    return bad != 0;
}

static int twice(uint64_t seed)
{
    uint64_t a, b;
    int bad = run(seed, 0, &a);

    bad |= run(seed, 0, &b);
    if (a != b)
        printf("seed %llu: two runs differ: %016llx %016llx\n", (unsigned long long)seed,
               (unsigned long long)a, (unsigned long long)b);
    return bad || a != b;
}

/* ---- in a process of its own ----------------------------------------------------------------- */

/* 0: the seed did well; what else there is, a crash too, is a failure. */
static int run_apart(uint64_t seed)
{
    char dir[96];
    uint64_t hash;
    int status = 0;
    pid_t child;

    if (root_make(NULL, dir) != 0) {
        perror("no temporary directory");
        exit(2);
    }
    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(SEED_SECONDS);
        stores = dir;
        _exit(run(seed, 0, &hash) ? 1 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        status = 1;
    root_remove(dir);
    if (WIFSIGNALED(status))
        printf("seed %llu: ended by signal %d\n", (unsigned long long)seed, WTERMSIG(status));
    return status != 0;
}

/* Of a program with a mistake in it: the seed that shows it does so. */
static int fails(uint64_t seed)
{
    if (run_apart(seed))
        return 0;
    printf("seed %llu does not find the mistake any more; --hunt looks for one that does\n",
           (unsigned long long)seed);
    return 1;
}

static int hunt(uint64_t from, uint64_t to)
{
    uint64_t seed;

    for (seed = from; seed <= to; seed++) {
        if (!run_apart(seed))
            continue;
        printf("found with seed %llu\n", (unsigned long long)seed);
        return 0;
    }
    printf("not found with the seeds %llu to %llu\n", (unsigned long long)from, (unsigned long long)to);
    return 1;
}

/* Until somebody stops it. */
static int forever(uint64_t seed, const char *path)
{
    FILE *f = fopen(path, "a");

    if (f == NULL) {
        perror(path);
        return 2;
    }
    for (;; seed++) {
        if (run_apart(seed)) {
            fprintf(f, "%llu\n", (unsigned long long)seed);
            fflush(f);
        }
        if (seed % 1000 == 0)
            printf("%llu seeds were tried\n", (unsigned long long)seed);
    }
}

/* ---- the program ---------------------------------------------------------------------------- */

/* A crash is to be replayed like any other failure. */
static void on_crash(int sig)
{
    char text[] = "seed ....................: crashed\n", *p = text + 25;
    uint64_t n = now_running;

    do
        *--p = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0)
        _exit(2);
    signal(sig, SIG_DFL);
    raise(sig);
}

static uint64_t number(const char *s)
{
    return strtoull(s, NULL, 10);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    uint64_t hash;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    signal(SIGABRT, on_crash);
    if (argc >= 3 && strcmp(what, "--seed") == 0)
        return run(number(argv[2]), argc > 3 && strcmp(argv[3], "--trace") == 0, &hash);
    if (argc == 4 && strcmp(what, "--seeds") == 0)
        return range(number(argv[2]), number(argv[3]));
    if (argc == 4 && strcmp(what, "--journaled") == 0) {
        journaled = 1;
        return range(number(argv[2]), number(argv[3]));
    }
    if (argc == 4 && strcmp(what, "--rotten") == 0) {
        rotten = 1;
        return range(number(argv[2]), number(argv[3]));
    }
    if (argc == 3 && strcmp(what, "--twice") == 0)
        return twice(number(argv[2]));
    if (argc == 3 && strcmp(what, "--fails") == 0)
        return fails(number(argv[2]));
    if (argc == 4 && strcmp(what, "--hunt") == 0)
        return hunt(number(argv[2]), number(argv[3]));
    if (argc == 4 && strcmp(what, "--forever") == 0)
        return forever(number(argv[2]), argv[3]);
    fprintf(stderr, "usage: sim --seed N [--trace] | --seeds FROM TO | --journaled FROM TO | "
                    "--rotten FROM TO | --twice N | --fails N | "
                    "--hunt FROM TO | --forever FROM FILE\n");
    return 2;
}
