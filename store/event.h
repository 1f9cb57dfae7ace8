/* Events: what happened to hosts and profiles, for the Log screen and `clowder log`, across processes. */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "base/log.h"
#include "store/store.h"
#include "store/valid.h"

#include <stddef.h>

#define STORE_EVENT_ROWS 10000 /* kept; older ones go */
#define STORE_EVENT_TEXT_MAX 2000

struct store_event {
    int64_t id;     /* grows with every event, never given twice */
    uint64_t at_us; /* wall_us() */
    enum log_level level;
    char host[STORE_NAME_SIZE]; /* "": none; so is profile */
    char profile[STORE_NAME_SIZE];
    char *text; /* owned; NULL counts as "" */
};

struct store_event_list {
    struct store_event *items;
    size_t count;
};

/* NULL and 0 fields ask for everything. */
struct store_event_filter {
    int64_t after_id;     /* only later ones: to follow */
    enum log_level level; /* this or worse */
    const char *host;
    const char *profile;
};

/* Borrows event; its id is ignored. What is not UTF-8 is escaped, what is too long cut. */
enum clw_err store_event_add(struct store *s, const struct store_event *event, struct clw_error *err);
/* The newest limit events that pass filter (NULL: all), oldest of them first. On failure *out is empty. */
enum clw_err store_event_list(struct store *s, const struct store_event_filter *filter, size_t limit,
    struct store_event_list *out, struct clw_error *err);
void store_event_list_fini(struct store_event_list *list);

#endif
