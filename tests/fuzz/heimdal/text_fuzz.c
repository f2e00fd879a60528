/* A line of a dump of kadmin: what is read is an entry, and the line that it makes is read as the same entry. */
#include <string.h>

#include "fuzz.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl_bytes line = {p, n}, der;
    krbrepl__buf entry, text, again;
    krbrepl__hdb_entry e;
    krbrepl_errinfo ei;
    int lost;

    krbrepl__buf_init(&entry, 0);
    krbrepl__buf_init(&text, 0);
    krbrepl__buf_init(&again, 0);
    if (krbrepl__heim_text_read(line, &entry, &ei) != 0)
        goto done;
    der.data = entry.data;
    der.len = entry.len;
    MUST(krbrepl__hdb_entry_read(&e, der, &ei) == 0);
    MUST(krbrepl__heim_text_write(&text, &e, &lost, &ei) == 0 && !lost);
    line.data = text.data;
    line.len = text.len - 1; /* without its end */
    MUST(krbrepl__heim_text_read(line, &again, &ei) == 0);
    MUST(again.len == entry.len && memcmp(again.data, entry.data, entry.len) == 0);
done:
    krbrepl__buf_free(&entry);
    krbrepl__buf_free(&text);
    krbrepl__buf_free(&again);
    return 0;
}
