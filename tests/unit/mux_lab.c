/* What the tests of the multiplexer share. */
#include "tests/unit/mux_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

int mux_lab_dial(void *arg, uint32_t listener, bool *pending, struct meter **meter)
{
    struct pair *p = arg;
    int fds[2];
    *pending = false;
    (void)meter;
    p->listener = listener;
    if (p->refuse)
        return -1;
    if (p->hold)
        return dup(p->hold);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p->dialled[p->dialled_count++] = fds[0];
    return fds[1];
}

void mux_lab_on_frame(void *arg, const struct mux_frame *f)
{
    struct pair *p = arg;
    snprintf(p->control, sizeof p->control, "%d:%u:%.*s", f->type, f->stream, (int)f->len, (const char *)f->data);
}
