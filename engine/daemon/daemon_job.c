/* A job as the daemon knows it: its function, its folder with the files that it brought, its environment. */
#include "engine/daemon/daemon.h"
#include "engine/daemon/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void set_problem(struct job *j, const char *what, const char *path)
{
    if (!j->problem)
        j->problem = mem_printf("%s %s: %s", what, path, strerror(errno));
}

static void write_file(struct job *j, const struct func_file *file)
{
    char *path = mem_printf("%s/%s", j->dir, file->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, file->executable ? 0700 : 0600);
    size_t done = 0;
    while (fd >= 0 && done < file->len) {
        ssize_t n = write(fd, file->data + done, file->len - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd < 0 || done < file->len || close(fd))
        set_problem(j, "cannot write the shipped file", path);
    free(path);
}

/* A folder of its own, with what came with the function. */
static void make_dir(struct job *j)
{
    if (!j->dir && !folder_make(j)) {
        set_problem(j, "cannot make", "the job's folder");
        return;
    }
    for (size_t i = 0; i < j->func.file_count; i++)
        write_file(j, &j->func.files[i]);
}

struct job *job_open(struct daemon *d, uint32_t number, const uint8_t *body, size_t len)
{
    struct job *j = mem_zalloc(sizeof *j);
    struct clw_error err;
    struct stat st;
    const char *home = getenv("HOME");
    j->number = number;
    j->lock_fd = -1;
    if (func_decode(&j->func, body, len, &err)) {
        j->problem = mem_strdup(err.message);
    } else if (j->func.ships || func_has_files(&j->func)) {
        files_open_job(d, j);
        if (!j->problem && j->func.file_count)
            make_dir(j);
    } else if (j->func.file_count) {
        make_dir(j);
    } else if (j->func.dir) {
        j->dir = mem_strdup(j->func.dir);
        bool missing = stat(j->dir, &st) || (!S_ISDIR(st.st_mode) && (errno = ENOTDIR));
        if (missing && d->config.remote && home) { /* the submitter's folder is on another machine */
            free(j->dir);
            j->dir = mem_strdup(home);
        } else if (missing) {
            set_problem(j, "cannot enter the folder", j->dir);
        }
    }
    j->append = func_appends(&j->func);
    j->next = d->jobs;
    d->jobs = j;
    return j;
}

void job_free(struct daemon *d, struct job *j)
{
    files_drop(j->ships);
    files_forget(d, j);
    folder_remove(j);
    func_fini(&j->func);
    free(j->dir);
    free(j->problem);
    free(j);
}

struct env {
    struct buf *out;
    size_t count, slots;
};

static void add_offset(struct env *e)
{
    size_t at = e->out->len;
    memcpy(e->out->data + e->count++ * sizeof(char *), &at, sizeof at);
}

static void add_variable(struct env *e, const char *name, const char *value)
{
    add_offset(e);
    buf_printf(e->out, "%s=%s", name, value);
    buf_add(e->out, "", 1);
}

/* A variable of that name. */
static bool is_in(char *const *list, const char *variable)
{
    size_t len = strcspn(variable, "=") + 1;
    while (list && *list && strncmp(*list, variable, len) != 0)
        list++;
    return list && *list;
}

char **job_env(struct daemon *d, const struct job *j, uint64_t index, struct buf *out)
{
    enum { OURS = 7 };
    size_t own = 0;
    while (j->func.env && j->func.env[own])
        own++;
    struct env e = {.out = out, .slots = own + d->env_count + OURS + 1};
    char number[24];
    buf_clear(out);
    memset(buf_reserve(out, e.slots * sizeof(char *)), 0, e.slots * sizeof(char *));
    out->len = e.slots * sizeof(char *);
    for (size_t i = 0; i < own; i++) {
        add_offset(&e);
        buf_add(out, j->func.env[i], strlen(j->func.env[i]) + 1);
    }
    for (size_t i = 0; i < d->env_count; i++) {
        if (is_in(j->func.env, d->env[i]))
            continue;
        add_offset(&e);
        buf_add(out, d->env[i], strlen(d->env[i]) + 1);
    }
    add_variable(&e, "CLOWDER_PROFILE", d->profile);
    add_variable(&e, "CLOWDER_HOST", d->host);
    add_variable(&e, "CLOWDER_DAEMON", d->name);
    snprintf(number, sizeof number, "%u", j->number);
    add_variable(&e, "CLOWDER_JOB", number);
    if (index != UINT64_MAX) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)index + 1);
        add_variable(&e, "CLOWDER_TASK", number);
    }
    if (j->func.timeout_ms) {
        snprintf(number, sizeof number, "%g", (double)j->func.timeout_ms / 1000);
        add_variable(&e, "CLOWDER_TIMEOUT", number);
    }
    if (j->func.has_seed) {
        uint64_t seed = index == UINT64_MAX ? j->func.seed : func_task_seed(j->func.seed, index);
        snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
        add_variable(&e, "CLOWDER_SEED", number);
    }
    char **list = (char **)(void *)out->data;
    for (size_t i = 0; i < e.count; i++) {
        size_t at;
        memcpy(&at, &list[i], sizeof at);
        list[i] = (char *)out->data + at;
    }
    return list;
}
