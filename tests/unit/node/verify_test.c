/* A proof reads the commits in a journal of the host's too, and names the one that is damaged. */
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "memjournal.h"
#include "site.h"

#define COMMITS 40

typedef struct bench {
    site at;
    memjournal *j;
} bench;

static int make(void **state)
{
    bench *b = calloc(1, sizeof *b);
    const krbrepl_journal_ops ops = memjournal_ops();
    krbrepl_store_options so;
    char key[16];
    int i;

    b->j = memjournal_new();
    site_make(&b->at, KRBREPL_CREATE_MASTER | KRBREPL_CREATE_JOURNALED);
    KRBREPL_INIT(&so);
    so.journal = &ops;
    so.journal_ctx = b->j;
    site_open(&b->at, &so);
    for (i = 0; i < COMMITS; i++) {
        snprintf(key, sizeof key, "key %d", i);
        site_put(b->at.s, key);
    }
    site_node(&b->at, NULL, NULL);
    *state = b;
    return 0;
}

/* What is done to the journal is done before, for with this come the threads of the node. */
static void serve(bench *b)
{
    assert_int_equal(krbrepl_node_spawn(b->at.n), 0);
}

static int drop(void **state)
{
    bench *b = *state;
    int rc = site_drop(&b->at);

    memjournal_free(b->j);
    free(b);
    return rc;
}

static int prove(const bench *b, krbrepl_errinfo *ei)
{
    krbrepl_prove_options o;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(ei);
    o.timeout_ms = 60000;
    return krbrepl_prove(b->at.dir, &o, NULL, ei);
}

static void assert_names(const bench *b, int err, const char *what)
{
    krbrepl_errinfo ei;

    assert_int_equal(prove(b, &ei), err);
    assert_int_equal(ei.code, err);
    if (strstr(ei.text, what) == NULL)
        fail_msg("%s, without %s", ei.text, what);
}

static void a_journal_that_is_sound_is_read_to_its_end(void **state)
{
    bench *b = *state;
    krbrepl_errinfo ei;
    int before;

    site_master(&b->at);
    before = b->j->reads;
    serve(b);
    assert_int_equal(prove(b, &ei), 0);
    krbrepl_node_free(b->at.n);
    b->at.n = NULL;
    assert_true(b->j->reads - before >= COMMITS);
}

static void a_commit_that_was_altered_in_the_hosts_journal_is_named(void **state)
{
    bench *b = *state;
    krbrepl_status st;
    memjournal_commit *c;

    site_master(&b->at);
    c = memjournal_find(b->j, 17);
    c->bytes[c->len - 1] ^= 1;
    serve(b);
    assert_names(b, KRBREPL_ERR_CORRUPT, "commit 17 does not match the chain");
    KRBREPL_INIT(&st);
    assert_int_equal(krbrepl_node_status(b->at.n, &st), 0);
    assert_int_equal(st.last_err, KRBREPL_ERR_CORRUPT);
    assert_non_null(strstr(st.last_error, "commit 17"));
    /* The records are what they should be. */
    assert_int_equal(st.differs, 0);
    c->bytes[c->len - 1] ^= 1;
    assert_int_equal(krbrepl_node_status(b->at.n, &st), 0); /* its lock hands the byte over */
    assert_names(b, 0, "");
}

static void a_commit_that_the_host_has_lost_is_named(void **state)
{
    bench *b = *state;

    site_master(&b->at);
    memjournal_find(b->j, COMMITS + 1)->seq = 0;
    serve(b);
    assert_names(b, KRBREPL_ERR_CORRUPT, "commit 41 is missing");
}

static void a_journal_that_cannot_be_read_is_no_proof(void **state)
{
    bench *b = *state;

    site_master(&b->at);
    b->j->fail_read = 5;
    serve(b);
    assert_names(b, KRBREPL_ERR_HOST, "answered 5");
}

/* It may become master one day, and serve others out of it. */
static void the_journal_of_a_replica_is_read_too(void **state)
{
    bench *b = *state;
    krbrepl_replica_options ro;

    assert_int_equal(krbrepl_demote(b->at.s, NULL, NULL), 0);
    KRBREPL_INIT(&ro);
    ro.master = "127.0.0.1:1";
    assert_int_equal(krbrepl_replica_start(b->at.n, &ro), 0);
    memjournal_find(b->j, 2)->bytes[20] ^= 1;
    serve(b);
    assert_names(b, KRBREPL_ERR_CORRUPT, "commit 2 does not match the chain");
}

int main(void)
{
#define NODE(f) cmocka_unit_test_setup_teardown(f, make, drop)
    const struct CMUnitTest tests[] = {
        NODE(a_journal_that_is_sound_is_read_to_its_end),
        NODE(a_commit_that_was_altered_in_the_hosts_journal_is_named),
        NODE(a_commit_that_the_host_has_lost_is_named),
        NODE(a_journal_that_cannot_be_read_is_no_proof),
        NODE(the_journal_of_a_replica_is_read_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
