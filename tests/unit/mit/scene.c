#include "scene.h"

#include <unistd.h>

#include "tree.h"

int scene_setup(void **state)
{
    struct scene *c = calloc(1, sizeof *c);
    krbrepl_create_options opt;

    assert_non_null(c);
    strcpy(c->dir, "/tmp/krbrepl-mit.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->file, sizeof c->file, "%s/dump", c->dir);
    snprintf(c->other, sizeof c->other, "%s/other", c->dir);
    snprintf(c->store, sizeof c->store, "%s/store", c->dir);
    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_CREATE_MASTER;
    KRBREPL_INIT(&c->ei);
    assert_int_equal(krbrepl_store_create(c->store, &opt, &c->ei), 0);
    assert_int_equal(krbrepl_store_open(&c->s, c->store, NULL, &c->ei), 0);
    *state = c;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *c = *state;

    krbrepl_store_close(c->s);
    tree_remove(c->dir);
    free(c);
    return 0;
}

void scene_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

char *scene_read(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 65536);

    assert_non_null(text);
    if (f == NULL) {
        free(text);
        return NULL;
    }
    assert_true(fread(text, 1, 65535, f) < 65535);
    fclose(f);
    return text;
}

void scene_note(void *ctx, const char *text)
{
    struct scene *c = ctx;

    strncat(c->notes, text, sizeof c->notes - strlen(c->notes) - 1);
}

static void take_progress(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    struct scene *c = ctx;

    assert_non_null(phase);
    assert_true(total == 0 || done <= total);
    c->shown++;
}

int scene_load_flags(struct scene *c, const char *text, uint64_t flags)
{
    krbrepl_mit_load_options opt;
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(c->s, &info), 0);
    c->before = info.pos;
    c->notes[0] = '\0';
    if (text != NULL)
        scene_write(c->file, text);
    KRBREPL_INIT(&opt);
    opt.flags = flags;
    opt.note = scene_note;
    opt.progress = take_progress;
    opt.ctx = c;
    KRBREPL_INIT(&c->res);
    return krbrepl_mit_load(c->s, c->file, &opt, &c->res, &c->ei);
}

int scene_load(struct scene *c, const char *text)
{
    return scene_load_flags(c, text, 0);
}

int scene_update(struct scene *c, const char *text)
{
    return scene_load_flags(c, text, KRBREPL_MIT_LOAD_UPDATE);
}

/* The dump of the store, to be freed. */
char *scene_dump(struct scene *c)
{
    char *text;

    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), 0);
    text = scene_read(c->other);
    assert_non_null(text);
    return text;
}

void scene_assert_dump(struct scene *c, const char *want)
{
    char *text = scene_dump(c);

    assert_string_equal(text, want);
    free(text);
}

void scene_assert_unchanged(struct scene *c)
{
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(c->s, &info), 0);
    assert_memory_equal(&info.pos, &c->before, sizeof info.pos);
}

void scene_assert_refused(struct scene *c, int rc, int code, const char *why)
{
    assert_int_equal(rc, code);
    if (strstr(c->ei.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", c->ei.text, why);
    scene_assert_unchanged(c);
}
