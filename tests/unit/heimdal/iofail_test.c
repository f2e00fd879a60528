/* Dumps and loads on a disk that fails, at each call in turn: the old dump whole or the new one whole, the old
 * content whole or the new one whole. */
#include "place.h"

#include <unistd.h>

#include "iofail.h"

static const enum iofail_kind writes[] = {IOFAIL_EIO, IOFAIL_ENOSPC, IOFAIL_PART};
static const char older[] = "an older dump\n";

static void expect_old_or_new(place *p, const char *new_one, size_t len, int rc)
{
    char tmp[128], *text;
    size_t n;

    text = place_read(p->file, &n);
    if (rc == 0 || n != sizeof older - 1 || memcmp(text, older, n) != 0) {
        assert_int_equal(n, len);
        assert_memory_equal(text, new_one, n);
    }
    free(text);
    snprintf(tmp, sizeof tmp, "%s.tmp", p->file);
    assert_int_not_equal(access(tmp, F_OK), 0);
    assert_true(rc == 0 || rc == KRBREPL_ERR_IO || rc == KRBREPL_ERR_NOSPACE);
    assert_true(rc == 0 || rc == p->ei.code);
}

static void a_dump_on_a_failing_disk_is_the_old_file_or_the_new_one(void **state)
{
    place *p = *state;
    unsigned long n, all = 0;
    size_t i, len;
    int rc, more;
    char *good;

    assert_int_equal(place_load(p, SAMPLES "/sealed.dump", 0), 0);
    place_dump(p, 0);
    good = place_read(p->file, &len);
    for (i = 0; i < 2 * sizeof writes / sizeof writes[0]; i++)
        for (n = 0, more = 1; more; n++, all++) {
            place_write(p->file, older, sizeof older - 1);
            KRBREPL_INIT(&p->ei);
            iofail_arm(writes[i / 2], n, i % 2 != 0);
            rc = krbrepl_heimdal_dump(p->s, p->file, NULL, NULL, &p->ei);
            more = iofail_disarm();
            assert_int_equal(rc == 0, !more);
            expect_old_or_new(p, good, len, rc);
        }
    assert_true(all > 12);
    free(good);
}

static void a_file_that_cannot_be_read_to_its_end_changes_nothing(void **state)
{
    static const char *const files[] = {SAMPLES "/sealed.dump", SAMPLES "/hprop.out"};
    place *p = *state;
    unsigned long n;
    size_t i;
    int rc, more;

    for (i = 0; i < 4; i++)
        for (n = 0, more = 1; more; n++) {
            iofail_arm(IOFAIL_READ_EIO, n, 0);
            rc = place_load(p, files[i / 2], i % 2 != 0 ? KRBREPL_HEIMDAL_LOAD_UPDATE : 0);
            more = iofail_disarm();
            assert_int_equal(rc == 0, !more);
            assert_true(rc == 0 || rc == KRBREPL_ERR_IO);
            assert_int_equal(place_records(p), rc == 0 || i > 0 ? 15 : 0);
        }
    iofail_arm(IOFAIL_READ_PIECES, 0, 1);
    rc = krbrepl_heimdal_replay(p->s, SAMPLES "/log", NULL, NULL, &p->ei);
    iofail_disarm();
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE(a_dump_on_a_failing_disk_is_the_old_file_or_the_new_one),
        PLACE(a_file_that_cannot_be_read_to_its_end_changes_nothing),
    };

    return cmocka_run_group_tests_name("heimdal/iofail", tests, NULL, NULL);
}
