/* Results on stdout (as they are, tagged, or as JSON), failures on stderr, the job log. */
#include "tui/cli/map.h"

#include "base/mono.h"
#include "base/text.h"
#include "engine/wire/expand.h"
#include "engine/wire/func.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <jansson.h>
#include <search.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TELL_FAILURES = 20, SHOW_INPUT = 60, PROBLEM = 900 };

/* ---- JSON: bytes that are no UTF-8 are told in base64, under a name of their own ---- */

static void json_text(FILE *out, const char *data, size_t len)
{
    putc('"', out);
    for (size_t i = 0; i < len;) {
        size_t n = text_utf8_len(data + i, len - i);
        unsigned char c = (unsigned char)data[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (n == 1 && (c < 0x20 || c == 0x7f))
            fprintf(out, "\\u%04x", c);
        else
            fwrite(data + i, 1, n, out);
        i += n;
    }
    putc('"', out);
}

static void json_field(FILE *out, const char *key, const char *data, size_t len)
{
    if (text_is_utf8(data, len)) {
        fprintf(out, ",\"%s\":", key);
        json_text(out, data, len);
        return;
    }
    char *text = text_base64(data, len);
    fprintf(out, ",\"%s_base64\":\"%s\"", key, text);
    free(text);
}

/* The texts of an input of several, as a list. */
static void json_columns(FILE *out, const struct clowder_result *r)
{
    struct expansion e = {.input = r->input, .len = r->input_len, .has_columns = true};
    const char *text;
    size_t len;
    fputs(",\"inputs\":[", out);
    for (unsigned n = 1; (text = expand_column(&e, n, &len)); n++) {
        char *good = text_is_utf8(text, len) ? NULL : text_base64(text, len);
        fputs(n > 1 ? "," : "", out);
        json_text(out, good ? good : text, good ? strlen(good) : len);
        free(good);
    }
    putc(']', out);
}

void map_write_json(const struct map *m, FILE *out, const struct clowder_result *r, bool with_output)
{
    static const char *const words[] = {"done", "failed", "timeout", "cancelled", "lost"};
    fprintf(out, "{\"index\":%llu", (unsigned long long)r->index + 1);
    if (m->f.has_columns)
        json_columns(out, r);
    else
        json_field(out, "input", r->input, r->input_len);
    fprintf(out, ",\"status\":\"%s\",\"exit\":", words[r->outcome]);
    if (r->exit_status >= 0)
        fprintf(out, "%d", r->exit_status);
    else
        fputs("null", out);
    if (r->signal)
        fprintf(out, ",\"signal\":%d", r->signal);
    else
        fputs(",\"signal\":null", out);
    if (with_output) {
        json_field(out, "stdout", r->out, r->out_len);
        json_field(out, "stderr", r->err, r->err_len);
    }
    if (r->why[0])
        json_field(out, "error", r->why, strlen(r->why));
    if (r->out_total > r->out_len)
        fprintf(out, ",\"stdout_bytes\":%llu", (unsigned long long)r->out_total);
    if (r->file_count)
        fprintf(out, ",\"files\":%u,\"file_bytes\":%llu", r->file_count, (unsigned long long)r->file_bytes);
    json_field(out, "host", r->host, strlen(r->host));
    json_field(out, "daemon", r->daemon, strlen(r->daemon));
    fprintf(out, ",\"attempts\":%u,\"queued_ms\":%.3f,\"run_ms\":%.3f}\n", r->attempts, (double)r->queued_us / 1000,
        (double)r->run_us / 1000);
}

/* ---- plain ---- */

static void write_tagged(FILE *out, const char *tag, size_t tag_len, const char *data, size_t len)
{
    while (len) {
        const char *newline = memchr(data, '\n', len);
        size_t n = newline ? (size_t)(newline - data) + 1 : len;
        fwrite(tag, 1, tag_len, out);
        putc('\t', out);
        fwrite(data, 1, n, out);
        if (!newline)
            putc('\n', out);
        data += n;
        len -= n;
    }
}

/* Answers of workers stand one below the other. */
static void end_answer(const struct clowder_result *r, bool is_tagged)
{
    bool has_end = r->out_len && (is_tagged || r->out[r->out_len - 1] == '\n');
    if (!has_end)
        putc_unlocked('\n', stdout);
}

/* An input of several texts as people read it; owned. */
static char *with_blanks(const char *input, size_t len)
{
    char *text = mem_strndup(input, len);
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] ? text[i] : ' ';
    return text;
}

static void write_plain(struct map *m, const struct clowder_result *r)
{
    char *columns = m->f.has_columns ? with_blanks(r->input, r->input_len) : NULL;
    const char *tag = m->tag_daemon ? r->daemon : columns ? columns : r->input;
    size_t tag_len = m->tag_daemon ? strlen(tag) : r->input_len;
    bool is_tagged = m->tag || m->tag_daemon;
    if (r->outcome == CLOWDER_DONE || m->f.kind == CLOWDER_COMMAND) {
        if (is_tagged)
            write_tagged(stdout, tag, tag_len, r->out, r->out_len);
        else if (r->out_len)
            fwrite_unlocked(r->out, 1, r->out_len, stdout);
        if (m->f.kind != CLOWDER_COMMAND)
            end_answer(r, is_tagged);
    }
    if (r->err_len && m->f.kind == CLOWDER_COMMAND) {
        progress_clear(m->progress);
        if (is_tagged)
            write_tagged(stderr, tag, tag_len, r->err, r->err_len);
        else
            fwrite(r->err, 1, r->err_len, stderr);
    }
    free(columns);
}

/* "exit 3", "killed by signal 9 (Killed)", "timed out: …" */
static void describe(const struct clowder_result *r, char *out, size_t size)
{
    if (r->outcome == CLOWDER_TASK_CANCELLED)
        snprintf(out, size, "cancelled");
    else if (r->outcome == CLOWDER_TASK_TIMEOUT)
        snprintf(out, size, "timed out");
    else if (r->outcome == CLOWDER_TASK_LOST)
        snprintf(out, size, "lost");
    else if (r->signal)
        snprintf(out, size, "killed by signal %d (%s)", r->signal, strsignal(r->signal));
    else if (r->exit_status > 0)
        snprintf(out, size, "exit %d", r->exit_status);
    else
        snprintf(out, size, "failed");
}

static int status_of(const struct clowder_result *r)
{
    switch (r->outcome) {
    case CLOWDER_DONE: return 0;
    case CLOWDER_TASK_TIMEOUT: return 124;
    case CLOWDER_TASK_CANCELLED: return 130;
    case CLOWDER_TASK_LOST: return 3;
    default: return r->signal ? 128 + r->signal : r->exit_status > 0 ? r->exit_status : 1;
    }
}

static void tell_failure(struct map *m, const struct clowder_result *r)
{
    char how[100], input[SHOW_INPUT * 4 + 8], why[600];
    size_t shown = r->input_len < SHOW_INPUT ? r->input_len : SHOW_INPUT;
    if (m->json || m->failed > TELL_FAILURES)
        return;
    if (m->f.no_input && !m->tag_daemon && r->exit_status > 0 && !r->why[0]) /* run: its status is ours */
        return;
    progress_clear(m->progress);
    describe(r, how, sizeof how);
    char *columns = m->f.has_columns ? with_blanks(r->input, shown) : NULL;
    text_escape(input, sizeof input, columns ? columns : r->input, shown);
    free(columns);
    text_escape(why, sizeof why, r->why, strlen(r->why)); /* perhaps a host's word, or a worker's */
    if (m->f.no_input)
        say(0, "%s: %s", r->daemon[0] && m->tag_daemon ? r->daemon : "task", how);
    else
        say(0, "task %llu (%s%s): %s%s%s", (unsigned long long)r->index + 1, input, shown < r->input_len ? "…" : "",
            how, why[0] ? ": " : "", why);
    if (m->f.no_input && why[0])
        say(0, "%s", why);
    if (r->err_len && m->f.kind != CLOWDER_COMMAND) {
        char tail[400];
        size_t len = r->err_len < 300 ? r->err_len : 300;
        text_escape(tail, sizeof tail, r->err + r->err_len - len, len);
        say(0, "  stderr: %s", tail);
    }
    if (m->failed == TELL_FAILURES)
        say(0, "further failures are counted, not shown; --json has them all");
}

/* ---- job log ---- */

static void log_command(const struct map *m, const struct clowder_result *r)
{
    char **argv = clowder_expand(&m->f, r->input, r->input_len, r->index);
    for (char **arg = argv; *arg; arg++) {
        if (arg != argv)
            putc(' ', m->joblog);
        for (const char *p = *arg; *p; p++)
            putc(*p == '\n' || *p == '\t' ? ' ' : *p, m->joblog);
    }
    putc('\n', m->joblog);
    free(argv);
}

static void tell_joblog_failed(struct map *m)
{
    if (!m->joblog_failed)
        say(1, "cannot write the job log: %s; tasks that end from now on are not in it", strerror(errno));
    m->joblog_failed = true;
}

/* Exitval and Signal of what did not go well are never both 0: whatever else it was, Exitval is -1 then. */
static void write_joblog(struct map *m, const struct clowder_result *r, bool is_well, uint64_t written)
{
    double end_s = (double)(m->ended_us ? m->ended_us : wall_us()) / 1e6, run_s = (double)r->run_us / 1e6;
    int exit_status = r->exit_status > 0 ? r->exit_status : is_well || r->signal ? 0 : -1;
    if (r->outcome == CLOWDER_TASK_CANCELLED || m->joblog_failed)
        return;
    fprintf(m->joblog, "%llu\t%s\t%.3f\t%10.3f\t%zu\t%llu\t%d\t%d\t", (unsigned long long)r->index + 1,
        strcmp(r->host, "local") == 0 ? ":" : r->host, end_s - run_s, run_s, r->input_len, (unsigned long long)written,
        exit_status, r->signal);
    log_command(m, r);
    if (fflush(m->joblog)) /* it is what a resume goes by */
        tell_joblog_failed(m);
}

bool map_close_joblog(struct map *m)
{
    if (m->joblog && fclose(m->joblog))
        tell_joblog_failed(m);
    m->joblog = NULL;
    return !m->joblog_failed;
}

/* Its bytes in the file of results. */
static uint64_t write_output(struct map *m, const struct clowder_result *r)
{
    off_t before = m->joblog && m->out_path ? ftello(stdout) : -1;
    if (m->json)
        map_write_json(m, stdout, r, true);
    else
        write_plain(m, r);
    return before >= 0 ? (uint64_t)(ftello(stdout) - before) : r->out_total;
}

bool map_write_result(struct map *m, const struct clowder_result *r)
{
    uint64_t written = 0;
    m->done++;
    if (m->stdout_is_terminal)
        progress_clear(m->progress);
    if (m->results && !map_save_result(m, r))
        return false;
    if (r->outcome != CLOWDER_DONE) {
        m->failed++;
        m->task_status = status_of(r);
    }
    /* What was cancelled has no line in the log: a resume makes its output again. */
    if (!m->joblog || r->outcome != CLOWDER_TASK_CANCELLED)
        written = write_output(m, r);
    if (r->outcome != CLOWDER_DONE && !(m->stopping && r->outcome == CLOWDER_TASK_CANCELLED))
        tell_failure(m, r);
    if (!m->joblog)
        return !ferror_unlocked(stdout) || stdout_is_good();
    if (!stdout_is_good()) /* a resume leaves out what is in the log: its output must be out first */
        return false;
    write_joblog(m, r, r->outcome == CLOWDER_DONE, written);
    return true;
}

/* As a shell would need it typed. */
static void print_quoted(const char *arg)
{
    if (*arg &&
        strspn(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") == strlen(arg)) {
        fputs(arg, stdout);
        return;
    }
    putchar('\'');
    for (; *arg; arg++) {
        if (*arg == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*arg);
    }
    putchar('\'');
}

void map_write_dry(const struct map *m, const char *input, size_t len, uint64_t index)
{
    char **argv = clowder_expand(&m->f, input, len, index);
    for (char **arg = argv; *arg; arg++) {
        if (arg != argv)
            putchar(' ');
        print_quoted(*arg);
    }
    putchar('\n');
    free(argv);
}
