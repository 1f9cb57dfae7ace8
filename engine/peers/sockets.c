/* The folder of the engine's sockets. It is one for passing things: a logout removes it, a program that tidies up may
 * take what is in it. The engine notices and makes the sockets anew, there or where there is a folder, and says where
 * beside the store (base/owner.h), so that it is never out of reach while it lives. */
#include "engine/peers/sockets.h"

#include "base/mono.h"
#include "base/paths.h"
#include "engine/model/core.h"
#include "engine/peers/listen.h"
#include "engine/wire/names.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    FOLDERS = 16,    /* of as many engines, each with a store of its own */
    QUIET_MS = 300,  /* after a change: whoever removes is given time to finish */
    AGAIN_MS = 2000, /* after a failure */
    BLIND_MS = 5000  /* so often it is looked when the kernel tells us nothing */
};

struct sockets {
    char *folder;
    int lock_fd;               /* of the folder's lock, which holds our number for people */
    int changes_fd, mounts_fd; /* what the kernel tells us, or -1 */
    struct loop_watch *changes, *mounts;
    uint64_t look_ms; /* when to look whether all is there; UINT64_MAX: something has to happen first */
    bool failed;      /* and it was said */
};

/* ---- the folder ---- */

/* 0, EWOULDBLOCK: an engine with another store lives there, ESTALE: it is just being removed, or another errno. */
static int lock_folder(const char *path, int *fd)
{
    char text[32];
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return errno;
    int rv = flock(*fd, LOCK_EX | LOCK_NB) ? errno : 0;
    if (!rv && !paths_leads_to(path, *fd))
        rv = ESTALE;
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (!rv && (ftruncate(*fd, 0) || write(*fd, text, (size_t)n) != n))
        rv = errno;
    if (rv)
        close(*fd);
    return rv;
}

static enum clw_err take_folder(struct sockets *s, struct clw_error *err)
{
    for (unsigned i = 0; i < FOLDERS; i++) {
        char *folder;
        int fd;
        enum clw_err code = paths_runtime(i, &folder, err);
        if (code)
            return code;
        char *path = mem_printf("%s/%s", folder, ENGINE_LOCK_FILE);
        int rv = lock_folder(path, &fd);
        for (unsigned tries = 0; rv == ESTALE && tries < 10; tries++)
            rv = lock_folder(path, &fd);
        free(path);
        if (rv == 0) {
            free(s->folder);
            if (s->lock_fd >= 0)
                close(s->lock_fd);
            s->folder = folder;
            s->lock_fd = fd;
            return CLW_OK;
        }
        if (rv != EWOULDBLOCK)
            code = clw_fail(err, CLW_IO, NULL, "cannot lock %s/%s: %s", folder, ENGINE_LOCK_FILE, strerror(rv));
        free(folder);
        if (code)
            return code;
    }
    return clw_fail(
        err, CLW_TOO_LARGE, "stop some: clowder engine stop", "%d of your engines are already running", FOLDERS);
}

static bool folder_is_found(const struct sockets *s)
{
    char *path = s->folder ? mem_printf("%s/%s", s->folder, ENGINE_LOCK_FILE) : NULL;
    bool is = path && paths_leads_to(path, s->lock_fd);
    free(path);
    return is;
}

/* ---- what the kernel tells us ---- */

static void look_soon(struct engine *e)
{
    e->sockets->look_ms = mono_ms() + QUIET_MS;
    core_due(e);
}

static void changed(void *arg, short ready)
{
    (void)ready;
    struct engine *e = arg;
    char events[4096];
    while (read(e->sockets->changes_fd, events, sizeof events) > 0)
        ;
    look_soon(e);
}

static void remounted(void *arg, short events)
{
    (void)events;
    look_soon(arg);
}

/* The folder and all above it: removed, renamed, or something in it. */
static bool watch_folder(int fd, const char *folder)
{
    const uint32_t itself = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    bool watched = inotify_add_watch(fd, folder, itself | IN_DELETE | IN_MOVED_FROM) >= 0;
    char *above = mem_strdup(folder);
    for (char *slash; watched && (slash = strrchr(above, '/')) && slash > above;) {
        *slash = '\0';
        inotify_add_watch(fd, above, itself | IN_MASK_ADD);
    }
    free(above);
    return watched;
}

/* A file system that is taken away while something in it is in use says nothing to inotify. */
static void watch(struct engine *e)
{
    struct sockets *s = e->sockets;
    char *store = NULL;
    if (s->changes_fd < 0)
        s->changes_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (s->mounts_fd < 0)
        s->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    bool sees = s->changes_fd >= 0 && watch_folder(s->changes_fd, s->folder) &&
                paths_data(NULL, &store, NULL) == CLW_OK && watch_folder(s->changes_fd, store);
    if (!s->changes && s->changes_fd >= 0)
        s->changes = loop_add(e->loop, s->changes_fd, POLLIN, changed, e);
    if (!s->mounts && s->mounts_fd >= 0)
        s->mounts = loop_add(e->loop, s->mounts_fd, POLLPRI, remounted, e);
    s->look_ms = sees && s->changes && s->mounts ? UINT64_MAX : mono_ms() + BLIND_MS;
    free(store);
}

/* ---- opening, looking, closing ---- */

static enum clw_err open_all(struct engine *e, struct clw_error *err)
{
    struct sockets *s = e->sockets;
    enum clw_err code = folder_is_found(s) ? CLW_OK : take_folder(s, err);
    if (!code)
        code = listen_open(e, s->folder, err);
    if (!code)
        code = owner_tell(&e->owner, s->folder, err);
    if (code)
        return code;
    free(e->data_url);
    e->data_url = mem_printf("ipc://%s/%s", s->folder, ENGINE_DATA_SOCKET);
    watch(e);
    return CLW_OK;
}

enum clw_err sockets_open(struct engine *e, struct clw_error *err)
{
    e->sockets = mem_zalloc(sizeof *e->sockets);
    *e->sockets = (struct sockets){.lock_fd = -1, .changes_fd = -1, .mounts_fd = -1};
    return open_all(e, err);
}

/* The store was removed or put elsewhere, with the lock in it; so there may be another engine already. BUSY, REFUSED:
 * there is, or may be; else it cannot be told now, and ours is the lock that we have. */
static enum clw_err own_again(struct engine *e, struct clw_error *err)
{
    struct owner_lock lock;
    if (owner_is_found(&e->owner))
        return CLW_OK;
    if (!e->sockets->failed)
        log_warn("engine", "the lock beside the store vanished");
    enum clw_err code = owner_take(&lock, err);
    if (code)
        return code;
    close(e->owner.fd);
    lock.worked = e->owner.worked;
    e->owner = lock;
    return CLW_OK;
}

void sockets_tick(struct engine *e, uint64_t now_ms)
{
    struct sockets *s = e->sockets;
    struct clw_error err;
    if (e->stop_now || now_ms < s->look_ms)
        return;
    int owner_fd = e->owner.fd;
    enum clw_err code = own_again(e, &err);
    if (code == CLW_BUSY || code == CLW_REFUSED) {
        log_error("engine", "another engine has this store why=\"%s\"", err.message);
        core_stop(e, true);
        return;
    }
    if (!code && owner_fd == e->owner.fd && folder_is_found(s) && listen_is_found(e)) {
        watch(e);
        return;
    }
    if (!code)
        code = open_all(e, &err);
    if (!code)
        log_warn("engine", "sockets made again url=%s", e->data_url);
    else if (!s->failed)
        log_error("engine", "no sockets why=\"%s\" hint=\"%s\"", err.message, err.hint);
    s->failed = code != CLW_OK;
    if (code)
        s->look_ms = now_ms + AGAIN_MS;
}

const char *sockets_folder(const struct engine *e)
{
    return e->sockets->folder;
}

uint64_t sockets_next_ms(const struct engine *e)
{
    return e->stop_now ? UINT64_MAX : e->sockets->look_ms;
}

void sockets_stop(struct engine *e)
{
    struct sockets *s = e->sockets;
    loop_remove(s->changes);
    loop_remove(s->mounts);
    if (s->changes_fd >= 0)
        close(s->changes_fd);
    if (s->mounts_fd >= 0)
        close(s->mounts_fd);
}

void sockets_free(struct engine *e)
{
    close(e->sockets->lock_fd);
    free(e->sockets->folder);
    free(e->sockets);
    e->sockets = NULL;
}
