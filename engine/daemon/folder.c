/* Folders of jobs that bring files or fetch them. A lock holds each for as long as its daemon lives; what a daemon that
 * was killed left is swept away by the next that makes one. */
#include "engine/daemon/daemon.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "clowder-job-"

enum { YOUNG_S = 60 }; /* may be made but not locked yet */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_all(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_left(int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && time(NULL) - st.st_mtime > YOUNG_S &&
           flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void sweep(const char *tmp)
{
    DIR *dir = opendir(tmp);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (is_left(fd)) {
            char *path = mem_printf("%s/%s", tmp, entry->d_name);
            remove_all(path);
            free(path);
        }
        if (fd >= 0)
            close(fd);
    }
    if (dir)
        closedir(dir);
}

bool folder_make(struct job *j)
{
    static bool swept;
    const char *tmp = getenv("TMPDIR");
    tmp = tmp && *tmp == '/' ? tmp : "/tmp";
    if (!swept)
        sweep(tmp);
    swept = true;
    j->dir = mem_printf("%s/" PREFIX "XXXXXX", tmp);
    j->own_dir = mkdtemp(j->dir) != NULL;
    j->lock_fd = j->own_dir ? open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (j->lock_fd >= 0)
        flock(j->lock_fd, LOCK_EX | LOCK_NB);
    return j->own_dir;
}

bool folder_keep(struct job *j)
{
    char *name = strrchr(j->dir, '/') + 1, *kept;
    if (j->kept)
        return true;
    kept = mem_printf("%.*sclowder-kept-%s", (int)(name - j->dir), j->dir, name + strlen(PREFIX));
    j->kept = rename(j->dir, kept) == 0;
    if (j->kept) {
        free(j->dir);
        j->dir = kept;
    } else {
        free(kept);
    }
    return j->kept;
}

void folder_remove(struct job *j)
{
    if (!j->own_dir)
        return;
    if (!j->kept)
        remove_all(j->dir);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
}
