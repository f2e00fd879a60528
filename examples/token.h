/* token.h: bytes as words of a line of text; the form of `krbrepl batch` and of native dumps.
 *
 * A word is one of
 *     bare        letters, digits and any of - _ . / @ + : = , ~ % ^ ! ? ; not beginning with 0x
 *     "quoted"    any text; \" \\ \n \t \r and \xHH stand for what cannot stand there itself
 *     0xHEX       pairs of hexadecimal digits; 0x alone is the empty word
 * Words are separated by blanks or tabs. */
#ifndef KRBREPL_TOKEN_H
#define KRBREPL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Takes the next word off the line at `*p` (which ends at `end`) and puts its bytes over the line, where
 * they never take more room. 1: a word, at `*out`; 0: the line has no more; -1: it is malformed, `*why`
 * says how. */
int token_next(char **p, char *end, uint8_t **out, size_t *len, const char **why);

/* Writes a word that token_next reads as these bytes: quoted when all of them are printable ASCII, else in
 * hexadecimal. */
void token_write(FILE *f, const void *data, size_t len);

/* The same for people: bare where that is possible, quoted when it is text in UTF-8. */
void token_show(FILE *f, const void *data, size_t len);

#endif
