/* heimglue.c: the only door of the programs to libkrbrepl-heimdal. */
#include "heimglue.h"

#include <string.h>

#include "mkeyfile.h"
#include "prog.h"

#ifdef KRBREPL_PROG_HEIMDAL

#include <krbrepl/heimdal.h>

enum heimglue_format heimglue_format_of(const void *first, size_t len)
{
    return (enum heimglue_format)krbrepl_heimdal_format_of(first, len);
}

bool heimglue_describe(krbrepl_bytes key, krbrepl_bytes value, char *buf, size_t room)
{
    return krbrepl_heimdal_describe(key, value, buf, room) >= 0;
}

static void cipher_of(krbrepl_heimdal_cipher *c, struct mkeyfile *mkey)
{
    KRBREPL_INIT(c);
    c->seal = mkeyfile_seal;
    c->unseal = mkeyfile_unseal;
    c->ctx = mkey;
}

static void note(void *ctx, const char *text)
{
    (void)ctx;
    prog_say("%s", text);
}

int heimglue_load(krbrepl_store *s, const char *file, enum heimglue_format format, bool update,
                  const char *why, struct mkeyfile *mkey, heimglue_progress_fn *progress,
                  struct heimglue_result *out, krbrepl_errinfo *ei)
{
    krbrepl_heimdal_load_options opt;
    krbrepl_heimdal_cipher cipher;
    krbrepl_heimdal_load_result r;
    int rc;

    KRBREPL_INIT(&opt);
    opt.flags = update ? KRBREPL_HEIMDAL_LOAD_UPDATE : 0;
    opt.format = (uint64_t)format;
    opt.why = why;
    opt.progress = progress;
    opt.note = note;
    cipher_of(&cipher, mkey);
    opt.cipher = mkey != NULL ? &cipher : NULL;
    KRBREPL_INIT(&r);
    rc = krbrepl_heimdal_load(s, file, &opt, &r, ei);
    out->pos = r.pos;
    out->kind = r.kind;
    out->commits = r.commits;
    out->entries = r.entries;
    out->added = r.added;
    out->changed = r.changed;
    out->deleted = r.deleted;
    return rc;
}

int heimglue_dump(krbrepl_store *s, const char *file, enum heimglue_format format,
                  struct mkeyfile *mkey, heimglue_progress_fn *progress, struct heimglue_result *out,
                  krbrepl_errinfo *ei)
{
    krbrepl_heimdal_dump_options opt;
    krbrepl_heimdal_cipher cipher;
    krbrepl_heimdal_dump_result r;
    int rc;

    KRBREPL_INIT(&opt);
    opt.format = (uint64_t)format;
    opt.progress = progress;
    opt.note = note;
    cipher_of(&cipher, mkey);
    opt.cipher = mkey != NULL ? &cipher : NULL;
    KRBREPL_INIT(&r);
    rc = krbrepl_heimdal_dump(s, file, &opt, &r, ei);
    out->pos = r.pos;
    out->entries = r.entries;
    return rc;
}

struct teller {
    heimglue_log_fn *fn;
    void *ctx;
};

static int tell(void *ctx, const krbrepl_heimdal_log_record *rec)
{
    const struct teller *t = ctx;
    struct heimglue_record out = {rec->version, rec->time, rec->op,   rec->mask, rec->offset,
                                  rec->length,  rec->name, rec->from, rec->entry};

    return t->fn(t->ctx, &out);
}

int heimglue_log(const char *file, uint64_t from, uint64_t to, heimglue_log_fn *fn, void *ctx,
                 struct heimglue_log *out, krbrepl_errinfo *ei)
{
    struct teller t = {fn, ctx};
    krbrepl_heimdal_log_info info;
    int rc;

    KRBREPL_INIT(&info);
    rc = krbrepl_heimdal_log_each(file, from, to, fn != NULL ? tell : NULL, &t, &info, ei);
    out->version = info.version;
    out->time = info.time;
    out->first = info.first;
    out->records = info.records;
    out->end = info.end;
    out->unconfirmed = info.unconfirmed;
    out->old = (info.flags & KRBREPL_HEIMDAL_LOG_OLD) != 0;
    return rc;
}

int heimglue_replay(krbrepl_store *s, const char *file, uint64_t from, uint64_t to, const char *why,
                    struct mkeyfile *mkey, struct heimglue_result *out, krbrepl_errinfo *ei)
{
    krbrepl_heimdal_replay_options opt;
    krbrepl_heimdal_cipher cipher;
    krbrepl_heimdal_replay_result r;
    int rc;

    KRBREPL_INIT(&opt);
    opt.from = from;
    opt.to = to;
    opt.why = why;
    cipher_of(&cipher, mkey);
    opt.cipher = mkey != NULL ? &cipher : NULL;
    KRBREPL_INIT(&r);
    rc = krbrepl_heimdal_replay(s, file, &opt, &r, ei);
    out->pos = r.pos;
    out->commits = r.commits;
    out->records = r.records;
    out->applied = r.applied;
    out->version = r.version;
    out->added = r.added;
    out->changed = r.changed;
    out->deleted = r.deleted;
    return rc;
}

#else

enum heimglue_format heimglue_format_of(const void *first, size_t len)
{
    (void)first, (void)len;
    return HEIMGLUE_ANY;
}

bool heimglue_describe(krbrepl_bytes key, krbrepl_bytes value, char *buf, size_t room)
{
    (void)key, (void)value, (void)buf, (void)room;
    return false;
}

static int missing(krbrepl_errinfo *ei)
{
    ei->code = KRBREPL_ERR_FORMAT;
    snprintf(ei->text, sizeof ei->text,
             "this program was built without Heimdal's records (KRBREPL_BUILD_HEIMDAL); use --format "
             "native");
    return KRBREPL_ERR_FORMAT;
}

int heimglue_load(krbrepl_store *s, const char *file, enum heimglue_format format, bool update,
                  const char *why, struct mkeyfile *mkey, heimglue_progress_fn *progress,
                  struct heimglue_result *out, krbrepl_errinfo *ei)
{
    (void)s, (void)file, (void)format, (void)update, (void)why, (void)mkey, (void)progress, (void)out;
    return missing(ei);
}

int heimglue_dump(krbrepl_store *s, const char *file, enum heimglue_format format,
                  struct mkeyfile *mkey, heimglue_progress_fn *progress, struct heimglue_result *out,
                  krbrepl_errinfo *ei)
{
    (void)s, (void)file, (void)format, (void)mkey, (void)progress, (void)out;
    return missing(ei);
}

int heimglue_log(const char *file, uint64_t from, uint64_t to, heimglue_log_fn *fn, void *ctx,
                 struct heimglue_log *out, krbrepl_errinfo *ei)
{
    (void)file, (void)from, (void)to, (void)fn, (void)ctx, (void)out;
    return missing(ei);
}

int heimglue_replay(krbrepl_store *s, const char *file, uint64_t from, uint64_t to, const char *why,
                    struct mkeyfile *mkey, struct heimglue_result *out, krbrepl_errinfo *ei)
{
    (void)s, (void)file, (void)from, (void)to, (void)why, (void)mkey, (void)out;
    return missing(ei);
}

#endif
