/* ipropd.c: what Heimdal's command lines and settings mean for the two daemons. */
#include "ipropd.h"

#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prog.h"
#include "times.h"

#define FALL_BACK_PORT "2121"
#define PREFIX "krbrepl:"

/* Where distributions keep Heimdal's database when nothing is configured. */
static const char *const db_dirs[] = {
    "/var/lib/heimdal-kdc", /* Debian */
    "/var/heimdal",         /* as Heimdal is built without options */
};

bool ipropd_named(const char *argv0, const char *name)
{
    const char *slash = argv0 != NULL ? strrchr(argv0, '/') : NULL;

    return argv0 != NULL && strcmp(slash != NULL ? slash + 1 : argv0, name) == 0;
}

const char *ipropd_port(const char *text, char buf[16])
{
    const struct servent *found;
    uint64_t n = 0;

    if (text != NULL && times_parse_number(text, &n)) {
        snprintf(buf, 16, "%u", n > 0 && n <= 65535 ? (unsigned)n : 0);
        return n > 0 && n <= 65535 ? buf : "";
    }
    found = getservbyname(text != NULL ? text : "iprop", "tcp");
    if (found == NULL)
        return text == NULL ? FALL_BACK_PORT : "";
    snprintf(buf, 16, "%u", (unsigned)ntohs((uint16_t)found->s_port));
    return buf;
}

char *ipropd_with_port(const char *master, const char *port)
{
    const char *colon = strchr(master, ':');

    if (*master == '[') {
        const char *end = strchr(master, ']');

        if (end == NULL || end[1] != '\0')
            return prog_dup(master);
    } else if (colon != NULL) {
        /* One colon: a port is there. Two: an IPv6 address. */
        return strchr(colon + 1, ':') == NULL ? prog_dup(master) : prog_format("[%s]:%s", master, port);
    }
    return prog_format("%s:%s", master, port);
}

const char *ipropd_keytab_wrong(const char *spec)
{
    static const char wrong[] =
        "keys are not taken out of the database: write those of iprop/HOST into a file (`kadmin -l "
        "ext_keytab -k FILE:NAME iprop/HOST`), and name it with -k FILE:NAME";

    if (strncasecmp(spec, "HDB:", 4) == 0 || strncasecmp(spec, "HDBGET:", 7) == 0)
        return wrong;
    return NULL;
}

/* The first value of a setting; to be freed. */
static char *setting(struct conf *c, const char *section, const char *sub, const char *name)
{
    char **values = conf_lookup(c, section, sub, name);
    char *first = values != NULL && values[0] != NULL ? prog_dup(values[0]) : NULL;

    conf_values_free(values);
    return first;
}

static char *db_dir(struct conf *c)
{
    char *dir = setting(c, "hdb", NULL, "db-dir");
    size_t i;

    for (i = 0; dir == NULL && i < sizeof db_dirs / sizeof db_dirs[0]; i++)
        if (access(db_dirs[i], F_OK) == 0)
            dir = prog_dup(db_dirs[i]);
    return dir != NULL ? dir : prog_dup(db_dirs[0]);
}

/* A value of [kdc] database = { }. Where there are several of these, each with its realm, that of ours. */
static char *database_setting(struct conf *c, const char *name)
{
    char **values = conf_lookup(c, "kdc", "database", name);
    char **realms = conf_lookup(c, "kdc", "database", "realm");
    char *found = NULL;
    size_t i, n = 0, m = 0;

    while (values != NULL && values[n] != NULL)
        n++;
    while (realms != NULL && realms[m] != NULL)
        m++;
    for (i = 0; found == NULL && n == m && i < n; i++)
        if (strcmp(realms[i], conf_realm(c)) == 0)
            found = prog_dup(values[i]);
    if (found == NULL && n > 0)
        found = prog_dup(values[0]);
    conf_values_free(values);
    conf_values_free(realms);
    return found;
}

bool ipropd_before(void *ctx)
{
    struct ipropd *p = ctx;
    char *dir, *file;
    struct conf *c;

    if (p->d->config_file != NULL)
        return true;
    c = conf_open(NULL, p->d->realm);
    if (c == NULL)
        return false;
    dir = db_dir(c);
    file = prog_format("%s/kdc.conf", dir);
    if (access(file, R_OK) == 0)
        p->d->config_file = file;
    else
        free(file);
    free(dir);
    conf_close(c);
    return true;
}

static void set(char **to, char *value)
{
    if (value == NULL)
        return;
    free(*to);
    *to = value;
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A database of -d comes before `store` in [krbrepl], and that one before the KDC's own setting. */
static void take_store(struct ipropd *p, const char *dir)
{
    char *kdc = database_setting(p->d->conf, "dbname");

    if (p->database != NULL && strncmp(p->database, PREFIX, strlen(PREFIX)) == 0)
        set(&p->d->store_dir, prog_dup(p->database + strlen(PREFIX)));
    else if (p->database != NULL && is_directory(p->database))
        set(&p->d->store_dir, prog_dup(p->database));
    else if (p->d->store_dir == NULL && kdc != NULL && strncmp(kdc, PREFIX, strlen(PREFIX)) == 0)
        p->d->store_dir = prog_dup(kdc + strlen(PREFIX));
    else if (p->d->store_dir == NULL)
        p->d->store_dir = prog_format("%s/krbrepl", dir);
    free(kdc);
}

/* [appdefaults]: what stands in the program's subsection, in the realm's, or beside them. */
static bool appdefault(struct ipropd *p, const char *name, uint64_t *ms)
{
    const char *const subs[] = {"ipropd-slave", conf_realm(p->d->conf), NULL};
    char *text = NULL;
    bool ok;
    size_t i;

    for (i = 0; text == NULL && i < 3; i++)
        if (subs[i] == NULL || *subs[i] != '\0')
            text = setting(p->d->conf, "appdefaults", subs[i], name);
    ok = text == NULL || times_parse(text, ms, NULL);
    if (!ok)
        prog_say("[appdefaults] %s = %s: this is no time; correct it in krb5.conf", name, text);
    free(text);
    return ok;
}

static void take_principal(struct ipropd *p)
{
    const char *realm = conf_realm(p->d->conf);
    char host[256] = "", *c;

    if (p->hostname != NULL)
        snprintf(host, sizeof host, "%s", p->hostname);
    else
        (void)gethostname(host, sizeof host - 1);
    /* Both Kerberos libraries make principals of hosts in small letters. */
    for (c = host; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    p->principal =
        *realm != '\0' ? prog_format("iprop/%s@%s", host, realm) : prog_format("iprop/%s", host);
}

static void take_files(struct ipropd *p, const char *dir)
{
    const char *pids = getenv("HEIM_PIDFILE_DIR");
    struct conf *c = p->d->conf;

    if (p->master) {
        p->slaves = setting(c, "kdc", NULL, "iprop-acl");
        if (p->slaves == NULL)
            p->slaves = prog_format("%s/slaves", dir);
        if (p->report == NULL)
            p->report = setting(c, "kdc", NULL, "iprop-stats");
    } else {
        p->mkey_file = database_setting(c, "mkey_file");
        if (p->mkey_file == NULL)
            p->mkey_file = prog_format("%s/m-key", dir);
        if (access(p->mkey_file, R_OK) != 0) {
            free(p->mkey_file);
            p->mkey_file = NULL;
        }
    }
    if (p->report == NULL)
        p->report = prog_format("%s/%s", dir, p->master ? "slaves-stats" : "ipropd-slave-status");
    if (p->d->pid_file == NULL)
        p->d->pid_file = prog_format("%s/%s.pid", pids != NULL && *pids != '\0' ? pids : dir,
                                     p->master ? "ipropd-master" : "ipropd-slave");
}

static bool take_port(struct ipropd *p)
{
    char buf[16];
    const char *port = ipropd_port(p->port, buf);

    if (*port == '\0') {
        prog_say("--port: `%s` is neither a number from 1 to 65535 nor a service over tcp", p->port);
        return false;
    }
    set(&p->port, prog_dup(port));
    return true;
}

bool ipropd_settle(void *ctx)
{
    struct ipropd *p = ctx;
    const char *wrong = p->keytab != NULL ? ipropd_keytab_wrong(p->keytab) : NULL;
    char *dir;

    if (wrong != NULL) {
        prog_say("%s: %s", p->keytab, wrong);
        return false;
    }
    if (!take_port(p) || !appdefault(p, "reconnect-min", &p->retry_min_ms) ||
        !appdefault(p, "reconnect-max", &p->retry_max_ms))
        return false;
    dir = db_dir(p->d->conf);
    take_store(p, dir);
    take_principal(p);
    take_files(p, dir);
    free(dir);
    if (p->keytab != NULL)
        set(&p->d->keytab, prog_dup(p->keytab));
    if (p->verbose && p->d->log_level == NULL)
        p->d->log_level = prog_dup("debug");
    return true;
}

bool ipropd_make_store(const struct ipropd *p)
{
    krbrepl_create_options opt;
    krbrepl_errinfo ei;
    int rc;

    if (access(p->d->store_dir, F_OK) == 0)
        return true;
    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    rc = krbrepl_store_create(p->d->store_dir, &opt, &ei);
    if (rc != 0)
        prog_say("%s (%s)", ei.text, krbrepl_err_name(rc));
    return rc == 0;
}

void ipropd_free(struct ipropd *p)
{
    free(p->principal);
    free(p->slaves);
    free(p->mkey_file);
    p->principal = p->slaves = p->mkey_file = NULL;
}
