/* A session that a hostile peer feeds. Compiled twice: as a master (KRBREPL_FUZZ_MASTER) and as a replica.
 * The input is the network's bytes, the plain channel's name included; the first byte says in what pieces
 * they come, and to which store. */
#include <string.h>

#include "fuzz.h"
#include "memport.h"
#include "plainchan.h"
#include "stores.h"

#ifdef KRBREPL_FUZZ_MASTER
#define IS_MASTER 1
#else
#define IS_MASTER 0
#endif
/* What a session may hold ready: the limit, one turn of work, and a few answers. */
#define OUT_MOST (1u << 20)

static void turn(krbrepl__sess *s, uint64_t now)
{
    int i;

    for (i = 0; i < 50 && krbrepl__sess_work(s, now) == 1; i++)
        continue;
    MUST(krbrepl__sess_out(s)->len <= OUT_MOST);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl__sess_cfg cfg = {0};
    krbrepl__sess *s = NULL;
    krbrepl_pos before;
    krbrepl__port port;
    uint64_t now = 1000;
    size_t piece, k;
    int full;
    memstore m;

    if (n == 0)
        return 0;
    full = (p[0] & FUZZ_FULL) != 0;
    piece = p[0] & ~(FUZZ_FULL | FUZZ_NO_TREE);
    piece = 1 + piece * piece;
    if (IS_MASTER)
        fuzz_master_store(&m, full);
    else
        fuzz_replica_store(&m, full);
    m.no_tree = (p[0] & FUZZ_NO_TREE) != 0;
    p++;
    n--;
    before = m.local.pos;
    memport_init(&port, &m);
    cfg.master = IS_MASTER;
    cfg.chan = plainchan_new(IS_MASTER ? "master" : "replica", 0);
    cfg.port = &port;
    cfg.name = cfg.address = "fuzz";
    cfg.handshake_ms = cfg.missing_ms = 5000;
    cfg.gone_ms = 60000;
    cfg.window = 8192;
    MUST(cfg.chan != NULL && krbrepl__sess_new(&s, &cfg, now) == 0);
    krbrepl__sess_go(s, now);
    for (; n != 0; p += k, n -= k) {
        k = n < piece ? n : piece;
        krbrepl__sess_feed(s, p, k, ++now);
        turn(s, now);
        /* A peer that reads nothing is fed no more than the limit. */
        if (krbrepl__sess_out(s)->len > OUT_MOST / 4)
            krbrepl__buf_reset(krbrepl__sess_out(s));
    }
    krbrepl__sess_eof(s, now);
    MUST(krbrepl__sess_info_get(s)->phase == KRBREPL__SESS_CLOSED);
    MUST(krbrepl__sess_work(s, now) == 0);
    krbrepl__sess_free(s);
    /* Nobody writes into a master. */
    MUST(!IS_MASTER || krbrepl__pos_equal(&before, &m.local.pos));
    MUST(!m.building && !m.entered && m.own == NULL);
    mem_free(&m);
    return 0;
}
