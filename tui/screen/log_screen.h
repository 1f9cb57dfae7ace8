/* The Log screen: what happened. */
#ifndef TUI_SCREEN_LOG_SCREEN_H
#define TUI_SCREEN_LOG_SCREEN_H

struct ui;

void log_follow(struct ui *ui);
void log_level(struct ui *ui);
void log_host(struct ui *ui);

#endif
