/* What happens to a realm: commits, loads, promotions, failovers. */
#include "world.h"

#include <string.h>

static krbrepl_store *master_store(world *w)
{
    return w->site[w->master].store;
}

/* After a call that was to make a commit. 1: it is made; else it may be there or not, when the disk failed. */
static int done_at(world *w, int m, const char *what, int rc)
{
    if (site_gone(w, m))
        return 0;
    if (rc == 0)
        return 1;
    site_failed(w, m, what, rc);
    if (!w->failed && w->site[m].store != NULL && !w->site[m].sick)
        oracle_settle_doubt(w, m);
    return 0;
}

static int done(world *w, const char *what, int rc)
{
    return done_at(w, w->master, what, rc);
}

static krbrepl_bytes make_key(world *w, char out[64])
{
    krbrepl_bytes b = {out, 0};

    b.len = (size_t)snprintf(out, 64, "user%llu@SIM",
                             (unsigned long long)rng_below(&w->rng, (uint64_t)w->keys));
    return b;
}

/* Mostly small; now and then as large as several windows. */
static krbrepl_bytes make_value(world *w, uint8_t *room, size_t max)
{
    size_t n = rng_below(&w->rng, w->fat), i;
    krbrepl_bytes b = {room, 0};

    if (rng_chance(&w->rng, 1, 40))
        n = rng_below(&w->rng, max);
    for (i = 0; i < n; i += 8) {
        uint64_t x = rng_next(&w->rng);

        memcpy(room + i, &x, n - i < 8 ? n - i : 8);
    }
    b.len = n;
    return b;
}

static int one_change(world *w, krbrepl_txn *t)
{
    static uint8_t room[100008];
    char key[64];
    krbrepl_bytes k = make_key(w, key);
    const char *table = rng_chance(&w->rng, 1, 8) ? "policy" : "principal";
    int rc;

    if (rng_chance(&w->rng, 1, 4)) {
        rc = krbrepl__txn_delete(t, table, k);
        return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
    }
    return krbrepl__txn_put(t, table, k, make_value(w, room, 100000));
}

void deed_commit(world *w)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    uint64_t n = 1 + rng_below(&w->rng, rng_chance(&w->rng, 1, 10) ? 20 : 3);
    int rc, m = w->old >= 0 && rng_chance(&w->rng, 1, 5) ? w->old : w->master;

    if (w->site[m].store == NULL)
        return;
    KRBREPL_INIT(&opt);
    opt.who = "sim";
    opt.why = "commit";
    rc = krbrepl__txn_begin(w->site[m].store, &t, &opt);
    if (rc == 0 && w->plan.change != NULL)
        rc = w->plan.change(w->plan.ctx, t, rng_next(&w->rng));
    while (rc == 0 && w->plan.change == NULL && n-- > 0)
        rc = one_change(w, t);
    if (rc == 0)
        rc = krbrepl__txn_commit(t, NULL);
    else
        krbrepl__txn_abort(t);
    if (!done_at(w, m, "commit", rc))
        return;
    w->did[DID_COMMIT]++;
    oracle_learn(w, m);
    /* The hint by which a node is woken may be lost; then it looks once a second. */
    if (!rng_chance(&w->rng, 1, 8))
        tell_grown(w);
}

void deed_reset(world *w)
{
    static uint8_t room[4008];
    krbrepl_load_options opt;
    krbrepl_load_result res;
    krbrepl_load *l = NULL;
    uint64_t n = rng_below(&w->rng, 50);
    int rc;

    if (master_store(w) == NULL)
        return;
    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&res);
    opt.who = "sim";
    opt.why = "load";
    rc = krbrepl__load_begin(master_store(w), &l, &opt);
    if (rc == 0)
        krbrepl__load_as_reset(l);
    while (rc == 0 && n-- > 0) {
        char key[64];
        krbrepl_bytes k = make_key(w, key);

        rc = krbrepl__load_put(l, "principal", k, make_value(w, room, 4000));
        if (rc == KRBREPL_ERR_EXISTS)
            rc = 0;
    }
    if (rc == 0)
        rc = krbrepl__load_commit(l, &res);
    else
        krbrepl__load_abort(l);
    if (!done(w, "load", rc))
        return;
    w->did[DID_RESET]++;
    note(w, "reset");
    oracle_learn(w, w->master);
    tell_grown(w);
}

/* ---- files that are put back ---------------------------------------------------------------- */

static int copy_file(const char *from, const char *to)
{
    static char room[1u << 16];
    FILE *f = fopen(from, "r"), *t = fopen(to, "w");
    size_t n = 0;
    int ok = f != NULL && t != NULL;

    while (ok && (n = fread(room, 1, sizeof room, f)) > 0)
        ok = fwrite(room, 1, n, t) == n;
    if (f != NULL)
        fclose(f);
    if (t != NULL)
        ok &= fclose(t) == 0;
    return ok;
}

void deed_keep(world *w)
{
    char file[192], kept[192];

    if (master_store(w) == NULL)
        return;
    site_file(w, w->master, file, "data.mdb");
    site_file(w, w->master, kept, "kept");
    w->kept = copy_file(file, kept);
    if (!w->kept)
        broken(w, "the master's file cannot be copied");
}

void deed_roll_back(world *w)
{
    char file[192], kept[192];
    krbrepl_store_info info;
    int i;

    if (!w->kept || master_store(w) == NULL)
        return;
    for (i = 0; i < MAX_LINKS; i++) {
        link_drop_end(w, &w->links[i], 0);
        link_drop_end(w, &w->links[i], 1);
    }
    site_heal(w, w->master);
    site_close(w, w->master);
    site_file(w, w->master, file, "data.mdb");
    site_file(w, w->master, kept, "kept");
    if (!copy_file(kept, file))
        broken(w, "the master's file cannot be put back");
    disk_file_is(w->master, file);
    if (site_open(w, w->master) != 0)
        return;
    memset(w->site[w->master].hold_noted, 0, sizeof w->site[w->master].hold_noted);
    KRBREPL_INIT(&info);
    if (krbrepl__store_info(master_store(w), &info) == 0)
        w->site[w->master].checked = info.pos;
    for (i = 0; i < w->sites; i++)
        w->site[i].acked = 0;
    w->did[DID_ROLL_BACK]++;
    note(w, "the master is put back to %llu", (unsigned long long)info.pos.seq);
}

void resolve(world *w, int i)
{
    krbrepl_store *s = w->site[i].store;
    int rc = 0;

    if (i == w->master || i == w->old || w->site[i].foreign_until != 0) {
        w->site[i].refused = 0;
        return;
    }
    rc = krbrepl__resolve(s, KRBREPL_RESOLVE_KEEP_MASTER, "sim", NULL);
    if (rc != 0)
        site_failed(w, i, "resolve", rc);
    if (site_gone(w, i) || rc != 0)
        return;
    w->site[i].refused = 0;
    oracle_allow_back(w, i);
    w->did[DID_RESOLVE]++;
    note(w, "site %d gives up what only it has", i);
}

/* ---- another database ------------------------------------------------------------------------ */

static int foreign_fill(world *w, krbrepl_store *s)
{
    krbrepl_bytes key = {"somebody@ELSE", 13}, value = {"of another database", 19};
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    int rc = krbrepl__promote(s, "sim", NULL);

    (void)w;
    KRBREPL_INIT(&opt);
    opt.who = "sim";
    opt.why = "another database";
    if (rc == 0)
        rc = krbrepl__txn_begin(s, &t, &opt);
    if (rc == 0)
        rc = krbrepl__txn_put(t, "principal", key, value);
    if (rc == 0)
        rc = krbrepl__txn_commit(t, NULL);
    return rc == 0 ? krbrepl__demote(s, "sim", NULL) : rc;
}

/* Somebody puts the store of another database in the place of a replica's, by mistake. */
void deed_foreign(world *w)
{
    int i = (int)rng_below(&w->rng, (uint64_t)w->sites);
    site *s = &w->site[i];
    krbrepl_create_options opt;
    krbrepl_store_options how;
    krbrepl_store *made = NULL;
    char dir[160];

    if (i == w->master || i == w->old || s->store == NULL || s->was_foreign || s->refused || s->rotten)
        return;
    site_heal(w, i);
    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&how);
    snprintf(dir, sizeof dir, "%s/other", s->home);
    if (krbrepl__store_create(dir, &opt, NULL) != 0 ||
        krbrepl__store_open(&made, dir, &how, NULL) != 0 || foreign_fill(w, made) != 0)
        broken(w, "no store of another database can be made");
    krbrepl__store_close(made);
    site_crash(w, i);
    snprintf(s->dir, sizeof s->dir, "%.127s", dir);
    s->was_foreign = 1;
    s->turned_away = 0;
    s->foreign_until = w->now + 1000 + rng_below(&w->rng, 20000);
    s->up_at = w->now;
    note(w, "site %d has the store of another database", i);
    if (site_open(w, i) == 0 && oracle_read(w, i, &s->foreign_pos, s->foreign_root) != 0)
        broken(w, "the store of another database cannot be read");
}

/* It was turned away, or met nobody, and nothing of it has changed. */
void foreign_leave(world *w, int i)
{
    site *s = &w->site[i];
    krbrepl_pos pos;
    uint8_t root[32];

    if (s->store == NULL && site_open(w, i) != 0)
        return;
    if (oracle_read(w, i, &pos, root) != 0 || !krbrepl__pos_equal(&pos, &s->foreign_pos) ||
        memcmp(root, s->foreign_root, 32) != 0)
        broken(w, "site %d: the store of another database was changed", i);
    site_crash(w, i);
    s->foreign_until = 0;
    memcpy(s->dir, s->home, sizeof s->dir);
    w->did[DID_FOREIGN] += (uint64_t)s->turned_away;
    note(w, "site %d has its own store again", i);
}

/* ---- reigns --------------------------------------------------------------------------------- */

void deed_promote(world *w)
{
    int rc;

    w->kept = 0;
    if (master_store(w) == NULL)
        return;
    rc = krbrepl__promote(master_store(w), "sim", NULL);
    if (!done(w, "promote", rc))
        return;
    w->did[DID_PROMOTE]++;
    note(w, "promoted %d", w->master);
    oracle_learn(w, w->master);
    tell_grown(w);
}

static uint64_t highest_epoch(world *w)
{
    krbrepl_store_info info;
    uint64_t epoch = 0;
    int i;

    for (i = 0; i < w->sites; i++) {
        KRBREPL_INIT(&info);
        if (w->site[i].store != NULL && krbrepl__store_info(w->site[i].store, &info) == 0 &&
            i != w->master && info.known_epoch > epoch)
            epoch = info.known_epoch;
    }
    return epoch;
}

/* A replica that can take over, or -1. Everybody must be up, so that the epochs are known. */
static int pick_heir(world *w)
{
    krbrepl_store_info info;
    int i, heir = -1;

    for (i = 0; i < w->sites; i++) {
        if (w->site[i].store == NULL || w->site[i].foreign_until != 0 || w->site[i].sick)
            return -1;
        KRBREPL_INIT(&info);
        if (i != w->master && i != w->old && !w->site[i].rotten &&
            krbrepl__store_info(w->site[i].store, &info) == 0 && info.pos.seq != 0 &&
            (heir < 0 || rng_chance(&w->rng, 1, 2)))
            heir = i;
    }
    return heir;
}

static void drop_links_of(world *w, int m)
{
    int k;

    for (k = 0; k < MAX_LINKS; k++) {
        if (!w->links[k].used || (w->links[k].master != m && w->links[k].site != m))
            continue;
        link_drop_end(w, &w->links[k], 0);
        link_drop_end(w, &w->links[k], 1);
    }
}

/* `heir` becomes the master, above every epoch that is known. */
static void crown(world *w, int heir)
{
    krbrepl_pos pos;
    int i, rc;

    drop_links_of(w, heir);
    w->master = heir;
    w->kept = 0;
    site_renew_prover(w, heir);
    oracle_crowned(w, heir);
    for (i = 0; i < w->sites; i++)
        w->site[i].acked = 0;
    do {
        rc = krbrepl__promote(master_store(w), "sim", &pos);
        if (done(w, "promote", rc))
            oracle_learn(w, w->master);
    } while (rc == 0 && !w->failed && pos.epoch <= highest_epoch(w));
}

static void demote(world *w, int i)
{
    site_heal(w, i);
    drop_links_of(w, i);
    if (done_at(w, i, "demote", krbrepl__demote(w->site[i].store, "sim", NULL)))
        oracle_learn(w, i);
    repairs_forget(&w->site[i]);
}

/* An operator hands the realm over to a replica, which may be behind: what only the old master and others
 * have beyond it is given up, and kept as evidence there. */
void deed_failover(world *w)
{
    int i, heir = master_store(w) != NULL ? pick_heir(w) : -1;

    if (heir < 0)
        return;
    site_heal(w, heir);
    drop_links_of(w, w->master);
    demote(w, w->master);
    i = w->master;
    crown(w, heir);
    if (w->site[i].store != NULL)
        site_renew_prover(w, i);
    w->did[DID_FAILOVER]++;
    note(w, "failover to %d", heir);
}

void deed_usurp(world *w)
{
    int heir = w->old < 0 && master_store(w) != NULL ? pick_heir(w) : -1;

    if (heir < 0)
        return;
    site_heal(w, w->master);
    site_heal(w, heir);
    drop_links_of(w, w->master);
    w->old = w->master;
    w->old_until = w->now + 1000 + rng_below(&w->rng, 15000);
    crown(w, heir);
    w->did[DID_USURP]++;
    note(w, "failover to %d, and %d does not hear of it", heir, w->old);
}

/* An operator reaches it. */
void deed_depose(world *w)
{
    int i = w->old;

    if (w->site[i].store == NULL)
        return;
    demote(w, i);
    w->old = -1;
    if (w->site[i].store != NULL)
        site_renew_prover(w, i);
    note(w, "%d is told that it is no master any more", i);
}
