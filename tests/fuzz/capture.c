/* Records what a master and a replica say to each other during copies and repairs, as seeds for session_fuzz.c:
 *
 *   fuzz_capture DIR      writes DIR/master/NAME and DIR/replica/NAME */
#include <stdio.h>
#include <string.h>

#include "frame.h"
#include "fuzz.h"
#include "plainchan.h"
#include "stores.h"
#include "walkmsg.h"

#define PIECES 2u /* small ones: an end must find time to answer before it hears the next */

typedef struct scene {
    const char *name;
    int full;    /* the stores have content */
    int top;     /* the walk begins at the top of the tree */
    int no_tree; /* the replica asks for all */
    int grow;    /* the master changes while the replica asks */
    int cut;     /* an earlier full copy was cut off */
} scene;

typedef struct side {
    memstore store;
    krbrepl__port port;
    krbrepl__sess *sess;
    krbrepl__buf heard; /* what was said to it */
} side;

static void open_side(side *s, int master, const scene *sc)
{
    krbrepl__sess_cfg cfg = {0};

    memport_init(&s->port, &s->store);
    cfg.master = master;
    cfg.chan = plainchan_new(master ? "krbrepl/master@EXAMPLE.ORG" : "krbrepl/replica@EXAMPLE.ORG", 0);
    cfg.port = &s->port;
    cfg.name = master ? "master" : "replica";
    cfg.address = "192.0.2.1:4711";
    cfg.handshake_ms = cfg.missing_ms = 5000;
    cfg.gone_ms = 60000;
    cfg.window = 8192;
    cfg.asks = master || !sc->full ? 0 : KRBREPL_COPY_DIFFERS;
    MUST(cfg.chan != NULL && krbrepl__sess_new(&s->sess, &cfg, 1000) == 0);
    krbrepl__buf_init(&s->heard, 0);
    krbrepl__buf_u8(&s->heard, PIECES | (sc->full ? FUZZ_FULL : 0) | (sc->no_tree ? FUZZ_NO_TREE : 0));
}

static void hand_over(side *to, const void *p, size_t n)
{
    krbrepl__buf_bytes(&to->heard, p, n);
    krbrepl__sess_feed(to->sess, p, n, 1000);
}

/* START names the top alone, so that the walk comes by every level. */
static void say_top(side *master, side *replica)
{
    const krbrepl__ftree *t = master->store.snap.tree;
    krbrepl__sha *sha = krbrepl__sha_new();
    unsigned top = krbrepl__ftree_levels(t) - 1;
    uint8_t body[3 + KRBREPL__SALTED] = {KRBREPL__TREE_START, 1, (uint8_t)top};
    krbrepl__buf b;

    MUST(sha != NULL && krbrepl__salted(sha, master->store.snap.salt, krbrepl__ftree_digest(t, top, 0),
                                        32, body + 3) == 0);
    krbrepl__buf_init(&b, 0);
    krbrepl__frame_put(&b, KRBREPL__FRAME_TREE, 0, body, sizeof body);
    hand_over(replica, b.data, b.len);
    krbrepl__buf_free(&b);
    krbrepl__sha_free(sha);
}

/* The next piece for the replica: the channel's name, or a frame. 0: there is none. */
static int carry(side *m, side *r, const scene *sc, int *named)
{
    krbrepl__buf *out = krbrepl__sess_out(m->sess);
    krbrepl__frame f;
    size_t n;

    if (!*named && out->len != 0) {
        n = 1u + out->data[0];
        hand_over(r, out->data, n);
        krbrepl__buf_consume(out, n);
        *named = 1;
        return 1;
    }
    if (krbrepl__frame_get(out->data, out->len, &f) != 1)
        return 0;
    if (sc->top && f.type == KRBREPL__FRAME_TREE &&
        ((const uint8_t *)f.body.data)[0] == KRBREPL__TREE_START)
        say_top(m, r);
    else
        hand_over(r, out->data, f.size);
    krbrepl__buf_consume(out, f.size);
    return 1;
}

static void change(side *m)
{
    char key[40];
    int i;

    for (i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "user0%02d-%03d", i, i);
        mem_commit(&m->store, key, "new", 3);
    }
    krbrepl__sess_grown(m->sess, m->store.local.pos.seq);
}

/* Until nothing happens any more, or the replica has written a record and is to be cut off. */
static void meet(side *m, side *r, const scene *sc, int cut)
{
    krbrepl__buf *out;
    int more = 1, named = 0, changed = 0;

    open_side(m, 1, sc);
    open_side(r, 0, sc);
    krbrepl__sess_go(r->sess, 1000);
    while (more && !(cut && r->store.puts != 0)) {
        more = carry(m, r, sc, &named);
        out = krbrepl__sess_out(r->sess);
        more |= out->len != 0;
        hand_over(m, out->data, out->len);
        krbrepl__buf_consume(out, out->len);
        more |= krbrepl__sess_work(m->sess, 1000);
        more |= krbrepl__sess_work(r->sess, 1000);
        if (sc->grow && !changed && krbrepl__sess_info_get(r->sess)->copy_asks != 0) {
            change(m);
            changed = 1;
        }
    }
}

static void drop(side *s)
{
    krbrepl__sess_free(s->sess);
    krbrepl__buf_free(&s->heard);
}

static void save(const char *dir, const char *half, const char *name, const krbrepl__buf *b)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s/%s", dir, half, name);
    f = fopen(path, "wb");
    MUST(f != NULL && fwrite(b->data, 1, b->len, f) == b->len && fclose(f) == 0);
}

static void play(const char *dir, const scene *sc)
{
    side m, r;

    memset(&m, 0, sizeof m);
    memset(&r, 0, sizeof r);
    fuzz_master_store(&m.store, sc->full);
    fuzz_replica_store(&r.store, sc->full);
    r.store.no_tree = sc->no_tree;
    if (sc->cut) {
        meet(&m, &r, sc, 1);
        krbrepl__sess_eof(r.sess, 1000);
        krbrepl__sess_eof(m.sess, 1000);
        drop(&m);
        drop(&r);
    }
    meet(&m, &r, sc, 0);
    MUST(mem_equal(&m.store, &r.store));
    save(dir, "master", sc->name, &m.heard);
    save(dir, "replica", sc->name, &r.heard);
    drop(&m);
    drop(&r);
    mem_free(&m.store);
    mem_free(&r.store);
}

int main(int argc, char **argv)
{
    static const scene scenes[] = {
        {.name = "repair", .full = 1},
        {.name = "repair-from-the-top", .full = 1, .top = 1},
        {.name = "repair-of-all", .full = 1, .no_tree = 1},
        {.name = "copy-in-pieces"},
        {.name = "copy-that-was-cut", .cut = 1},
        {.name = "repair-that-grows", .full = 1, .top = 1, .grow = 1},
    };
    size_t i;

    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_capture DIR\n");
        return 2;
    }
    for (i = 0; i < sizeof scenes / sizeof scenes[0]; i++)
        play(argv[1], &scenes[i]);
    return 0;
}
