/* launch: a daemon of another engine, by a command that somebody (mirai) gives; started on the profile's next host. */
#include "tui/cli/command.h"

#include "base/mem.h"
#include "engine/wire/func.h"
#include "tui/cli/request.h"

#include <stdlib.h>
#include <string.h>

/* One word is a whole command line, as a shell reads it; several are the words of one. Owned. */
static char *command_text(const struct opts *o)
{
    struct buf b = {0};
    if (o->word_count == 1)
        return mem_strdup(o->words[0]);
    for (size_t i = 0; i < o->word_count; i++) {
        buf_add_text(&b, i ? " " : "");
        buf_add_quoted(&b, o->words[i]);
    }
    buf_add(&b, "", 1);
    return (char *)b.data;
}

static json_t *launch_request(const char *profile, json_t *command)
{
    json_t *request = request_new("launch"), *env = json_array();
    char **own = func_env_own();
    request_set_text(request, "profile", profile);
    json_object_set_new(request, "command", command);
    for (char **entry = own; *entry; entry++) {
        json_t *text = json_string(*entry);
        if (text)
            json_array_append_new(env, text);
        free(*entry);
    }
    free(own);
    json_object_set_new(request, "local_env", env);
    return request;
}

int cmd_launch(const struct opts *o, bool json)
{
    const char *own = getenv("CLOWDER_PROFILE"), *profile = opts_text(o, "profile", own && *own ? own : "default");
    json_t *reply = NULL;
    if (!o->word_count || !*o->words[0])
        return say(2, "launch: give a command; see clowder launch --help");
    char *text = command_text(o);
    json_t *command = json_string(text);
    free(text);
    if (!command)
        return say(2, "launch: the command is not UTF-8 text");
    struct clowder *c = open_client(false);
    int status = c ? request_told(c, launch_request(profile, command), 30000, &reply) : 1;
    clowder_close(c);
    if (status)
        return status;
    if (json) {
        json_print(reply);
        return 0;
    }
    say(0, "%s: a daemon starts on %s", json_text(reply, "profile"), json_text(reply, "host"));
    json_decref(reply);
    return 0;
}
