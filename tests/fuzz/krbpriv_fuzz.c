/* Bytes of Kerberos on the channel of iprop: a KRB-ERROR, which anybody can send, a KRB-PRIV, and what a peer may have
 * encrypted in one. */
#include <string.h>

#include "der.h"
#include "fuzz.h"
#include "krbpriv.h"

#define AES256_SHA1 18
#define USAGE 13
#define END_OF_TIME (INT64_C(253402300800) * 1000000)

static krbrepl__privkey *key;
static krb5_context ctx; /* which the key borrows */

static void make_key(void)
{
    static unsigned char bytes[32] = {1, 2, 3};
    krb5_keyblock kb;

    if (key != NULL)
        return;
    MUST(krb5_init_context(&ctx) == 0);
    memset(&kb, 0, sizeof kb);
#ifdef KRBREPL_GSS_HEIMDAL
    kb.keytype = AES256_SHA1;
    kb.keyvalue.data = bytes;
    kb.keyvalue.length = sizeof bytes;
#else
    kb.enctype = AES256_SHA1;
    kb.contents = bytes;
    kb.length = sizeof bytes;
#endif
    MUST(krbrepl__privkey_new(&key, ctx, &kb, NULL) == 0);
}

static void look_at_error(krbrepl_bytes in)
{
    char text[KRBREPL__KRBERR_TEXT + 1];
    unsigned code = 256;
    size_t i;

    if (krbrepl__krberr_get(in, &code, text) != 0)
        return;
    MUST(code < 256 && strlen(text) <= KRBREPL__KRBERR_TEXT);
    for (i = 0; text[i] != '\0'; i++)
        MUST(text[i] >= ' ' && text[i] <= '~');
}

static int same(krbrepl_bytes a, krbrepl_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* What is read is written again, and says the same when it is read again. */
static void look_at_message(krbrepl_bytes in)
{
    krbrepl__buf plain, again, b;
    krbrepl__priv p, q;

    krbrepl__buf_init(&plain, 0);
    krbrepl__buf_init(&again, 0);
    krbrepl__buf_init(&b, 0);
    if (krbrepl__priv_get(&p, &plain, key, in) == 0) {
        MUST(p.from.len == 0 || p.from.len == 4 || p.from.len == 16);
        MUST(p.to.len == 0 || p.to.len == 4 || p.to.len == 16);
        MUST(p.time_us >= 0);
        MUST(krbrepl__priv_put(&b, key, &p) == 0);
        MUST(krbrepl__priv_get(&q, &again, key, (krbrepl_bytes){b.data, b.len}) == 0);
        MUST(same(p.data, q.data) && same(p.from, q.from) && same(p.to, q.to));
        /* A leap second at the end of the year 9999 has no other way to be written. */
        MUST(p.time_us == q.time_us || p.time_us >= END_OF_TIME);
    }
    krbrepl__buf_free(&plain);
    krbrepl__buf_free(&again);
    krbrepl__buf_free(&b);
}

static void put_field(krbrepl__buf *b, unsigned n, krbrepl_bytes octets)
{
    size_t at = krbrepl__der_open(b, KRBREPL__DER_CTX(n));

    krbrepl__der_put(b, KRBREPL__DER_OCTET_STRING, octets);
    krbrepl__der_close(b, at);
}

/* A message of a peer that has the key, and encrypts in it what it wants. */
static void look_at_part(krbrepl_bytes part)
{
    size_t app, seq, outer, enc;
    krbrepl__buf cipher, b;

    krbrepl__buf_init(&cipher, 0);
    krbrepl__buf_init(&b, 0);
    MUST(krbrepl__privkey_seal(key, USAGE, part, &cipher) == 0);
    app = krbrepl__der_open(&b, KRBREPL__DER_APP(21));
    seq = krbrepl__der_open(&b, KRBREPL__DER_SEQUENCE);
    krbrepl__der_put_ctx_int(&b, 0, 5);
    krbrepl__der_put_ctx_int(&b, 1, 21);
    outer = krbrepl__der_open(&b, KRBREPL__DER_CTX(3));
    enc = krbrepl__der_open(&b, KRBREPL__DER_SEQUENCE);
    krbrepl__der_put_ctx_int(&b, 0, AES256_SHA1);
    put_field(&b, 2, (krbrepl_bytes){cipher.data, cipher.len});
    krbrepl__der_close(&b, enc);
    krbrepl__der_close(&b, outer);
    krbrepl__der_close(&b, seq);
    krbrepl__der_close(&b, app);
    MUST(b.err == 0);
    look_at_message((krbrepl_bytes){b.data, b.len});
    krbrepl__buf_free(&cipher);
    krbrepl__buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl_bytes in = {p, n};

    make_key();
    look_at_error(in);
    look_at_message(in);
    look_at_part(in);
    return 0;
}
