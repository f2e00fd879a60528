/* dyingwrites.h: a process that dies at a certain write to files of a certain name. The calls of libc are replaced in
 * the whole program, so that those of a module that is loaded later are seen too (the program exports them). */
#ifndef DYINGWRITES_H
#define DYINGWRITES_H

/* From now on: dies before write, rename or sync number `at` (from 1) of files with `name` in their path. 0: never. */
void dyingwrites_at(const char *name, int at);
/* Files of this name do not grow any more (NULL: they do), and the file system says that it is full, or keeps silent. */
void dyingwrites_full(const char *name, int says);

#endif
