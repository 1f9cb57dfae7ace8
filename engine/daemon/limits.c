/* What a daemon's tasks may use. A cgroup (v2) of the daemon's own bounds all its tasks together, where one above the
 * daemon's own may be written; else memory is bounded for each process (RLIMIT_AS), and CPUs by affinity, whole ones
 * only. The text says which it is. The daemon itself is bounded by nothing: it has to answer. */
#include "engine/daemon/daemon.h"

#include "base/mono.h"
#include "base/procfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDLE_IO_NICE = 10, IO_WHO_PROCESS = 1, IO_IDLE = 3 << 13, CPU_PERIOD_US = 100000, END_MS = 500, AGAIN_MS = 5 };

/* ---- files of a cgroup ---- */

static bool write_at(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

/* Where the v2 hierarchy is mounted, and our own group in it; false: there is none. */
static bool find_own_group(char *out, size_t size)
{
    char text[16384], mounted[256] = "", *save = NULL;
    procfile_read(AT_FDCWD, "/proc/self/mountinfo", text, sizeof text);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %255s", mounted) == 1)
            break;
    procfile_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof text);
    char *own = strstr(text, "0::/");
    if (!*mounted || !own || (own != text && own[-1] != '\n') || strstr(text, "/../"))
        return false;
    own[strcspn(own, "\n")] = '\0';
    return (size_t)snprintf(out, size, "%s%s", mounted, own + 3) < size;
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at += len)
        if ((at == text || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' ' || at[len] == '\n'))
            return true; /* and not "cpu" in "cpuset" */
    return false;
}

/* Do groups below this one have the controllers that we need? They are asked for when not. */
static bool gives(int dir, bool cpu, bool mem)
{
    char text[512];
    for (int attempt = 0; attempt < 2; attempt++) {
        procfile_read(dir, "cgroup.subtree_control", text, sizeof text);
        if ((!cpu || has_word(text, "cpu")) && (!mem || has_word(text, "memory")))
            return true;
        write_at(dir, "cgroup.subtree_control", cpu && mem ? "+cpu +memory" : cpu ? "+cpu" : "+memory");
    }
    return false;
}

/* A child of ours tries to move there: the rules for that are many, and this is what tasks will do. */
static bool can_enter(int procs)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(write(procs, "0", 1) == 1 ? 0 : 1);
    if (pid > 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    return pid > 0 && status == 0;
}

/* Daemons that were killed have left theirs. A pid may be of another namespace than ours, so a daemon that lives has a
 * lock on its group as well. */
static void sweep(int parent)
{
    int again = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *all = again >= 0 ? fdopendir(again) : NULL;
    struct dirent *entry;
    while (all && (entry = readdir(all))) {
        char more;
        int pid;
        if (sscanf(entry->d_name, "clowder-%d%c", &pid, &more) != 1 || pid < 1 || kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        int group = openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (group >= 0 && flock(group, LOCK_EX | LOCK_NB) == 0)
            unlinkat(parent, entry->d_name, AT_REMOVEDIR); /* refused while somebody is in it */
        if (group >= 0)
            close(group);
    }
    if (all)
        closedir(all);
    else if (again >= 0)
        close(again);
}

/* All of them, also what has no limit: the group may be one that a daemon with our pid has left. */
static bool write_limits(int group, const struct store_settings *t)
{
    char cpu[64] = "max", mem[64] = "max";
    if (t->cpus_permille)
        snprintf(
            cpu, sizeof cpu, "%llu %d", (unsigned long long)t->cpus_permille * CPU_PERIOD_US / 1000, CPU_PERIOD_US);
    if (t->mem_bytes)
        snprintf(mem, sizeof mem, "%llu", (unsigned long long)t->mem_bytes);
    bool cpu_is_set = write_at(group, "cpu.max", cpu), mem_is_set = write_at(group, "memory.max", mem);
    write_at(group, "memory.swap.max", t->mem_bytes ? "0" : "max"); /* there need not be any */
    return (cpu_is_set || !t->cpus_permille) && (mem_is_set || !t->mem_bytes);
}

static void close_group(struct limits *l)
{
    if (l->procs_fd >= 0)
        close(l->procs_fd);
    if (l->group_fd >= 0)
        close(l->group_fd);
    l->procs_fd = l->group_fd = -1;
}

/* The group is there: opened, with these limits; false: tasks could not be put into it. */
static bool open_group(struct limits *l, const struct store_settings *t)
{
    l->group_fd = open(l->group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    l->procs_fd = openat(l->group_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (l->group_fd >= 0 && l->procs_fd >= 0 && write_limits(l->group_fd, t) && can_enter(l->procs_fd)) {
        flock(l->group_fd, LOCK_EX | LOCK_NB);
        return true;
    }
    close_group(l);
    rmdir(l->group);
    return false;
}

/* A group below dir with these limits; false: it cannot be made there, or is of no use. */
static bool make_group(struct limits *l, const char *dir, const struct store_settings *t)
{
    int n = snprintf(l->group, sizeof l->group, "%s/clowder-%d", dir, (int)getpid());
    int parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = n > 0 && (size_t)n < sizeof l->group && parent >= 0 && !faccessat(parent, "cgroup.procs", W_OK, 0) &&
                gives(parent, t->cpus_permille != 0, t->mem_bytes != 0);
    if (good)
        sweep(parent);
    good = good && (mkdir(l->group, 0700) == 0 || errno == EEXIST) && open_group(l, t);
    if (parent >= 0)
        close(parent);
    if (!good)
        l->group[0] = '\0';
    return good;
}

/* The nearest group above ours in which one can be made, up to where the hierarchy is mounted. */
static void find_group(struct limits *l, const struct store_settings *t)
{
    char dir[400];
    if ((!t->cpus_permille && !t->mem_bytes) || !find_own_group(dir, sizeof dir))
        return;
    for (size_t len = strlen(dir); len > 1 && dir[len - 1] == '/'; len--)
        dir[len - 1] = '\0';
    while (strchr(dir + 1, '/') && !make_group(l, dir, t))
        *strrchr(dir, '/') = '\0';
}

/* ---- without one ---- */

/* So many whole CPUs of those that we have, others than the next daemon's. */
static unsigned choose_cpus(struct limits *l, uint32_t number, uint32_t permille)
{
    cpu_set_t have;
    unsigned want = (permille + 999) / 1000, total, at, taken = 0;
    if (sched_getaffinity(0, sizeof have, &have))
        return 0;
    total = (unsigned)CPU_COUNT(&have);
    if (want >= total)
        return 0;
    CPU_ZERO(&l->cpus);
    at = number * want % total;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned cpu = 0, k = 0; cpu < CPU_SETSIZE && taken < want; cpu++) {
            if (!CPU_ISSET(cpu, &have))
                continue;
            if (pass || k >= at) {
                taken += !CPU_ISSET(cpu, &l->cpus);
                CPU_SET(cpu, &l->cpus);
            }
            k++;
        }
    l->has_cpus = true;
    return want;
}

/* ---- all of them ---- */

void limits_clear(struct limits *l)
{
    char left[sizeof l->left];
    bool stays = l->group[0] && rmdir(l->group) && errno == EBUSY;
    snprintf(left, sizeof left, "%s", stays ? l->group : l->left);
    if (l->group[0])
        close_group(l);
    *l = (struct limits){.procs_fd = -1, .group_fd = -1};
    memcpy(l->left, left, sizeof left);
}

static void kill_group(const char *path)
{
    char text[4096], *save = NULL;
    int group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group < 0)
        return;
    if (!write_at(group, "cgroup.kill", "1")) { /* before Linux 5.14 */
        procfile_read(group, "cgroup.procs", text, sizeof text);
        for (char *word = strtok_r(text, "\n", &save); word; word = strtok_r(NULL, "\n", &save))
            if (strtol(word, NULL, 10) > 1)
                kill((pid_t)strtol(word, NULL, 10), SIGKILL);
    }
    close(group);
}

/* Who was killed leaves the group a moment later. */
static void end_group(const char *path)
{
    uint64_t until_ms = mono_ms() + END_MS;
    while (path[0] && rmdir(path) && errno == EBUSY && mono_ms() < until_ms) {
        kill_group(path);
        poll(NULL, 0, AGAIN_MS);
    }
}

void limits_end(struct limits *l)
{
    close_group(l);
    end_group(l->group);
    end_group(l->left);
}

static void add(struct limits *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct limits *l, const char *format, ...)
{
    size_t len = strlen(l->text);
    va_list args;
    if (len && len + 2 < sizeof l->text)
        len += (size_t)snprintf(l->text + len, sizeof l->text - len, "; ");
    va_start(args, format);
    vsnprintf(l->text + len, sizeof l->text - len, format, args);
    va_end(args);
}

static void set_nice(struct limits *l, const struct store_settings *t)
{
    if (!t->nice)
        return;
    int own = getpriority(PRIO_PROCESS, 0);
    l->nice = (int)t->nice > own ? (int)t->nice : own;
    l->idle_io = t->nice >= IDLE_IO_NICE && syscall(SYS_ioprio_get, IO_WHO_PROCESS, 0) >= 0;
    add(l, "nice %d%s", l->nice, l->idle_io ? ", idle I/O" : "");
}

void limits_set(struct limits *l, const struct store_settings *t, uint32_t number)
{
    limits_clear(l);
    set_nice(l, t);
    find_group(l, t);
    l->no_new_privs = t->no_new_privs;
    if (t->cpus_permille && l->group[0]) {
        add(l, "%g CPUs (cgroup)", (double)t->cpus_permille / 1000);
    } else if (t->cpus_permille) {
        unsigned n = choose_cpus(l, number, (uint32_t)t->cpus_permille);
        if (n)
            add(l, "%u whole CPU%s (affinity; no writable cgroup for %g)", n, n == 1 ? "" : "s",
                (double)t->cpus_permille / 1000);
        else
            add(l, "CPUs not limited: the machine has no more");
    }
    if (t->mem_bytes && l->group[0]) {
        add(l, "memory %.0fM in total (cgroup)", (double)t->mem_bytes / 1048576);
    } else if (t->mem_bytes) {
        l->as_bytes = t->mem_bytes;
        add(l, "memory %.0fM per process (rlimit; no writable cgroup)", (double)t->mem_bytes / 1048576);
    }
    if (t->no_new_privs)
        add(l, "no new privileges");
    l->mem_bytes = t->mem_bytes;
    l->kills = limits_kills(l);
}

uint64_t limits_kills(const struct limits *l)
{
    char text[1024];
    const char *at;
    if (!l->group[0] || !l->mem_bytes || !procfile_read(l->group_fd, "memory.events", text, sizeof text) ||
        !(at = strstr(text, "oom_kill ")))
        return 0;
    return strtoull(at + strlen("oom_kill "), NULL, 10);
}

int limits_apply(const struct limits *l)
{
    if (l->group[0] && l->procs_fd < 0)
        return EIO;
    if (l->group[0] && write(l->procs_fd, "0", 1) != 1)
        return errno;
    if (l->nice && setpriority(PRIO_PROCESS, 0, l->nice))
        return errno;
    if (l->idle_io)
        syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, IO_IDLE);
    if (l->has_cpus && sched_setaffinity(0, sizeof l->cpus, &l->cpus))
        return errno;
    if (l->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return errno;
    struct rlimit as = {l->as_bytes, l->as_bytes};
    if (l->as_bytes && setrlimit(RLIMIT_AS, &as))
        return errno;
    return 0;
}

bool limits_explain(struct limits *l, int status, const struct buf *err, char *why, size_t size)
{
    uint64_t kills = limits_kills(l);
    bool killed = kills > l->kills;
    static const char *const words[] = {"memory", "Memory", "bad_alloc", "cannot allocate"};
    bool said = WIFSIGNALED(status);
    l->kills = kills;
    for (size_t i = 0; l->as_bytes && i < sizeof words / sizeof *words; i++)
        said |= err->len && memmem(err->data, err->len, words[i], strlen(words[i])) != NULL;
    if (killed)
        snprintf(why, size, "killed at the limit of %.0fM of memory, set by --mem", (double)l->mem_bytes / 1048576);
    else if (l->as_bytes && said)
        snprintf(why, size, "each of its processes may use at most %.0fM of memory, set by --mem",
            (double)l->mem_bytes / 1048576);
    return killed || (l->as_bytes && said);
}
