/* json.h: writes JSON (RFC 8259), one value a line.
 *
 * Texts that are not UTF-8 get U+FFFD for each wrong byte. Bytes that may be anything are one of two
 * members: NAME with the text when they are UTF-8 without control characters, else NAME_hex with their
 * hexadecimal digits. Whole numbers are written in full, up to 64 bits. */
#ifndef KRBREPL_JSON_H
#define KRBREPL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *f;
    bool comma; /* something stands before on this level */
    int depth;
};

void json_start(struct json *j, FILE *f);

/* `key` is NULL for the outermost value and for elements of a list. */
void json_open(struct json *j, const char *key, char bracket); /* '{' or '[' */
/* Closing the outermost one ends the line. */
void json_close(struct json *j, char bracket); /* '}' or ']' */
void json_text(struct json *j, const char *key, const char *text);
void json_bytes(struct json *j, const char *key, const void *data, size_t len);
void json_hex(struct json *j, const char *key, const void *data, size_t len);
void json_u64(struct json *j, const char *key, uint64_t n);
void json_i64(struct json *j, const char *key, int64_t n);
void json_bool(struct json *j, const char *key, bool b);
/* A time in microseconds as text; null for 0. */
void json_time(struct json *j, const char *key, int64_t us);

/* Length of the UTF-8 character at `p`, 0 when there is none within `len` bytes. Neither surrogates nor
 * longer forms than needed are characters. */
size_t json_utf8(const void *p, size_t len);

/* True for UTF-8 without control characters. */
bool json_is_text(const void *data, size_t len);

#endif
