#include "nodes.h"

#include <dirent.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "impl.h"

int patience(int *turns)
{
    struct timespec ts = {0, 10000000};

    nanosleep(&ts, NULL);
    return ++*turns < 12000;
}

static void shell(const char *fmt, const char *a, const char *b, const char *c)
{
    char cmd[1200];

    snprintf(cmd, sizeof cmd, fmt, a, b, c);
    assert_int_equal(system(cmd), 0);
}

/* A port that was free a moment ago, kept for restarts. */
static unsigned free_port(void)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};
    socklen_t len = sizeof sin;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    close(fd);
    return ntohs(sin.sin_port);
}

void rig_make(rig *r)
{
    snprintf(r->top, sizeof r->top, "%s/rig-XXXXXX", getenv("REALM_DIR"));
    assert_non_null(mkdtemp(r->top));
    snprintf(r->acl, sizeof r->acl, "%s/acl", r->top);
    r->port = free_port();
    rig_allow(r, "");
}

void rig_drop(rig *r)
{
    /* With RIG_KEEP=1 the logs stay, for whoever looks for a fault. */
    if (getenv("RIG_KEEP") == NULL)
        shell("rm -rf '%s'%s%s", r->top, "", "");
}

void rig_allow(rig *r, const char *principals)
{
    char tmp[310];
    FILE *f;

    snprintf(tmp, sizeof tmp, "%s.new", r->acl);
    f = fopen(tmp, "w");
    assert_non_null(f);
    for (; *principals != '\0'; principals++)
        fputc(*principals == ' ' ? '\n' : *principals, f);
    fputc('\n', f);
    fclose(f);
    assert_int_equal(rename(tmp, r->acl), 0);
}

void one_make(one *n, rig *r, int master, const char *name, const char *addprinc)
{
    krbrepl_create_options o;

    memset(n, 0, sizeof *n);
    n->r = r;
    n->master = master;
    snprintf(n->dir, sizeof n->dir, "%.200s/%s", r->top, name);
    snprintf(n->log, sizeof n->log, "%s.log", n->dir);
    snprintf(n->keytab, sizeof n->keytab, "%.200s/%s.keytab", r->top, name);
    snprintf(n->princ, sizeof n->princ, "krbrepl/%s.test@KRBREPL.TEST", name);
    shell("bash \"$REALM_SH\" --princ '%s' '%s' %s", n->princ, n->keytab, addprinc);
    KRBREPL_INIT(&o);
    o.flags = master ? KRBREPL_CREATE_MASTER : 0;
    assert_int_equal(krbrepl_store_create(n->dir, &o, NULL), 0);
    fclose(fopen(n->log, "w"));
}

static void run_child(one *n)
{
    char port[16], *argv[16], extra[200], *p;
    int i = 0;

    snprintf(port, sizeof port, "%u", n->r->port);
    snprintf(extra, sizeof extra, "%s", n->extra);
    argv[i++] = (char *)(uintptr_t) "node_live_test";
    argv[i++] = (char *)(uintptr_t) "--node";
    argv[i++] = (char *)(uintptr_t)(n->master ? "master" : "replica");
    argv[i++] = n->dir;
    argv[i++] = n->log;
    argv[i++] = n->r->acl;
    argv[i++] = n->princ;
    argv[i++] = n->keytab;
    argv[i++] = port;
    for (p = strtok(extra, " "); p != NULL && i < 15; p = strtok(NULL, " "))
        argv[i++] = p;
    argv[i] = NULL;
    execv("/proc/self/exe", argv);
    _exit(126);
}

void one_start(one *n)
{
    krbrepl_status st;
    int t = 0;

    assert_int_equal(n->pid, 0);
    n->pid = fork();
    assert_true(n->pid >= 0);
    if (n->pid == 0)
        run_child(n);
    while (status_of(n, &st) != 0 || st.pid != n->pid || st.state == KRBREPL_STATE_STOPPED)
        assert_true(patience(&t));
}

void one_signal(one *n, int sig)
{
    assert_true(n->pid > 0);
    assert_int_equal(kill(n->pid, sig), 0);
}

int one_wait_end(one *n)
{
    int status = 0, t = 0;
    pid_t got;

    while ((got = waitpid(n->pid, &status, WNOHANG)) == 0)
        assert_true(patience(&t));
    assert_int_equal(got, n->pid);
    n->pid = 0;
    return status;
}

void one_end(one *n, int sig)
{
    if (n->pid == 0)
        return;
    /* First, for one that is stopped. Afterwards it would be too late: it takes back the SIGSTOP with which a
     * leak check holds a process that is at its end already, and then both wait for ever. */
    if (sig != SIGKILL)
        kill(n->pid, SIGCONT);
    kill(n->pid, sig);
    one_wait_end(n);
}

/* ---- stores --------------------------------------------------------------------------------- */

static krbrepl_store *open_store(const one *n)
{
    krbrepl_store *s;

    assert_int_equal(krbrepl_store_open(&s, n->dir, NULL, NULL), 0);
    return s;
}

uint64_t put(const one *n, const char *key, const char *value)
{
    krbrepl_store *s = open_store(n);
    krbrepl_bytes k = {key, strlen(key)}, v = {value, strlen(value)};
    krbrepl_txn *t;
    krbrepl_pos pos;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", k, v), 0);
    assert_int_equal(krbrepl_txn_commit(t, &pos), 0);
    krbrepl_store_close(s);
    return pos.seq;
}

uint64_t last_seq(const one *n)
{
    krbrepl_store *s = open_store(n);
    krbrepl_store_info i;

    KRBREPL_INIT(&i);
    assert_int_equal(krbrepl_store_info_get(s, &i), 0);
    krbrepl_store_close(s);
    return i.pos.seq;
}

void promote(const one *n)
{
    krbrepl_store *s = open_store(n);

    assert_int_equal(krbrepl_promote(s, "test", NULL), 0);
    krbrepl_store_close(s);
}

void demote(const one *n)
{
    krbrepl_store *s = open_store(n);

    assert_int_equal(krbrepl_demote(s, "test", NULL), 0);
    krbrepl_store_close(s);
}

void resolve(const one *n, uint64_t which)
{
    krbrepl_store *s = open_store(n);

    assert_int_equal(krbrepl_resolve(s, which, "test", NULL), 0);
    krbrepl_store_close(s);
}

/* Files of evidence/ that are lists of what a repair changed, or are not. */
static int count_evidence(const one *n, int lists)
{
    char path[320];
    struct dirent *d;
    DIR *dir;
    int files = 0;

    snprintf(path, sizeof path, "%s/evidence", n->dir);
    dir = opendir(path);
    while (dir != NULL && (d = readdir(dir)) != NULL)
        files += d->d_name[0] != '.' && (strncmp(d->d_name, "repair-", 7) == 0) == lists;
    if (dir != NULL)
        closedir(dir);
    return files;
}

int evidence_of(const one *n)
{
    return count_evidence(n, 0);
}

int lists_of(const one *n)
{
    return count_evidence(n, 1);
}

static void copy_file(const char *from, const char *to)
{
    static char room[65536];
    FILE *f = fopen(from, "r"), *t = fopen(to, "w");
    size_t n;

    assert_true(f != NULL && t != NULL);
    while ((n = fread(room, 1, sizeof room, f)) > 0)
        assert_int_equal(fwrite(room, 1, n, t), n);
    fclose(f);
    assert_int_equal(fclose(t), 0);
}

static void file_names(const one *n, char file[320], char kept[320])
{
    snprintf(file, 320, "%s/data.mdb", n->dir);
    snprintf(kept, 320, "%s.kept", n->dir);
}

void save_file(const one *n)
{
    char file[320], kept[320];

    file_names(n, file, kept);
    copy_file(file, kept);
}

void put_file_back(const one *n)
{
    char file[320], kept[320];

    file_names(n, file, kept);
    copy_file(kept, file);
}

void spoil(const one *n)
{
    krbrepl_store *s = open_store(n);
    krbrepl__wtxn w;

    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    w.st.cumulative += 1000;
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
    krbrepl_store_close(s);
}

void keep_journal(const one *n, uint64_t entries)
{
    krbrepl_store *s = open_store(n);
    krbrepl_retention r;

    KRBREPL_INIT(&r);
    r.entries = entries;
    assert_int_equal(krbrepl_store_set_retention(s, &r), 0);
    krbrepl_store_close(s);
}

void keep_slots(const one *n, uint64_t seconds)
{
    krbrepl_store *s = open_store(n);
    krbrepl_retention r;

    KRBREPL_INIT(&r);
    r.slot_seconds = seconds;
    assert_int_equal(krbrepl_store_set_retention(s, &r), 0);
    krbrepl_store_close(s);
}

static int match_slot(void *ctx, const krbrepl_slot *slot)
{
    return strcmp(slot->principal, ctx) == 0;
}

int has_slot(const one *n, const one *of)
{
    krbrepl_store *s = open_store(n);
    char principal[128];
    int found;

    snprintf(principal, sizeof principal, "%s", of->princ);
    found = krbrepl_slot_each(s, match_slot, principal);
    krbrepl_store_close(s);
    return found;
}

void drop_slot(const one *n, const one *of)
{
    krbrepl_store *s = open_store(n);

    assert_int_equal(krbrepl_slot_drop(s, of->princ), 0);
    krbrepl_store_close(s);
}

void await_seq(const one *n, uint64_t seq)
{
    krbrepl_store *s = open_store(n);
    krbrepl_store_info i;
    int t = 0;

    KRBREPL_INIT(&i);
    for (;;) {
        assert_int_equal(krbrepl_store_info_get(s, &i), 0);
        if (i.pos.seq >= seq)
            break;
        if (!patience(&t))
            fail_msg("%s is at %llu and not at %llu", n->dir, (unsigned long long)i.pos.seq,
                     (unsigned long long)seq);
    }
    krbrepl_store_close(s);
}

void assert_equal_stores(const one *a, const one *b)
{
    const one *both[2] = {a, b};
    uint8_t root[2][32];
    krbrepl_pos pos[2];
    int i;

    for (i = 0; i < 2; i++) {
        krbrepl_store *s = open_store(both[i]);
        krbrepl_view *v;

        assert_int_equal(krbrepl_view_open(s, &v), 0);
        assert_int_equal(krbrepl_view_digest(v, root[i], NULL), 0);
        assert_int_equal(krbrepl_view_pos(v, &pos[i]), 0);
        krbrepl_view_close(v);
        krbrepl_store_close(s);
    }
    assert_memory_equal(root[0], root[1], 32);
    assert_memory_equal(&pos[0], &pos[1], sizeof pos[0]);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* A struct that is handed out has today's size. */
static int see_peer(void *ctx, const krbrepl_peer *p)
{
    (void)ctx;
    assert_int_equal(p->size, sizeof *p);
    return 0;
}

int status_of(const one *n, krbrepl_status *st)
{
    KRBREPL_INIT(st);
    return krbrepl_status_fetch(n->dir, 10000, st, see_peer, NULL, NULL);
}

void await_state(const one *n, uint64_t state)
{
    krbrepl_status st;
    int t = 0;

    while (status_of(n, &st) != 0 || st.state != state)
        assert_true(patience(&t));
}

long log_size(const one *n)
{
    struct stat st;

    assert_int_equal(stat(n->log, &st), 0);
    return (long)st.st_size;
}

int log_has(const one *n, long from, const char *text)
{
    FILE *f = fopen(n->log, "r");
    char line[2048];
    int found = 0;

    assert_non_null(f);
    fseek(f, from, SEEK_SET);
    while (!found && fgets(line, sizeof line, f) != NULL)
        found = strstr(line, text) != NULL;
    fclose(f);
    return found;
}

void await_log(const one *n, long from, const char *text)
{
    int t = 0;

    while (!log_has(n, from, text))
        if (!patience(&t))
            fail_msg("%s never says \"%s\"", n->log, text);
}
