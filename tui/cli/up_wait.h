/* What `up` waits for, told on stderr while it waits: hosts that nobody can bring up but the user, each once and at
 * once; and after some seconds the others, with what is wrong with them now. */
#ifndef TUI_CLI_UP_WAIT_H
#define TUI_CLI_UP_WAIT_H

struct up_wait;

/* Of that profile (borrowed), in a thread and with a handle of its own. NULL: it is not told. */
struct up_wait *up_wait_start(const char *profile);
/* Nothing is told any more; frees it. */
void up_wait_end(struct up_wait *w);

#endif
