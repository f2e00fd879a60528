/* Small texts that people write: times, sizes, numbers, addresses. What is read as a number of bytes or a time
 * is printed within its room. */
#include <string.h>

#include "fuzz.h"
#include "sock.h"
#include "times.h"

static void check_address(const char *text, size_t len)
{
    char host[256], port[32];
    krbrepl__addr a[2];
    int n;

    if (krbrepl__hostport_split(text, len, host, sizeof host, port, sizeof port) != 0)
        return;
    MUST(memchr(host, 0, sizeof host) != NULL && memchr(port, 0, sizeof port) != NULL);
    MUST(strlen(host) + strlen(port) <= len);
    n = krbrepl__addr_parse(host, port[0] != '\0' ? port : "2121", a);
    MUST(n <= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char *text = malloc(n + 1), room[TIMES_ROOM];
    uint64_t value;
    bool unit;

    MUST(text != NULL);
    memcpy(text, p, n);
    text[n] = '\0';
    if (times_parse(text, &value, &unit)) {
        MUST(value <= INT64_MAX / 1000);
        MUST(strlen(times_duration(room, value * 1000)) < sizeof room);
        MUST(strlen(times_stamp(room, (int64_t)value * 1000)) < sizeof room);
    }
    if (times_parse_size(text, &value))
        MUST(strlen(times_size(room, value)) < sizeof room);
    if (times_parse_number(text, &value))
        MUST(n >= 1 && strspn(text, "0123456789") == strlen(text));
    check_address(text, strlen(text));
    free(text);
    return 0;
}
