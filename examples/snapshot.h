/* snapshot.h: the status of a store at one moment: from its node, or without one from the store. */
#ifndef KRBREPL_SNAPSHOT_H
#define KRBREPL_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

struct snapshot {
    bool running; /* a node answered */
    krbrepl_status st;
    krbrepl_peer *peers; /* their texts are ours */
    size_t npeers, room;
    uint64_t mkey; /* version of the newest master key of an MIT realm in the store; 0: none */
};

struct snapshot_limits {
    bool by_commits, by_time;
    uint64_t commits, us, replicas;
};

/* PROG_OK, or the exit code after a message. */
int snapshot_take(struct snapshot *s, struct cli *c, const char *dir, uint64_t timeout_ms);
void snapshot_free(struct snapshot *s);

void snapshot_print(const struct snapshot *s, const char *dir);
/* `complaint` may be NULL. */
void snapshot_json(const struct snapshot *s, struct json *j, const char *dir, const char *complaint);

/* True when a limit is not kept; `*text`, to be freed, says which. Without limits never. */
bool snapshot_complaint(const struct snapshot *s, const struct snapshot_limits *l, char **text);

#endif
