/* Inside hosts/ only. A command line of the user's, or ssh itself, as a child of ours. */
#ifndef HOSTS_SSH_SHELL_CHILD_H
#define HOSTS_SSH_SHELL_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Runs text with /bin/sh in a process group of its own, words being its "$@" (ends with NULL; NULL: none). in, out and
 * errors become its descriptors 0, 1 and 2, where -1 is /dev/null. Whoever is told of the end of children may reap it
 * first. */
bool shell_child_start(const char *text, char *const *words, int in, int out, int errors, pid_t *pid);
/* Ends its group and reaps it. */
void shell_child_end(pid_t pid);

/* A place for what it says on descriptor 2, or -1. */
int shell_child_notes(void);
/* What was said there: one line, escaped, cut to size. */
void shell_child_said(int notes, char *out, size_t size);

#endif
