#include "sys.h"

#include <limits.h>
#include <time.h>

#include <openssl/rand.h>

#include <krbrepl/error.h>

static uint64_t mono_ms(void *ctx)
{
    struct timespec ts;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int64_t wall_us(void *ctx)
{
    struct timespec ts;

    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* OpenSSL's generator reseeds itself after a fork. */
static int sys_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    return n <= INT_MAX && RAND_bytes(out, (int)n) == 1 ? 0 : KRBREPL_ERR_IO;
}

const krbrepl__sys *krbrepl__sys_default(void)
{
    static const krbrepl__sys sys = {mono_ms, wall_us, sys_random, NULL};

    return &sys;
}
