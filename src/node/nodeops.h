/* nodeops.h: what the node offers to src/api. Structs arrive widened to today's shape; the pid and the
 * reentrancy are checked above. */
#ifndef KRBREPL__NODEOPS_H
#define KRBREPL__NODEOPS_H

#include <krbrepl/node.h>

int krbrepl__node_new(krbrepl_node **out, const krbrepl_config *cfg, const krbrepl_events *events,
                      krbrepl_errinfo *ei);
void krbrepl__node_free(krbrepl_node *n);
void krbrepl__node_free_forked(krbrepl_node *n);

/* FORKED in another process than the one that made the node. Any thread, signal handlers too. */
int krbrepl__node_check_pid(const krbrepl_node *n);
/* Takes the node for this thread. 0; FORKED; STATE from inside a callback (then it is not taken), unless
 * `inside` allows that. */
int krbrepl__node_enter(krbrepl_node *n, int inside);
void krbrepl__node_leave(krbrepl_node *n);
krbrepl_errinfo *krbrepl__node_ei(krbrepl_node *n);

/* These want the node taken. */
int krbrepl__master_start(krbrepl_node *n, const krbrepl_master_options *opt);
int krbrepl__replica_start(krbrepl_node *n, const krbrepl_replica_options *opt);
int krbrepl__node_process(krbrepl_node *n);
int krbrepl__node_status(krbrepl_node *n, krbrepl_status *out);
int krbrepl__node_peers(krbrepl_node *n, krbrepl_peer_fn *each, void *ctx);
int krbrepl__node_fd(const krbrepl_node *n);
int krbrepl__node_due(const krbrepl_node *n); /* ms; -1: never, or somebody drives it already */

/* These take it themselves where they must. */
int krbrepl__node_stop(krbrepl_node *n);
int krbrepl__node_run(krbrepl_node *n);
int krbrepl__node_spawn(krbrepl_node *n);
int krbrepl__node_wake(krbrepl_node *n);
int krbrepl__node_quit(krbrepl_node *n);
int krbrepl__node_reauthorize(krbrepl_node *n);

/* The other side of the control socket. */
int krbrepl__control_status(const char *dir, uint64_t timeout_ms, krbrepl_status *out,
                            krbrepl_peer_fn *each, void *ctx, krbrepl_errinfo *ei);
int krbrepl__control_prove(const char *dir, const krbrepl_prove_options *opt, krbrepl_proved *out,
                           krbrepl_errinfo *ei);
int krbrepl__control_wait(const char *dir, const krbrepl_wait_options *opt, uint64_t *have,
                          krbrepl_errinfo *ei);

/* For tests: which make of poller a node gets that is made from now on by this call in place of
 * krbrepl__node_new; the port of the first TCP listener (0: none). */
int krbrepl__node_new_on(krbrepl_node **out, const krbrepl_config *cfg, const krbrepl_events *events,
                         int poller_kind, krbrepl_errinfo *ei);
unsigned krbrepl__node_tcp_port(const krbrepl_node *n);

#endif
