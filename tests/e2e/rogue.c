/* Strangers: each connects to the engine's data socket (a path), or to the port of a tunnel (a number), misbehaves and
 * must be shut out. Prints a line for each. */
#include "engine/wire/wire.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *path;

static int dial_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(path))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a)) {
        perror("connect");
        exit(1);
    }
    return fd;
}

static int dial(void)
{
    if (*path != '/')
        return dial_port();
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a)) {
        perror("connect");
        exit(1);
    }
    return fd;
}

/* Sends, and waits until the engine has closed the connection; 8 s is far more than its time for a hello. */
static void shut_out(const char *what, const void *data, size_t len)
{
    char in[4096];
    int fd = dial();
    if (len && write(fd, data, len) != (ssize_t)len)
        perror("write");
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 8000) <= 0) {
            printf("%s: still connected\n", what);
            exit(1);
        }
        if (read(fd, in, sizeof in) <= 0)
            break;
    }
    close(fd);
    puts(what);
}

static size_t frame(uint8_t *out, struct frame f, const struct buf *body)
{
    f.len = (uint32_t)body->len;
    wire_put_header(out, &f);
    if (body->len)
        memcpy(out + WIRE_HEADER, body->data, body->len);
    return WIRE_HEADER + body->len;
}

static size_t hello(uint8_t *out, uint64_t version, uint64_t role, const char *token)
{
    struct buf b = {0};
    wire_add_text(&b, WIRE_K_MAGIC, WIRE_MAGIC);
    wire_add_number(&b, WIRE_K_VERSION, version);
    wire_add_number(&b, WIRE_K_ROLE, role);
    wire_add_number(&b, WIRE_K_DAEMON, 1);
    wire_add_text(&b, WIRE_K_TOKEN, token);
    size_t n = frame(out, (struct frame){.type = WIRE_HELLO}, &b);
    buf_fini(&b);
    return n;
}

int main(int argc, char **argv)
{
    uint8_t out[8192];
    struct buf none = {0};
    char token[WIRE_TOKEN + 1];
    path = argc > 1 ? argv[1] : "";
    memset(token, '0', WIRE_TOKEN);
    token[WIRE_TOKEN] = '\0';

    shut_out("text", "GET / HTTP/1.1\r\nHost: somewhere.example\r\n\r\n", 44);
    memset(out, 0xff, sizeof out);
    shut_out("all ones", out, sizeof out);
    struct frame f = {.type = WIRE_HELLO, .len = 0x7fffffff};
    wire_put_header(out, &f);
    shut_out("a huge length", out, WIRE_HEADER);
    shut_out("another frame first", out, frame(out, (struct frame){.type = WIRE_TASKS, .job = 1, .n = 5}, &none));
    shut_out("an empty hello", out, frame(out, (struct frame){.type = WIRE_HELLO}, &none));
    shut_out("a wrong version", out, hello(out, 99, WIRE_ROLE_CLIENT, ""));
    shut_out("a wrong role", out, hello(out, WIRE_VERSION, 7, ""));
    shut_out("a wrong token", out, hello(out, WIRE_VERSION, WIRE_ROLE_DAEMON, token));
    shut_out("a short token", out, hello(out, WIRE_VERSION, WIRE_ROLE_DAEMON, "00"));
    shut_out("silence", NULL, 0);

    /* Clients that greet well and then break the protocol. */
    size_t n = hello(out, WIRE_VERSION, WIRE_ROLE_CLIENT, "");
    size_t m = frame(out + n, (struct frame){.type = WIRE_RESULT, .job = 1, .n = 1}, &none);
    shut_out("a client that answers", out, n + m);
    struct frame huge = {.type = WIRE_OPEN, .job = 1, .len = 0xfffffff0};
    wire_put_header(out + n, &huge);
    shut_out("a client with a huge frame", out, n + WIRE_HEADER);
    m = frame(out + n, (struct frame){.type = WIRE_OPEN, .job = 0}, &none);
    shut_out("a client with job 0", out, n + m);
    return 0;
}
