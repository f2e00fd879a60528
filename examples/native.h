/* native.h: files of `krbrepl dump --format native`: the content of a store as lines of text.
 *
 *     krbrepl-dump 1
 *     database 0xID
 *     position SEQ EPOCH 0xLINEAGE 0xCHAIN
 *     put TABLE KEY VALUE          once for each record, in key order
 *     end RECORDS 0xDIGEST
 *
 * Words are those of token.h. DIGEST is SHA-256 over every byte before the line `end`, so that a file that
 * was cut off or altered is noticed. What is local to a node is not in the file. */
#ifndef KRBREPL_NATIVE_H
#define KRBREPL_NATIVE_H

#include <stdbool.h>
#include <stdio.h>

#include <krbrepl/krbrepl.h>

#define NATIVE_MAGIC "krbrepl-dump 1"

/* Writes the content at the view's position. 0; an error of the library; NATIVE_WRITE: `f` failed. */
#define NATIVE_WRITE 1
int native_write(krbrepl_store *s, FILE *f, krbrepl_pos *pos, uint64_t *records);

/* Reads a file, checks it as it goes, and hands on its records. 0 only when all of it was there and right;
 * what `each` answered when that was not 0; KRBREPL_ERR_INPUT with line and reason in `why`. */
typedef int native_each_fn(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value);
int native_read(FILE *f, native_each_fn *each, void *ctx, char *why, size_t room);

#endif
