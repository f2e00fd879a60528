#include "test.h"

#include "timer.h"

typedef struct alarm {
    krbrepl__timer t;
    krbrepl__timers *ts;
    uint64_t again; /* sets itself to this */
    int calls;
} alarm;

static uint64_t last_at;

static void ring(void *ctx)
{
    alarm *a = ctx;

    assert_true(a->t.at >= last_at);
    last_at = a->t.at;
    a->calls++;
    if (a->again != 0)
        krbrepl__timer_set(a->ts, &a->t, a->again);
}

static void make(alarm *a, size_t n, krbrepl__timers *ts)
{
    size_t i;

    memset(a, 0, n * sizeof *a);
    last_at = 0;
    for (i = 0; i < n; i++) {
        a[i].ts = ts;
        a[i].t.fn = ring;
        a[i].t.ctx = &a[i];
    }
}

static void timers_ring_in_the_order_of_their_times(void **state)
{
    enum { N = 500 };
    krbrepl__timers ts = {0};
    alarm *a = calloc(N, sizeof *a);
    unsigned i, r = 1;

    (void)state;
    make(a, N, &ts);
    assert_int_equal(krbrepl__timers_reserve(&ts, N), 0);
    for (i = 0; i < 4 * N; i++) {
        r = r * 1103515245u + 12345u;
        if (i % 7 == 3)
            krbrepl__timer_unset(&ts, &a[(r >> 8) % N].t);
        else
            krbrepl__timer_set(&ts, &a[(r >> 8) % N].t, 1 + (r >> 16) % 1000);
    }
    while (krbrepl__timers_next(&ts) != UINT64_MAX)
        krbrepl__timers_run(&ts, krbrepl__timers_next(&ts));
    assert_int_equal(last_at > 0, 1);
    krbrepl__timers_free(&ts);
    free(a);
}

static void only_what_is_due_rings(void **state)
{
    krbrepl__timers ts = {0};
    alarm a[3];

    (void)state;
    make(a, 3, &ts);
    assert_int_equal(krbrepl__timers_reserve(&ts, 3), 0);
    krbrepl__timer_set(&ts, &a[0].t, 10);
    krbrepl__timer_set(&ts, &a[1].t, 20);
    krbrepl__timer_set(&ts, &a[2].t, 15);
    krbrepl__timer_unset(&ts, &a[2].t);
    assert_int_equal(krbrepl__timers_next(&ts), 10);
    krbrepl__timers_run(&ts, 9);
    assert_int_equal(a[0].calls, 0);
    krbrepl__timers_run(&ts, 19);
    assert_int_equal(a[0].calls, 1);
    assert_int_equal(a[1].calls + a[2].calls, 0);
    assert_int_equal(krbrepl__timers_next(&ts), 20);
    krbrepl__timers_free(&ts);
}

static void a_timer_that_sets_itself_to_now_does_not_ring_twice_in_a_turn(void **state)
{
    krbrepl__timers ts = {0};
    alarm a[2];

    (void)state;
    make(a, 2, &ts);
    assert_int_equal(krbrepl__timers_reserve(&ts, 2), 0);
    a[0].again = 5;
    krbrepl__timer_set(&ts, &a[0].t, 5);
    krbrepl__timers_run(&ts, 5);
    assert_int_equal(a[0].calls, 1);
    krbrepl__timers_run(&ts, 5);
    assert_int_equal(a[0].calls, 2);
    krbrepl__timers_free(&ts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_ring_in_the_order_of_their_times),
        cmocka_unit_test(only_what_is_due_rings),
        cmocka_unit_test(a_timer_that_sets_itself_to_now_does_not_ring_twice_in_a_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
