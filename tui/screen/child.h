/* Programs started from the screens: one whose output is shown, one that runs on by itself, one that gets the terminal.
 */
#ifndef TUI_SCREEN_CHILD_H
#define TUI_SCREEN_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ui;

struct child {
    pid_t pid;
    int fd; /* what it writes to stdout and stderr; does not block */
};

/* argv[0] "clowder" means this program. Output comes through fd, stdin is empty. NULL with errno set. Owned. */
struct child *child_start(const char *const *argv);
/* Bytes read; 0 at the end; below 0 when there are none yet. */
ssize_t child_read(struct child *c, char *data, size_t size);
/* Waits for its end, which has come or is near, and frees it. Returns the exit status, 128 + N after signal N. */
int child_wait(struct child *c);
/* Ends it (SIGTERM to its group) and frees it. NULL is fine. */
void child_end(struct child *c);

/* Starts it as a session of its own that outlives the screens; what it prints to stdout is lost. "label: good" is said
 * when it has ended well, else the last line of its stderr. False with errno set. */
bool child_detach(const char *const *argv, const char *label, const char *good);
/* Looks for detached ones that have ended and says so. */
void child_reap(struct ui *ui);

/* Gives it the terminal and waits until it ends. Returns as child_wait(). */
int child_foreground(const char *const *argv);

/* Splits a command line into words as a shell does with quotes and backslashes, and without anything else. Owned:
 * free() frees it with its strings. NULL: a quote is open. */
char **child_split(const char *line, size_t *count);

#endif
