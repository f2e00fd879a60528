/* kdbdump.c: runs kdb5_util on the database that a KDC has today. */
#include "kdbdump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <profile.h>

#include "prog.h"

#define CHUNK 65536u

extern char **environ;

/* ---- configuration ---------------------------------------------------------------------------- */

static char *text_of(profile_t p, const char *top, const char *sub, const char *name)
{
    char *value = NULL, *copy = NULL;

    if (profile_get_string(p, top, sub, name, NULL, &value) == 0 && value != NULL) {
        copy = prog_dup(value);
        profile_release_string(value);
    }
    return copy;
}

static bool flag_of(profile_t p, const char *section, const char *name)
{
    int value = 0;

    return profile_get_boolean(p, "dbmodules", section, name, 0, &value) == 0 && value != 0;
}

static const char *krb5_files(void)
{
    const char *env = getenv("KRB5_CONFIG");

    return env != NULL && *env != '\0' ? env : "/etc/krb5.conf";
}

/* Without database_module the section is that of the realm's name, and without db_library it is db2: so
 * libkdb5 decides it. */
static void look_up(struct kdbdump *d, profile_t p, const char *module)
{
    d->module = module != NULL ? prog_dup(module) : text_of(p, "realms", d->realm, "database_module");
    if (d->module == NULL)
        d->module = prog_dup(d->realm);
    d->library = text_of(p, "dbmodules", d->module, "db_library");
    if (d->library == NULL)
        d->library = prog_dup("db2");
    d->database = text_of(p, "dbmodules", d->module, "database_name");
    if (d->database == NULL && strcmp(d->library, "db2") == 0)
        d->database = text_of(p, "realms", d->realm, "database_name");
    d->no_success = flag_of(p, d->module, "disable_last_success");
    d->no_lockout = flag_of(p, d->module, "disable_lockout");
}

/* Both stand in a profile that is written here. */
static bool can_stand_in_a_profile(const char *name)
{
    return *name != '\0' && strpbrk(name, " \t\r\n{}[]=\"#;*") == NULL;
}

bool kdbdump_open(struct kdbdump *d, const char *realm, const char *kdc_file, const char *module,
                  const char *util, char **why)
{
    char *list = prog_format("%s:%s", kdc_file, krb5_files());
    profile_t p = NULL;
    bool ok = false;

    memset(d, 0, sizeof *d);
    d->realm = prog_dup(realm);
    d->kdc_file = prog_dup(kdc_file);
    d->util = prog_dup(util != NULL ? util : "kdb5_util");
    if (access(kdc_file, R_OK) != 0 && errno != ENOENT) {
        *why = prog_format("%s: %s", kdc_file, strerror(errno));
    } else if (profile_init_path(list, &p) != 0) {
        *why = prog_format("%s cannot be read as a configuration of Kerberos", list);
    } else {
        look_up(d, p, module);
        profile_release(p);
        ok = can_stand_in_a_profile(realm) && can_stand_in_a_profile(d->module);
        if (!ok)
            *why =
                prog_format("the realm \"%s\" or the section \"%s\" is no name that a profile can hold",
                            realm, d->module);
    }
    free(list);
    return ok;
}

void kdbdump_close(struct kdbdump *d)
{
    free(d->realm);
    free(d->util);
    free(d->kdc_file);
    free(d->module);
    free(d->library);
    free(d->database);
    memset(d, 0, sizeof *d);
}

/* ---- the child -------------------------------------------------------------------------------- */

/* A profile that holds before the KDC's own. */
static FILE *own_profile(const struct kdbdump *d)
{
    FILE *f = tmpfile();

    if (f == NULL)
        return NULL;
    fprintf(f,
            "[realms]\n    %s = {\n        database_module = %s\n        iprop_enable = false\n"
            "        sunw_dbprop_enable = false\n    }\n",
            d->realm, d->module);
    if (fflush(f) == 0)
        return f;
    fclose(f);
    return NULL;
}

/* Becomes kdb5_util. Between fork and exec of a process with one thread. */
static void become(const struct kdbdump *d, const char *profile, const char *files, const char *command)
{
    const char *path = getenv("PATH");
    char *wide =
        prog_format("%s:/usr/sbin:/sbin:/usr/local/sbin", path != NULL ? path : "/usr/bin:/bin");

    if (setenv("KRB5_KDC_PROFILE", profile, 1) == 0 && setenv("KRB5_CONFIG", files, 1) == 0 &&
        setenv("PATH", wide, 1) == 0)
        execlp(d->util, d->util, "-r", d->realm, command, (char *)NULL);
    prog_say("%s: %s", d->util, strerror(errno));
    _exit(127);
}

/* Starts kdb5_util with its output in `out`, which is closed in the parent. -1 with errno. */
static pid_t start(const struct kdbdump *d, const char *command, int out)
{
    FILE *f = own_profile(d);
    char *profile = f != NULL ? prog_format("/dev/fd/%d", fileno(f)) : NULL;
    char *files = prog_format("%s:%s", d->kdc_file, krb5_files());
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), err;
    pid_t pid = f != NULL && null >= 0 ? fork() : -1;

    if (pid == 0) {
        if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
            fcntl(fileno(f), F_SETFD, 0) != 0)
            _exit(127);
        become(d, profile, files, command);
    }
    err = errno;
    if (null >= 0)
        close(null);
    if (f != NULL)
        fclose(f);
    close(out);
    free(profile);
    free(files);
    errno = err;
    return pid;
}

static int finish(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static char *ending(const struct kdbdump *d, int status)
{
    if (WIFSIGNALED(status))
        return prog_format("%s dump was ended by signal %d", d->util, WTERMSIG(status));
    return prog_format("%s dump failed with exit code %d; what it says stands above", d->util,
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* ---- the dump --------------------------------------------------------------------------------- */

struct keyfile kdbdump_nameless(const char *dir)
{
    char *path = prog_format("%s/adopt.XXXXXX", dir);
    int fd = mkstemp(path), err = errno;
    FILE *f = NULL;

    if (fd >= 0) {
        unlink(path);
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
            f = fdopen(fd, "w+");
        err = errno;
        if (f == NULL)
            close(fd);
    }
    free(path);
    errno = err;
    return keyfile_of(f);
}

char *kdbdump_name(const struct keyfile *k)
{
    return prog_format("/dev/fd/%d", fileno(k->f));
}

/* 0, or errno. */
static int copy(int from, FILE *to)
{
    char *buf = prog_alloc(CHUNK);
    int err = 0;
    ssize_t n;

    while (err == 0 && (n = read(from, buf, CHUNK)) != 0) {
        if (n < 0)
            err = errno == EINTR ? 0 : errno;
        else if (fwrite(buf, 1, (size_t)n, to) != (size_t)n)
            err = errno;
    }
    if (err == 0 && (fflush(to) != 0 || fseek(to, 0, SEEK_SET) != 0))
        err = errno;
    prog_wipe_free(buf, CHUNK);
    return err;
}

struct keyfile kdbdump_take(const struct kdbdump *d, const char *dir, char **why)
{
    struct keyfile k = kdbdump_nameless(dir);
    int ends[2], err, status;
    pid_t pid;

    if (k.f == NULL || pipe(ends) != 0) {
        *why = prog_format("a temporary file in %s: %s", dir, strerror(errno));
        goto failed;
    }
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid = start(d, "dump", ends[1]);
    if (pid < 0) {
        *why = prog_format("%s cannot be started: %s", d->util, strerror(errno));
        close(ends[0]);
        goto failed;
    }
    err = copy(ends[0], k.f);
    /* A child that is still writing ends by that. */
    close(ends[0]);
    status = finish(pid);
    if (err != 0)
        *why = prog_format("writing the dump to a temporary file in %s: %s", dir, strerror(err));
    else if (status != 0)
        *why = ending(d, status);
    else
        return k;
failed:
    (void)keyfile_close(&k);
    return k;
}

bool kdbdump_stash_opens(const struct kdbdump *d)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid_t pid;

    if (null < 0)
        return false;
    pid = start(d, "list_mkeys", null);
    return pid > 0 && finish(pid) == 0;
}
