/* The `:` line: any clowder command, its output in a page. */
#ifndef TUI_SCREEN_CMDLINE_H
#define TUI_SCREEN_CMDLINE_H

struct ui;

void cmdline_open(struct ui *ui);
/* Runs a command (argv[0] is "clowder") and shows its output. */
void cmdline_run(struct ui *ui, const char *const *argv);

#endif
