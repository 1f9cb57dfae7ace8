/* job wait, and what others need of waiting: by the engine's word, not by looking again and again. */
#include "tui/cli/cmd_job.h"

#include "base/mono.h"
#include "base/process.h"
#include "base/text.h"
#include "tui/cli/inventory.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENGINES = 5, LEDGER_TRIES = 100, LEDGER_PAUSE_MS = 20, LOOK_MS = 10000, READ_PAUSE_MS = 100 };

int job_announce(bool start)
{
    json_t *reply = NULL;
    struct clowder *c = open_client(!start);
    if (!c)
        return 1;
    int status = start ? request_told(c, request_new("look"), LOOK_MS, &reply)
                       : request_send(c, request_new("look"), LOOK_MS, &reply, NULL);
    json_decref(reply);
    clowder_close(c);
    return start ? status : 0;
}

int job_await(struct clowder *c, int64_t id, const uint64_t *recorded, uint64_t until_ms)
{
    struct clowder_error err;
    for (int engines = 0;; engines++) {
        uint64_t now_ms = mono_ms();
        json_t *reply, *request = request_new("wait");
        if (now_ms >= until_ms) {
            json_decref(request);
            return 6;
        }
        json_object_set_new(request, "job", json_integer(id));
        if (recorded)
            json_object_set_new(request, "recorded", json_integer((json_int_t)*recorded));
        if (until_ms != UINT64_MAX)
            json_object_set_new(request, "timeout_ms", json_integer((json_int_t)(until_ms - now_ms)));
        int status = request_send(c, request, -1, &reply, &err);
        json_decref(reply);
        if (status == CLOWDER_OK || status == CLOWDER_TIMED_OUT)
            return status;
        if (status != CLOWDER_UNREACHABLE || engines == ENGINES)
            return say_error(&err);
    }
}

int job_idle(int64_t id, unsigned tries)
{
    if (tries == LEDGER_TRIES)
        return say(3,
            "job %lld is not finished, and no engine of yours runs it; see 'clowder job show %lld' and 'clowder log'",
            (long long)id, (long long)id);
    nanosleep(&(struct timespec){.tv_nsec = LEDGER_PAUSE_MS * 1000000L}, NULL);
    return 0;
}

/* Its inputs are still being read, by a process that lives: no engine has it yet. */
static bool is_being_read(struct store *s, int64_t id)
{
    struct store_kept kept;
    bool reads =
        store_kept_get(s, id, &kept, NULL) == CLW_OK && kept.owner[0] && process_look(kept.owner) != PROCESS_GONE;
    store_kept_fini(&kept);
    return reads;
}

/* Until they are all in; who reads them has nobody else to tell, so it is looked at again and again. */
static int wait_read(struct store *s, int64_t id, uint64_t until_ms)
{
    if (!is_being_read(s, id))
        return 0;
    say(0, "job %lld: its inputs are still being read; waiting", (long long)id);
    while (is_being_read(s, id)) {
        if (mono_ms() >= until_ms)
            return say(6, "job %lld is not finished: its inputs are still being read", (long long)id);
        nanosleep(&(struct timespec){.tv_nsec = READ_PAUSE_MS * 1000000L}, NULL);
    }
    return 0;
}

static void tell(const struct store_job *job)
{
    char name[200], done[32], total[32];
    if (!stderr_is_terminal())
        return;
    text_escape(name, sizeof name, job->name, strlen(job->name));
    say(0, "waiting for job %lld (%s on profile '%s'): %s of %s tasks are done", (long long)job->id, name, job->profile,
        text_count(done, sizeof done, job->done + job->failed), text_count(total, sizeof total, job->total));
}

static int verdict(struct store *s, const struct store_job *job)
{
    struct store_kept kept;
    if (job->state == STORE_JOB_DONE)
        return 0;
    if (job->state == STORE_JOB_FAILED && job->failed)
        return say(1, "job %lld: %llu of %llu task%s failed", (long long)job->id, (unsigned long long)job->failed,
            (unsigned long long)job->total, text_plural(job->total));
    bool has_reason = store_kept_get(s, job->id, &kept, NULL) == CLW_OK && kept.reason[0];
    say(1, "job %lld: %s%s%s", (long long)job->id, store_job_state_text(job->state), has_reason ? ": " : "",
        has_reason ? kept.reason : "");
    store_kept_fini(&kept);
    return 1;
}

static int wait_one(struct store *s, struct clowder *c, int64_t id, uint64_t until_ms)
{
    struct store_job job;
    bool told = false;
    for (unsigned tries = 0;; tries++) {
        int status = wait_read(s, id, until_ms);
        if (status == 0)
            status = job_find(s, id, &job);
        if (status)
            return status;
        if (job_is_finished(&job)) {
            status = verdict(s, &job);
            store_job_fini(&job);
            return status;
        }
        if (!told)
            tell(&job);
        told = true;
        store_job_fini(&job);
        if (tries && (status = job_idle(id, tries)))
            return status;
        status = job_await(c, id, NULL, until_ms);
        if (status == 6)
            return say(6, "job %lld is not finished", (long long)id);
        if (status)
            return status;
    }
}

static int read_ids(const struct opts *o, int64_t *ids)
{
    struct clw_error err;
    if (!o->word_count)
        return say(2, "%s: name a job; see clowder %s --help", o->command, o->command);
    for (size_t i = 0; i < o->word_count; i++)
        if (text_parse_int(o->words[i], 1, INT64_MAX, &ids[i], &err))
            return say(
                2, "%s: '%s' is not the number of a job; 'clowder job list' shows them", o->command, o->words[i]);
    return 0;
}

int cmd_job_wait(const struct opts *o, bool json)
{
    struct store *s;
    struct store_job job;
    uint64_t timeout_ms = UINT64_MAX;
    int64_t *ids = mem_zalloc((o->word_count + 1) * sizeof *ids);
    int worst = 0;
    (void)json;
    int status = opts_duration(o, "timeout", &timeout_ms);
    if (status == 0)
        status = read_ids(o, ids);
    if (status == 0)
        status = inventory_open(&s);
    if (status == 0) {
        uint64_t until_ms = timeout_ms == UINT64_MAX ? UINT64_MAX : mono_ms() + timeout_ms;
        struct clowder *c = open_client(false);
        for (size_t i = 0; i < o->word_count && status == 0; i++) { /* a wrong number is told before the waiting */
            status = job_find(s, ids[i], &job);
            store_job_fini(&job);
        }
        for (size_t i = 0; i < o->word_count && status == 0; i++) {
            status = wait_one(s, c, ids[i], until_ms);
            if (status == 1) {
                worst = 1;
                status = 0;
            }
        }
        clowder_close(c);
        store_close(s);
    }
    free(ids);
    return status ? status : worst;
}
