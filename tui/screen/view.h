/* What the screens know: values copied out of the engine's answers and the store. A view is made by a feed's thread and
 * handed over whole to the thread of the screens. There it is held by all whose rows point into it (see ui.h): hold and
 * rele are for that thread alone. */
#ifndef TUI_SCREEN_VIEW_H
#define TUI_SCREEN_VIEW_H

#include "store/event.h"
#include "store/host.h"
#include "store/job.h"
#include "store/launch.h"
#include "store/profile.h"

#include <stdbool.h>
#include <stdint.h>

enum { VIEW_LAST = 60, VIEW_STEPS = 9, VIEW_GPUS = 16, VIEW_EVENTS = 2000, VIEW_JOBS = 1000, VIEW_LAUNCHES = 500 };

struct view_gpu {
    int index;
    char name[96];
    double busy;         /* 0 to 100; below 0: unknown */
    int temp_c, power_w; /* below 0: unknown */
    uint64_t mem_used, mem_bytes;
};

struct view_daemon {
    char name[96], host[STORE_NAME_SIZE], state[16], reason[200];
    int64_t pid;
    uint64_t done, failed, up_s, rss_bytes;
    double cpu, rate; /* below 0: unknown */
};

struct view_facts { /* 0, below 0 or "": unknown */
    unsigned cores;
    double load1;
    uint64_t mem_total, mem_available, disk_free, rtt_us;
    uint64_t gpu_free; /* memory that nobody uses, on the GPU with the most of it */
    int64_t uptime_s;
    char os[96], kernel[64], arch[24], user[64], runtimes[160], gpus[240]; /* gpus: makers and names, a line each */
};

struct view_at_host { /* a profile's share on a host */
    char host[STORE_NAME_SIZE], state[24];
    unsigned daemons;
    char suspicion[160]; /* "": none */
    double rate, load;   /* below 0: unknown */
    uint64_t memory;
    struct view_gpu gpus[VIEW_GPUS];
    unsigned gpu_count;
};

struct view_profile {
    char name[STORE_NAME_SIZE], state[16], reason[300], runtime[24];
    unsigned wanted, connected, busy, launching, lost;
    uint64_t awaiting, executing, completed, failed, cancelled, retried;
    double rate, mean, last[VIEW_LAST];
    bool is_foreign; /* its daemons take their tasks from a base of their own: */
    bool is_opaque;  /* … in bytes that show no tasks */
    char base[128];
    unsigned connections;
    double bytes_rate;
    uint64_t mem_used, mem_budget;
    struct view_daemon *daemons;
    size_t daemon_count;
    struct view_at_host *hosts;
    size_t host_count;
};

struct view_engine {
    unsigned holds; /* beside the first */
    uint64_t at_ms; /* mono_ms() of the answer */
    bool alive;
    int64_t pid;
    uint64_t uptime_s, rss_bytes;
    char version[24];
    struct view_profile *profiles;
    size_t profile_count;
};

enum { VIEW_PROMPT_SIZE = 300 };

struct view_link {
    char host[STORE_NAME_SIZE], state[24], step[24], reason[400], hint[300];
    uint64_t since_s, retry_in_s, attempts, failures, rtt_us, bytes_up, bytes_down, daemons;
    int64_t steps_ms[VIEW_STEPS]; /* below 0: not reached */
    bool has_key, key_changed;
    char key_host[256], key_type[32], fingerprint[64], key_file[300];
    uint64_t key_line;
    bool has_prompt, prompt_echo, prompt_again;
    char prompt_kind[16], prompt[VIEW_PROMPT_SIZE];
};

struct view_job_host {
    char host[STORE_NAME_SIZE];
    uint64_t done, failed;
};

struct view_job {
    int64_t id;
    char name[STORE_JOB_NAME_SIZE], profile[STORE_NAME_SIZE], state[16], command[512];
    uint64_t awaiting, executing, done, failed, cancelled, total, submitted_us;
    bool total_known, detached;
    char reason[400]; /* why it waits, or "" */
    double rate;
    struct view_job_host *hosts;
    size_t host_count;
};

/* The engine's links and jobs, as its requests hosts and jobs tell them. */
struct view_links {
    unsigned holds;
    struct view_link *links;
    size_t link_count;
    struct view_job *jobs;
    size_t job_count;
};

struct view_store {
    unsigned holds;
    struct store_host_list hosts;
    struct view_facts *facts; /* of each host */
    struct store_profile_list profiles;
    struct store_job_list jobs;
    struct store_event_list events;
    struct store_launch_list launches;
    char theme[24];
    char error[712]; /* why there is nothing, or nothing new */
};

/* Each may be NULL: not known yet. */
struct views {
    struct view_engine *engine;
    struct view_links *links;
    struct view_store *store;
};

/* The words of steps_ms, in order. */
extern const char *const view_steps[VIEW_STEPS];

/* NULL when text is no such document. Owned. */
struct view_engine *view_engine_read(const char *json);
/* Either text may be NULL. Owned. */
struct view_links *view_links_read(const char *hosts_json, const char *jobs_json);
/* The hosts of a store into v. */
enum clw_err view_store_hosts(struct view_store *v, struct store *s, struct clw_error *err);
/* One more that holds it; returns v. NULL is fine, also below. */
struct view_engine *view_engine_hold(struct view_engine *v);
struct view_links *view_links_hold(struct view_links *v);
struct view_store *view_store_hold(struct view_store *v);
/* One less; the last one frees it. */
void view_engine_rele(struct view_engine *v);
void view_links_rele(struct view_links *v);
void view_store_rele(struct view_store *v);

/* Found by name, or NULL. v may be NULL. Borrowed. */
const struct view_profile *view_profile_find(const struct view_engine *v, const char *name);
const struct view_link *view_link_find(const struct view_links *v, const char *host);
const struct store_host *view_host_find(const struct view_store *v, const char *name);
const struct store_profile *view_profile_saved(const struct view_store *v, const char *name);

#endif
