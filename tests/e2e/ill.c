/* What ill programs do to a daemon. Each ends by itself when nobody reads it any more, or is let go.
 *
 *   ill flood FOLDER         ends, and leaves processes in a session of their own that keep its stdout full.
 *                            FOLDER/after: how many bytes they could write after its end
 *   ill stuck FOLDER [mute]  echoes lines; killed, it does not end before FOLDER/go is there.
 *                            FOLDER/held: it was killed. mute: it closes its stdout first
 *   ill brief N              answers N lines with 60,000 bytes each, and ends
 *   ill torrent N            echoes lines; N it answers with 400,000 bytes, and in the same breath what came with it */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, WRITERS = 8 };

static const char *folder;

static void note(const char *name, unsigned long long number)
{
    char path[4096], text[32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600), len = snprintf(text, sizeof text, "%llu\n", number);
    if (fd < 0 || write(fd, text, (size_t)len) != len)
        _exit(1);
    close(fd);
}

static bool is_there(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* ---- flood ---- */

struct shared {
    _Atomic unsigned long long written, at_end;
    char block[BLOCK];
};

/* Without copying, so that it is quicker than who reads. */
static void write_for_ever(struct shared *s)
{
    struct iovec v = {s->block, BLOCK};
    for (ssize_t n; (n = vmsplice(1, &v, 1, 0)) > 0 || errno == EINTR;)
        atomic_fetch_add(&s->written, (unsigned long long)(n > 0 ? n : 0));
}

static struct shared *flooded;

/* The kernel says that the task is gone: what could be written until then was read while it was there. */
static void on_end(int number)
{
    (void)number;
    flooded->at_end = flooded->written;
}

static int flood(void)
{
    struct shared *s = flooded =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (s == MAP_FAILED)
        return 1;
    memset(s->block, 'y', BLOCK);
    fcntl(1, F_SETPIPE_SZ, BLOCK);
    signal(SIGPIPE, SIG_IGN);
    if (fork() == 0) {
        setsid();
        signal(SIGUSR1, on_end);
        prctl(PR_SET_PDEATHSIG, SIGUSR1); /* for this process; those that it makes are not told */
        for (int i = 1; i < WRITERS; i++)
            if (fork() == 0) {
                write_for_ever(s);
                _exit(0);
            }
        write_for_ever(s);
        while (wait(NULL) > 0 || errno == EINTR)
            ;
        note("after", s->at_end ? s->written - s->at_end : -1ull);
        _exit(0);
    }
    while (s->written < 16 * BLOCK) /* they are at it */
        usleep(100);
    _exit(0);
}

/* ---- stuck ---- */

/* True when it is being ended by a signal, and stands still before that. */
static bool is_killed(pid_t victim, int status)
{
    unsigned long how = 0;
    return status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8) && ptrace(PTRACE_GETEVENTMSG, victim, NULL, &how) == 0 &&
           WIFSIGNALED((int)how);
}

static void hold(pid_t victim, int ready)
{
    int status;
    setsid();
    if (ptrace(PTRACE_SEIZE, victim, NULL, PTRACE_O_TRACEEXIT))
        _exit(1);
    close(ready);
    while (waitpid(victim, &status, __WALL) == victim && WIFSTOPPED(status) && !is_killed(victim, status))
        ptrace(PTRACE_CONT, victim, NULL, status >> 16 ? 0 : WSTOPSIG(status));
    if (!WIFSTOPPED(status))
        _exit(0);
    note("held", 1);
    while (!is_there("go"))
        usleep(10000);
    _exit(0); /* the kernel lets it go */
}

static int stuck(bool mute)
{
    char line[1000];
    int ready[2];
    pid_t self = getpid();
    if (pipe(ready))
        return 1;
    pid_t holder = fork();
    if (holder == 0) {
        close(ready[0]);
        close(0);
        close(1);
        close(2);
        hold(self, ready[1]);
    }
    prctl(PR_SET_PTRACER, holder);
    close(ready[1]);
    if (read(ready[0], line, 1) != 0)
        return 1;
    if (mute)
        close(1);
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "hang", 4) == 0)
            pause();
        if (fputs(line, stdout) < 0 || fflush(stdout))
            pause();
    }
    _exit(0); /* what a sanitizer does at the end of a program it does not do under a tracer */
}

/* ---- brief ---- */

static int brief(int n)
{
    char line[32], answer[60001];
    for (; n > 0 && fgets(line, sizeof line, stdin); n--) {
        size_t len = strcspn(line, "\n");
        line[len++] = '-';
        for (size_t i = 0; i < sizeof answer - 1; i++)
            answer[i] = line[i % len];
        answer[sizeof answer - 1] = '\n';
        if (fwrite(answer, sizeof answer, 1, stdout) != 1 || fflush(stdout))
            return 1;
    }
    return 0;
}

/* ---- torrent ---- */

/* Each block of input, which ends with a line as the daemon writes it, is answered in one write. */
static int torrent(const char *number)
{
    static char in[1 << 20], out[(1 << 20) + 500000];
    char mark[32];
    size_t len = 0;
    snprintf(mark, sizeof mark, "\n%s\n", number);
    for (ssize_t n; (n = read(0, in + len, sizeof in - 1 - len)) > 0;) {
        len += (size_t)n;
        in[len] = '\0';
        if (in[len - 1] != '\n')
            continue;
        char *at = strstr(in, mark);
        size_t before = at ? (size_t)(at + 1 - in) : len, y = at ? 400000 : 0, skip = at ? strlen(number) : 0;
        memcpy(out, in, before);
        memset(out + before, 'y', y);
        memcpy(out + before + y, in + before + skip, len - before - skip);
        if (write(1, out, len + y - skip) < 0)
            return 1;
        len = 0;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    folder = argv[2];
    if (strcmp(argv[1], "torrent") == 0)
        return torrent(argv[2]);
    if (strcmp(argv[1], "brief") == 0)
        return brief(atoi(argv[2]));
    if (strcmp(argv[1], "flood") == 0)
        return flood();
    return stuck(argc > 3);
}
