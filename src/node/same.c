/* same.c: whether a node still has the store that it was started on.
 *
 * A backup that is put in the place of a running node's files is a change of history that no commit tells. There are
 * two ways to do it. Another file in the place of the old one is seen by everybody who opens the store from then on,
 * and not by this node: it would go on with the old one, and its replicas with it. A file that is written over is seen
 * by all, but the commits that are made then carry numbers that replicas have already. Either way the node stops with
 * an alarm, and whoever starts it again starts on what is there: the replicas then find out, at their greeting, whether
 * the two histories fit. */
#include "node_impl.h"

#include <string.h>

/* Only a master's history never goes back: a replica's does when it is copied again. */
static int went_back(krbrepl_node *n, const krbrepl_pos *before)
{
    uint8_t chain[32];

    if (!n->master_side || before->seq == 0)
        return 0;
    if (n->info.pos.seq <= before->seq)
        return n->info.pos.seq < before->seq ||
               memcmp(n->info.pos.chain, before->chain, sizeof chain) != 0;
    /* It may have been trimmed already, and nothing can be said then. */
    return krbrepl__store_chain_at(n->store, before->seq, chain) == 0 &&
           memcmp(chain, before->chain, sizeof chain) != 0;
}

void krbrepl__node_check_store(krbrepl_node *n)
{
    if (krbrepl__store_replaced(n->store))
        krbrepl__node_give_up(n, KRBREPL_ERR_CONFLICT,
                              "another database was put in the place of the one that this node has "
                              "open; close the store and open it again to go on with that one");
}

void krbrepl__node_check_history(krbrepl_node *n, const krbrepl_pos *before)
{
    if (went_back(n, before))
        krbrepl__node_give_up(n, KRBREPL_ERR_CONFLICT,
                              "the history of the store is not the one any more that this node has "
                              "served: an old copy was written over its file; restore a backup with "
                              "`krbrepl restore`, or promote a replica");
}
