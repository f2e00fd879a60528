/* st.h: stores in temporary directories, for tests. Everything aborts the test on failure. */
#ifndef KRBREPL_TEST_ST_H
#define KRBREPL_TEST_ST_H

#include "test.h"

#include "impl.h"

/* cmocka setup and teardown: a fresh directory in *state (a struct st), removed with all it holds. */
typedef struct st {
    char root[256]; /* removed at the end */
    char dir[512];  /* root/s: where the store goes */
} st;

int st_setup(void **state);
int st_teardown(void **state);

/* A master in st->dir, opened. */
krbrepl_store *st_master(const st *t);
/* A store in root/NAME with the role replica and the id of `of`, opened. */
krbrepl_store *st_replica(const st *t, const char *name, krbrepl_store *of);
krbrepl_store *st_open(const char *dir);
krbrepl_store_info st_info(krbrepl_store *s);
const char *st_text(krbrepl_store *s); /* the last error's text; static */

krbrepl_bytes st_bytes(const char *s);
/* One commit with one put; `table` is "principal". */
void st_put(krbrepl_store *s, const char *key, const char *value);
void st_delete(krbrepl_store *s, const char *key);
/* The code with which one put in a commit of its own fails, or 0. */
int st_try(krbrepl_store *s, const char *key, const char *value);
/* Asserts a record's value; NULL: that there is none. */
void st_expect(krbrepl_store *s, const char *key, const char *value);
/* Copies all commits from seq `from` on to `to`, `group` at a time. The last code. */
int st_ship(krbrepl_store *from, krbrepl_store *to, uint64_t seq, size_t group);

/* Changes one byte of a stored value behind the library's back: byte `at` of the value of `key` in the
 * table `table`. The store must be closed. */
void st_flip(const char *dir, const char *table, const void *key, size_t key_len, size_t at);
/* The same for a 64-bit key. */
void st_flip_seq(const char *dir, const char *table, uint64_t seq, size_t at);
/* Replaces a value behind the library's back. */
void st_overwrite(const char *dir, const char *table, const char *key, const void *value, size_t n);

#endif
