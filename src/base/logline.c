#include "logline.h"

#include <stdarg.h>
#include <stdio.h>

void krbrepl__logf(const krbrepl__log *log, int level, const char *area, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    size_t len, i;
    int n;

    if (log == NULL || log->fn == NULL || level > log->level)
        return;
    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    len = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    for (i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    log->fn(log->ctx, level, area, line, len);
}
