/* sent.h: what slaves in a legacy dialect were sent up to and have answered for, where a killed node finds it again.
 *
 * A number is written down before it is sent, with the answers to those before it, and on one disk with its writers a master would need two syncs for each
 * change to do that in the store. But a file that is written outlives its program without a sync; what it does not
 * outlive is a crash of the machine, after which the slots in the store say less than what is true, and some slaves
 * get a complete database.
 *
 *   iprop.sent := "krbrepl sent 2\n" || 0 || base:u32 n:u32 seq:u64 chain[32], n x (name:u64 last:u32 acked:u32), check:u64
 *
 * name and check are FNV-1a sums, of the principal and of all that is before. An older store that was put in the place of this one
 * has another chain at `seq`, or none, and then nothing of it counts. Bytes behind `check` are of an earlier time. A
 * slave that has less than what the file says, so that it is not to be believed up to there, has it emptied before. */
#ifndef KRBREPL__SENT_H
#define KRBREPL__SENT_H

#include "master.h"

/* For the slots in this base whose slaves are connected. 0, or -1: it could not be written. */
int krbrepl__sent_note(krbrepl_node *n, uint32_t base);
/* Raises the slots to what the file says, when it is of this history. */
void krbrepl__sent_load(krbrepl_node *n);
/* Nothing of it counts any more, whatever happens. 0, or -1: that is not sure. */
int krbrepl__sent_forget(krbrepl_node *n);
void krbrepl__sent_close(krbrepl__master *m);

#endif
