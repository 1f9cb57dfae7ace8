/* Threads that take the next host each. */
#include "tui/cli/many.h"

#include "base/mem.h"
#include "tui/cli/command.h"
#include "tui/cli/request.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 32, GRACE_MS = 5000 };

struct run {
    struct clowder *c;
    const char *op;
    struct many_task *tasks;
    size_t count;
    _Atomic size_t next;
    uint64_t timeout_ms;
};

static void *worker(void *arg)
{
    struct run *run = arg;
    size_t i;
    while ((i = run->next++) < run->count) {
        struct many_task *t = &run->tasks[i];
        json_t *request = request_new(run->op);
        request_set_text(request, "host", t->host);
        json_object_set_new(request, "timeout_ms", json_integer((json_int_t)run->timeout_ms));
        t->status = request_send(run->c, request, (int64_t)run->timeout_ms + GRACE_MS, &t->reply, &t->err);
    }
    return NULL;
}

struct many_task *many_ask(struct clowder *c, const char *op, const struct inventory_names *names, uint64_t timeout_ms)
{
    pthread_t threads[AT_ONCE];
    size_t n = 0;
    struct run run = {.c = c, .op = op, .count = names->count, .timeout_ms = timeout_ms};
    run.tasks = mem_zalloc((names->count + 1) * sizeof *run.tasks);
    for (size_t i = 0; i < names->count; i++)
        run.tasks[i].host = names->items[i];
    while (n < AT_ONCE && n + 1 < run.count && pthread_create(&threads[n], NULL, worker, &run) == 0)
        n++;
    worker(&run);
    while (n > 0)
        pthread_join(threads[--n], NULL);
    return run.tasks;
}

void many_free(struct many_task *tasks, size_t count)
{
    for (size_t i = 0; tasks && i < count; i++)
        json_decref(tasks[i].reply);
    free(tasks);
}

int many_say(struct many_task *t)
{
    char message[sizeof t->err.message];
    memcpy(message, t->err.message, sizeof message);
    if (!strstr(message, t->host))
        snprintf(t->err.message, sizeof t->err.message, "%s: %.300s", t->host, message);
    fflush(stdout);
    return say_error(&t->err);
}
