/* world.h: a realm in one process: stores on a RAM disk, sessions over a network made of buffers, a clock
 * that the simulation moves, and an oracle that knows what every position must hold. */
#ifndef KRBREPL_SIM_WORLD_H
#define KRBREPL_SIM_WORLD_H

#include <stdio.h>

#include <krbrepl/krbrepl.h>

#include "disk.h"
#include "port.h"
#include "prover.h"
#include "rng.h"
#include "session.h"
#include "store.h"
#include "storecalls.h"

#define MAX_SITES 6
#define MAX_LINKS 24
#define PRINCIPAL_LEN 40

/* ---- the oracle ------------------------------------------------------------------------------ */

/* One position that some master has been at, and the digest root of its content there. */
typedef struct fact {
    krbrepl_pos pos;
    uint8_t root[32];
    uint64_t records;
    int too_late; /* made by a master when there was another one already */
} fact;

/* ---- network --------------------------------------------------------------------------------- */

/* A master's tree at one position, which several sessions may share. */
typedef struct shot {
    krbrepl__snap snap;
    krbrepl__ftree *tree;
    int refs;
} shot;

struct site;

/* One end of a connection. */
typedef struct end {
    krbrepl__sess *sess; /* NULL: gone */
    krbrepl__port port;
    krbrepl__node_port np;
    krbrepl__buf in;    /* bytes on their way to it */
    int eof;            /* behind these bytes the connection ends */
    int lost;           /* bytes to it vanish, and it never hears of an end: half open */
    uint64_t stalled;   /* nothing is delivered before this time */
    uint64_t closed_at; /* when the session was seen closed; 0: not yet */
    int went;           /* replica: go was called */
    struct site *site;
    krbrepl__port real;  /* what stands behind the port */
    int saved;           /* replica: what a copy gives up was written to evidence */
    int mode;            /* of its copy */
    int large;           /* its repairs are done as those of much are */
    int waiting;         /* to be told when it may ask once more */
    int entered;         /* master: a copy has its place */
    shot *shot;          /* master: what it compares with */
    krbrepl__ftree *own; /* replica: its own tree */
} end;

typedef struct cable {
    int used;
    uint64_t id;
    int site; /* of the replica */
    int master;
    uint64_t promotions; /* that had been when it was laid */
    end at[2];           /* 0: master, 1: replica */
} cable;

/* ---- nodes ----------------------------------------------------------------------------------- */

struct world;

typedef struct hostlog hostlog;

typedef struct site {
    struct world *w;
    hostlog *log; /* NULL: the store keeps its commits itself */
    int index;
    char home[128]; /* where its own store is */
    char dir[128];  /* where the one is that it has open */
    char principal[PRINCIPAL_LEN];
    krbrepl_store *store;     /* NULL: it is down */
    uint64_t up_at;           /* when it comes back */
    uint64_t retry_at;        /* when it connects next */
    uint64_t acked;           /* the highest durable acknowledgment that the present master has seen */
    uint64_t known_epoch;     /* as of then */
    krbrepl_pos checked;      /* last position whose content was compared */
    uint64_t hold[MAX_SITES]; /* noted by its sessions as master, not written yet */
    int hold_noted[MAX_SITES];
    krbrepl__prover *prover; /* lives as long as the store is open */
    uint64_t want;           /* the position whose root a session asks for; 0: none */
    krbrepl_pos given_up;    /* from here it may go back */
    shot *shot;              /* master: the latest */
    int own_stale;           /* replica: its tree was built before its content was found to be wrong */
    int repaired;            /* its last copy was a repair */
    int all;                 /* which has not helped: it asks for everything */
    int refused;             /* its master refused it for a fork; an operator looks at it */
    uint64_t asks;           /* what its next session asks for */
    /* Faults. */
    int sick;              /* it does not trust its store any more, and comes up anew */
    uint64_t room_at;      /* when its disk has room again; 0: it has */
    int doubt;             /* it died, or failed, within a commit: that may be there or not */
    uint64_t denied_until; /* it is taken out of the acl until then; 0: it is in it */
    int was_denied;
    int rotten;             /* a bit of a record was flipped, and the record is there yet */
    int was_rotten;         /* so complaints about its content are fair */
    int unseen;             /* it was flipped after the tree was begun, which need not know of it */
    uint64_t foreign_until; /* a store of another database is in its place; 0: its own is there */
    int was_foreign, turned_away;
    krbrepl_pos foreign_pos;
    uint8_t foreign_root[32];
    uint64_t evidence; /* bytes that were on the disk there, as seen last */
} site;

/* How often a thing happened, in one run or in all. */
enum deed {
    DID_COMMIT,
    DID_PROMPT,
    DID_COPY,
    DID_WHOLE,
    DID_RESUME,
    DID_REPAIR,
    DID_COPIED,
    DID_REPAIRED,
    DID_LARGE,
    DID_SHARE,
    DID_WAIT,
    DID_FORK,
    DID_CRASH,
    DID_DIE,
    DID_DIE_COPYING,
    DID_POWER,
    DID_DOUBT,
    DID_CUT,
    DID_RESET,
    DID_PROMOTE,
    DID_FAILOVER,
    DID_USURP,
    DID_FENCE,
    DID_ROLL_BACK,
    DID_RESOLVE,
    DID_PROVE,
    DID_FILL,
    DID_DISK_FAIL,
    DID_ROT,
    DID_ROT_FOUND,
    DID_ROT_MASTER,
    DID_CLOCK,
    DID_DENY,
    DID_FOREIGN,
    DID_EVIDENCE,
    DID_LAST
};
extern const char *const deed_name[DID_LAST];

/* What a run is to be. */
typedef struct plan {
    uint64_t seed, steps;
    int trace;
    int journaled;   /* the commits are in journals of the hosts */
    int rotten;      /* bits flip often, also while a copy is under way */
    const char *dir; /* where the stores lie; NULL: on a RAM disk if there is one */
    /* Records of somebody else; NULL: those of deeds.c. What is not 0 is a failure. */
    int (*change)(void *ctx, krbrepl_txn *t, uint64_t random);
    int (*check)(void *ctx, krbrepl_view *v);
    void (*say)(void *ctx, const char *line); /* NULL: to the standard output */
    void *ctx;
} plan;

typedef struct world {
    plan plan;
    rng rng, store_rng, prove_rng;
    uint64_t now;     /* ms */
    int64_t wall_off; /* us: how wrong the clock on the wall is */
    uint64_t tick_at;
    krbrepl__sys sys;
    krbrepl__log log;
    char root[96];
    site site[MAX_SITES];
    int sites;
    int master;
    int old; /* one that was the master, and does not know that it is none any more; -1: there is none */
    uint64_t old_until;
    cable links[MAX_LINKS];
    uint64_t next_id;
    uint64_t window;
    int repairs_max; /* copies and repairs of one master at the same time; 0: there are no repairs */
    int wake;
    uint64_t lifetime_s;
    int calm;   /* no more faults */
    size_t fat; /* how long a value is at most, mostly */
    int keys;   /* how many different records there are */
    fact *facts;
    size_t nfacts, facts_room;
    uint64_t hash; /* of the trace */
    int failed;
    char why[256]; /* the first invariant that was broken */
    uint64_t did[DID_LAST];
    int kept; /* a copy of the master's file is there, made by this master in this reign */
} world;

/* hostlog.c */
krbrepl_journal_ops hostlog_ops(void);
hostlog *hostlog_new(world *w, int index); /* NULL: out of memory */
void hostlog_free(hostlog *h);

/* A new directory in `dir`; NULL: on a RAM disk if there is one. */
int root_make(const char *dir, char out[96]);
void root_remove(const char *path);

int world_init(world *w, const plan *p);
void world_run(world *w); /* run.c */
void world_free(world *w);

/* Hashes, and prints if asked for, what happens. */
void note(world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An invariant is broken: the seed has failed. */
void broken(world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- world.c */
int site_open(world *w, int i);
void site_close(world *w, int i);
/* Its digest tree is built anew, as that of what it is by now. */
void site_renew_prover(world *w, int i);
void site_crash(world *w, int i);
void site_file(const world *w, int i, char out[192], const char *name);
/* To be asked after everything that may have written to the store of a site: 1 when its process has died of
 * that. It is down then, and its connections are gone. */
int site_gone(world *w, int i);
/* A call on the store of a site has answered `rc`, not 0: an invariant is broken, unless its disk failed. */
void site_failed(world *w, int i, const char *what, int rc);
/* No more is to happen to its disk. */
void site_heal(world *w, int i);
/* The evidence that was on the disk is there. */
void evidence_check(world *w, int i);

/* ---- net.c */
/* Connects site i to the master. */
void site_connect(world *w, int i);
void link_drop_end(world *w, cable *l, int e);
cable *link_of(world *w, int i, int nth);
/* Moves bytes out of end `e` into the network, at most n. */
void link_pump(world *w, cable *l, int e, size_t n);
/* Delivers at most n bytes to end `e`. */
void link_deliver(world *w, cable *l, int e, size_t n);
int link_work(world *w, cable *l, int e);
/* What owners do after every call: takes closed sessions away, replaces old ones, lets successors go. */
void settle(world *w);
/* Looks whether an end has closed, and whether that is fair. */
void look_at_end(world *w, cable *l, int e);
void denied(world *w, int i);
/* What is done once a second: reconnects, hints, slots, restarts. */
void tick(world *w); /* world.c */
void tell_grown(world *w);

/* ---- deeds.c: what happens to the realm */
void deed_commit(world *w);
void deed_reset(world *w);
void deed_promote(world *w);
void deed_failover(world *w);
/* Another becomes master while the old one cannot be reached, and the old one goes on for a while. */
void deed_usurp(world *w);
void deed_depose(world *w);
/* Keeps a copy of the file of the master's store; puts the last one back, which draws no lineage. */
void deed_keep(world *w);
void deed_roll_back(world *w);
/* Another database in the place of a replica's, and its own again. */
void deed_foreign(world *w);
void foreign_leave(world *w, int i);
/* The operator says that a refused replica gives up what only it has. */
void resolve(world *w, int i);

/* ---- faults.c */
typedef struct climate {
    uint64_t cut, half, stall, crash, reset, promote, failover, usurp, renew, leap, roll_back, die,
        power, fill, disk_fail, rot, clock, deny, foreign;
} climate;
void choose_climate(world *w, climate *c);
void fault(world *w, const climate *c);
cable *any_link(world *w);

/* ---- alloc.c: blocks of memory that the library has */
int64_t blocks_in_use(void);

/* ---- rot.c: bits that flip on the disk */
void rot_replica(world *w);
/* The damage is reported when the master reads its content again, and is never sent; then it is mended. */
void rot_master(world *w);

/* ---- proofs.c */
/* Everything that a replica has is read again. */
void scrub_all(world *w);
/* A site knows that its content is not what its history says: it asks for it anew. */
void found_damage(world *w, int i, const char *text);
/* Some site works on its digest, and some master begins a comparison. Every root that comes out is that of
 * a pass from scratch, and no comparison ever differs. */
void prove(world *w);
void on_check(void *ctx, uint64_t seq);

/* ---- repairs.c */
void repairs_init(end *x, int master, krbrepl__port_owner *owner);
void repairs_watch(end *x);
void repairs_wake(world *w);
void repairs_frozen(world *w, int i, krbrepl__proof *p);
void repairs_failed(world *w, int i);
void repairs_forget(site *s);

/* ---- oracle.c */
/* The root of the content that a master had at a position; NULL: there was none. */
const uint8_t *oracle_root(const world *w, const krbrepl_pos *pos);
void oracle_learn(world *w, int i);
/* What the new master has of those who did not know of their end is the history now. */
void oracle_crowned(world *w, int heir);
/* The site may go back from where it is: an operator said so. */
void oracle_allow_back(world *w, int i);
/* The site is at a position that was, with the content that was there. */
void oracle_check(world *w, int i);
/* The same, and its content is read even if it did not move. */
void oracle_recheck(world *w, int i);
/* A master is where it was, or where the commit that was in doubt has brought it. */
void oracle_settle_doubt(world *w, int i);
/* The root of what a site has: 0, or what reading said. */
int oracle_read(world *w, int i, krbrepl_pos *pos, uint8_t root[32]);
/* No more was acknowledged to the master than the replica has. */
void oracle_check_acks(world *w, cable *l);
/* Everybody is where the master is. */
int oracle_all_equal(world *w);

#endif
