#include "options.h"

#include <string.h>

#include <krbrepl/error.h>

/* No struct, however new, will be longer: such a size is a variable that nobody set. */
#define LONGEST 4096u

int krbrepl__widen(void *out, size_t now, const void *in)
{
    const unsigned char *tail;
    size_t size, i;

    memset(out, 0, now);
    if (in != NULL) {
        memcpy(&size, in, sizeof size);
        if (size < sizeof size)
            return KRBREPL_ERR_INVALID;
        if (size > LONGEST)
            return KRBREPL_ERR_ABI;
        tail = (const unsigned char *)in;
        for (i = now; i < size; i++)
            if (tail[i] != 0)
                return KRBREPL_ERR_ABI;
        memcpy(out, in, size < now ? size : now);
    }
    memcpy(out, &now, sizeof now);
    return 0;
}

int krbrepl__narrow(void *out, const void *in, size_t now)
{
    size_t size;

    if (out == NULL)
        return KRBREPL_ERR_INVALID;
    memcpy(&size, out, sizeof size);
    if (size < sizeof size)
        return KRBREPL_ERR_INVALID;
    memcpy((char *)out + sizeof size, (const char *)in + sizeof size,
           (size < now ? size : now) - sizeof size);
    return 0;
}
