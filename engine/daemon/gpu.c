/* The GPU that a daemon's tasks have for themselves. A lock on a file of the machine says that it is taken, to daemons
 * of every engine and user; it goes with the daemon, however that ends. Whoever uses a GPU without such a lock is seen
 * by the memory that is in use there. */
#include "engine/daemon/daemon.h"

#include "base/mono.h"
#include "base/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHERS_MIB = 512 /* a desktop has less on it */, LOOK_MS = 20000 };

void gpu_init(struct gpu *g)
{
    *g = (struct gpu){.index = -1, .lock_fd = -1};
}

static void unlock(struct gpu *g)
{
    if (g->lock_fd >= 0)
        close(g->lock_fd);
    g->lock_fd = g->index = -1;
}

void gpu_end(struct gpu *g)
{
    look_end(&g->look);
    unlock(g);
}

__attribute__((format(printf, 2, 3))) static void note(struct gpu *g, const char *format, ...)
{
    size_t used = strlen(g->tried);
    va_list ap;
    snprintf(g->tried + used, sizeof g->tried - used, "%s", used ? ", " : "");
    used = strlen(g->tried);
    va_start(ap, format);
    vsnprintf(g->tried + used, sizeof g->tried - used, format, ap);
    va_end(ap);
}

/* ---- the lock ---- */

static const char *variable(const struct daemon *d, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < d->env_count; i++)
        if (strncmp(d->env[i], name, len) == 0 && d->env[i][len] == '=')
            return d->env[i] + len + 1;
    return NULL;
}

/* Everybody who shares the machine finds it there. */
static const char *lock_folder(const struct daemon *d)
{
    struct stat st;
    const char *named = variable(d, "CLOWDER_GPU_LOCKS");
    bool is_common = stat("/run/lock", &st) == 0 && st.st_mode & S_ISVTX && st.st_mode & S_IWOTH;
    return named ? named : is_common ? "/run/lock" : "/tmp";
}

/* Of whoever was first. One that cannot be written can be locked all the same. */
static int open_lock(const struct daemon *d, int index)
{
    char path[300];
    snprintf(path, sizeof path, "%s/clowder-gpu-%d", lock_folder(d), index);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0)
        fchmod(fd, 0666);
    else if (errno == EEXIST && (fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC)) < 0 && errno == EACCES)
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

static bool lock(struct daemon *d, int index)
{
    struct gpu *g = &d->gpu;
    char text[24] = "";
    struct stat st;
    int fd = open_lock(d, index);
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        note(g, "%d cannot be locked (%s)", index, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
        if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) < 0)
            text[0] = '\0'; /* the next one does not learn who has it */
        g->lock_fd = fd;
        return true;
    } else {
        ssize_t got = pread(fd, text, sizeof text - 1, 0);
        note(g, "%d has a daemon (pid %ld)", index, got > 0 ? strtol(text, NULL, 10) : 0);
    }
    if (fd >= 0)
        close(fd);
    return false;
}

/* ---- others ---- */

/* False: there is no such tool, so nobody knows. */
static bool begin_look(struct daemon *d, int index)
{
    char number[16];
    const char *const nvidia[] = {
        "nvidia-smi", "-i", number, "--query-gpu=memory.used", "--format=csv,noheader,nounits", NULL};
    const char *const rocm[] = {"rocm-smi", "-d", number, "--showmeminfo", "vram", "--json", NULL};
    snprintf(number, sizeof number, "%d", index);
    return look_begin(&d->gpu.look, d, nvidia, LOOK_MS) || look_begin(&d->gpu.look, d, rocm, LOOK_MS);
}

/* What it said is a number of MiB, or nothing that helps. */
static bool is_free(struct gpu *g, int index)
{
    static const char key[] = "\"VRAM Total Used Memory (B)\": \"";
    char *end;
    const char *said = g->look.said, *rocm = strstr(said, key), *at = rocm ? rocm + sizeof key - 1 : said;
    long long mib = strtoll(at, &end, 10) / (rocm ? 1 << 20 : 1);
    if (look_is_late(&g->look))
        note(g, "%d does not answer (%s for %d s)", index, g->look.program, LOOK_MS / 1000);
    else if (end == at || mib <= OTHERS_MIB)
        return true;
    else
        note(g, "%d is in use by others (%lld MiB)", index, mib);
    return false;
}

/* ---- one of them ---- */

static void take(struct daemon *d, int index)
{
    d->gpu.index = index;
    for (const char *const *name = wire_gpu_variables; *name; name++)
        daemon_set_env(d, mem_printf("%s=%d", *name, index));
}

static bool is_offered(const struct gpu *g, int index)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->offered[i] == index)
            return true;
    return false;
}

void gpu_offer(struct daemon *d, const char *indices)
{
    struct gpu *g = &d->gpu;
    char *end;
    g->count = 0;
    for (long n; g->count < GPU_OFFERED_MAX && (n = strtol(indices, &end, 10), end != indices); indices = end)
        g->offered[g->count++] = (int)n;
    look_end(&g->look);
    g->at = 0;
    g->tried[0] = g->why[0] = '\0';
    if (g->index >= 0 && is_offered(g, g->index)) { /* home is found again */
        take(d, g->index);
        neighbour_tell(d);
    } else {
        unlock(g);
    }
}

/* The next that has no lock: it has now, and is looked at. False: that was the last. */
static bool try_next(struct daemon *d)
{
    struct gpu *g = &d->gpu;
    while (g->at < g->count && !lock(d, g->offered[g->at]))
        g->at++;
    if (g->at == g->count)
        return false;
    if (!begin_look(d, g->offered[g->at]))
        take(d, g->offered[g->at]);
    return true;
}

static void judge_look(struct daemon *d)
{
    struct gpu *g = &d->gpu;
    look_end(&g->look);
    if (is_free(g, g->offered[g->at])) {
        take(d, g->offered[g->at]);
    } else {
        unlock(g);
        g->at++;
    }
}

static void try_on(struct daemon *d)
{
    struct gpu *g = &d->gpu;
    if (g->look.runs && look_is_over(&g->look))
        judge_look(d);
    if (g->index >= 0 || g->look.runs || try_next(d))
        return;
    snprintf(g->why, sizeof g->why, "no GPU is free: %s", g->tried);
    g->tried[0] = '\0';
    g->at = 0;
}

bool gpu_is_missing(struct daemon *d, char *why, size_t size)
{
    struct gpu *g = &d->gpu;
    if (!g->count || g->index >= 0)
        return false;
    try_on(d);
    if (g->index >= 0)
        neighbour_tell(d);
    else if (*g->why)
        snprintf(why, size, "%s", g->why);
    else
        snprintf(why, size, "checking whether GPU %d is free", g->offered[g->at]);
    return g->index < 0;
}

void gpu_watch(struct daemon *d, struct watch *w)
{
    if (d->gpu.look.runs && d->paused && d->pause != PAUSE_GPU) { /* it could not use one now */
        look_end(&d->gpu.look);
        unlock(&d->gpu);
    }
    if (look_watch(&d->gpu.look, w))
        d->judge_ms = 0;
}
