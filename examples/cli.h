/* cli.h: what the subcommands of krbrepl share. */
#ifndef KRBREPL_CLI_H
#define KRBREPL_CLI_H

#include <stdbool.h>

#include <krbrepl/krbrepl.h>

#include "json.h"
#include "opts.h"
#include "prog.h"

struct cli {
    bool json, quiet;
    struct json out; /* on standard output */
    krbrepl_store *store;
};

#define CLI_OPTS(c)                                                                             \
    {.name = "json", .kind = OPT_FLAG, .to = &(c)->json, .help = "print JSON instead of text"}, \
        {.name = "quiet",                                                                       \
         .letter = 'q',                                                                         \
         .kind = OPT_FLAG,                                                                      \
         .to = &(c)->quiet,                                                                     \
         .help = "no progress bar, and no text about what was done"},                           \
    {                                                                                           \
        .name = NULL                                                                            \
    }

/* Of a command that makes a commit. */
#define CLI_WHO(to_)                                                 \
    {                                                                \
        .name = "who", .kind = OPT_TEXT, .to = (to_), .arg = "NAME", \
        .help = "who does it, for the journal (uid N)"               \
    }

/* Parses options and operands. OPTS_GO, or the exit code. */
int cli_begin(struct cli *c, const struct opt_command *cmd, int *argc, char ***argv);

/* Opens the store in `dir`. PROG_OK, or the exit code after a message. */
int cli_open(struct cli *c, const char *dir, uint64_t flags);

/* Closes the store and frees the options; hands `rc` on. */
int cli_end(struct cli *c, const struct opt_command *cmd, int rc);

/* Say what failed and what to do; PROG_FAILED (TIMEOUT: PROG_CHECK). With --json also on standard output:
 * {"error":{"name","code","advice","text","hint"}}. */
int cli_failed_store(struct cli *c, int err);
int cli_failed(struct cli *c, int err, const krbrepl_errinfo *ei);
/* A failure of the program's own. */
int cli_refuse(struct cli *c, const char *text, const char *hint);

/* Members of the open object. */
void cli_json_pos(struct json *j, const char *key, const krbrepl_pos *pos);
void cli_json_info(struct json *j, const krbrepl_store_info *info);

/* "12 (epoch 1, lineage 0123..., chain 89ab...)" on standard output. */
void cli_print_pos(const krbrepl_pos *pos);

/* The commands. Each takes what stands behind its name. */
int cmd_init(int argc, char **argv);
int cmd_retention(int argc, char **argv);
int cmd_trim(int argc, char **argv);
int cmd_slot(int argc, char **argv);
int cmd_promote(int argc, char **argv);
int cmd_demote(int argc, char **argv);
int cmd_resolve(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_check_config(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_adopt(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_put(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_delete(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_batch(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_wait(int argc, char **argv);

#endif
