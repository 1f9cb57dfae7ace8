/* Scripts of host_session_run(). */
#include "hosts/ssh/exec.h"

#include "base/text.h"

#include <stdio.h>

enum { OUT_MAX = 256 * 1024, ERRORS_MAX = 1000 };

void link__run(struct host_session *l, struct command *c)
{
    struct exec x = {.out_max = OUT_MAX, .errors_max = ERRORS_MAX};
    struct clw_error why = {0};
    char errors[4096];
    struct buf text = {0};
    struct forward *f = NULL;
    enum clw_err code = c->target && *c->target && !l->o.here ? link__forward_open(l, c->target, &f, &why) : CLW_OK;
    if (f)
        link__fill_port(c, f, &text);
    else
        buf_add(&text, c->data, c->len);
    buf_add(&text, "", 1);
    if (!code)
        code = exec_script(&x, l, (const char *)text.data, &why);
    mem_wipe(text.data, text.cap);
    buf_fini(&text);
    if (code == CLW_CLOSED && x.status >= 0)
        code = CLW_OK; /* it ended before it had read all of its text */
    text_escape(errors, sizeof errors, (char *)x.errors.data, x.errors.len);
    if (!code && x.status < 0 && !l->o.here)
        code = clw_fail(&why, CLW_FAILED, NULL, "the script on the host was ended by a signal: %.300s", errors);
    struct host_run_result result = {.id = c->id,
        .code = code,
        .status = x.status,
        .out = buf_text(&x.out),
        .out_len = x.out.len,
        .errors = code ? why.message : errors};
    link__log(l, code ? LOG_WARN : LOG_DEBUG, "run=%llu status=%d bytes=%zu%s%s", (unsigned long long)c->id, x.status,
        x.out.len, code ? " reason=" : "", code ? why.message : "");
    if (l->o.cb.run)
        l->o.cb.run(l->o.cb.arg, &result);
    exec_close(&x);
}
