/* dump.c: krbrepl_heimdal_dump. */
#include <stdio.h>
#include <string.h>

#include <krbrepl/heimdal.h>

#include "answer.h"
#include "cipher.h"
#include "mem.h"
#include "options.h"
#include "outfile.h"
#include "text.h"

#define SHOW_EVERY 4096u

_Static_assert(sizeof(krbrepl_heimdal_dump_options) ==
                   offsetof(krbrepl_heimdal_dump_options, cipher) + sizeof(void *),
               "tail padding");
_Static_assert(sizeof(krbrepl_heimdal_dump_result) ==
                   offsetof(krbrepl_heimdal_dump_result, bytes) + sizeof(uint64_t),
               "tail padding");

typedef struct job {
    krbrepl_store *store;
    krbrepl_view *view;
    krbrepl__common_out out;
    krbrepl_heimdal_dump_options opt;
    krbrepl_heimdal_dump_result res;
    krbrepl_heimdal_cipher cipher; /* size 0: none */
    krbrepl__buf clear;
    uint64_t lost; /* entries that have what a line has no place for */
    krbrepl_errinfo *ei;
} job;

static int write_entry(job *j, krbrepl_bytes value)
{
    krbrepl__hdb_entry e;
    int lost = 0, rc;

    if (j->cipher.size != 0) {
        krbrepl__buf_reset(&j->clear);
        rc = krbrepl__heim_unseal(&j->cipher, value, &j->clear, j->ei);
        if (rc != 0)
            return rc;
        value.data = j->clear.data;
        value.len = j->clear.len;
    }
    if (krbrepl__hdb_entry_read(&e, value, j->ei) != 0)
        return krbrepl__fail(j->ei, KRBREPL_ERR_CORRUPT,
                             "dump: a value of table hdb is no entry of Heimdal; see `krbrepl list`");
    if (j->opt.format == KRBREPL_HEIMDAL_HPROP) {
        krbrepl__buf_vec32(&j->out.buf, value.data, value.len);
        return krbrepl__common_out_flush(&j->out, 0);
    }
    rc = krbrepl__heim_text_write(&j->out.buf, &e, &lost, j->ei);
    j->lost += lost != 0;
    return rc != 0 ? rc : krbrepl__common_out_flush(&j->out, 0);
}

static int one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    job *j = ctx;
    int rc;

    (void)table;
    (void)key;
    /* Aliases are in the extension of their entry, and whoever reads the dump makes them anew. */
    if (krbrepl__hdb_kind(value) == KRBREPL__HDB_ALIAS)
        return 0;
    rc = write_entry(j, value);
    if (rc == 0 && ++j->res.entries % SHOW_EVERY == 0 && j->opt.progress != NULL)
        j->opt.progress(j->opt.ctx, "write", j->res.entries, 0);
    return rc;
}

static int write_all(job *j)
{
    int rc;

    if ((rc = krbrepl_view_open(j->store, &j->view)) != 0 ||
        (rc = krbrepl_view_pos(j->view, &j->res.pos)) != 0)
        return krbrepl__common_store_fail(j->store, rc, j->ei);
    rc = krbrepl_view_each(j->view, KRBREPL__HDB_TABLE, NULL, NULL, 0, one, j);
    if (rc != 0 && j->ei->code != rc)
        return krbrepl__common_store_fail(j->store, rc, j->ei);
    if (rc == 0 && j->opt.format == KRBREPL_HEIMDAL_HPROP)
        krbrepl__buf_u32(&j->out.buf, 0);
    return rc != 0 ? rc : krbrepl__common_out_finish(&j->out);
}

static void tell_lost(const job *j)
{
    char text[200];

    if (j->lost == 0 || j->opt.note == NULL)
        return;
    snprintf(text, sizeof text,
             "%llu entries have fields that the text has no place for; the format hprop holds them",
             (unsigned long long)j->lost);
    j->opt.note(j->opt.ctx, text);
}

static int dump(job *j, const char *file, const krbrepl_heimdal_dump_options *opt)
{
    int rc = krbrepl__widen(&j->opt, sizeof j->opt, opt);

    if (rc != 0)
        return krbrepl__fail_plain(j->ei, rc);
    rc = krbrepl__heim_cipher_take(&j->cipher, j->opt.cipher, j->ei);
    if (rc != 0)
        return rc;
    if (j->opt.format > KRBREPL_HEIMDAL_HPROP)
        return krbrepl__fail(j->ei, KRBREPL_ERR_INVALID, "dump: unknown format");
    rc = krbrepl__common_out_open(&j->out, file, j->ei);
    if (rc == 0)
        rc = write_all(j);
    if (rc == 0)
        tell_lost(j);
    j->res.bytes = j->out.bytes;
    krbrepl_view_close(j->view);
    krbrepl__common_out_close(&j->out);
    krbrepl__buf_free(&j->clear);
    return rc;
}

int krbrepl_heimdal_dump(krbrepl_store *s, const char *file, const krbrepl_heimdal_dump_options *opt,
                         krbrepl_heimdal_dump_result *out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;
    job j;
    int rc;

    krbrepl__errinfo_clear(&mine);
    memset(&j, 0, sizeof j);
    KRBREPL_INIT(&j.res);
    j.store = s;
    j.ei = &mine;
    if (s == NULL || file == NULL)
        rc = krbrepl__fail(&mine, KRBREPL_ERR_INVALID, "dump: an argument is NULL");
    else
        rc = dump(&j, file, opt);
    return krbrepl__common_answer(rc, out, &j.res, sizeof j.res, &mine, ei);
}
