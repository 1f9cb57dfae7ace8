/* One lock, one line, one write. */
#include "base/log.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/paths.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROTATE_BYTES = 4 << 20, LINE_MAX_BYTES = 4096 };

static struct {
    pthread_mutex_t lock;
    int fd;
    char *path; /* NULL: fd is not ours */
    off_t written;
    enum log_level level;
    log_tap_cb tap;
    void *tap_arg;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = 2, .level = LOG_INFO};

static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    paths_close_to_others(fd);
    return fd;
}

int log_open(const char *path)
{
    int fd = open_file(path);
    struct stat st;
    if (fd < 0)
        return -1;
    pthread_mutex_lock(&state.lock);
    if (state.path)
        close(state.fd);
    free(state.path);
    state.path = mem_strdup(path);
    state.fd = fd;
    state.written = fstat(fd, &st) == 0 ? st.st_size : 0;
    pthread_mutex_unlock(&state.lock);
    return 0;
}

void log_to_fd(int fd)
{
    pthread_mutex_lock(&state.lock);
    if (state.path)
        close(state.fd);
    free(state.path);
    state.path = NULL;
    state.fd = fd;
    pthread_mutex_unlock(&state.lock);
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

/* The full file moves aside; when that fails the log goes on in the old one. */
static void rotate(void)
{
    char *old = mem_printf("%s.1", state.path);
    if (rename(state.path, old) == 0) {
        int fd = open_file(state.path);
        if (fd >= 0) {
            close(state.fd);
            state.fd = fd;
        }
    }
    state.written = 0;
    free(old);
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
    if (state.path && state.written > ROTATE_BYTES)
        rotate();
    line[n++] = '\n';
    ssize_t done = write(state.fd, line, n);
    if (done > 0)
        state.written += done;
    pthread_mutex_unlock(&state.lock);
    errno = saved;
}
