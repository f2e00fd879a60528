/* test.h: cmocka with the headers that it wants before it. */
#ifndef KRBREPL_TEST_H
#define KRBREPL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <krbrepl/krbrepl.h>

#define BYTES(literal) ((krbrepl_bytes){(literal), sizeof(literal) - 1})

#endif
