/* snapshot.c: the status of a store at one moment. */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "mitglue.h"
#include "times.h"

typedef unsigned long long ull;

static int keep_peer(void *ctx, const krbrepl_peer *peer)
{
    struct snapshot *s = ctx;
    krbrepl_peer *mine;

    if (s->npeers == s->room) {
        s->room = s->room == 0 ? 16 : s->room * 2;
        s->peers = prog_grow(s->peers, s->room * sizeof *s->peers);
    }
    mine = &s->peers[s->npeers++];
    *mine = *peer;
    mine->principal = prog_dup(peer->principal);
    mine->address = prog_dup(peer->address);
    mine->name = prog_dup(peer->name);
    return 0;
}

static void free_text(const char *text)
{
    /* Ours, though the struct says const. */
    free((char *)(uintptr_t)text);
}

void snapshot_free(struct snapshot *s)
{
    size_t i;

    for (i = 0; i < s->npeers; i++) {
        free_text(s->peers[i].principal);
        free_text(s->peers[i].address);
        free_text(s->peers[i].name);
    }
    free(s->peers);
    memset(s, 0, sizeof *s);
}

/* No node runs: the store itself knows this much. */
static int from_store(struct snapshot *s, struct cli *c, const char *dir)
{
    krbrepl_store_info info;
    int rc = cli_open(c, dir, KRBREPL_STORE_READONLY);

    if (rc != PROG_OK)
        return rc;
    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(c->store, &info);
    rc = rc != 0 ? cli_failed_store(c, rc) : PROG_OK;
    krbrepl_store_close(c->store);
    c->store = NULL;
    memcpy(s->st.database_id, info.database_id, 16);
    s->st.role = info.role;
    s->st.pos = info.pos;
    s->st.known_epoch = info.known_epoch;
    s->st.records = info.records;
    s->st.journal_first = info.journal_first;
    s->st.journal_last = info.journal_last;
    s->st.journal_bytes = info.journal_bytes;
    s->st.flags = info.flags;
    return rc;
}

/* Which master key the content has travels as any other record: an operator who rolls it over wants to see where it
 * has arrived before the old one goes. */
static uint64_t master_key(const char *dir)
{
    krbrepl_store *store = NULL;
    krbrepl_store_options opt;
    uint64_t kvno = 0;

    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_STORE_READONLY;
    if (!mitglue_there() || krbrepl_store_open(&store, dir, &opt, NULL) != 0)
        return 0;
    if (mitglue_mkey_kvno(store, "", &kvno) != 0)
        kvno = 0;
    krbrepl_store_close(store);
    return kvno;
}

int snapshot_take(struct snapshot *s, struct cli *c, const char *dir, uint64_t timeout_ms)
{
    krbrepl_errinfo ei;
    int rc;

    memset(s, 0, sizeof *s);
    KRBREPL_INIT(&s->st);
    KRBREPL_INIT(&ei);
    rc = krbrepl_status_fetch(dir, timeout_ms, &s->st, keep_peer, s, &ei);
    s->running = rc == 0;
    if (rc != 0) {
        snapshot_free(s);
        KRBREPL_INIT(&s->st);
        if (rc != KRBREPL_ERR_NOTFOUND)
            return cli_failed(c, rc, &ei);
        rc = from_store(s, c, dir);
    }
    if (rc == PROG_OK)
        s->mkey = master_key(dir);
    return rc;
}

static bool follows(const struct snapshot *s)
{
    return s->st.role == KRBREPL_ROLE_REPLICA || s->st.role == KRBREPL_ROLE_UNSET;
}

static void print_copy(const char *label, int64_t when, uint64_t reason)
{
    char stamp[TIMES_ROOM];

    if (when != 0)
        printf("%s%s (%s)\n", label, times_stamp(stamp, when), krbrepl_copy_reason_name(reason));
}

/* Where the content was last proved equal to that of the other end. */
static void print_proof(const char *label, int64_t when, uint64_t seq)
{
    char stamp[TIMES_ROOM];

    if (when != 0)
        printf("%sproved at %llu, %s\n", label, (ull)seq, times_stamp(stamp, when));
}

static void print_upstream(const krbrepl_status *st)
{
    char lag[TIMES_ROOM], heard[TIMES_ROOM];

    printf("  master    at %llu, heard %s\n", (ull)st->upstream_seq,
           times_stamp(heard, st->last_heard_us));
    printf("  lag       %llu commits, %s\n", (ull)st->lag_commits, times_duration(lag, st->lag_us));
    print_copy("  last copy ", st->last_copy_us, st->last_copy_reason);
    print_proof("  equal     ", st->proved_us, st->proved_seq);
}

/* A node whose records come from a master of another kind. */
static void print_source(const krbrepl_status *st)
{
    char heard[TIMES_ROOM], lag[TIMES_ROOM];

    printf("  source    heimdal-iprop, at its version %llu, heard %s\n", (ull)st->upstream_version,
           times_stamp(heard, st->last_heard_us));
    printf("  lag       %s\n", times_duration(lag, st->lag_us));
    print_copy("  last copy ", st->last_copy_us, st->last_copy_reason);
}

/* A replica that was here before and is not now: the master keeps its place in the journal. */
static bool is_away(const krbrepl_peer *p)
{
    return p->state == KRBREPL_STATE_STOPPED;
}

static void print_peer(const krbrepl_peer *p)
{
    char lag[TIMES_ROOM], since[TIMES_ROOM], seen[TIMES_ROOM];

    printf("\n  %s%s%s%s%s%s\n", p->principal, *p->address != '\0' ? " at " : "", p->address,
           *p->name != '\0' ? " (" : "", p->name, *p->name != '\0' ? ")" : "");
    if (is_away(p))
        printf("    not connected, last seen %s\n", times_stamp(seen, p->last_seen_us));
    else
        printf("    %s since %s, last seen %s\n", krbrepl_state_name(p->state),
               times_stamp(since, p->connected_us), times_stamp(seen, p->last_seen_us));
    if (p->dialect > KRBREPL_DIALECT_NATIVE)
        printf("    speaks %s, version %llu\n", krbrepl_dialect_name(p->dialect), (ull)p->version);
    printf("    received %llu, durable %llu, applied %llu\n", (ull)p->received, (ull)p->durable,
           (ull)p->applied);
    printf("    lag %llu commits, %s\n", (ull)p->lag_commits, times_duration(lag, p->lag_us));
    print_copy("    last full copy ", p->last_copy_us, p->last_copy_reason);
    print_proof("    equal: ", p->proved_us, p->proved_seq);
    if (p->last_err != 0)
        printf("    last error: %s\n", krbrepl_strerror((int)p->last_err));
}

static uint64_t print_reasons(const char *label, const uint64_t *count)
{
    uint64_t i, all = 0;

    for (i = 0; i < KRBREPL_COPY_REASONS; i++)
        all += count[i];
    if (all == 0)
        return 0;
    printf("%s%llu since then:", label, (ull)all);
    for (i = 0; i < KRBREPL_COPY_REASONS; i++)
        if (count[i] != 0)
            printf(" %llu %s", (ull)count[i], krbrepl_copy_reason_name(i));
    return all;
}

static void print_copies(const krbrepl_status *st)
{
    char size[TIMES_ROOM];

    if (print_reasons("  copies    ", st->copies_by_reason) != 0)
        printf("\n");
    if (print_reasons("  repairs   ", st->repairs_by_reason) != 0)
        printf("; %llu records, %s\n", (ull)st->repair_records, times_size(size, st->repair_bytes));
    if ((st->flags & KRBREPL_STORE_OLD) != 0)
        printf("  old       the content that was replaced without an explanation is kept: krbrepl dump "
               "--old\n");
}

/* What is held for the slowest replica, and how long that can go on. */
static void print_headroom(const krbrepl_status *st)
{
    char held[TIMES_ROOM], cap[TIMES_ROOM];

    if (st->held_commits != 0)
        printf(
            "  held      %llu commits, %s of %s, for the slowest replica; %llu more before it needs a "
            "full copy\n",
            (ull)st->held_commits, times_size(held, st->held_bytes), times_size(cap, st->hard_cap),
            (ull)st->headroom_commits);
    if (st->slots_cut != 0)
        printf("  too late  %llu replicas need commits that are not kept any more\n",
               (ull)st->slots_cut);
}

void snapshot_print(const struct snapshot *s, const char *dir)
{
    const krbrepl_status *st = &s->st;
    char hex[33], buf[TIMES_ROOM];
    size_t i;

    prog_hex(hex, st->database_id, 16);
    printf("%s\n  role      %s%s\n", dir, krbrepl_role_name(st->role),
           (st->flags & KRBREPL_STORE_NOSYNC) != 0 ? ", commits are NOT synced to the disk" : "");
    if (s->running)
        printf("  node      %s, process %lld, since %s\n", krbrepl_state_name(st->state),
               (long long)st->pid, times_stamp(buf, st->started_us));
    else
        printf("  node      none runs; this is what the store says\n");
    printf("  database  %s\n  position  ", hex);
    cli_print_pos(&st->pos);
    if ((st->flags & KRBREPL_STORE_GIVES_UP) != 0)
        printf("  resolved  what only this store has is given up when the master is met\n");
    if (st->known_epoch > st->pos.epoch)
        printf("  epoch     %llu is known to exist\n", (ull)st->known_epoch);
    printf("  records   %llu\n", (ull)st->records);
    if (s->mkey != 0)
        printf("  mkey      K/M is at version %llu\n", (ull)s->mkey);
    printf("  journal   ");
    if (st->journal_first <= st->journal_last && st->journal_last > 0)
        printf("%llu to %llu, %s\n", (ull)st->journal_first, (ull)st->journal_last,
               times_size(buf, st->journal_bytes));
    else
        printf("empty\n");
    print_headroom(st);
    print_copies(st);
    if (s->running && st->upstream_dialect == KRBREPL_DIALECT_HEIMDAL)
        print_source(st);
    else if (s->running && follows(s))
        print_upstream(st);
    if (st->differs != 0)
        printf("  DIFFERED  %llu times since the node started; see its log\n", (ull)st->differs);
    if (st->last_err != 0)
        printf("  last error %s (%s)\n", st->last_error, krbrepl_err_name((int)st->last_err));
    if (s->running && st->role == KRBREPL_ROLE_MASTER)
        printf("  replicas  %llu connected, %llu refused so far\n", (ull)st->peers, (ull)st->refused);
    for (i = 0; i < s->npeers; i++)
        print_peer(&s->peers[i]);
}

static void json_peer(struct json *j, const krbrepl_peer *p)
{
    json_open(j, NULL, '{');
    json_u64(j, "id", p->id);
    json_text(j, "principal", p->principal);
    json_text(j, "address", p->address);
    json_text(j, "name", p->name);
    json_text(j, "state", krbrepl_state_name(p->state));
    json_u64(j, "received", p->received);
    json_u64(j, "durable", p->durable);
    json_u64(j, "applied", p->applied);
    json_u64(j, "lag_commits", p->lag_commits);
    json_u64(j, "lag_us", p->lag_us);
    json_time(j, "connected", p->connected_us);
    json_time(j, "last_seen", p->last_seen_us);
    json_time(j, "last_copy", p->last_copy_us);
    json_text(j, "last_copy_reason", krbrepl_copy_reason_name(p->last_copy_reason));
    json_u64(j, "bytes_out", p->bytes_out);
    json_u64(j, "bytes_in", p->bytes_in);
    json_u64(j, "proved_seq", p->proved_seq);
    json_time(j, "proved", p->proved_us);
    json_text(j, "dialect", krbrepl_dialect_name(p->dialect));
    json_u64(j, "version", p->version);
    json_text(j, "last_error", p->last_err != 0 ? krbrepl_err_name((int)p->last_err) : "");
    json_close(j, '}');
}

/* Each reason that there is, by its name. */
static void json_reasons(struct json *j, const char *name, const uint64_t *count)
{
    uint64_t i;

    json_open(j, name, '{');
    for (i = 1; i < KRBREPL_COPY_REASONS; i++)
        if (strcmp(krbrepl_copy_reason_name(i), "unknown") != 0)
            json_u64(j, krbrepl_copy_reason_name(i), count[i]);
    json_close(j, '}');
}

static void json_headroom(struct json *j, const krbrepl_status *st)
{
    json_open(j, "held", '{');
    json_u64(j, "slots", st->slots);
    json_u64(j, "slots_cut", st->slots_cut);
    json_u64(j, "from", st->held_from);
    json_u64(j, "commits", st->held_commits);
    json_u64(j, "bytes", st->held_bytes);
    json_u64(j, "hard_cap", st->hard_cap);
    json_u64(j, "headroom_commits", st->headroom_commits);
    json_close(j, '}');
}

static void json_counters(struct json *j, const krbrepl_status *st)
{
    json_i64(j, "pid", st->pid);
    json_time(j, "started", st->started_us);
    json_u64(j, "upstream_seq", st->upstream_seq);
    json_text(j, "upstream_dialect",
              st->upstream_dialect == KRBREPL_DIALECT_HEIMDAL ? "heimdal-iprop" : "");
    json_u64(j, "upstream_version", st->upstream_version);
    json_u64(j, "lag_commits", st->lag_commits);
    json_u64(j, "lag_us", st->lag_us);
    json_time(j, "last_heard", st->last_heard_us);
    json_time(j, "last_copy", st->last_copy_us);
    json_text(j, "last_copy_reason", krbrepl_copy_reason_name(st->last_copy_reason));
    json_u64(j, "commits_in", st->commits_in);
    json_u64(j, "commits_out", st->commits_out);
    json_u64(j, "bytes_in", st->bytes_in);
    json_u64(j, "bytes_out", st->bytes_out);
    json_u64(j, "copies_in", st->copies_in);
    json_u64(j, "copies_out", st->copies_out);
    json_reasons(j, "copies_by_reason", st->copies_by_reason);
    json_reasons(j, "repairs_by_reason", st->repairs_by_reason);
    json_u64(j, "repair_records", st->repair_records);
    json_u64(j, "repair_bytes", st->repair_bytes);
    if (st->role == KRBREPL_ROLE_MASTER)
        json_headroom(j, st);
    json_u64(j, "refused", st->refused);
    json_u64(j, "unauthenticated", st->unauth);
    json_u64(j, "proved_seq", st->proved_seq);
    json_time(j, "proved", st->proved_us);
    json_u64(j, "proofs", st->proofs);
    json_u64(j, "differs", st->differs);
    json_text(j, "last_error", st->last_err != 0 ? krbrepl_err_name((int)st->last_err) : "");
    json_text(j, "last_error_text", st->last_error);
}

void snapshot_json(const struct snapshot *s, struct json *j, const char *dir, const char *complaint)
{
    const krbrepl_status *st = &s->st;
    size_t i;

    json_open(j, NULL, '{');
    json_text(j, "dir", dir);
    json_bool(j, "running", s->running);
    json_text(j, "role", krbrepl_role_name(st->role));
    json_text(j, "state", krbrepl_state_name(st->state));
    json_bool(j, "nosync", (st->flags & KRBREPL_STORE_NOSYNC) != 0);
    json_bool(j, "gives_up", (st->flags & KRBREPL_STORE_GIVES_UP) != 0);
    json_bool(j, "old", (st->flags & KRBREPL_STORE_OLD) != 0);
    json_bool(j, "hosted", (st->flags & KRBREPL_STORE_HOSTED) != 0);
    json_bool(j, "journaled", (st->flags & KRBREPL_STORE_JOURNALED) != 0);
    json_hex(j, "database_id", st->database_id, 16);
    cli_json_pos(j, "position", &st->pos);
    json_u64(j, "known_epoch", st->known_epoch);
    json_u64(j, "records", st->records);
    json_u64(j, "master_key", s->mkey);
    json_open(j, "journal", '{');
    json_u64(j, "first", st->journal_first);
    json_u64(j, "last", st->journal_last);
    json_u64(j, "bytes", st->journal_bytes);
    json_close(j, '}');
    if (s->running)
        json_counters(j, st);
    json_open(j, "peers", '[');
    for (i = 0; i < s->npeers; i++)
        json_peer(j, &s->peers[i]);
    json_close(j, ']');
    json_text(j, "complaint", complaint != NULL ? complaint : "");
    json_close(j, '}');
}

static bool too_late(const struct snapshot_limits *l, uint64_t commits, uint64_t us)
{
    return (l->by_commits && commits > l->commits) || (l->by_time && us > l->us);
}

static char *lag_text(const char *who, uint64_t commits, uint64_t us)
{
    char lag[TIMES_ROOM];

    return prog_format("%s is behind by %llu commits, %s; look at its log and at the network between",
                       who, (ull)commits, times_duration(lag, us));
}

/* A node that follows: its own lag; and whether it follows at all. */
static char *complain_as_replica(const krbrepl_status *st, const struct snapshot_limits *l)
{
    if (st->state == KRBREPL_STATE_REFUSED)
        return prog_format("this node is refused by its master: %s", st->last_error);
    if (st->last_heard_us == 0)
        return prog_dup("this replica has not reached its master yet; look at its log");
    if (too_late(l, st->lag_commits, st->lag_us))
        return lag_text("this replica", st->lag_commits, st->lag_us);
    return NULL;
}

static char *complain_as_master(const struct snapshot *s, const struct snapshot_limits *l)
{
    uint64_t here = 0;
    size_t i;

    for (i = 0; i < s->npeers; i++)
        here += !is_away(&s->peers[i]);
    if (here < l->replicas)
        return prog_format(
            "%llu replicas are connected, %llu are wanted; look at the logs of those missing",
            (ull)here, (ull)l->replicas);
    for (i = 0; i < s->npeers; i++)
        if (too_late(l, s->peers[i].lag_commits, s->peers[i].lag_us))
            return lag_text(s->peers[i].principal, s->peers[i].lag_commits, s->peers[i].lag_us);
    return NULL;
}

bool snapshot_complaint(const struct snapshot *s, const struct snapshot_limits *l, char **text)
{
    *text = NULL;
    if (!l->by_commits && !l->by_time && l->replicas == 0)
        return false;
    if (!s->running)
        *text = prog_dup("no node runs on this store; start krbrepl-master or krbrepl-replica");
    else if (s->st.role == KRBREPL_ROLE_FENCED)
        *text = prog_dup("this store is fenced: a master with a higher epoch exists");
    else if (follows(s))
        *text = complain_as_replica(&s->st, l);
    else
        *text = complain_as_master(s, l);
    return *text != NULL;
}
