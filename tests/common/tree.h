/* tree.h: a temporary directory goes again. */
#ifndef KRBREPL_TEST_TREE_H
#define KRBREPL_TEST_TREE_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Removes a directory and all that is in it. A link goes, not what it leads to. */
static inline void tree_remove(const char *path)
{
    char inner[1024];
    struct dirent *d;
    DIR *dir;

    if (unlink(path) == 0)
        return;
    dir = opendir(path);
    while (dir != NULL && (d = readdir(dir)) != NULL)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
            snprintf(inner, sizeof inner, "%s/%s", path, d->d_name) < (int)sizeof inner)
            tree_remove(inner);
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

#endif
