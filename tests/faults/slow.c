/* What is slow elsewhere, preloaded into an engine: a disk that takes CLOWDER_SLOW_FSYNC_MS to write (fsync,
 * fdatasync), and a name server that takes CLOWDER_SLOW_NAMES_MS to answer (getaddrinfo). */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_for(const char *variable)
{
    const char *text = getenv(variable);
    long ms = text ? strtol(text, NULL, 10) : 0;
    if (ms > 0)
        nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

int fsync(int fd)
{
    wait_for("CLOWDER_SLOW_FSYNC_MS");
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    wait_for("CLOWDER_SLOW_FSYNC_MS");
    return (int)syscall(SYS_fdatasync, fd);
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
    struct addrinfo **restrict list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    wait_for("CLOWDER_SLOW_NAMES_MS");
    return real(node, service, hints, list);
}
