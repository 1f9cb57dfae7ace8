/* The Jobs screen: maps, running and done, with the tasks that failed. */
#ifndef TUI_SCREEN_JOBS_H
#define TUI_SCREEN_JOBS_H

#include "tui/screen/ui.h"

/* A job, live or from the ledger, as values. */
struct job_row {
    int64_t id;
    const char *name, *profile, *state, *command;
    uint64_t total, done, failed, cancelled, executing, awaiting, submitted_us, finished_us;
    bool total_known, live, detached;
    double rate;
    const struct view_job *job; /* live */
};

const struct job_row *jobs_here(struct ui *ui);
/* NULL: there is none. */
const struct job_row *jobs_find(struct ui *ui, int64_t id);
/* The ids of the jobs that an action is for. Owned. */
int64_t *jobs_chosen(struct ui *ui, size_t *count);
/* Shows a failed task with its stderr. */
void jobs_show_failure(struct ui *ui, int64_t job, uint64_t task);

void jobs_submit(struct ui *ui);
void jobs_cancel(struct ui *ui);
void jobs_retry(struct ui *ui);
void jobs_save(struct ui *ui);
void jobs_collect(struct ui *ui);
const char *jobs_none(struct ui *ui);

#endif
