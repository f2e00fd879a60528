/* A slave's session that a hostile master feeds. The first byte says in what pieces the bytes come, and whether a whole
 * database is there before; they are the channel's plaintext. A session that ended is followed by another one, as the
 * node does it. */
#include <string.h>

#include "fuzz.h"
#include "slaveworld.h"

#define OUT_MOST (1u << 20)
#define SESSIONS_MOST 20

static const char *const some[] = {"alice", "bob", NULL};

static int is_closed(slaveworld *w)
{
    return krbrepl__sess_info_get(w->sess)->phase == KRBREPL__SESS_CLOSED;
}

static void turn(slaveworld *w)
{
    int i;

    for (i = 0; i < 200; i++) {
        int more = krbrepl__sess_work(w->sess, w->now);
        krbrepl__job *j = krbrepl__sess_take_job(w->sess);

        MUST(krbrepl__sess_out(w->sess)->len <= OUT_MOST);
        krbrepl__buf_reset(krbrepl__sess_out(w->sess));
        if (j != NULL) {
            j->run(j);
            krbrepl__sess_job_done(w->sess, j, w->now);
        } else if (!more) {
            break;
        }
    }
    /* Whatever is said, no transaction stays open between two turns. */
    MUST(!w->in_txn);
    MUST(!is_closed(w) || !w->loading);
}

static void again(slaveworld *w)
{
    w->whole = sw_news(w).wants_whole;
    w->learn = 0;
    sw_connect(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    int sessions = 1;
    size_t piece, k;
    slaveworld w;

    if (n == 0)
        return 0;
    piece = 1 + (size_t)(p[0] & 63) * (p[0] & 63);
    sw_init(&w);
    sw_connect(&w);
    if (p[0] & 64) {
        sw_whole(&w, 10, some);
        MUST(w.st.version == 10 && sw_kvno(&w, "bob") == 1);
        sw_tell(&w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    }
    for (p++, n--; n != 0; p += k, n -= k) {
        k = n < piece ? n : piece;
        w.now += k % 7 == 0 ? 900 : 1;
        krbrepl__sess_feed(w.sess, p, k, w.now);
        turn(&w);
        if (is_closed(&w) && sessions++ < SESSIONS_MOST)
            again(&w);
    }
    krbrepl__sess_eof(w.sess, w.now);
    turn(&w);
    MUST(is_closed(&w) && !w.in_txn && !w.loading);
    sw_free(&w);
    return 0;
}
