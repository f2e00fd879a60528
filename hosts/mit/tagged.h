/* tagged.h: what is read out of a principal's tagged data. Everything else in it is carried along unread.
 *
 *   type 2  modification: 32-bit time, little-endian, then the modifier's name and a NUL
 *   type 3  kadmin data, in XDR: version 0x12345c01, length of the policy's name with its NUL (0: none), the
 *           name, padded to four bytes, and more */
#ifndef KRBREPL__MIT_TAGGED_H
#define KRBREPL__MIT_TAGGED_H

#include <krbrepl/mit.h>

#define KRBREPL__MIT_TL_MODIFIED 2
#define KRBREPL__MIT_TL_KADMIN 3

/* Both answer 1 when the principal has it and it can be read. Names are borrowed, without their NUL. */
int krbrepl__mit_modified(const krbrepl_mit_principal *p, uint32_t *when, krbrepl_bytes *who);
int krbrepl__mit_policy_name(const krbrepl_mit_principal *p, krbrepl_bytes *policy);

#endif
