/* The disk. RTLD_NEXT needs _GNU_SOURCE, which this file alone is compiled with. */
#include "disk.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rng.h"

#define SECTOR 512u
#define PAGE 4096u
#define NAMES 64

/* A write that is not known to be on the disk. */
typedef struct unsynced {
    off_t at;
    size_t n, old_n; /* what was there before may have been shorter: the end of the file */
    int durable;     /* written through: on the disk, and kept for the order of things */
    int orphan;      /* a sync has failed since: no later one brings it to the disk */
    uint8_t *old, *new;
} unsynced;

typedef struct file {
    ino_t ino;
    int site;
    int nameless; /* no power loss finds it again */
    unsynced *log;
    size_t n, room;
} file;

typedef struct disk {
    file data;
    int fd; /* on it; LMDB writes through one that cannot read */
    char path[200];
    file *other; /* whatever else the site writes */
    size_t nother;
    char names[NAMES][96]; /* in evidence/, as its directory was synced last */
    size_t nnames;
    unsigned die_in, fail_in, fail_more;
    int power, dead, full, in_place;
    uint64_t left; /* until it is full */
    int filling;
    uint64_t failures;
} disk;

static struct {
    int on;
    char root[160];
    size_t root_len;
    dev_t dev;
    rng rng;
    disk site[DISK_SITES];
    disk_counts count;
} d;

/* ---- the real functions --------------------------------------------------------------------- */

#define REAL(name)                       \
    static void *found;                  \
    union {                              \
        void *from;                      \
        __typeof__(&name) to;            \
    } real;                              \
    if (found == NULL)                   \
        found = dlsym(RTLD_NEXT, #name); \
    real.from = found

static ssize_t real_pwrite(int fd, const void *p, size_t n, off_t at)
{
    REAL(pwrite);
    return real.to(fd, p, n, at);
}

/* Writes all of it; files on a RAM disk take it. */
static void put(int fd, const void *p, size_t n, off_t at)
{
    if (n != 0 && real_pwrite(fd, p, n, at) != (ssize_t)n) {
        perror("the simulated disk cannot be written");
        abort();
    }
}

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

/* ---- which file ----------------------------------------------------------------------------- */

static disk *disk_of_path(const char *path)
{
    const char *s = path + d.root_len;

    if (strncmp(path, d.root, d.root_len) != 0 || s[0] != '/' || s[1] < '0' ||
        s[1] >= '0' + DISK_SITES || (s[2] != '/' && s[2] != '\0'))
        return NULL;
    return &d.site[s[1] - '0'];
}

static int path_of(int fd, char out[256])
{
    char link[48];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, out, 255);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static file *other_file(disk *x, ino_t ino)
{
    size_t i;

    for (i = 0; i < x->nother; i++)
        if (x->other[i].ino == ino)
            return &x->other[i];
    x->other = must(realloc(x->other, (x->nother + 1) * sizeof *x->other));
    memset(&x->other[x->nother], 0, sizeof *x->other);
    x->other[x->nother].ino = ino;
    x->other[x->nother].site = (int)(x - d.site);
    return &x->other[x->nother++];
}

/* NULL: none of ours. `dir`: it is a directory, of this disk. */
static file *file_of(int fd, disk **dir)
{
    char path[256];
    struct stat st;
    disk *x;
    int i;

    if (dir != NULL)
        *dir = NULL;
    if (!d.on || fstat(fd, &st) != 0 || st.st_dev != d.dev)
        return NULL;
    for (i = 0; i < DISK_SITES; i++)
        if (d.site[i].data.ino == st.st_ino && d.site[i].path[0] != '\0')
            return &d.site[i].data;
    if ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || !path_of(fd, path) ||
        (x = disk_of_path(path)) == NULL)
        return NULL;
    if (S_ISREG(st.st_mode)) {
        file *f = other_file(x, st.st_ino);

        f->nameless = st.st_nlink == 0;
        return f;
    }
    if (dir != NULL)
        *dir = x;
    return NULL;
}

/* ---- what is not synced --------------------------------------------------------------------- */

static void entry_free(unsynced *u)
{
    free(u->old);
    free(u->new);
}

static void log_clear(file *f)
{
    while (f->n != 0)
        entry_free(&f->log[--f->n]);
}

static void log_add(file *f, int fd, const void *p, size_t n, off_t at, int durable)
{
    unsynced *u;
    ssize_t old;

    if (f->n == f->room) {
        f->room = f->room * 2 + 16;
        f->log = must(realloc(f->log, f->room * sizeof *f->log));
    }
    u = &f->log[f->n++];
    memset(u, 0, sizeof *u);
    u->at = at;
    u->n = n;
    u->durable = durable;
    u->old = must(malloc(n));
    u->new = must(malloc(n));
    memcpy(u->new, p, n);
    old = pread(f == &d.site[f->site].data ? d.site[f->site].fd : fd, u->old, n, at);
    u->old_n = old > 0 ? (size_t)old : 0;
}

static int overlap(const unsynced *a, const unsynced *b)
{
    return a->at < b->at + (off_t)b->n && b->at < a->at + (off_t)a->n;
}

/* A sync: all is on the disk, but for what an earlier sync has failed on and nobody has written since. */
static void log_synced(file *f)
{
    size_t i, k, n = 0;

    for (i = 0; i < f->n; i++) {
        int keep = f->log[i].orphan;

        for (k = i + 1; k < f->n && keep; k++)
            keep = f->log[k].orphan || !overlap(&f->log[i], &f->log[k]);
        if (keep)
            f->log[n++] = f->log[i];
        else
            entry_free(&f->log[i]);
    }
    f->n = n;
}

static void log_orphaned(file *f)
{
    size_t i;

    for (i = 0; i < f->n; i++)
        f->log[i].orphan |= !f->log[i].durable;
}

/* What of one write has reached the disk when the power went. */
static void settle_one(int fd, const unsynced *u)
{
    size_t at = 0, n;
    uint64_t how = u->durable ? 0 : rng_below(&d.rng, 3);

    if (how == 0)
        put(fd, u->new, u->n, u->at);
    d.count.kept += how == 0;
    d.count.lost += how == 1;
    d.count.torn += how == 2;
    while (how == 2 && at < u->n) {
        n = SECTOR - (size_t)((u->at + (off_t)at) % SECTOR);
        if (n > u->n - at)
            n = u->n - at;
        if (rng_chance(&d.rng, 1, 2))
            put(fd, u->new + at, n, u->at + (off_t)at);
        at += n;
    }
}

static void file_lost_power(file *f, int fd)
{
    struct stat st;
    size_t i;

    for (i = f->n; i-- > 0;) {
        unsynced *u = &f->log[i];

        put(fd, u->old, u->old_n, u->at);
        if (u->old_n < u->n && fstat(fd, &st) == 0 && st.st_size == u->at + (off_t)u->n &&
            ftruncate(fd, u->at + (off_t)u->old_n) != 0)
            abort();
    }
    for (i = 0; i < f->n; i++)
        settle_one(fd, &f->log[i]);
    log_clear(f);
}

/* ---- faults --------------------------------------------------------------------------------- */

enum fate { DONE, DEAD, FAILS, DIES };

/* What becomes of the next call that changes something. */
static enum fate next_fate(disk *x)
{
    if (x->dead)
        return DEAD;
    if (x->die_in != 0 && --x->die_in == 0) {
        x->dead = 1;
        return DIES;
    }
    if (x->fail_in != 0 && --x->fail_in == 0) {
        if (x->fail_more != 0) {
            x->fail_more--;
            x->fail_in = 1;
        }
        x->failures++;
        return FAILS;
    }
    return DONE;
}

/* How much of a write there is room for. */
static size_t room_for(disk *x, int fd, size_t n, off_t at)
{
    struct stat st;
    size_t part;

    if (!x->filling)
        return n;
    if (x->full && x->in_place && fstat(fd, &st) == 0 && at + (off_t)n <= st.st_size)
        return n;
    if (!x->full && n <= x->left) {
        x->left -= n;
        return n;
    }
    part = x->full ? 0 : (size_t)x->left;
    x->full = 1;
    x->failures++;
    return part;
}

static int fail(int e)
{
    errno = e;
    return -1;
}

static void write_now(file *f, int fd, const void *p, size_t n, off_t at, int through)
{
    if (n == 0)
        return;
    if (!f->nameless)
        log_add(f, fd, p, n, at, through);
    put(fd, p, n, at);
}

static ssize_t site_write(file *f, int fd, const void *p, size_t n, off_t at)
{
    disk *x = &d.site[f->site];
    int through = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
    size_t part;

    d.count.writes++;
    switch (next_fate(x)) {
    case DEAD:
        return fail(EIO);
    case FAILS:
        return fail(rng_chance(&d.rng, 1, 4) ? ENOSPC : EIO);
    case DIES:
        /* Killed: pages up to some one are in the memory of the kernel, which lives on. What is written
         * through is there or not. Without power: as with all that is not synced. */
        part = x->power ? n : (size_t)rng_below(&d.rng, n / PAGE + 2) * PAGE;
        if (part > n || (through && part != 0))
            part = n;
        write_now(f, fd, p, part, at, through && !x->power);
        return fail(EIO);
    case DONE:
        break;
    }
    part = room_for(x, fd, n, at);
    write_now(f, fd, p, part, at, through);
    return part == 0 && n != 0 ? fail(ENOSPC) : (ssize_t)part;
}

static int site_sync(file *f)
{
    disk *x = &d.site[f->site];

    d.count.syncs++;
    switch (next_fate(x)) {
    case FAILS:
        log_orphaned(f);
        return fail(EIO);
    case DEAD:
    case DIES:
        return fail(EIO);
    case DONE:
        break;
    }
    log_synced(f);
    return 0;
}

/* ---- directories ---------------------------------------------------------------------------- */

static DIR *evidence(const disk *x, char path[256])
{
    snprintf(path, 256, "%s/%d/evidence", d.root, (int)(x - d.site));
    return opendir(path);
}

/* The names that are there now are there for good. */
static int dir_sync(disk *x)
{
    char path[256];
    struct dirent *e;
    DIR *dir;

    if (next_fate(x) != DONE)
        return fail(EIO);
    dir = evidence(x, path);
    x->nnames = 0;
    while (dir != NULL && (e = readdir(dir)) != NULL && x->nnames < NAMES)
        if (e->d_name[0] != '.')
            snprintf(x->names[x->nnames++], sizeof x->names[0], "%.95s", e->d_name);
    if (dir != NULL)
        closedir(dir);
    return 0;
}

static int is_synced_name(const disk *x, const char *name)
{
    size_t i;

    for (i = 0; i < x->nnames; i++)
        if (strcmp(x->names[i], name) == 0)
            return 1;
    return 0;
}

static void dir_lost_power(disk *x)
{
    char path[256], name[360];
    struct dirent *e;
    struct stat st;
    DIR *dir = evidence(x, path);
    int fd;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%.95s", path, e->d_name);
        if (!is_synced_name(x, e->d_name)) {
            unlink(name);
        } else if ((fd = open(name, O_RDWR | O_CLOEXEC)) >= 0) {
            if (fstat(fd, &st) == 0)
                file_lost_power(other_file(x, st.st_ino), fd);
            close(fd);
        }
    }
    if (dir != NULL)
        closedir(dir);
}

/* ---- what the world calls ------------------------------------------------------------------- */

void disk_begin(const char *root, uint64_t seed)
{
    struct stat st;
    int i;

    memset(&d, 0, sizeof d);
    snprintf(d.root, sizeof d.root, "%s", root);
    d.root_len = strlen(d.root);
    d.rng.state = seed;
    for (i = 0; i < DISK_SITES; i++)
        d.site[i].fd = -1;
    d.on = stat(root, &st) == 0;
    d.dev = d.on ? st.st_dev : 0;
}

static void forget(file *f)
{
    log_clear(f);
    free(f->log);
    f->log = NULL;
    f->room = 0;
}

void disk_end(void)
{
    disk *x;

    for (x = d.site; x < d.site + DISK_SITES; x++) {
        forget(&x->data);
        while (x->nother != 0)
            forget(&x->other[--x->nother]);
        free(x->other);
        x->other = NULL;
        if (x->fd >= 0)
            close(x->fd);
    }
    d.on = 0;
}

void disk_file_is(int site, const char *path)
{
    disk *x = &d.site[site];
    struct stat st;

    log_clear(&x->data);
    if (x->fd >= 0)
        close(x->fd);
    x->fd = open(path, O_RDWR | O_CLOEXEC);
    if (x->fd < 0 || fstat(x->fd, &st) != 0)
        return;
    x->data.ino = st.st_ino;
    x->data.site = site;
    snprintf(x->path, sizeof x->path, "%s", path);
}

void disk_die_in(int site, unsigned n, int power)
{
    d.site[site].die_in = n;
    d.site[site].power = power;
}

int disk_dead(int site)
{
    return d.site[site].dead;
}

int disk_lost_power(int site)
{
    return d.site[site].dead && d.site[site].power;
}

void disk_power_loss(int site)
{
    disk *x = &d.site[site];

    x->dead = 0;
    file_lost_power(&x->data, x->fd);
    dir_lost_power(x);
    while (x->nother != 0)
        forget(&x->other[--x->nother]);
}

void disk_revive(int site)
{
    disk *x = &d.site[site];

    x->dead = x->power = 0;
    x->die_in = x->fail_in = x->fail_more = 0;
}

void disk_fail_in(int site, unsigned n, unsigned more)
{
    d.site[site].fail_in = n;
    d.site[site].fail_more = more;
}

void disk_fill(int site, uint64_t bytes, int in_place)
{
    d.site[site].filling = 1;
    d.site[site].left = bytes;
    d.site[site].in_place = in_place;
}

void disk_make_room(int site)
{
    d.site[site].filling = d.site[site].full = 0;
}

int disk_full(int site)
{
    return d.site[site].full;
}

uint64_t disk_failures(int site)
{
    return d.site[site].failures;
}

const disk_counts *disk_count(void)
{
    return &d.count;
}

int disk_rot(const void *at, unsigned bit)
{
    unsigned long from, to, offset, want = (unsigned long)(uintptr_t)at;
    char line[512], path[256];
    FILE *f = fopen("/proc/self/maps", "re");
    int fd, rc = -1;
    uint8_t byte;

    while (f != NULL && rc != 0 && fgets(line, sizeof line, f) != NULL) {
        path[0] = '\0';
        if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %255s", &from, &to, &offset, path) < 4 ||
            want < from || want >= to || (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
            continue;
        offset += want - from;
        if (pread(fd, &byte, 1, (off_t)offset) == 1) {
            byte ^= (uint8_t)(1u << (bit % 8));
            put(fd, &byte, 1, (off_t)offset);
            rc = 0;
        }
        close(fd);
    }
    if (f != NULL)
        fclose(f);
    return rc;
}

/* ---- the functions that are replaced -------------------------------------------------------- */

/* So that shared libraries find them before those of libc. */
#define REPLACES __attribute__((visibility("default")))

REPLACES ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    file *f = file_of(fd, NULL);

    return f != NULL ? site_write(f, fd, p, n, at) : real_pwrite(fd, p, n, at);
}

/* At the position of the descriptor, which moves on. */
static ssize_t write_on(file *f, int fd, const void *p, size_t n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done = site_write(f, fd, p, n, at);

    if (done > 0)
        lseek(fd, at + done, SEEK_SET);
    return done;
}

REPLACES ssize_t write(int fd, const void *p, size_t n)
{
    file *f = file_of(fd, NULL);
    REAL(write);

    return f != NULL ? write_on(f, fd, p, n) : real.to(fd, p, n);
}

/* One after the other: a crash may come between any two. */
static ssize_t each_piece(file *f, int fd, const struct iovec *v, int n, off_t at)
{
    ssize_t sum = 0, done;
    int i;

    for (i = 0; i < n; i++) {
        done = site_write(f, fd, v[i].iov_base, v[i].iov_len, at + sum);
        if (done < 0)
            return sum != 0 && !d.site[f->site].dead ? sum : -1;
        sum += done;
        if ((size_t)done != v[i].iov_len)
            break;
    }
    return sum;
}

REPLACES ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    file *f = file_of(fd, NULL);
    REAL(pwritev);

    return f != NULL ? each_piece(f, fd, v, n, at) : real.to(fd, v, n, at);
}

REPLACES ssize_t writev(int fd, const struct iovec *v, int n)
{
    file *f = file_of(fd, NULL);
    ssize_t done;
    off_t at;
    REAL(writev);

    if (f == NULL)
        return real.to(fd, v, n);
    at = lseek(fd, 0, SEEK_CUR);
    done = each_piece(f, fd, v, n, at);
    if (done > 0)
        lseek(fd, at + done, SEEK_SET);
    return done;
}

REPLACES int fsync(int fd)
{
    disk *dir;
    file *f = file_of(fd, &dir);
    REAL(fsync);

    if (dir != NULL)
        return dir_sync(dir);
    return f != NULL ? site_sync(f) : real.to(fd);
}

REPLACES int fdatasync(int fd)
{
    file *f = file_of(fd, NULL);
    REAL(fdatasync);

    return f != NULL ? site_sync(f) : real.to(fd);
}

/* Of a process that has died nothing has an effect any more. */
static int is_dead(int fd)
{
    char path[256];
    int i, any = 0;
    disk *x;

    for (i = 0; d.on && i < DISK_SITES; i++)
        any |= d.site[i].dead;
    x = any && path_of(fd, path) ? disk_of_path(path) : NULL;
    return x != NULL && x->dead;
}

REPLACES int ftruncate(int fd, off_t n)
{
    REAL(ftruncate);

    return is_dead(fd) ? fail(EIO) : real.to(fd, n);
}

REPLACES int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    char path[256];
    disk *x = d.on && path_of(from_fd, path) ? disk_of_path(path) : NULL;
    REAL(renameat);

    return x != NULL && next_fate(x) != DONE ? fail(EIO) : real.to(from_fd, from, to_fd, to);
}

REPLACES int unlinkat(int fd, const char *name, int flags)
{
    REAL(unlinkat);

    return is_dead(fd) ? fail(EIO) : real.to(fd, name, flags);
}

/* A full disk says so. */
REPLACES int fstatvfs(int fd, struct statvfs *out)
{
    disk *x;
    file *f = file_of(fd, &x);
    int rc;
    REAL(fstatvfs);

    if (f != NULL)
        x = &d.site[f->site];
    rc = real.to(fd, out);
    if (rc == 0 && x != NULL && x->full)
        out->f_bavail = out->f_bfree = 0;
    return rc;
}
