/*
 * as_load: asks a KDC for tickets, one AS exchange after the other, until SIGTERM or for so many seconds.
 *
 *   as_load --user PREFIX --count N [--first N] [--password TEXT] [--pause MICROSECONDS] [--seconds N]
 *           [--preauth] --realm REALM --out FILE
 *
 * Who asks is PREFIX and a number of at least five digits, by chance one of N. The key is made once, with the
 * realm alone as salt (addprinc -e aes256-cts:onlyrealm), for otherwise this program and not the KDC would be
 * busy. --preauth sends the proof of the key at once, without asking whether it is wanted.
 *
 * FILE gets a line an exchange: when it ended (seconds, monotonic), how many milliseconds it took, and 0 or the
 * error. What failed is also said on standard error. Several of these beside one another load a KDC.
 */
#include <errno.h>
#include <krb5.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct as_load {
    krb5_context ctx;
    krb5_keytab keytab;
    krb5_get_init_creds_opt *opts;
    krb5_keyblock key;
    FILE *out;
    const char *user, *realm, *password, *path;
    unsigned long count, first, pause, seconds;
    int preauth;
} as_load;

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fputs("as_load: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static void check(as_load *l, krb5_error_code code, const char *what)
{
    if (code != 0)
        die("%s: %s", what, krb5_get_error_message(l->ctx, code));
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static unsigned long number(const char *option, const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0')
        die("%s: %s is no number", option, text);
    return value;
}

static void options(as_load *l, int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(name, "--preauth") == 0) {
            l->preauth = 1;
            continue;
        }
        if (value == NULL)
            die("%s wants a value", name);
        i++;
        if (strcmp(name, "--user") == 0)
            l->user = value;
        else if (strcmp(name, "--realm") == 0)
            l->realm = value;
        else if (strcmp(name, "--password") == 0)
            l->password = value;
        else if (strcmp(name, "--out") == 0)
            l->path = value;
        else if (strcmp(name, "--count") == 0)
            l->count = number(name, value);
        else if (strcmp(name, "--first") == 0)
            l->first = number(name, value);
        else if (strcmp(name, "--pause") == 0)
            l->pause = number(name, value);
        else if (strcmp(name, "--seconds") == 0)
            l->seconds = number(name, value);
        else
            die("there is no option %s", name);
    }
    if (l->user == NULL || l->realm == NULL || l->path == NULL || l->count == 0)
        die("--user, --realm, --out and --count are needed");
}

static void prepare(as_load *l)
{
    krb5_data password, salt;
    krb5_preauthtype timestamp[] = {KRB5_PADATA_ENC_TIMESTAMP};

    check(l, krb5_init_context(&l->ctx), "krb5_init_context");
    check(l, krb5_kt_resolve(l->ctx, "MEMORY:as_load", &l->keytab), "a keytab in memory");
    check(l, krb5_get_init_creds_opt_alloc(l->ctx, &l->opts), "options");
    if (l->preauth)
        krb5_get_init_creds_opt_set_preauth_list(l->opts, timestamp, 1);
    memset(&password, 0, sizeof password);
    memset(&salt, 0, sizeof salt);
    password.data = (char *)(uintptr_t)l->password;
    password.length = (unsigned)strlen(l->password);
    salt.data = (char *)(uintptr_t)l->realm;
    salt.length = (unsigned)strlen(l->realm);
    check(l, krb5_c_string_to_key(l->ctx, ENCTYPE_AES256_CTS_HMAC_SHA1_96, &password, &salt, &l->key),
          "the key");
    l->out = fopen(l->path, "w");
    if (l->out == NULL)
        die("%s: %s", l->path, strerror(errno));
}

/* The keytab has never more than the entry that is needed: a search through it is not what is measured. */
static krb5_error_code exchange(as_load *l, const char *name)
{
    krb5_keytab_entry entry;
    krb5_creds creds;
    krb5_error_code code;

    memset(&entry, 0, sizeof entry);
    memset(&creds, 0, sizeof creds);
    check(l, krb5_parse_name(l->ctx, name, &entry.principal), name);
    entry.vno = 1;
    entry.key = l->key;
    check(l, krb5_kt_add_entry(l->ctx, l->keytab, &entry), "krb5_kt_add_entry");
    code = krb5_get_init_creds_keytab(l->ctx, &creds, entry.principal, l->keytab, 0, NULL, l->opts);
    /* What SIGTERM has cut short says nothing about the KDC. */
    if (code != 0 && !stopped)
        fprintf(stderr, "as_load: %s: %s\n", name, krb5_get_error_message(l->ctx, code));
    krb5_free_cred_contents(l->ctx, &creds);
    check(l, krb5_kt_remove_entry(l->ctx, l->keytab, &entry), "krb5_kt_remove_entry");
    krb5_free_principal(l->ctx, entry.principal);
    return code;
}

static void one(as_load *l, unsigned long i)
{
    char name[400];
    double begin, end;
    krb5_error_code code;

    snprintf(name, sizeof name, "%s%05lu@%s", l->user, i, l->realm);
    begin = now();
    code = exchange(l, name);
    end = now();
    if (!stopped)
        fprintf(l->out, "%.6f %.3f %ld\n", end, (end - begin) * 1e3, (long)code);
    if (l->pause > 0) {
        struct timespec ts = {(time_t)(l->pause / 1000000), (long)(l->pause % 1000000) * 1000};

        nanosleep(&ts, NULL);
    }
}

int main(int argc, char **argv)
{
    as_load l = {.password = "secret", .first = 1};
    struct sigaction action;
    uint64_t state;
    double end;

    options(&l, argc, argv);
    memset(&action, 0, sizeof action);
    action.sa_handler = stop;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    prepare(&l);
    state = (uint64_t)time(NULL) * 2654435761u + (uintptr_t)&l;
    end = now() + (double)l.seconds;
    while (!stopped && (l.seconds == 0 || now() < end)) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        one(&l, l.first + (unsigned long)((state >> 33) % l.count));
    }
    if (fclose(l.out) != 0)
        die("%s: %s", l.path, strerror(errno));
    krb5_get_init_creds_opt_free(l.ctx, l.opts);
    krb5_free_keyblock_contents(l.ctx, &l.key);
    krb5_kt_close(l.ctx, l.keytab);
    krb5_free_context(l.ctx);
    return 0;
}
