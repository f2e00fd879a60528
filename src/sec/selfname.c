#include "selfname.h"

#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "mem.h"

char *krbrepl__selfname(const char *service)
{
    char host[256], self[sizeof host + 32];
    char *s;

    if (gethostname(host, sizeof host) != 0)
        return NULL;
    host[sizeof host - 1] = '\0';
    for (s = host; *s != '\0'; s++)
        *s = (char)tolower((unsigned char)*s);
    snprintf(self, sizeof self, "%.30s/%s", service, host);
    return krbrepl__strdup(self);
}
