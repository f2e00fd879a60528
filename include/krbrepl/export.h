/* export.h: marks what the shared library shows. */
#ifndef KRBREPL_EXPORT_H
#define KRBREPL_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define KRBREPL_API __attribute__((visibility("default")))
#define KRBREPL_DEPRECATED_FOR(successor) __attribute__((deprecated("use " #successor)))
#else
#define KRBREPL_API
#define KRBREPL_DEPRECATED_FOR(successor)
#endif

#endif
