/* The history of throughput. */
#include "store/sample.h"

#include "store/store_internal.h"

#include <stdlib.h>

#define HOUR_S 3600
#define DAY_S 86400
#define TASKS_MAX (UINT64_C(1) << 40) /* of one call; keeps sums inside 64 bits */

void store_sample_list_fini(struct store_sample_list *list)
{
    free(list->items);
    *list = (struct store_sample_list){0};
}

enum clw_err store_sample_add(struct store *s, const struct store_sample *samples, size_t count, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    for (size_t i = 0; !code && i < count; i++) {
        uint64_t tasks = samples[i].tasks < TASKS_MAX ? samples[i].tasks : TASKS_MAX;
        code = store__exec(s,
            "INSERT INTO sample(span_s, at_s, profile, tasks) VALUES(1, ?1, ?2, ?3)"
            " ON CONFLICT DO UPDATE SET tasks = tasks + excluded.tasks",
            ARGS(INT(samples[i].at_s), TEXT(samples[i].profile), INT(tasks)), NULL, err);
    }
    return store__end(s, code, err);
}

/* Everything of span `from` that starts before limit_s (a multiple of `to`) becomes span `to`. */
static enum clw_err merge(struct store *s, int64_t from, int64_t to, int64_t limit_s, struct clw_error *err)
{
    enum clw_err code = store__exec(s,
        "INSERT INTO sample(span_s, at_s, profile, tasks)"
        " SELECT ?2, at_s - at_s % ?2, profile, sum(tasks) FROM sample WHERE span_s = ?1 AND at_s < ?3"
        " GROUP BY at_s - at_s % ?2, profile ON CONFLICT DO UPDATE SET tasks = tasks + excluded.tasks",
        ARGS(INT(from), INT(to), INT(limit_s)), NULL, err);
    if (!code)
        code = store__exec(
            s, "DELETE FROM sample WHERE span_s = ?1 AND at_s < ?2", ARGS(INT(from), INT(limit_s)), NULL, err);
    return code;
}

enum clw_err store_sample_downsample(struct store *s, int64_t now_s, struct clw_error *err)
{
    int64_t seconds_from = now_s - HOUR_S, minutes_from = now_s - DAY_S, hours_from = now_s - INT64_C(30) * DAY_S;
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = merge(s, 1, 60, seconds_from - seconds_from % 60, err);
    if (!code)
        code = merge(s, 60, HOUR_S, minutes_from - minutes_from % HOUR_S, err);
    if (!code)
        code = store__exec(s, "DELETE FROM sample WHERE span_s = 3600 AND at_s < ?1",
            ARGS(INT(hours_from - hours_from % HOUR_S)), NULL, err);
    return store__end(s, code, err);
}

enum clw_err store_sample_list(struct store *s, const char *profile, int64_t from_s, int64_t to_s,
    struct store_sample_list *out, struct clw_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct store_sample_list){0};
    const char *sql = profile ? "SELECT profile, at_s, span_s, tasks FROM sample"
                                " WHERE profile = ?3 AND at_s < ?2 AND at_s + span_s > ?1 ORDER BY at_s, span_s"
                              : "SELECT '', at_s, span_s, sum(tasks) FROM sample"
                                " WHERE at_s < ?2 AND at_s + span_s > ?1 GROUP BY at_s, span_s ORDER BY at_s, span_s";
    const struct store__arg *one = ARGS(INT(from_s), INT(to_s), TEXT(profile));
    enum clw_err code = store__prepare(s, sql, profile ? one : ARGS(INT(from_s), INT(to_s)), &stmt, err);
    while (!code && store__next(s, stmt, &code, err)) {
        out->items = store__grow(out->items, out->count, sizeof *out->items);
        struct store_sample *sample = &out->items[out->count++];
        store__copy(stmt, 0, sample->profile, sizeof sample->profile);
        sample->at_s = sqlite3_column_int64(stmt, 1);
        sample->span_s = (unsigned)sqlite3_column_int(stmt, 2);
        sample->tasks = store__u64(stmt, 3);
    }
    store__release(s, stmt);
    if (code)
        store_sample_list_fini(out);
    return code;
}
