/* cli.c: krbrepl SUBCOMMAND: finds the command and runs it; what the commands share. */
#include "cli.h"

#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
    {"init", cmd_init, "make a store"},
    {"promote", cmd_promote, "make a store the master"},
    {"demote", cmd_demote, "hand the role of the master back"},
    {"resolve", cmd_resolve, "decide which side of an unexplained fork is kept"},
    {"status", cmd_status, "show role, position, replicas and lag"},
    {"watch", cmd_watch, "show the status again and again"},
    {"wait", cmd_wait, "wait until replicas have a commit"},
    {"log", cmd_log, "show the commits"},
    {"replay", cmd_replay, "do what the records of a Heimdal log say"},
    {"verify", cmd_verify, "check every record and commit; compare stores"},
#ifndef KRBREPL_GSS_HEIMDAL /* see CMakeLists.txt */
    {"adopt", cmd_adopt, "copy a database of MIT krb5 into a store for the KDB module"},
#endif
    {"load", cmd_load, "replace or update the content from a file"},
    {"dump", cmd_dump, "write the content to a file"},
    {"put", cmd_put, "store a record"},
    {"get", cmd_get, "show a record"},
    {"delete", cmd_delete, "delete a record"},
    {"list", cmd_list, "list records"},
    {"batch", cmd_batch, "make many commits from standard input"},
    {"backup", cmd_backup, "copy a running store into a file"},
    {"restore", cmd_restore, "make a store out of a backup"},
    {"retention", cmd_retention, "set how much journal is kept"},
    {"trim", cmd_trim, "drop old commits from the journal"},
    {"slot", cmd_slot, "list or drop what is remembered of replicas"},
#ifndef KRBREPL_GSS_HEIMDAL /* see CMakeLists.txt */
    {"check-config", cmd_check_config, "check kdc.conf for the KDB module"},
#endif
    {"upgrade", cmd_upgrade, "bring an older store up to date"},
};

int cli_begin(struct cli *c, const struct opt_command *cmd, int *argc, char ***argv)
{
    int rc = opts_parse(cmd, argc, argv);

    json_start(&c->out, stdout);
    if (rc == OPTS_GO && !opts_operands(cmd, *argc, *argv))
        rc = PROG_USAGE;
    if (rc != OPTS_GO)
        opts_free(cmd->opts);
    return rc;
}

int cli_open(struct cli *c, const char *dir, uint64_t flags)
{
    krbrepl_store_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    opt.flags = flags;
    KRBREPL_INIT(&ei);
    rc = krbrepl_store_open(&c->store, dir, &opt, &ei);
    return rc == 0 ? PROG_OK : cli_failed(c, rc, &ei);
}

int cli_end(struct cli *c, const struct opt_command *cmd, int rc)
{
    krbrepl_store_close(c->store);
    c->store = NULL;
    opts_free(cmd->opts);
    return rc;
}

static const char *advice_name(int err)
{
    static const char *const names[] = {"none", "retry", "resync", "operator", "bug"};
    int advice = krbrepl_err_advice(err);

    return advice >= 0 && advice < 5 ? names[advice] : "none";
}

static void json_error(struct cli *c, int err, const char *name, const char *text, const char *hint)
{
    /* Something of the answer may stand open already; the error gets a line of its own. */
    if (c->out.depth > 0) {
        fputc('\n', stdout);
        json_start(&c->out, stdout);
    }
    json_open(&c->out, NULL, '{');
    json_open(&c->out, "error", '{');
    json_text(&c->out, "name", name);
    json_i64(&c->out, "code", err);
    json_text(&c->out, "advice", advice_name(err));
    json_text(&c->out, "text", text);
    json_text(&c->out, "hint", hint);
    json_close(&c->out, '}');
    json_close(&c->out, '}');
}

int cli_failed(struct cli *c, int err, const krbrepl_errinfo *ei)
{
    const char *text = ei->text[0] != '\0' ? ei->text : krbrepl_strerror(err);

    prog_say("%s (%s)", text, krbrepl_err_name(err));
    if (*prog_hint(err) != '\0')
        prog_say("%s", prog_hint(err));
    if (c->json)
        json_error(c, err, krbrepl_err_name(err), text, prog_hint(err));
    return err == KRBREPL_ERR_TIMEOUT ? PROG_CHECK : PROG_FAILED;
}

int cli_failed_store(struct cli *c, int err)
{
    krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    if (krbrepl_store_errinfo(c->store, &ei) != 0 || ei.code != err)
        ei.text[0] = '\0';
    return cli_failed(c, err, &ei);
}

int cli_refuse(struct cli *c, const char *text, const char *hint)
{
    prog_say("%s", text);
    if (*hint != '\0')
        prog_say("%s", hint);
    if (c->json)
        json_error(c, 0, "PROGRAM", text, hint);
    return PROG_FAILED;
}

void cli_json_pos(struct json *j, const char *key, const krbrepl_pos *pos)
{
    json_open(j, key, '{');
    json_u64(j, "seq", pos->seq);
    json_u64(j, "epoch", pos->epoch);
    json_hex(j, "lineage", pos->lineage, sizeof pos->lineage);
    json_hex(j, "chain", pos->chain, sizeof pos->chain);
    json_close(j, '}');
}

void cli_json_info(struct json *j, const krbrepl_store_info *info)
{
    json_text(j, "role", krbrepl_role_name(info->role));
    json_hex(j, "database_id", info->database_id, sizeof info->database_id);
    cli_json_pos(j, "position", &info->pos);
    json_u64(j, "known_epoch", info->known_epoch);
    json_u64(j, "records", info->records);
    json_u64(j, "changes", info->cumulative);
    json_open(j, "journal", '{');
    json_u64(j, "first", info->journal_first);
    json_u64(j, "last", info->journal_last);
    json_u64(j, "bytes", info->journal_bytes);
    json_u64(j, "keep_entries", info->retention_entries);
    json_u64(j, "keep_bytes", info->retention_bytes);
    json_u64(j, "keep_seconds", info->retention_seconds);
    json_u64(j, "hard_cap", info->retention_hard_cap);
    json_u64(j, "keep_slots_seconds", info->retention_slot_seconds);
    json_close(j, '}');
    json_u64(j, "format", info->format);
}

void cli_print_pos(const krbrepl_pos *pos)
{
    char lineage[33], chain[65];

    prog_hex(lineage, pos->lineage, sizeof pos->lineage);
    prog_hex(chain, pos->chain, sizeof pos->chain);
    printf("%llu (epoch %llu, lineage %s, chain %.16s)\n", (unsigned long long)pos->seq,
           (unsigned long long)pos->epoch, lineage, chain);
}

static void usage(FILE *f)
{
    size_t i;

    fprintf(f, "usage: krbrepl SUBCOMMAND [options] DIR ...\n\nDIR is the directory of a store.\n\n");
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(f, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fprintf(f,
            "\n`krbrepl help SUBCOMMAND` explains one of them; krbrepl(1) explains all.\n"
            "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 a check said no or time ran out.\n");
}

static const struct command *find(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    prog_say("there is no subcommand `%s`", name);
    usage(stderr);
    return PROG_USAGE;
}

static int help(int argc, char **argv)
{
    char *ask[] = {(char[]){"--help"}, NULL};
    const struct command *cmd;

    if (argc == 0) {
        usage(stdout);
        return PROG_OK;
    }
    cmd = find(argv[0]);
    return cmd != NULL ? cmd->run(1, ask) : unknown(argv[0]);
}

static int run(int argc, char **argv)
{
    const struct command *cmd;

    if (argc < 2) {
        usage(stderr);
        return PROG_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        prog_version();
        return PROG_OK;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(argc - 2, argv + 2);
    cmd = find(argv[1]);
    return cmd != NULL ? cmd->run(argc - 2, argv + 2) : unknown(argv[1]);
}

int main(int argc, char **argv)
{
    int rc;

    prog_init("krbrepl");
    rc = run(argc, argv);
    if (!prog_flushed() && rc == PROG_OK)
        rc = PROG_FAILED;
    return rc;
}
