/* replay.c: drives a fuzz target without libFuzzer: each file of the corpus as it is, cut at every place of
 * its first bytes, and damaged in ways that come from a fixed seed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INPUT (1u << 20)
#define CUTS 256u
#define DAMAGES 500u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t seed = 1;

static uint32_t next(uint32_t below)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32) % below;
}

/* A copy of exactly that length, so that a sanitizer sees a read behind its end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size != 0 ? size : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void damage(uint8_t *data, size_t size)
{
    static const uint8_t edge[] = {0, 1, 0x7f, 0x80, 0xff, '\t', '\n', ';', '-', '9'};
    uint32_t i, n = 1 + next(4);

    for (i = 0; i < n; i++)
        data[next((uint32_t)size)] = next(2) != 0 ? edge[next(sizeof edge)] : (uint8_t)next(256);
}

static void replay(const uint8_t *data, size_t size)
{
    uint8_t *work = malloc(size != 0 ? size : 1);
    uint32_t i;

    if (work == NULL)
        abort();
    run(data, size);
    for (i = 0; i < CUTS && i < size; i++)
        run(data, i);
    for (i = 0; i < DAMAGES && size != 0; i++) {
        memcpy(work, data, size);
        damage(work, size);
        run(work, next(8) == 0 ? next((uint32_t)size) : size);
    }
    free(work);
}

static int replay_file(const char *dir, const char *name)
{
    static uint8_t data[MAX_INPUT];
    char path[4096];
    size_t size;
    FILE *f;

    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path ||
        (f = fopen(path, "rb")) == NULL)
        return 0;
    size = fread(data, 1, sizeof data, f);
    fclose(f);
    replay(data, size);
    return 1;
}

int main(int argc, char **argv)
{
    struct dirent *d;
    int n = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;

    if (dir == NULL)
        return 2;
    while ((d = readdir(dir)) != NULL)
        if (d->d_name[0] != '.')
            n += replay_file(argv[1], d->d_name);
    closedir(dir);
    printf("%d files\n", n);
    return n > 0 ? 0 : 1;
}
