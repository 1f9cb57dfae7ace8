/* Folders of jobs that have files. A lock holds each for as long as its daemon lives; what a daemon that
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

enum { YOUNG_S = 20 }; /* may be made but not locked yet */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void folder_clear(const char *path)
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
        if (strncmp(entry->d_name + (entry->d_name[0] == '.'), PREFIX, strlen(PREFIX)) != 0)
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (is_left(fd)) {
            char *path = mem_printf("%s/%s", tmp, entry->d_name);
            folder_clear(path);
            free(path);
        }
        if (fd >= 0)
            close(fd);
    }
    if (dir)
        closedir(dir);
}

/* A folder below parent that a lock holds; owned. NULL: errno. */
static char *make(struct job *j, const char *parent, bool is_hidden)
{
    char *path = mem_printf("%s/%s" PREFIX "XXXXXX", parent, is_hidden ? "." : "");
    if (!mkdtemp(path)) {
        free(path);
        return NULL;
    }
    j->lock_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->lock_fd >= 0)
        flock(j->lock_fd, LOCK_EX | LOCK_NB);
    return path;
}

const char *folder_parent(void)
{
    const char *tmp = getenv("TMPDIR");
    return tmp && *tmp == '/' ? tmp : "/tmp";
}

bool folder_make(struct job *j)
{
    static bool swept;
    if (!swept)
        sweep(folder_parent());
    swept = true;
    j->dir = make(j, folder_parent(), false);
    j->own_dir = j->dir != NULL;
    return j->own_dir;
}

bool folder_make_root(struct job *j, const char *parent, bool is_hidden)
{
    sweep(parent);
    j->root = make(j, parent, is_hidden);
    return j->root;
}

void folder_remove(struct job *j)
{
    if (j->root)
        folder_clear(j->root);
    if (j->own_dir)
        folder_clear(j->dir);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
    free(j->root);
}
