/* mitglue.c: the only door of the programs to libkrbrepl-mit. */
#include "mitglue.h"

#include <string.h>

#include "heimglue.h"
#include "prog.h"

bool mitglue_is_secret(const char *table)
{
    return strcmp(table, "principal") == 0 || strcmp(table, "hdb") == 0;
}

#ifdef KRBREPL_PROG_MIT

#include <krbrepl/mit.h>

bool mitglue_there(void)
{
    return true;
}

/* The line begins with the key, which whoever prints it has printed already. */
bool mitglue_describe(const char *table, krbrepl_bytes key, krbrepl_bytes value, char *buf, size_t room)
{
    size_t len;

    if (strcmp(table, "hdb") == 0)
        return heimglue_describe(key, value, buf, room);
    if (krbrepl_mit_describe(table, key, value, buf, room) < 0)
        return false;
    len = strlen(buf);
    if (len > key.len + 2 && memcmp(buf, key.data, key.len) == 0 && memcmp(buf + key.len, ": ", 2) == 0)
        memmove(buf, buf + key.len + 2, len - key.len - 1);
    return true;
}

int mitglue_mkey_kvno(krbrepl_store *s, const char *realm, uint64_t *kvno)
{
    return krbrepl_mit_mkey_kvno(s, *realm != '\0' ? realm : NULL, kvno, NULL);
}

int mitglue_stash_kvno(const char *file, const char *realm, uint64_t *kvno)
{
    return krbrepl_mit_stash_kvno(file, *realm != '\0' ? realm : NULL, kvno, NULL, NULL);
}

static void note(void *ctx, const char *text)
{
    (void)ctx;
    prog_say("%s", text);
}

int mitglue_load(krbrepl_store *s, const char *file, bool update, const char *why,
                 mitglue_progress_fn *progress, struct mitglue_result *out, krbrepl_errinfo *ei)
{
    krbrepl_mit_load_options opt;
    krbrepl_mit_load_result r;
    int rc;

    KRBREPL_INIT(&opt);
    opt.flags = update ? KRBREPL_MIT_LOAD_UPDATE : 0;
    opt.why = why;
    opt.progress = progress;
    opt.note = note;
    KRBREPL_INIT(&r);
    rc = krbrepl_mit_load(s, file, &opt, &r, ei);
    out->pos = r.pos;
    out->kind = r.kind;
    out->commits = r.commits;
    out->version = r.version;
    out->principals = r.principals;
    out->policies = r.policies;
    out->added = r.added;
    out->changed = r.changed;
    out->deleted = r.deleted;
    return rc;
}

static int dump_with(krbrepl_store *s, const char *file, const krbrepl_mit_dump_options *opt,
                     struct mitglue_result *out, krbrepl_errinfo *ei)
{
    krbrepl_mit_dump_result r;
    int rc;

    KRBREPL_INIT(&r);
    rc = krbrepl_mit_dump(s, file, opt, &r, ei);
    out->pos = r.pos;
    out->principals = r.principals;
    out->policies = r.policies;
    out->bytes = r.bytes;
    return rc;
}

int mitglue_dump(krbrepl_store *s, const char *file, mitglue_progress_fn *progress,
                 struct mitglue_result *out, krbrepl_errinfo *ei)
{
    krbrepl_mit_dump_options opt;

    KRBREPL_INIT(&opt);
    opt.progress = progress;
    opt.note = note;
    return dump_with(s, file, &opt, out, ei);
}

static int write_stream(void *ctx, const void *data, size_t len)
{
    return fwrite(data, 1, len, ctx) == len ? 0 : -1;
}

int mitglue_dump_stream(krbrepl_store *s, FILE *f, struct mitglue_result *out, krbrepl_errinfo *ei)
{
    krbrepl_mit_dump_options opt;
    int rc;

    KRBREPL_INIT(&opt);
    opt.write = write_stream;
    opt.ctx = f;
    rc = dump_with(s, NULL, &opt, out, ei);
    if (rc == 0 && fflush(f) != 0)
        rc = KRBREPL_ERR_IO;
    return rc;
}

#else

bool mitglue_there(void)
{
    return false;
}

bool mitglue_describe(const char *table, krbrepl_bytes key, krbrepl_bytes value, char *buf, size_t room)
{
    return strcmp(table, "hdb") == 0 && heimglue_describe(key, value, buf, room);
}

static int missing(krbrepl_errinfo *ei)
{
    if (ei != NULL) {
        ei->code = KRBREPL_ERR_FORMAT;
        snprintf(ei->text, sizeof ei->text,
                 "this program was built without MIT records (KRBREPL_BUILD_MIT); use --format native");
    }
    return KRBREPL_ERR_FORMAT;
}

int mitglue_mkey_kvno(krbrepl_store *s, const char *realm, uint64_t *kvno)
{
    (void)s, (void)realm, (void)kvno;
    return missing(NULL);
}

int mitglue_stash_kvno(const char *file, const char *realm, uint64_t *kvno)
{
    (void)file, (void)realm, (void)kvno;
    return missing(NULL);
}

int mitglue_load(krbrepl_store *s, const char *file, bool update, const char *why,
                 mitglue_progress_fn *progress, struct mitglue_result *out, krbrepl_errinfo *ei)
{
    (void)s, (void)file, (void)update, (void)why, (void)progress, (void)out;
    return missing(ei);
}

int mitglue_dump(krbrepl_store *s, const char *file, mitglue_progress_fn *progress,
                 struct mitglue_result *out, krbrepl_errinfo *ei)
{
    (void)s, (void)file, (void)progress, (void)out;
    return missing(ei);
}

int mitglue_dump_stream(krbrepl_store *s, FILE *f, struct mitglue_result *out, krbrepl_errinfo *ei)
{
    (void)s, (void)f, (void)out;
    return missing(ei);
}

#endif
