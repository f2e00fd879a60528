/* files.h: paths, and what lies behind them. Answers are errno values, 0 for success. */
#ifndef KRBREPL__FILES_H
#define KRBREPL__FILES_H

/* `path` without slashes at its end, and `suffix` behind it; free with krbrepl__strfree. NULL: no memory. */
char *krbrepl__path_add(const char *path, const char *suffix);
/* Makes the name of `path` durable: syncs the directory that holds it. */
int krbrepl__sync_parent(const char *path);
/* Removes what is in the directory, three levels deep, but not the directory. Follows no links. */
int krbrepl__clear_dir(int dirfd);
/* 0: not there, or a directory with nothing in it; ENOTEMPTY; another errno. */
int krbrepl__check_free(const char *path);
/* Copies everything from `from`, then syncs `to`. */
int krbrepl__copy_fd(int from, int to);

#endif
