/* conf.c: defaults from the section [krbrepl] of krb5.conf. */
#include "conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <krb5.h>

#include "confsrc.h"
#include "prog.h"

#define SECTION "krbrepl"

struct conf {
    krb5_context krb5;
    struct confsrc *files;
    char *realm;
};

/* Where distributions keep the files of a KDC. */
static const char *const kdc_dirs[] = {
    "/etc/krb5kdc",              /* Debian */
    "/var/kerberos/krb5kdc",     /* Fedora */
    "/var/lib/kerberos/krb5kdc", /* SUSE */
    "/var/krb5kdc",
    "/usr/local/var/krb5kdc", /* as krb5 is built without options */
};

/* Puts `file` in front of the files that Kerberos libraries read. */
static bool prepend(const char *file)
{
    const char *old = getenv("KRB5_CONFIG");
    char *list;
    bool ok;

    if (access(file, R_OK) != 0) {
        prog_say("%s: %s; name a readable file with --config-file", file, strerror(errno));
        return false;
    }
    list = prog_format("%s:%s", file, old != NULL && *old != '\0' ? old : "/etc/krb5.conf");
    ok = setenv("KRB5_CONFIG", list, 1) == 0;
    free(list);
    return ok;
}

static void take_realm(struct conf *c, const char *realm)
{
    char *found = NULL;

    if (realm != NULL) {
        c->realm = prog_dup(realm);
    } else if (krb5_get_default_realm(c->krb5, &found) == 0) {
        c->realm = prog_dup(found);
        confsrc_free_realm(c->krb5, found);
    } else {
        c->realm = prog_dup("");
    }
}

struct conf *conf_open(const char *file, const char *realm)
{
    struct conf *c = prog_alloc(sizeof *c);
    krb5_error_code err;

    if (file != NULL && !prepend(file))
        goto fail;
    err = krb5_init_context(&c->krb5);
    if (err == 0)
        err = confsrc_open(&c->files, c->krb5, NULL);
    if (err != 0) {
        const char *text = krb5_get_error_message(NULL, err);

        prog_say(
            "cannot read the Kerberos configuration: %s; correct krb5.conf, or the file named with "
            "--config-file",
            text);
        krb5_free_error_message(NULL, text);
        goto fail;
    }
    if (realm != NULL)
        (void)krb5_set_default_realm(c->krb5, realm);
    take_realm(c, realm);
    return c;
fail:
    conf_close(c);
    return NULL;
}

void conf_close(struct conf *c)
{
    if (c == NULL)
        return;
    confsrc_close(c->files);
    if (c->krb5 != NULL)
        krb5_free_context(c->krb5);
    free(c->realm);
    free(c);
}

const char *conf_realm(const struct conf *c)
{
    return c->realm;
}

char **conf_values(struct conf *c, const char *name)
{
    char **values = NULL;

    if (*c->realm != '\0')
        values = confsrc_values(c->files, SECTION, c->realm, name);
    return values != NULL ? values : confsrc_values(c->files, SECTION, NULL, name);
}

char **conf_lookup(struct conf *c, const char *section, const char *sub, const char *name)
{
    return confsrc_values(c->files, section, sub, name);
}

void conf_values_free(char **values)
{
    confsrc_free(values);
}

static char *kdc_file(const char *name)
{
    char *path;
    size_t i;

    for (i = 0; i < sizeof kdc_dirs / sizeof kdc_dirs[0]; i++) {
        path = prog_format("%s/%s", kdc_dirs[i], name);
        if (access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return prog_format("%s/%s", kdc_dirs[0], name);
}

/* What the KDC's own profile says about the realm's stash file; NULL when it says nothing. */
static char *stash_in(struct confsrc *files, const char *realm)
{
    char **values = confsrc_values(files, "realms", realm, "key_stash_file");
    char *copy = NULL;

    if (values != NULL)
        copy = prog_dup(strncmp(values[0], "FILE:", 5) == 0 ? values[0] + 5 : values[0]);
    confsrc_free(values);
    return copy;
}

char *conf_kdc_file(void)
{
    const char *env = getenv("KRB5_KDC_PROFILE");

    return env != NULL && *env != '\0' ? prog_dup(env) : kdc_file("kdc.conf");
}

char *conf_stash(struct conf *c)
{
    char *kdc_conf, *stash = NULL, *name;
    struct confsrc *p = NULL;

    if (*c->realm == '\0')
        return NULL;
    kdc_conf = conf_kdc_file();
    if (confsrc_open(&p, c->krb5, kdc_conf) == 0) {
        stash = stash_in(p, c->realm);
        confsrc_close(p);
    }
    free(kdc_conf);
    if (stash == NULL)
        stash = stash_in(c->files, c->realm);
    if (stash == NULL) {
        name = prog_format(".k5.%s", c->realm);
        stash = kdc_file(name);
        free(name);
    }
    return stash;
}
