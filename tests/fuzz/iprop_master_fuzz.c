/* A master's session that a hostile slave of Heimdal's feeds, while the store changes. The first byte says in what
 * pieces the bytes come; they are the channel's plaintext. */
#include <string.h>

#include "fuzz.h"
#include "iprop_emit.h"
#include "masterworld.h"

#define OUT_MOST (1u << 20)

static void turn(world *w)
{
    int i;

    for (i = 0; i < 50 && krbrepl__sess_work(w->sess, w->now) == 1; i++)
        continue;
    MUST(krbrepl__sess_out(w->sess)->len <= OUT_MOST);
    if (krbrepl__sess_out(w->sess)->len > OUT_MOST / 4)
        krbrepl__buf_reset(krbrepl__sess_out(w->sess));
}

static void change(world *w, uint32_t kvno)
{
    made e = {.name = kvno % 2 == 0 ? "a" : "b", .kvno = kvno, .bare = kvno % 5 == 0};

    if (kvno % 3 == 0 && !e.bare)
        e.aliases[0] = kvno % 2 == 0 ? "x" : "y";
    world_put(w, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    size_t piece, k;
    uint32_t i = 1;
    uint64_t seq;
    world w;

    if (n == 0)
        return 0;
    piece = 1 + (size_t)(p[0] & 63) * (p[0] & 63);
    world_init(&w);
    w.forgets = p[0] % 3; /* what was there before a commit: always known, never, now and then */
    change(&w, i++);
    change(&w, i++);
    world_connect(&w);
    if (p[0] & 64)
        world_greet(&w, 0);
    for (p++, n--; n != 0; p += k, n -= k) {
        k = n < piece ? n : piece;
        w.now += k % 7 == 0 ? 900 : 1;
        krbrepl__sess_feed(w.sess, p, k, w.now);
        turn(&w);
        if (i < 40)
            change(&w, i++);
    }
    seq = w.ms.local.pos.seq;
    krbrepl__sess_eof(w.sess, w.now);
    MUST(world_info(&w)->phase == KRBREPL__SESS_CLOSED);
    MUST(krbrepl__sess_work(w.sess, w.now) == 0);
    MUST(world_info(&w)->durable <= seq && !w.ms.entered);
    /* Nothing is believed that was not sent. */
    MUST(w.told.last <= w.num.base + KRBREPL__IPROP_NUMBERS(w.ms.local.cumulative - w.num.cumulative));
    MUST(w.told.acked <= w.told.last);
    world_free(&w);
    return 0;
}
