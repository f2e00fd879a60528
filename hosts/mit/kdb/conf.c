/* conf.c: the options of the module's section of [dbmodules], and what tools say on the command line. */
#include "kdbmod.h"

#include <errno.h>
#include <string.h>

#include <profile.h>

#include "mem.h"

/* Below the one directory in which the units of Debian let krb5kdc and kadmind write. */
#define DEFAULT_DIR "/var/lib/krb5kdc/krbrepl"
#define DEFAULT_TIMEOUT_S 5

struct reader {
    krb5_context ctx;
    profile_t profile;
    const char *section;
    krb5_error_code err; /* the first mistake; what follows is not looked at */
};

static void refuse(struct reader *r, const char *name, const char *want)
{
    r->err = EINVAL;
    krb5_set_error_message(r->ctx, EINVAL, "[dbmodules] %s: %s is not %s; correct it in kdc.conf",
                           r->section, name, want);
}

/* NULL: not given. To be given back with profile_release_string. */
static char *text_of(struct reader *r, const char *name)
{
    char *value = NULL;

    if (r->err == 0 &&
        profile_get_string(r->profile, KDB_MODULE_SECTION, r->section, name, NULL, &value) != 0)
        value = NULL;
    return value;
}

static int flag_of(struct reader *r, const char *name)
{
    int value = 0;

    if (r->err == 0 &&
        profile_get_boolean(r->profile, KDB_MODULE_SECTION, r->section, name, 0, &value) != 0)
        refuse(r, name, "true or false");
    return value;
}

static uint64_t number_of(struct reader *r, const char *name, int most)
{
    int value = 0;

    if (r->err == 0 &&
        (profile_get_integer(r->profile, KDB_MODULE_SECTION, r->section, name, 0, &value) != 0 ||
         value < 0 || value > most))
        refuse(r, name, "a number in range");
    return r->err == 0 ? (uint64_t)value : 0;
}

static uint64_t timeout_of(struct reader *r)
{
    char copy[64], *value = text_of(r, "sync_timeout");
    krb5_deltat seconds = DEFAULT_TIMEOUT_S;
    size_t len = value != NULL ? strlen(value) : 0;

    if (value != NULL) {
        if (len < sizeof copy)
            memcpy(copy, value, len + 1);
        if (len >= sizeof copy || krb5_string_to_deltat(copy, &seconds) != 0 || seconds < 0)
            refuse(r, "sync_timeout", "a duration such as 5s");
        profile_release_string(value);
    }
    return (uint64_t)seconds * 1000;
}

static uint64_t level_of(struct reader *r)
{
    static const struct {
        const char *name;
        uint64_t level;
    } known[] = {{"received", KRBREPL_LEVEL_RECEIVED},
                 {"durable", KRBREPL_LEVEL_DURABLE},
                 {"applied", KRBREPL_LEVEL_APPLIED}};
    char *value = text_of(r, "sync_level");
    uint64_t level = value == NULL ? KRBREPL_LEVEL_DURABLE : 0;
    size_t i;

    for (i = 0; value != NULL && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(value, known[i].name) == 0)
            level = known[i].level;
    if (level == 0)
        refuse(r, "sync_level", "received, durable or applied");
    profile_release_string(value);
    return level;
}

static void read_section(struct reader *r, krbrepl__kdb_conf *c)
{
    char *dir = text_of(r, "database_name");

    c->dir = krbrepl__strdup(dir != NULL ? dir : DEFAULT_DIR);
    if (c->dir == NULL)
        r->err = ENOMEM;
    profile_release_string(dir);
    c->map_size = number_of(r, "mapsize", 1 << 30) << 20;
    c->max_readers = number_of(r, "max_readers", 1 << 20);
    c->nosync = flag_of(r, "nosync");
    c->disable_last_success = flag_of(r, "disable_last_success");
    c->disable_lockout = flag_of(r, "disable_lockout");
    c->sync_replicas = number_of(r, "sync_replicas", 10000);
    c->sync_timeout_ms = timeout_of(r);
    c->sync_level = level_of(r);
}

static krb5_error_code read_argument(krb5_context ctx, const char *arg, krbrepl__kdb_conf *c)
{
    static const char name[] = "dbname=";
    char *dir;

    if (strcmp(arg, "temporary") == 0) {
        c->temporary = 1;
    } else if (strcmp(arg, "merge_nra") == 0) {
        c->merge_nra = 1;
    } else if (strncmp(arg, name, sizeof name - 1) == 0) {
        dir = krbrepl__strdup(arg + sizeof name - 1);
        if (dir == NULL)
            return ENOMEM;
        krbrepl__strfree(c->dir);
        c->dir = dir;
    } else {
        krb5_set_error_message(ctx, EINVAL, "Unsupported database argument \"%s\" for krbrepl", arg);
        return EINVAL;
    }
    return 0;
}

krb5_error_code krbrepl__kdb_conf_read(krb5_context ctx, const char *section, char **db_args,
                                       krbrepl__kdb_conf *out)
{
    struct reader r = {ctx, NULL, section, 0};

    memset(out, 0, sizeof *out);
    r.err = krb5_get_profile(ctx, &r.profile);
    if (r.err != 0)
        return r.err;
    read_section(&r, out);
    profile_release(r.profile);
    for (; r.err == 0 && db_args != NULL && *db_args != NULL; db_args++)
        r.err = read_argument(ctx, *db_args, out);
    if (r.err != 0)
        krbrepl__kdb_conf_free(out);
    return r.err;
}

void krbrepl__kdb_conf_free(krbrepl__kdb_conf *c)
{
    krbrepl__strfree(c->dir);
    memset(c, 0, sizeof *c);
}
