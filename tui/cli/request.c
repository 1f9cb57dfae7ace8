/* Requests to the engine, by way of libclowder. */
#include "tui/cli/request.h"

#include "tui/cli/command.h"

#include <stdio.h>
#include <stdlib.h>

json_t *request_new(const char *op)
{
    return json_pack("{s:s}", "op", op);
}

void request_set_text(json_t *request, const char *key, const char *value)
{
    json_t *text = json_string(value);
    json_object_set_new(request, key, text ? text : json_string("?"));
}

int request_send(struct clowder *c, json_t *request, int64_t timeout_ms, json_t **reply, struct clowder_error *err)
{
    char *text = json_dumps(request, JSON_COMPACT), *answer = NULL;
    json_decref(request);
    *reply = NULL;
    int status = clowder_request(c, text, timeout_ms, &answer, err);
    free(text);
    if (status == CLOWDER_OK)
        *reply = json_loads(answer, 0, NULL);
    free(answer);
    return status;
}

int request_told(struct clowder *c, json_t *request, int64_t timeout_ms, json_t **reply)
{
    struct clowder_error err;
    int status = request_send(c, request, timeout_ms, reply, &err);
    return status ? say_error(&err) : 0;
}

const char *json_text(const json_t *o, const char *key)
{
    const char *value = json_string_value(json_object_get(o, key));
    return value ? value : "";
}

json_int_t json_number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

double json_decimal(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

void json_print(json_t *o)
{
    char *line = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
    puts(line ? line : "{}");
    free(line);
    json_decref(o);
}
