/* status-json: what the node that runs on a store knows, as one JSON object. Any process may ask that may open
 * the socket in the store's directory.
 *
 *   status-json STORE */
#include <inttypes.h>
#include <stdio.h>

#include <krbrepl/krbrepl.h>

#define TIMEOUT_MS 5000

static void text(const char *name, const char *s)
{
    printf(", \"%s\": \"", name);
    for (; *s != '\0'; s++)
        if (*s == '"' || *s == '\\' || *s < 0x20 || *s > 0x7e)
            printf("\\u%04x", (unsigned char)*s);
        else
            putchar(*s);
    putchar('"');
}

static void number(const char *name, uint64_t n)
{
    printf(", \"%s\": %" PRIu64, name, n);
}

static void hex(const char *name, const uint8_t *b, size_t n)
{
    printf(", \"%s\": \"", name);
    while (n-- > 0)
        printf("%02x", *b++);
    putchar('"');
}

/* Called for each peer before krbrepl_status_fetch returns; what it is given is gone afterwards. */
static int peer(void *ctx, const krbrepl_peer *p)
{
    uint64_t *n = ctx;

    printf("%s{\"id\": %" PRIu64, (*n)++ == 0 ? "" : ", ", p->id);
    text("principal", p->principal);
    text("address", p->address);
    text("state", krbrepl_state_name(p->state));
    text("last_err", krbrepl_err_name((int)p->last_err));
    number("received", p->received);
    number("durable", p->durable);
    number("applied", p->applied);
    number("lag_commits", p->lag_commits);
    number("lag_us", p->lag_us);
    number("proved_seq", p->proved_seq);
    putchar('}');
    return 0;
}

static void node(const krbrepl_status *st)
{
    printf("\"pid\": %" PRId64, st->pid);
    hex("database_id", st->database_id, sizeof st->database_id);
    text("role", krbrepl_role_name(st->role));
    text("state", krbrepl_state_name(st->state));
    hex("lineage", st->pos.lineage, sizeof st->pos.lineage);
    number("epoch", st->pos.epoch);
    number("seq", st->pos.seq);
    number("records", st->records);
    number("journal_first", st->journal_first);
    number("journal_last", st->journal_last);
    number("upstream_seq", st->upstream_seq);
    number("lag_commits", st->lag_commits);
    number("lag_us", st->lag_us);
    number("copies_in", st->copies_in);
    text("last_copy_reason", krbrepl_copy_reason_name(st->last_copy_reason));
    number("refused", st->refused);
    /* A field that a release added later is there only when the library at run time is that new. */
    if (KRBREPL_HAS(st, headroom_commits))
        number("headroom_commits", st->headroom_commits);
    text("last_err", krbrepl_err_name((int)st->last_err));
    text("last_error", st->last_error);
}

int main(int argc, char **argv)
{
    krbrepl_errinfo ei = {.size = sizeof ei};
    krbrepl_status st = {.size = sizeof st};
    uint64_t peers = 0;
    int rc;

    if (argc != 2)
        return fprintf(stderr, "status-json STORE\n"), 2;
    printf("{\"peers\": [");
    rc = krbrepl_status_fetch(argv[1], TIMEOUT_MS, &st, peer, &peers, &ei);
    printf("], ");
    if (rc == 0)
        node(&st);
    else
        printf("\"error\": \"%s\"", krbrepl_err_name(rc));
    if (rc != 0)
        text("text", ei.text);
    printf("}\n");
    return rc != 0 || fflush(stdout) != 0;
}
