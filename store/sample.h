/* The history of throughput: tasks finished in a span of time, coarser as it ages. */
#ifndef STORE_SAMPLE_H
#define STORE_SAMPLE_H

#include "store/store.h"
#include "store/valid.h"

#include <stddef.h>

struct store_sample {
    char profile[STORE_NAME_SIZE];
    int64_t at_s;    /* start of the span: seconds since 1970, a multiple of span_s */
    unsigned span_s; /* 1, 60 or 3600 */
    uint64_t tasks;
};

struct store_sample_list {
    struct store_sample *items;
    size_t count;
};

/* Adds the tasks of whole seconds (span_s is ignored and taken as 1) to what is known of those seconds. All
 * or none. */
enum clw_err store_sample_add(struct store *s, const struct store_sample *samples, size_t count, struct clw_error *err);
/* Ages the history: seconds are kept for the hour before now_s, then merged into minutes; minutes for a day,
 * then into hours; hours for 30 days, then dropped. Merging keeps the sums. Cheap; meant for once a minute or
 * so. */
enum clw_err store_sample_downsample(struct store *s, int64_t now_s, struct clw_error *err);
/* The samples of a profile that overlap [from_s, to_s), by time. NULL: sums over all profiles, each with an
 * empty profile. On failure *out is empty. */
enum clw_err store_sample_list(struct store *s, const char *profile, int64_t from_s, int64_t to_s,
    struct store_sample_list *out, struct clw_error *err);
void store_sample_list_fini(struct store_sample_list *list);

#endif
