#include <krbrepl/version.h>

#include <stddef.h>

const krbrepl_info *krbrepl_version(uint32_t least)
{
    static const krbrepl_info info = {
        .size = sizeof info,
        .text = KRBREPL_VERSION_TEXT,
        .number = KRBREPL_VERSION_NUMBER,
        .protocol = 1,
        .format = 1,
        .flags = 0,
    };

    return least <= info.number ? &info : NULL;
}
