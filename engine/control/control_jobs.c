/* Requests about jobs. */
#include "engine/control/control_internal.h"

#include "engine/peers/dispatch.h"
#include "engine/record/keep.h"
#include "engine/record/ledger.h"

static json_t *jobs(const struct call *c)
{
    json_t *o = reply_ok();
    json_object_set_new(o, "jobs", ledger_json(c->e, request_text(c->request, "profile", NULL)));
    return o;
}

static json_t *cancel(const struct call *c)
{
    json_int_t id = json_integer_value(json_object_get(c->request, "job"));
    if (keep_cancel(c->e->keeper, id))
        return reply_ok();
    struct profile *p = ledger_cancel(c->e, id);
    if (!p)
        return reply_refusal(CLW_NOT_FOUND, "see 'clowder job list'", "no job %lld runs", (long long)id);
    profile_act(c->e, p);
    return reply_ok();
}

/* A number in the ledger, for a job that its submitter will write into the store. It is the job's alone when this
 * engine runs still once it is written (ping says so): the next one looks at the store first. */
static json_t *reserve(const struct call *c)
{
    json_t *o = reply_engine(c->e);
    json_object_set_new(o, "job", json_integer(ledger_next_id(c->e)));
    return o;
}

static json_t *look(const struct call *c)
{
    keep_look(c->e->keeper);
    return reply_ok();
}

static json_t *wait_answer(struct engine *e, struct waiter *w)
{
    uint64_t recorded = 0;
    if (!keep_has_looked(e->keeper, w->look))
        return NULL;
    bool live = keep_has(e->keeper, w->job, &recorded);
    if (live ? !w->has_recorded || recorded == w->recorded : ledger_has(e, w->job))
        return NULL;
    json_t *o = reply_ok();
    json_object_set_new(o, "live", json_boolean(live));
    return o;
}

/* Until the job does not run any more, or more than so many of its results are in the store. */
static json_t *wait_job(const struct call *c)
{
    const json_t *recorded = json_object_get(c->request, "recorded");
    struct waiter w = {.check = wait_answer, .what = "is not finished"};
    w.job = json_integer_value(json_object_get(c->request, "job"));
    w.has_recorded = json_is_integer(recorded);
    w.recorded = (uint64_t)json_integer_value(recorded);
    w.look = keep_look(c->e->keeper);
    snprintf(w.name, sizeof w.name, "job %lld", (long long)w.job);
    control_wait(c->e, c->asked, w, c->request);
    return NULL;
}

const struct op job_ops[] = {
    {"jobs", OP_NOTHING, "[profile]", "jobs: those that the engine has now", jobs},
    {"cancel", OP_NOTHING, "job", "", cancel},
    {"reserve", OP_LOOK, "", "job: a number in the ledger, for a job that is written into the store", reserve},
    {"look", OP_NOTHING, "", "the engine reads the detached jobs from the store again: one was submitted or changed",
        look},
    {"wait", OP_NOTHING, "job [recorded] [timeout_ms]",
        "live. Answered when the job does not run any more; with recorded also when the number of its results in the "
        "store has changed",
        wait_job},
    {.name = NULL},
};
