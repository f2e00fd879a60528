/* Dump files into a store and out of it. */
#include "mitcase.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MKEY "princ\t38\t7\t0\t1\t0\tK/M@R.T\t0\t0\t0\t0\t0\t0\t0\t0\t1\t4\t18\t1\tff\t-1;\n"
#define PRINC(name3) "princ\t38\t3\t0\t0\t0\t" name3 "\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n"
#define LOCKED(name3) "princ\t38\t3\t0\t0\t0\t" name3 "\t0\t0\t0\t0\t0\t11\t12\t13\t-1;\n"
#define POLICY(name) "policy\t" name "\t0\t0\t1\t1\t1\t0\t0\t0\t0\t0\t0\t0\t-\t0\n"

struct scene {
    char dir[64];
    char file[96], store[96], other[96];
    krbrepl_store *s;
    krbrepl_errinfo ei;
    krbrepl_mit_load_result res;
    krbrepl_pos before;
    char notes[1024];
    unsigned shown;
};

static int setup(void **state)
{
    struct scene *c = calloc(1, sizeof *c);
    krbrepl_create_options opt;

    assert_non_null(c);
    strcpy(c->dir, "/tmp/krbrepl-mit.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->file, sizeof c->file, "%s/dump", c->dir);
    snprintf(c->other, sizeof c->other, "%s/other", c->dir);
    snprintf(c->store, sizeof c->store, "%s/store", c->dir);
    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_CREATE_MASTER;
    assert_int_equal(krbrepl_store_create(c->store, &opt, &c->ei), 0);
    assert_int_equal(krbrepl_store_open(&c->s, c->store, NULL, &c->ei), 0);
    *state = c;
    return 0;
}

/* Removes a directory and all that is in it. */
static void remove_tree(const char *path)
{
    char inner[512];
    struct dirent *d;
    struct stat st;
    DIR *dir;

    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && (dir = opendir(path)) != NULL) {
        while ((d = readdir(dir)) != NULL)
            if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
                snprintf(inner, sizeof inner, "%s/%s", path, d->d_name) < (int)sizeof inner)
                remove_tree(inner);
        closedir(dir);
    }
    remove(path);
}

static int teardown(void **state)
{
    struct scene *c = *state;

    krbrepl_store_close(c->s);
    remove_tree(c->dir);
    free(c);
    return 0;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 65536);

    assert_non_null(text);
    if (f == NULL) {
        free(text);
        return NULL;
    }
    assert_true(fread(text, 1, 65535, f) < 65535);
    fclose(f);
    return text;
}

static void take_note(void *ctx, const char *text)
{
    struct scene *c = ctx;

    strncat(c->notes, text, sizeof c->notes - strlen(c->notes) - 1);
}

static void take_progress(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    struct scene *c = ctx;

    assert_non_null(phase);
    assert_true(total == 0 || done <= total);
    c->shown++;
}

static int load_flags(struct scene *c, const char *text, uint64_t flags)
{
    krbrepl_mit_load_options opt;
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(c->s, &info), 0);
    c->before = info.pos;
    c->notes[0] = '\0';
    if (text != NULL)
        write_text(c->file, text);
    KRBREPL_INIT(&opt);
    opt.flags = flags;
    opt.note = take_note;
    opt.progress = take_progress;
    opt.ctx = c;
    KRBREPL_INIT(&c->res);
    return krbrepl_mit_load(c->s, c->file, &opt, &c->res, &c->ei);
}

static int load(struct scene *c, const char *text)
{
    return load_flags(c, text, 0);
}

static int update(struct scene *c, const char *text)
{
    return load_flags(c, text, KRBREPL_MIT_LOAD_UPDATE);
}

/* The dump of the store, to be freed. */
static char *dump(struct scene *c)
{
    char *text;

    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), 0);
    text = read_text(c->other);
    assert_non_null(text);
    return text;
}

static void assert_dump(struct scene *c, const char *want)
{
    char *text = dump(c);

    assert_string_equal(text, want);
    free(text);
}

static void assert_unchanged(struct scene *c)
{
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(c->s, &info), 0);
    assert_memory_equal(&info.pos, &c->before, sizeof info.pos);
}

static void assert_refused(struct scene *c, int rc, int code, const char *why)
{
    assert_int_equal(rc, code);
    if (strstr(c->ei.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", c->ei.text, why);
    assert_unchanged(c);
}

/* ---- loading --------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts the lines of a text in place of it. */
static void sort_lines(char *text)
{
    static char out[65536];
    char *line[512];
    size_t n = 0, i;
    char *at;

    out[0] = '\0';
    for (at = strtok(text, "\n"); at != NULL && n < 512; at = strtok(NULL, "\n"))
        line[n++] = at;
    qsort(line, n, sizeof *line, by_text);
    for (i = 0; i < n; i++) {
        strcat(out, line[i]);
        strcat(out, "\n");
    }
    strcpy(text, out);
}

static void dump_after_load_has_every_line_again(void **state)
{
    struct scene *c = *state;
    char text[16384] = V7 MKEY, *again;
    krbrepl_mit_dump_result res;
    krbrepl_store_info info;
    size_t i;

    for (i = 1; i < golden_count; i++)
        strcat(text, golden_line[i]);
    assert_int_equal(load(c, text), 0);
    assert_int_equal(c->res.version, 7);
    assert_int_equal(c->res.principals, golden_count - 3);
    assert_int_equal(c->res.policies, 3);
    assert_int_equal(c->res.added, golden_count);
    assert_int_equal(c->res.commits, 1);
    assert_true(c->shown > 0);
    KRBREPL_INIT(&res);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, &res, &c->ei), 0);
    again = read_text(c->other);
    assert_int_equal(res.bytes, strlen(again));
    assert_int_equal(res.principals, golden_count - 3);
    assert_int_equal(res.policies, 3);
    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(c->s, &info), 0);
    assert_memory_equal(&res.pos, &info.pos, sizeof res.pos);
    sort_lines(text);
    sort_lines(again);
    assert_string_equal(again, text);
    free(again);
}

static void load_replaces_what_was_there_and_keeps_other_tables(void **state)
{
    struct scene *c = *state;
    krbrepl_bytes value;
    krbrepl_view *v;
    krbrepl_txn *t;

    assert_int_equal(load(c, V7 MKEY PRINC("a@Y") POLICY("p")), 0);
    assert_int_equal(krbrepl_txn_begin(c->s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "mine", BYTES("k"), BYTES("v")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(load(c, V7 MKEY PRINC("b@Y")), 0);
    assert_int_equal(c->res.added, 1);
    assert_int_equal(c->res.deleted, 2);
    assert_int_equal(c->res.changed, 0);
    assert_dump(c, V7 MKEY PRINC("b@Y"));
    assert_int_equal(krbrepl_view_open(c->s, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "mine", BYTES("k"), &value), 0);
    assert_int_equal(value.len, 1);
    krbrepl_view_close(v);
}

static void loading_the_same_again_makes_no_commit(void **state)
{
    struct scene *c = *state;

    assert_int_equal(load(c, V7 MKEY PRINC("a@Y") POLICY("p")), 0);
    assert_int_equal(load(c, NULL), 0);
    assert_int_equal(c->res.kind, 0);
    assert_int_equal(c->res.commits, 0);
    assert_unchanged(c);
    assert_int_equal(update(c, NULL), 0);
    assert_int_equal(c->res.kind, 0);
    assert_int_equal(c->res.commits, 0);
    assert_unchanged(c);
}

static void malformed_file_changes_nothing(void **state)
{
    static const char bad[] = V7 MKEY PRINC("b@Y") "princ\t38\t3\t0\n";
    struct scene *c = *state;

    assert_int_equal(load(c, V7 MKEY LOCKED("a@Y")), 0);
    assert_refused(c, load(c, bad), KRBREPL_ERR_INPUT, "/dump:4: ");
    assert_refused(c, update(c, bad), KRBREPL_ERR_INPUT, "/dump:4: ");
    assert_refused(c, load(c, V7 MKEY "princ\t38"), KRBREPL_ERR_INPUT, "/dump:3: the file ends");
    assert_refused(c, load(c, ""), KRBREPL_ERR_INPUT, "/dump:1: the file is empty");
    assert_refused(c, load(c, "kdb5_util load_dump version 9\n"), KRBREPL_ERR_FORMAT, "version 9");
    unlink(c->file);
    assert_refused(c, load(c, NULL), KRBREPL_ERR_IO, c->file);
    assert_dump(c, V7 MKEY LOCKED("a@Y"));
}

static void record_given_twice_is_refused_with_both_lines(void **state)
{
    static const char twice[] = V7 MKEY PRINC("a@Y") PRINC("b@Y") POLICY("a@Y") LOCKED("a@Y");
    struct scene *c = *state;

    assert_refused(c, load(c, twice), KRBREPL_ERR_INPUT,
                   "/dump:6: the record was given on line 3 already");
    assert_refused(c, update(c, twice), KRBREPL_ERR_INPUT,
                   "/dump:6: the record was given on line 3 already");
}

static void file_without_principals_does_not_empty_the_database(void **state)
{
    struct scene *c = *state;

    assert_int_equal(load(c, V7 MKEY PRINC("a@Y")), 0);
    assert_refused(c, load(c, V7), KRBREPL_ERR_INPUT, "holds no principal");
    assert_refused(c, load(c, V7 POLICY("p")), KRBREPL_ERR_INPUT, "holds no principal");
    assert_int_equal(update(c, V7 POLICY("p")), 0);
    assert_dump(c, V7 MKEY PRINC("a@Y") POLICY("p"));
}

static void dump_of_a_part_is_noted(void **state)
{
    struct scene *c = *state;

    assert_int_equal(load(c, V7 PRINC("a@Y")), 0);
    assert_non_null(strstr(c->notes, "K/M"));
    assert_int_equal(load(c, V7 MKEY), 0);
    assert_string_equal(c->notes, "");
}

static void old_dump_ok_file_is_noted(void **state)
{
    static const struct timespec past[2] = {{1000000000, 0}, {1000000000, 0}};
    struct scene *c = *state;
    char ok[128];

    snprintf(ok, sizeof ok, "%s.dump_ok", c->file);
    write_text(ok, "");
    assert_int_equal(utimensat(AT_FDCWD, ok, past, 0), 0);
    assert_int_equal(load(c, V7 MKEY), 0);
    assert_non_null(strstr(c->notes, "may be incomplete"));
}

static void update_puts_the_file_beside_what_is_there(void **state)
{
    struct scene *c = *state;

    assert_int_equal(load(c, V7 MKEY PRINC("a@Y") PRINC("b@Y") POLICY("p")), 0);
    assert_int_equal(update(c, V7 "princ\t38\t3\t0\t0\t0\tb@Y\t9\t0\t0\t0\t0\t0\t0\t0\t-1;\n" PRINC(
                                   "c@Y") PRINC("a@Y")),
                     0);
    assert_int_equal(c->res.added, 1);
    assert_int_equal(c->res.changed, 1);
    assert_int_equal(c->res.deleted, 0);
    assert_int_equal(c->res.commits, 1);
    assert_int_equal(c->res.pos.seq, c->before.seq + 1);
    assert_dump(
        c, V7 MKEY PRINC("a@Y") "princ\t38\t3\t0\t0\t0\tb@Y\t9\t0\t0\t0\t0\t0\t0\t0\t-1;\n" PRINC("c@Y")
               POLICY("p"));
}

static void update_larger_than_a_commit_is_made_in_several(void **state)
{
    struct scene *c = *state;
    FILE *f = fopen(c->file, "w");
    unsigned i, n = KRBREPL_MAX_CHANGES + 100;

    assert_non_null(f);
    fputs(V7, f);
    for (i = 0; i < n; i++)
        fprintf(f, "princ\t38\t9\t0\t0\t0\tu%06u@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n", i);
    fclose(f);
    assert_int_equal(update(c, NULL), 0);
    assert_int_equal(c->res.commits, 2);
    assert_int_equal(c->res.added, n);
    assert_int_equal(c->res.pos.seq, c->before.seq + 2);
}

static void replica_is_not_loaded(void **state)
{
    struct scene *c = *state;

    assert_int_equal(load(c, V7 MKEY), 0);
    assert_int_equal(krbrepl_demote(c->s, NULL, NULL), 0);
    assert_refused(c, load(c, V7 MKEY PRINC("a@Y")), KRBREPL_ERR_NOT_MASTER, "");
    assert_refused(c, update(c, V7 MKEY PRINC("a@Y")), KRBREPL_ERR_NOT_MASTER, "");
}

/* ---- what is local --------------------------------------------------------------------------- */

static size_t local_len(struct scene *c, krbrepl_bytes key)
{
    uint8_t buf[64];
    size_t len = sizeof buf;
    int rc = krbrepl_local_get(c->s, "principal", key, buf, &len);

    assert_true(rc == 0 || rc == KRBREPL_ERR_NOTFOUND);
    return rc == 0 ? len : 0;
}

static void lockout_values_are_local_and_come_back_in_the_dump(void **state)
{
    struct scene *c = *state;
    krbrepl_pos at;

    assert_int_equal(load(c, V7 MKEY LOCKED("a@Y") LOCKED("b@Y") PRINC("c@Y")), 0);
    at = c->res.pos;
    assert_int_equal(local_len(c, BYTES("a@Y")), KRBREPL_MIT_LOCKOUT_LEN);
    assert_int_equal(local_len(c, BYTES("c@Y")), 0);
    assert_dump(c, V7 MKEY LOCKED("a@Y") LOCKED("b@Y") PRINC("c@Y"));
    /* Only these values differ: no commit. Zeros take an entry away. */
    assert_int_equal(load(c, V7 MKEY PRINC("a@Y") LOCKED("b@Y") LOCKED("c@Y")), 0);
    assert_memory_equal(&at, &c->res.pos, sizeof at);
    assert_int_equal(c->res.kind, 0);
    assert_int_equal(local_len(c, BYTES("a@Y")), 0);
    assert_dump(c, V7 MKEY PRINC("a@Y") LOCKED("b@Y") LOCKED("c@Y"));
    assert_int_equal(update(c, V7 LOCKED("a@Y") PRINC("b@Y")), 0);
    assert_dump(c, V7 MKEY LOCKED("a@Y") PRINC("b@Y") LOCKED("c@Y"));
}

static void principal_that_is_gone_and_comes_back_has_no_lockout_values(void **state)
{
    struct scene *c = *state;

    assert_int_equal(load(c, V7 MKEY LOCKED("a@Y")), 0);
    assert_int_equal(load(c, V7 MKEY), 0);
    assert_int_equal(load(c, "ipropx 1 1 2 3\n" MKEY PRINC("a@Y")), 0);
    assert_dump(c, V7 MKEY PRINC("a@Y"));
}

static void file_made_for_iprop_leaves_lockout_values_alone(void **state)
{
    struct scene *c = *state;

    assert_int_equal(load(c, V7 MKEY LOCKED("a@Y")), 0);
    assert_int_equal(load(c, "ipropx 1 12 1700000000 5\n" MKEY PRINC("a@Y") PRINC("b@Y")), 0);
    assert_int_equal(c->res.version, 0);
    assert_non_null(strstr(c->notes, "iprop"));
    assert_dump(c, V7 MKEY LOCKED("a@Y") PRINC("b@Y"));
}

static void local_entry_of_another_format_is_left_out_of_the_dump(void **state)
{
    struct scene *c = *state;
    krbrepl_mit_dump_options opt;
    char *text;

    assert_int_equal(load(c, V7 MKEY PRINC("a@Y")), 0);
    assert_int_equal(krbrepl_local_put(c->s, "principal", BYTES("a@Y"),
                                       BYTES("something that is longer than a lockout entry")),
                     0);
    KRBREPL_INIT(&opt);
    opt.note = take_note;
    opt.ctx = c;
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, &opt, NULL, &c->ei), 0);
    assert_non_null(strstr(c->notes, "left out"));
    text = read_text(c->other);
    assert_string_equal(text, V7 MKEY PRINC("a@Y"));
    free(text);
}

/* ---- dumping --------------------------------------------------------------------------------- */

static void dump_appears_whole_with_its_dump_ok_file(void **state)
{
    struct scene *c = *state;
    struct stat st, ok;
    char path[128];

    assert_int_equal(load(c, V7 MKEY), 0);
    write_text(c->other, "an older dump");
    assert_int_equal(chmod(c->other, 0644), 0);
    assert_dump(c, V7 MKEY);
    assert_int_equal(stat(c->other, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(path, sizeof path, "%s.dump_ok", c->other);
    assert_int_equal(stat(path, &ok), 0);
    assert_int_equal(ok.st_size, 1);
    assert_int_equal(ok.st_mode & 07777, 0600);
    assert_true(ok.st_mtime >= st.st_mtime);
    snprintf(path, sizeof path, "%s.tmp", c->other);
    assert_int_equal(access(path, F_OK), -1);
}

static void dump_that_fails_leaves_the_old_file(void **state)
{
    struct scene *c = *state;
    krbrepl_txn *t;
    char path[128], *text;

    assert_int_equal(load(c, V7 MKEY), 0);
    free(dump(c));
    assert_int_equal(krbrepl_txn_begin(c->s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("bad@Y"), BYTES("rubbish")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(c->ei.text, "principal bad@Y"));
    text = read_text(c->other);
    assert_string_equal(text, V7 MKEY);
    free(text);
    snprintf(path, sizeof path, "%s.tmp", c->other);
    assert_int_equal(access(path, F_OK), -1);
}

/* Otherwise `krbrepl dump DIR /dev/null` would put a file in the place of the device. */
static void what_is_no_regular_file_is_written_to_and_not_replaced(void **state)
{
    struct scene *c = *state;
    char text[4096] = "";
    struct stat st;
    int fd;

    assert_int_equal(load(c, V7 MKEY), 0);
    assert_int_equal(mkfifo(c->other, 0600), 0);
    fd = open(c->other, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), 0);
    assert_int_equal(read(fd, text, sizeof text - 1), (ssize_t)strlen(V7 MKEY));
    assert_string_equal(text, V7 MKEY);
    assert_int_equal(lstat(c->other, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    close(fd);
}

static int fail_write(void *ctx, const void *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
    return 77;
}

static int append(void *ctx, const void *data, size_t len)
{
    char *text = ctx;

    strncat(text, data, len);
    return 0;
}

static void dump_goes_to_a_callback_and_its_failure_comes_back(void **state)
{
    struct scene *c = *state;
    krbrepl_mit_dump_options opt;
    char text[4096] = "";

    assert_int_equal(load(c, V7 MKEY PRINC("a@Y")), 0);
    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl_mit_dump(c->s, NULL, &opt, NULL, &c->ei), KRBREPL_ERR_INVALID);
    opt.write = append;
    opt.ctx = text;
    assert_int_equal(krbrepl_mit_dump(c->s, NULL, &opt, NULL, &c->ei), 0);
    assert_string_equal(text, V7 MKEY PRINC("a@Y"));
    opt.write = fail_write;
    assert_int_equal(krbrepl_mit_dump(c->s, NULL, &opt, NULL, &c->ei), KRBREPL_ERR_HOST);
    assert_int_equal(c->ei.host_code, 77);
}

/* kdb5_util holds this lock while it dumps. */
static void dump_under_way_keeps_another_one_out(void **state)
{
    struct scene *c = *state;
    struct flock lock;
    char path[128], byte = 0;
    int to_child[2], to_us[2], fd, status;
    pid_t pid;

    assert_int_equal(load(c, V7 MKEY), 0);
    snprintf(path, sizeof path, "%s.dump_ok", c->other);
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_us), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(to_child[1]);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        memset(&lock, 0, sizeof lock);
        lock.l_type = F_WRLCK;
        if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 || write(to_us[1], "", 1) != 1)
            _exit(1);
        _exit(read(to_child[0], &byte, 1) != 0);
    }
    close(to_child[0]);
    assert_int_equal(read(to_us[0], &byte, 1), 1);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), KRBREPL_ERR_LOCKED);
    close(to_child[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), 0);
    close(to_us[0]);
    close(to_us[1]);
}

/* ---- the master key -------------------------------------------------------------------------- */

static void newest_master_key_version_is_found(void **state)
{
    struct scene *c = *state;
    uint64_t kvno = 0;

    assert_int_equal(load(c, V7 PRINC("a@Y")), 0);
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, NULL, &kvno, &c->ei), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(update(c, V7 MKEY), 0);
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, NULL, &kvno, &c->ei), 0);
    assert_int_equal(kvno, 4);
    kvno = 0;
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, "R.T", &kvno, &c->ei), 0);
    assert_int_equal(kvno, 4);
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, "S.T", &kvno, &c->ei), KRBREPL_ERR_NOTFOUND);
    assert_non_null(strstr(c->ei.text, "K/M@S.T"));
    assert_int_equal(update(c, V7
                            "princ\t38\t7\t0\t2\t0\tK/M@R.T\t0\t0\t0\t0\t0\t0\t0\t0\t1\t5\t18\t1\tff\t"
                            "1\t4\t18\t1\tff\t-1;\n"),
                     0);
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, NULL, &kvno, &c->ei), 0);
    assert_int_equal(kvno, 5);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(dump_after_load_has_every_line_again),
        SCENE(load_replaces_what_was_there_and_keeps_other_tables),
        SCENE(loading_the_same_again_makes_no_commit),
        SCENE(malformed_file_changes_nothing),
        SCENE(record_given_twice_is_refused_with_both_lines),
        SCENE(file_without_principals_does_not_empty_the_database),
        SCENE(dump_of_a_part_is_noted),
        SCENE(old_dump_ok_file_is_noted),
        SCENE(update_puts_the_file_beside_what_is_there),
        SCENE(update_larger_than_a_commit_is_made_in_several),
        SCENE(replica_is_not_loaded),
        SCENE(lockout_values_are_local_and_come_back_in_the_dump),
        SCENE(principal_that_is_gone_and_comes_back_has_no_lockout_values),
        SCENE(file_made_for_iprop_leaves_lockout_values_alone),
        SCENE(local_entry_of_another_format_is_left_out_of_the_dump),
        SCENE(dump_appears_whole_with_its_dump_ok_file),
        SCENE(dump_that_fails_leaves_the_old_file),
        SCENE(what_is_no_regular_file_is_written_to_and_not_replaced),
        SCENE(dump_goes_to_a_callback_and_its_failure_comes_back),
        SCENE(dump_under_way_keeps_another_one_out),
        SCENE(newest_master_key_version_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
