/* What a daemon's tasks may use. A cgroup (v2) of the daemon's own bounds all its tasks together, where one above the
 * daemon's own may be written; else memory is bounded for each process (RLIMIT_AS), and CPUs by affinity, whole ones
 * only. The text says which it is. The daemon itself is bounded by nothing: it has to answer. */
#include "engine/daemon/daemon.h"

#include "base/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDLE_IO_NICE = 10, IO_WHO_PROCESS = 1, IO_IDLE = 3 << 13, CPU_PERIOD_US = 100000 };

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
static bool can_enter(int group)
{
    int procs = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC), status = 1;
    pid_t pid = procs >= 0 ? fork() : -1;
    if (pid == 0)
        _exit(write(procs, "0", 1) == 1 ? 0 : 1);
    if (pid > 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    if (procs >= 0)
        close(procs);
    return pid > 0 && status == 0;
}

/* A group below dir with these limits; -1: it cannot be made there, or tasks could not be put into it. */
static int make_group(struct limits *l, const char *dir, const struct terms *t)
{
    char text[64];
    int n = snprintf(l->group, sizeof l->group, "%s/clowder-%d", dir, (int)getpid());
    int parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), group = -1;
    if (n < 0 || (size_t)n >= sizeof l->group || parent < 0 || faccessat(parent, "cgroup.procs", W_OK, 0) ||
        !gives(parent, t->cpus_permille != 0, t->mem_bytes != 0) || (mkdir(l->group, 0700) && errno != EEXIST))
        goto out;
    group = open(l->group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = group >= 0;
    snprintf(text, sizeof text, "%llu %d", (unsigned long long)t->cpus_permille * CPU_PERIOD_US / 1000, CPU_PERIOD_US);
    if (good && t->cpus_permille)
        good = write_at(group, "cpu.max", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)t->mem_bytes);
    if (good && t->mem_bytes) {
        good = write_at(group, "memory.max", text);
        write_at(group, "memory.swap.max", "0"); /* there need not be any */
    }
    if (!good || !can_enter(group)) {
        if (group >= 0)
            close(group);
        rmdir(l->group);
        group = -1;
    }
out:
    if (parent >= 0)
        close(parent);
    if (group < 0)
        l->group[0] = '\0';
    return group;
}

/* The nearest group above ours in which one can be made, up to where the hierarchy is mounted. */
static void find_group(struct limits *l, const struct terms *t)
{
    char dir[400];
    if ((!t->cpus_permille && !t->mem_bytes) || !find_own_group(dir, sizeof dir))
        return;
    for (size_t len = strlen(dir); len > 1 && dir[len - 1] == '/'; len--)
        dir[len - 1] = '\0';
    while (strchr(dir + 1, '/') && (l->group_fd = make_group(l, dir, t)) < 0)
        *strrchr(dir, '/') = '\0';
    if (l->group_fd >= 0)
        l->procs_fd = openat(l->group_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
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
    if (l->group[0]) {
        if (l->procs_fd >= 0)
            close(l->procs_fd);
        close(l->group_fd);
        rmdir(l->group);
    }
    *l = (struct limits){.procs_fd = -1, .group_fd = -1};
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

static void set_nice(struct limits *l, const struct terms *t)
{
    if (!t->nice)
        return;
    int own = getpriority(PRIO_PROCESS, 0);
    l->nice = (int)t->nice > own ? (int)t->nice : own;
    l->idle_io = t->nice >= IDLE_IO_NICE && syscall(SYS_ioprio_get, IO_WHO_PROCESS, 0) >= 0;
    add(l, "nice %d%s", l->nice, l->idle_io ? ", idle I/O" : "");
}

void limits_set(struct limits *l, const struct terms *t, uint32_t number)
{
    limits_clear(l);
    set_nice(l, t);
    find_group(l, t);
    l->no_new_privs = t->no_new_privs;
    if (t->cpus_permille && l->group[0]) {
        add(l, "%g CPUs (cgroup)", t->cpus_permille / 1000.0);
    } else if (t->cpus_permille) {
        unsigned n = choose_cpus(l, number, t->cpus_permille);
        if (n)
            add(l, "%u whole CPU%s (affinity; no cgroup to write for %g)", n, n == 1 ? "" : "s",
                t->cpus_permille / 1000.0);
        else
            add(l, "CPUs not limited: it has no more than that");
    }
    if (t->mem_bytes && l->group[0]) {
        add(l, "memory %.0fM together (cgroup)", (double)t->mem_bytes / 1048576);
    } else if (t->mem_bytes) {
        l->as_bytes = t->mem_bytes;
        add(l, "memory %.0fM a process (rlimit; no cgroup to write)", (double)t->mem_bytes / 1048576);
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
    if (l->group[0] && (l->procs_fd < 0 || write(l->procs_fd, "0", 1) != 1))
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
        snprintf(why, size, "it may have no more than %.0fM of memory a process, set by --mem",
            (double)l->mem_bytes / 1048576);
    return killed || (l->as_bytes && said);
}
