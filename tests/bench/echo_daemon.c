/* The smallest daemon: it dials home over a Unix socket and gives every task's input back as its output. Thousands of
 * them fit into one machine, so an engine and its screens can be measured with that many (CLOWDER_LIBEXEC names the
 * folder where this is called clowder-daemon). */
#include "engine/wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char url[256], token[WIRE_TOKEN + 1], instance[WIRE_TOKEN + 1];
static uint64_t number;

static void read_settings(void)
{
    char text[4096], *rest = text;
    size_t n = 0;
    ssize_t got;
    while (n < sizeof text - 1 && (got = read(0, text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (strncmp(line, "url ipc://", 10) == 0)
            snprintf(url, sizeof url, "%s", line + 10);
        else if (strncmp(line, "token ", 6) == 0)
            snprintf(token, sizeof token, "%s", line + 6);
        else if (strncmp(line, "daemon ", 7) == 0)
            number = strtoull(line + 7, NULL, 10);
    }
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(url) >= sizeof address.sun_path)
        exit(2);
    memcpy(address.sun_path, url, strlen(url) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    while (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        if (errno != EAGAIN) /* the queue of those who dial is full */
            exit(3);
        usleep(10000);
    }
    return fd;
}

static void put(int fd, const void *data, size_t len)
{
    for (const char *at = data; len;) {
        ssize_t n = write(fd, at, len);
        if (n <= 0)
            exit(0);
        at += n;
        len -= (size_t)n;
    }
}

static void get(int fd, void *data, size_t len)
{
    for (char *at = data; len;) {
        ssize_t n = read(fd, at, len);
        if (n <= 0)
            exit(0); /* nobody is at home any more */
        at += n;
        len -= (size_t)n;
    }
}

/* Header and body in one piece: buffer has room for the header in front of the body. */
static void say(int fd, uint8_t *buffer, struct frame f)
{
    wire_put_header(buffer, &f);
    put(fd, buffer, WIRE_HEADER + f.len);
}

static void say_hello(int fd, uint8_t *buffer)
{
    struct buf b = {0};
    wire_new_secret(instance);
    wire_add_text(&b, WIRE_K_MAGIC, WIRE_MAGIC);
    wire_add_number(&b, WIRE_K_VERSION, WIRE_VERSION);
    wire_add_number(&b, WIRE_K_ROLE, WIRE_ROLE_DAEMON);
    wire_add_number(&b, WIRE_K_DAEMON, number);
    wire_add_text(&b, WIRE_K_TOKEN, token);
    wire_add_text(&b, WIRE_K_INSTANCE, instance);
    wire_add_number(&b, WIRE_K_PID, (uint64_t)getpid());
    memcpy(buffer + WIRE_HEADER, b.data, b.len);
    say(fd, buffer, (struct frame){.type = WIRE_HELLO, .len = (uint32_t)b.len});
    buf_fini(&b);
}

int main(void)
{
    size_t room = 16 << 10;
    uint8_t *buffer = mem_alloc(room);
    struct frame f;
    read_settings();
    int fd = dial();
    say_hello(fd, buffer);
    for (;;) {
        get(fd, buffer, WIRE_HEADER);
        if (wire_get_header(buffer, WIRE_BODY_MAX, &f, NULL))
            return 1;
        if (WIRE_HEADER + (size_t)f.len > room)
            buffer = mem_realloc(buffer, room = WIRE_HEADER + (size_t)f.len);
        get(fd, buffer + WIRE_HEADER, f.len);
        switch (f.type) {
        case WIRE_TASKS: /* of the same form as RESULT */
            say(fd, buffer,
                (struct frame){.type = WIRE_RESULT, .job = f.job, .first = f.first, .n = f.n, .len = f.len});
            break;
        case WIRE_CLOSE: say(fd, buffer, (struct frame){.type = WIRE_CLOSED, .job = f.job}); break;
        case WIRE_PING: say(fd, buffer, (struct frame){.type = WIRE_PONG}); break;
        case WIRE_QUIT: return 0;
        default: break;
        }
    }
}
