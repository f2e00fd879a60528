/* error.h: every way a call can fail, and what to do about it.
 *
 * Functions answer 0 (KRBREPL_OK) or one of these negative numbers. One table makes the numbers, the
 * names, the texts and the advice, so that they cannot disagree. */
#ifndef KRBREPL_ERROR_H
#define KRBREPL_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include <krbrepl/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, advice, text) */
#define KRBREPL_ERROR_MAP(X)                                                        \
    X(NOMEM, -1, RETRY, "out of memory")                                            \
    X(INVALID, -2, BUG, "invalid argument")                                         \
    X(ABI, -3, BUG, "structure is newer than this library")                         \
    X(STATE, -4, BUG, "call not allowed in this state, or from inside a callback")  \
    X(FORKED, -5, BUG, "handle belongs to another process")                         \
    X(HOST, -6, OPERATOR, "a callback of the host failed")                          \
    X(TIMEOUT, -7, RETRY, "the time allowed has passed")                            \
    X(NOTFOUND, -8, NONE, "no such record")                                         \
    X(EXISTS, -9, NONE, "it exists already")                                        \
    X(IO, -10, OPERATOR, "a file operation failed")                                 \
    X(LOCKED, -11, RETRY, "another process holds it")                               \
    X(CORRUPT, -12, OPERATOR, "stored data does not match its checksum")            \
    X(NOSPACE, -13, OPERATOR, "no room left on the device")                         \
    X(TOOBIG, -14, BUG, "larger than the limit")                                    \
    X(FORMAT, -15, OPERATOR, "written in a format that this library does not read") \
    X(INPUT, -16, OPERATOR, "malformed input file")                                 \
    X(CONFLICT, -17, RETRY, "the database was changed meanwhile")                   \
    X(TRIMMED, -20, RESYNC, "the journal no longer reaches back that far")          \
    X(DIVERGED, -21, OPERATOR, "the two copies have different histories")           \
    X(AHEAD, -22, OPERATOR, "the replica holds commits that the master does not")   \
    X(FENCED, -23, OPERATOR, "a master with a higher epoch exists")                 \
    X(FOREIGN, -24, OPERATOR, "it is another database")                             \
    X(NOT_MASTER, -25, OPERATOR, "this store is not the master")                    \
    X(NET, -30, RETRY, "peer unreachable, or connection lost")                      \
    X(PROTO, -31, OPERATOR, "peer broke the protocol")                              \
    X(AUTH, -32, OPERATOR, "mutual authentication failed")                          \
    X(DENIED, -33, OPERATOR, "peer is not authorized")

enum krbrepl_err {
#define X(name, value, advice, text) KRBREPL_ERR_##name = value,
    KRBREPL_ERROR_MAP(X)
#undef X
        KRBREPL_OK = 0
};

/* What a program should do about an error. RETRY: the same call can work later. RESYNC: the library
 * mends it by copying. OPERATOR: a person has to change something. BUG: the calling program is wrong. */
enum krbrepl_advice {
    KRBREPL_ADVICE_NONE = 0,
    KRBREPL_ADVICE_RETRY = 1,
    KRBREPL_ADVICE_RESYNC = 2,
    KRBREPL_ADVICE_OPERATOR = 3,
    KRBREPL_ADVICE_BUG = 4
};

/* Static text for any number, never NULL. Any thread. */
KRBREPL_API const char *krbrepl_strerror(int err);

/* The bare name ("DIVERGED") for logs, metrics and bindings; "UNKNOWN" for any other number. */
KRBREPL_API const char *krbrepl_err_name(int err);

/* One of enum krbrepl_advice. */
KRBREPL_API int krbrepl_err_advice(int err);

/* The last failure of a handle, in detail. `code` is one of the above, `host_code` what a callback of
 * the host returned (unchanged), `sys_errno` the errno or 0, `text` one line that says where, why and
 * what to do next. The text is frozen at this length. */
typedef struct krbrepl_errinfo {
    size_t size;
    int32_t code;
    int32_t host_code;
    int32_t sys_errno;
    char text[244];
} krbrepl_errinfo;

#ifdef __cplusplus
}
#endif

#endif
