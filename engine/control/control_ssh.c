/* What ssh makes of its configuration, for whoever imports hosts from it. */
#include "engine/control/control_internal.h"

#include "hosts/ssh/ssh_config.h"

static json_t *ssh_config_host(const char *name, const struct ssh_host *h)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "name", name, "address", h->hostname, "user",
        h->has_user ? h->user : "", "port", h->has_port ? (int)h->port : 0, "jump", h->proxy_jump, "identity",
        h->has_identity && h->identity.count ? h->identity.items[0] : "");
}

/* Asks ssh for each name. A name that is none to ssh is passed over, and noted; what ssh refuses, it refuses for all.
 */
static enum clw_err add_ssh_hosts(const char *path, const struct ssh_words *names, int cancel_fd, json_t *list,
    struct buf *notes, struct clw_error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        struct ssh_host h;
        enum clw_err code =
            ssh_config_lookup(&(struct ssh_query){.config = path, .alias = names->items[i]}, cancel_fd, &h, err);
        if (code && code != CLW_USAGE)
            return code;
        json_t *host = code ? NULL : ssh_config_host(names->items[i], &h);
        if (host)
            json_array_append_new(list, host);
        if (code)
            buf_printf(notes, "%s%s", notes->len ? "\n" : "", err->message);
        else
            ssh_host_fini(&h);
    }
    return CLW_OK;
}

static json_t *ssh_config_json(const char *path, int cancel_fd)
{
    struct ssh_words names = {0};
    struct buf notes = {0};
    struct clw_error err;
    json_t *o = reply_ok(), *list = json_array();
    enum clw_err code = ssh_config_names(path, &names, &err);
    if (!code)
        code = add_ssh_hosts(path, &names, cancel_fd, list, &notes, &err);
    json_t *text = json_stringn((const char *)notes.data, notes.len);
    json_object_set_new(o, "hosts", list);
    json_object_set_new(o, "notes", text ? text : json_string(""));
    ssh_words_fini(&names);
    buf_fini(&notes);
    if (!code)
        return o;
    json_decref(o);
    return reply_error(&err);
}

static void read_ssh_config(void *arg)
{
    struct reading *r = arg;
    r->reply = ssh_config_json(request_text(r->request, "path", NULL), r->engine->doctor_fd);
}

json_t *control_ssh_config(const struct call *c)
{
    reading_ask_ssh(reading_new(c, NULL), read_ssh_config, reading_answer);
    return NULL;
}
