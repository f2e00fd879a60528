/* Dumps on a disk that fails, at each call that writes, syncs or renames: the old file whole or the new one whole,
 * and FILE.dump_ok, which says that the dump is complete, only when everything went well. */
#include "scene.h"

#include <sys/stat.h>
#include <unistd.h>

#include "iofail.h"

static off_t size_of(const char *file, const char *suffix)
{
    char path[300];
    struct stat st;

    snprintf(path, sizeof path, "%s%s", file, suffix);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void dump_on_a_failing_disk_is_the_old_file_or_the_new_one(void **state)
{
    static const enum iofail_kind kinds[] = {IOFAIL_EIO, IOFAIL_ENOSPC, IOFAIL_PART};
    struct scene *c = *state;
    unsigned long n, all = 0;
    char *text;
    int rc, more, is_old;
    size_t i;

    assert_int_equal(scene_load(c, V7 MKEY), 0);
    for (i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++)
        for (n = 0, more = 1; more; n++, all++) {
            scene_write(c->other, "an older dump");
            iofail_arm(kinds[i / 2], n, i % 2 != 0);
            rc = krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei);
            more = iofail_disarm();
            assert_int_equal(rc == 0, !more);
            text = scene_read(c->other);
            is_old = strcmp(text, "an older dump") == 0;
            if (!is_old)
                assert_string_equal(text, V7 MKEY);
            free(text);
            assert_int_equal(size_of(c->other, ".tmp"), -1);
            if (rc == 0) {
                assert_int_equal(size_of(c->other, ".dump_ok"), 1);
                continue;
            }
            assert_true(rc == KRBREPL_ERR_IO || rc == KRBREPL_ERR_NOSPACE);
            assert_int_equal(rc, c->ei.code);
            /* Whoever waits for it must not take the older file for a new one. The first call of all empties it. */
            if (is_old && n != 0)
                assert_int_equal(size_of(c->other, ".dump_ok"), 0);
        }
    assert_true(all > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(dump_on_a_failing_disk_is_the_old_file_or_the_new_one),
    };

    return cmocka_run_group_tests_name("mit/iofail", tests, NULL, NULL);
}
