/* The failed tasks of the job under the cursor, out of the store: read page by page, and again as more come. */
#ifndef TUI_SCREEN_JOB_FAILURES_H
#define TUI_SCREEN_JOB_FAILURES_H

#include "store/valid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A failed task as the list shows it; the whole stderr is read when it is looked at. */
struct job_failure {
    uint64_t task;
    unsigned attempts;
    char host[STORE_NAME_SIZE], status[48], message[120];
};

struct job_failures {
    int64_t job; /* 0: none */
    struct job_failure *items;
    size_t count;
    uint64_t known; /* how many the job counted when they were read last */
    bool reading, settled;
    uint64_t read_ms;
};

struct ui;
/* Of this job (0: none), which counts so many of them. True: the list is another one now. What is read comes by itself
 * and is told to changed, in the thread of the screens. */
bool job_failures_update(
    struct job_failures *l, struct ui *ui, int64_t job, uint64_t count, void (*changed)(struct ui *ui));
void job_failures_fini(struct job_failures *l);

#endif
