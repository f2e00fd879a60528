/* A store is closed by one thread while another one gives back the last view of it: the store stays, or nobody is inside of
 * it any more.
 *
 * The linker puts the __wrap_ functions here in the place of those that the library calls. */
#include "test.h"

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "store.h"

int __real_krbrepl__store_busy(const krbrepl_store *s);
int __real_krbrepl__store_lent(const krbrepl_store *s);
void __real_krbrepl__store_unlend(krbrepl_store *s);
void __real_krbrepl__store_close(krbrepl_store *s);
int __wrap_krbrepl__store_busy(const krbrepl_store *s);
int __wrap_krbrepl__store_lent(const krbrepl_store *s);
void __wrap_krbrepl__store_unlend(krbrepl_store *s);
void __wrap_krbrepl__store_close(krbrepl_store *s);

static struct {
    int armed;  /* the next look lets the other thread begin */
    int inside; /* it has given the view back, and is in the call still */
    int ruined; /* the store was closed then */
    sem_t in, out;
    krbrepl_view *view;
    pthread_t thread;
} other;

static void *give_back(void *arg)
{
    krbrepl_view_close(arg);
    return NULL;
}

static void begin_other(void)
{
    other.armed = 0;
    assert_int_equal(pthread_create(&other.thread, NULL, give_back, other.view), 0);
    while (sem_wait(&other.in) != 0)
        ;
}

int __wrap_krbrepl__store_busy(const krbrepl_store *s)
{
    const int is = __real_krbrepl__store_busy(s);

    if (other.armed)
        begin_other();
    return is;
}

int __wrap_krbrepl__store_lent(const krbrepl_store *s)
{
    const int is = __real_krbrepl__store_lent(s);

    if (other.armed)
        begin_other();
    return is;
}

void __wrap_krbrepl__store_unlend(krbrepl_store *s)
{
    __real_krbrepl__store_unlend(s);
    other.inside = 1;
    sem_post(&other.in);
    while (sem_wait(&other.out) != 0)
        ;
    other.inside = 0;
}

void __wrap_krbrepl__store_close(krbrepl_store *s)
{
    other.ruined |= other.inside;
    if (!other.inside)
        __real_krbrepl__store_close(s);
}

static void a_store_is_not_closed_while_its_last_view_is_given_back(void **state)
{
    char top[] = "/tmp/krbrepl-closing-XXXXXX", dir[64], command[96];
    krbrepl_create_options o;
    krbrepl_store *s;

    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(dir, sizeof dir, "%s/store", top);
    KRBREPL_INIT(&o);
    o.flags = KRBREPL_CREATE_MASTER;
    assert_int_equal(krbrepl_store_create(dir, &o, NULL), 0);
    assert_int_equal(krbrepl_store_open(&s, dir, NULL, NULL), 0);
    assert_int_equal(krbrepl_view_open(s, &other.view), 0);
    assert_int_equal(sem_init(&other.in, 0, 0), 0);
    assert_int_equal(sem_init(&other.out, 0, 0), 0);
    other.armed = 1;
    krbrepl_store_close(s);
    assert_false(other.armed);
    sem_post(&other.out);
    assert_int_equal(pthread_join(other.thread, NULL), 0);
    assert_false(other.ruined);
    assert_int_equal(krbrepl_view_open(s, NULL), KRBREPL_ERR_INVALID); /* it is there */
    krbrepl_store_close(s);
    sem_destroy(&other.in);
    sem_destroy(&other.out);
    snprintf(command, sizeof command, "rm -rf %s", top);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_is_not_closed_while_its_last_view_is_given_back),
    };

    return cmocka_run_group_tests_name("api/closing", tests, NULL, NULL);
}
