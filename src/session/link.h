/* link.h: frames over a channel. */
#ifndef KRBREPL__LINK_H
#define KRBREPL__LINK_H

#include "chan.h"
#include "frame.h"

/* Writes a frame into the channel, in two pieces so that a large body need not be copied together. 0 or
 * the channel's error. */
int krbrepl__link_send(krbrepl__chan *c, unsigned type, krbrepl_bytes head, krbrepl_bytes rest);
/* The next whole frame in the channel's plaintext, as krbrepl__frame_get; borrowed until link_drop. */
int krbrepl__link_next(krbrepl__chan *c, krbrepl__frame *f);
void krbrepl__link_drop(krbrepl__chan *c, const krbrepl__frame *f);

#endif
