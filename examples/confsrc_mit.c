/* confsrc_mit.c: see confsrc.h. */
#include "confsrc.h"

#include <stdlib.h>

#include <profile.h>

#include "prog.h"

struct confsrc {
    profile_t profile;
};

krb5_error_code confsrc_open(struct confsrc **out, krb5_context krb5, const char *file)
{
    struct confsrc *s = prog_alloc(sizeof *s);
    krb5_error_code err = file != NULL ? (krb5_error_code)profile_init_path(file, &s->profile)
                                       : krb5_get_profile(krb5, &s->profile);

    *out = NULL;
    if (err != 0) {
        free(s);
        return err;
    }
    *out = s;
    return 0;
}

void confsrc_close(struct confsrc *s)
{
    if (s != NULL)
        profile_release(s->profile);
    free(s);
}

char **confsrc_values(struct confsrc *s, const char *section, const char *sub, const char *name)
{
    const char *with[] = {section, sub, name, NULL}, *without[] = {section, name, NULL};
    char **values = NULL;

    return profile_get_values(s->profile, sub != NULL ? with : without, &values) == 0 ? values : NULL;
}

void confsrc_free(char **values)
{
    if (values != NULL)
        profile_free_list(values);
}

void confsrc_free_realm(krb5_context krb5, char *realm)
{
    krb5_free_default_realm(krb5, realm);
}
