/* line.h: a line for people about a record, whosever record it is. */
#ifndef KRBREPL__COMMON_LINE_H
#define KRBREPL__COMMON_LINE_H

#include "buf.h"
#include "errinfo.h"

/* Up to 127 bytes. */
void krbrepl__line_put(krbrepl__buf *b, const char *fmt, ...) KRBREPL__PRINTF(2, 3);
/* Text out of a record: what could move the cursor or begin another line is replaced, and what is long is cut. */
void krbrepl__line_text(krbrepl__buf *b, const void *text, size_t len);
void krbrepl__line_enctype(krbrepl__buf *b, int64_t type);
/* As snprintf: as much as there is room for, and a NUL. */
int krbrepl__line_out(const krbrepl__buf *b, char *buf, size_t room);

#endif
