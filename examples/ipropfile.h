/* ipropfile.h: the files by which Heimdal's daemons say how they are: the master's table of its slaves, and the slave's
 * line about itself. Those who read Heimdal's read these. */
#ifndef KRBREPL_IPROPFILE_H
#define KRBREPL_IPROPFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <krbrepl/krbrepl.h>

struct ipropfile_row {
    char *name, *address; /* "IPv4:127.0.0.1" */
    uint64_t version;     /* the last one that it acknowledged */
    bool up;
    int64_t seen_us;
};

/* The master's table. */
void ipropfile_table(FILE *f, int64_t now_us, uint64_t version, const struct ipropfile_row *rows,
                     size_t count);

/* "127.0.0.1:4711" as "IPv4:127.0.0.1", "[::1]:4711" as "IPv6:::1". To be freed. */
char *ipropfile_address(const char *address);

/* The slave's line, without newline. `heard`: there has been a session since the start; `lost_ms`: after so long
 * without one it is "for a long time". */
void ipropfile_line(char *buf, size_t room, const krbrepl_status *st, const char *master, bool heard,
                    int64_t now_us, uint64_t lost_ms);

struct ipropfile {
    const char *file;      /* NULL: nothing is written */
    const char *dir;       /* of the store */
    const char *master;    /* slave */
    uint64_t lost_ms;      /* slave; 0: five minutes */
    krbrepl_store **store; /* master */
    bool heard, failed;
    char last[512];
};

/* Each in the thread of the signals: asks the node through its socket, and writes the file whole (a temporary one that is
 * renamed). A failure is told once. */
void ipropfile_master(struct ipropfile *i);
void ipropfile_slave(struct ipropfile *i);
/* The file of a slave that has not begun. */
void ipropfile_begin(struct ipropfile *i);
/* At an orderly end. */
void ipropfile_master_down(struct ipropfile *i);
void ipropfile_slave_down(struct ipropfile *i);

#endif
