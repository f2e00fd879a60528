/* sim: a realm under faults, replayed from a seed.
 *
 *   sim --seed N [--trace]     one seed
 *   sim --seeds FROM TO        a range; says which ones failed
 *   sim --twice N              one seed twice: the same trace both times
 *
 * Everything that happens is chosen by a seeded generator, so a failure is replayed by its seed. After
 * every step: a replica is at a position that its master was at, with the content of that position, and
 * no more was acknowledged than it has. When the faults stop, all become equal. */
#include "world.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 5000
#define CALM_MS 120000u

/* One byte, a few, a packet, or all. */
static size_t any_size(world *w)
{
    static const size_t most[] = {1, 20, 1500, 1500, 20000, 100000};

    return 1 + rng_below(&w->rng, most[rng_below(&w->rng, 6)]);
}

/* Something small happens somewhere. */
static void step(world *w)
{
    uint64_t what = rng_below(&w->rng, 100);
    cable *l = any_link(w);
    int e = (int)rng_below(&w->rng, 2);

    w->now += rng_below(&w->rng, 8);
    if (what < 8) {
        deed_commit(w);
    } else if (l == NULL) {
        w->now += 50;
    } else if (what < 40) {
        link_work(w, l, e);
    } else if (what < 70) {
        link_pump(w, l, e, any_size(w));
    } else {
        link_deliver(w, l, e, any_size(w));
    }
}

/* Without faults everybody must become equal, and soon. */
static void calm_down(world *w)
{
    uint64_t until = w->now + CALM_MS;
    int k, i;

    w->calm = 1;
    for (i = 0; i < w->sites; i++) {
        site_heal(w, i);
        if (w->site[i].up_at > w->now)
            w->site[i].up_at = w->now;
        if (w->site[i].foreign_until > w->now)
            w->site[i].foreign_until = w->now + 5000;
    }
    while (!w->failed && w->now < until && !oracle_all_equal(w)) {
        w->now += 5;
        tick(w);
        for (k = 0; k < MAX_LINKS; k++) {
            cable *l = &w->links[k];

            for (i = 0; i < 2 && l->used; i++) {
                link_pump(w, l, i, SIZE_MAX);
                link_deliver(w, l, !i, SIZE_MAX);
                link_work(w, l, i);
            }
        }
        scrub_all(w);
        prove(w);
        settle(w);
    }
    if (!w->failed && !oracle_all_equal(w))
        broken(w, "not all are equal %u ms after the last fault", CALM_MS);
    for (i = 0; i < w->sites && !w->failed; i++) {
        oracle_recheck(w, i);
        evidence_check(w, i);
    }
}

const char *const deed_name[DID_LAST] = {
    [DID_COMMIT] = "commits",
    [DID_COPY] = "copies",
    [DID_FORK] = "sessions with a copy after a fork",
    [DID_CRASH] = "crashes",
    [DID_DIE] = "deaths within a write",
    [DID_DIE_COPYING] = "of them in a copy",
    [DID_POWER] = "losses of power",
    [DID_DOUBT] = "commits that were there though nobody was told",
    [DID_CUT] = "cuts",
    [DID_RESET] = "resets",
    [DID_PROMOTE] = "promotions",
    [DID_FAILOVER] = "failovers",
    [DID_ROLL_BACK] = "files put back",
    [DID_RESOLVE] = "forks resolved",
    [DID_PROVE] = "proofs of equality",
    [DID_FILL] = "full disks",
    [DID_DISK_FAIL] = "failing disks",
    [DID_ROT] = "bits that flipped",
    [DID_ROT_FOUND] = "of them found by their replica",
    [DID_ROT_MASTER] = "bits that flipped at the master",
    [DID_CLOCK] = "clocks set wrong",
    [DID_DENY] = "changes of the acl",
    [DID_FOREIGN] = "foreign stores turned away",
    [DID_EVIDENCE] = "forks kept as evidence",
};

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

static int run(uint64_t seed, int trace, uint64_t *hash)
{
    static world w;
    climate c;
    int n, open = count_open();
    int64_t blocks = blocks_in_use();

    if (world_init(&w, seed, trace) == 0) {
        choose_climate(&w, &c);
        for (n = 0; n < STEPS && !w.failed; n++) {
            tick(&w);
            step(&w);
            fault(&w, &c);
            prove(&w);
            settle(&w);
        }
        calm_down(&w);
    }
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

int main(int argc, char **argv)
{
    uint64_t hash;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0)
        return run(strtoull(argv[2], NULL, 10), argc > 3 && strcmp(argv[3], "--trace") == 0, &hash);
    if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
        return range(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "--twice") == 0)
        return twice(strtoull(argv[2], NULL, 10));
    fprintf(stderr, "usage: sim --seed N [--trace] | --seeds FROM TO | --twice N\n");
    return 2;
}
