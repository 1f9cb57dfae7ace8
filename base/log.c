/* One lock, one line, one write. */
#include "base/log.h"

#include "base/logfile.h"
#include "base/mono.h"
#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROTATE_BYTES = 4 << 20, LINE_MAX_BYTES = 4096 };

static struct {
    pthread_mutex_t lock;
    struct logfile *file; /* NULL: to fd, which is not ours */
    int fd;
    enum log_level level;
    log_tap_cb tap;
    void *tap_arg;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = 2, .level = LOG_INFO};

static void change(struct logfile *file, int fd)
{
    pthread_mutex_lock(&state.lock);
    logfile_close(state.file);
    state.file = file;
    state.fd = fd;
    pthread_mutex_unlock(&state.lock);
}

int log_open(const char *path)
{
    struct logfile *file = logfile_open(path, ROTATE_BYTES);
    if (!file)
        return -1;
    change(file, -1);
    return 0;
}

void log_to_fd(int fd)
{
    change(NULL, fd);
}

void log_close(void)
{
    log_to_fd(2);
}

void log_set_level(enum log_level level)
{
    state.level = level;
}

void log_set_tap(log_tap_cb tap, void *arg)
{
    pthread_mutex_lock(&state.lock);
    state.tap = tap;
    state.tap_arg = arg;
    pthread_mutex_unlock(&state.lock);
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < state.level)
        return;
    int saved = errno;
    char raw[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 128];
    va_list ap;
    va_start(ap, format);
    vsnprintf(raw, sizeof raw, format, ap);
    va_end(ap);

    uint64_t now = wall_us();
    time_t seconds = (time_t)(now / 1000000u);
    struct tm tm;
    localtime_r(&seconds, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(
        line + n, sizeof line - n, ".%03u %-5s %s ", (unsigned)(now / 1000u % 1000u), names[level], module);
    n += text_escape(line + n, sizeof line - n - 1, raw, strlen(raw));

    pthread_mutex_lock(&state.lock);
    if (state.tap)
        state.tap(state.tap_arg, level, line);
    line[n++] = '\n';
    if (state.file)
        logfile_write(state.file, line, n);
    else if (write(state.fd, line, n) < 0)
        errno = saved; /* nowhere to say it */
    pthread_mutex_unlock(&state.lock);
    errno = saved;
}
