/* cmd_slot.c: krbrepl slot: what a master remembers of its replicas. */
#include <string.h>

#include "cli.h"
#include "times.h"

typedef unsigned long long ull;

struct listing {
    struct cli *c;
    uint64_t first, last; /* the journal */
};

/* How far the slot holds the journal back. */
static void print_hold(const struct listing *l, const krbrepl_slot *slot)
{
    if (slot->hold == 0)
        printf("holds nothing");
    else if (slot->hold < l->first)
        printf("needs %llu, which is not kept any more: a full copy comes next", (ull)slot->hold);
    else if (slot->hold > l->last)
        printf("has everything");
    else
        printf("holds %llu commits, from %llu on", (ull)(l->last + 1 - slot->hold), (ull)slot->hold);
}

static int print_slot(void *ctx, const krbrepl_slot *slot)
{
    char seen[TIMES_ROOM], expires[TIMES_ROOM];
    const struct listing *l = ctx;

    printf("%s\n", slot->principal);
    if (slot->dialect != KRBREPL_DIALECT_NATIVE && slot->version != 0)
        printf("  %s, sent up to version %llu, base %llu\n", krbrepl_dialect_name(slot->dialect),
               (ull)slot->version, (ull)slot->base);
    else if (slot->dialect != KRBREPL_DIALECT_NATIVE)
        printf("  %s, gets a complete database next\n", krbrepl_dialect_name(slot->dialect));
    printf("  durable %llu, ", (ull)slot->durable);
    print_hold(l, slot);
    printf("\n  last seen %s, ", times_stamp(seen, slot->last_seen_us));
    if (slot->expires_us != 0)
        printf("forgotten at %s unless it is seen before\n", times_stamp(expires, slot->expires_us));
    else
        printf("never forgotten\n");
    if (slot->last_copy_us != 0)
        printf("  last full copy %s (%s)\n", times_stamp(seen, slot->last_copy_us),
               krbrepl_copy_reason_name(slot->last_copy_reason));
    return 0;
}

static int json_slot(void *ctx, const krbrepl_slot *slot)
{
    struct json *j = &((const struct listing *)ctx)->c->out;

    json_open(j, NULL, '{');
    json_text(j, "principal", slot->principal);
    json_u64(j, "hold", slot->hold);
    json_u64(j, "durable", slot->durable);
    json_time(j, "last_seen", slot->last_seen_us);
    json_time(j, "expires", slot->expires_us);
    json_time(j, "last_copy", slot->last_copy_us);
    json_text(j, "last_copy_reason", krbrepl_copy_reason_name(slot->last_copy_reason));
    json_text(j, "dialect", krbrepl_dialect_name(slot->dialect));
    json_u64(j, "base", slot->base);
    json_u64(j, "version", slot->version);
    json_close(j, '}');
    return 0;
}

static int list(struct cli *c, const char *dir)
{
    struct listing l = {.c = c};
    krbrepl_store_info info;
    int rc = cli_open(c, dir, KRBREPL_STORE_READONLY);

    if (rc != PROG_OK)
        return rc;
    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(c->store, &info);
    if (rc != 0)
        return cli_failed_store(c, rc);
    l.first = info.journal_first;
    l.last = info.journal_last;
    if (c->json) {
        json_open(&c->out, NULL, '{');
        json_open(&c->out, "slots", '[');
    }
    rc = krbrepl_slot_each(c->store, c->json ? json_slot : print_slot, &l);
    if (c->json) {
        json_close(&c->out, ']');
        json_close(&c->out, '}');
    }
    return rc != 0 ? cli_failed_store(c, rc) : PROG_OK;
}

/* Drops a slot, or resets it. */
static int change(struct cli *c, const char *dir, const char *principal, bool reset)
{
    int rc = cli_open(c, dir, 0);

    if (rc != PROG_OK)
        return rc;
    rc = reset ? krbrepl_slot_reset(c->store, principal) : krbrepl_slot_drop(c->store, principal);
    if (rc != 0)
        return cli_failed_store(c, rc);
    if (c->json) {
        json_open(&c->out, NULL, '{');
        json_text(&c->out, "done", reset ? "reset" : "dropped");
        json_text(&c->out, "principal", principal);
        json_close(&c->out, '}');
    } else if (!c->quiet) {
        printf(reset ? "%s: %s gets a complete database\n" : "%s: the slot of %s is dropped\n", dir,
               principal);
    }
    return PROG_OK;
}

int cmd_slot(int argc, char **argv)
{
    struct cli c = {0};
    struct opt opts[] = {CLI_OPTS(&c)};
    const struct opt_command cmd = {
        .name = "krbrepl slot",
        .operands = "list DIR | drop DIR PRINCIPAL | reset DIR PRINCIPAL",
        .least = 2,
        .most = 3,
        .opts = opts,
        .summary = "Lists what the master in DIR remembers of its replicas, or forgets one of them.",
        .notes = "A slot holds the journal back for a replica that is behind, up to the hard cap. It "
                 "expires\n"
                 "when the replica was not seen for the time of `krbrepl retention --keep-slots`. Drop "
                 "the slot\n"
                 "of a replica that will not come back. One that is connected, or comes back, gets a "
                 "new slot. Reset that of a slave in a legacy dialect that followed another master "
                 "meanwhile:\n"
                 "it gets a complete database."};
    int rc = cli_begin(&c, &cmd, &argc, &argv);

    if (rc != OPTS_GO)
        return rc;
    if (argc == 2 && strcmp(argv[0], "list") == 0) {
        rc = list(&c, argv[1]);
    } else if (argc == 3 && strcmp(argv[0], "drop") == 0) {
        rc = change(&c, argv[1], argv[2], false);
    } else if (argc == 3 && strcmp(argv[0], "reset") == 0) {
        rc = change(&c, argv[1], argv[2], true);
    } else {
        prog_say(
            "write `krbrepl slot list DIR`, `krbrepl slot drop DIR PRINCIPAL` or `krbrepl slot reset "
            "DIR PRINCIPAL`");
        rc = PROG_USAGE;
    }
    return cli_end(&c, &cmd, rc);
}
