/* Small files of the kernel's: /proc, /sys, cgroups. */
#ifndef BASE_PROCFILE_H
#define BASE_PROCFILE_H

#include <stddef.h>

/* Reads up to size - 1 bytes of path, from the folder dir when it is relative (AT_FDCWD: the current one), into out,
 * NUL-terminated. Returns how many; 0 when it cannot be read. */
size_t procfile_read(int dir, const char *path, char *out, size_t size);

#endif
