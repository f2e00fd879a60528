/* cmd_heimdal.h: what krbrepl log does with a log file of Heimdal's. */
#ifndef KRBREPL_CMD_HEIMDAL_H
#define KRBREPL_CMD_HEIMDAL_H

#include "cli.h"

/* Which records, and how much of each. */
struct heimdal_range {
    uint64_t from, to, last; /* 0: all */
    bool verbose;
    bool last_version; /* nothing but the version of the database */
    bool reverse;      /* the newest first */
};

/* The exit code. */
int cmd_log_heimdal(struct cli *c, const char *file, const struct heimdal_range *range);

#endif
