/* ipropfile.c: the files by which Heimdal's daemons say how they are. */
#include "ipropfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "prog.h"
#include "times.h"

#define ASK_MS 1000
#define LOST_MS 300000

/* As krb5_format_time writes it: local time, without a zone. */
static const char *stamp(char buf[TIMES_ROOM], int64_t us)
{
    time_t s = (time_t)(us / 1000000);
    struct tm tm;

    if (us <= 0 || localtime_r(&s, &tm) == NULL ||
        strftime(buf, TIMES_ROOM, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(buf, TIMES_ROOM, "never");
    return buf;
}

char *ipropfile_address(const char *address)
{
    const char *end = strrchr(address, ':');

    if (*address == '[') {
        end = strchr(address, ']');
        return prog_format("IPv6:%.*s",
                           end != NULL ? (int)(end - address - 1) : (int)strlen(address + 1),
                           address + 1);
    }
    return prog_format("IPv4:%.*s", end != NULL ? (int)(end - address) : (int)strlen(address), address);
}

static int widest(int least, const char *text)
{
    int n = (int)strlen(text);

    return n > least ? n : least;
}

void ipropfile_table(FILE *f, int64_t now_us, uint64_t version, const struct ipropfile_row *rows,
                     size_t count)
{
    int name = widest(0, "Name"), address = widest(0, "Address"), number = widest(0, "Version");
    char buf[TIMES_ROOM];
    size_t i;

    for (i = 0; i < count; i++) {
        name = widest(name, rows[i].name);
        address = widest(address, rows[i].address);
        snprintf(buf, sizeof buf, "%" PRIu64, rows[i].version);
        number = widest(number, buf);
    }
    fprintf(f, "Status for slaves, last updated: %s\n\n", stamp(buf, now_us));
    fprintf(f, "Master version: %" PRIu64 "\n\n", version);
    fprintf(f, "%-*s  %-*s  %*s  %-6s  %s\n", name, "Name", address, "Address", number, "Version",
            "Status", "Last Seen");
    for (i = 0; i < count; i++)
        fprintf(f, "%-*s  %-*s  %*" PRIu64 "  %-6s  %s\n", name, rows[i].name, address, rows[i].address,
                number, rows[i].version, rows[i].up ? "Up" : "Down", stamp(buf, rows[i].seen_us));
}

static const char *away(const krbrepl_status *st, bool heard, int64_t now_us, uint64_t lost_ms)
{
    if (!heard)
        return NULL;
    if (st->last_heard_us > 0 && now_us - st->last_heard_us > (int64_t)lost_ms * 1000)
        return "disconnected from master for a long time";
    return "disconnected from master";
}

void ipropfile_line(char *buf, size_t room, const krbrepl_status *st, const char *master, bool heard,
                    int64_t now_us, uint64_t lost_ms)
{
    const char *gone = away(st, heard, now_us, lost_ms);
    uint64_t version =
        st->upstream_dialect == KRBREPL_DIALECT_HEIMDAL ? st->upstream_version : st->pos.seq;
    char when[TIMES_ROOM];

    if (st->state == KRBREPL_STATE_STREAMING && version > 0 && st->lag_commits == 0)
        snprintf(buf, room, "up-to-date with version: %" PRIu64 " at %s", version,
                 stamp(when, st->last_heard_us > 0 ? st->last_heard_us : now_us));
    else if (st->state == KRBREPL_STATE_STREAMING || st->state == KRBREPL_STATE_COPYING)
        snprintf(buf, room, "connected to master, waiting instructions");
    else if (gone != NULL)
        snprintf(buf, room, "%s", gone);
    else
        snprintf(buf, room, "connecting to master: %s", master);
}

/* ---- writing ------------------------------------------------------------------------------------ */

struct out {
    FILE *f;
    char *temporary;
};

/* No fsync: after a crash of the machine there is nothing to read here that is still true. The temporary name is a
 * fixed one, so that a crash leaves one file at most behind. */
static bool out_open(struct out *o, const char *file)
{
    o->temporary = prog_format("%s.tmp", file);
    (void)unlink(o->temporary);
    o->f = fopen(o->temporary, "wxe");
    if (o->f == NULL)
        free(o->temporary);
    return o->f != NULL;
}

static bool out_commit(struct out *o, const char *file)
{
    bool ok = !ferror(o->f);

    if (fclose(o->f) != 0)
        ok = false;
    if (ok)
        ok = rename(o->temporary, file) == 0;
    if (!ok) {
        int saved = errno;

        (void)unlink(o->temporary);
        errno = saved;
    }
    free(o->temporary);
    return ok;
}

static void tell(struct ipropfile *i, bool ok)
{
    if (!ok && !i->failed)
        daemon_note(KRBREPL_LOG_WARN, "%s cannot be written: %s; the program goes on without it",
                    i->file, strerror(errno));
    i->failed = !ok;
}

static void write_line(struct ipropfile *i, const char *line)
{
    struct out o;
    bool ok = out_open(&o, i->file);

    if (ok) {
        fprintf(o.f, "%s\n", line);
        ok = out_commit(&o, i->file);
    }
    tell(i, ok);
}

/* ---- the slave ---------------------------------------------------------------------------------- */

/* The time in the line is when it became true, so that the line stays as it is while nothing changes. */
static bool same_but_time(const char *a, const char *b)
{
    const char *at = strstr(a, " at ");
    size_t n = at != NULL ? (size_t)(at - a) + 4 : strlen(a) + 1;

    return strncmp(a, b, n) == 0;
}

void ipropfile_slave(struct ipropfile *i)
{
    krbrepl_status st;
    krbrepl_errinfo ei;
    char line[sizeof i->last];

    if (i->file == NULL)
        return;
    KRBREPL_INIT(&st);
    KRBREPL_INIT(&ei);
    if (krbrepl_status_fetch(i->dir, ASK_MS, &st, NULL, NULL, &ei) != 0)
        return;
    if (st.state == KRBREPL_STATE_STREAMING || st.state == KRBREPL_STATE_COPYING)
        i->heard = true;
    ipropfile_line(line, sizeof line, &st, i->master, i->heard, times_now(),
                   i->lost_ms > 0 ? i->lost_ms : LOST_MS);
    if (same_but_time(line, i->last))
        return;
    snprintf(i->last, sizeof i->last, "%s", line);
    write_line(i, line);
}

void ipropfile_begin(struct ipropfile *i)
{
    if (i->file != NULL)
        write_line(i, "bootstrapping");
}

void ipropfile_slave_down(struct ipropfile *i)
{
    if (i->file != NULL)
        (void)unlink(i->file);
}

/* ---- the master --------------------------------------------------------------------------------- */

struct table {
    struct ipropfile_row *rows;
    size_t count;
    uint64_t version; /* the highest that was sent to anybody */
};

static struct ipropfile_row *add(struct table *t, const char *name)
{
    struct ipropfile_row *r;

    t->rows = prog_grow(t->rows, (t->count + 1) * sizeof *t->rows);
    r = &t->rows[t->count++];
    memset(r, 0, sizeof *r);
    r->name = prog_dup(name);
    return r;
}

static struct ipropfile_row *find(struct table *t, const char *name)
{
    size_t i;

    for (i = 0; i < t->count; i++)
        if (strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    return NULL;
}

static int one_peer(void *ctx, const krbrepl_peer *peer)
{
    struct table *t = ctx;
    struct ipropfile_row *r;

    if (peer->dialect != KRBREPL_DIALECT_HEIMDAL || find(t, peer->principal) != NULL)
        return 0;
    r = add(t, peer->principal);
    /* One that is not here is told too, without an address. */
    r->up = *peer->address != '\0';
    r->address = r->up ? ipropfile_address(peer->address) : prog_dup("-");
    r->version = peer->version;
    r->seen_us = peer->last_seen_us;
    if (r->version > t->version)
        t->version = r->version;
    return 0;
}

/* Of those who are away the slot knows what was sent, and not what came back. */
static int one_slot(void *ctx, const krbrepl_slot *slot)
{
    struct table *t = ctx;
    struct ipropfile_row *r;

    if (slot->dialect != KRBREPL_DIALECT_HEIMDAL)
        return 0;
    if (slot->version > t->version)
        t->version = slot->version;
    if (find(t, slot->principal) != NULL)
        return 0;
    r = add(t, slot->principal);
    r->address = prog_dup("-");
    r->version = slot->version;
    r->seen_us = slot->last_seen_us;
    return 0;
}

static void table_free(struct table *t)
{
    size_t i;

    for (i = 0; i < t->count; i++) {
        free(t->rows[i].name);
        free(t->rows[i].address);
    }
    free(t->rows);
}

void ipropfile_master(struct ipropfile *i)
{
    struct table t = {0};
    krbrepl_status st;
    krbrepl_errinfo ei;
    struct out o;
    bool ok;

    if (i->file == NULL)
        return;
    KRBREPL_INIT(&st);
    KRBREPL_INIT(&ei);
    if (krbrepl_status_fetch(i->dir, ASK_MS, &st, one_peer, &t, &ei) == 0 &&
        krbrepl_slot_each(*i->store, one_slot, &t) == 0) {
        ok = out_open(&o, i->file);
        if (ok) {
            ipropfile_table(o.f, times_now(), t.version, t.rows, t.count);
            ok = out_commit(&o, i->file);
        }
        tell(i, ok);
    }
    table_free(&t);
}

void ipropfile_master_down(struct ipropfile *i)
{
    char line[80], when[TIMES_ROOM];

    if (i->file == NULL)
        return;
    snprintf(line, sizeof line, "master down at %s", stamp(when, times_now()));
    write_line(i, line);
}
