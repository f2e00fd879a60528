/* kdbglue.h: the only door of the programs to libkrbrepl-kdb5, so that they also build without it. */
#ifndef KRBREPL_KDBGLUE_H
#define KRBREPL_KDBGLUE_H

#include <stdbool.h>

#include <krbrepl/krbrepl.h>

/* What --store says for it, and where the store's own directory is unless --side says otherwise. */
#define KDBGLUE_STORE "kdb"
#define KDBGLUE_SIDE "/var/lib/krbrepl-kdb"

struct kdbglue;

/* Opens the database of this host's MIT KDC. `realm` NULL: the default realm; `args` as -x, ended by NULL, may be
 * NULL. NULL after a message. */
struct kdbglue *kdbglue_open(const char *realm, char *const *args);
const krbrepl_host_ops *kdbglue_ops(const struct kdbglue *g);
/* What the callbacks are to be called with. */
void *kdbglue_ctx(const struct kdbglue *g);
/* After the store was closed. NULL is fine. */
void kdbglue_close(struct kdbglue *g);

#endif
