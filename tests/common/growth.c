#include "growth.h"

#include <sys/wait.h>
#include <unistd.h>

#define COUNT(names) (sizeof(names) / sizeof(names)[0])

static const char *const public_structs[] = {
#define KRBREPL_SIZED(name) #name,
#include "sized.inc"
#undef KRBREPL_SIZED
};

static const char *const telling_functions[] = {
#define KRBREPL_WITH_ERRINFO(name) #name,
#include "errinfos.inc"
#undef KRBREPL_WITH_ERRINFO
};

static const char *const functions_with_handle[] = {
#define KRBREPL_WITH_HANDLE(function, handle) #function,
#include "handles.inc"
#undef KRBREPL_WITH_HANDLE
};

static unsigned char *make(size_t len, int fill)
{
    size_t room = len < sizeof len ? sizeof len : len;
    unsigned char *p = malloc(room);

    assert_non_null(p);
    memset(p, fill, room);
    memcpy(p, &len, sizeof len);
    return p;
}

static size_t size_of(const void *p)
{
    size_t size;

    memcpy(&size, p, sizeof size);
    return size;
}

/* ---- structs that a function takes ----------------------------------------------------------- */

static unsigned char *make_sample(const shape *s, size_t len)
{
    unsigned char *p = make(len, 0);

    if (s->sample != NULL && len >= s->least)
        memcpy(p + sizeof len, (const unsigned char *)s->sample + sizeof len, s->least - sizeof len);
    return p;
}

static void expect(const shape *s, size_t len, int want, int got, const char *what)
{
    if (want != got)
        fail_msg("%s of %zu bytes (today's: %zu)%s: %s, not %s", s->name, len, s->now, what,
                 krbrepl_err_name(got), krbrepl_err_name(want));
}

/* Fields that are needed are not there: some error, but none about the struct. */
static void expect_refused(const shape *s, size_t len, int got)
{
    if (got == 0 || got == KRBREPL_ERR_ABI)
        fail_msg("%s of %zu bytes: %s", s->name, len, krbrepl_err_name(got));
}

/* What this library does not know has to be zero. */
static void check_tail(const shape *s, size_t len, unsigned char *p, void *ctx)
{
    size_t i;

    for (i = len == s->now + GROWTH_FURTHER ? s->now : len - 1; i < len; i++) {
        p[i] = 1;
        expect(s, len, KRBREPL_ERR_ABI, s->go(ctx, p), ", its tail not zero");
        p[i] = 0;
    }
}

static void check_taken(const shape *s, void *ctx)
{
    unsigned char *p;
    size_t len;
    int rc;

    for (len = 0; len <= s->now + GROWTH_FURTHER; len++) {
        p = make_sample(s, len);
        rc = s->go(ctx, p);
        if (len < sizeof len)
            expect(s, len, KRBREPL_ERR_INVALID, rc, "");
        else if (len < s->least)
            expect_refused(s, len, rc);
        else
            expect(s, len, s->answer, rc, "");
        if (len > s->now)
            check_tail(s, len, p, ctx);
        free(p);
    }
}

/* ---- structs that a function fills ------------------------------------------------------------ */

/* Where the two agree, every further answer has to. What changes from call to call is left out. */
static void compare(const shape *s, const unsigned char *a, const unsigned char *b,
                    const unsigned char *got, size_t len)
{
    size_t i;

    for (i = sizeof len; i < len && i < s->now; i++)
        if (a[i] == b[i] && got[i] != a[i])
            fail_msg("%s of %zu bytes: byte %zu is %02x, not %02x", s->name, len, i, got[i], a[i]);
}

static void check_filled(const shape *s, void *ctx)
{
    unsigned char *one = make(s->now, 0x11), *two = make(s->now, 0x22), *p;
    size_t len, i;

    assert_int_equal(s->go(ctx, one), s->answer);
    assert_int_equal(s->go(ctx, two), s->answer);
    for (len = 0; len <= s->now + GROWTH_FURTHER; len++) {
        p = make(len, 0x33);
        expect(s, len, len < s->least ? KRBREPL_ERR_INVALID : s->answer, s->go(ctx, p), "");
        assert_int_equal(size_of(p), len);
        if (len >= s->least)
            compare(s, one, two, p, len);
        for (i = len < s->least ? sizeof len : s->now; i < len; i++)
            assert_int_equal(p[i], 0x33);
        free(p);
    }
    free(one);
    free(two);
}

static void check(const shape *s, void *ctx)
{
    if (s->way == TAKEN)
        check_taken(s, ctx);
    else if (s->way == FILLED)
        check_filled(s, ctx);
    else if (s->go(ctx, NULL) != 0)
        fail_msg("%s is handed out with another size than today's", s->name);
}

void growth_check(const shape *s, size_t n, void *ctx)
{
    size_t i;

    for (i = 0; i < n; i++)
        check(&s[i], ctx);
}

/* ---- completeness ------------------------------------------------------------------------------ */

void growth_complete(const shape *s, size_t n, const char *where)
{
    const char *const *names = public_structs;
    size_t i, k;

    for (i = 0; i < COUNT(public_structs); i++) {
        for (k = 0; k < n && strcmp(s[k].name, names[i]) != 0; k++)
            ;
        if (k == n)
            fail_msg("%s is public and starts with its size: give it a row in %s", names[i], where);
    }
    for (k = 0; k < n; k++) {
        for (i = 0; i < COUNT(public_structs) && strcmp(s[k].name, names[i]) != 0; i++)
            ;
        if (i == COUNT(public_structs))
            fail_msg("%s has a row in %s, and is in no header", s[k].name, where);
    }
}

/* ---- the detail of a failure -------------------------------------------------------------------- */

static void check_errinfo(const teller *t, void *ctx)
{
    krbrepl_errinfo whole = {.size = sizeof whole};
    int rc = t->tell(ctx, &whole);
    unsigned char *p;
    size_t len;

    for (len = 0; len <= sizeof whole + GROWTH_FURTHER; len++) {
        p = make(len, 0x33);
        if (t->tell(ctx, (krbrepl_errinfo *)(void *)p) != rc &&
            len >= offsetof(krbrepl_errinfo, host_code))
            fail_msg("%s with an errinfo of %zu bytes answers otherwise", t->name, len);
        assert_int_equal(size_of(p), len);
        if (len >= sizeof whole)
            assert_memory_equal(p + sizeof len, (unsigned char *)&whole + sizeof len,
                                sizeof whole - sizeof len);
        else if (len >= offsetof(krbrepl_errinfo, host_code))
            assert_memory_equal(p + sizeof len, &whole.code, sizeof whole.code);
        free(p);
    }
}

void growth_errinfos(const teller *t, size_t n, void *ctx)
{
    size_t i;

    assert_int_equal(COUNT(telling_functions), n);
    for (i = 0; i < n; i++) {
        assert_string_equal(t[i].name, telling_functions[i]);
        check_errinfo(&t[i], ctx);
    }
}

/* ---- children ------------------------------------------------------------------------------------ */

void growth_forked(const storer *f, size_t n, void *ctx, krbrepl_store *s)
{
    size_t i;
    int status;
    pid_t child;

    assert_int_equal(COUNT(functions_with_handle), n);
    for (i = 0; i < n; i++) {
        assert_string_equal(f[i].name, functions_with_handle[i]);
        assert_int_equal(f[i].go(ctx, NULL), KRBREPL_ERR_INVALID);
        child = fork();
        if (child == 0)
            _exit(-f[i].go(ctx, s));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(-WEXITSTATUS(status), KRBREPL_ERR_FORKED);
    }
}
