#include "base/logfile.h"

#include "base/mem.h"
#include "base/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct logfile {
    char *path;
    size_t max_bytes, bytes;
    int fd;
};

static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd >= 0 && !paths_is_our_file(fd)) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    if (fd >= 0)
        paths_close_to_others(fd);
    return fd;
}

struct logfile *logfile_open(const char *path, size_t max_bytes)
{
    int fd = open_file(path);
    struct stat st;
    if (fd < 0)
        return NULL;
    struct logfile *f = mem_zalloc(sizeof *f);
    *f = (struct logfile){.path = mem_strdup(path),
        .max_bytes = max_bytes,
        .bytes = fstat(fd, &st) == 0 ? (size_t)st.st_size : 0,
        .fd = fd};
    return f;
}

/* When it cannot move, it goes on as it is. */
static void rotate(struct logfile *f)
{
    char *old = mem_printf("%s.1", f->path);
    if (rename(f->path, old) == 0) {
        int fd = open_file(f->path);
        if (fd >= 0) {
            close(f->fd);
            f->fd = fd;
        }
    }
    f->bytes = 0;
    free(old);
}

void logfile_write(struct logfile *f, const void *data, size_t len)
{
    if (f->bytes > f->max_bytes)
        rotate(f);
    ssize_t n = write(f->fd, data, len);
    if (n > 0)
        f->bytes += (size_t)n;
}

void logfile_close(struct logfile *f)
{
    if (!f)
        return;
    close(f->fd);
    free(f->path);
    free(f);
}
