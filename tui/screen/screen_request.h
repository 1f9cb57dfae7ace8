/* Requests to the engine from the screens, with what is said when they end. */
#ifndef TUI_SCREEN_SCREEN_REQUEST_H
#define TUI_SCREEN_SCREEN_REQUEST_H

#include "tui/screen/ui.h"

#include <jansson.h>

/* Sends o (taken). doing ("up gpu") stands before an error; done is what is said when it went well (NULL: nothing).
 * start: an engine is started when none runs. */
void screen_request(struct ui *ui, json_t *o, bool start, int64_t timeout_ms, const char *doing, const char *done);
/* The same, with the answer for cb; arg as in feed.h. */
void request_ask(
    struct ui *ui, json_t *o, bool start, int64_t timeout_ms, void (*cb)(struct feed_work *w, void *ui), void *arg);
/* {"op":op,"host":host} */
json_t *request_host(const char *op, const char *host);
/* {"op":"up","profile":profile,"wait":true,...} with the environment that tasks may see. */
json_t *request_up(const char *profile);
/* text as a JSON string with its quotes, in owned memory that the caller wipes. */
char *request_quote(const char *text);

#endif
