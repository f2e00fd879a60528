/* adopt_store.c: the store's side of `krbrepl adopt`. */
#include "adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the store -------------------------------------------------------------------------------- */

/* False too for a file that is damaged: it may be one whose making was cut off, which is made anew. Whatever else it is,
 * is left alone then, and the opening that follows tells. */
static bool is_store(const char *dir)
{
    krbrepl_store *store = NULL;
    int rc = krbrepl_store_open(&store, dir, NULL, NULL);

    krbrepl_store_close(store);
    return rc != KRBREPL_ERR_NOTFOUND && rc != KRBREPL_ERR_CORRUPT;
}

static int make(struct adopt *a)
{
    krbrepl_create_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.flags = KRBREPL_CREATE_MASTER;
    rc = krbrepl_store_create(a->dir, &opt, &ei);
    a->made = rc == 0;
    /* Another adoption may have been faster; what it made is opened. */
    return rc == 0 || rc == KRBREPL_ERR_EXISTS ? PROG_OK : cli_failed(&a->c, rc, &ei);
}

static int check_role(struct adopt *a)
{
    krbrepl_store_info info;
    char *text;
    int rc;

    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(a->c.store, &info);
    if (rc != 0)
        return cli_failed_store(&a->c, rc);
    if (info.role == KRBREPL_ROLE_MASTER || a->compare)
        return PROG_OK;
    text = prog_format("%s is no master (its role is %s), and only a master can adopt a database",
                       a->dir, krbrepl_role_name(info.role));
    rc = cli_refuse(
        &a->c, text,
        "name the store of the master; one that is not there yet is made, as by `krbrepl init "
        "--master`");
    free(text);
    return rc;
}

void adopt_store_scratch(struct adopt *a)
{
    size_t len = strlen(a->dir);

    if (access(a->dir, F_OK) == 0) {
        a->scratch = prog_dup(a->dir);
        return;
    }
    while (len > 1 && a->dir[len - 1] == '/')
        len--;
    while (len > 0 && a->dir[len - 1] != '/')
        len--;
    a->scratch = len == 0 ? prog_dup(".") : prog_format("%.*s", (int)len, a->dir);
}

int adopt_store_open(struct adopt *a)
{
    int rc = PROG_OK;

    if (a->c.store != NULL)
        return PROG_OK;
    /* A run that was killed while it made the store may have left files that are none yet. */
    if (!a->compare && !is_store(a->dir))
        rc = make(a);
    if (rc == PROG_OK)
        rc = cli_open(&a->c, a->dir, a->compare ? KRBREPL_STORE_READONLY : 0);
    return rc == PROG_OK ? check_role(a) : rc;
}

/* The lock of the KDB module, docs/operations.md. */
int adopt_store_lock(struct adopt *a)
{
    char *path = prog_format("%s/data.mdb", a->dir), *text;
    struct stat st;
    int rc = PROG_OK;

    if (stat(path, &st) != 0)
        st.st_mode = 0600;
    free(path);
    path = prog_format("%s/kdb.lock", a->dir);
    a->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, st.st_mode & 0666);
    if (a->lock < 0 || flock(a->lock, LOCK_EX) != 0) {
        text = prog_format("%s: %s", path, strerror(errno));
        rc = cli_refuse(&a->c, text, "see that this user may write in the store");
        free(text);
    }
    free(path);
    return rc;
}

void adopt_store_unlock(struct adopt *a)
{
    if (a->lock >= 0)
        close(a->lock);
    a->lock = -1;
}

int adopt_store_set(struct adopt *a, struct dumpset *out)
{
    struct keyfile k = kdbdump_nameless(a->dir);
    struct mitglue_result r = {0};
    krbrepl_errinfo ei;
    char *why = NULL;
    int rc;

    KRBREPL_INIT(&ei);
    memset(out, 0, sizeof *out);
    if (k.f == NULL) {
        why = prog_format("a temporary file in %s: %s", a->dir, strerror(errno));
        rc = cli_refuse(&a->c, why, "make room there");
        free(why);
        return rc;
    }
    rc = mitglue_dump_stream(a->c.store, k.f, &r, &ei);
    if (rc == KRBREPL_ERR_NOTFOUND) {
        rc = PROG_OK; /* it holds no principal yet */
    } else if (rc != 0) {
        rc = cli_failed(&a->c, rc, &ei);
    } else if (fseek(k.f, 0, SEEK_SET) != 0 || !dumpset_read(out, k.f, &why)) {
        rc = cli_refuse(&a->c, why != NULL ? why : strerror(errno), "");
        free(why);
    }
    (void)keyfile_close(&k);
    return rc;
}

/* ---- its own commits -------------------------------------------------------------------------- */

static void forget(struct adopt_own *own)
{
    size_t i;

    for (i = 0; i < own->n; i++)
        free(own->names[i]);
    free(own->names);
    free(own->who);
    free(own->why);
    memset(own, 0, sizeof *own);
}

static void add_name(struct adopt_own *own, const krbrepl_change *c)
{
    if (own->n == own->room) {
        own->room = own->room == 0 ? 64 : own->room * 2;
        own->names = own->names == NULL ? prog_alloc(own->room * sizeof *own->names)
                                        : prog_grow(own->names, own->room * sizeof *own->names);
    }
    own->names[own->n++] = prog_format("%s %.*s", c->table, (int)c->key.len, (const char *)c->key.data);
}

static int see_commit(void *ctx, const krbrepl_commit *c)
{
    struct adopt_own *own = ctx;
    uint64_t i;

    if (c->kind != KRBREPL_COMMIT_CHANGES && c->kind != KRBREPL_COMMIT_RESET)
        return 0;
    if (strncmp(c->why, ADOPT_WHY, sizeof ADOPT_WHY - 1) == 0) {
        forget(own);
        return 0;
    }
    own->everything |= c->kind == KRBREPL_COMMIT_RESET;
    own->seq = c->pos.seq;
    free(own->who);
    free(own->why);
    own->who = prog_dup(c->who);
    own->why = prog_dup(c->why);
    for (i = 0; i < c->nchanges; i++)
        add_name(own, c->changes[i]);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int adopt_store_own(struct adopt *a, struct adopt_own *out)
{
    krbrepl_store_info info;
    int rc;

    memset(out, 0, sizeof *out);
    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(a->c.store, &info);
    /* What was trimmed may have been anybody's, until an adoption is seen. */
    out->everything = rc == 0 && info.journal_first > 1 && info.records > 0;
    out->seq = out->everything ? info.journal_first - 1 : 0;
    if (rc == 0 && info.journal_last >= info.journal_first && info.journal_last > 0)
        rc = krbrepl_journal_each(a->c.store, 0, 0, see_commit, out);
    if (rc != 0)
        return cli_failed_store(&a->c, rc);
    if (out->n > 0)
        qsort(out->names, out->n, sizeof *out->names, by_text);
    return PROG_OK;
}

bool adopt_own_has(const struct adopt_own *own, const struct dumpset_entry *e)
{
    char *name = prog_format("%s %s", e->policy ? "policy" : "principal", e->name);
    bool has = own->everything ||
               (own->n > 0 && bsearch(&name, own->names, own->n, sizeof *own->names, by_text) != NULL);

    free(name);
    return has;
}

void adopt_own_free(struct adopt_own *own)
{
    forget(own);
}
