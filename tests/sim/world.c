/* Stores, connections and the clock. */
#include "world.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mem.h"
#include "plainchan.h"

#define PIPE_BYTES 65536u /* in flight in one direction */
#define LINGER_MS 2000u

/* ---- reporting ------------------------------------------------------------------------------ */

static void add_to_hash(world *w, const char *s)
{
    for (; *s != '\0'; s++)
        w->hash = (w->hash ^ (uint8_t)*s) * 0x100000001b3u;
}

void note(world *w, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    add_to_hash(w, line);
    if (w->trace)
        printf("%8llu %s\n", (unsigned long long)w->now, line);
}

void broken(world *w, const char *fmt, ...)
{
    va_list ap;

    printf("seed %llu at %llu ms: ", (unsigned long long)w->seed, (unsigned long long)w->now);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    w->failed = 1;
}

static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    world *w = ctx;

    (void)level;
    /* Not part of the hash: a text of a store may name its directory. */
    if (w->trace)
        printf("%8llu   %s: %.*s\n", (unsigned long long)w->now, area, (int)len, msg);
}

/* ---- clock and chance for the stores --------------------------------------------------------- */

static uint64_t sys_mono(void *ctx)
{
    return ((world *)ctx)->now;
}

static int64_t sys_wall(void *ctx)
{
    return 1700000000000000 + (int64_t)((world *)ctx)->now * 1000;
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

static int authorize(void *ctx, const char *principal)
{
    (void)ctx;
    return strncmp(principal, "krbrepl/site", 12) == 0 ? KRBREPL_ALLOW_REPLICA : 0;
}

static void hold(void *ctx, const char *principal, uint64_t seq)
{
    site *s = ctx;
    int i = principal[12] - '0';

    if (i >= 0 && i < MAX_SITES) {
        s->hold[i] = seq;
        s->hold_noted[i] = 1;
    }
}

static void write_slots(world *w)
{
    site *s = &w->site[w->master];
    krbrepl__slot slot;
    int i;

    for (i = 0; i < w->sites && s->store != NULL; i++) {
        if (!s->hold_noted[i])
            continue;
        memset(&slot, 0, sizeof slot);
        snprintf(slot.principal, sizeof slot.principal, "%s", w->site[i].principal);
        slot.hold = s->hold[i];
        s->hold_noted[i] = 0;
        if (krbrepl__store_slots_put(s->store, &slot, 1) != 0)
            broken(w, "writing a slot: %s", krbrepl__store_ei(s->store)->text);
    }
}

int site_open(world *w, int i)
{
    krbrepl_store_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.flags = KRBREPL_STORE_NOSYNC;
    opt.map_size = 1u << 30;
    rc = krbrepl__store_open(&w->site[i].store, w->site[i].dir, &opt, &ei);
    if (rc != 0) {
        broken(w, "site %d does not open: %s: %s", i, krbrepl_err_name(rc), ei.text);
        return rc;
    }
    krbrepl__store_set_sys(w->site[i].store, &w->sys);
    if (krbrepl__prover_new(&w->site[i].prover, w->site[i].store) != 0)
        broken(w, "out of memory");
    w->site[i].want = 0;
    return 0;
}

void site_close(world *w, int i)
{
    krbrepl__prover_free(w->site[i].prover);
    w->site[i].prover = NULL;
    krbrepl__store_close(w->site[i].store);
    w->site[i].store = NULL;
}

static int site_create(world *w, int i)
{
    uint8_t id[16];
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
    keep.hard_cap = rng_chance(&w->rng, 1, 3) ? 1u << 14 : 1u << 24;
    opt.database_id = i == 0 ? id : NULL;
    opt.retention = &keep;
    snprintf(w->site[i].dir, sizeof w->site[i].dir, "%s/%d", w->root, i);
    snprintf(w->site[i].principal, sizeof w->site[i].principal, "krbrepl/site%d@SIM", i);
    rc = krbrepl__store_create(w->site[i].dir, &opt, &ei);
    if (rc != 0) {
        broken(w, "site %d is not made: %s: %s", i, krbrepl_err_name(rc), ei.text);
        return rc;
    }
    return site_open(w, i);
}

void site_file(const world *w, int i, char out[192], const char *name)
{
    snprintf(out, 192, "%s/%s", w->site[i].dir, name);
}

void site_crash(world *w, int i)
{
    int l, e;

    for (l = 0; l < MAX_LINKS; l++)
        for (e = 0; e < 2; e++)
            if (w->links[l].used && (e == 0 ? w->master : w->links[l].site) == i)
                link_drop_end(w, &w->links[l], e);
    site_close(w, i);
    w->site[i].up_at = w->now + rng_below(&w->rng, 3000);
    memset(w->site[i].hold_noted, 0, sizeof w->site[i].hold_noted);
    w->crashes++;
    note(w, "site %d crashes", i);
}

/* ---- connections ---------------------------------------------------------------------------- */

static int end_open(world *w, cable *l, int e)
{
    site *self = &w->site[e == 0 ? w->master : l->site];
    krbrepl__port_owner owner = {.authorize = authorize, .hold = hold, .ctx = self, .check = on_check, .copied = on_copied};
    krbrepl__sess_cfg cfg = {0};
    int rc;

    memset(&l->at[e], 0, sizeof l->at[e]);
    krbrepl__buf_init(&l->at[e].in, 0);
    krbrepl__port_init(&l->at[e].port, &l->at[e].np, self->store, &owner);
    cfg.master = e == 0;
    cfg.chan = plainchan_new(self->principal, w->lifetime_s);
    cfg.port = &l->at[e].port;
    cfg.log = &w->log;
    cfg.name = self->principal;
    cfg.address = w->site[e == 0 ? l->site : w->master].principal;
    cfg.handshake_ms = 5000;
    cfg.missing_ms = 1000;
    cfg.gone_ms = 5000;
    cfg.window = w->window;
    rc = krbrepl__sess_new(&l->at[e].sess, &cfg, w->now);
    if (rc != 0)
        broken(w, "no session: %s", krbrepl_err_name(rc));
    return rc;
}

void site_connect(world *w, int i)
{
    cable *l = NULL;
    int k;

    for (k = 0; k < MAX_LINKS && l == NULL; k++)
        if (!w->links[k].used)
            l = &w->links[k];
    if (l == NULL || w->site[w->master].store == NULL || w->site[i].store == NULL)
        return;
    memset(l, 0, sizeof *l);
    l->used = 1;
    l->id = ++w->next_id;
    l->site = i;
    if (end_open(w, l, 0) != 0 || end_open(w, l, 1) != 0)
        return;
    note(w, "link %llu: site %d connects", (unsigned long long)l->id, i);
}

/* The n-th link of site i whose replica's end is alive. */
cable *link_of(world *w, int i, int nth)
{
    cable *best = NULL;
    uint64_t above = 0;
    int k;

    /* In the order of their ids. */
    do {
        best = NULL;
        for (k = 0; k < MAX_LINKS; k++) {
            cable *l = &w->links[k];

            if (l->used && l->site == i && l->at[1].sess != NULL && l->id > above &&
                (best == NULL || l->id < best->id))
                best = l;
        }
        if (best != NULL)
            above = best->id;
    } while (best != NULL && nth-- > 0);
    return best;
}

/* Which ends of a session are no surprise. All faults of the network end in NET or TIMEOUT; whatever
 * speaks of histories or of the protocol is a fault of ours. */
static int is_fair(int err)
{
    return err == 0 || err == KRBREPL_ERR_NET || err == KRBREPL_ERR_TIMEOUT || err == KRBREPL_ERR_AUTH;
}

/* What comes of files that were put back. */
static int is_fork(int err)
{
    return err == KRBREPL_ERR_AHEAD || err == KRBREPL_ERR_DIVERGED;
}

void look_at_end(world *w, cable *l, int e)
{
    const krbrepl__sess_info *i = krbrepl__sess_info_get(l->at[e].sess);

    if (i->phase != KRBREPL__SESS_CLOSED || l->at[e].closed_at != 0)
        return;
    l->at[e].closed_at = w->now;
    note(w, "link %llu: end %d closed: %s", (unsigned long long)l->id, e, krbrepl_err_name(i->err));
    if (w->rollbacks != 0 && is_fork(i->err)) {
        w->site[l->site].refused = 1;
        return;
    }
    if (!is_fair(i->err))
        broken(w, "link %llu of site %d: %s %s: %s: %s", (unsigned long long)l->id, l->site,
               e == 0 ? "master" : "replica", i->by_peer ? "was told" : "says",
               krbrepl_err_name(i->err), i->text);
}

void link_drop_end(world *w, cable *l, int e)
{
    end *x = &l->at[e], *y = &l->at[!e];
    const krbrepl__sess_info *i;

    if (!l->used || x->sess == NULL)
        return;
    i = krbrepl__sess_info_get(x->sess);
    if (e == 1) {
        w->copies += i->copies;
        w->proofs += i->proofs;
        if (i->copies != 0 && i->copy_reason == KRBREPL_COPY_FORK)
            w->forks++;
    }
    krbrepl__sess_free(x->sess);
    x->sess = NULL;
    y->eof = 1;
    krbrepl__buf_free(&x->in);
    if (y->sess == NULL)
        l->used = 0;
}

void link_pump(world *w, cable *l, int e, size_t n)
{
    end *to = &l->at[!e];
    krbrepl__buf *out;

    if (l->at[e].sess == NULL)
        return;
    out = krbrepl__sess_out(l->at[e].sess);
    if (n > out->len)
        n = out->len;
    if (to->sess == NULL || to->lost || to->eof) {
        krbrepl__buf_consume(out, n); /* into the void */
        return;
    }
    if (to->in.len >= PIPE_BYTES)
        return;
    if (n > PIPE_BYTES - to->in.len)
        n = PIPE_BYTES - to->in.len;
    krbrepl__buf_bytes(&to->in, out->data, n);
    krbrepl__buf_consume(out, n);
    (void)w;
}

void link_deliver(world *w, cable *l, int e, size_t n)
{
    end *x = &l->at[e];
    uint8_t *copy;

    if (x->sess == NULL || x->stalled > w->now || x->lost)
        return;
    if (n > x->in.len)
        n = x->in.len;
    if (n != 0) {
        copy = krbrepl__alloc(n);
        if (copy == NULL)
            return;
        memcpy(copy, x->in.data, n);
        krbrepl__buf_consume(&x->in, n);
        krbrepl__sess_feed(x->sess, copy, n, w->now);
        krbrepl__free(copy, n);
        note(w, "link %llu: %zu bytes to end %d", (unsigned long long)l->id, n, e);
    } else if (x->eof && x->closed_at == 0) {
        krbrepl__sess_eof(x->sess, w->now);
    }
    look_at_end(w, l, e);
    if (e == 0)
        oracle_check_acks(w, l);
}

int link_work(world *w, cable *l, int e)
{
    int more;

    if (l->at[e].sess == NULL)
        return 0;
    more = krbrepl__sess_work(l->at[e].sess, w->now);
    look_at_end(w, l, e);
    if (e == 1)
        oracle_check(w, l->site);
    return more;
}

/* ---- owners --------------------------------------------------------------------------------- */

/* The master's node: a new session of a principal replaces the old one. */
static void replace_older(world *w, cable *l)
{
    int k;

    for (k = 0; k < MAX_LINKS; k++) {
        cable *o = &w->links[k];

        if (o->used && o->site == l->site && o->id < l->id && o->at[0].sess != NULL &&
            o->at[0].closed_at == 0) {
            krbrepl__sess_close(o->at[0].sess, 0, "a newer session replaces this one", w->now);
            look_at_end(w, o, 0);
        }
    }
}

/* The replica's node: the oldest session goes first; a secured successor ends it. */
static void let_go(world *w, cable *l)
{
    cable *first = link_of(w, l->site, 0);

    if (first == l) {
        l->at[1].went = 1;
        krbrepl__sess_go(l->at[1].sess, w->now);
    } else if (first->at[1].closed_at == 0) {
        krbrepl__sess_close(first->at[1].sess, 0, "renewed", w->now);
        look_at_end(w, first, 1);
    }
}

static void settle_end(world *w, cable *l, int e)
{
    end *x = &l->at[e];
    const krbrepl__sess_info *i;

    if (x->sess == NULL)
        return;
    i = krbrepl__sess_info_get(x->sess);
    if (x->closed_at == 0 && i->phase >= KRBREPL__SESS_HELLO && e == 0)
        replace_older(w, l);
    if (x->closed_at == 0 && i->phase == KRBREPL__SESS_HELLO && e == 1 && !x->went)
        let_go(w, l);
    if (x->closed_at == 0)
        return;
    link_pump(w, l, e, SIZE_MAX);
    if (krbrepl__sess_out(x->sess)->len == 0 || w->now >= x->closed_at + LINGER_MS)
        link_drop_end(w, l, e);
}

void settle(world *w)
{
    int k;

    for (k = 0; k < MAX_LINKS; k++) {
        if (!w->links[k].used)
            continue;
        settle_end(w, &w->links[k], 0);
        settle_end(w, &w->links[k], 1);
    }
}

void tell_grown(world *w)
{
    krbrepl_store_info info;
    int k;

    KRBREPL_INIT(&info);
    if (w->site[w->master].store == NULL || krbrepl__store_info(w->site[w->master].store, &info) != 0)
        return;
    for (k = 0; k < MAX_LINKS; k++)
        if (w->links[k].used && w->links[k].at[0].sess != NULL)
            krbrepl__sess_grown(w->links[k].at[0].sess, info.pos.seq);
}

static void restart(world *w, int i)
{
    site *s = &w->site[i];

    if (s->store != NULL || s->up_at > w->now || site_open(w, i) != 0)
        return;
    note(w, "site %d is back", i);
    if (i == w->master) {
        krbrepl_store_info info;

        /* Committed changes are never lost. */
        KRBREPL_INIT(&info);
        if (krbrepl__store_info(s->store, &info) != 0 || !krbrepl__pos_equal(&info.pos, &s->checked))
            broken(w, "the master came back at %llu, and was at %llu", (unsigned long long)info.pos.seq,
                   (unsigned long long)s->checked.seq);
    } else {
        oracle_check(w, i);
    }
}

void tick(world *w)
{
    int i;

    for (i = 0; i < w->sites; i++) {
        restart(w, i);
        if (w->site[i].refused && w->site[i].store != NULL && link_of(w, i, 0) == NULL)
            resolve(w, i);
        if (i == w->master || w->site[i].store == NULL || w->site[i].retry_at > w->now ||
            link_of(w, i, 0) != NULL)
            continue;
        w->site[i].retry_at = w->now + 100 + rng_below(&w->rng, 900);
        site_connect(w, i);
    }
    if (w->now < w->tick_at)
        return;
    w->tick_at = w->now + 1000;
    write_slots(w);
    tell_grown(w);
    for (i = 0; i < w->sites; i++)
        if (w->site[i].store != NULL && krbrepl__store_upkeep(w->site[i].store) < 0)
            broken(w, "upkeep: %s", krbrepl__store_ei(w->site[i].store)->text);
}

/* ---- birth and death ------------------------------------------------------------------------ */

/* On a RAM disk where there is one with room, else where temporary files go. */
static int make_root(world *w)
{
    const char *base = getenv("TMPDIR");
    struct statvfs fs;

    if (base == NULL || base[0] == '\0')
        base = "/tmp";
    if (statvfs("/dev/shm", &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize > (256u << 20) &&
        access("/dev/shm", W_OK) == 0)
        base = "/dev/shm";
    if ((size_t)snprintf(w->root, sizeof w->root, "%.70s/krbrepl-sim-XXXXXX", base) >= sizeof w->root)
        return -1;
    return mkdtemp(w->root) != NULL ? 0 : -1;
}

static void remove_tree(const char *path)
{
    struct dirent *d;
    DIR *dir = opendir(path);
    char name[512];

    while (dir != NULL && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%.200s/%.255s", path, d->d_name);
        if (unlink(name) != 0)
            remove_tree(name);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

int world_init(world *w, uint64_t seed, int trace)
{
    int i;

    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->rng.state = seed;
    w->store_rng.state = ~seed;
    w->prove_rng.state = seed ^ 0x70726f7665u;
    w->now = 1000;
    w->hash = 0xcbf29ce484222325u;
    w->trace = trace;
    w->sys = (krbrepl__sys){sys_mono, sys_wall, sys_random, w};
    w->log = (krbrepl__log){on_log, w, KRBREPL_LOG_DEBUG};
    w->sites = 2 + (int)rng_below(&w->rng, MAX_SITES - 1);
    w->window = (uint64_t)4096 << rng_below(&w->rng, 9);
    w->lifetime_s = rng_chance(&w->rng, 1, 3) ? 10 + rng_below(&w->rng, 20) : 0;
    w->keys = 1 + (int)rng_below(&w->rng, 150);
    if (make_root(w) != 0) {
        broken(w, "no temporary directory");
        return -1;
    }
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
    for (i = 0; i < w->sites; i++)
        site_close(w, i);
    free(w->facts);
    if (w->root[0] != '\0')
        remove_tree(w->root);
}
