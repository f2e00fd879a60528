/* Bits that flip on the disk, behind everybody's back. */
#include "world.h"

#include <string.h>

#include "errinfo.h"

/* The n-th record with a value of some length. */
typedef struct victim {
    uint64_t left;
    char table[16];
    uint8_t key[64];
    size_t key_len;
    krbrepl_bytes value; /* in the map */
} victim;

static int pick(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    victim *v = ctx;

    if (value.len < 8 || key.len > sizeof v->key)
        return 0;
    snprintf(v->table, sizeof v->table, "%s", table);
    memcpy(v->key, key.data, key.len);
    v->key_len = key.len;
    v->value = value;
    return v->left-- == 0 ? KRBREPL_ERR_HOST : 0;
}

/* Whoever reads the record is told that it is damaged. */
static void read_back(world *w, int i, const victim *v)
{
    krbrepl_bytes key = {v->key, v->key_len}, value;
    krbrepl_view *view = NULL;
    int rc = krbrepl__view_open(w->site[i].store, &view);

    if (rc == 0)
        rc = krbrepl__view_get(view, v->table, key, &value);
    krbrepl__view_close(view);
    if (rc != KRBREPL_ERR_CORRUPT)
        broken(w, "site %d: a damaged record is read: %s", i, krbrepl_err_name(rc));
}

static int rot(world *w, int i, victim *v)
{
    krbrepl_view *view = NULL;
    int rc = 0;

    memset(v, 0, sizeof *v);
    v->left = rng_below(&w->rng, 100);
    if (krbrepl__view_open(w->site[i].store, &view) != 0)
        return -1;
    krbrepl__view_each(view, NULL, NULL, NULL, 0, pick, v);
    if (v->value.len != 0)
        rc = disk_rot((const uint8_t *)v->value.data + rng_below(&w->rng, v->value.len),
                      (unsigned)rng_below(&w->rng, 8));
    krbrepl__view_close(view);
    if (rc != 0)
        broken(w, "the file of site %d is not found in memory", i);
    return v->value.len != 0 && rc == 0 ? 0 : -1;
}

void rot_replica(world *w)
{
    int i = (int)rng_below(&w->rng, (uint64_t)w->sites);
    site *s = &w->site[i];
    victim v;

    if (i == w->master || i == w->old || s->store == NULL || s->foreign_until != 0 || s->sick ||
        rot(w, i, &v) != 0)
        return;
    s->rotten = s->was_rotten = s->unseen = 1;
    w->did[DID_ROT]++;
    note(w, "site %d: a bit of a record flips", i);
    read_back(w, i, &v);
}

/* Puts a record of the same key, as an operator who knows it from elsewhere. */
static int mend(world *w, const victim *v)
{
    krbrepl_bytes key = {v->key, v->key_len}, value = {"mended", 6};
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    int rc;

    KRBREPL_INIT(&opt);
    opt.who = "sim";
    opt.why = "mended";
    rc = krbrepl__txn_begin(w->site[w->master].store, &t, &opt);
    if (rc == 0)
        rc = krbrepl__txn_put(t, v->table, key, value);
    if (rc == 0)
        return krbrepl__txn_commit(t, NULL);
    krbrepl__txn_abort(t);
    return rc;
}

/* Until the scrub has been everywhere. */
static int is_reported(world *w)
{
    krbrepl__prover *p = w->site[w->master].prover;
    krbrepl__proof proof;
    int n, rc, asked = 0;

    for (n = 0; n < 10000; n++) {
        if (krbrepl__prover_ready(p) && !asked) {
            krbrepl__prover_scrub(p, 2 * krbrepl__prover_leaves(p) + 64);
            asked = 1;
        }
        rc = krbrepl__prover_work(p, 64, &proof);
        if (rc == KRBREPL_ERR_CORRUPT || rc == KRBREPL__PROVER_ALTERED)
            return 1;
        if (rc == KRBREPL__PROVER_FROZEN)
            repairs_frozen(w, w->master, &proof);
        if (rc < 0 || (rc == KRBREPL__PROVER_IDLE && asked))
            return 0;
    }
    return 0;
}

void rot_master(world *w)
{
    int m = w->master, rc;
    site *s = &w->site[m];
    victim v;

    if (s->store == NULL || s->sick)
        return;
    site_heal(w, m);
    if (rot(w, m, &v) != 0)
        return;
    note(w, "the master: a bit of a record flips");
    read_back(w, m, &v);
    if (!is_reported(w))
        broken(w, "the master does not notice that a record is damaged");
    rc = mend(w, &v);
    if (rc != 0)
        site_failed(w, m, "mending a record", rc);
    krbrepl__prover_reset(s->prover);
    repairs_failed(w, m);
    w->did[DID_ROT_MASTER]++;
    if (rc == 0 && s->store != NULL)
        oracle_learn(w, m);
    tell_grown(w);
}
