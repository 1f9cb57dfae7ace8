#include "base/owner.h"

#include "base/mem.h"
#include "base/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OWNER_FILE "engine.lock"

enum { FILE_MAX = 1024 };

static const char use_it_there[] = "use it there, or stop it there (clowder engine stop), or set XDG_DATA_HOME to a "
                                   "folder that only this machine uses";

/* ---- what the file says: the number alone, for people, and then a word and a value a line ---- */

static void say(struct buf *b, const struct owner_lock *lock, const char *folder)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    buf_printf(b, "%d\nprocess %s\nhost %s\nversion %s\n", (int)getpid(), lock->name, host, CLW_VERSION);
    if (folder)
        buf_printf(b, "sockets %s\n", folder);
    for (unsigned i = 0; i < lock->deaths; i++)
        buf_printf(b, "died %lld%s\n", (long long)lock->died[i].at_s, lock->died[i].worked ? " worked" : "");
    if (lock->worked)
        buf_add_text(b, "worked\n");
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

static void read_file(int fd, char text[FILE_MAX])
{
    ssize_t n = pread(fd, text, FILE_MAX - 1, 0);
    text[n > 0 ? n : 0] = '\0';
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
static int set_lock(int fd)
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
    if (!paths_is_our_file(fd))
        return clw_fail(err, CLW_REFUSED, "remove it, or set XDG_DATA_HOME to a folder of your own",
            "%s is not a file that belongs to you", path);
    return CLW_OK;
}

static void look_at(int fd, struct owner *out)
{
    char text[FILE_MAX];
    *out = (struct owner){.state = OWNER_NOBODY};
    if (!is_held(fd))
        return;
    for (int tries = 0; tries < 2; tries++) {
        read_file(fd, text);
        read_text(text, out);
        if (out->state != OWNER_ELSEWHERE)
            return;
        /* It may have the lock already, and the words still be those of one before a reboot. */
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000}, NULL);
    }
}

static enum clw_err refuse(const struct owner *o, struct clw_error *err)
{
    return clw_fail(err, CLW_REFUSED, use_it_there, "the engine of this store runs elsewhere: %s", o->where);
}

/* What the one before left behind: nothing, when it ended as it should. */
static void count_deaths(struct owner_lock *lock, const char *before)
{
    int64_t now_s = (int64_t)time(NULL);
    char *end;
    if (!*before)
        return;
    for (const char *line = before; (line = strstr(line, "\ndied ")); line++) {
        int64_t at_s = strtoll(line + strlen("\ndied "), &end, 10);
        bool is_new = at_s <= now_s && now_s - at_s < OWNER_DEATHS_S;
        if (is_new && lock->deaths < OWNER_DEATHS_ANY - 1)
            lock->died[lock->deaths++] = (struct owner_death){at_s, *end == ' '};
    }
    lock->died[lock->deaths++] = (struct owner_death){now_s, strstr(before, "\nworked\n") != NULL};
}

/* Opened, looked at and locked. */
static enum clw_err take(struct owner_lock *lock, const char *path, struct clw_error *err)
{
    struct owner other;
    char before[FILE_MAX];
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (lock->fd < 0)
        return clw_fail(err, CLW_IO, "make it writable, or set XDG_DATA_HOME to another folder", "cannot open %s: %s",
            path, strerror(errno));
    if (check_file(lock->fd, path, err))
        return err->code;
    paths_close_to_others(lock->fd);
    int rv = set_lock(lock->fd);
    if (rv == EAGAIN || rv == EACCES) {
        look_at(lock->fd, &other);
        return other.state == OWNER_ELSEWHERE ? refuse(&other, err)
                                              : clw_fail(err, CLW_BUSY, NULL, "an engine is already running");
    }
    if (rv)
        return clw_fail(err, CLW_IO, "set XDG_DATA_HOME to a folder on a file system with locks", "cannot lock %s: %s",
            path, strerror(rv));
    if (!owner_is_found(lock))
        return clw_fail(err, CLW_AGAIN, "try again", "%s was removed", path);
    read_file(lock->fd, before);
    count_deaths(lock, before);
    return owner_tell(lock, NULL, err);
}

enum clw_err owner_take(struct owner_lock *lock, struct clw_error *err)
{
    char *path;
    *lock = (struct owner_lock){.fd = -1};
    process_name_self(lock->name);
    enum clw_err code = paths_data(OWNER_FILE, &path, err);
    if (code)
        return code;
    code = take(lock, path, err);
    if (code && lock->fd >= 0)
        close(lock->fd);
    if (code)
        lock->fd = -1;
    free(path);
    return code;
}

enum clw_err owner_tell(struct owner_lock *lock, const char *folder, struct clw_error *err)
{
    struct buf b = {0};
    say(&b, lock, folder);
    bool written = ftruncate(lock->fd, 0) == 0 && pwrite(lock->fd, b.data, b.len, 0) == (ssize_t)b.len;
    buf_fini(&b);
    return written ? CLW_OK
                   : clw_fail(err, CLW_IO, "free some disk space", "cannot write %s beside the store: %s", OWNER_FILE,
                         strerror(errno));
}

void owner_worked(struct owner_lock *lock, const char *folder)
{
    lock->worked = true;
    for (unsigned i = 0; i < lock->deaths; i++)
        lock->died[i].worked = true;
    owner_tell(lock, folder, NULL);
}

unsigned owner_is_hurt(const struct owner_lock *lock)
{
    unsigned idle = 0;
    while (idle < lock->deaths && !lock->died[lock->deaths - 1 - idle].worked)
        idle++;
    return lock->deaths >= OWNER_DEATHS_ANY ? lock->deaths : idle >= OWNER_DEATHS ? idle : 0;
}

bool owner_is_found(const struct owner_lock *lock)
{
    char *path;
    if (paths_data(OWNER_FILE, &path, NULL))
        return false;
    bool is = paths_leads_to(path, lock->fd);
    free(path);
    return is;
}

void owner_leave(struct owner_lock *lock)
{
    if (lock->fd < 0)
        return;
    (void)!ftruncate(lock->fd, 0); /* else the next one takes us for dead, which does no harm once */
    close(lock->fd);
    lock->fd = -1;
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
