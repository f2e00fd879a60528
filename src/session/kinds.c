/* kinds.c: the calls of session.h, handed on to whatever kind of session it is. */
#include "session.h"

static const krbrepl__sess_ops *ops_of(const krbrepl__sess *s)
{
    return ((const krbrepl__sess_head *)(const void *)s)->ops;
}

void krbrepl__sess_free(krbrepl__sess *s)
{
    if (s != NULL)
        ops_of(s)->free(s);
}

int krbrepl__sess_feed(krbrepl__sess *s, const uint8_t *p, size_t n, uint64_t now_ms)
{
    return ops_of(s)->feed(s, p, n, now_ms);
}

void krbrepl__sess_eof(krbrepl__sess *s, uint64_t now_ms)
{
    ops_of(s)->eof(s, now_ms);
}

krbrepl__buf *krbrepl__sess_out(krbrepl__sess *s)
{
    return ops_of(s)->out(s);
}

int krbrepl__sess_work(krbrepl__sess *s, uint64_t now_ms)
{
    return ops_of(s)->work(s, now_ms);
}

uint64_t krbrepl__sess_deadline(const krbrepl__sess *s)
{
    return ops_of(s)->deadline(s);
}

krbrepl__job *krbrepl__sess_take_job(krbrepl__sess *s)
{
    return ops_of(s)->take_job(s);
}

void krbrepl__sess_job_done(krbrepl__sess *s, krbrepl__job *j, uint64_t now_ms)
{
    ops_of(s)->job_done(s, j, now_ms);
}

void krbrepl__sess_close(krbrepl__sess *s, int err, const char *text, uint64_t now_ms)
{
    ops_of(s)->close(s, err, text, now_ms);
}

const krbrepl__sess_info *krbrepl__sess_info_get(const krbrepl__sess *s)
{
    return ops_of(s)->info(s);
}

/* ---- what means nothing to some kinds ------------------------------------------------------- */

void krbrepl__sess_go(krbrepl__sess *s, uint64_t now_ms)
{
    if (ops_of(s)->go != NULL)
        ops_of(s)->go(s, now_ms);
}

void krbrepl__sess_again(krbrepl__sess *s)
{
    if (ops_of(s)->again != NULL)
        ops_of(s)->again(s);
}

void krbrepl__sess_grown(krbrepl__sess *s, uint64_t seq)
{
    if (ops_of(s)->grown != NULL)
        ops_of(s)->grown(s, seq);
}

int krbrepl__sess_check(krbrepl__sess *s, uint64_t seq, const uint8_t root[32])
{
    return ops_of(s)->check != NULL && ops_of(s)->check(s, seq, root);
}

void krbrepl__sess_ask_check(krbrepl__sess *s)
{
    if (ops_of(s)->ask_check != NULL)
        ops_of(s)->ask_check(s);
}

void krbrepl__sess_proved(krbrepl__sess *s, uint64_t seq, const uint8_t root[32])
{
    if (ops_of(s)->proved != NULL)
        ops_of(s)->proved(s, seq, root);
}

void krbrepl__sess_prompt(krbrepl__sess *s)
{
    if (ops_of(s)->prompt != NULL)
        ops_of(s)->prompt(s);
}
