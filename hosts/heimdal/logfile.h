/* logfile.h: the walk over a log file of Heimdal's, in the records of src/hdb. */
#ifndef KRBREPL__HEIM_LOGFILE_H
#define KRBREPL__HEIM_LOGFILE_H

#include <krbrepl/heimdal.h>

#include "logrec.h"

typedef int krbrepl__heim_rec_fn(void *ctx, const krbrepl__hdb_rec *rec, uint64_t offset);

/* As krbrepl_heimdal_log_each; `info` and `ei` must be there. */
int krbrepl__heim_log_walk(const char *file, uint64_t from, uint64_t to, krbrepl__heim_rec_fn *fn,
                           void *ctx, krbrepl_heimdal_log_info *info, krbrepl_errinfo *ei);

#endif
