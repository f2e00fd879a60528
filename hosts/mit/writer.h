/* writer.h: the lines that `kdb5_util dump` writes for a record, byte for byte (format 7). */
#ifndef KRBREPL__MIT_WRITER_H
#define KRBREPL__MIT_WRITER_H

#include <krbrepl/mit.h>

#include "buf.h"

#define KRBREPL__MIT_HEADER "kdb5_util load_dump version 7\n"

/* Each appends one line. FORMAT when the value is no record, or has no place in a dump file (a newline in
 * a name); NOMEM. `b` is then as before. */
int krbrepl__mit_write_principal(krbrepl__buf *b, krbrepl_bytes key, krbrepl_bytes value,
                                 const krbrepl_mit_lockout *lockout, krbrepl_errinfo *ei);
int krbrepl__mit_write_policy(krbrepl__buf *b, krbrepl_bytes key, krbrepl_bytes value,
                              krbrepl_errinfo *ei);

#endif
