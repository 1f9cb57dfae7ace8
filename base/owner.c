#include "base/owner.h"

#include "base/mem.h"
#include "base/paths.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_FILE "engine.lock"

static const char use_it_there[] =
    "use it there, or stop it there (clowder engine stop), or set XDG_DATA_HOME to a folder "
    "of this machine's own";

/* ---- what the file says: the number alone, for people, and then a word and a value a line ---- */

static void say(char *out, size_t size, const char *folder)
{
    char name[PROCESS_NAME_SIZE], host[64] = "";
    process_name_self(name);
    gethostname(host, sizeof host - 1);
    snprintf(out, size, "%d\nprocess %s\nhost %s\nversion %s\n%s%s%s", (int)getpid(), name, host, CLW_VERSION,
        folder ? "sockets " : "", folder ? folder : "", folder ? "\n" : "");
}

static void take_line(const char *text, const char *word, char *out, size_t size)
{
    size_t len = strlen(word);
    out[0] = '\0';
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, len) == 0 && line[len] == ' ')
            snprintf(out, size, "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
    }
}

static void printable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static void read_text(const char *text, struct owner *out)
{
    char name[PROCESS_NAME_SIZE], host[64];
    take_line(text, "process", name, sizeof name);
    take_line(text, "host", host, sizeof host);
    take_line(text, "sockets", out->folder, sizeof out->folder);
    printable(host);
    enum process_life life = *name ? process_look(name) : PROCESS_LIVES; /* it has just taken the lock */
    int pid = (int)process_number(name);
    out->state = life == PROCESS_ELSEWHERE || life == PROCESS_ELSEWHERE_HERE ? OWNER_ELSEWHERE : OWNER_HERE;
    if (life == PROCESS_ELSEWHERE)
        snprintf(out->where, sizeof out->where, "process %d on the machine %s", pid, host);
    else if (life == PROCESS_ELSEWHERE_HERE)
        snprintf(out->where, sizeof out->where,
            "process %d in another PID namespace (a container?) of this machine, host "
            "name %s",
            pid, host);
    if (life == PROCESS_LIVES)
        out->pid = process_number(name);
    if (life == PROCESS_GONE) /* what it says is older than the lock */
        out->folder[0] = '\0';
}

/* ---- the lock ---- */

/* 0, or an errno. */
static int lock(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &l) ? errno : 0;
}

static bool is_held(int fd)
{
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

static enum clw_err check_file(int fd, const char *path, struct clw_error *err)
{
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
        return clw_fail(err, CLW_REFUSED, "remove it, or set XDG_DATA_HOME to a folder of your own",
            "%s is not a file that belongs to you", path);
    return CLW_OK;
}

static void look_at(int fd, struct owner *out)
{
    char text[1024];
    *out = (struct owner){.state = OWNER_NOBODY};
    if (!is_held(fd))
        return;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    read_text(text, out);
}

static enum clw_err refuse(const struct owner *o, struct clw_error *err)
{
    return clw_fail(err, CLW_REFUSED, use_it_there, "this store has its engine elsewhere: %s", o->where);
}

enum clw_err owner_take(int *fd, struct clw_error *err)
{
    char *path;
    struct owner other;
    enum clw_err code = paths_data(OWNER_FILE, &path, err);
    *fd = -1;
    if (code)
        return code;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (*fd < 0)
        code = clw_fail(err, CLW_IO, "make it writable, or set XDG_DATA_HOME to another folder", "cannot open %s: %s",
            path, strerror(errno));
    else
        code = check_file(*fd, path, err);
    paths_close_to_others(*fd);
    int rv = code ? 0 : lock(*fd);
    if (rv == EAGAIN || rv == EACCES) {
        look_at(*fd, &other);
        code = other.state == OWNER_ELSEWHERE ? refuse(&other, err)
                                              : clw_fail(err, CLW_BUSY, NULL, "an engine runs already");
    } else if (rv) {
        code = clw_fail(err, CLW_IO, "set XDG_DATA_HOME to a folder on a file system with locks", "cannot lock %s: %s",
            path, strerror(rv));
    }
    if (!code && !owner_is_found(*fd)) /* somebody removed it meanwhile */
        code = clw_fail(err, CLW_AGAIN, "try again", "%s was removed", path);
    if (!code)
        code = owner_tell(*fd, NULL, err);
    if (code && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    free(path);
    return code;
}

enum clw_err owner_tell(int fd, const char *folder, struct clw_error *err)
{
    char text[512];
    say(text, sizeof text, folder);
    ssize_t len = (ssize_t)strlen(text);
    if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)len, 0) != len)
        return clw_fail(err, CLW_IO, "make room", "cannot write %s beside the store: %s", OWNER_FILE, strerror(errno));
    return CLW_OK;
}

bool owner_is_found(int fd)
{
    char *path;
    struct stat ours, found;
    if (paths_data(OWNER_FILE, &path, NULL))
        return false;
    bool is =
        fstat(fd, &ours) == 0 && lstat(path, &found) == 0 && ours.st_dev == found.st_dev && ours.st_ino == found.st_ino;
    free(path);
    return is;
}

enum clw_err owner_look(struct owner *out, struct clw_error *err)
{
    char *path;
    *out = (struct owner){.state = OWNER_NOBODY};
    enum clw_err code = paths_data(OWNER_FILE, &path, err);
    if (code)
        return code;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno != ENOENT)
        code = clw_fail(err, CLW_REFUSED, NULL, "cannot read %s: %s", path, strerror(errno));
    if (fd >= 0) {
        code = check_file(fd, path, err);
        if (!code)
            look_at(fd, out);
        close(fd);
    }
    free(path);
    return code;
}

enum clw_err owner_check_here(struct clw_error *err)
{
    struct owner o;
    enum clw_err code = owner_look(&o, err);
    return !code && o.state == OWNER_ELSEWHERE ? refuse(&o, err) : code;
}
