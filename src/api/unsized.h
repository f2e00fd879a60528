/* unsized.h: what the author of a program is told when a struct's size cannot be believed. */
#ifndef KRBREPL__UNSIZED_H
#define KRBREPL__UNSIZED_H

#include <krbrepl/error.h>

/* Notes `rc` of krbrepl__widen for the struct called `what`, and answers it. */
int krbrepl__unsized(krbrepl_errinfo *ei, int rc, const char *what);

#endif
