/* The key version of a stash file. */
#include "mitcase.h"

#include <unistd.h>

/* A slot of a keytab: K/M or another name, realm R.T. */
static size_t slot(uint8_t *at, const char *second, unsigned kvno8, int wide, unsigned kvno32)
{
    size_t n = 4;

#define PUT(s) (memcpy(at + n, s, sizeof(s) - 1), n += sizeof(s) - 1)
    PUT("\0\2\0\3R.T\0\1K\0\1");
    at[n++] = (uint8_t)second[0];
    PUT("\0\0\0\1\0\0\0\0");
    at[n++] = (uint8_t)kvno8;
    PUT("\0\22\0\4KEYS");
    if (wide) {
        PUT("\0\0");
        at[n++] = (uint8_t)(kvno32 >> 8);
        at[n++] = (uint8_t)kvno32;
    }
#undef PUT
    memset(at, 0, 4);
    at[3] = (uint8_t)(n - 4);
    return n;
}

static int kvno_of(const void *bytes, size_t len, const char *realm, uint64_t *kvno,
                   krbrepl_errinfo *ei)
{
    char path[] = "/tmp/krbrepl-stash.XXXXXX";
    int64_t enctype = 0;
    int rc, fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    rc = krbrepl_mit_stash_kvno(path, realm, kvno, &enctype, ei);
    unlink(path);
    if (rc == 0)
        assert_int_equal(enctype, 18);
    return rc;
}

static void newest_key_version_of_the_stash_is_found(void **state)
{
    uint8_t file[512] = {5, 2};
    krbrepl_errinfo ei = {.size = sizeof ei};
    uint64_t kvno = 0;
    size_t n = 2;

    (void)state;
    n += slot(file + n, "M", 3, 0, 0);
    assert_int_equal(kvno_of(file, n, NULL, &kvno, &ei), 0);
    assert_int_equal(kvno, 3);
    n += slot(file + n, "X", 9, 0, 0); /* not the master key */
    n += slot(file + n, "M", 44, 1, 300);
    n += slot(file + n, "M", 5, 1, 0); /* a wide version of 0 does not count */
    assert_int_equal(kvno_of(file, n, "R.T", &kvno, &ei), 0);
    assert_int_equal(kvno, 300);
    assert_int_equal(kvno_of(file, n, "OTHER", &kvno, &ei), KRBREPL_ERR_NOTFOUND);
    assert_non_null(strstr(ei.text, "K/M@OTHER"));
}

static void unused_slots_are_skipped(void **state)
{
    static const uint8_t hole[] = {0xff, 0xff, 0xff, 0xfb, 1, 2, 3, 4, 5};
    uint8_t file[512] = {5, 2};
    krbrepl_errinfo ei = {.size = sizeof ei};
    uint64_t kvno = 0;
    size_t n = 2;

    (void)state;
    memcpy(file + n, hole, sizeof hole);
    n += sizeof hole;
    n += slot(file + n, "M", 2, 0, 0);
    assert_int_equal(kvno_of(file, n, NULL, &kvno, &ei), 0);
    assert_int_equal(kvno, 2);
}

static void file_that_is_no_keytab_is_refused_with_advice(void **state)
{
    krbrepl_errinfo ei = {.size = sizeof ei};
    uint64_t kvno;

    (void)state;
    assert_int_equal(kvno_of("\22\0\40\0\0\0keykeykey", 15, NULL, &kvno, &ei), KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(ei.text, "kdb5_util stash"));
    assert_int_equal(kvno_of("", 0, NULL, &kvno, &ei), KRBREPL_ERR_FORMAT);
    assert_int_equal(krbrepl_mit_stash_kvno("/nonexistent/stash", NULL, &kvno, NULL, &ei),
                     KRBREPL_ERR_NOTFOUND);
}

static void damaged_stash_does_no_harm(void **state)
{
    uint8_t file[512] = {5, 2}, was;
    krbrepl_errinfo ei = {.size = sizeof ei};
    uint64_t kvno;
    size_t n = 2, i;
    int rc;

    (void)state;
    n += slot(file + n, "M", 3, 1, 3);
    for (i = 0; i < n; i++) {
        rc = kvno_of(file, i, NULL, &kvno, &ei);
        assert_true(rc == KRBREPL_ERR_FORMAT || rc == KRBREPL_ERR_NOTFOUND);
    }
    for (i = 0; i < 13; i++) {
        was = file[i];
        file[i] = 0xff;
        rc = kvno_of(file, n, NULL, &kvno, &ei);
        assert_true(rc == KRBREPL_ERR_FORMAT || rc == KRBREPL_ERR_NOTFOUND || rc == 0);
        file[i] = was;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_key_version_of_the_stash_is_found),
        cmocka_unit_test(unused_slots_are_skipped),
        cmocka_unit_test(file_that_is_no_keytab_is_refused_with_advice),
        cmocka_unit_test(damaged_stash_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
