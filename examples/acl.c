/* acl.c: who may follow a master. */
#include "acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "prog.h"

#define LONGEST_LINE 1024

struct entry {
    char *name;
    bool heimdal;
};

struct acl {
    struct entry *at;
    size_t count, room;
};

static void add(struct acl *a, char *name, bool heimdal)
{
    if (a->count == a->room) {
        a->room = a->room == 0 ? 16 : a->room * 2;
        a->at = prog_grow(a->at, a->room * sizeof *a->at);
    }
    a->at[a->count].heimdal = heimdal;
    a->at[a->count++].name = name;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes white space off both ends, in place. */
static char *trim(char *line)
{
    size_t n;

    while (is_space(*line))
        line++;
    for (n = strlen(line); n > 0 && is_space(line[n - 1]); n--)
        line[n - 1] = '\0';
    return line;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* What is wrong with a principal, or NULL. `at` is where its realm begins, behind the '@', or NULL. */
static const char *look_at(const char *name, const char **at)
{
    const char *p;

    *at = NULL;
    for (p = name; *p != '\0'; p++) {
        if (is_control(*p) || is_space(*p) || (*p == '\\' && p[1] != '\0' && is_control(p[1])))
            return "a blank or control character in the name; write one principal a line, nothing else";
        if (*p == '*')
            return "a pattern; every principal has to be written out";
        if (*p == '\\' && p[1] != '\0') {
            p++;
        } else if (*p == '@') {
            if (*at != NULL)
                return "two realms";
            *at = p + 1;
        }
    }
    if (*at == name + 1 || (*at != NULL && **at == '\0'))
        return "a name or a realm that is empty";
    return NULL;
}

/* Passes over the word before the name of a slave in Heimdal's dialect. */
static bool take_word(char **line)
{
    static const char word[] = "heimdal";
    const size_t n = sizeof word - 1;

    if (strncmp(*line, word, n) != 0 || !is_space((*line)[n]))
        return false;
    *line = trim(*line + n);
    return true;
}

static const char *add_line(struct acl *a, char *line, const char *default_realm)
{
    const char *wrong, *realm;
    bool heimdal;

    line = trim(line);
    if (*line == '\0' || *line == '#')
        return NULL;
    heimdal = take_word(&line);
    wrong = look_at(line, &realm);
    if (wrong != NULL)
        return wrong;
    if (realm == NULL && *default_realm == '\0')
        return "a name without realm, and no default realm is set; write the realm behind the name";
    add(a, realm != NULL ? prog_dup(line) : prog_format("%s@%s", line, default_realm), heimdal);
    return NULL;
}

/* 1: a line, without its newline; 0: the end. Zero bytes and length are looked at here, for what comes after
 * sees a string, and a name must not end earlier for us than it does in the file. */
static int read_line(FILE *f, char buf[LONGEST_LINE + 1], const char **wrong)
{
    size_t n = 0;
    int c;

    while ((c = getc(f)) != EOF && c != '\n') {
        if (c == '\0')
            *wrong = "a zero byte";
        else if (n == LONGEST_LINE)
            *wrong = "a line longer than 1,024 bytes";
        else
            buf[n++] = (char)c;
        if (*wrong != NULL)
            return 1;
    }
    buf[n] = '\0';
    return c != EOF || n > 0;
}

static const char *read_lines(struct acl *a, FILE *f, const char *default_realm, unsigned *line)
{
    char buf[LONGEST_LINE + 1];
    const char *wrong = NULL;

    while (wrong == NULL && read_line(f, buf, &wrong)) {
        (*line)++;
        if (wrong == NULL)
            wrong = add_line(a, buf, default_realm);
    }
    return wrong;
}

static bool is_safe(FILE *f, const char *file, char *why, size_t room)
{
    struct stat st;

    if (fstat(fileno(f), &st) != 0) {
        snprintf(why, room, "%s: %s", file, strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode) || (st.st_mode & S_IWOTH) != 0) {
        snprintf(why, room, "%s: %s", file,
                 S_ISREG(st.st_mode) ? "everybody can write this file; run `chmod o-w` on it"
                                     : "it is no file");
        return false;
    }
    return true;
}

struct acl *acl_read(const char *file, const char *default_realm, char *why, size_t room)
{
    FILE *f = fopen(file, "re");
    struct acl *a = NULL;
    const char *wrong = NULL;
    unsigned line = 0;

    if (f == NULL) {
        snprintf(why, room, "%s: %s", file, strerror(errno));
        return NULL;
    }
    if (is_safe(f, file, why, room)) {
        a = prog_alloc(sizeof *a);
        wrong = read_lines(a, f, default_realm, &line);
        if (wrong == NULL && ferror(f))
            wrong = "it cannot be read to its end";
    }
    if (wrong != NULL) {
        snprintf(why, room, "%s, line %u: %s", file, line, wrong);
        acl_free(a);
        a = NULL;
    }
    fclose(f);
    return a;
}

void acl_free(struct acl *a)
{
    size_t i;

    if (a == NULL)
        return;
    for (i = 0; i < a->count; i++)
        free(a->at[i].name);
    free(a->at);
    free(a);
}

static bool allows(const struct acl *a, const char *principal, bool heimdal)
{
    size_t i;

    for (i = 0; a != NULL && i < a->count; i++)
        if (a->at[i].heimdal == heimdal && strcmp(a->at[i].name, principal) == 0)
            return true;
    return false;
}

bool acl_allows(const struct acl *a, const char *principal)
{
    return allows(a, principal, false);
}

bool acl_allows_heimdal(const struct acl *a, const char *principal)
{
    return allows(a, principal, true);
}

size_t acl_count(const struct acl *a)
{
    return a != NULL ? a->count : 0;
}
