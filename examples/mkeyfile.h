/* mkeyfile.h: the master key file of a Heimdal database, a keytab. */
#ifndef KRBREPL_MKEYFILE_H
#define KRBREPL_MKEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include <krbrepl/types.h>

struct mkeyfile;

/* NULL after a message. */
struct mkeyfile *mkeyfile_open(const char *file);
void mkeyfile_close(struct mkeyfile *m); /* wipes the keys; NULL is fine */

/* As the functions of krbrepl_heimdal_cipher; `ctx` is the file. They say what is wrong. */
int mkeyfile_seal(void *ctx, krbrepl_bytes in, void *out, size_t *len, uint64_t *mkvno);
int mkeyfile_unseal(void *ctx, uint64_t mkvno, int64_t etype, krbrepl_bytes in, void *out, size_t *len);

#endif
