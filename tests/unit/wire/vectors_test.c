/* The test vectors of docs/protocol.md are what this code writes and reads.
 *
 *   wire_vectors_test           checks the document
 *   wire_vectors_test --print   prints the vectors as the document should have them */
#include "test.h"

#include <ctype.h>

#include "commit.h"
#include "frame.h"
#include "ftree.h"
#include "msg.h"
#include "pos.h"
#include "sha.h"
#include "walkmsg.h"

typedef struct vector {
    char name[32];
    krbrepl__buf b;
} vector;

/* ---- the values that the document describes -------------------------------------------------- */

static void put_lineage_commit(krbrepl__buf *b)
{
    krbrepl__commit c;

    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_LINEAGE;
    c.seq = c.epoch = 1;
    memset(c.lineage, 0xa1, 16);
    c.time_us = 1700000000000000;
    c.who = BYTES("uid 0");
    c.why = BYTES("init");
    c.cause = KRBREPL_CAUSE_CREATE;
    krbrepl__commit_put(b, &c);
}

static void put_changes_commit(krbrepl__buf *b)
{
    krbrepl_change put, del;
    krbrepl__commit c;
    krbrepl__buf body;

    krbrepl__buf_init(&body, 0);
    KRBREPL_INIT(&put);
    put.table = "principal";
    put.key = BYTES("a@EXAMPLE.ORG");
    put.value = BYTES("secret");
    put.op = KRBREPL_PUT;
    krbrepl__change_put(&body, &put);
    KRBREPL_INIT(&del);
    del.table = "policy";
    del.key = BYTES("old");
    del.op = KRBREPL_DELETE;
    krbrepl__change_put(&body, &del);
    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_CHANGES;
    c.seq = 2;
    c.epoch = 1;
    memset(c.lineage, 0xa1, 16);
    c.time_us = 1700000001000000;
    c.cumulative = 2;
    c.who = BYTES("admin@EXAMPLE.ORG");
    c.nchanges = 2;
    c.body = (krbrepl_bytes){body.data, body.len};
    krbrepl__commit_put(b, &c);
    krbrepl__buf_free(&body);
}

static void put_reset_commit(krbrepl__buf *b)
{
    krbrepl__commit c;

    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_RESET;
    c.seq = 3;
    c.epoch = 1;
    memset(c.lineage, 0xa1, 16);
    c.time_us = 1700000002000000;
    c.cumulative = 2;
    c.records = 100000;
    memset(c.root, 0x77, 32);
    krbrepl__commit_put(b, &c);
}

/* The position after commit `seq` (0, 1 or 2) of the database whose id is 16 times 0xd0. */
static void position(uint64_t seq, krbrepl_pos *p)
{
    krbrepl__sha *h = krbrepl__sha_new();
    uint8_t id[16];
    krbrepl__buf b;

    assert_non_null(h);
    memset(p, 0, sizeof *p);
    memset(id, 0xd0, sizeof id);
    memset(p->lineage, 0xa1, sizeof p->lineage);
    p->epoch = 1;
    assert_int_equal(krbrepl__chain_first(h, id, p->chain), 0);
    krbrepl__buf_init(&b, 0);
    for (p->seq = 0; p->seq < seq; p->seq++) {
        krbrepl__buf_reset(&b);
        if (p->seq == 0)
            put_lineage_commit(&b);
        else
            put_changes_commit(&b);
        assert_int_equal(krbrepl__chain_next(h, p->chain, (krbrepl_bytes){b.data, b.len}, p->chain), 0);
    }
    krbrepl__buf_free(&b);
    krbrepl__sha_free(h);
}

static void put_frame(krbrepl__buf *b, unsigned type, const krbrepl__buf *body)
{
    assert_int_equal(body->err, 0);
    krbrepl__frame_put(b, type, 0, body->data, body->len);
}

static void put_message(krbrepl__buf *b, unsigned type, const void *msg)
{
    krbrepl__buf body;

    krbrepl__buf_init(&body, 0);
    krbrepl__msg_put(&body, type, msg);
    put_frame(b, type, &body);
    krbrepl__buf_free(&body);
}

#define FULL_KEY "principal\0a@EXAMPLE.ORG" /* short enough to be canonical too */
#define FULL_KEY_LEN 23u

static void put_hello_that(krbrepl__buf *b, uint64_t asks, int partial)
{
    krbrepl__hello h;

    memset(&h, 0, sizeof h);
    h.asks = asks;
    if (asks != 0)
        h.has |= KRBREPL__HAS(KRBREPL__TAG_ASKS);
    if (partial) {
        h.features = KRBREPL__FEATURE_CHECK | KRBREPL__FEATURE_REPAIR;
        h.has |= KRBREPL__HAS(KRBREPL__TAG_PARTIAL);
        position(1, &h.partial.pos);
        position(2, &h.partial.upper);
        h.partial.after.len = FULL_KEY_LEN;
        memcpy(h.partial.after.b, FULL_KEY, FULL_KEY_LEN);
    }
    h.version = KRBREPL__PROTOCOL;
    memset(h.database_id, 0xd0, 16);
    snprintf(h.name, sizeof h.name, "kdc2");
    h.role = KRBREPL_ROLE_REPLICA;
    h.epoch = 1;
    position(1, &h.pos);
    h.marks.n = 1;
    h.marks.at[0].seq = 1024;
    memset(h.marks.at[0].chain, 0xc4, 32);
    h.window = 4194304;
    put_message(b, KRBREPL__FRAME_HELLO, &h);
}

static void put_hello(krbrepl__buf *b)
{
    put_hello_that(b, 0, 0);
}

static void put_hello_asks(krbrepl__buf *b)
{
    put_hello_that(b, KRBREPL_COPY_FAILED, 0);
}

static void put_hello_partial(krbrepl__buf *b)
{
    put_hello_that(b, 0, 1);
}

static void put_welcome(krbrepl__buf *b)
{
    krbrepl__welcome w;
    krbrepl_pos ancestor;

    memset(&w, 0, sizeof w);
    memset(&ancestor, 0, sizeof ancestor);
    memset(ancestor.lineage, 0xa0, 16);
    ancestor.epoch = 1;
    ancestor.seq = 7;
    memset(ancestor.chain, 0xc0, 32);
    w.has = KRBREPL__HAS(KRBREPL__TAG_FROM);
    w.version = KRBREPL__PROTOCOL;
    memset(w.database_id, 0xd0, 16);
    snprintf(w.name, sizeof w.name, "kdc1");
    w.epoch = 1;
    position(2, &w.pos);
    w.ancestry.at = &ancestor;
    w.ancestry.n = 1;
    w.missing_ms = 10000;
    w.gone_ms = 60000;
    w.follows = KRBREPL__FOLLOWS_STREAM;
    w.from = 2;
    put_message(b, KRBREPL__FRAME_WELCOME, &w);
}

static void put_commits(krbrepl__buf *b)
{
    krbrepl__buf body, commit;

    krbrepl__buf_init(&body, 0);
    krbrepl__buf_init(&commit, 0);
    put_changes_commit(&commit);
    krbrepl__buf_u64(&body, 2);
    krbrepl__buf_vec32(&body, commit.data, commit.len);
    put_frame(b, KRBREPL__FRAME_COMMITS, &body);
    krbrepl__buf_free(&body);
    krbrepl__buf_free(&commit);
}

static void start_of_copy(krbrepl__copy_start *c)
{
    memset(c, 0, sizeof *c);
    position(2, &c->pos);
    c->reason = KRBREPL_COPY_BEHIND;
    c->cumulative = 2;
    c->records = 1;
}

static void put_slice(krbrepl__buf *b)
{
    krbrepl__buf body;

    krbrepl__buf_init(&body, 0);
    krbrepl__buf_vec32(&body, FULL_KEY, FULL_KEY_LEN);
    krbrepl__buf_vec32(&body, "secret", 6);
    put_frame(b, KRBREPL__FRAME_COPY_SLICE, &body);
    krbrepl__buf_free(&body);
}

static void put_end(krbrepl__buf *b)
{
    krbrepl__copy_end e;

    memset(&e, 0, sizeof e);
    position(2, &e.pos);
    e.records = 1;
    put_message(b, KRBREPL__FRAME_COPY_END, &e);
}

static void put_copy(krbrepl__buf *b)
{
    krbrepl__copy_start c;

    start_of_copy(&c);
    put_message(b, KRBREPL__FRAME_COPY_BEGIN, &c);
    put_slice(b);
    put_end(b);
}

static void put_copy_resumed(krbrepl__buf *b)
{
    krbrepl__copy_start c;

    start_of_copy(&c);
    position(1, &c.pos);
    c.cumulative = 0;
    c.has = KRBREPL__HAS(KRBREPL__TAG_AFTER);
    c.after.len = FULL_KEY_LEN;
    memcpy(c.after.b, FULL_KEY, FULL_KEY_LEN);
    put_message(b, KRBREPL__FRAME_COPY_BEGIN, &c);
}

/* ---- a repair -------------------------------------------------------------------------------- */

#define WALK 1u

static void put_salted(krbrepl__buf *b, int byte, size_t len)
{
    krbrepl__sha *h = krbrepl__sha_new();
    uint8_t salt[16], digest[32], out[KRBREPL__SALTED];

    assert_non_null(h);
    memset(salt, 0x5a, sizeof salt);
    memset(digest, byte, sizeof digest);
    assert_int_equal(krbrepl__salted(h, salt, digest, len, out), 0);
    krbrepl__buf_bytes(b, out, sizeof out);
    krbrepl__sha_free(h);
}

static void put_salted_node(krbrepl__buf *b)
{
    put_salted(b, 0xd7, 32);
}

static void put_salted_record(krbrepl__buf *b)
{
    put_salted(b, 0xe3, 16);
}

static void put_walk(krbrepl__buf *b, unsigned type, krbrepl__buf *body)
{
    put_frame(b, type, body);
    krbrepl__buf_reset(body);
}

static void begin_tree(krbrepl__buf *body, unsigned kind)
{
    krbrepl__buf_u8(body, kind);
    krbrepl__buf_u8(body, 1);
}

static void put_leaves(krbrepl__buf *b, krbrepl__buf *body)
{
    static const char digests[] = "rec 2100rec 2101";
    krbrepl__tree_part p = {.leaf = 21,
                            .from = {"principal\0Z", 11},
                            .to = {"principal\0b@EXAMPLE.ORG", 23},
                            .digests = {digests, 16}};

    krbrepl__ask_begin(body, KRBREPL__ASK_LEAVES, WALK, 0);
    krbrepl__buf_u32(body, 21);
    put_walk(b, KRBREPL__FRAME_ASK, body);
    begin_tree(body, KRBREPL__TREE_LEAVES);
    krbrepl__tree_put_part(body, &p);
    put_walk(b, KRBREPL__FRAME_TREE, body);
}

static void put_nodes(krbrepl__buf *b, krbrepl__buf *body)
{
    krbrepl__tree_node n = {20, {"leaf  20leaf  21", 16}};

    begin_tree(body, KRBREPL__TREE_START);
    krbrepl__buf_u8(body, 1);
    krbrepl__buf_bytes(body, "node 1 0node 1 1node 1 2", 24);
    put_walk(b, KRBREPL__FRAME_TREE, body);
    krbrepl__ask_begin(body, KRBREPL__ASK_NODES, WALK, 1);
    krbrepl__buf_u32(body, 1);
    put_walk(b, KRBREPL__FRAME_ASK, body);
    begin_tree(body, KRBREPL__TREE_NODES);
    krbrepl__tree_put_node(body, &n);
    put_walk(b, KRBREPL__FRAME_TREE, body);
}

static void put_repair(krbrepl__buf *b)
{
    krbrepl__copy_start c;
    krbrepl__buf body;

    krbrepl__buf_init(&body, 0);
    start_of_copy(&c);
    c.reason = KRBREPL_COPY_DIFFERS;
    c.records = 5000;
    c.has = KRBREPL__HAS(KRBREPL__TAG_LEVELS) | KRBREPL__HAS(KRBREPL__TAG_SALT);
    c.levels = 3;
    memset(c.salt, 0x5a, sizeof c.salt);
    put_message(b, KRBREPL__FRAME_COPY_BEGIN, &c);
    put_nodes(b, &body);
    put_leaves(b, &body);
    krbrepl__ask_begin(&body, KRBREPL__ASK_RECORDS, WALK, 0);
    krbrepl__ask_put_records(&body, 21, (const uint8_t *)"rec 2100", 1);
    put_walk(b, KRBREPL__FRAME_ASK, &body);
    put_slice(b);
    begin_tree(&body, KRBREPL__TREE_RECORDS);
    put_walk(b, KRBREPL__FRAME_TREE, &body);
    krbrepl__ask_begin(&body, KRBREPL__ASK_DONE, WALK, 0);
    put_walk(b, KRBREPL__FRAME_ASK, &body);
    put_end(b);
    krbrepl__buf_free(&body);
}

static void put_ack(krbrepl__buf *b)
{
    krbrepl_pos at;
    krbrepl__ack a;

    position(2, &at);
    memset(&a, 0, sizeof a);
    a.has = KRBREPL__HAS(KRBREPL__TAG_RECEIVED) | KRBREPL__HAS(KRBREPL__TAG_DURABLE) |
            KRBREPL__HAS(KRBREPL__TAG_APPLIED) | KRBREPL__HAS(KRBREPL__TAG_CHAIN);
    a.processed = 130;
    a.received = 3;
    a.durable = a.applied = 2;
    memcpy(a.chain, at.chain, 32);
    put_message(b, KRBREPL__FRAME_ACK, &a);
}

static void put_ping(krbrepl__buf *b)
{
    krbrepl__ping p = {.has = KRBREPL__HAS(KRBREPL__TAG_POS)}, empty = {0};

    position(2, &p.pos);
    put_message(b, KRBREPL__FRAME_PING, &p);
    put_message(b, KRBREPL__FRAME_PONG, &empty);
    empty.has = KRBREPL__HAS(KRBREPL__TAG_PROMPT);
    empty.prompt = 1;
    put_message(b, KRBREPL__FRAME_PING, &empty);
}

static void put_check(krbrepl__buf *b)
{
    krbrepl__check c = {.seq = 2};

    put_message(b, KRBREPL__FRAME_CHECK, &c);
    c.has = KRBREPL__HAS(KRBREPL__TAG_ROOT);
    memset(c.root, 0xd7, sizeof c.root);
    put_message(b, KRBREPL__FRAME_CHECK, &c);
    memset(&c, 0, sizeof c);
    put_message(b, KRBREPL__FRAME_CHECK, &c);
}

static void put_parting(krbrepl__buf *b, unsigned type, uint64_t code, const char *text)
{
    krbrepl__parting p = {.has = KRBREPL__HAS(KRBREPL__TAG_TEXT), .code = code};

    snprintf(p.text, sizeof p.text, "%s", text);
    put_message(b, type, &p);
}

static void put_refuse(krbrepl__buf *b)
{
    put_parting(b, KRBREPL__FRAME_REFUSE, 24, "another database");
}

static void put_refuse_fork(krbrepl__buf *b)
{
    krbrepl__parting p = {0};

    p.has = KRBREPL__HAS(KRBREPL__TAG_POS) | KRBREPL__HAS(KRBREPL__TAG_FORK) |
            KRBREPL__HAS(KRBREPL__TAG_TEXT);
    position(2, &p.pos);
    p.fork = 1024;
    p.code = 21;
    snprintf(p.text, sizeof p.text, "another history at 2");
    put_message(b, KRBREPL__FRAME_REFUSE, &p);
}

static void put_bye(krbrepl__buf *b)
{
    put_parting(b, KRBREPL__FRAME_BYE, 0, "the node stops");
}

static void put_chain0(krbrepl__buf *b)
{
    krbrepl_pos p;

    position(0, &p);
    krbrepl__buf_bytes(b, p.chain, 32);
}

static void put_chain1(krbrepl__buf *b)
{
    krbrepl_pos p;

    position(1, &p);
    krbrepl__buf_bytes(b, p.chain, 32);
}

static void put_chain2(krbrepl__buf *b)
{
    krbrepl_pos p;

    position(2, &p);
    krbrepl__buf_bytes(b, p.chain, 32);
}

static const struct {
    const char *name;
    void (*put)(krbrepl__buf *b);
} known[] = {
    {"commit-lineage", put_lineage_commit},
    {"commit-changes", put_changes_commit},
    {"commit-reset", put_reset_commit},
    {"chain-0", put_chain0},
    {"chain-1", put_chain1},
    {"chain-2", put_chain2},
    {"hello", put_hello},
    {"welcome", put_welcome},
    {"refuse", put_refuse},
    {"hello-asks", put_hello_asks},
    {"refuse-fork", put_refuse_fork},
    {"commits", put_commits},
    {"copy", put_copy},
    {"hello-partial", put_hello_partial},
    {"copy-resumed", put_copy_resumed},
    {"salted-node", put_salted_node},
    {"salted-record", put_salted_record},
    {"repair", put_repair},
    {"ack", put_ack},
    {"ping-pong", put_ping},
    {"check", put_check},
    {"bye", put_bye},
};
#define KNOWN (sizeof known / sizeof known[0])

/* ---- the document --------------------------------------------------------------------------- */

static int hex_digit(int c)
{
    static const char digit[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digit, c) : NULL;

    return at != NULL ? (int)(at - digit) : -1;
}

static void add_hex(krbrepl__buf *b, const char *line)
{
    for (; *line != '\0'; line++) {
        if (isspace((unsigned char)*line))
            continue;
        assert_true(hex_digit(line[0]) >= 0 && hex_digit(line[1]) >= 0);
        krbrepl__buf_u8(b, (unsigned)(hex_digit(line[0]) << 4 | hex_digit(line[1])));
        line++;
    }
}

/* Reads the blocks that begin with ```vector NAME. Answers how many. */
static size_t read_document(vector *out, size_t room)
{
    FILE *f = fopen(PROTOCOL_MD, "r");
    char line[512];
    size_t n = 0;
    int inside = 0;

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "```vector ", 10) == 0) {
            assert_true(n < room);
            assert_int_equal(sscanf(line + 10, "%31s", out[n].name), 1);
            krbrepl__buf_init(&out[n++].b, 0);
            inside = 1;
        } else if (strncmp(line, "```", 3) == 0) {
            inside = 0;
        } else if (inside) {
            add_hex(&out[n - 1].b, line);
        }
    }
    fclose(f);
    return n;
}

static void assert_same(const char *name, const krbrepl__buf *have, const krbrepl__buf *want)
{
    if (have->len != want->len || memcmp(have->data, want->data, want->len) != 0)
        fail_msg("vector %s of the document is not what this code writes", name);
}

static void every_vector_of_the_document_is_what_this_code_writes(void **state)
{
    vector doc[KNOWN + 1];
    size_t n = read_document(doc, KNOWN + 1), i, k;
    krbrepl__buf b;

    (void)state;
    assert_int_equal(n, KNOWN);
    krbrepl__buf_init(&b, 0);
    for (i = 0; i < n; i++) {
        for (k = 0; k < KNOWN && strcmp(known[k].name, doc[i].name) != 0; k++)
            continue;
        if (k == KNOWN)
            fail_msg("the document has an unknown vector %s", doc[i].name);
        krbrepl__buf_reset(&b);
        known[k].put(&b);
        assert_same(doc[i].name, &b, &doc[i].b);
        krbrepl__buf_free(&doc[i].b);
    }
    krbrepl__buf_free(&b);
}

static void ask_again(krbrepl_bytes bytes, krbrepl__buf *out)
{
    krbrepl_bytes digests;
    krbrepl__ask a;
    uint32_t i;

    assert_int_equal(krbrepl__ask_open(bytes, &a), 0);
    krbrepl__ask_begin(out, a.kind, a.walk, a.level);
    if (a.kind == KRBREPL__ASK_RECORDS)
        while (krbrepl__ask_records(&a, &i, &digests) == 1)
            krbrepl__ask_put_records(out, i, digests.data, digests.len / KRBREPL__WALK_DIGEST);
    else
        while (krbrepl__ask_index(&a, &i) == 1)
            krbrepl__buf_u32(out, i);
    assert_int_equal(a.rd.left, 0);
}

static void tree_again(krbrepl_bytes bytes, krbrepl__buf *out)
{
    krbrepl__tree_node node;
    krbrepl__tree_part part;
    krbrepl__tree t;

    assert_int_equal(krbrepl__tree_open(bytes, &t), 0);
    begin_tree(out, t.kind);
    if (t.kind == KRBREPL__TREE_START) {
        krbrepl__buf_u8(out, t.level);
        krbrepl__buf_bytes(out, t.rd.p, t.rd.left);
    } else if (t.kind == KRBREPL__TREE_NODES) {
        while (krbrepl__tree_node_next(&t, &node) == 1)
            krbrepl__tree_put_node(out, &node);
    } else {
        while (krbrepl__tree_part_next(&t, &part) == 1)
            krbrepl__tree_put_part(out, &part);
    }
}

static void walk_again(const krbrepl__frame *f, krbrepl__buf *out)
{
    krbrepl__buf body;

    krbrepl__buf_init(&body, 0);
    if (f->type == KRBREPL__FRAME_ASK)
        ask_again(f->body, &body);
    else
        tree_again(f->body, &body);
    put_frame(out, f->type, &body);
    krbrepl__buf_free(&body);
}

/* Every frame of a vector is taken apart and made again. */
static void check_frames(krbrepl__buf *b)
{
    const uint8_t *p = b->data;
    size_t n = b->len;
    krbrepl__frame f;
    krbrepl__buf again;
    unsigned tag;

    krbrepl__buf_init(&again, 0);
    while (n != 0) {
        union {
            krbrepl__hello h;
            krbrepl__welcome w;
            krbrepl__parting p;
            krbrepl__copy_start c;
        } m;

        assert_int_equal(krbrepl__frame_get(p, n, &f), 1);
        krbrepl__buf_reset(&again);
        if (f.type == KRBREPL__FRAME_COMMITS || f.type == KRBREPL__FRAME_COPY_SLICE) {
            krbrepl__frame_put(&again, f.type, f.flags, f.body.data, f.body.len);
        } else if (f.type == KRBREPL__FRAME_ASK || f.type == KRBREPL__FRAME_TREE) {
            walk_again(&f, &again);
        } else {
            assert_int_equal(krbrepl__msg_get(f.body, f.type, &m, &tag), 0);
            put_message(&again, f.type, &m);
            krbrepl__msg_free(f.type, &m);
        }
        assert_int_equal(again.len, f.size);
        assert_memory_equal(again.data, p, f.size);
        p += f.size;
        n -= f.size;
    }
    krbrepl__buf_free(&again);
}

static void every_vector_is_read_back_to_the_same_values(void **state)
{
    krbrepl__commit c;
    krbrepl__buf b, again;
    size_t i;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_init(&again, 0);
    for (i = 0; i < KNOWN; i++) {
        krbrepl__buf_reset(&b);
        known[i].put(&b);
        if (strncmp(known[i].name, "commit-", 7) == 0) {
            krbrepl__buf_reset(&again);
            assert_int_equal(krbrepl__commit_decode((krbrepl_bytes){b.data, b.len}, &c), 0);
            krbrepl__commit_put(&again, &c);
            assert_same(known[i].name, &b, &again);
        } else if (strncmp(known[i].name, "chain-", 6) != 0 &&
                   strncmp(known[i].name, "salted-", 7) != 0) {
            check_frames(&b);
        }
    }
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&again);
}

static int print_all(void)
{
    krbrepl__buf b;
    size_t i, k;

    krbrepl__buf_init(&b, 0);
    for (i = 0; i < KNOWN; i++) {
        krbrepl__buf_reset(&b);
        known[i].put(&b);
        printf("```vector %s", known[i].name);
        for (k = 0; k < b.len; k++)
            printf("%s%02x", k % 32 == 0 ? "\n" : k % 8 == 0 ? " " : "", b.data[k]);
        printf("\n```\n\n");
    }
    krbrepl__buf_free(&b);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_of_the_document_is_what_this_code_writes),
        cmocka_unit_test(every_vector_is_read_back_to_the_same_values),
    };

    if (argc == 2 && strcmp(argv[1], "--print") == 0)
        return print_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
