/* lines.h: reads a stream line by line, with a limit, and the digest of what was read or written. */
#ifndef KRBREPL_LINES_H
#define KRBREPL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Longest line: table, key and value with every byte escaped as \xHH. */
#define LINES_MAX ((size_t)4 * ((16u << 20) + 65535u) + 200)

struct lines {
    FILE *f;
    char *buf; /* the line, without its newline; a zero byte follows it */
    size_t len, room;
    uint64_t number; /* of the line in `buf`, from 1 */
    uint64_t offset; /* behind it, in bytes */
};

void lines_start(struct lines *l, FILE *f);
/* 1: a line; 0: the end; -1: the stream cannot be read, the line is too long or lacks its newline: `*why`
 * says which. */
int lines_next(struct lines *l, const char **why);
void lines_end(struct lines *l);

#endif
