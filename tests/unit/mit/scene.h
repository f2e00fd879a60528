/* scene.h: a store in a temporary directory, with files beside it. */
#ifndef SCENE_H
#define SCENE_H

#include "mitcase.h"

#define MKEY "princ\t38\t7\t0\t1\t0\tK/M@R.T\t0\t0\t0\t0\t0\t0\t0\t0\t1\t4\t18\t1\tff\t-1;\n"
#define PRINC(name3) "princ\t38\t3\t0\t0\t0\t" name3 "\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n"
#define LOCKED(name3) "princ\t38\t3\t0\t0\t0\t" name3 "\t0\t0\t0\t0\t0\t11\t12\t13\t-1;\n"
#define POLICY(name) "policy\t" name "\t0\t0\t1\t1\t1\t0\t0\t0\t0\t0\t0\t0\t-\t0\n"

struct scene {
    char dir[64];
    char file[96], store[96], other[96];
    krbrepl_store *s;
    krbrepl_errinfo ei;
    krbrepl_mit_load_result res;
    krbrepl_pos before;
    char notes[1024];
    unsigned shown;
};

int scene_setup(void **state);
int scene_teardown(void **state);
#define SCENE(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

void scene_write(const char *path, const char *text);
/* To be freed; NULL when there is no such file. */
char *scene_read(const char *path);
/* For the callbacks of the library; `ctx` is the scene. */
void scene_note(void *ctx, const char *text);
/* Loads `text`, or the file as it is when that is NULL. */
int scene_load_flags(struct scene *c, const char *text, uint64_t flags);
int scene_load(struct scene *c, const char *text);
int scene_update(struct scene *c, const char *text);
/* The dump of the store, to be freed. */
char *scene_dump(struct scene *c);
void scene_assert_dump(struct scene *c, const char *want);
/* Nothing was committed since the last load or update began. */
void scene_assert_unchanged(struct scene *c);
/* `rc` is that of the last load or update. */
void scene_assert_refused(struct scene *c, int rc, int code, const char *why);

#endif
