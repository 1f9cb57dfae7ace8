/* The log: one line an event, `time level module key=value ...`, appended to one file with a single write, control
 * bytes escaped. Not for secrets: nothing that holds one may be formatted here. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Called with each finished line (no newline), under the log's lock: keep it short. */
typedef void (*log_tap_cb)(void *arg, enum log_level level, const char *line);

/* Appends to path from now on (created 0600; moved to path.1 when it passes 4 MiB). 0, or -1 with errno set. */
int log_open(const char *path);
/* Writes to this descriptor instead (2 until told otherwise). The descriptor stays the caller's. */
void log_to_fd(int fd);
void log_set_level(enum log_level level);
void log_set_tap(log_tap_cb tap, void *arg);
void log_close(void);

void log_line(enum log_level level, const char *module, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
