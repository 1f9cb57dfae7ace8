/* Two sides that talk over connections which break at any byte: each gets all that the other sent, once and in order,
 * and what was acknowledged is not kept. */
#include "base/mem.h"
#include "engine/wire/link.h"
#include "engine/wire/resume.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEEDS = 60, EVENTS = 3000, BODY_MAX = 3000 };

struct side {
    struct link_owner owner;
    struct resume *resume;
    struct link *link;
    bool over;
    uint64_t sent, got;
};

static unsigned long long state;

static unsigned roll(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

/* A frame's number is in its header and all over its body. */
static void take(struct link *l, const struct frame *f, struct blk *block)
{
    struct side *s = link_arg(l);
    (void)block;
    if (f->type == WIRE_PING) {
        link_send(l, &(struct frame){.type = WIRE_PONG}, NULL);
        return;
    }
    if (f->type == WIRE_PONG)
        return;
    assert_int_equal(f->first, s->got);
    for (uint32_t i = 0; i < f->len; i++)
        assert_int_equal(f->body[i], (uint8_t)(s->got + i));
    s->got++;
}

static void closed(struct link *l, const struct clw_error *why)
{
    struct side *s = link_arg(l);
    assert_int_equal(why->code, CLW_CLOSED);
    s->over = true;
}

static void flush(struct link *l)
{
    link_flush(l);
}

/* With a block of its own, of a larger one, or copied; with a connection or without. */
static void say(struct side *s)
{
    uint32_t len = roll(3) ? roll(60) : roll(BODY_MAX);
    struct blk *b = blk_new(len + roll(4) * BODY_MAX);
    struct frame f = {.type = WIRE_TASKS, .first = s->sent, .len = len};
    assert_non_null(b);
    for (uint32_t i = 0; i < len; i++)
        b->data[i] = (uint8_t)(s->sent + i);
    uint32_t half = len / 2;
    struct link_piece pieces[] = {{b->data, half, b}, {b->data + half, len - half, b}};
    bool copied = roll(2);
    if (s->link && copied)
        link_send(s->link, &f, b->data);
    else if (s->link)
        link_send_ref(s->link, &f, pieces, 2);
    else if (copied)
        resume_send(s->resume, &f, b->data);
    else
        resume_send_ref(s->resume, &f, pieces, 2);
    memset(b->data, 0xee, copied ? len : 0);
    blk_rele(b);
    s->sent++;
}

static void cut(struct side *a, struct side *b)
{
    link_free(a->link);
    link_free(b->link);
    a->link = b->link = NULL;
}

static void join(struct side *a, struct side *b)
{
    int fds[2], small = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    uint64_t a_has = resume_received(a->resume), b_has = resume_received(b->resume);
    a->link = link_new_socket(fds[0], NULL, &a->owner, a, 1 << 20);
    b->link = link_new_socket(fds[1], NULL, &b->owner, b, 1 << 20);
    a->over = b->over = false;
    link_start(a->link);
    link_start(b->link);
    assert_true(link_resume(a->link, a->resume, b_has));
    assert_true(link_resume(b->link, b->resume, a_has));
}

static void settle(struct side *a, struct side *b)
{
    if (!a->link)
        join(a, b);
    for (int i = 0; i < 100000 && (a->got < b->sent || b->got < a->sent); i++) {
        link_step(a->link);
        link_step(b->link);
    }
    assert_int_equal(a->got, b->sent);
    assert_int_equal(b->got, a->sent);
}

static void any_cut(void **unused)
{
    (void)unused;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct side sides[2], *a = &sides[0], *b = &sides[1];
        state = seed;
        memset(sides, 0, sizeof sides);
        for (int i = 0; i < 2; i++) {
            sides[i].owner = (struct link_owner){.frame_cb = take, .batch_cb = flush, .closed_cb = closed};
            sides[i].resume = resume_new();
        }
        for (int i = 0; i < EVENTS; i++) {
            struct side *s = &sides[roll(2)];
            switch (roll(12)) {
            case 0:
            case 1:
            case 2:
            case 3: say(s); break;
            case 4:
                if (a->link && roll(8) == 0)
                    cut(a, b);
                break;
            case 5:
                if (!a->link)
                    join(a, b);
                break;
            case 6:
                if (s->link)
                    link_send(s->link, &(struct frame){.type = WIRE_PING}, NULL);
                break;
            default:
                if (s->link)
                    link_step(s->link);
                break;
            }
            assert_false(a->over || b->over);
        }
        settle(a, b);
        cut(a, b);
        resume_free(a->resume);
        resume_free(b->resume);
    }
}

/* What the other side cannot have is no reason to lose something. */
static void liars(void **unused)
{
    (void)unused;
    struct resume *r = resume_new();
    assert_false(resume_has(r, 1));
    for (unsigned i = 0; i < 10; i++)
        resume_send(r, &(struct frame){.type = WIRE_CLOSED}, NULL);
    assert_true(resume_has(r, 4));
    assert_true(resume_has(r, 4));
    assert_false(resume_has(r, 3)); /* it has been let go */
    assert_false(resume_has(r, 11));
    assert_true(resume_has(r, 10));
    resume_free(r);
}

/* The other side is told in time: by count, and by bytes. */
static void telling(void **unused)
{
    (void)unused;
    struct resume *r = resume_new();
    unsigned told = 0;
    for (unsigned i = 0; i < 1000; i++) {
        resume_came(r, 100);
        told += resume_owes(r);
    }
    assert_int_equal(told, 15);
    resume_owes(r);
    resume_came(r, UINT32_MAX);
    assert_true(resume_owes(r));
    assert_int_equal(resume_received(r), 1001);
    resume_free(r);
}

/* What was sent does not pile up for somebody who answers, but never says what came. */
static void lag(void **unused)
{
    (void)unused;
    struct resume *r = resume_new();
    struct blk *b = blk_new(1 << 20);
    struct frame f = {.type = WIRE_TASKS, .len = 1 << 20};
    assert_non_null(b);
    for (int i = 0; i < 256; i++)
        resume_send_ref(r, &f, &(struct link_piece){b->data, f.len, b}, 1);
    assert_false(resume_lags(r)); /* few that are large: they may be on their way */
    resume_send(r, &(struct frame){.type = WIRE_CLOSE}, NULL);
    assert_true(resume_lags(r));
    assert_true(resume_has(r, 200));
    assert_false(resume_lags(r));
    resume_free(r);
    blk_rele(b);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut),
        cmocka_unit_test(liars),
        cmocka_unit_test(telling),
        cmocka_unit_test(lag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
