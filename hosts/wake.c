/* One UDP packet a network. */
#include "hosts/wake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAKE_PORT = 9 };

static int digit(char c)
{
    const char *all = "0123456789abcdef", *at = c ? strchr(all, c | 0x20) : NULL;
    if (c >= '0' && c <= '9')
        return c - '0';
    return at && at - all >= 10 ? (int)(at - all) : -1;
}

enum clw_err wake_parse(const char *mac, uint8_t out[6], struct clw_error *err)
{
    const char *p = mac;
    char between = 0;
    for (int i = 0; i < 6; i++) {
        int high = digit(p[0]), low = high < 0 ? -1 : digit(p[1]);
        if (low < 0)
            goto bad;
        out[i] = (uint8_t)(high << 4 | low);
        p += 2;
        if (i == 0 && (*p == ':' || *p == '-'))
            between = *p;
        if (between && i < 5 && *p++ != between)
            goto bad;
    }
    if (!*p)
        return CLW_OK;
bad:
    return clw_fail(err, CLW_USAGE, "write it as aa:bb:cc:dd:ee:ff", "'%.40s' is not a MAC address", mac);
}

void wake_packet(const uint8_t mac[6], uint8_t packet[WAKE_PACKET])
{
    memset(packet, 0xff, 6);
    for (int i = 1; i <= 16; i++)
        memcpy(packet + (ptrdiff_t)6 * i, mac, 6);
}

static bool send_to(int fd, struct sockaddr_in *to, const uint8_t packet[WAKE_PACKET])
{
    to->sin_family = AF_INET;
    to->sin_port = htons(WAKE_PORT);
    return sendto(fd, packet, WAKE_PACKET, 0, (struct sockaddr *)to, sizeof *to) == WAKE_PACKET;
}

static unsigned send_everywhere(int fd, const uint8_t packet[WAKE_PACKET])
{
    struct ifaddrs *list = NULL;
    unsigned sent = 0;
    if (getifaddrs(&list))
        return 0;
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_BROADCAST) ||
            !(i->ifa_flags & IFF_UP) || !i->ifa_broadaddr)
            continue;
        struct sockaddr_in to;
        memcpy(&to, i->ifa_broadaddr, sizeof to);
        sent += send_to(fd, &to, packet);
    }
    freeifaddrs(list);
    return sent;
}

enum clw_err wake_send(const char *mac, const char *target, struct clw_error *err)
{
    uint8_t address[6], packet[WAKE_PACKET];
    struct sockaddr_in to = {0};
    int on = 1;
    unsigned sent;
    enum clw_err code = wake_parse(mac, address, err);
    if (code)
        return code;
    if (target && *target && inet_pton(AF_INET, target, &to.sin_addr) != 1)
        return clw_fail(err, CLW_USAGE, NULL, "'%.60s' is not an IPv4 address", target);
    wake_packet(address, packet);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on)) {
        code = clw_fail(err, CLW_IO, NULL, "cannot make a socket: %s", strerror(errno));
    } else {
        sent = target && *target ? send_to(fd, &to, packet) : send_everywhere(fd, packet);
        if (!sent)
            code = clw_fail(err, CLW_UNREACHABLE, "is this machine on a network?", "the packet could not be sent: %s",
                strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return code;
}
