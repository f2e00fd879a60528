#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sock.h"
#include "usock.h"

/* ---- addresses ------------------------------------------------------------------------------ */

static void split(const char *s, const char *host, const char *port)
{
    char h[64], p[16];

    assert_int_equal(krbrepl__hostport_split(s, strlen(s), h, sizeof h, p, sizeof p), 0);
    assert_string_equal(h, host);
    assert_string_equal(p, port);
}

static void no_split(const char *s)
{
    char h[16], p[8];

    assert_int_equal(krbrepl__hostport_split(s, strlen(s), h, sizeof h, p, sizeof p),
                     KRBREPL_ERR_INVALID);
}

static void a_host_and_a_port_are_told_apart(void **state)
{
    (void)state;
    split("kdc1", "kdc1", "");
    split("kdc1:754", "kdc1", "754");
    split("[::1]:754", "::1", "754");
    split("[::1]", "::1", "");
    split("fe80::1", "fe80::1", "");
    split(":754", "", "754");
    split("*:754", "*", "754");
    no_split("kdc1:");
    no_split("[::1");
    no_split("[::1]754");
    no_split("[::1]:");
    no_split("a-host-name-that-is-too-long");
    no_split("kdc1:123456789");
    no_split("kdc1:65536");
}

static void only_numbers_are_addresses_to_listen_on(void **state)
{
    krbrepl__addr a[2];
    char text[KRBREPL__ADDR_TEXT];

    (void)state;
    assert_int_equal(krbrepl__addr_parse("127.0.0.1", "2121", a), 1);
    krbrepl__addr_text(&a[0], text);
    assert_string_equal(text, "127.0.0.1:2121");
    assert_int_equal(krbrepl__addr_parse("::1", "2121", a), 1);
    krbrepl__addr_text(&a[0], text);
    assert_string_equal(text, "[::1]:2121");
    assert_int_equal(krbrepl__addr_parse("*", "2121", a), 2);
    krbrepl__addr_text(&a[0], text);
    assert_string_equal(text, "[::]:2121");
    krbrepl__addr_text(&a[1], text);
    assert_string_equal(text, "0.0.0.0:2121");
    assert_int_equal(krbrepl__addr_parse("localhost", "2121", a), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__addr_parse("127.0.0.1", "70000", a), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__addr_parse("2121", "2121", a), KRBREPL_ERR_INVALID);
}

static void an_ipv6_network_counts_as_one_address(void **state)
{
    krbrepl__addr a[2], b[2];
    uint8_t ka[KRBREPL__ADDR_KEY], kb[KRBREPL__ADDR_KEY];

    (void)state;
    krbrepl__addr_parse("2001:db8::1", "1", a);
    krbrepl__addr_parse("2001:db8::ffff:2", "2", b);
    krbrepl__addr_key(a, ka);
    krbrepl__addr_key(b, kb);
    assert_memory_equal(ka, kb, sizeof ka);
    krbrepl__addr_parse("2001:db8:0:1::1", "1", b);
    krbrepl__addr_key(b, kb);
    assert_memory_not_equal(ka, kb, sizeof ka);
}

/* ---- TCP ------------------------------------------------------------------------------------ */

static void await(int fd, short what)
{
    struct pollfd p = {fd, what, 0};

    assert_int_equal(poll(&p, 1, -1), 1);
}

static int listen_on_loopback(krbrepl__addr *a)
{
    krbrepl__addr any[2];
    int fd;

    assert_int_equal(krbrepl__addr_parse("127.0.0.1", "0", any), 1);
    *a = any[0];
    assert_int_equal(krbrepl__sock_listen(a, &fd, NULL), 0);
    assert_int_equal(krbrepl__sock_bound(fd, a), 0);
    return fd;
}

static void bytes_travel_and_nothing_blocks(void **state)
{
    krbrepl__addr a, peer;
    char buf[16];
    size_t n;
    int l = listen_on_loopback(&a), c, s;

    (void)state;
    assert_int_equal(krbrepl__sock_accept(l, &s, &peer), 1);
    assert_int_equal(krbrepl__sock_connect(&a, &c, NULL), 0);
    await(c, POLLOUT);
    assert_int_equal(krbrepl__sock_error(c), 0);
    await(l, POLLIN);
    assert_int_equal(krbrepl__sock_accept(l, &s, &peer), 0);
    assert_int_equal(fcntl(s, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(c, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(krbrepl__sock_recv(s, buf, sizeof buf, &n), 1);
    assert_int_equal(krbrepl__sock_send(c, "hello", 5, &n), 0);
    await(s, POLLIN);
    assert_int_equal(krbrepl__sock_recv(s, buf, sizeof buf, &n), 0);
    assert_int_equal(n, 5);
    krbrepl__sock_close(c);
    await(s, POLLIN);
    assert_int_equal(krbrepl__sock_recv(s, buf, sizeof buf, &n), 2);
    krbrepl__sock_close(s);
    krbrepl__sock_close(l);
}

static void sending_into_a_broken_connection_raises_no_signal(void **state)
{
    krbrepl__addr a, peer;
    size_t n;
    int l = listen_on_loopback(&a), c, s, i, rc = 0;

    (void)state;
    assert_int_equal(krbrepl__sock_connect(&a, &c, NULL), 0);
    await(l, POLLIN);
    assert_int_equal(krbrepl__sock_accept(l, &s, &peer), 0);
    krbrepl__sock_close(s);
    for (i = 0; i < 1000 && rc >= 0; i++) {
        rc = krbrepl__sock_send(c, "x", 1, &n);
        if (rc >= 0)
            await(c, POLLOUT);
    }
    assert_int_equal(rc, KRBREPL_ERR_NET);
    krbrepl__sock_close(c);
    krbrepl__sock_close(l);
}

static void a_connect_that_is_refused_says_so(void **state)
{
    krbrepl__addr a;
    krbrepl_errinfo ei = {.size = sizeof ei};
    int l = listen_on_loopback(&a), c, rc;

    (void)state;
    krbrepl__sock_close(l);
    rc = krbrepl__sock_connect(&a, &c, &ei);
    if (rc == 0) {
        await(c, POLLOUT);
        assert_int_equal(krbrepl__sock_error(c), ECONNREFUSED);
        close(c);
    } else {
        assert_int_equal(rc, KRBREPL_ERR_NET);
        assert_int_equal(ei.sys_errno, ECONNREFUSED);
    }
}

static void two_cannot_listen_on_one_address(void **state)
{
    krbrepl__addr a;
    krbrepl_errinfo ei = {.size = sizeof ei};
    int l = listen_on_loopback(&a), fd;

    (void)state;
    assert_int_equal(krbrepl__sock_listen(&a, &fd, &ei), KRBREPL_ERR_NET);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(ei.text, "cannot listen on 127.0.0.1:"));
    assert_non_null(strstr(ei.text, "name another address or port"));
    krbrepl__sock_close(l);
}

/* Otherwise a child of the host that lives on would keep the peer waiting. */
static void a_closed_connection_ends_though_a_child_holds_it(void **state)
{
    krbrepl__addr a, peer;
    int l = listen_on_loopback(&a), c, s, hold[2], status;
    size_t n;
    char buf[4];
    pid_t child;

    (void)state;
    assert_int_equal(pipe(hold), 0);
    assert_int_equal(krbrepl__sock_connect(&a, &c, NULL), 0);
    await(l, POLLIN);
    assert_int_equal(krbrepl__sock_accept(l, &s, &peer), 0);
    child = fork();
    if (child == 0) {
        close(hold[1]);
        _exit(read(hold[0], buf, 1) == 0 ? 0 : 1);
    }
    krbrepl__sock_close(s);
    await(c, POLLIN);
    assert_int_equal(krbrepl__sock_recv(c, buf, sizeof buf, &n), 2);
    close(hold[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(hold[0]);
    krbrepl__sock_close(c);
    krbrepl__sock_close(l);
}

/* ---- UNIX sockets --------------------------------------------------------------------------- */

typedef struct place {
    char top[64];
    char path[1024];
    int dirfd;
} place;

/* A directory whose path is far longer than a socket's address. */
static void make_place(place *p)
{
    char part[101];
    int i;

    memset(part, 'd', sizeof part - 1);
    part[0] = '/';
    part[sizeof part - 1] = '\0';
    snprintf(p->top, sizeof p->top, "/tmp/krbrepl-sock-XXXXXX");
    assert_non_null(mkdtemp(p->top));
    snprintf(p->path, sizeof p->path, "%s", p->top);
    for (i = 0; i < 4; i++) {
        strncat(p->path, part, sizeof p->path - strlen(p->path) - 1);
        assert_int_equal(mkdir(p->path, 0700), 0);
    }
    p->dirfd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(p->dirfd >= 0);
}

static void drop_place(place *p)
{
    close(p->dirfd);
    while (strcmp(p->path, p->top) != 0) {
        assert_int_equal(rmdir(p->path), 0);
        *strrchr(p->path, '/') = '\0';
    }
    assert_int_equal(rmdir(p->top), 0);
}

static mode_t mode_of(int dirfd, const char *name)
{
    struct stat st;

    assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISSOCK(st.st_mode));
    return st.st_mode & 0777;
}

static void a_socket_in_a_very_long_path_is_reached(void **state)
{
    place p;
    int l, c, s;
    size_t n;
    char buf[8];

    (void)state;
    make_place(&p);
    assert_int_equal(krbrepl__usock_bind(p.dirfd, "node.sock", SOCK_STREAM, &l, NULL), 0);
    assert_int_equal(krbrepl__usock_connect(p.dirfd, "node.sock", SOCK_STREAM, &c, NULL), 0);
    assert_int_equal(krbrepl__usock_accept(l, &s), 0);
    assert_int_equal(krbrepl__sock_send(c, "hello", 5, &n), 0);
    assert_int_equal(krbrepl__sock_recv(s, buf, sizeof buf, &n), 0);
    assert_int_equal(n, 5);
    close(s);
    close(c);
    krbrepl__usock_unbind(p.dirfd, "node.sock", l);
    assert_int_equal(faccessat(p.dirfd, "node.sock", F_OK, 0), -1);
    drop_place(&p);
}

static void a_socket_has_the_rights_of_its_directory_whatever_the_umask(void **state)
{
    place p;
    int l;
    mode_t before = umask(0);

    (void)state;
    make_place(&p);
    assert_int_equal(krbrepl__usock_bind(p.dirfd, "s", SOCK_DGRAM, &l, NULL), 0);
    assert_int_equal(mode_of(p.dirfd, "s"), 0600);
    krbrepl__usock_unbind(p.dirfd, "s", l);
    umask(0777);
    assert_int_equal(fchmod(p.dirfd, 0770), 0);
    assert_int_equal(krbrepl__usock_bind(p.dirfd, "s", SOCK_DGRAM, &l, NULL), 0);
    assert_int_equal(mode_of(p.dirfd, "s"), 0660);
    krbrepl__usock_unbind(p.dirfd, "s", l);
    umask(before);
    drop_place(&p);
}

static void a_stale_socket_is_replaced_and_an_absent_one_is_told(void **state)
{
    place p;
    krbrepl_errinfo ei = {.size = sizeof ei};
    int l, c;

    (void)state;
    make_place(&p);
    assert_int_equal(krbrepl__usock_connect(p.dirfd, "s", SOCK_STREAM, &c, &ei), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__usock_bind(p.dirfd, "s", SOCK_STREAM, &l, NULL), 0);
    close(l); /* as a process that was killed */
    assert_int_equal(krbrepl__usock_connect(p.dirfd, "s", SOCK_STREAM, &c, &ei), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__usock_bind(p.dirfd, "s", SOCK_STREAM, &l, NULL), 0);
    assert_int_equal(krbrepl__usock_connect(p.dirfd, "s", SOCK_STREAM, &c, &ei), 0);
    close(c);
    krbrepl__usock_unbind(p.dirfd, "s", l);
    drop_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_and_a_port_are_told_apart),
        cmocka_unit_test(only_numbers_are_addresses_to_listen_on),
        cmocka_unit_test(an_ipv6_network_counts_as_one_address),
        cmocka_unit_test(bytes_travel_and_nothing_blocks),
        cmocka_unit_test(sending_into_a_broken_connection_raises_no_signal),
        cmocka_unit_test(a_connect_that_is_refused_says_so),
        cmocka_unit_test(two_cannot_listen_on_one_address),
        cmocka_unit_test(a_closed_connection_ends_though_a_child_holds_it),
        cmocka_unit_test(a_socket_in_a_very_long_path_is_reached),
        cmocka_unit_test(a_socket_has_the_rights_of_its_directory_whatever_the_umask),
        cmocka_unit_test(a_stale_socket_is_replaced_and_an_absent_one_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
