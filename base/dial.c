#include "base/dial.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial_unix(const char *path, bool *pending)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    *pending = false;
    return fd;
}

static bool tcp_address(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
    char host[64];
    int64_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host || text_parse_int(colon + 1, 1, 65535, &port, NULL))
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    size_t n = strlen(host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        *len = sizeof *six;
        return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1;
    }
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    *len = sizeof *four;
    return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

bool dial_is_target(const char *target)
{
    struct sockaddr_storage address;
    socklen_t len;
    if (strncmp(target, "unix:/", 6) == 0)
        return strlen(target + 5) < sizeof((struct sockaddr_un *)0)->sun_path;
    return strncmp(target, "tcp:", 4) == 0 && tcp_address(target + 4, &address, &len);
}

int dial_target(const char *target, bool *pending)
{
    struct sockaddr_storage address;
    socklen_t len;
    int on = 1;
    if (strncmp(target, "unix:", 5) == 0)
        return dial_unix(target + 5, pending);
    if (strncmp(target, "tcp:", 4) != 0 || !tcp_address(target + 4, &address, &len)) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *pending = false;
    if (connect(fd, (struct sockaddr *)&address, len)) {
        if (errno != EINPROGRESS) {
            int saved = errno;
            close(fd);
            errno = saved;
            return -1;
        }
        *pending = true;
    }
    return fd;
}
