/* storecalls.h: the public calls of <krbrepl/store.h> without their guards.
 *
 * src/api checks the process, NULL pointers and the sizes of structs, and calls these. Below that layer
 * everybody uses these. Each does exactly what its public namesake says. `opt` is never NULL here and
 * has today's size. */
#ifndef KRBREPL__STORECALLS_H
#define KRBREPL__STORECALLS_H

#include <krbrepl/store.h>

int krbrepl__store_create(const char *dir, const krbrepl_create_options *opt, krbrepl_errinfo *ei);
int krbrepl__store_open(krbrepl_store **out, const char *dir, const krbrepl_store_options *opt,
                        krbrepl_errinfo *ei);
void krbrepl__store_close(krbrepl_store *s);
const char *krbrepl__store_dir(const krbrepl_store *s);
int krbrepl__store_set_retention(krbrepl_store *s, const krbrepl_retention *r);

int krbrepl__slot_each(krbrepl_store *s, krbrepl_slot_fn *fn, void *ctx);
int krbrepl__slot_drop(krbrepl_store *s, const char *principal);
int krbrepl__slot_reset(krbrepl_store *s, const char *principal);

int krbrepl__promote(krbrepl_store *s, const char *who, krbrepl_pos *out);
int krbrepl__demote(krbrepl_store *s, const char *who, krbrepl_pos *out);
int krbrepl__resolve(krbrepl_store *s, uint64_t which, const char *who, krbrepl_pos *out);

int krbrepl__txn_begin(krbrepl_store *s, krbrepl_txn **out, const krbrepl_txn_options *opt);
int krbrepl__txn_put(krbrepl_txn *t, const char *table, krbrepl_bytes key, krbrepl_bytes value);
int krbrepl__txn_delete(krbrepl_txn *t, const char *table, krbrepl_bytes key);
int krbrepl__txn_get(krbrepl_txn *t, const char *table, krbrepl_bytes key, krbrepl_bytes *value);
int krbrepl__txn_prepare(krbrepl_txn *t);
int krbrepl__txn_commit(krbrepl_txn *t, krbrepl_pos *out);
void krbrepl__txn_abort(krbrepl_txn *t);
krbrepl_store *krbrepl__txn_store(const krbrepl_txn *t);
int krbrepl__txn_mine(const krbrepl_txn *t); /* this thread began it, and holds the writer lock */

int krbrepl__view_open(krbrepl_store *s, krbrepl_view **out);
void krbrepl__view_close(krbrepl_view *v);
int krbrepl__view_pos(const krbrepl_view *v, krbrepl_pos *out);
int krbrepl__view_get(krbrepl_view *v, const char *table, krbrepl_bytes key, krbrepl_bytes *value);
int krbrepl__view_each(krbrepl_view *v, const char *table, const krbrepl_bytes *from,
                       const krbrepl_bytes *to, uint64_t flags, krbrepl_record_fn *fn, void *ctx);
krbrepl_store *krbrepl__view_store(const krbrepl_view *v);
int krbrepl__view_walked(const krbrepl_view *v); /* a callback of krbrepl__view_each on it runs */

int krbrepl__journal_each(krbrepl_store *s, uint64_t from, uint64_t to, krbrepl_commit_fn *fn,
                          void *ctx);

int krbrepl__local_put(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl_bytes value);
int krbrepl__local_get(krbrepl_store *s, const char *table, krbrepl_bytes key, void *buf, size_t *len);
int krbrepl__local_delete(krbrepl_store *s, const char *table, krbrepl_bytes key);

/* ---- written beside the core: digest, loads, backup, upgrade --------------------------------- */

int krbrepl__view_digest(krbrepl_view *v, uint8_t root[32], uint64_t *records);

int krbrepl__load_begin(krbrepl_store *s, krbrepl_load **out, const krbrepl_load_options *opt);
int krbrepl__load_put(krbrepl_load *l, const char *table, krbrepl_bytes key, krbrepl_bytes value);
int krbrepl__load_commit(krbrepl_load *l, krbrepl_load_result *out); /* out of today's size, or NULL */
void krbrepl__load_abort(krbrepl_load *l); /* in a forked child: only frees memory */
krbrepl_store *krbrepl__load_store(const krbrepl_load *l);
int krbrepl__load_telling(const krbrepl_load *l); /* its progress callback runs */
/* Makes the load a reset, however small the difference is (simulations; a real one needs 64 MiB). */
void krbrepl__load_as_reset(krbrepl_load *l);

int krbrepl__backup(krbrepl_store *s, const char *file);
int krbrepl__restore(const char *file, const char *dir, const char *who, krbrepl_errinfo *ei);
int krbrepl__upgrade(const char *dir, krbrepl_errinfo *ei);

#endif
