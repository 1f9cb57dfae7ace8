/* Inputs: words after :::, lines of stdin or a file, or NUL-terminated pieces. Each goes to the job as soon as it is
 * read. */
#include "tui/cli/map.h"
#include "tui/cli/out_file.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 256 << 10, INPUT_MAX = 128 << 20, AT_ONCE = 256, STOP_MS = 500, STDIN_TOLD_MS = 2000 };

/* To the job itself. It wakes now and then to see a ^C while the daemons are busy. */
static bool put_to_job(struct map *m, const struct clowder_piece *inputs, size_t n)
{
    size_t taken;
    int status;
    do {
        status = clowder_job_put_many(m->job, inputs, n, &taken, STOP_MS, &m->input_error);
        inputs += taken;
        n -= taken;
        m->read_count += taken;
    } while (status == CLOWDER_AGAIN && !m->stopping);
    if (status == CLOWDER_OK || status == CLOWDER_AGAIN)
        m->input_error.status = CLOWDER_OK; /* what a wait left there is no error */
    return status == CLOWDER_OK;
}

/* False when the job takes no more. */
static bool put(struct map *m, const char *input, size_t len)
{
    uint64_t index = m->read_count;
    bool is_left_out = index < m->skip_count && m->skip[index];
    if (!m->dry_run && !m->sink && !is_left_out)
        return put_to_job(m, &(struct clowder_piece){input, len}, 1);
    m->read_count++;
    if (m->dry_run)
        map_write_dry(m, input, len, index);
    else if (m->sink)
        return m->sink(m, input, len);
    else
        return clowder_job_skip(m->job, 1, &m->input_error) == CLOWDER_OK;
    return true;
}

/* A line, taken apart if that is wanted. */
static bool put_record(struct map *m, const char *data, size_t len)
{
    struct buf columns = {0};
    if (!columns_are_used(&m->columns))
        return put(m, data, len);
    const char *wrong = columns_split(&m->columns, data, len, &columns);
    bool more = !wrong && put(m, columns.len ? (const char *)columns.data : "", columns.len);
    if (wrong) {
        m->input_error = (struct clowder_error){.status = CLOWDER_USAGE};
        snprintf(m->input_error.message, sizeof m->input_error.message, "input %llu: %s",
            (unsigned long long)m->read_count + 1, wrong);
    }
    buf_fini(&columns);
    return more;
}

static bool put_all(struct map *m, const struct clowder_piece *inputs, size_t n)
{
    bool is_plain = !columns_are_used(&m->columns);
    if (is_plain && !m->dry_run && !m->sink && m->read_count >= m->skip_count)
        return n == 0 || put_to_job(m, inputs, n);
    for (size_t i = 0; i < n; i++)
        if (m->stopping || !put_record(m, inputs[i].data, inputs[i].len))
            return false;
    return true;
}

static bool put_one(void *map, const char *input, size_t len)
{
    struct map *m = map;
    return !m->stopping && put(m, input, len);
}

void map_feed_lists(struct map *m, void *arg)
{
    (void)arg;
    columns_feed(&m->columns, put_one, m);
}

bool map_put_at(struct map *m, uint64_t index, const char *input, size_t len)
{
    if (index > m->read_count && clowder_job_skip(m->job, index - m->read_count, &m->input_error) != CLOWDER_OK)
        return false;
    m->read_count = index;
    return put(m, input, len);
}

static void put_words(struct map *m)
{
    for (size_t i = 0; i < m->word_count && !m->stopping; i++)
        if (!put(m, m->words[i], strlen(m->words[i])))
            return;
}

/* Puts the whole pieces of buf and keeps the rest. *from: where to look for an end. */
static bool put_pieces(struct map *m, struct buf *b, size_t *from)
{
    char end = m->null ? '\0' : '\n';
    struct clowder_piece inputs[AT_ONCE];
    size_t start = 0, n = 0, from_here = m->columns.is_csv ? 0 : *from;
    ptrdiff_t more;
    while (!m->stopping &&
           (more = columns_record(&m->columns, (const char *)b->data + from_here, b->len - from_here, end)) >= 0) {
        size_t len = from_here + (size_t)more - start;
        inputs[n++] = (struct clowder_piece){b->data + start, len};
        from_here = start = start + len + 1;
        if (n == AT_ONCE && !put_all(m, inputs, n))
            return false;
        n %= AT_ONCE;
    }
    if (m->stopping || !put_all(m, inputs, n))
        return false;
    buf_drop(b, start);
    *from = b->len;
    return !m->stopping;
}

/* Waits for input or for the word to stop. */
static bool wait_readable(struct map *m)
{
    struct pollfd fds[] = {{m->input_fd, POLLIN, 0}, {m->stop_fd, POLLIN, 0}};
    if (m->pause_cb && poll(fds, 2, 0) == 0)
        m->pause_cb(m);
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    return !fds[1].revents && !m->stopping;
}

static void put_stream(struct map *m)
{
    struct buf b = {0};
    size_t from = 0;
    ssize_t n = 0;
    while (wait_readable(m)) {
        n = read(m->input_fd, buf_reserve(&b, READ_SIZE), READ_SIZE);
        if (n <= 0)
            break;
        b.len += (size_t)n;
        if (!put_pieces(m, &b, &from))
            goto out;
        if (b.len > INPUT_MAX) {
            m->input_error = (struct clowder_error){.status = CLOWDER_USAGE};
            snprintf(m->input_error.message, sizeof m->input_error.message, "input %llu is larger than %d MiB",
                (unsigned long long)m->read_count + 1, INPUT_MAX >> 20);
            goto out;
        }
        if (m->job)
            clowder_job_flush(m->job, NULL);
    }
    if (n < 0) {
        m->input_error = (struct clowder_error){.status = CLOWDER_FAILED};
        snprintf(m->input_error.message, sizeof m->input_error.message, "cannot read the inputs: %s", strerror(errno));
    } else if (b.len && !m->stopping) {
        put_record(m, (const char *)b.data, b.len); /* the last one has no end */
    }
out:
    buf_fini(&b);
}

/* Says what it waits for, when that takes long: it may be that nobody is there to end it. */
static bool wait_told(struct map *m, bool *told)
{
    struct pollfd fds[] = {{m->input_fd, POLLIN, 0}, {m->stop_fd, POLLIN, 0}};
    if (!*told && poll(fds, 2, STDIN_TOLD_MS) == 0) {
        say(0, "reading stdin for the task, until its end; </dev/null gives it none");
        *told = true;
    }
    return wait_readable(m);
}

void map_feed_stdin(struct map *m, void *arg)
{
    struct buf b = {0};
    ssize_t n = 0;
    bool told = false;
    (void)arg;
    while (m->f.use_stdin && b.len <= INPUT_MAX && wait_told(m, &told)) {
        n = read(m->input_fd, buf_reserve(&b, READ_SIZE), READ_SIZE);
        if (n <= 0)
            break;
        b.len += (size_t)n;
    }
    if (n < 0 && errno != EBADF) { /* EBADF: it was closed when we were started */
        m->input_error = (struct clowder_error){.status = CLOWDER_FAILED};
        snprintf(m->input_error.message, sizeof m->input_error.message, "cannot read stdin: %s", strerror(errno));
    } else if (b.len > INPUT_MAX) {
        m->input_error = (struct clowder_error){.status = CLOWDER_USAGE};
        snprintf(m->input_error.message, sizeof m->input_error.message, "stdin is larger than %d MiB", INPUT_MAX >> 20);
    } else if (!m->stopping) {
        put(m, b.len ? (const char *)b.data : "", b.len);
    }
    buf_fini(&b);
}

void map_read_inputs(struct map *m)
{
    if (m->feed)
        m->feed(m, m->feed_arg);
    else if (m->words)
        put_words(m);
    else
        put_stream(m);
    if (m->job)
        clowder_job_finish(m->job, NULL);
    m->input_done = true;
}

/* ---- the job log ---- */

/* Columns 7 and 8, Exitval and Signal, are 0. */
static bool went_well(const char *line)
{
    for (int column = 1; column < 7; column++) {
        line = strchr(line, '\t');
        if (!line)
            return false;
        line++;
    }
    return strncmp(line, "0\t0\t", 4) == 0;
}

/* The last line about a task counts. */
static void mark(struct map *m, const char *line, bool skip)
{
    char *end;
    unsigned long long seq = strtoull(line, &end, 10);
    if (end == line || *end != '\t' || seq == 0 || seq > 100000000)
        return;
    if (seq > m->skip_count) {
        size_t count = m->skip_count * 2 > seq ? m->skip_count * 2 : (size_t)seq + 64;
        m->skip = mem_realloc(m->skip, count * sizeof *m->skip);
        memset(m->skip + m->skip_count, 0, (count - m->skip_count) * sizeof *m->skip);
        m->skip_count = count;
    }
    m->skip[seq - 1] = skip;
}

static const char joblog_header[] = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/* Column 6, Receive: what it has added to the file of results. */
static uint64_t bytes_of(const char *line)
{
    for (int column = 1; column < 6; column++) {
        line = strchr(line, '\t');
        if (!line)
            return 0;
        line++;
    }
    return strtoull(line, NULL, 10);
}

/* Only whole lines count; one that a crash cut is written over. Where they end (0 for a new log); -1: it is another
 * kind of file. */
static long read_joblog(struct map *m, FILE *f, enum map_joblog how)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    long whole = 0;
    while ((n = getline(&line, &cap, f)) > 0) {
        size_t known = (size_t)n < sizeof joblog_header - 1 ? (size_t)n : sizeof joblog_header - 1;
        if (whole == 0 && memcmp(line, joblog_header, known) != 0) {
            whole = -1;
            break;
        }
        if (line[n - 1] != '\n' || how == JOBLOG_NEW)
            break;
        mark(m, line, how == JOBLOG_RESUME || went_well(line));
        m->out_known += bytes_of(line);
        whole += (long)n;
    }
    free(line);
    return whole;
}

static int tell_joblog_failed(struct map *m)
{
    m->joblog_failed = true;
    return say(1, "cannot write the job log %s: %s", m->joblog_path, strerror(errno));
}

int map_load_joblog(struct map *m, const char *path, enum map_joblog how)
{
    struct stat st;
    bool is_other = how == JOBLOG_NEW && stat(path, &st) == 0 && !S_ISREG(st.st_mode); /* a device: nothing to read */
    m->joblog_path = path;
    m->joblog_at = is_other ? -1 : 0;
    m->joblog = is_other ? fopen(path, "we") : fopen(path, "r+e");
    if (!m->joblog && errno == ENOENT)
        m->joblog = fopen(path, "we");
    else if (m->joblog && !is_other && (m->joblog_at = read_joblog(m, m->joblog, how)) < 0)
        return say(2, "%s is not a job log: its first line is different; it was not changed", path);
    return m->joblog ? 0 : tell_joblog_failed(m);
}

static int begin_joblog(struct map *m)
{
    bool failed =
        m->joblog_at >= 0 && (fseek(m->joblog, m->joblog_at, SEEK_SET) || ftruncate(fileno(m->joblog), m->joblog_at));
    if (!failed && m->joblog_at <= 0)
        failed = fputs(joblog_header, m->joblog) == EOF || fflush(m->joblog);
    return failed ? tell_joblog_failed(m) : 0;
}

int map_begin_output(struct map *m)
{
    int status = m->out_path ? out_stdout("map", m->out_path, m->out_force, m->out_append) : 0;
    return status == 0 && m->joblog ? begin_joblog(m) : status;
}
