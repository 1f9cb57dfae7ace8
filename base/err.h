/* The error type of every layer: one table of codes, each with its text and the exit status that the
 * command line promises for it. A function that can fail returns enum clw_err and, where a sentence helps,
 * fills a struct clw_error: what happened, why, what to do next. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

/* X(name, exit status, text) */
#define CLW_ERR_TABLE(X)                                                                                               \
    X(OK, 0, "ok")                                                                                                     \
    X(FAILED, 1, "some task failed")                                                                                   \
    X(USAGE, 2, "usage error")                                                                                         \
    X(UNREACHABLE, 3, "cannot reach")                                                                                  \
    X(NOT_FOUND, 4, "not found")                                                                                       \
    X(REFUSED, 5, "refused")                                                                                           \
    X(TIMED_OUT, 6, "timed out")                                                                                       \
    X(INTERRUPTED, 130, "interrupted")                                                                                 \
    X(NO_MEMORY, 1, "out of memory")                                                                                   \
    X(IO, 1, "input/output error")                                                                                     \
    X(PROTOCOL, 3, "protocol broken by the peer")                                                                      \
    X(TOO_LARGE, 2, "too large")                                                                                       \
    X(EXISTS, 5, "exists already")                                                                                     \
    X(NEWER, 5, "written by a newer version")                                                                          \
    X(DAMAGED, 1, "damaged")                                                                                           \
    X(BUSY, 3, "busy")                                                                                                 \
    X(CANCELLED, 130, "cancelled")                                                                                     \
    X(CLOSED, 3, "closed")                                                                                             \
    X(AGAIN, 1, "not ready")                                                                                           \
    X(END, 0, "end")                                                                                                   \
    X(NO_ROOM, 1, "no room on the disk")

enum clw_err {
#define X(name, exit_status, text) CLW_##name,
    CLW_ERR_TABLE(X)
#undef X
        CLW_ERR_COUNT
};

/* code, one line of what happened, one line of what to do next ("" when there is nothing to say). */
struct clw_error {
    enum clw_err code;
    char message[400];
    char hint[300];
};

/* The fixed text of a code. */
const char *clw_err_text(enum clw_err code);
/* The exit status (DESIGN: command line contract) of a code. */
int clw_err_exit_status(enum clw_err code);
/* Says an errno that descriptors, memory or processes are short for now? */
bool clw_is_short(int error);
/* Fills *err when it is not NULL (hint may be NULL) and returns code, so that `return clw_fail(...)` reads well. */
enum clw_err clw_fail(struct clw_error *err, enum clw_err code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Forgets an error: code OK, texts empty. */
void clw_error_clear(struct clw_error *err);

#endif
