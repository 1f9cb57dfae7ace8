/* A job from its caller's side: the function, the inputs gathered into chunks, what the engine grants, what is sent
 * again. */
#include "engine/client/internal.h"
#include "engine/client/detached.h"

#include "base/mono.h"
#include "base/text.h"
#include "engine/wire/expand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM_EVERY = 64, SHIP_ALONG_MAX = 1 << 20 };

void clowder_function_init(struct clowder_function *f)
{
    *f = (struct clowder_function){
        .kind = CLOWDER_COMMAND, .retries = CLOWDER_RETRIES_DEFAULT, .max_output = CLOWDER_OUTPUT_DEFAULT};
}

/* A small file goes along with the function itself, by its last name; anything else through the file plane, from where
 * it is. */
static enum clw_err ship(struct func *f, const char *path, struct clw_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
        if (fd >= 0)
            close(fd);
        return clw_fail(err, CLW_NOT_FOUND, NULL, "cannot ship %s: %s", path,
            fd < 0 ? strerror(errno) : "it is neither a file nor a folder");
    }
    bool along = S_ISREG(st.st_mode) && st.st_size <= SHIP_ALONG_MAX && text_is_file_name(name) && *name != '.' &&
                 (!slash || *path == '/');
    size_t len = along ? (size_t)st.st_size : 0, done = 0;
    uint8_t *data = along ? mem_alloc(len) : NULL;
    ssize_t n = 1;
    while (done < len && (n = read(fd, data + done, len - done)) > 0)
        done += (size_t)n;
    close(fd);
    if (done < len) {
        free(data);
        return clw_fail(err, CLW_IO, NULL, "cannot read %s: %s", path, n < 0 ? strerror(errno) : "it became shorter");
    }
    if (along)
        func_add_file(f, name, data, len, (st.st_mode & 0111) != 0);
    else
        func_add_text(&f->ships, path);
    return CLW_OK;
}

/* A pattern means what is below the folder of the job. */
static enum clw_err take_patterns(char ***to, const char *const *list, const char *option, struct clw_error *err)
{
    for (; list && *list; list++) {
        bool leaves = **list == '/' || strcmp(*list, "..") == 0 || strncmp(*list, "../", 3) == 0;
        if (leaves || !**list)
            return clw_fail(err, CLW_USAGE, "cd to a folder above it, and name it from there",
                "%s '%.200s': only what is below the folder of the job travels", option, *list);
        func_add_text(to, *list);
    }
    return CLW_OK;
}

static enum clw_err take_files(struct func *to, const struct clowder_function *f, struct clw_error *err)
{
    to->by_names = f->files;
    if (f->results && *f->results)
        to->results =
            *f->results == '/' || !to->dir ? mem_strdup(f->results) : mem_printf("%s/%s", to->dir, f->results);
    enum clw_err code = take_patterns(&to->ins, f->in, "--in", err);
    if (!code)
        code = take_patterns(&to->outs, f->out, "--out", err);
    for (const char *const *path = f->ship; path && *path && !code; path++)
        code = ship(to, *path, err);
    if (!code && func_has_files(to) && (to->kind != FUNC_COMMAND || to->everywhere))
        code = clw_fail(err, CLW_USAGE, "a worker may have files that all its tasks see: --ship",
            "files of each task (--in, --out, --files) are for commands with inputs");
    return code;
}

/* The caller's function as ours. */
static enum clw_err make_func(struct func *to, const struct clowder_function *f, struct clw_error *err)
{
    const char *profile = f->profile ? f->profile : getenv("CLOWDER_PROFILE");
    enum clw_err code = CLW_OK;
    func_init(to);
    if (!f->argv || !f->argv[0] || !f->argv[0][0])
        return clw_fail(err, CLW_USAGE, "give a command", "a job needs a command");
    to->kind = (enum func_kind)f->kind;
    for (const char *const *word = f->wrap; word && *word; word++)
        func_add_arg(to, *word);
    to->shell = f->shell ? (uint32_t)to->argc + 1 : 0;
    for (const char *const *arg = f->argv; *arg; arg++)
        func_add_arg(to, *arg);
    for (const char *const *variable = f->env; variable && *variable; variable++) {
        if (!func_is_variable(*variable))
            return clw_fail(err, CLW_USAGE, "give K=V; names that begin with CLOWDER_ are taken",
                "'%.100s' does not set a variable", *variable);
        func_add_text(&to->env, *variable);
    }
    to->profile = mem_strdup(profile && *profile ? profile : "default");
    to->name = f->name ? mem_strdup(f->name) : NULL;
    to->dir = f->dir ? mem_strdup(f->dir) : getcwd(NULL, 0);
    to->has_columns = f->has_columns;
    for (const char *const *name = f->names; name && *name; name++)
        func_add_text(&to->names, *name);
    to->use_stdin = f->use_stdin;
    to->no_input = f->no_input || f->everywhere;
    to->everywhere = f->everywhere;
    to->setup = f->setup;
    to->has_seed = f->has_seed;
    to->seed = f->seed;
    to->timeout_ms = f->timeout_ms;
    to->retries = f->retries;
    to->retry_failed = f->retry_failed;
    to->speculate = f->speculate;
    to->deadline_ms = f->deadline_ms; /* until start_deadline() */
    to->max_output = f->max_output < WIRE_OUTPUT_MAX ? (uint32_t)f->max_output : WIRE_OUTPUT_MAX;
    if (f->max_output > WIRE_OUTPUT_MAX)
        code = clw_fail(err, CLW_USAGE, "let the task write a file, and print the name of that file",
            "a task's output has at most %d MiB", WIRE_OUTPUT_MAX >> 20);
    if (!to->dir)
        code = clw_fail(err, CLW_NOT_FOUND, "change to a folder that exists", "the current folder cannot be found: %s",
            strerror(errno));
    if (!text_is_name(to->profile))
        code = clw_fail(err, CLW_USAGE, NULL, "'%s' is not a valid name for a profile", to->profile);
    if (to->kind >= FUNC_KIND_COUNT || (to->kind != FUNC_COMMAND && (to->use_stdin || to->everywhere)))
        code = clw_fail(
            err, CLW_USAGE, NULL, "a worker reads its tasks on stdin: --stdin and everywhere do not work with it");
    if (to->shell && to->kind != FUNC_COMMAND)
        code = clw_fail(
            err, CLW_USAGE, "start the shell yourself: sh -c LINE", "--shell is for commands, not for workers");
    if (!code)
        code = take_files(to, f, err);
    return code;
}

/* It runs by a clock that nobody sets; an engine is told it by the wall's, as that is when it is told. */
static void start_deadline(struct clowder_job *j, uint64_t started_us)
{
    uint64_t end_ms = j->func.deadline_ms + started_us / 1000, now_ms = wall_us() / 1000;
    if (j->func.deadline_ms)
        j->deadline_ms = mono_ms() + (end_ms > now_ms ? end_ms - now_ms : 0);
}

void job_send_open(struct clowder_job *j)
{
    struct buf b = {0};
    uint64_t now_ms = mono_ms();
    if (j->deadline_ms)
        j->func.deadline_ms = wall_us() / 1000 + (j->deadline_ms > now_ms ? j->deadline_ms - now_ms : 0);
    func_encode(&j->func, &b);
    link_send(j->c->link, &(struct frame){.type = WIRE_OPEN, .job = j->number, .len = (uint32_t)b.len}, b.data);
    buf_fini(&b);
}

static enum clw_err wait_opened(struct clowder_job *j, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    while (!j->opened && !j->broken.code && !code)
        code = client_wait(j->c, UINT64_MAX, err);
    if (!code && j->broken.code) {
        *err = j->broken;
        code = err->code;
    }
    return code;
}

/* Opens j, whose function is made, or frees it. code: how that went. */
static int open_job(struct clowder *c, struct clowder_job *j, enum clw_err code, struct clw_error err,
    struct clowder_job **job, struct clowder_error *out)
{
    *job = NULL;
    if (!code)
        code = client_connect(c, &err);
    if (code) {
        func_fini(&j->func);
        free(j);
        return client_fail(out, &err);
    }
    j->c = c;
    pthread_mutex_lock(&c->lock);
    j->number = ++c->last_job;
    j->next = c->jobs;
    c->jobs = j;
    if (!c->lost) {
        job_send_open(j);
        link_flush(c->link);
    }
    code = wait_opened(j, &err);
    pthread_mutex_unlock(&c->lock);
    if (code) {
        clowder_job_close(j);
        return client_fail(out, &err);
    }
    *job = j;
    return CLOWDER_OK;
}

int clowder_job_open(
    struct clowder *c, const struct clowder_function *f, struct clowder_job **job, struct clowder_error *out)
{
    struct clw_error err = {0};
    struct clowder_job *j = mem_zalloc(sizeof *j);
    enum clw_err code = make_func(&j->func, f, &err);
    j->ordered = !f->unordered;
    start_deadline(j, wall_us());
    return open_job(c, j, code, err, job, out);
}

/* ---- detached jobs ---- */

int client_function_bytes(const struct clowder_function *f, struct buf *bytes, struct clowder_error *out)
{
    struct clw_error err = {0};
    struct func func;
    enum clw_err code = make_func(&func, f, &err);
    if (!code)
        func_encode(&func, bytes);
    func_fini(&func);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

int client_job_open_kept(struct clowder *c, const uint8_t *func, size_t len, int64_t id, uint64_t started_us,
    struct clowder_job **job, struct clowder_error *out)
{
    struct clw_error err = {0};
    struct clowder_job *j = mem_zalloc(sizeof *j);
    enum clw_err code = func_decode(&j->func, func, len, &err);
    j->func.kept = id;
    start_deadline(j, started_us);
    return open_job(c, j, code, err, job, out);
}

/* ---- chunks ---- */

struct chunk *job_chunk(struct clowder_job *j, size_t i)
{
    return j->ring[(j->ring_head + i) & (j->ring_cap - 1)];
}

void chunk_free(struct chunk *k)
{
    blk_rele(k->block);
    free(k->have);
    free(k->taken_back);
    free(k->answers);
    free(k->futures);
    free(k);
}

static void ring_add(struct clowder_job *j, struct chunk *k)
{
    if (j->ring_count == j->ring_cap) {
        size_t cap = j->ring_cap ? j->ring_cap * 2 : 16;
        struct chunk **ring = mem_alloc(cap * sizeof *ring);
        for (size_t i = 0; i < j->ring_count; i++)
            ring[i] = job_chunk(j, i);
        free(j->ring);
        j->ring = ring;
        j->ring_cap = cap;
        j->ring_head = 0;
    }
    j->ring[(j->ring_head + j->ring_count++) & (j->ring_cap - 1)] = k;
    j->unsent++;
}

/* The last n inputs, in block (taken): their end offsets, then so many bytes. */
static void add_chunk(struct clowder_job *j, struct blk *block, uint32_t n, uint32_t bytes)
{
    struct chunk *k = mem_zalloc(sizeof *k);
    k->block = block;
    k->slices =
        (struct wire_slices){.ends = block->data, .bytes = block->data + 4 * (size_t)n, .n = n, .bytes_len = bytes};
    k->first = j->next_index - n;
    k->have = mem_zalloc(n);
    if (j->ordered)
        k->answers = mem_zalloc(n * sizeof *k->answers);
    if (j->open_future) {
        k->futures = mem_zalloc(n * sizeof *k->futures);
        k->futures[0] = j->open_future;
        j->open_future = NULL;
    }
    ring_add(j, k);
}

void job_close_chunk(struct clowder_job *j)
{
    uint32_t n = j->open_count, bytes = (uint32_t)j->open_bytes.len;
    if (!n)
        return;
    struct blk *block = blk_new(4 * (size_t)n + bytes);
    if (!block)
        abort();
    memcpy(block->data, j->open_ends.data, 4 * (size_t)n);
    if (bytes)
        memcpy(block->data + 4 * (size_t)n, j->open_bytes.data, bytes);
    buf_clear(&j->open_bytes);
    buf_clear(&j->open_ends);
    j->open_count = 0;
    add_chunk(j, block, n, bytes);
}

/* Sends the tasks [from, to) of the chunk. */
static void send_range(struct clowder_job *j, struct chunk *k, uint32_t from, uint32_t to)
{
    uint32_t start = wire_slice_start(&k->slices, from), end = wire_slice_end(&k->slices, to - 1), n = to - from;
    struct frame f = {
        .type = WIRE_TASKS, .job = j->number, .n = n, .first = k->first + from, .len = 4 * n + (end - start)};
    struct link_piece pieces[] = {
        {k->slices.ends + 4 * (size_t)from, 4 * n, k->block}, {k->slices.bytes + start, end - start, k->block}};
    link_send_ref(j->c->link, &f, pieces, 2);
    j->grant = j->grant > f.len ? j->grant - f.len : 0;
    j->sent += n;
}

/* A chunk goes when the grant covers it, or when it is all that would be out. */
static bool may_send(const struct clowder_job *j, const struct chunk *k)
{
    return k->block->cap <= j->grant || j->sent == j->received;
}

static void send_cancel(struct clowder_job *j, uint64_t index)
{
    link_send(j->c->link, &(struct frame){.type = WIRE_CANCEL, .job = j->number, .first = index, .n = 1}, NULL);
}

/* The runs of tasks of k that have no result, and which of them were taken back meanwhile. */
static void send_missing(struct clowder_job *j, struct chunk *k)
{
    uint32_t n = k->slices.n;
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from; to < n && k->have[to] == k->have[from];)
            to++;
        if (!k->have[from])
            send_range(j, k, from, to);
    }
    for (uint32_t i = 0; k->taken_back && i < n; i++)
        if (k->taken_back[i] && !k->have[i])
            send_cancel(j, k->first + i);
}

void job_send_ready(struct clowder_job *j)
{
    struct clowder *c = j->c;
    if (!c->link || c->lost || j->broken.code || !j->opened)
        return;
    if (j->open_count && j->sent == j->received && !j->unsent)
        job_close_chunk(j); /* the daemons would wait */
    while (j->unsent) {
        struct chunk *k = job_chunk(j, j->ring_count - j->unsent);
        if (!may_send(j, k))
            return;
        send_missing(j, k);
        j->unsent--;
    }
    if (j->finished && !j->end_sent && !j->open_count) {
        j->end_sent = true;
        link_send(c->link, &(struct frame){.type = WIRE_END, .job = j->number}, NULL);
    }
}

void job_resend(struct clowder_job *j)
{
    if (j->broken.code || j->closed_by_engine)
        return;
    j->opened = j->end_sent = false;
    j->grant = 0;
    j->sent = j->received;
    j->unsent = j->ring_count;
    job_send_open(j);
    if (j->cancelled)
        link_send(j->c->link, &(struct frame){.type = WIRE_CANCEL, .job = j->number}, NULL);
}

/* ---- putting ---- */

static enum clw_err check_size(size_t len, struct clw_error *err)
{
    return len <= WIRE_INPUT_MAX ? CLW_OK
                                 : clw_fail(err, CLW_USAGE, "put it into a file and pass the name",
                                       "an input of %zu bytes; the limit is %d", len, WIRE_INPUT_MAX);
}

enum clw_err client_check_input(enum func_kind kind, const void *input, size_t len, struct clw_error *err)
{
    if (check_size(len, err))
        return err->code;
    if (kind == FUNC_LINES && memchr(input, '\n', len))
        return clw_fail(err, CLW_USAGE, "use a framed worker (-W)",
            "an input holds a newline, which a line worker would take for two");
    return CLW_OK;
}

/* Its length, summed up so that it cannot wrap. */
static enum clw_err check_pieces(
    const struct clowder_job *j, const struct clowder_piece *pieces, size_t n, size_t *len, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    *len = 0;
    if (j->finished || j->func.everywhere)
        return clw_fail(err, CLW_USAGE, NULL, "the job accepts no more tasks");
    for (size_t i = 0; i < n && !code; i++) {
        code = client_check_input(j->func.kind, pieces[i].data, pieces[i].len, err);
        *len += pieces[i].len;
        if (!code)
            code = check_size(*len, err);
    }
    return code;
}

/* One that fills a chunk by itself is copied once, into the block that is sent. */
static bool is_large(size_t len)
{
    return len >= WIRE_CHUNK_BYTES;
}

/* Returns the end. */
static uint8_t *copy_pieces(const struct clowder_job *j, uint8_t *at, const struct clowder_piece *pieces, size_t n)
{
    for (size_t i = 0; i < n; at += pieces[i++].len)
        if (pieces[i].len)
            memcpy(at, pieces[i].data, pieces[i].len);
    if (j->func.kind == FUNC_LINES)
        *at++ = '\n';
    return at;
}

static void gather_large(struct clowder_job *j, const struct clowder_piece *pieces, size_t n, size_t len)
{
    struct blk *block = blk_new(4 + len + 1);
    if (!block)
        abort();
    const uint8_t *end = copy_pieces(j, block->data + 4, pieces, n);
    uint32_t bytes = (uint32_t)(end - block->data - 4);
    le_put_u32(block->data, bytes);
    j->next_index++;
    add_chunk(j, block, 1, bytes);
}

static void gather(struct clowder_job *j, const struct clowder_piece *pieces, size_t n, size_t len)
{
    uint8_t *at = buf_reserve(&j->open_bytes, len + 1);
    j->open_bytes.len += (size_t)(copy_pieces(j, at, pieces, n) - at);
    le_put_u32(buf_reserve(&j->open_ends, 4), (uint32_t)j->open_bytes.len);
    j->open_ends.len += 4;
    j->open_count++;
    j->next_index++;
}

/* Room for one more: nothing waits for a grant, and the results that are here and to come stay within the backlog. */
static bool has_room(const struct clowder_job *j, size_t len)
{
    uint64_t out = j->next_index - j->received;
    if (j->unsent && (j->open_count || is_large(len)))
        return false;
    if (!j->received)
        return out < CLIENT_FIRST_TASKS;
    uint64_t mean = j->received_bytes / j->received + 1;
    uint64_t left = j->backlog_bytes < CLIENT_BACKLOG_BYTES ? CLIENT_BACKLOG_BYTES - j->backlog_bytes : 0;
    uint64_t fits = left / mean, grown = CLIENT_FIRST_TASKS + 2 * j->received;
    return out < (fits < grown ? fits : grown) || (out == 0 && left);
}

static enum clw_err wait_room(struct clowder_job *j, size_t len, int64_t timeout_ms, struct clw_error *err)
{
    uint64_t deadline_ms = 0;
    enum clw_err code = CLW_OK;
    for (bool first = true; !code && !j->broken.code && !has_room(j, len); first = false) {
        if (first) {
            deadline_ms = client_deadline(timeout_ms);
            job_send_ready(j);
            if (!j->unsent) {
                job_close_chunk(j);
                job_send_ready(j);
            }
            if (j->c->link)
                link_flush(j->c->link);
            if (has_room(j, len))
                break;
        }
        code = client_wait(j->c, deadline_ms, err);
    }
    if (!code && j->broken.code) {
        *err = j->broken;
        code = err->code;
    }
    return code;
}

static bool is_full(const struct clowder_job *j, size_t more)
{
    return j->open_count == WIRE_CHUNK_TASKS || (j->open_count && j->open_bytes.len + more > WIRE_CHUNK_BYTES);
}

/* Looking for room costs more than a small put: while a chunk fills, it is looked for now and then. */
static bool may_have_room(const struct clowder_job *j, size_t len)
{
    return j->open_count % ROOM_EVERY && len < WIRE_CHUNK_BYTES / ROOM_EVERY && !j->unsent && !j->broken.code;
}

/* One task. Locked. */
static enum clw_err put(struct clowder_job *j, const struct clowder_piece *pieces, size_t n, size_t len,
    int64_t timeout_ms, struct clw_error *err)
{
    struct clowder *c = j->c;
    enum clw_err code = may_have_room(j, len) ? CLW_OK : wait_room(j, len, timeout_ms, err);
    if (code)
        return code;
    if (is_full(j, len) || is_large(len))
        job_close_chunk(j);
    if (is_large(len))
        gather_large(j, pieces, n, len);
    else
        gather(j, pieces, n, len);
    if (j->unsent || j->sent == j->received) {
        job_send_ready(j);
        if (c->link && !c->lost)
            link_flush(c->link);
    }
    return CLW_OK;
}

int clowder_job_put_pieces(
    struct clowder_job *j, const struct clowder_piece *pieces, size_t n, int64_t timeout_ms, struct clowder_error *out)
{
    struct clw_error err; /* filled by who fails: to clear it costs more than the rest of a small put */
    size_t len;
    enum clw_err code = check_pieces(j, pieces, n, &len, &err);
    if (code)
        return client_fail(out, &err);
    pthread_mutex_lock(&j->c->lock);
    code = put(j, pieces, n, len, timeout_ms, &err);
    pthread_mutex_unlock(&j->c->lock);
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

int clowder_job_put(struct clowder_job *j, const void *input, size_t len, int64_t timeout_ms, struct clowder_error *out)
{
    return clowder_job_put_pieces(j, &(struct clowder_piece){input, len}, 1, timeout_ms, out);
}

int clowder_job_put_many(struct clowder_job *j, const struct clowder_piece *inputs, size_t n, size_t *taken,
    int64_t timeout_ms, struct clowder_error *out)
{
    struct clw_error err;
    enum clw_err code = CLW_OK;
    size_t len, i = 0;
    pthread_mutex_lock(&j->c->lock);
    for (; i < n && !code; i += !code) {
        code = check_pieces(j, &inputs[i], 1, &len, &err);
        if (!code)
            code = put(j, &inputs[i], 1, len, timeout_ms, &err);
    }
    pthread_mutex_unlock(&j->c->lock);
    *taken = i;
    return code ? client_fail(out, &err) : CLOWDER_OK;
}

int clowder_job_skip(struct clowder_job *j, uint64_t n, struct clowder_error *out)
{
    (void)out;
    pthread_mutex_lock(&j->c->lock);
    job_close_chunk(j);
    j->next_index += n;
    j->received += n;
    j->sent += n;
    pthread_mutex_unlock(&j->c->lock);
    return CLOWDER_OK;
}

char **clowder_expand(const struct clowder_function *f, const char *input, size_t len, uint64_t index)
{
    struct buf b = {0};
    struct func func = {.kind = (enum func_kind)f->kind,
        .use_stdin = f->use_stdin,
        .no_input = f->no_input,
        .has_columns = f->has_columns,
        .names = (char **)(uintptr_t)f->names};
    for (const char *const *word = f->wrap; word && *word; word++)
        func_add_arg(&func, *word);
    func.shell = f->shell ? (uint32_t)func.argc + 1 : 0;
    for (const char *const *arg = f->argv; *arg; arg++)
        func_add_arg(&func, *arg);
    bool is_fixed = f->no_input || f->kind != CLOWDER_COMMAND;
    struct expansion e = func_expansion(&func, input, is_fixed ? 0 : len, index);
    char **argv = expand_argv(&b, func.argv, func.argc, !is_fixed && func_appends(&func), &e);
    func.names = NULL; /* borrowed */
    func_fini(&func);
    return argv;
}

int clowder_job_flush(struct clowder_job *j, struct clowder_error *out)
{
    (void)out;
    pthread_mutex_lock(&j->c->lock);
    if (!j->unsent)
        job_close_chunk(j);
    job_send_ready(j);
    if (j->c->link && !j->c->lost)
        link_flush(j->c->link);
    pthread_mutex_unlock(&j->c->lock);
    return CLOWDER_OK;
}

int clowder_job_finish(struct clowder_job *j, struct clowder_error *out)
{
    pthread_mutex_lock(&j->c->lock);
    j->finished = true;
    job_close_chunk(j);
    pthread_mutex_unlock(&j->c->lock);
    return clowder_job_flush(j, out);
}

void job_take_back(struct clowder_job *j, uint64_t index)
{
    struct clowder *c = j->c;
    if (index < j->next_index && index >= j->next_index - j->open_count)
        job_close_chunk(j);
    struct chunk *k = job_chunk_of(j, index);
    if (!k || k->have[index - k->first])
        return;
    if (!k->taken_back)
        k->taken_back = mem_zalloc(k->slices.n);
    k->taken_back[index - k->first] = 1;
    if (!c->link || c->lost)
        return;
    if (!j->unsent || k->first < job_chunk(j, j->ring_count - j->unsent)->first)
        send_cancel(j, index);
    job_send_ready(j);
    link_flush(c->link);
}

int clowder_job_cancel(struct clowder_job *j, struct clowder_error *out)
{
    (void)out;
    struct clowder *c = j->c;
    pthread_mutex_lock(&c->lock);
    job_close_chunk(j);
    j->cancelled = true;
    if (c->link && !c->lost) {
        link_send(c->link, &(struct frame){.type = WIRE_CANCEL, .job = j->number}, NULL);
        job_send_ready(j);
        link_flush(c->link);
    }
    pthread_mutex_unlock(&c->lock);
    return CLOWDER_OK;
}

int clowder_job_cancel_task(struct clowder_job *j, uint64_t index, struct clowder_error *out)
{
    (void)out;
    pthread_mutex_lock(&j->c->lock);
    job_take_back(j, index);
    pthread_mutex_unlock(&j->c->lock);
    return CLOWDER_OK;
}

void clowder_job_counts(struct clowder_job *j, uint64_t *put, uint64_t *received)
{
    pthread_mutex_lock(&j->c->lock);
    if (put)
        *put = j->next_index;
    if (received)
        *received = j->received;
    pthread_mutex_unlock(&j->c->lock);
}
