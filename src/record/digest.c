#include "digest.h"

#include <string.h>

#include <krbrepl/error.h>

#include "buf.h"
#include "mem.h"

#define FANOUT_MAX KRBREPL__NODE_MAX
/* From level 15 on only FANOUT_MAX cuts, so a level has at most a 128th of the nodes of the one below
 * it: 32 levels are more than any number of records needs. */
#define LEVELS 32u
#define HASH_BITS 64u

/* The node of one level that is being filled. */
typedef struct level {
    uint8_t *child; /* the digests of its children, one after another */
    size_t n;       /* how many; 0: no node has been begun */
    uint64_t first; /* the boundary hash of its first record */
    uint64_t done;  /* nodes of this level that were finished */
} level;

struct krbrepl__digest {
    krbrepl__sha *sha;
    uint8_t id[16];
    uint8_t last[KRBREPL__CKEY_MAX]; /* canonical key of the last record */
    size_t last_len;
    uint64_t leaves;  /* that came whole */
    uint8_t leaf[32]; /* the last of these */
    level at[LEVELS];
};

static const char bound_label[] = "krbrepl bound 1"; /* all three labels count with their NUL */
static const char leaf_label[] = "krbrepl leaf 1";
static const char node_label[] = "krbrepl node 1";

krbrepl__digest *krbrepl__digest_new(const uint8_t database_id[16])
{
    krbrepl__digest *d = krbrepl__alloc(sizeof *d);

    if (d == NULL)
        return NULL;
    memcpy(d->id, database_id, sizeof d->id);
    d->sha = krbrepl__sha_new();
    if (d->sha == NULL) {
        krbrepl__digest_free(d);
        return NULL;
    }
    return d;
}

static size_t child_size(unsigned n)
{
    return n == 0 ? KRBREPL__RDIGEST : 32u;
}

void krbrepl__digest_free(krbrepl__digest *d)
{
    unsigned n;

    if (d == NULL)
        return;
    for (n = 0; n < LEVELS; n++)
        krbrepl__free(d->at[n].child, FANOUT_MAX * child_size(n));
    krbrepl__sha_free(d->sha);
    krbrepl__free(d, sizeof *d);
}

/* Whether a child with boundary hash h begins a new node of level n. */
static int is_boundary(unsigned n, uint64_t h)
{
    unsigned bits = 4 * (n + 1);

    if (bits > HASH_BITS)
        return 0;
    return bits == HASH_BITS ? h == 0 : (h & ((UINT64_C(1) << bits) - 1)) == 0;
}

int krbrepl__digest_bound(krbrepl__sha *h, const uint8_t database_id[16], const void *ckey, size_t len,
                          uint64_t *out)
{
    uint8_t sum[32];
    krbrepl_bytes piece[] = {{bound_label, sizeof bound_label}, {database_id, 16}, {ckey, len}};
    int rc = krbrepl__sha_sum(h, piece, 3, sum);

    *out = krbrepl__get_u64(sum);
    return rc;
}

int krbrepl__digest_begins_leaf(uint64_t bound)
{
    return is_boundary(0, bound);
}

int krbrepl__digest_leaf(krbrepl__sha *h, const uint8_t *rdigests, size_t n, uint8_t out[32])
{
    krbrepl_bytes piece[] = {{leaf_label, sizeof leaf_label}, {rdigests, n * KRBREPL__RDIGEST}};

    return krbrepl__sha_sum(h, piece, 2, out);
}

int krbrepl__digest_begins_node(unsigned n, uint64_t bound)
{
    return is_boundary(n, bound);
}

int krbrepl__digest_node(krbrepl__sha *h, unsigned n, const uint8_t *children, size_t count,
                         uint8_t out[32])
{
    uint8_t number = (uint8_t)n;
    krbrepl_bytes piece[] = {{node_label, sizeof node_label}, {&number, 1}, {children, count * 32}};

    return krbrepl__sha_sum(h, piece, 3, out);
}

/* Finishes the node of level n and leaves the level empty. */
static int finish_node(krbrepl__digest *d, unsigned n, uint8_t out[32])
{
    level *l = &d->at[n];
    int rc = n == 0 ? krbrepl__digest_leaf(d->sha, l->child, l->n, out)
                    : krbrepl__digest_node(d->sha, n, l->child, l->n, out);

    l->n = 0;
    l->done++;
    return rc;
}

/* Gives a child whose first record has boundary hash h to level n, and each node that this finishes to
 * the level above. */
static int add_child(krbrepl__digest *d, unsigned n, uint64_t h, const uint8_t *child)
{
    uint8_t in[32], finished[32] = {0};
    uint64_t up;
    level *l;
    int rc = 0, go_on = 1;

    memcpy(in, child, child_size(n));
    for (; rc == 0 && go_on && n < LEVELS; n++) {
        l = &d->at[n];
        if (l->child == NULL)
            l->child = krbrepl__alloc_array(FANOUT_MAX, child_size(n));
        if (l->child == NULL)
            return KRBREPL_ERR_NOMEM;
        up = l->first;
        go_on = l->n > 0 && (l->n == FANOUT_MAX || is_boundary(n, h));
        if (go_on)
            rc = finish_node(d, n, finished);
        if (l->n == 0)
            l->first = h;
        memcpy(l->child + l->n++ * child_size(n), in, child_size(n));
        h = up;
        memcpy(in, finished, sizeof in);
    }
    return rc;
}

int krbrepl__digest_add(krbrepl__digest *d, const void *ckey, size_t len,
                        const uint8_t rdigest[KRBREPL__RDIGEST])
{
    uint64_t h;
    int rc;

    if (len == 0 || len > sizeof d->last || krbrepl__bytes_cmp(ckey, len, d->last, d->last_len) <= 0)
        return KRBREPL_ERR_INVALID;
    memcpy(d->last, ckey, len);
    d->last_len = len;
    rc = krbrepl__digest_bound(d->sha, d->id, ckey, len, &h);
    return rc == 0 ? add_child(d, 0, h, rdigest) : rc;
}

int krbrepl__digest_add_leaf(krbrepl__digest *d, uint64_t bound, const uint8_t leaf[32])
{
    d->leaves++;
    memcpy(d->leaf, leaf, sizeof d->leaf);
    return add_child(d, 1, bound, leaf);
}

int krbrepl__digest_root(krbrepl__digest *d, uint8_t root[32])
{
    unsigned n = d->leaves != 0;
    uint64_t h;
    int rc = 0;

    memset(root, 0, 32);
    if (d->leaves == 1) {
        memcpy(root, d->leaf, 32);
        return 0;
    }
    for (; rc == 0 && n < LEVELS && d->at[n].n > 0; n++) {
        h = d->at[n].first;
        rc = finish_node(d, n, root);
        if (d->at[n].done == 1)
            break;
        if (rc == 0 && n + 1 < LEVELS)
            rc = add_child(d, n + 1, h, root);
    }
    return rc;
}
