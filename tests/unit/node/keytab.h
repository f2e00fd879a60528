/* keytab.h: a keytab with one random-looking key, so that a master can start where there is no realm. */
#ifndef KEYTAB_H
#define KEYTAB_H

#include "test.h"

#include "buf.h"

#define TEST_SERVICE "krbrepl/test@KRBREPL.TEST"

/* MIT's format 0x0502: entries of realm, components, name type, time, short kvno, enctype, key. */
static void write_keytab_of(const char *path, unsigned enctype, int key_len)
{
    krbrepl__buf b;
    size_t at;
    FILE *f;
    int i;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u16(&b, 0x0502);
    at = b.len;
    krbrepl__buf_u32(&b, 0);
    krbrepl__buf_u16(&b, 2);
    krbrepl__buf_str16(&b, "KRBREPL.TEST");
    krbrepl__buf_str16(&b, "krbrepl");
    krbrepl__buf_str16(&b, "test");
    krbrepl__buf_u32(&b, 1); /* KRB5_NT_PRINCIPAL */
    krbrepl__buf_u32(&b, 0);
    krbrepl__buf_u8(&b, 1);
    krbrepl__buf_u16(&b, enctype);
    krbrepl__buf_u16(&b, (unsigned)key_len);
    for (i = 0; i < key_len; i++)
        krbrepl__buf_u8(&b, (unsigned)(i * 37 + 11) & 0xff);
    krbrepl__buf_set_u32(&b, at, (uint32_t)(b.len - at - 4));
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
    assert_int_equal(fclose(f), 0);
    krbrepl__buf_free(&b);
}

static void write_keytab(const char *path)
{
    write_keytab_of(path, 20 /* aes256-cts-hmac-sha384-192 */, 32);
}

#endif
