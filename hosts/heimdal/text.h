/* text.h: an entry as a line of `kadmin -l dump`, and back.
 *
 * Twelve fields with blanks between them; "-" stands for one that is not there:
 *
 *   principal  kvno{:mkvno:etype:key:salt}  created-by  modified-by  valid-start  valid-end  pw-end
 *   max-life  max-renew  flags  generation  extension{:extension}
 *
 * A key is hexadecimal, or in quotation marks when it is all letters, digits and dots. mkvno is empty for a key
 * that is not under a master key. A salt is type/octets, or "-". Times are YYYYMMDDhhmmss; created-by and
 * modified-by are time:principal; the generation is time:usec:number; flags are a number; an extension is its DER. */
#ifndef KRBREPL__HEIM_TEXT_H
#define KRBREPL__HEIM_TEXT_H

#include "entry.h"

/* Appends the DER of the line's entry to `out`. INPUT with what is wrong; NOMEM. */
int krbrepl__heim_text_read(krbrepl_bytes line, krbrepl__buf *out, krbrepl_errinfo *ei);
/* Appends the line, with its end. `*lost` is set when the entry has what a line has no place for. */
int krbrepl__heim_text_write(krbrepl__buf *out, const krbrepl__hdb_entry *e, int *lost,
                             krbrepl_errinfo *ei);

#endif
