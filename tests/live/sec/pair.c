#include "pair.h"

const char *realm_path(const char *file)
{
    static char path[4][512];
    static unsigned turn;
    char *p = path[turn++ % 4];
    const char *dir = getenv("REALM_DIR");

    assert_non_null(dir); /* the program runs under tests/common/realm.sh */
    snprintf(p, sizeof path[0], "%s/%s", dir, file);
    return p;
}

void shell(const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (system(line) != 0)
        fail_msg("%s", line);
}

void pair_open(pair *p, const krbrepl__sec_cfg *client, const krbrepl__sec_cfg *server)
{
    krbrepl_errinfo ei;

    memset(p, 0, sizeof *p);
    KRBREPL_INIT(&ei);
    assert_int_equal(krbrepl__sec_new(&p->sec, &ei), 0);
    assert_int_equal(krbrepl__secchan_new(&p->client, p->sec, client, &ei), 0);
    assert_int_equal(krbrepl__secchan_new(&p->server, p->sec, server, &ei), 0);
    krbrepl__buf_init(&p->sent[0], 0);
    krbrepl__buf_init(&p->sent[1], 0);
}

void pair_close(pair *p)
{
    if (p->client != NULL)
        p->client->ops->free(p->client);
    if (p->server != NULL)
        p->server->ops->free(p->server);
    krbrepl__sec_free(p->sec);
    krbrepl__buf_free(&p->sent[0]);
    krbrepl__buf_free(&p->sent[1]);
}

int run_jobs(krbrepl__chan *c)
{
    krbrepl__job *j;
    int any = 0;

    while ((j = c->ops->take_job(c)) != NULL) {
        j->run(j);
        c->ops->job_done(c, j);
        any = 1;
    }
    return any;
}

int carry(pair *p, krbrepl__chan *from, krbrepl__chan *to, size_t step)
{
    size_t n = from->out.len < step ? from->out.len : step;

    if (n == 0)
        return 0;
    krbrepl__buf_bytes(&p->sent[from == p->server], from->out.data, n);
    to->ops->feed(to, from->out.data, n);
    krbrepl__buf_consume(&from->out, n);
    return 1;
}

void settle(pair *p, size_t step)
{
    int moved;

    do {
        moved = run_jobs(p->client);
        moved |= run_jobs(p->server);
        moved |= carry(p, p->client, p->server, step);
        moved |= carry(p, p->server, p->client, step);
    } while (moved);
}

void say(krbrepl__chan *c, const void *p, size_t n)
{
    assert_int_equal(c->ops->write(c, p, n), 0);
    assert_int_equal(c->ops->flush(c), 0);
}
