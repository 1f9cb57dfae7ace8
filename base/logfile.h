/* A file that grows at its end, up to a size; then it moves aside as PATH.1, in the place of the one before, and a new
 * one begins. Not safe for several threads. */
#ifndef BASE_LOGFILE_H
#define BASE_LOGFILE_H

#include <stddef.h>

struct logfile;

/* Owned; NULL: errno, EPERM or ELOOP when what is there is no file of ours. max_bytes: from this size on it moves. The
 * file is 0600, also when it was open to others. */
struct logfile *logfile_open(const char *path, size_t max_bytes);
/* In one write, as far as the disk takes it. */
void logfile_write(struct logfile *f, const void *data, size_t len);
/* NULL is fine. */
void logfile_close(struct logfile *f);

#endif
