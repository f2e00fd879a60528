/* UNIX sockets in a directory that others may write to. */
#define _GNU_SOURCE 1

#include "test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "usock.h"

static const char *victim; /* what a member of the group would like to have opened */

/* In place of the C library's, at the moment between the making of the socket and the setting of its rights:
 * the socket's name is made a link. */
int fchownat(int dirfd, const char *name, uid_t uid, gid_t gid, int flags)
{
    (void)uid;
    (void)gid;
    (void)flags;
    if (victim == NULL)
        return 0;
    return unlinkat(dirfd, name, 0) == 0 ? symlinkat(victim, dirfd, name) : -1;
}

static void a_link_in_place_of_the_socket_opens_no_other_file(void **state)
{
    char top[] = "/tmp/krbrepl-usock-XXXXXX", dir[64], file[64], sock[80];
    struct stat st;
    int dirfd, fd = -1, f;

    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(dir, sizeof dir, "%s/dir", top);
    snprintf(file, sizeof file, "%s/secret", top);
    snprintf(sock, sizeof sock, "%s/s", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(chmod(dir, 0770), 0);
    f = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(f >= 0);
    dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dirfd >= 0);
    assert_int_equal(krbrepl__usock_bind(dirfd, "s", SOCK_STREAM, &fd, NULL), 0);
    assert_int_equal(stat(sock, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    krbrepl__usock_unbind(dirfd, "s", fd);
    victim = file;
    assert_int_equal(krbrepl__usock_bind(dirfd, "s", SOCK_STREAM, &fd, NULL), KRBREPL_ERR_NET);
    assert_int_equal(fd, -1);
    assert_int_equal(fstat(f, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(f);
    close(dirfd);
    unlink(sock);
    unlink(file);
    rmdir(dir);
    assert_int_equal(rmdir(top), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_in_place_of_the_socket_opens_no_other_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
