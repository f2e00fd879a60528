/* A program that embeds libkrbrepl-mit: makes a principal's record and reads it back. */
#include <stdio.h>

#include <krbrepl/krbrepl.h>
#include <krbrepl/mit.h>

int main(void)
{
    krbrepl_mit_principal p, *back = NULL;
    krbrepl_bytes value;
    krbrepl_errinfo ei;
    void *made = NULL;
    size_t len = 0;
    int ret;

    KRBREPL_INIT(&ei);
    KRBREPL_INIT(&p);
    p.base_length = 38;
    p.max_life = 36000;
    ret = krbrepl_mit_principal_encode(&p, &made, &len, &ei);
    if (ret == 0) {
        value.data = made;
        value.len = len;
        ret = krbrepl_mit_principal_decode(value, &back, &ei);
    }
    if (ret == 0 && back->max_life != 36000)
        ret = KRBREPL_ERR_CORRUPT;
    krbrepl_mit_principal_free(back);
    krbrepl_mit_free(made, len);
    if (ret != 0)
        fprintf(stderr, "%s: %s\n", krbrepl_strerror(ret), ei.text);
    return ret == 0 ? 0 : 1;
}
