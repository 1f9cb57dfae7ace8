/* The keeper's thread and its door: what it looks for in the store, when it sleeps and what wakes it, and what others
 * are told. */
#include "engine/record/keep_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void wake(struct keeper *k)
{
    uint64_t one = 1;
    if (write(k->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        abort();
}

uint64_t keep_back_off(uint64_t *backoff_ms)
{
    *backoff_ms = *backoff_ms ? *backoff_ms * 2 : KEEP_RETRY_MS;
    if (*backoff_ms > KEEP_RETRY_MAX_MS)
        *backoff_ms = KEEP_RETRY_MAX_MS;
    return mono_ms() + *backoff_ms;
}

void keep_set_reason(struct keeper *k, struct keep_job *j, const char *reason)
{
    if (strcmp(j->reason, reason) == 0)
        return;
    pthread_mutex_lock(&k->lock);
    snprintf(j->reason, sizeof j->reason, "%s", reason);
    pthread_mutex_unlock(&k->lock);
    j->news = true;
    if (*reason)
        log_info("job", "waits job=%lld profile=%s why=\"%s\"", (long long)j->id, j->profile, reason);
    k->nudge(k->nudge_arg);
}

/* ---- which jobs there are ---- */

static struct keep_job *find(const struct keeper *k, int64_t id)
{
    struct keep_job *j = k->jobs;
    while (j && j->id != id)
        j = j->next;
    return j;
}

static enum clw_err add(struct keeper *k, int64_t id, struct clw_error *err)
{
    struct keep_job *j;
    enum clw_err code = keep_job_load(k, id, &j, err);
    if (code)
        return code == CLW_NOT_FOUND ? CLW_OK : code;
    log_info("job", "kept job=%lld profile=%s tasks=%llu recorded=%llu", (long long)id, j->profile,
        (unsigned long long)j->total, (unsigned long long)j->recorded);
    pthread_mutex_lock(&k->lock);
    struct keep_job **at = &k->jobs;
    while (*at && (*at)->id < id)
        at = &(*at)->next;
    j->next = *at;
    *at = j;
    pthread_mutex_unlock(&k->lock);
    return CLW_OK;
}

static void forget_gone(struct keeper *k)
{
    for (struct keep_job **at = &k->jobs; *at;) {
        struct keep_job *j = *at;
        if (!j->gone) {
            at = &j->next;
            continue;
        }
        pthread_mutex_lock(&k->lock);
        *at = j->next;
        pthread_mutex_unlock(&k->lock);
        keep_job_free(k, j);
        k->nudge(k->nudge_arg);
    }
}

/* Jobs that are there and were not are taken over; those that somebody has ended are left. Both lists are in order. */
static enum clw_err look(struct keeper *k, struct clw_error *err)
{
    int64_t *ids;
    size_t count, at = 0;
    enum clw_err code = store_kept_open(k->s, &ids, &count, err);
    if (code)
        return code;
    for (struct keep_job *j = k->jobs; j; j = j->next) {
        while (at < count && ids[at] < j->id)
            at++;
        j->gone |= at == count || ids[at] != j->id;
    }
    forget_gone(k);
    const struct keep_job *j = k->jobs;
    for (at = 0; at < count && !code; at++) {
        while (j && j->id < ids[at])
            j = j->next;
        if (!j || j->id != ids[at])
            code = add(k, ids[at], err);
    }
    free(ids);
    return code;
}

static void take_cancels(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->cancel_count; i++) {
        struct keep_job *j = find(k, k->to_cancel[i]);
        if (j)
            j->cancelled = true;
    }
    k->cancel_count = 0;
    pthread_mutex_unlock(&k->lock);
    for (struct keep_job *j = k->jobs; j; j = j->next) {
        if (!j->cancelled)
            continue;
        while (j->job && !j->ended && keep_job_take(k, j)) /* what has ended counts */
            ;
        keep_job_close(k, j);
    }
}

static void look_now(struct keeper *k)
{
    struct clw_error err;
    uint64_t asked = k->asked;
    enum clw_err code = CLW_OK;
    if (!k->s)
        code = store_open(NULL, &k->s, &err);
    if (!code)
        code = look(k, &err);
    k->sweeping = !code;
    k->swept = 0;
    if (code) {
        k->look_ms = keep_back_off(&k->look_backoff_ms);
        if (!k->told && k->look_backoff_ms >= KEEP_RETRY_MS) {
            k->told = true;
            log_warn("job", "detached jobs cannot be looked for why=\"%s\" hint=\"%s\"", err.message, err.hint);
        }
    } else {
        k->look_ms = k->look_backoff_ms = 0;
        k->told = false;
    }
    k->looked = asked;
    k->nudge(k->nudge_arg);
}

/* A little of it: there may be much, and jobs do not wait for it. */
static void sweep(struct keeper *k)
{
    struct clw_error err;
    if (!k->sweeping || !store_kept_sweep(k->s, &k->swept, &k->sweeping, &err))
        return;
    log_debug("job", "cannot tidy up why=\"%s\"", err.message);
    k->sweeping = false; /* until the next look */
}

/* ---- one round ---- */

/* Waiting jobs, in the order of their submission, as long as there is room for more at once. */
static void open_waiting(struct keeper *k, uint64_t now_ms, bool hurry)
{
    for (struct keep_job *j = k->jobs; j; j = j->next) {
        if (j->job || j->chunks || j->cancelled || j->ended || k->trouble[0])
            continue; /* chunks: of the last time it was open, see reset_closed() */
        if (k->open_count >= KEEP_OPEN_MAX) {
            keep_set_reason(k, j, "other detached jobs run first");
            continue;
        }
        if (hurry || now_ms >= j->retry_ms)
            keep_job_open(k, j);
    }
}

/* A job that was closed begins again at its first chunk that is not complete; what came in is written first. */
static void reset_closed(struct keeper *k)
{
    for (struct keep_job *j = k->jobs; j; j = j->next) {
        if (j->job || !j->chunks || j->pending_bytes || j->gone)
            continue;
        j->next_from = j->chunks->inputs.first;
        keep_chunks_free(k, j);
    }
}

static bool work(struct keeper *k)
{
    bool more = false;
    for (struct keep_job *j = k->jobs; j; j = j->next) {
        if (j->job && !j->ended && !j->gone)
            more |= keep_job_take(k, j);
        if (j->job && !j->ended && !j->gone)
            keep_job_give(k, j);
    }
    return more;
}

static bool is_save_due(const struct keeper *k, uint64_t now_ms)
{
    bool over = false;
    if (k->trouble[0])
        return now_ms >= k->trouble_ms;
    for (const struct keep_job *j = k->jobs; j && !over; j = j->next)
        over = j->news || j->ended || j->cancelled || (j->pending_bytes && !j->job);
    return over || k->pending_bytes >= KEEP_PENDING_BYTES ||
           (k->pending_bytes && now_ms - k->pending_ms >= KEEP_SAVE_MS);
}

static int next_timeout(const struct keeper *k, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    if (k->trouble[0])
        next = k->trouble_ms;
    else if (k->pending_bytes)
        next = k->pending_ms + KEEP_SAVE_MS;
    for (const struct keep_job *j = k->jobs; j; j = j->next)
        if (!j->job && !k->trouble[0] && k->open_count < KEEP_OPEN_MAX && j->retry_ms < next)
            next = j->retry_ms;
    if (k->look_ms && k->look_ms < next)
        next = k->look_ms;
    if (next == UINT64_MAX)
        return -1;
    return next <= now_ms ? 0 : (int)(next - now_ms);
}

static void sleep_until(struct keeper *k, int timeout_ms)
{
    struct pollfd fds[] = {{k->wake_fd, POLLIN, 0}, {k->c ? clowder_fd(k->c) : -1, POLLIN, 0}};
    uint64_t ignored;
    poll(fds, 2, timeout_ms);
    if (fds[0].revents && read(k->wake_fd, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
        abort();
    if (k->c && clowder_process(k->c, NULL) < 0 && !k->stopping) {
        for (struct keep_job *j = k->jobs; j; j = j->next)
            keep_job_close(k, j);
        clowder_close(k->c);
        k->c = NULL;
    }
}

/* Without jobs the engine may become idle. */
static void leave_when_idle(struct keeper *k)
{
    if (k->jobs || !k->c)
        return;
    clowder_close(k->c);
    k->c = NULL;
}

static void round_of_work(struct keeper *k)
{
    bool hurry = atomic_exchange(&k->hurry, false), more;
    if (k->looked != k->asked || (k->look_ms && mono_ms() >= k->look_ms))
        look_now(k);
    take_cancels(k);
    if (hurry && k->trouble[0])
        k->trouble_ms = 0;
    open_waiting(k, mono_ms(), hurry);
    more = work(k);
    if (is_save_due(k, mono_ms()))
        keep_save(k);
    reset_closed(k);
    forget_gone(k);
    leave_when_idle(k);
    sweep(k);
    sleep_until(k, more || k->sweeping || k->looked != k->asked ? 0 : next_timeout(k, mono_ms()));
}

/* What the daemons have finished is written; the rest is for the next engine. */
static void finish(struct keeper *k)
{
    uint64_t until_ms = mono_ms() + KEEP_STOP_MS;
    for (struct keep_job *j = k->jobs; j; j = j->next)
        if (j->job && !j->ended) {
            clowder_job_cancel(j->job, NULL);
            clowder_job_finish(j->job, NULL);
        }
    for (struct keep_job *j = k->jobs; j; j = j->next)
        while (j->job && !j->ended && mono_ms() < until_ms)
            if (!keep_job_take(k, j) && j->job && !j->ended)
                sleep_until(k, (int)(until_ms - mono_ms() > 50 ? 50 : 1));
    for (struct keep_job *j = k->jobs; j; j = j->next) {
        j->ended &= j->stopped || j->done + j->failed == j->total;
        if (!j->ended)
            keep_job_close(k, j);
    }
    if (k->s)
        keep_save(k);
    while (k->jobs) {
        struct keep_job *j = k->jobs;
        pthread_mutex_lock(&k->lock);
        k->jobs = j->next;
        pthread_mutex_unlock(&k->lock);
        keep_job_free(k, j);
    }
}

static void *run(void *arg)
{
    struct keeper *k = arg;
    while (!k->stopping)
        round_of_work(k);
    finish(k);
    clowder_close(k->c);
    store_close(k->s);
    k->over = true;
    k->nudge(k->nudge_arg);
    return NULL;
}

struct keeper *keep_start(void (*nudge)(void *arg), void *arg)
{
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return NULL;
    struct keeper *k = mem_zalloc(sizeof *k);
    *k = (struct keeper){.nudge = nudge, .nudge_arg = arg, .asked = 1, .wake_fd = wake_fd};
    pthread_mutex_init(&k->lock, NULL);
    if (thread_start(&k->thread, run, k))
        return k;
    pthread_mutex_destroy(&k->lock);
    close(wake_fd);
    free(k);
    return NULL;
}

void keep_stop(struct keeper *k)
{
    if (!k)
        return;
    k->stopping = true;
    wake(k);
}

bool keep_is_over(const struct keeper *k)
{
    return !k || k->over;
}

void keep_free(struct keeper *k)
{
    if (!k)
        return;
    pthread_join(k->thread, NULL);
    free(k->to_cancel);
    close(k->wake_fd);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* ---- the door ---- */

void keep_hurry(struct keeper *k)
{
    if (k && !atomic_exchange(&k->hurry, true))
        wake(k);
}

uint64_t keep_look(struct keeper *k)
{
    if (!k)
        return 0;
    uint64_t number = atomic_fetch_add(&k->asked, 1) + 1;
    atomic_store(&k->hurry, true);
    wake(k);
    return number;
}

bool keep_has_looked(struct keeper *k, uint64_t number)
{
    return !k || k->looked >= number;
}

bool keep_has(struct keeper *k, int64_t id, uint64_t *recorded)
{
    if (!k)
        return false;
    pthread_mutex_lock(&k->lock);
    const struct keep_job *j = find(k, id);
    if (j && recorded)
        *recorded = j->recorded;
    pthread_mutex_unlock(&k->lock);
    return j != NULL;
}

bool keep_cancel(struct keeper *k, int64_t id)
{
    if (!keep_has(k, id, NULL))
        return false;
    pthread_mutex_lock(&k->lock);
    k->to_cancel = mem_realloc(k->to_cancel, (k->cancel_count + 1) * sizeof *k->to_cancel);
    k->to_cancel[k->cancel_count++] = id;
    pthread_mutex_unlock(&k->lock);
    wake(k);
    return true;
}

static void set_text(json_t *o, const char *key, const char *text)
{
    json_t *value = json_string(text);
    json_object_set_new(o, key, value ? value : json_string("?"));
}

static json_t *entry(json_t *list, const struct keep_job *j)
{
    json_t *o;
    size_t i;
    json_array_foreach (list, i, o)
        if (json_integer_value(json_object_get(o, "id")) == (json_int_t)j->id)
            return o;
    o = json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:f, s:[]}", "id", (json_int_t)j->id, "state",
        j->open ? "running" : "queued", "awaiting", (json_int_t)(j->total - j->done - j->failed), "executing",
        (json_int_t)0, "cancelled", (json_int_t)0, "submitted_us", (json_int_t)j->submitted_us, "rate", 0.0, "hosts");
    set_text(o, "name", j->name);
    set_text(o, "profile", j->profile);
    set_text(o, "command", j->command);
    json_array_append_new(list, o);
    return o;
}

void keep_json(struct keeper *k, json_t *list, const char *profile)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    for (const struct keep_job *j = k->jobs; j; j = j->next) {
        if (profile && strcmp(profile, j->profile) != 0)
            continue;
        json_t *o = entry(list, j);
        json_object_set_new(o, "done", json_integer((json_int_t)j->done));
        json_object_set_new(o, "failed", json_integer((json_int_t)j->failed));
        json_object_set_new(o, "total", json_integer((json_int_t)j->total));
        json_object_set_new(o, "finished_input", json_true());
        json_object_set_new(o, "detached", json_true());
        json_object_set_new(o, "submitted_us", json_integer((json_int_t)j->submitted_us));
        if (j->reason[0] || !json_object_get(o, "reason")) /* else it is at the engine, which knows */
            set_text(o, "reason", j->reason);
    }
    pthread_mutex_unlock(&k->lock);
}

json_t *keep_waiting_json(struct keeper *k, const char *profile)
{
    json_t *list = json_array();
    if (!k)
        return list;
    pthread_mutex_lock(&k->lock);
    for (const struct keep_job *j = k->jobs; j; j = j->next) {
        if (!j->reason[0] || (profile && strcmp(profile, j->profile) != 0))
            continue;
        json_t *o = json_pack("{s:I}", "job", (json_int_t)j->id);
        set_text(o, "profile", j->profile);
        set_text(o, "reason", j->reason);
        json_array_append_new(list, o);
    }
    pthread_mutex_unlock(&k->lock);
    return list;
}
