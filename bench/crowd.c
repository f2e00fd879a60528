#include "crowd.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <krbrepl/krbrepl.h>

#include "bench.h"
#include "memport.h"
#include "secchan.h"
#include "session.h"

#define PATIENCE_S 120
#define EVENTS 256

typedef struct member {
    int fd;
    unsigned long long counted; /* the round it was counted in */
    SSL *ssl;                   /* bare */
    krbrepl__sess *sess;        /* real, with what follows */
    krbrepl__port port;
    memstore store;
    uint64_t checks;
    int told; /* that it may say hello */
} member;

static crowd *shared;
static const crowd_who *who;
static krbrepl__sec *sec;
static SSL_CTX *bare;
static int epoll_fd;

static void die(const char *what)
{
    fprintf(stderr, "bench: a receiver: %s\n", what);
    atomic_store(&shared->failed, 1);
    _exit(1);
}

static uint64_t now_ms(void)
{
    return (uint64_t)(bench_now() * 1000);
}

static unsigned long long cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (unsigned long long)ts.tv_sec * 1000000000 + (unsigned long long)ts.tv_nsec;
}

static void count(member *m, int has)
{
    unsigned long long round = atomic_load(&shared->round);

    if (!has || m->counted == round)
        return;
    m->counted = round;
    if (atomic_fetch_add(&shared->have, 1) + 1 != atomic_load(&shared->there))
        return;
    atomic_store(&shared->cpu_done, cpu_ns());
    atomic_store(&shared->done, (unsigned long long)(bench_now() * 1e9));
}

/* ---- real ----------------------------------------------------------------------------------- */

static void send_out(member *m)
{
    krbrepl__buf *b = krbrepl__sess_out(m->sess);
    struct pollfd p = {m->fd, POLLOUT, 0};
    ssize_t n;

    while (b->len != 0) {
        n = send(m->fd, b->data, b->len, MSG_NOSIGNAL);
        if (n > 0)
            krbrepl__buf_consume(b, (size_t)n);
        else if (n < 0 && errno != EAGAIN)
            die("the connection is lost");
        else
            poll(&p, 1, 1000);
    }
}

static void go_on(member *m)
{
    const krbrepl__sess_info *i = krbrepl__sess_info_get(m->sess);
    krbrepl__job *j;

    while ((j = krbrepl__sess_take_job(m->sess)) != NULL) {
        j->run(j);
        krbrepl__sess_job_done(m->sess, j, now_ms());
    }
    if (!m->told && i->phase >= KRBREPL__SESS_HELLO) {
        m->told = 1;
        krbrepl__sess_go(m->sess, now_ms());
    }
    send_out(m);
    while (krbrepl__sess_work(m->sess, now_ms()) == 1)
        send_out(m);
    if (m->store.checks != m->checks) {
        m->checks = m->store.checks;
        krbrepl__sess_proved(m->sess, m->store.check, NULL);
    }
    send_out(m);
    if (i->phase == KRBREPL__SESS_CLOSED)
        die(i->text);
}

static int read_real(member *m)
{
    static uint8_t bytes[KRBREPL__CHAN_FEED];
    ssize_t n = recv(m->fd, bytes, sizeof bytes, 0);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        die("the connection was closed");
    krbrepl__sess_feed(m->sess, bytes, (size_t)n, now_ms());
    go_on(m);
    count(m, m->store.local.pos.seq >= atomic_load(&shared->seq));
    return 1;
}

static void join_real(member *m, unsigned at)
{
    struct pollfd p = {m->fd, POLLIN, 0};
    krbrepl__sec_cfg sc = {1, NULL, who->service, who->keytab};
    krbrepl__sess_cfg cfg = {0};
    krbrepl_errinfo ei;
    char name[128];

    KRBREPL_INIT(&ei);
    snprintf(name, sizeof name, who->members, at);
    sc.self = name;
    mem_init(&m->store);
    memport_init(&m->port, &m->store);
    cfg.port = &m->port;
    cfg.name = name;
    cfg.address = "master";
    cfg.handshake_ms = 60000;
    cfg.missing_ms = cfg.gone_ms = 3600000;
    cfg.window = 4u << 20;
    if (krbrepl__secchan_new(&cfg.chan, sec, &sc, &ei) != 0 ||
        krbrepl__sess_new(&m->sess, &cfg, now_ms()) != 0)
        die(ei.text);
    go_on(m);
    while (krbrepl__sess_info_get(m->sess)->phase != KRBREPL__SESS_STREAMING ||
           m->store.local.pos.seq == 0)
        if (poll(&p, 1, PATIENCE_S * 1000) == 1)
            read_real(m);
}

/* ---- bare ----------------------------------------------------------------------------------- */

static const unsigned char bare_key[32] = {7};

static unsigned client_key(SSL *s, const char *hint, char *name, unsigned name_max, unsigned char *key,
                           unsigned key_max)
{
    (void)s;
    (void)hint;
    snprintf(name, name_max, "receiver");
    memcpy(key, bare_key, sizeof bare_key < key_max ? sizeof bare_key : key_max);
    return sizeof bare_key;
}

static unsigned server_key(SSL *s, const char *name, unsigned char *key, unsigned key_max)
{
    (void)s;
    (void)name;
    memcpy(key, bare_key, sizeof bare_key < key_max ? sizeof bare_key : key_max);
    return sizeof bare_key;
}

SSL_CTX *crowd_bare_context(int server)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

    if (ctx == NULL)
        bench_die("no TLS context can be made");
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    if (server)
        SSL_CTX_set_psk_server_callback(ctx, server_key);
    else
        SSL_CTX_set_psk_client_callback(ctx, client_key);
    return ctx;
}

static int read_bare(member *m)
{
    char bytes[4096];
    int n = SSL_read(m->ssl, bytes, sizeof bytes);

    if (n > 0)
        count(m, 1);
    else if (SSL_get_error(m->ssl, n) != SSL_ERROR_WANT_READ) {
        /* Usually the sender has ended, and has its figures. */
        atomic_store(&shared->failed, 1);
        _exit(1);
    }
    return n > 0;
}

static void join_bare(member *m)
{
    struct pollfd p = {m->fd, POLLIN, 0};
    int n;

    m->ssl = SSL_new(bare);
    if (m->ssl == NULL || SSL_set_fd(m->ssl, m->fd) != 1)
        die("no TLS session can be made");
    while ((n = SSL_connect(m->ssl)) != 1) {
        if (SSL_get_error(m->ssl, n) != SSL_ERROR_WANT_READ)
            die("a bare TLS handshake fails");
        poll(&p, 1, 1000);
    }
}

/* ---- the process ---------------------------------------------------------------------------- */

static int dial(void)
{
    struct sockaddr_in to = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)atomic_load(&shared->port));
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("the sender cannot be reached");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void join(unsigned at)
{
    member *m = calloc(1, sizeof *m);
    struct epoll_event e = {0};
    struct timeval long_time = {PATIENCE_S, 0};

    if (m == NULL)
        die("out of memory");
    m->fd = dial();
    setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time);
    if (who->members != NULL)
        join_real(m, at);
    else
        join_bare(m);
    e.events = EPOLLIN;
    e.data.ptr = m;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, m->fd, &e) != 0)
        die("epoll does not take a socket");
    atomic_fetch_add(&shared->there, 1);
}

static void serve(int wait_ms)
{
    struct epoll_event e[EVENTS];
    int i, n = epoll_wait(epoll_fd, e, EVENTS, wait_ms);

    for (i = 0; i < n; i++) {
        if (who->members != NULL)
            read_real(e[i].data.ptr);
        else
            read_bare(e[i].data.ptr);
    }
    atomic_store(&shared->cpu, cpu_ns());
}

static void be_crowd(void)
{
    krbrepl_errinfo ei;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    KRBREPL_INIT(&ei);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (who->members == NULL)
        bare = crowd_bare_context(0);
    else if (krbrepl__sec_new(&sec, &ei) != 0)
        die(ei.text);
    for (;;) {
        unsigned there = atomic_load(&shared->there);

        if (atomic_load(&shared->port) != 0 && there < atomic_load(&shared->wanted))
            join(there);
        serve(there < atomic_load(&shared->wanted) ? 0 : 5);
    }
}

crowd *crowd_fork(const crowd_who *w)
{
    pid_t pid;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        bench_die("no memory can be shared");
    who = w;
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        bench_die("no process can be made");
    if (pid == 0)
        be_crowd();
    return shared;
}

void crowd_arm(crowd *c, unsigned long long seq)
{
    atomic_store(&c->done, 0);
    atomic_store(&c->have, 0);
    atomic_store(&c->seq, seq);
    atomic_fetch_add(&c->round, 1);
}

static void pause_for(crowd *c, double end)
{
    const struct timespec moment = {0, 500000};

    if (atomic_load(&c->failed) || bench_now() > end)
        bench_die("the crowd fails: %u of %u are there, %u have the change", atomic_load(&c->there),
                  atomic_load(&c->wanted), atomic_load(&c->have));
    nanosleep(&moment, NULL);
}

double crowd_wait(crowd *c)
{
    double end = bench_now() + PATIENCE_S;

    while (atomic_load(&c->done) == 0)
        pause_for(c, end);
    return (double)atomic_load(&c->done) * 1e-9;
}

void crowd_wait_there(crowd *c)
{
    double end = bench_now() + PATIENCE_S;

    while (atomic_load(&c->there) < atomic_load(&c->wanted))
        pause_for(c, end);
}
