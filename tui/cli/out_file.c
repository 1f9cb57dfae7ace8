/* Files that commands write. */
#include "tui/cli/out_file.h"

#include "base/mem.h"
#include "tui/cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_standard(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

/* For errno. A link to nothing is there too, and not to be replaced: who knows what was to be at its end. */
static int refuse(const char *command, const char *path)
{
    char target[300];
    struct stat st;
    int saved = errno;
    ssize_t n = stat(path, &st) ? readlink(path, target, sizeof target) : -1;
    if (n >= 0 && (saved == EEXIST || saved == ENOENT))
        return say(2, "%s: %s is a link to %.*s, which does not exist; name another file, or remove the link", command,
            path, (int)n, target);
    errno = saved;
    if (errno == EEXIST)
        return say(2, "%s: %s exists already; --force replaces it", command, path);
    return say(1, "%s: cannot write %s: %s", command, path, strerror(errno));
}

/* Beside the file that it replaces, and as open to others as that. */
static FILE *open_part(struct out_file *o, mode_t mode)
{
    o->part = mem_printf("%s.XXXXXX", o->path);
    int fd = mkostemp(o->part, O_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (fd >= 0)
        fchmod(fd, mode & 0777);
    return f;
}

int out_open(struct out_file *o, const char *command, const char *path, bool force)
{
    struct stat st;
    *o = (struct out_file){.command = command};
    if (is_standard(path)) {
        o->f = stdout;
        return 0;
    }
    bool is_there = stat(path, &st) == 0, is_file = is_there && S_ISREG(st.st_mode);
    o->path = is_file ? realpath(path, NULL) : NULL; /* a link stays one */
    if (!o->path)
        o->path = mem_strdup(path);
    if (is_file && force)
        o->f = open_part(o, st.st_mode);
    else
        o->f = fopen(path, is_there && !is_file ? "we" : "wxe");
    o->is_new = o->f && !is_there;
    if (o->f)
        return 0;
    int status = refuse(command, path);
    free(o->path);
    free(o->part);
    return status;
}

int out_close(struct out_file *o, int status)
{
    if (!o->path)
        return status;
    bool is_written = !ferror(o->f);
    is_written &= fclose(o->f) == 0;
    if (status == 0 && (!is_written || (o->part && rename(o->part, o->path))))
        status = refuse(o->command, o->path);
    if (status && (o->part || o->is_new))
        unlink(o->part ? o->part : o->path);
    free(o->path);
    free(o->part);
    return status;
}

int out_check(const char *command, const char *path, bool force)
{
    struct stat st;
    if (force || is_standard(path) || stat(path, &st) || !S_ISREG(st.st_mode))
        return 0;
    errno = EEXIST;
    return refuse(command, path);
}

/* A task's output was cut off there, or has come without its line in the log: it would be there twice. Or it is
 * somebody else's: it is not for us to cut. */
int out_check_append(const char *command, const char *path, uint64_t known)
{
    struct stat st;
    if (is_standard(path) || stat(path, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size <= known)
        return 0;
    return say(2,
        "%s: %s has %llu bytes more than the job log accounts for: output of a task that was cut off; cut it too: "
        "truncate -s %llu %s",
        command, path, (unsigned long long)st.st_size - known, (unsigned long long)known, path);
}

int out_stdout(const char *command, const char *path, bool force, bool append)
{
    struct stat st;
    if (is_standard(path))
        return 0;
    bool is_other = stat(path, &st) == 0 && !S_ISREG(st.st_mode); /* nothing to lose */
    int flags = is_other ? 0 : append ? O_CREAT | O_APPEND : force ? O_CREAT | O_TRUNC : O_CREAT | O_EXCL;
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
    int status = fd < 0 || dup2(fd, STDOUT_FILENO) < 0 ? refuse(command, path) : 0;
    if (fd >= 0)
        close(fd);
    if (status == 0)
        stdout_is(path);
    return status;
}
