/* frame.h: frames and messages of krbrepl/1, as they travel inside the secure channel.
 *
 *   frame := type:u8 flags:u8 reserved:u16 (0) length:u32 body[length]
 *
 * The length is checked against the limit of its type before anything is allocated. */
#ifndef KRBREPL__FRAME_H
#define KRBREPL__FRAME_H

#include "buf.h"

#define KRBREPL__FRAME_HEAD 8u
#define KRBREPL__FRAME_MAX (256u * 1024u) /* body, of any type */

#endif
