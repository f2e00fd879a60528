/* iofail.h: a disk that fails. The program that this is linked with has write, pwrite, writev, fsync, fdatasync,
 * ftruncate, rename, link, read and pread of its own, which its libraries (liblmdb too) then use; while a
 * failure is armed, one of these calls on a file or directory fails. Sockets and pipes are left alone. */
#ifndef KRBREPL_TEST_IOFAIL_H
#define KRBREPL_TEST_IOFAIL_H

enum iofail_kind {
    IOFAIL_EIO = 1,    /* the device failed; nothing was done */
    IOFAIL_ENOSPC,     /* there is no room; syncing and renaming work */
    IOFAIL_PART,       /* half of a write is done, and the next call fails with ENOSPC */
    IOFAIL_READ_EIO,   /* a read fails */
    IOFAIL_READ_PIECES /* every read gives at most seven bytes, and every third one is interrupted */
};

/* The calls before the one that fails; forever: all after it fail too. */
void iofail_arm(enum iofail_kind kind, unsigned long calls, int forever);
/* 1: something failed. */
int iofail_disarm(void);
/* The name of the call that failed first, and whether it was on a file named data.mdb. */
const char *iofail_what(void);
int iofail_on_data(void);

#endif
