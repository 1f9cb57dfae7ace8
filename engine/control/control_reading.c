/* Answers that have to read files, or to ask ssh: in threads that may wait. */
#include "engine/control/control_internal.h"

#include <stdlib.h>

void reading_answer(void *arg)
{
    struct reading *r = arg;
    control_answer(r->asked, r->reply);
    json_decref(r->request);
    free(r);
}

struct reading *reading_new(const struct call *c, json_t *reply)
{
    struct reading *r = mem_zalloc(sizeof *r);
    *r = (struct reading){.engine = c->e, .asked = c->asked, .request = json_incref(c->request), .reply = reply};
    r->errand.arg = r;
    return r;
}

void reading_ask_ssh(struct reading *r, void (*work)(void *arg), void (*done)(void *arg))
{
    r->errand.work = work;
    r->errand.done = done;
    errands_give(r->engine->asker, &r->errand);
}
