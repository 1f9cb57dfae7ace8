#include "base/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int64_t peer_uid_unix(int fd)
{
    struct ucred c;
    socklen_t len = sizeof c;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) ? -1 : (int64_t)c.uid;
}

/* Looks for the socket whose own and other address are these in one of the kernel's tables. One that is closed already
 * is listed as root's, without an inode: it is nobody's. */
static int64_t find_owner(const char *table, const char *own, const char *other)
{
    char line[512], local[64], remote[64];
    long long uid, inode;
    int64_t found = -1;
    FILE *f = fopen(table, "re");
    while (f && found < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "%*s %63s %63s %*s %*s %*s %*s %lld %*s %lld", local, remote, &uid, &inode) == 4 && inode &&
            strcmp(local, own) == 0 && strcmp(remote, other) == 0)
            found = uid;
    if (f)
        fclose(f);
    return found;
}

int64_t peer_uid_tcp(int fd)
{
    struct sockaddr_in here = {0}, there = {0};
    socklen_t here_len = sizeof here, there_len = sizeof there;
    char own[64], other[64];
    if (getsockname(fd, (struct sockaddr *)&here, &here_len) || here.sin_family != AF_INET ||
        getpeername(fd, (struct sockaddr *)&there, &there_len) || there.sin_family != AF_INET)
        return -1;
    snprintf(own, sizeof own, "%08X:%04X", there.sin_addr.s_addr, ntohs(there.sin_port));
    snprintf(other, sizeof other, "%08X:%04X", here.sin_addr.s_addr, ntohs(here.sin_port));
    int64_t uid = find_owner("/proc/net/tcp", own, other);
    if (uid >= 0)
        return uid;
    /* A socket of IPv6 may have connected to an address of IPv4. */
    snprintf(
        own, sizeof own, "0000000000000000%08X%08X:%04X", htonl(0xffff), there.sin_addr.s_addr, ntohs(there.sin_port));
    snprintf(other, sizeof other, "0000000000000000%08X%08X:%04X", htonl(0xffff), here.sin_addr.s_addr,
        ntohs(here.sin_port));
    return find_owner("/proc/net/tcp6", own, other);
}

bool peer_is_ours(int64_t uid)
{
    return uid == 0 || uid == (int64_t)geteuid();
}
