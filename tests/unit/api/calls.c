#include "calls.h"

#define KEY BYTES("a")
#define VALUE BYTES("1")

/* ---- stores --------------------------------------------------------------------------------- */

static int no_commit(void *ctx, const krbrepl_commit *c)
{
    (void)ctx;
    (void)c;
    return 0;
}

static int no_record(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    (void)ctx;
    (void)table;
    (void)key;
    (void)value;
    return 0;
}

static int no_slot(void *ctx, const krbrepl_slot *slot)
{
    (void)ctx;
    (void)slot;
    return 0;
}

static int no_peer(void *ctx, const krbrepl_peer *peer)
{
    (void)ctx;
    (void)peer;
    return 0;
}

static int backup(rig *r)
{
    char file[128];

    snprintf(file, sizeof file, "%s/backup", r->top);
    return krbrepl_backup(r->s, file);
}

static int store_close(rig *r)
{
    krbrepl_store_close(r->s);
    return 0;
}

static int store_dir(rig *r)
{
    return krbrepl_store_dir(r->s) != NULL ? 0 : KRBREPL_ERR_INVALID;
}

static int store_errinfo(rig *r)
{
    krbrepl_errinfo ei = {.size = sizeof ei};

    return krbrepl_store_errinfo(r->s, &ei);
}

static int store_info_get(rig *r)
{
    krbrepl_store_info info = {.size = sizeof info};

    return krbrepl_store_info_get(r->s, &info);
}

static int set_retention(rig *r)
{
    return krbrepl_store_set_retention(r->s, NULL);
}

static int store_trim(rig *r)
{
    return krbrepl_store_trim(r->s, 1000, NULL);
}

static int slot_each(rig *r)
{
    return krbrepl_slot_each(r->s, no_slot, NULL);
}

static int slot_reset(rig *r)
{
    return krbrepl_slot_reset(r->s, "iprop/nobody@KRBREPL.TEST");
}

static int slot_drop(rig *r)
{
    return krbrepl_slot_drop(r->s, "krbrepl/nobody@KRBREPL.TEST");
}

static int promote(rig *r)
{
    return krbrepl_promote(r->s, NULL, NULL);
}

static int demote(rig *r)
{
    return krbrepl_demote(r->s, NULL, NULL);
}

static int resolve(rig *r)
{
    return krbrepl_resolve(r->s, KRBREPL_RESOLVE_KEEP_REPLICA, NULL, NULL);
}

static int journal_each(rig *r)
{
    return krbrepl_journal_each(r->s, 0, 0, no_commit, NULL);
}

static int local_put(rig *r)
{
    return krbrepl_local_put(r->s, "principal", KEY, VALUE);
}

static int local_get(rig *r)
{
    char room[8];
    size_t len = sizeof room;

    return krbrepl_local_get(r->s, "principal", KEY, room, &len);
}

static int local_delete(rig *r)
{
    return krbrepl_local_delete(r->s, "principal", KEY);
}

/* ---- what hangs on a store ------------------------------------------------------------------- */

static int txn_begin(rig *r)
{
    krbrepl_txn *t = NULL;
    int rc = krbrepl_txn_begin(r->s, &t, NULL);

    krbrepl_txn_abort(t);
    return rc;
}

static int txn_put(rig *r)
{
    return krbrepl_txn_put(r->t, "principal", KEY, VALUE);
}

static int txn_get(rig *r)
{
    krbrepl_bytes got;

    return krbrepl_txn_get(r->t, "principal", KEY, &got);
}

static int txn_delete(rig *r)
{
    return krbrepl_txn_delete(r->t, "principal", KEY);
}

/* The store is not hosted, so this is STATE wherever it gets through. */
static int txn_prepare(rig *r)
{
    return krbrepl_txn_prepare(r->t);
}

static int txn_commit(rig *r)
{
    return krbrepl_txn_commit(r->t, NULL);
}

static int txn_abort(rig *r)
{
    krbrepl_txn_abort(r->t);
    return 0;
}

static int view_open(rig *r)
{
    krbrepl_view *v = NULL;
    int rc = krbrepl_view_open(r->s, &v);

    krbrepl_view_close(v);
    return rc;
}

static int view_close(rig *r)
{
    krbrepl_view_close(r->v);
    return 0;
}

static int view_pos(rig *r)
{
    krbrepl_pos pos;

    return krbrepl_view_pos(r->v, &pos);
}

static int view_get(rig *r)
{
    krbrepl_bytes got;

    return krbrepl_view_get(r->v, "principal", KEY, &got);
}

static int view_each(rig *r)
{
    return krbrepl_view_each(r->v, NULL, NULL, NULL, 0, no_record, NULL);
}

static int view_digest(rig *r)
{
    uint8_t root[32];

    return krbrepl_view_digest(r->v, root, NULL);
}

static int load_begin(rig *r)
{
    krbrepl_load *l = NULL;
    int rc = krbrepl_load_begin(r->s, &l, NULL);

    krbrepl_load_abort(l);
    return rc;
}

static int load_put(rig *r)
{
    return krbrepl_load_put(r->l, "principal", BYTES("z"), VALUE);
}

static int load_commit(rig *r)
{
    return krbrepl_load_commit(r->l, NULL);
}

static int load_abort(rig *r)
{
    krbrepl_load_abort(r->l);
    return 0;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static int master_start(rig *r)
{
    krbrepl_master_options o = {.size = sizeof o};

    o.listen = "127.0.0.1:0";
    o.keytab = r->keytab;
    return krbrepl_master_start(r->n, &o);
}

static int replica_start(rig *r)
{
    krbrepl_replica_options o = {.size = sizeof o};

    o.master = "127.0.0.1:1";
    return krbrepl_replica_start(r->n, &o);
}

static int node_stop(rig *r)
{
    return krbrepl_node_stop(r->n);
}

static int node_free(rig *r)
{
    krbrepl_node_free(r->n);
    return 0;
}

static int node_fd(rig *r)
{
    int fd = krbrepl_node_fd(r->n);

    return fd < 0 ? fd : ANY;
}

static int node_timeout(rig *r)
{
    int ms = krbrepl_node_timeout(r->n);

    return ms < 0 ? ms : ANY;
}

static int node_process(rig *r)
{
    return krbrepl_node_process(r->n);
}

static int node_run(rig *r)
{
    return krbrepl_node_run(r->n);
}

static int node_spawn(rig *r)
{
    return krbrepl_node_spawn(r->n);
}

static int node_wake(rig *r)
{
    return krbrepl_node_wake(r->n);
}

static int node_quit(rig *r)
{
    return krbrepl_node_quit(r->n);
}

static int node_reauthorize(rig *r)
{
    return krbrepl_node_reauthorize(r->n);
}

static int node_errinfo(rig *r)
{
    krbrepl_errinfo ei = {.size = sizeof ei};

    return krbrepl_node_errinfo(r->n, &ei);
}

static int node_status(rig *r)
{
    krbrepl_status st = {.size = sizeof st};

    return krbrepl_node_status(r->n, &st);
}

static int node_peers(rig *r)
{
    return krbrepl_node_peers(r->n, no_peer, NULL);
}

/* ---- the table ------------------------------------------------------------------------------ */

#define INVALID KRBREPL_ERR_INVALID
#define FORKED KRBREPL_ERR_FORKED
#define STATE KRBREPL_ERR_STATE

const call calls[] = {
    /* name, handle, call, none, forked, crossed, inside, ends */
    {"krbrepl_backup", 's', backup, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_demote", 's', demote, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_journal_each", 's', journal_each, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_load_begin", 's', load_begin, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_local_delete", 's', local_delete, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_local_get", 's', local_get, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_local_put", 's', local_put, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_promote", 's', promote, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_resolve", 's', resolve, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_slot_drop", 's', slot_drop, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_slot_reset", 's', slot_reset, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_slot_each", 's', slot_each, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_store_close", 's', store_close, 0, 0, 0, 0, 1},
    {"krbrepl_store_dir", 's', store_dir, INVALID, 0, 0, 0, 0},
    {"krbrepl_store_errinfo", 's', store_errinfo, INVALID, 0, STATE, 0, 0},
    {"krbrepl_store_info_get", 's', store_info_get, INVALID, FORKED, STATE, 0, 0},
    {"krbrepl_store_set_retention", 's', set_retention, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_store_trim", 's', store_trim, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_txn_begin", 's', txn_begin, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_view_open", 's', view_open, INVALID, FORKED, STATE, 0, 0},
    {"krbrepl_txn_abort", 't', txn_abort, 0, 0, 0, 0, 1},
    {"krbrepl_txn_commit", 't', txn_commit, INVALID, FORKED, STATE, 0, 1},
    {"krbrepl_txn_delete", 't', txn_delete, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_txn_get", 't', txn_get, INVALID, FORKED, STATE, ANY, 0},
    {"krbrepl_txn_prepare", 't', txn_prepare, INVALID, FORKED, STATE, STATE, 0},
    {"krbrepl_txn_put", 't', txn_put, INVALID, FORKED, STATE, 0, 0},
    {"krbrepl_view_close", 'v', view_close, 0, 0, 0, 0, 1},
    {"krbrepl_view_digest", 'v', view_digest, INVALID, FORKED, STATE, 0, 0},
    {"krbrepl_view_each", 'v', view_each, INVALID, FORKED, STATE, 0, 0},
    {"krbrepl_view_get", 'v', view_get, INVALID, FORKED, STATE, 0, 0},
    {"krbrepl_view_pos", 'v', view_pos, INVALID, FORKED, STATE, 0, 0},
    {"krbrepl_load_abort", 'l', load_abort, 0, 0, 0, 0, 1},
    {"krbrepl_load_commit", 'l', load_commit, INVALID, FORKED, STATE, STATE, 1},
    {"krbrepl_load_put", 'l', load_put, INVALID, FORKED, STATE, STATE, 0},
    {"krbrepl_master_start", 'n', master_start, INVALID, FORKED, STATE, STATE, 0},
    {"krbrepl_node_errinfo", 'n', node_errinfo, INVALID, FORKED, 0, 0, 0},
    {"krbrepl_node_fd", 'n', node_fd, INVALID, FORKED, ANY, ANY, 0},
    {"krbrepl_node_free", 'n', node_free, 0, 0, 0, 0, 1},
    {"krbrepl_node_peers", 'n', node_peers, INVALID, FORKED, 0, 0, 0},
    {"krbrepl_node_process", 'n', node_process, INVALID, FORKED, STATE, STATE, 0},
    {"krbrepl_node_quit", 'n', node_quit, INVALID, FORKED, 0, 0, 0},
    {"krbrepl_node_reauthorize", 'n', node_reauthorize, INVALID, FORKED, 0, 0, 0},
    {"krbrepl_node_run", 'n', node_run, INVALID, FORKED, STATE, STATE, 0},
    {"krbrepl_node_spawn", 'n', node_spawn, INVALID, FORKED, STATE, STATE, 0},
    {"krbrepl_node_status", 'n', node_status, INVALID, FORKED, 0, 0, 0},
    {"krbrepl_node_stop", 'n', node_stop, INVALID, FORKED, STATE, STATE, 0},
    {"krbrepl_node_timeout", 'n', node_timeout, -1, -1, -1, ANY, 0},
    {"krbrepl_node_wake", 'n', node_wake, INVALID, FORKED, 0, 0, 0},
    {"krbrepl_replica_start", 'n', replica_start, INVALID, FORKED, STATE, STATE, 0},
};

const size_t ncalls = sizeof calls / sizeof calls[0];
