/* The error table and the one way to fill an error. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    int exit_status;
    const char *text;
} table[] = {
#define X(name, exit_status, text) {exit_status, text},
    CLW_ERR_TABLE(X)
#undef X
};

const char *clw_err_text(enum clw_err code)
{
    return (unsigned)code < CLW_ERR_COUNT ? table[code].text : "unknown error";
}

int clw_err_exit_status(enum clw_err code)
{
    return (unsigned)code < CLW_ERR_COUNT ? table[code].exit_status : 1;
}

enum clw_err clw_fail(struct clw_error *err, enum clw_err code, const char *hint, const char *format, ...)
{
    if (err) {
        va_list ap;
        err->code = code;
        va_start(ap, format);
        vsnprintf(err->message, sizeof err->message, format, ap);
        va_end(ap);
        snprintf(err->hint, sizeof err->hint, "%s", hint ? hint : "");
    }
    return code;
}

bool clw_is_short(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

void clw_error_clear(struct clw_error *err)
{
    if (err) {
        err->code = CLW_OK;
        err->message[0] = err->hint[0] = '\0';
    }
}
