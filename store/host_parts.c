/* The parts of a host: words for launchers, checks, tags, GPUs, the end of a struct. */
#include "store/host_internal.h"

#include "base/text.h"
#include "store/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const launchers[] = {
#define X(name, word) word,
    STORE_LAUNCHER_TABLE(X)
#undef X
        NULL};

const char *store_launcher_text(enum store_launcher launcher)
{
    return (unsigned)launcher < STORE_LAUNCHER_COUNT ? launchers[launcher] : "?";
}

enum clw_err store_launcher_parse(const char *text, enum store_launcher *out, struct clw_error *err)
{
    struct store__shown shown;
    int found = store__word(launchers, STORE_LAUNCHER_COUNT, text);
    if (found >= 0) {
        *out = (enum store_launcher)found;
        return CLW_OK;
    }
    const char *near = text_nearest(text, launchers);
    return clw_fail(err, CLW_USAGE, "one of: ssh local slurm pbs sge lsf command manual", "%s is not a launcher%s%s%s",
        store__show(&shown, text), near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
}

bool store_launcher_is_scheduler(enum store_launcher launcher)
{
    return launcher == STORE_LAUNCHER_SLURM || launcher == STORE_LAUNCHER_PBS || launcher == STORE_LAUNCHER_SGE ||
           launcher == STORE_LAUNCHER_LSF;
}

bool store_host_has_ssh(const struct store_host *h)
{
    bool is_elsewhere = *h->address && strcmp(h->address, "local") != 0;
    return h->launcher == STORE_LAUNCHER_SSH || (store_launcher_is_scheduler(h->launcher) && is_elsewhere);
}

void store_host_init(struct store_host *h)
{
    *h = (struct store_host){.launcher = STORE_LAUNCHER_SSH, .enabled = true};
    store_settings_init(&h->manners);
}

void store_host_fini(struct store_host *h)
{
    free(h->jump);
    free(h->identity);
    free(h->note);
    free(h->directives);
    free(h->cache);
    free(h->facts);
    free(h->reason);
    free(h->gpus);
    store_strings_fini(&h->tags);
    *h = (struct store_host){0};
}

void store_host_list_fini(struct store_host_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        store_host_fini(&list->items[i]);
    free(list->items);
    *list = (struct store_host_list){0};
}

void store__plain_address(const char *address, char *out)
{
    size_t len = strlen(address);
    bool bracketed = len > 2 && address[0] == '[' && address[len - 1] == ']' && strchr(address, ':');
    snprintf(out, STORE_ADDRESS_SIZE, "%.*s", (int)(bracketed ? len - 2 : len), address + bracketed);
}

static enum clw_err check_texts(const struct store_host *h, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    if (h->identity)
        code = store__check_text("the path of the key", h->identity, 4095, STORE__LINE, err);
    if (!code && h->note)
        code = store__check_text("the note", h->note, 4096, STORE__BLOCK, err);
    if (!code && h->directives)
        code = store__check_text("the text for the scheduler", h->directives, 16384, STORE__BLOCK, err);
    if (!code && h->cache && *h->cache)
        code = store__check_text("the cache folder", h->cache, 1000, STORE__LINE, err);
    if (!code && h->cache && *h->cache && *h->cache != '/' && strncmp(h->cache, "~/", 2) != 0)
        code = clw_fail(err, CLW_USAGE, "write it like /scratch/me/clowder or ~/clowder",
            "the cache folder is not a path from / or ~/ on");
    return code;
}

static enum clw_err check_manners(const struct store_host *h, struct clw_error *err)
{
    if (h->connect_timeout_s > STORE_CONNECT_MAX_S)
        return clw_fail(err, CLW_USAGE, NULL, "a connection may take at most an hour");
    return store_settings_check(&h->manners, err);
}

static enum clw_err check_tags(const struct store_strings *tags, struct clw_error *err)
{
    enum clw_err code = CLW_OK;
    if (tags->count > STORE_TAGS_MAX)
        return clw_fail(err, CLW_USAGE, NULL, "a host has at most %d tags", STORE_TAGS_MAX);
    for (size_t i = 0; !code && i < tags->count; i++)
        code = store_check_name("tag", tags->items[i], err);
    return code;
}

enum clw_err store_host_check(const struct store_host *h, struct clw_error *err)
{
    char address[STORE_ADDRESS_SIZE], mac[STORE_MAC_SIZE];
    enum clw_err code = store_check_name("host", h->name, err);
    store__plain_address(h->address, address);
    if (!code && (unsigned)h->launcher >= STORE_LAUNCHER_COUNT)
        code = clw_fail(err, CLW_USAGE, NULL, "%u is not a launcher", (unsigned)h->launcher);
    if (!code && h->launcher == STORE_LAUNCHER_COMMAND && !(h->directives && *h->directives))
        code = clw_fail(err, CLW_USAGE, "give one: --launch-command 'docker run -i --rm IMAGE clowder-daemon'",
            "host %s has no command to launch its daemons", h->name);
    if (!code && *address)
        code = store_check_address(address, err);
    if (!code && *h->user)
        code = store_check_user(h->user, err);
    if (!code && h->jump && *h->jump)
        code = store_check_jump(h->jump, err);
    if (!code && h->jump && !strcmp(h->jump, h->name))
        code =
            clw_fail(err, CLW_USAGE, "give the name of another host", "host %s cannot be its own jump host", h->name);
    if (!code && *h->mac)
        code = store_parse_mac(h->mac, mac, err);
    if (!code)
        code = check_texts(h, err);
    if (!code)
        code = check_manners(h, err);
    return code ? code : check_tags(&h->tags, err);
}

enum clw_err store__host_tags_set(struct store *s, int64_t id, const struct store_strings *tags, struct clw_error *err)
{
    enum clw_err code = store__exec(s, "DELETE FROM host_tag WHERE host = ?1", ARGS(INT(id)), NULL, err);
    for (size_t i = 0; !code && i < tags->count; i++)
        code = store__exec(s, "INSERT OR IGNORE INTO host_tag(host, tag) VALUES(?1, ?2)",
            ARGS(INT(id), TEXT(tags->items[i])), NULL, err);
    return code;
}

static enum clw_err load_tags(struct store *s, struct store_host *h, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    enum clw_err code =
        store__prepare(s, "SELECT tag FROM host_tag WHERE host = ?1 ORDER BY tag", ARGS(INT(h->id)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        char *tag = store__text(stmt, 0);
        store_strings_add(&h->tags, tag);
        free(tag);
    }
    store__release(s, stmt);
    return code;
}

/* What was measured, or went last, is no setting of the user's: where it is not as it would be written, the host is as
 * one that nobody has looked at, and nothing else is lost. */
static void forget_unfit(struct store_host *h)
{
    if (*h->state && store_check_name("state", h->state, NULL))
        h->state[0] = '\0';
    if (h->reason && store__check_text("its reason", h->reason, STORE__REASON_MAX, STORE__BLOCK, NULL))
        h->reason[0] = '\0';
    if (h->facts && !store__facts_are_clean(h->facts)) {
        free(h->facts);
        h->facts = NULL;
        h->probed_at_us = 0;
    }
}

static bool is_fit(const struct store_gpu *gpu)
{
    return !store__check_text("a GPU", gpu->name, sizeof gpu->name, STORE__LINE, NULL) &&
           !store__check_text("a driver", gpu->driver, sizeof gpu->driver, STORE__LINE, NULL);
}

static enum clw_err load_gpus(struct store *s, struct store_host *h, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    enum clw_err code =
        store__prepare(s, "SELECT number, name, mem_bytes, driver FROM gpu WHERE host = ?1 ORDER BY number",
            ARGS(INT(h->id)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        h->gpus = store__grow(h->gpus, h->gpu_count, sizeof *h->gpus);
        struct store_gpu *gpu = &h->gpus[h->gpu_count++];
        gpu->index = (unsigned)sqlite3_column_int(stmt, 0);
        store__copy(stmt, 1, gpu->name, sizeof gpu->name);
        gpu->mem_bytes = store__u64(stmt, 2);
        store__copy(stmt, 3, gpu->driver, sizeof gpu->driver);
        h->gpu_count -= !is_fit(gpu);
    }
    store__release(s, stmt);
    return code;
}

enum clw_err store__host_load_parts(struct store *s, struct store_host *h, struct clw_error *err)
{
    enum clw_err code = load_tags(s, h, err);
    if (!code)
        code = load_gpus(s, h, err);
    if (code)
        return code;
    forget_unfit(h);
    return store__distrust(s, "host", h->name, store_host_check(h, err), err);
}
