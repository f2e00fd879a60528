/* replay.c: krbrepl_heimdal_replay: the records of a log, done to a store. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "cipher.h"
#include "logfile.h"
#include "options.h"
#include "overlay.h"

_Static_assert(sizeof(krbrepl_heimdal_replay_options) ==
                   offsetof(krbrepl_heimdal_replay_options, cipher) + sizeof(const void *),
               "tail padding");
_Static_assert(sizeof(krbrepl_heimdal_replay_result) ==
                   offsetof(krbrepl_heimdal_replay_result, deleted) + sizeof(uint64_t),
               "tail padding");

typedef struct job {
    krbrepl__heim_overlay *o;
    krbrepl_heimdal_replay_options opt;
    krbrepl_heimdal_replay_result res;
    krbrepl_heimdal_cipher cipher; /* size 0: none */
    krbrepl_errinfo *ei;
} job;

static int one(void *ctx, const krbrepl__hdb_rec *rec, uint64_t offset)
{
    job *j = ctx;
    int effect, rc;

    (void)offset;
    rc = krbrepl__hdb_apply(krbrepl__heim_overlay_rows(j->o), rec, &effect, j->ei);
    if (rc != 0)
        return rc;
    j->res.records++;
    j->res.applied += effect != 0;
    j->res.version = rec->version;
    return 0;
}

static int replay(job *j, krbrepl_store *s, const char *file)
{
    krbrepl_heimdal_log_info info;
    krbrepl__heim_outcome out;
    char why[256];
    int rc = krbrepl__heim_overlay_new(&j->o, s, j->ei);

    if (rc == 0)
        rc = krbrepl__heim_cipher_take(&j->cipher, j->opt.cipher, j->ei);
    if (rc == 0 && j->cipher.size != 0)
        krbrepl__heim_overlay_seal(j->o, &j->cipher);
    if (rc == 0)
        rc = krbrepl__heim_log_walk(file, j->opt.from, j->opt.to, one, j, &info, j->ei);
    if (rc != 0)
        return rc;
    if (j->res.records == 0 && (j->opt.from > info.version || j->opt.to < info.first) &&
        info.records != 0 && (j->opt.from != 0 || j->opt.to != 0))
        return krbrepl__fail(j->ei, KRBREPL_ERR_INVALID,
                             "%.100s holds the versions %llu to %llu and none of those asked for", file,
                             (unsigned long long)info.first, (unsigned long long)info.version);
    snprintf(why, sizeof why, "replay %.200s to %llu", file, (unsigned long long)j->res.version);
    rc = krbrepl__heim_overlay_commit(j->o, j->opt.who, j->opt.why != NULL ? j->opt.why : why, &out,
                                      j->ei);
    j->res.pos = out.pos;
    j->res.commits = out.commits;
    j->res.added = out.added;
    j->res.changed = out.changed;
    j->res.deleted = out.deleted;
    return rc;
}

int krbrepl_heimdal_replay(krbrepl_store *s, const char *file,
                           const krbrepl_heimdal_replay_options *opt,
                           krbrepl_heimdal_replay_result *out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;
    job j;
    int rc;

    krbrepl__errinfo_clear(&mine);
    memset(&j, 0, sizeof j);
    KRBREPL_INIT(&j.res);
    j.ei = &mine;
    rc = krbrepl__widen(&j.opt, sizeof j.opt, opt);
    if (rc != 0)
        rc = krbrepl__fail_plain(&mine, rc);
    else if (s == NULL || file == NULL)
        rc = krbrepl__fail(&mine, KRBREPL_ERR_INVALID, "replay: an argument is NULL");
    else
        rc = replay(&j, s, file);
    krbrepl__heim_overlay_free(j.o);
    return krbrepl__common_answer(rc, out, &j.res, sizeof j.res, &mine, ei);
}
