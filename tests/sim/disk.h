/* disk.h: what lies under the stores of a simulated realm.
 *
 * The functions by which files are written and synced are replaced for the whole program. For files below
 * the root of the world they keep what was not synced yet, and so can take it back; for all others they are
 * what they always were. The files are real ones, and what is not faulted is written to them at once, so
 * that LMDB reads through its map as ever. */
#ifndef KRBREPL_SIM_DISK_H
#define KRBREPL_SIM_DISK_H

#include <stdint.h>

#define DISK_SITES 8

/* Begins: files below `root`/N/ are those of site N. One at a time. */
void disk_begin(const char *root, uint64_t seed);
void disk_end(void);

/* The file of the store of a site; called when it was made, or was put in place by hand: what it holds now
 * is on the disk. */
void disk_file_is(int site, const char *path);

/* The process of the site dies in its n-th write, sync or rename from now on: that is done in part, and nothing
 * after it has any effect. `power`: the whole machine loses its power in that instant. 0 takes it back. */
void disk_die_in(int site, unsigned n, int power);
int disk_dead(int site);
/* Has died by now, with power. */
int disk_lost_power(int site);
/* The machine is without power, now or since it died: of what was not synced some is there, some is not, some in
 * part. The store must be closed. */
void disk_power_loss(int site);
/* A new process. */
void disk_revive(int site);

/* The n-th write or sync from now on fails, and `more` after it; nothing of them is written. */
void disk_fail_in(int site, unsigned n, unsigned more);
/* After `bytes` more, nothing can be written, or only what does not make the file longer. */
void disk_fill(int site, uint64_t bytes, int in_place);
void disk_make_room(int site);
int disk_full(int site);
/* How many calls have failed so far for a full disk, or otherwise. */
uint64_t disk_failures(int site);

/* Flips one bit of the file that is mapped at `at`, behind everybody's back. 0: done. */
int disk_rot(const void *at, unsigned bit);

typedef struct disk_counts {
    uint64_t writes, syncs, lost, torn, kept;
} disk_counts;
const disk_counts *disk_count(void);

#endif
