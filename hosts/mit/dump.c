/* dump.c: krbrepl_mit_dump. */
#include <krbrepl/mit.h>

#include <stdio.h>

#include "answer.h"
#include "errinfo.h"
#include "options.h"
#include "outfile.h"
#include "writer.h"

#define SHOW_EVERY 4096u /* records between two calls of progress */

_Static_assert(sizeof(krbrepl_mit_dump_options) ==
                   offsetof(krbrepl_mit_dump_options, ctx) + sizeof(void *),
               "tail padding");
_Static_assert(sizeof(krbrepl_mit_dump_result) ==
                   offsetof(krbrepl_mit_dump_result, bytes) + sizeof(uint64_t),
               "tail padding");

struct job {
    krbrepl_store *store;
    krbrepl_mit_dump_options opt;
    krbrepl_mit_dump_result res;
    krbrepl__common_out out;
    uint64_t total;
    int foreign_local; /* a local entry could not be read, which was told */
    int told;          /* the failure is in ei already */
    krbrepl_errinfo *ei;
};

static void note(struct job *j, const char *text)
{
    if (j->opt.note != NULL)
        j->opt.note(j->opt.ctx, text);
}

static void show(struct job *j, int at_the_end)
{
    uint64_t done = j->res.principals + j->res.policies;

    if (j->opt.progress != NULL && (at_the_end || done % SHOW_EVERY == 0))
        j->opt.progress(j->opt.ctx, "write", done, j->total);
}

/* A principal that this node has counted nothing for has zeros. */
static int get_lockout(struct job *j, krbrepl_bytes key, krbrepl_mit_lockout *l)
{
    uint8_t local[KRBREPL_MIT_LOCKOUT_LEN];
    size_t len = sizeof local;
    int rc = krbrepl_local_get(j->store, KRBREPL_MIT_TABLE_PRINCIPAL, key, local, &len);

    memset(l, 0, sizeof *l);
    if (rc == KRBREPL_ERR_NOTFOUND)
        return 0;
    if (rc != 0 && rc != KRBREPL_ERR_TOOBIG)
        return krbrepl__common_store_fail(j->store, rc, j->ei);
    if (rc == 0 && krbrepl_mit_lockout_decode((krbrepl_bytes){local, len}, l) == 0)
        return 0;
    if (!j->foreign_local)
        note(j, "local entries of another format were left out of the dump");
    j->foreign_local = 1;
    return 0;
}

/* Says which record cannot be written. */
static int name_record(struct job *j, const char *table, krbrepl_bytes key, int rc)
{
    char why[sizeof j->ei->text];

    if (rc != KRBREPL_ERR_FORMAT)
        return rc;
    memcpy(why, j->ei->text, sizeof why);
    return krbrepl__fail(j->ei, rc, "dump: %s %.*s: %.160s", table, key.len < 60 ? (int)key.len : 60,
                         (const char *)key.data, why);
}

static int write_record(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    int rc, is_policy = strcmp(table, KRBREPL_MIT_TABLE_POLICY) == 0;
    krbrepl_mit_lockout l;
    struct job *j = ctx;

    if (is_policy)
        rc = krbrepl__mit_write_policy(&j->out.buf, key, value, j->ei);
    else if ((rc = get_lockout(j, key, &l)) == 0)
        rc = krbrepl__mit_write_principal(&j->out.buf, key, value, &l, j->ei);
    if (rc == 0)
        rc = krbrepl__common_out_flush(&j->out, 0);
    if (rc != 0) {
        j->told = 1;
        return name_record(j, table, key, rc);
    }
    *(is_policy ? &j->res.policies : &j->res.principals) += 1;
    /* kdb5_util scans the name of a policy up to the first blank. */
    if (is_policy && memchr(key.data, ' ', key.len) != NULL)
        note(j, "the name of a policy holds a blank: kdb5_util cannot load such a dump");
    show(j, 0);
    return 0;
}

static int write_table(struct job *j, krbrepl_view *v, const char *table)
{
    int rc = krbrepl_view_each(v, table, NULL, NULL, 0, write_record, j);

    if (rc != 0 && !j->told)
        krbrepl__common_store_fail(j->store, rc, j->ei);
    return rc;
}

/* kdb5_util loads a dump without principals, and leaves a KDC with nothing: a new replica that is dumped too
 * early must not do that to its host. */
static int check_filled(struct job *j)
{
    if (j->res.principals != 0)
        return 0;
    return krbrepl__fail(
        j->ei, KRBREPL_ERR_NOTFOUND,
        "dump: the store holds no principals, and a KDC that loaded such a dump would lose "
        "its own; load a realm first, or wait until this replica has its copy");
}

static int write_all(struct job *j)
{
    krbrepl_store_info info;
    krbrepl_view *v = NULL;
    int rc;

    KRBREPL_INIT(&info);
    if ((rc = krbrepl_view_open(j->store, &v)) != 0 || (rc = krbrepl_view_pos(v, &j->res.pos)) != 0) {
        krbrepl__common_store_fail(j->store, rc, j->ei);
        goto done;
    }
    if (krbrepl_store_info_get(j->store, &info) == 0)
        j->total = info.records;
    krbrepl__buf_bytes(&j->out.buf, KRBREPL__MIT_HEADER, sizeof KRBREPL__MIT_HEADER - 1);
    if ((rc = write_table(j, v, KRBREPL_MIT_TABLE_PRINCIPAL)) == 0 && (rc = check_filled(j)) == 0 &&
        (rc = write_table(j, v, KRBREPL_MIT_TABLE_POLICY)) == 0)
        show(j, 1);

done:
    krbrepl_view_close(v);
    return rc;
}

static int dump_to(krbrepl_store *s, const char *file, const krbrepl_mit_dump_options *opt,
                   krbrepl_mit_dump_result *out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo own;
    struct job j;
    int rc;

    if (s == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "dump: an argument is NULL");
    memset(&j, 0, sizeof j);
    KRBREPL_INIT(&j.res);
    j.store = s;
    j.ei = ei != NULL ? ei : &own;
    if ((rc = krbrepl__widen(&j.opt, sizeof j.opt, opt)) != 0)
        return krbrepl__fail_plain(ei, rc);
    j.out.write = j.opt.write;
    j.out.ctx = j.opt.ctx;
    j.out.marked = 1;
    if ((rc = krbrepl__common_out_open(&j.out, file, j.ei)) == 0 && (rc = write_all(&j)) == 0)
        rc = krbrepl__common_out_finish(&j.out);
    krbrepl__common_out_close(&j.out);
    j.res.bytes = j.out.bytes;
    if (rc == 0 && out != NULL && krbrepl__narrow(out, &j.res, sizeof j.res) != 0)
        rc = krbrepl__fail_plain(ei, KRBREPL_ERR_INVALID);
    return rc;
}

int krbrepl_mit_dump(krbrepl_store *s, const char *file, const krbrepl_mit_dump_options *opt,
                     krbrepl_mit_dump_result *out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(dump_to(s, file, opt, out, &mine), &mine, ei);
}
