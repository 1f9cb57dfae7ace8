/* A daemon for the tests of hosts/: reads its configuration on stdin up to its end, dials the url in it and
 * does as it is told there. Linked static, it is what the tests upload. With --mux it is the real supervisor. */
#include "hosts/remote/mux_serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char config[1 << 20];

/* Owned by nobody: a test program need not free. */
static const char *setting(const char *name, const char *fallback)
{
    size_t len = strlen(name);
    for (const char *p = config; p; p = strchr(p, '\n'), p += p != NULL)
        if (strncmp(p, name, len) == 0 && p[len] == '=')
            return strndup(p + len + 1, strcspn(p + len + 1, "\n"));
    return fallback;
}

static int dial(const char *url)
{
    int fd = -1, on = 1;
    if (strncmp(url, "tcp://127.0.0.1:", 16) == 0) {
        struct sockaddr_in a = {.sin_family = AF_INET,
            .sin_port = htons((uint16_t)atoi(url + 16)),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
            return fd;
    } else if (strncmp(url, "ipc://", 6) == 0) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        snprintf(a.sun_path, sizeof a.sun_path, "%s", url + 6);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
            return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);
        if (n <= 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Bytes whose value follows from their place, so that the other end can check each. */
static int blast(int fd, unsigned long long total)
{
    static char block[65536];
    unsigned long long at = 0;
    while (at < total) {
        size_t n = total - at < sizeof block ? (size_t)(total - at) : sizeof block;
        for (size_t i = 0; i < n; i++)
            block[i] = (char)((at + i) * 31 + ((at + i) >> 13));
        if (write_all(fd, block, n))
            return 1;
        at += n;
    }
    shutdown(fd, SHUT_WR);
    return read(fd, block, 1) == 1 ? 0 : 2; /* the other end has it all */
}

static int echo(int fd)
{
    static char block[65536];
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0)
        if (write_all(fd, block, (size_t)n))
            return 1;
    return 0;
}

static int run(void)
{
    const char *mode = setting("mode", "echo"), *id = setting("id", "?"), *url = setting("url", "");
    int tries = atoi(setting("tries", "1")), status = 1;
    fprintf(stderr, "daemon %s: mode %s\n", id, mode);
    if (strcmp(mode, "exit") == 0)
        return atoi(setting("status", "0"));
    if (strcmp(mode, "sleep") == 0)
        sleep((unsigned)atoi(setting("seconds", "1")));
    for (int i = 0; i < tries; i++) {
        char hello[300];
        int fd = dial(url);
        if (fd < 0) {
            usleep(100000);
            continue;
        }
        int n = snprintf(hello, sizeof hello, "%s %s %d\n", mode, id, i);
        if (write_all(fd, hello, (size_t)n) == 0)
            status = strcmp(mode, "blast") == 0 ? blast(fd, strtoull(setting("bytes", "0"), NULL, 10)) : echo(fd);
        close(fd);
        usleep(20000);
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--mux") == 0) {
        if (argc > 2)
            mux_go_to(argv[2]);
        return mux_serve(NULL, NULL, 0, 1);
    }
    if (argc > 2 && strcmp(argv[1], "--dial") == 0) /* by hand, for comparisons: --dial CONFIG */
        snprintf(config, sizeof config, "%s", argv[2]);
    else if (fread(config, 1, sizeof config - 1, stdin) == 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    return run();
}
