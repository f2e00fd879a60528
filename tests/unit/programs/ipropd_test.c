/* ipropd_test.c: the command lines, settings and files of Heimdal's two daemons. */
#include "test.h"

#include <krbrepl/krbrepl.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipropd.h"
#include "ipropfile.h"
#include "prog.h"

static struct daemon d;
static struct ipropd p;
static struct opt opts[12];
static const char *const no_settings = "";

static int parse(const char *line)
{
    static char copy[256], *words[16];
    const struct opt table[] = {IPROPD_OPTS(&p), {.name = NULL}};
    const struct opt_command cmd = {.name = "ipropd-master",
                                    .operands = "",
                                    .most = -1,
                                    .summary = "x",
                                    .opts = opts,
                                    .short_names = true};
    char *word, *save = NULL, **argv = words;
    int n = 0;

    assert_true(sizeof table <= sizeof opts);
    memcpy(opts, table, sizeof table);
    snprintf(copy, sizeof copy, "%s", line);
    for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        words[n++] = word;
    return opts_parse(&cmd, &n, &argv);
}

static int reset(void **state)
{
    (void)state;
    memset(&d, 0, sizeof d);
    memset(&p, 0, sizeof p);
    memset(opts, 0, sizeof opts);
    p.d = &d;
    p.master = true;
    return 0;
}

static int clean(void **state)
{
    (void)state;
    ipropd_free(&p);
    opts_free(opts);
    free(p.report);
    free(p.database);
    conf_close(d.conf);
    return 0;
}

/* Settles with this text as the only configuration. */
static bool settle(const char *text)
{
    char file[] = "/tmp/krbrepl-ipropd.XXXXXX";
    FILE *f = fdopen(mkstemp(file), "w");

    assert_non_null(f);
    fprintf(f, "[libdefaults]\n default_realm = R.TEST\n[hdb]\n db-dir = /nowhere\n%s", text);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(setenv("KRB5_CONFIG", file, 1), 0);
    d.conf = conf_open(NULL, NULL);
    assert_non_null(d.conf);
    unlink(file);
    return ipropd_settle(&p);
}

static void the_name_is_the_last_part_of_the_path(void **state)
{
    (void)state;
    assert_true(ipropd_named("/usr/sbin/ipropd-master", "ipropd-master"));
    assert_true(ipropd_named("ipropd-slave", "ipropd-slave"));
    assert_false(ipropd_named("/ipropd-master/krbrepl-master", "ipropd-master"));
    assert_false(ipropd_named("ipropd-master.old", "ipropd-master"));
    assert_false(ipropd_named(NULL, "ipropd-master"));
}

static void options_are_read_in_every_form_that_heimdal_reads(void **state)
{
    (void)state;
    assert_int_equal(parse("--config-file=/c -r R -kFILE:/k --por 2200 --verb --hostn=h"), OPTS_GO);
    assert_string_equal(d.config_file, "/c");
    assert_string_equal(d.realm, "R");
    assert_string_equal(p.keytab, "FILE:/k");
    assert_string_equal(p.port, "2200");
    assert_string_equal(p.hostname, "h");
    assert_true(p.verbose);
    opts_free(opts);
    assert_int_equal(parse("-c/c2 --realm R2 --keytab=FILE:/k2 --detach=no --daemon-child=3"), OPTS_GO);
    assert_string_equal(d.config_file, "/c2");
    assert_string_equal(d.realm, "R2");
    assert_false(d.detach);
    opts_free(opts);
    assert_int_equal(parse("--detach --verbose --no-det --no-verbose --p=2200"), OPTS_GO);
    assert_false(d.detach);
    assert_false(p.verbose);
    assert_string_equal(p.port, "2200");
    assert_int_equal(parse("--vers"), PROG_OK);
    assert_int_equal(parse("--he"), PROG_OK);
}

/* What Heimdal's programs do not have takes no beginning away from what they have. */
static void options_of_ours_are_written_in_full(void **state)
{
    (void)state;
    assert_int_equal(parse("--store=/s --pid-file=/p"), OPTS_GO);
    assert_string_equal(d.store_dir, "/s");
    assert_int_equal(parse("--stor=/s"), PROG_USAGE);
    assert_int_equal(parse("--pid=/p"), PROG_USAGE);
    assert_int_equal(parse("--no-store"), PROG_USAGE);
    assert_int_equal(parse("--no-detach=yes"), PROG_USAGE);
}

static void an_option_that_could_be_two_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("--d"), PROG_USAGE);
    assert_int_equal(parse("--ver"), PROG_USAGE);
    assert_int_equal(parse("--h=x"), PROG_USAGE);
}

/* The services database of this test, in the place of the C library's. */
static struct servent service;
static const char *asked_name, *asked_proto;

struct servent *getservbyname(const char *name, const char *proto)
{
    asked_name = name;
    asked_proto = proto;
    return service.s_name != NULL && strcmp(service.s_name, name) == 0 ? &service : NULL;
}

static void the_port_is_that_of_the_services_database_else_2121(void **state)
{
    static char name[] = "iprop";
    char buf[16];

    (void)state;
    assert_string_equal(ipropd_port(NULL, buf), "2121");
    assert_string_equal(asked_name, "iprop");
    assert_string_equal(asked_proto, "tcp");
    service.s_name = name;
    service.s_port = htons(4711);
    assert_string_equal(ipropd_port(NULL, buf), "4711");
    assert_string_equal(ipropd_port("iprop", buf), "4711");
    /* A number is never looked up. */
    asked_name = NULL;
    assert_string_equal(ipropd_port("2200", buf), "2200");
    assert_null(asked_name);
    assert_true(settle(no_settings));
    assert_string_equal(p.port, "4711");
    service.s_name = NULL;
    assert_string_equal(ipropd_port("iprop", buf), "");
    free(p.port);
    free(d.store_dir);
    free(d.pid_file);
}

static void a_port_is_a_number_or_a_service(void **state)
{
    char buf[16];

    (void)state;
    assert_string_equal(ipropd_port("4711", buf), "4711");
    assert_int_equal(strlen(ipropd_port("0", buf)), 0);
    assert_string_equal(ipropd_port("65536", buf), "");
    assert_string_equal(ipropd_port("no-such-service-here", buf), "");
}

static void expect_host(const char *given, const char *want)
{
    char *got = ipropd_with_port(given, "7");

    assert_string_equal(got, want);
    free(got);
}

static void a_master_without_a_port_gets_one(void **state)
{
    (void)state;
    expect_host("kdc1", "kdc1:7");
    expect_host("kdc1:2121", "kdc1:2121");
    expect_host("10.0.0.1", "10.0.0.1:7");
    expect_host("[::1]", "[::1]:7");
    expect_host("[::1]:5", "[::1]:5");
    expect_host("fe80::1", "[fe80::1]:7");
}

static void keys_are_not_taken_out_of_the_database(void **state)
{
    (void)state;
    assert_non_null(ipropd_keytab_wrong("HDB:"));
    assert_non_null(ipropd_keytab_wrong("HDBGET:mdb:/var/lib/x"));
    assert_null(ipropd_keytab_wrong("FILE:/etc/krb5.keytab"));
    assert_null(ipropd_keytab_wrong("/etc/krb5.keytab"));
    p.keytab = prog_dup("HDB:");
    assert_false(settle(no_settings));
    free(p.keytab);
    p.keytab = NULL;
}

static void what_is_not_said_is_in_the_database_directory(void **state)
{
    (void)state;
    unsetenv("HEIM_PIDFILE_DIR");
    p.hostname = prog_dup("KDC1.test");
    p.verbose = true;
    assert_true(settle(no_settings));
    assert_string_equal(d.log_level, "debug");
    assert_string_equal(d.store_dir, "/nowhere/krbrepl");
    assert_string_equal(p.slaves, "/nowhere/slaves");
    assert_string_equal(p.report, "/nowhere/slaves-stats");
    assert_string_equal(d.pid_file, "/nowhere/ipropd-master.pid");
    assert_string_equal(p.principal, "iprop/kdc1.test@R.TEST");
    free(d.log_level);
    free(p.hostname);
    free(p.port);
    free(d.store_dir);
    free(d.pid_file);
}

static void heimdals_settings_are_obeyed(void **state)
{
    (void)state;
    setenv("HEIM_PIDFILE_DIR", "/pids", 1);
    assert_true(
        settle("[kdc]\n iprop-acl = /acl\n iprop-stats = /stats\n database = {\n"
               "  dbname = krbrepl:/store\n  realm = R.TEST\n }\n"
               "[appdefaults]\n reconnect-max = 10\n ipropd-slave = {\n  reconnect-min = 2 s\n }\n"));
    assert_string_equal(d.store_dir, "/store");
    assert_string_equal(p.slaves, "/acl");
    assert_string_equal(p.report, "/stats");
    assert_string_equal(d.pid_file, "/pids/ipropd-master.pid");
    assert_int_equal(p.retry_min_ms, 2000);
    assert_int_equal(p.retry_max_ms, 10000);
    unsetenv("HEIM_PIDFILE_DIR");
    free(p.port);
    free(d.store_dir);
    free(d.pid_file);
}

static void a_database_that_is_a_store_comes_first(void **state)
{
    (void)state;
    d.store_dir = prog_dup("/other");
    p.database = prog_dup("krbrepl:/store");
    assert_true(settle(no_settings));
    assert_string_equal(d.store_dir, "/store");
    free(p.port);
    free(d.store_dir);
    free(d.pid_file);
}

static void the_table_of_slaves_is_heimdals(void **state)
{
    static char one[] = "iprop/s1.lab.test@IPROP.TEST", two[] = "iprop/s2.lab.test@IPROP.TEST";
    static char address[] = "IPv4:127.0.0.1";
    static const struct ipropfile_row rows[] = {
        {one, address, 34, true, INT64_C(1763766660000000)},
        {two, address, 7, false, 0},
    };
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    (void)state;
    setenv("TZ", "UTC0", 1);
    ipropfile_table(f, INT64_C(1763766660000000), 34, rows, 2);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(
        text, "Status for slaves, last updated: 2025-11-21T23:11:00\n\n"
              "Master version: 34\n\n"
              "Name                          Address         Version  Status  Last Seen\n"
              "iprop/s1.lab.test@IPROP.TEST  IPv4:127.0.0.1       34  Up      2025-11-21T23:11:00\n"
              "iprop/s2.lab.test@IPROP.TEST  IPv4:127.0.0.1        7  Down    never\n");
    free(text);
}

static void expect_address(const char *given, const char *want)
{
    char *got = ipropfile_address(given);

    assert_string_equal(got, want);
    free(got);
}

static void addresses_are_written_as_heimdal_writes_them(void **state)
{
    (void)state;
    expect_address("127.0.0.1:4711", "IPv4:127.0.0.1");
    expect_address("[::1]:4711", "IPv6:::1");
    expect_address("", "IPv4:");
    expect_address("[", "IPv6:");
}

static void expect_line(const krbrepl_status *st, bool heard, int64_t now_us, const char *want)
{
    char line[200];

    ipropfile_line(line, sizeof line, st, "kdc1", heard, now_us, 300000);
    assert_string_equal(line, want);
}

static void a_slave_says_how_it_stands_in_heimdals_words(void **state)
{
    const int64_t t = INT64_C(1763766660000000);
    krbrepl_status st;

    (void)state;
    setenv("TZ", "UTC0", 1);
    KRBREPL_INIT(&st);
    st.state = KRBREPL_STATE_CONNECTING;
    expect_line(&st, false, t, "connecting to master: kdc1");
    st.last_heard_us = t;
    expect_line(&st, true, t + 1000000, "disconnected from master");
    expect_line(&st, true, t + INT64_C(301000000), "disconnected from master for a long time");
    st.state = KRBREPL_STATE_COPYING;
    expect_line(&st, true, t, "connected to master, waiting instructions");
    st.state = KRBREPL_STATE_STREAMING;
    expect_line(&st, true, t, "connected to master, waiting instructions");
    st.upstream_dialect = KRBREPL_DIALECT_HEIMDAL;
    st.upstream_version = 34;
    st.pos.seq = 12;
    expect_line(&st, true, t, "up-to-date with version: 34 at 2025-11-21T23:11:00");
    st.upstream_dialect = 0;
    expect_line(&st, true, t, "up-to-date with version: 12 at 2025-11-21T23:11:00");
    st.lag_commits = 1;
    expect_line(&st, true, t, "connected to master, waiting instructions");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, reset, clean)
    const struct CMUnitTest tests[] = {
        T(the_name_is_the_last_part_of_the_path),
        T(options_are_read_in_every_form_that_heimdal_reads),
        T(an_option_that_could_be_two_is_refused),
        T(options_of_ours_are_written_in_full),
        T(a_port_is_a_number_or_a_service),
        T(the_port_is_that_of_the_services_database_else_2121),
        T(a_master_without_a_port_gets_one),
        T(keys_are_not_taken_out_of_the_database),
        T(what_is_not_said_is_in_the_database_directory),
        T(heimdals_settings_are_obeyed),
        T(a_database_that_is_a_store_comes_first),
        T(the_table_of_slaves_is_heimdals),
        T(addresses_are_written_as_heimdal_writes_them),
        T(a_slave_says_how_it_stands_in_heimdals_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
