/* opts.h: command lines: options before operands, one table for parsing, help and configuration. */
#ifndef KRBREPL_OPTS_H
#define KRBREPL_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

enum opt_kind {
    OPT_FLAG = 1, /* bool */
    OPT_TEXT,     /* char *, to be freed */
    OPT_LIST,     /* char *, to be freed: the values with commas between */
    OPT_ARGS,     /* char **, to be freed: the values, ended by NULL */
    OPT_NUMBER,   /* uint64_t */
    OPT_SIZE,     /* uint64_t, bytes */
    OPT_TIME,     /* uint64_t, milliseconds */
    OPT_ID        /* uint8_t[16] */
};

struct opt {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter;      /* short form, or 0 */
    enum opt_kind kind;
    void *to;
    const char *arg; /* what the value is called; NULL for a flag */
    const char *help;
    bool conf; /* may stand in [krbrepl], with _ for - */
    bool own;  /* where names may be shortened, this one is not: Heimdal's program does not have it */
    bool set;
};

/* A command as its user sees it. */
struct opt_command {
    const char *name;     /* "krbrepl put" */
    const char *operands; /* "DIR TABLE KEY [VALUE]" */
    int least, most;      /* how many operands; most -1: any number */
    const char *summary;
    const char *notes; /* below the options; may be NULL */
    struct opt *opts;
    bool
        short_names; /* as Heimdal's programs: an option may be shortened while it is the only one that begins so,
                       * and a flag takes `=yes` or `=no`, or `no-` before its name */
};

/* What opts_parse answers besides an exit code of the program. */
#define OPTS_GO (-1)

/* Stores the values of the options and moves `*argc` and `*argv` on to the operands. OPTS_GO, or the exit
 * code to end with: --help and --version were answered, or the command line was wrong and was explained. */
int opts_parse(const struct opt_command *cmd, int *argc, char ***argv);

/* True when there are as many operands as the command takes; explains when not. */
bool opts_operands(const struct opt_command *cmd, int argc, char **argv);

/* Fills the options that are not set and may stand in [krbrepl]. False after a message. */
bool opts_from_conf(const struct opt_command *cmd, struct conf *conf);

/* Was the option of this name given, on the command line or in the configuration? */
bool opts_is_set(const struct opt *opts, const char *name);

/* Frees texts and lists. */
void opts_free(struct opt *opts);

#endif
