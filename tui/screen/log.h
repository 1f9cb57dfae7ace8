/* The Log screen: what happened. */
#ifndef SCREEN_LOG_H
#define SCREEN_LOG_H

struct ui;

void log_follow(struct ui *ui);
void log_level(struct ui *ui);
void log_host(struct ui *ui);

#endif
