/* Record values: the first byte says of which table; what is decoded is encoded to the same bytes. */
#include <string.h>

#include <krbrepl/mit.h>

#include "fuzz.h"

static void check_same(void *out, size_t len, krbrepl_bytes value)
{
    MUST(len == value.len && memcmp(out, value.data, len) == 0);
    krbrepl_mit_free(out, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *table =
        size != 0 && data[0] == 'o' ? KRBREPL_MIT_TABLE_POLICY : KRBREPL_MIT_TABLE_PRINCIPAL;
    krbrepl_bytes value = {data + (size != 0), size - (size != 0)}, key = {"name", 4};
    krbrepl_mit_principal *princ = NULL;
    krbrepl_mit_policy *policy = NULL;
    krbrepl_mit_lockout lockout;
    void *out = NULL;
    size_t len = 0;
    char line[128];

    if (krbrepl_mit_principal_decode(value, &princ, NULL) == 0) {
        MUST(krbrepl_mit_principal_encode(princ, &out, &len, NULL) == 0);
        check_same(out, len, value);
    }
    if (krbrepl_mit_policy_decode(value, &policy, NULL) == 0) {
        MUST(krbrepl_mit_policy_encode(policy, &out, &len, NULL) == 0);
        check_same(out, len, value);
    }
    krbrepl_mit_lockout_decode(value, &lockout);
    krbrepl_mit_describe(table, key, value, line, sizeof line);
    krbrepl_mit_principal_free(princ);
    krbrepl_mit_policy_free(policy);
    return 0;
}
