/* Requests to the engine as JSON values, and reading the answers. */
#ifndef TUI_CLI_REQUEST_H
#define TUI_CLI_REQUEST_H

#include "engine/client/clowder.h"

#include <jansson.h>

/* {"op": op}, owned. */
json_t *request_new(const char *op);
/* Adds a text; what is not UTF-8 becomes "?". */
void request_set_text(json_t *request, const char *key, const char *value);
/* Sends it (takes request), within timeout_ms (-1: no limit). *reply is owned; NULL on failure. */
int request_send(struct clowder *c, json_t *request, int64_t timeout_ms, json_t **reply, struct clowder_error *err);
/* The same with a line on stderr for a failure. Returns the exit status. */
int request_told(struct clowder *c, json_t *request, int64_t timeout_ms, json_t **reply);

/* A member; "", 0, 0.0 and false when it is missing or of another type. */
const char *json_text(const json_t *o, const char *key);
json_int_t json_number(const json_t *o, const char *key);
double json_decimal(const json_t *o, const char *key);
/* One document on stdout with a newline. Takes o. */
void json_print(json_t *o);

#endif
