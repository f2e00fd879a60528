/* Frames one after another, and the message in each: what is accepted is encoded again to equal fields.
 * Compiled twice: with KRBREPL_FUZZ_MESSAGE the input is a type and the body of one message, so that a fuzzer
 * need not find out what a frame is. */
#include <string.h>

#include <krbrepl/error.h>

#include "frame.h"
#include "fuzz.h"
#include "msg.h"
#include "walkmsg.h"

typedef union any_message {
    krbrepl__hello hello;
    krbrepl__welcome welcome;
    krbrepl__parting parting;
    krbrepl__copy_start start;
    krbrepl__copy_end end;
    krbrepl__ack ack;
    krbrepl__ping ping;
    krbrepl__check check;
} any_message;

static void check_again(unsigned type, const any_message *m)
{
    any_message again;
    krbrepl__buf b, c;
    krbrepl_bytes body;
    unsigned tag;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_init(&c, 0);
    krbrepl__msg_put(&b, type, m);
    MUST(b.err == 0 && b.len <= krbrepl__frame_limit(type));
    body.data = b.data;
    body.len = b.len;
    MUST(krbrepl__msg_get(body, type, &again, &tag) == 0);
    krbrepl__msg_put(&c, type, &again);
    MUST(b.len == c.len && (b.len == 0 || memcmp(b.data, c.data, b.len) == 0));
    krbrepl__msg_free(type, &again);
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&c);
}

/* Whether what was taken out of `body`, as far as it was taken, is made again with the same bytes. */
static void same_again(krbrepl_bytes body, const krbrepl__rd *rest, krbrepl__buf *again)
{
    MUST(again->err == 0 && again->len == body.len - rest->left);
    MUST(memcmp(again->data, body.data, again->len) == 0);
    krbrepl__buf_free(again);
}

static void check_ask(krbrepl_bytes body)
{
    krbrepl__rd rest;
    krbrepl_bytes digests;
    krbrepl__ask a;
    krbrepl__buf b;
    uint32_t i;
    int rc = krbrepl__ask_open(body, &a), records = a.kind == KRBREPL__ASK_RECORDS;

    MUST(rc == 0 || rc == KRBREPL_ERR_PROTO);
    if (rc != 0)
        return;
    krbrepl__buf_init(&b, 0);
    krbrepl__ask_begin(&b, a.kind, a.walk, a.level);
    for (rest = a.rd;
         (rc = records ? krbrepl__ask_records(&a, &i, &digests) : krbrepl__ask_index(&a, &i)) == 1;
         rest = a.rd) {
        if (records)
            krbrepl__ask_put_records(&b, i, digests.data, digests.len / KRBREPL__WALK_DIGEST);
        else
            krbrepl__buf_u32(&b, i);
    }
    MUST(rc == KRBREPL_ERR_PROTO || (rc == 0 && rest.left == 0));
    same_again(body, &rest, &b);
}

static void check_tree(krbrepl_bytes body)
{
    krbrepl__rd rest;
    krbrepl__tree_node node;
    krbrepl__tree_part part;
    krbrepl__tree t;
    krbrepl__buf b;
    int rc = krbrepl__tree_open(body, &t);

    MUST(rc == 0 || rc == KRBREPL_ERR_PROTO);
    if (rc != 0 || (t.kind != KRBREPL__TREE_NODES && t.kind != KRBREPL__TREE_LEAVES))
        return;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u8(&b, t.kind);
    krbrepl__buf_u8(&b, t.last);
    for (rest = t.rd; (rc = t.kind == KRBREPL__TREE_NODES ? krbrepl__tree_node_next(&t, &node)
                                                          : krbrepl__tree_part_next(&t, &part)) == 1;
         rest = t.rd) {
        if (t.kind == KRBREPL__TREE_NODES)
            krbrepl__tree_put_node(&b, &node);
        else
            krbrepl__tree_put_part(&b, &part);
    }
    MUST(rc == KRBREPL_ERR_PROTO || (rc == 0 && rest.left == 0));
    same_again(body, &rest, &b);
}

static int is_raw(unsigned type)
{
    return type == KRBREPL__FRAME_COMMITS || type == KRBREPL__FRAME_COPY_SLICE;
}

static void one_message(unsigned type, krbrepl_bytes body)
{
    any_message m;
    unsigned tag;
    int rc;

    if (type == KRBREPL__FRAME_ASK)
        check_ask(body);
    if (type == KRBREPL__FRAME_TREE)
        check_tree(body);
    if (type == 0 || type > KRBREPL__FRAME_CHECK || is_raw(type))
        return;
    rc = krbrepl__msg_get(body, type, &m, &tag);
    MUST(rc == 0 || rc == KRBREPL_ERR_PROTO || rc == KRBREPL_ERR_FORMAT);
    if (rc == 0)
        check_again(type, &m);
    krbrepl__msg_free(type, &m);
}

#ifdef KRBREPL_FUZZ_MESSAGE
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n != 0)
        one_message(p[0], (krbrepl_bytes){p + 1, n - 1});
    return 0;
}
#else
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl__frame f;
    int rc;

    while ((rc = krbrepl__frame_get(p, n, &f)) == 1) {
        MUST(f.size <= n && f.body.len <= KRBREPL__FRAME_MAX);
        one_message(f.type, f.body);
        p += f.size;
        n -= f.size;
    }
    MUST(rc == 0 || rc == KRBREPL_ERR_PROTO || rc == KRBREPL_ERR_FORMAT);
    return 0;
}
#endif
