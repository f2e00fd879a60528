#include "made.h"

#include <string.h>

#include "der.h"

static void princ_of(krbrepl__hdb_princ *p, const char *name)
{
    memset(p, 0, sizeof *p);
    p->type = 1;
    p->realm = (krbrepl_bytes){"EXAMPLE.ORG", 11};
    p->n = 1;
    p->comp[0] = (krbrepl_bytes){name, strlen(name)};
}

static void put_when(krbrepl__buf *b, unsigned n, const char *when)
{
    size_t at = krbrepl__der_open(b, KRBREPL__DER_CTX(n));

    krbrepl__der_put(b, KRBREPL__DER_TIME, (krbrepl_bytes){when, 15});
    krbrepl__der_close(b, at);
}

static void put_time(krbrepl__buf *b, unsigned n)
{
    put_when(b, n, "20260101000000Z");
}

static void put_event(krbrepl__buf *b, unsigned n, unsigned who)
{
    char when[] = "20260101000000Z";
    size_t at = krbrepl__der_open(b, KRBREPL__DER_CTX(n));
    size_t seq = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);

    when[3] = (char)('0' + who);
    put_when(b, 0, when);
    krbrepl__der_close(b, seq);
    krbrepl__der_close(b, at);
}

static void put_extension(krbrepl__buf *b, unsigned kind, const made *e)
{
    size_t seq = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE), at, in, list, i;
    krbrepl__hdb_princ p;

    at = krbrepl__der_open(b, KRBREPL__DER_CTX(0));
    krbrepl__der_put(b, KRBREPL__DER_BOOLEAN, (krbrepl_bytes){"\0", 1});
    krbrepl__der_close(b, at);
    at = krbrepl__der_open(b, KRBREPL__DER_CTX(1));
    in = krbrepl__der_open(b, KRBREPL__DER_CTX(kind));
    if (kind == KRBREPL__HDB_EXT_ALIASES) {
        list = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
        i = krbrepl__der_open(b, KRBREPL__DER_CTX(0));
        krbrepl__der_put(b, KRBREPL__DER_BOOLEAN, (krbrepl_bytes){"\0", 1});
        krbrepl__der_close(b, i);
        i = krbrepl__der_open(b, KRBREPL__DER_CTX(1));
        size_t names = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE), k;
        for (k = 0; e->aliases[k] != NULL; k++) {
            princ_of(&p, e->aliases[k]);
            krbrepl__hdb_princ_write(b, &p);
        }
        krbrepl__der_close(b, names);
        krbrepl__der_close(b, i);
        krbrepl__der_close(b, list);
    } else {
        krbrepl__der_put(b, KRBREPL__DER_TIME, (krbrepl_bytes){"20260101000000Z", 15});
    }
    krbrepl__der_close(b, in);
    krbrepl__der_close(b, at);
    krbrepl__der_close(b, seq);
}

void made_entry(krbrepl__buf *b, const made *e)
{
    size_t whole, at, seq;
    krbrepl__hdb_princ p;

    krbrepl__buf_reset(b);
    whole = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    princ_of(&p, e->name);
    at = krbrepl__der_open(b, KRBREPL__DER_CTX(0));
    krbrepl__hdb_princ_write(b, &p);
    krbrepl__der_close(b, at);
    krbrepl__der_put_ctx_int(b, 1, e->kvno);
    at = krbrepl__der_open(b, KRBREPL__DER_CTX(2));
    krbrepl__der_put(b, KRBREPL__DER_SEQUENCE, (krbrepl_bytes){NULL, 0});
    krbrepl__der_close(b, at);
    put_event(b, 3, e->creator);
    if (e->kvno % 2 == 0)
        put_event(b, 4, 6);
    if (e->start)
        put_time(b, 5);
    if (e->kvno % 3 == 0)
        put_time(b, 6);
    at = krbrepl__der_open(b, KRBREPL__DER_CTX(10));
    krbrepl__der_put_flags(b, e->kvno & 0x7e);
    krbrepl__der_close(b, at);
    if (!e->bare) {
        at = krbrepl__der_open(b, KRBREPL__DER_CTX(13));
        seq = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
        put_extension(b, 7, e);
        if (e->aliases[0] != NULL)
            put_extension(b, KRBREPL__HDB_EXT_ALIASES, e);
        krbrepl__der_close(b, seq);
        krbrepl__der_close(b, at);
    }
    krbrepl__der_close(b, whole);
}

void made_key(krbrepl__buf *key, const char *name)
{
    krbrepl__hdb_princ p;

    princ_of(&p, name);
    krbrepl__buf_reset(key);
    krbrepl__hdb_key(key, &p);
}

void made_alias(krbrepl__buf *value, const char *of)
{
    krbrepl__hdb_princ p;

    princ_of(&p, of);
    krbrepl__buf_reset(value);
    krbrepl__hdb_alias_write(value, &p);
}
