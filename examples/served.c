/* served.c: the list of those who may follow, and what is said to those who may not. */
#include "served.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "prog.h"

#define SAID_PER_SECOND 5

static const char *own_realm(const struct served *s)
{
    const char *realm = conf_realm(s->d->conf);

    return *realm != '\0' ? realm : "EXAMPLE.ORG";
}

static void say_how_to_allow(const struct served *s)
{
    if (s->acl_file == NULL && s->heimdal)
        daemon_note(KRBREPL_LOG_NOTICE,
                    "no --acl: no native replica may follow this master, and of Heimdal's slaves those "
                    "that its slaves file names");
    else if (s->acl_file == NULL)
        daemon_note(KRBREPL_LOG_WARN,
                    "no --acl: nobody may follow this master; write the principals of the replicas "
                    "into a file, "
                    "one a line, such as `krbrepl/replica.example.org@%s`, and start with --acl FILE",
                    own_realm(s));
    else
        daemon_note(
            KRBREPL_LOG_WARN,
            "%s allows nobody: write the principals of the replicas into it, one a line, such as "
            "`krbrepl/replica.example.org@%s`, and send SIGHUP to process %ld",
            s->acl_file, own_realm(s), (long)getpid());
}

/* Whoever has a ticket of the realm can ask to follow as often as he likes, and must not fill the log. */
static bool may_say(struct served *s)
{
    time_t now = time(NULL);

    if (now != s->said_at) {
        s->said_at = now;
        s->said = 0;
    }
    return s->said++ < SAID_PER_SECOND;
}

/* Heimdal's file is read at each connection, as Heimdal does; one that is not there allows nobody. */
static bool is_slave(const struct served *s, const char *principal)
{
    char *file =
        s->slaves_file != NULL ? prog_dup(s->slaves_file) : prog_format("%s/slaves", s->d->store_dir);
    struct acl *a = NULL;
    char why[512];
    bool found;

    if (access(file, F_OK) == 0) {
        a = acl_read(file, conf_realm(s->d->conf), why, sizeof why);
        if (a == NULL)
            daemon_note(KRBREPL_LOG_ERROR, "%s; nobody in it may follow", why);
    }
    free(file);
    found = acl_allows(a, principal);
    acl_free(a);
    return found;
}

static int allowed_by_lists(struct served *s, const char *principal)
{
    int allow = 0;

    pthread_mutex_lock(&s->lock);
    if (acl_allows(s->acl, principal))
        allow = KRBREPL_ALLOW_REPLICA | KRBREPL_ALLOW_MONITOR;
    else if (s->heimdal && acl_allows_heimdal(s->acl, principal))
        allow = KRBREPL_ALLOW_HEIMDAL;
    pthread_mutex_unlock(&s->lock);
    /* One that is listed as native is not served in the dialect, whatever else says so. */
    if (allow == 0 && s->heimdal && is_slave(s, principal))
        allow = KRBREPL_ALLOW_HEIMDAL;
    return allow;
}

int served_authorize(struct served *s, const char *principal, const char *address)
{
    int allowed = allowed_by_lists(s, principal);

    if (allowed != 0)
        return allowed;
    if (*address == '\0') {
        daemon_note(
            KRBREPL_LOG_NOTICE,
            "%s may not follow any more and is not connected: nothing is kept for it from now on",
            principal);
        return 0;
    }
    if (!may_say(s))
        return 0;
    if (s->acl_file != NULL)
        daemon_note(
            KRBREPL_LOG_WARN,
            "refused %s from %s: if it may have every key of the realm, add the line `%s` to %s and "
            "send SIGHUP to process %ld",
            principal, address, principal, s->acl_file, (long)getpid());
    else
        daemon_note(
            KRBREPL_LOG_WARN,
            "refused %s from %s: no --acl was given; if it may have every key of the realm, write the "
            "line `%s` into a file and start with --acl FILE",
            principal, address, principal);
    return 0;
}

bool served_first(struct served *s)
{
    char why[512];

    if (s->acl_file == NULL || access(s->acl_file, F_OK) != 0) {
        say_how_to_allow(s);
        return true;
    }
    s->acl = acl_read(s->acl_file, conf_realm(s->d->conf), why, sizeof why);
    if (s->acl == NULL) {
        prog_say("%s; correct the file and start again", why);
        return false;
    }
    if (acl_count(s->acl) == 0)
        say_how_to_allow(s);
    return true;
}

void served_reload(struct served *s)
{
    struct acl *fresh, *old;
    char why[512];

    if (s->acl_file == NULL) {
        say_how_to_allow(s);
        return;
    }
    fresh = acl_read(s->acl_file, conf_realm(s->d->conf), why, sizeof why);
    if (fresh == NULL) {
        daemon_note(
            KRBREPL_LOG_ERROR,
            "%s; the list of replicas as it was stays in force: correct the file and send SIGHUP again",
            why);
        return;
    }
    pthread_mutex_lock(&s->lock);
    old = s->acl;
    s->acl = fresh;
    pthread_mutex_unlock(&s->lock);
    acl_free(old);
    daemon_note(KRBREPL_LOG_NOTICE, "%s was read again: %zu principals may follow", s->acl_file,
                acl_count(fresh));
    if (acl_count(fresh) == 0)
        say_how_to_allow(s);
    krbrepl_node_reauthorize(s->d->node);
}

void served_free(struct served *s)
{
    acl_free(s->acl);
    s->acl = NULL;
}
