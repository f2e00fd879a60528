/* Stores, connections and the clock. */
#include "world.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- reporting ------------------------------------------------------------------------------ */

static void add_to_hash(world *w, const char *s)
{
    for (; *s != '\0'; s++)
        w->hash = (w->hash ^ (uint8_t)*s) * 0x100000001b3u;
}

static void say(world *w, const char *line)
{
    if (w->plan.say != NULL)
        w->plan.say(w->plan.ctx, line);
    else
        printf("%s\n", line);
}

void note(world *w, const char *fmt, ...)
{
    char line[512], timed[560];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    add_to_hash(w, line);
    if (!w->plan.trace)
        return;
    snprintf(timed, sizeof timed, "%8llu %s", (unsigned long long)w->now, line);
    say(w, timed);
}

void broken(world *w, const char *fmt, ...)
{
    char line[512], timed[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (!w->failed)
        snprintf(w->why, sizeof w->why, "%.255s", line);
    w->failed = 1;
    snprintf(timed, sizeof timed, "seed %llu at %llu ms: %s", (unsigned long long)w->plan.seed,
             (unsigned long long)w->now, line);
    say(w, timed);
}

static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    world *w = ctx;
    char line[700];

    (void)level;
    /* Not part of the hash: a text of a store may name its directory. */
    if (!w->plan.trace)
        return;
    snprintf(line, sizeof line, "%8llu   %s: %.*s", (unsigned long long)w->now, area,
             len < 600 ? (int)len : 600, msg);
    say(w, line);
}

/* ---- clock and chance for the stores --------------------------------------------------------- */

static uint64_t sys_mono(void *ctx)
{
    return ((world *)ctx)->now;
}

static int64_t sys_wall(void *ctx)
{
    const world *w = ctx;

    return 1700000000000000 + (int64_t)w->now * 1000 + w->wall_off;
}

static int sys_random(void *ctx, void *out, size_t n)
{
    world *w = ctx;
    uint8_t *p = out;

    while (n-- > 0)
        *p++ = (uint8_t)rng_next(&w->store_rng);
    return 0;
}

/* ---- stores --------------------------------------------------------------------------------- */

static void write_slots(world *w, int m)
{
    site *s = &w->site[m];
    krbrepl__slot slot;
    int i, rc;

    for (i = 0; i < w->sites && s->store != NULL; i++) {
        if (!s->hold_noted[i])
            continue;
        memset(&slot, 0, sizeof slot);
        snprintf(slot.principal, sizeof slot.principal, "%s", w->site[i].principal);
        slot.hold = s->hold[i];
        s->hold_noted[i] = 0;
        rc = krbrepl__store_slots_put(s->store, &slot, 1);
        if (rc != 0)
            site_failed(w, m, "writing a slot", rc);
    }
}

int site_open(world *w, int i)
{
    const krbrepl_journal_ops ops = hostlog_ops();
    krbrepl_store_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.map_size = 1u << 30;
    if (strcmp(w->site[i].dir, w->site[i].home) == 0 && w->site[i].log != NULL)
        opt.journal = &ops;
    opt.journal_ctx = w->site[i].log;
    rc = krbrepl__store_open(&w->site[i].store, w->site[i].dir, &opt, &ei);
    if (rc != 0) {
        broken(w, "site %d does not open: %s: %s", i, krbrepl_err_name(rc), ei.text);
        return rc;
    }
    krbrepl__store_set_sys(w->site[i].store, &w->sys);
    site_renew_prover(w, i);
    w->site[i].want = 0;
    w->site[i].sick = 0;
    return 0;
}

void site_renew_prover(world *w, int i)
{
    site *s = &w->site[i];

    krbrepl__prover_free(s->prover);
    if (krbrepl__prover_new(&s->prover, s->store) != 0)
        broken(w, "out of memory");
    else if (i != w->master && i != w->old)
        krbrepl__prover_as_found(s->prover);
    s->want = 0;
    s->unseen = 0;
}

void site_close(world *w, int i)
{
    repairs_forget(&w->site[i]);
    krbrepl__prover_free(w->site[i].prover);
    w->site[i].prover = NULL;
    krbrepl__store_close(w->site[i].store);
    w->site[i].store = NULL;
}

static int site_create(world *w, int i)
{
    uint8_t id[16];
    char file[192];
    krbrepl_create_options opt;
    krbrepl_retention keep;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&keep);
    KRBREPL_INIT(&ei);
    memset(id, 0x5a, sizeof id);
    keep.entries = 10 + rng_below(&w->rng, 100);
    keep.bytes = 1u << 20;
    keep.seconds = rng_chance(&w->rng, 1, 3) ? 1 + rng_below(&w->rng, 600) : 0;
    keep.hard_cap = rng_chance(&w->rng, 1, 3) ? 1u << 14 : 1u << 24;
    opt.database_id = i == 0 ? id : NULL;
    opt.retention = &keep;
    if (w->plan.journaled) {
        opt.flags = KRBREPL_CREATE_JOURNALED;
        w->site[i].log = hostlog_new(w, i);
    }
    w->site[i].w = w;
    w->site[i].index = i;
    snprintf(w->site[i].home, sizeof w->site[i].home, "%s/%d", w->root, i);
    memcpy(w->site[i].dir, w->site[i].home, sizeof w->site[i].dir);
    snprintf(w->site[i].principal, sizeof w->site[i].principal, "krbrepl/site%d@SIM", i);
    rc = krbrepl__store_create(w->site[i].dir, &opt, &ei);
    if (rc != 0) {
        broken(w, "site %d is not made: %s: %s", i, krbrepl_err_name(rc), ei.text);
        return rc;
    }
    site_file(w, i, file, "data.mdb");
    disk_file_is(i, file);
    return site_open(w, i);
}

void site_file(const world *w, int i, char out[192], const char *name)
{
    snprintf(out, 192, "%s/%s", w->site[i].dir, name);
}

/* Its process has ended, or its machine. */
static void drop_site(world *w, int i)
{
    site *s = &w->site[i];
    int l, e;

    for (l = 0; l < MAX_LINKS; l++)
        for (e = 0; e < 2; e++)
            if (w->links[l].used && (e == 0 ? w->links[l].master : w->links[l].site) == i)
                link_drop_end(w, &w->links[l], e);
    site_close(w, i);
    s->up_at = w->now + rng_below(&w->rng, 3000);
    memset(s->hold_noted, 0, sizeof s->hold_noted);
}

void site_crash(world *w, int i)
{
    int power = disk_lost_power(i) || rng_chance(&w->rng, 1, 4);

    drop_site(w, i);
    if (power)
        disk_power_loss(i);
    disk_revive(i);
    w->did[DID_CRASH]++;
    w->did[DID_POWER] += (uint64_t)power;
    note(w, "site %d %s", i, power ? "is without power" : "crashes");
    if (power)
        evidence_check(w, i);
}

static int is_copying(const world *w, int i)
{
    const krbrepl__sess_info *x;
    int l;

    for (l = 0; l < MAX_LINKS; l++) {
        if (!w->links[l].used || w->links[l].site != i || w->links[l].at[1].sess == NULL)
            continue;
        x = krbrepl__sess_info_get(w->links[l].at[1].sess);
        if (x->copies != 0 && !x->copy_done)
            return 1;
    }
    return 0;
}

int site_gone(world *w, int i)
{
    site *s = &w->site[i];

    if (!disk_dead(i))
        return s->store == NULL;
    s->doubt = 1;
    w->did[DID_DIE]++;
    w->did[DID_DIE_COPYING] += (uint64_t)is_copying(w, i);
    site_crash(w, i);
    return 1;
}

void site_failed(world *w, int i, const char *what, int rc)
{
    site *s = &w->site[i];

    if (site_gone(w, i))
        return;
    if (disk_failures(i) != 0 && (rc == KRBREPL_ERR_NOSPACE || rc == KRBREPL_ERR_IO)) {
        s->doubt = 1;
        s->sick |= rc == KRBREPL_ERR_IO;
        note(w, "site %d: %s: %s", i, what, krbrepl_err_name(rc));
        return;
    }
    broken(w, "site %d: %s: %s: %s", i, what, krbrepl_err_name(rc), krbrepl__store_ei(s->store)->text);
}

void site_heal(world *w, int i)
{
    disk_die_in(i, 0, 0);
    disk_fail_in(i, 0, 0);
    disk_make_room(i);
    w->site[i].room_at = 0;
}

void evidence_check(world *w, int i)
{
    char path[192], name[480];
    struct dirent *e;
    struct stat st;
    uint64_t bytes = 0;
    DIR *dir;

    snprintf(path, sizeof path, "%s/evidence", w->site[i].home);
    dir = opendir(path);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        snprintf(name, sizeof name, "%s/%.255s", path, e->d_name);
        if (e->d_name[0] != '.' && strcmp(e->d_name, "new") != 0 && stat(name, &st) == 0)
            bytes += (uint64_t)st.st_size;
    }
    if (dir != NULL)
        closedir(dir);
    if (bytes < w->site[i].evidence)
        broken(w, "site %d: of %llu bytes of evidence %llu are left", i,
               (unsigned long long)w->site[i].evidence, (unsigned long long)bytes);
    w->did[DID_EVIDENCE] += bytes > w->site[i].evidence;
    w->site[i].evidence = bytes;
}

/* ---- once a second -------------------------------------------------------------------------- */

static void restart(world *w, int i)
{
    site *s = &w->site[i];

    if (s->store != NULL || s->up_at > w->now || site_open(w, i) != 0)
        return;
    note(w, "site %d is back", i);
    if (s->foreign_until != 0)
        return;
    if (i == w->master || i == w->old)
        oracle_settle_doubt(w, i);
    s->doubt = 0;
    oracle_recheck(w, i);
}

/* What passes by itself, or by the hand of an operator. */
static void recover(world *w, int i)
{
    site *s = &w->site[i];

    if (s->room_at != 0 && s->room_at <= w->now) {
        note(w, "site %d has room again", i);
        disk_make_room(i);
        s->room_at = 0;
    }
    if (s->denied_until != 0 && s->denied_until <= w->now)
        s->denied_until = 0;
    if (s->foreign_until != 0 && s->foreign_until <= w->now)
        foreign_leave(w, i);
    if (s->sick && s->store != NULL)
        site_crash(w, i);
    restart(w, i);
    if (s->refused && s->store != NULL && link_of(w, i, 0) == NULL)
        resolve(w, i);
}

static void upkeep(world *w)
{
    int i, rc;

    for (i = 0; i < w->sites; i++)
        if (w->site[i].store != NULL && (rc = krbrepl__store_upkeep(w->site[i].store)) < 0)
            site_failed(w, i, "upkeep", rc);
        else
            site_gone(w, i);
}

void tick(world *w)
{
    int i;

    if (w->old >= 0 && w->old_until <= w->now)
        deed_depose(w);
    for (i = 0; i < w->sites; i++) {
        recover(w, i);
        if (i == w->master || i == w->old || w->site[i].store == NULL || w->site[i].retry_at > w->now ||
            link_of(w, i, 0) != NULL)
            continue;
        w->site[i].retry_at = w->now + 100 + rng_below(&w->rng, 900);
        site_connect(w, i);
    }
    if (w->now < w->tick_at)
        return;
    w->tick_at = w->now + 1000;
    write_slots(w, w->master);
    if (w->old >= 0)
        write_slots(w, w->old);
    tell_grown(w);
    upkeep(w);
}

/* ---- birth and death ------------------------------------------------------------------------ */

/* On a RAM disk where there is one with room, else where temporary files go. */
int root_make(const char *dir, char out[96])
{
    const char *base = dir != NULL ? dir : getenv("TMPDIR");
    struct statvfs fs;

    if (base == NULL || base[0] == '\0')
        base = "/tmp";
    if (dir == NULL && statvfs("/dev/shm", &fs) == 0 &&
        (uint64_t)fs.f_bavail * fs.f_frsize > (256u << 20) && access("/dev/shm", W_OK) == 0)
        base = "/dev/shm";
    if ((size_t)snprintf(out, 96, "%.70s/krbrepl-sim-XXXXXX", base) >= 96)
        return -1;
    return mkdtemp(out) != NULL ? 0 : -1;
}

void root_remove(const char *path)
{
    struct dirent *d;
    DIR *dir = opendir(path);
    char name[512];

    while (dir != NULL && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%.200s/%.255s", path, d->d_name);
        if (unlink(name) != 0)
            root_remove(name);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

int world_init(world *w, const plan *p)
{
    const uint64_t seed = p->seed;
    int i;

    memset(w, 0, sizeof *w);
    w->plan = *p;
    w->rng.state = seed;
    w->store_rng.state = ~seed;
    w->prove_rng.state = seed ^ 0x70726f7665u;
    w->now = 1000;
    w->old = -1;
    w->hash = 0xcbf29ce484222325u;
    w->sys = (krbrepl__sys){sys_mono, sys_wall, sys_random, w};
    w->log = (krbrepl__log){on_log, w, KRBREPL_LOG_DEBUG};
    w->sites = 2 + (int)rng_below(&w->rng, MAX_SITES - 1);
    w->window = (uint64_t)4096 << rng_below(&w->rng, 9);
    w->repairs_max = rng_chance(&w->rng, 1, 12) ? 0 : 1 + (int)rng_below(&w->rng, 4);
    w->lifetime_s = rng_chance(&w->rng, 1, 3) ? 10 + rng_below(&w->rng, 20) : 0;
    w->fat = rng_chance(&w->rng, 1, 5) ? 4000 : 200;
    w->keys = 1 + (int)rng_below(&w->rng, 150);
    if (root_make(w->plan.dir, w->root) != 0) {
        broken(w, "no temporary directory");
        return -1;
    }
    disk_begin(w->root, seed ^ 0x6469736bu);
    for (i = 0; i < w->sites; i++)
        if (site_create(w, i) != 0)
            return -1;
    deed_promote(w);
    return w->failed ? -1 : 0;
}

void world_free(world *w)
{
    int i;

    for (i = 0; i < MAX_LINKS; i++) {
        link_drop_end(w, &w->links[i], 0);
        link_drop_end(w, &w->links[i], 1);
    }
    for (i = 0; i < w->sites; i++) {
        site_close(w, i);
        hostlog_free(w->site[i].log);
        w->site[i].log = NULL;
    }
    disk_end();
    free(w->facts);
    if (w->root[0] != '\0')
        root_remove(w->root);
}
