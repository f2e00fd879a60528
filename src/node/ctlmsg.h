/* ctlmsg.h: what is said over the control socket (node.sock in the store's directory).
 *
 *   message  := length:u32 (of what follows)  version:u8 (1)  type:u8  body
 *
 *   from the client
 *     STATUS  1                                                            asks for everything
 *     WAIT    2   seq:u64 replicas:u64 level:u64 timeout_ms:u64            as krbrepl_wait
 *     PROVE   3   timeout_ms:u64                                           as krbrepl_prove
 *   from the node
 *     STATUS 65   fields  database_id[16]  position  last_error:vec16      then
 *     PEER   66   fields  principal:vec16  address:vec16  name:vec16       for each, then
 *     END    67
 *     WAITED 68   code:u32  have:u64      code: 0, or a KRBREPL_ERR_... without its sign
 *     GOING  70   fields: done, total                                      now and then, before
 *     PROVED 71   code:u32  fields of krbrepl_proved
 *     ERROR  69   code:u32  text:vec16    the request was not carried out
 *   fields   := count:u16, count x u64; in the order of ctlmsg.c, newer ones at the end
 *
 * One request for a connection. A reader takes the fields that it knows and leaves those behind them; those
 * that are not there are zero. Integers are big-endian. Who may open the socket may ask: there is nothing
 * in the answers that the store's files do not show. */
#ifndef KRBREPL__CTLMSG_H
#define KRBREPL__CTLMSG_H

#include <krbrepl/status.h>

#include "buf.h"

#define KRBREPL__CTL_VERSION 1u
#define KRBREPL__CTL_HEAD 4u
#define KRBREPL__CTL_REQUEST_MAX 256u  /* length of a request */
#define KRBREPL__CTL_ANSWER_MAX 65536u /* length of one message of an answer */

enum krbrepl__ctl_type {
    KRBREPL__CTL_ASK_STATUS = 1,
    KRBREPL__CTL_ASK_WAIT = 2,
    KRBREPL__CTL_ASK_PROVE = 3,
    KRBREPL__CTL_STATUS = 65,
    KRBREPL__CTL_PEER = 66,
    KRBREPL__CTL_END = 67,
    KRBREPL__CTL_WAITED = 68,
    KRBREPL__CTL_ERROR = 69,
    KRBREPL__CTL_GOING = 70,
    KRBREPL__CTL_PROVED = 71
};

/* A message is begun, its body appended to `b`, and ended with what begin answered. */
size_t krbrepl__ctl_begin(krbrepl__buf *b, unsigned type);
void krbrepl__ctl_end(krbrepl__buf *b, size_t at);
/* The first message in `in`: 1 with its type and body (borrowed) and its whole length; 0: it is not all
 * there; PROTO when it is longer than `max` or of another version. */
int krbrepl__ctl_next(const krbrepl__buf *in, size_t max, unsigned *type, krbrepl_bytes *body,
                      size_t *whole);

void krbrepl__ctl_put_status(krbrepl__buf *b, const krbrepl_status *s);
int krbrepl__ctl_get_status(krbrepl_bytes body, krbrepl_status *s);
void krbrepl__ctl_put_peer(krbrepl__buf *b, const krbrepl_peer *p);

/* The strings of a peer that was taken apart. */
typedef struct krbrepl__ctl_names {
    char principal[1025], address[128], name[256];
} krbrepl__ctl_names;
int krbrepl__ctl_get_peer(krbrepl_bytes body, krbrepl_peer *p, krbrepl__ctl_names *names);

void krbrepl__ctl_put_wait(krbrepl__buf *b, const krbrepl_wait_options *w);
int krbrepl__ctl_get_wait(krbrepl_bytes body, krbrepl_wait_options *w);
void krbrepl__ctl_put_waited(krbrepl__buf *b, int err, uint64_t have);
int krbrepl__ctl_get_waited(krbrepl_bytes body, int *err, uint64_t *have);
void krbrepl__ctl_put_prove(krbrepl__buf *b, uint64_t timeout_ms);
int krbrepl__ctl_get_prove(krbrepl_bytes body, uint64_t *timeout_ms);
void krbrepl__ctl_put_going(krbrepl__buf *b, uint64_t done, uint64_t total);
int krbrepl__ctl_get_going(krbrepl_bytes body, uint64_t *done, uint64_t *total);
void krbrepl__ctl_put_proved(krbrepl__buf *b, int err, const krbrepl_proved *p);
int krbrepl__ctl_get_proved(krbrepl_bytes body, int *err, krbrepl_proved *p);
void krbrepl__ctl_put_error(krbrepl__buf *b, int err, const char *text);
int krbrepl__ctl_get_error(krbrepl_bytes body, int *err, char text[200]);

#endif
