/* A map from the command line: inputs read by one thread, results written by another, signals and progress beside them.
 */
#ifndef TUI_CLI_MAP_H
#define TUI_CLI_MAP_H

#include "base/mem.h"
#include "tui/cli/columns.h"
#include "tui/cli/command.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { MAP_VARIABLES_MAX = 256 };

struct map {
    struct clowder *c;
    struct clowder_job *job;
    struct clowder_function f;
    const char **argv, **ship, **in, **out, **names, **wrap, **env;
    char *variables[MAP_VARIABLES_MAX]; /* of env, that were made here */
    unsigned variable_count;
    char *wrap_text;   /* that the words of wrap lie in */
    char *own_profile; /* of -n N, or NULL */
    bool json, tag, tag_daemon, stop, null, dry_run, stdout_is_terminal;

    /* inputs */
    struct columns columns;
    char **words; /* after :::, or NULL */
    size_t word_count;
    void (*feed)(struct map *m, void *arg); /* where they come from instead, by map_put_at(); or NULL */
    void *feed_arg;
    bool (*sink)(struct map *m, const char *input, size_t len); /* where they go instead of to a job; or NULL */
    void *sink_arg;
    void (*pause_cb)(struct map *m); /* with sink: the next input may take a while */
    int input_fd;
    bool *skip; /* by index, from the joblog; skip_count long */
    size_t skip_count;
    uint64_t read_count; /* inputs read, skipped ones too */
    _Atomic bool input_done;
    _Atomic int stopping; /* signals seen */
    int stop_fd;          /* readable once it is stopping */
    pthread_t reader;
    struct clowder_error input_error;

    /* results */
    const char *out_path; /* of -o, or NULL: stdout */
    bool out_force, out_append;
    FILE *joblog;
    const char *joblog_path;
    uint64_t out_known; /* bytes of results that the job log accounts for */
    long joblog_at;     /* where its new lines go; below 0: it is no file that has a place */
    bool joblog_failed; /* told; it is not written any more */
    uint64_t ended_us;  /* of the result that is written; 0: just now */
    uint64_t done, failed;
    int task_status;     /* of the last task that did not go well, as a shell would say it */
    const char *results; /* folder for what each task wrote and made, or NULL */
    bool results_failed; /* told */
    struct progress *progress;
};

/* map_input.c */
void map_read_inputs(struct map *m); /* the reader's whole life */
/* For feed: puts the task of that index, which is higher than the one before. False when no more are taken. */
bool map_put_at(struct map *m, uint64_t index, const char *input, size_t len);
/* What the job log is opened for. Whatever it is, nothing is changed in it before map_begin_output(). */
enum map_joblog { JOBLOG_NEW, JOBLOG_RESUME, JOBLOG_RESUME_FAILED };
int map_load_joblog(struct map *m, const char *path, enum map_joblog how);

/* The file of -o and the job log, from here on: to be called once the job is accepted, for a refused one leaves both as
 * they were. 0, or told. */
int map_begin_output(struct map *m);

/* map_output.c */
/* False when stdout takes no more, which has been told: what comes now would be lost. */
bool map_write_result(struct map *m, const struct clowder_result *r);
/* Closes it. False, and told, when not all of it could be written. */
bool map_close_joblog(struct map *m);
/* One object, in one line. */
void map_write_json(const struct map *m, FILE *out, const struct clowder_result *r, bool with_output);
void map_write_dry(const struct map *m, const char *input, size_t len, uint64_t index);

/* map_results.c: the folder of one task in m->results: stdout, stderr, status.json. False, and told, when they cannot
 * be written. */
/* An earlier job's results are not mixed with others. 0, or told. */
int map_check_results(const char *command, const char *folder);
bool map_save_result(struct map *m, const struct clowder_result *r);

/* A feed: what the lists of m->columns make. */
void map_feed_lists(struct map *m, void *arg);
/* A feed: all that stdin gives is the input of the one task; a terminal gives none. */
void map_feed_stdin(struct map *m, void *arg);

/* cmd_map.c */
/* Of all that run tasks. 0, or told. */
int map_task_options(const struct opts *o, struct map *m, int64_t *n);
/* The first count words. */
int map_set_argv(const struct opts *o, struct map *m, size_t count);
/* The function, its inputs and the daemons of its own (*n, 0: none) from the options of map, as far as submit has them
 * too. 0, or told. */
int map_options(const struct opts *o, struct map *m, int64_t *n);
/* -o FILE and --force, of commands that print results. A file that is there is refused without --force. 0, or told. */
int map_output_options(const struct opts *o, struct map *m);
void map_fini(struct map *m);

/* map_run.c */
/* Opens the job (and, with -n, its daemons), runs it to its end and cleans up. Returns the exit status. */
int map_run(struct map *m, unsigned own_daemons);

/* progress.c: one line on stderr, redrawn */
struct progress;
struct progress *progress_new(void);
void progress_draw(struct progress *p, uint64_t done, uint64_t failed, uint64_t total, bool total_known);
void progress_clear(struct progress *p);
void progress_free(struct progress *p);

#endif
