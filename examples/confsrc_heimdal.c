/* confsrc_heimdal.c: see confsrc.h. The lists are walked here, because krb5_config_get_strings splits values
 * at blanks. */
#include "confsrc.h"

#include <stdlib.h>
#include <string.h>

#include "prog.h"

struct confsrc {
    krb5_context krb5;
    krb5_config_section *own; /* NULL: what krb5 itself reads */
};

krb5_error_code confsrc_open(struct confsrc **out, krb5_context krb5, const char *file)
{
    struct confsrc *s = prog_alloc(sizeof *s);
    krb5_error_code err = 0;

    *out = NULL;
    s->krb5 = krb5;
    if (file != NULL)
        err = krb5_config_parse_file(krb5, file, &s->own);
    if (err != 0) {
        free(s);
        return err;
    }
    *out = s;
    return 0;
}

void confsrc_close(struct confsrc *s)
{
    if (s != NULL && s->own != NULL)
        krb5_config_file_free(s->krb5, s->own);
    free(s);
}

/* Copies the values of `name`, or counts them when `out` is NULL. */
static size_t take(const krb5_config_binding *b, const char *name, char **out)
{
    size_t n = 0;

    for (; b != NULL; b = b->next)
        if (b->type == krb5_config_string && strcmp(b->name, name) == 0) {
            if (out != NULL)
                out[n] = prog_dup(b->u.string);
            n++;
        }
    return n;
}

char **confsrc_values(struct confsrc *s, const char *section, const char *sub, const char *name)
{
    const krb5_config_binding *b = sub != NULL
                                       ? krb5_config_get_list(s->krb5, s->own, section, sub, NULL)
                                       : krb5_config_get_list(s->krb5, s->own, section, NULL);
    size_t n = take(b, name, NULL);
    char **values;

    if (n == 0)
        return NULL;
    values = prog_alloc((n + 1) * sizeof *values);
    (void)take(b, name, values);
    return values;
}

void confsrc_free(char **values)
{
    size_t i;

    for (i = 0; values != NULL && values[i] != NULL; i++)
        free(values[i]);
    free(values);
}

void confsrc_free_realm(krb5_context krb5, char *realm)
{
    (void)krb5;
    krb5_xfree(realm);
}
