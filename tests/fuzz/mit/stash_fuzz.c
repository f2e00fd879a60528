/* Stash files: keytabs, written by other programs. */
#include <string.h>

#include <krbrepl/error.h>
#include <krbrepl/mit.h>

#include "fuzz.h"
#include "fuzzfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *file = fuzz_file(data, size);
    int64_t enctype = 0, any_enctype = 0;
    uint64_t kvno = 0, any = 0;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&ei);
    rc = krbrepl_mit_stash_kvno(file, "EXAMPLE.ORG", &kvno, &enctype, &ei);
    MUST(rc == 0 || rc == KRBREPL_ERR_FORMAT || rc == KRBREPL_ERR_NOTFOUND);
    /* What is found for one realm is found, or surpassed, for any. */
    if (rc == 0) {
        MUST(krbrepl_mit_stash_kvno(file, NULL, &any, &any_enctype, &ei) == 0);
        MUST(any >= kvno);
    }
    return 0;
}
