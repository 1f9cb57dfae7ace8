/* The dispatcher in virtual time: daemons and submitters are a model, the dispatcher (disp.h) is the one that engines
 * run. What comes out is what it would do on so many daemons, and what it costs itself. Virtual figures depend on the
 * options alone (and on the machine's libm); those of CPU and memory are measured. */
#ifndef ENGINE_SCHED_SIM_H
#define ENGINE_SCHED_SIM_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { SIM_MIX_MAX = 16 };

/* How long tasks take. Times in ns. */
struct sim_times {
    enum { SIM_CONST, SIM_EXP, SIM_UNIFORM, SIM_LOGNORMAL, SIM_MIX } kind;
    double a, b; /* const: the time; exp: mean; uniform: from, to; lognormal: median, sigma */
    unsigned mix_count;
    double mix_ns[SIM_MIX_MAX], mix_below[SIM_MIX_MAX]; /* times, and their weights summed up to 1 */
};

struct sim_random {
    uint64_t state[4];
};
void sim_random_init(struct sim_random *r, uint64_t seed);
uint64_t sim_random_bits(struct sim_random *r);
/* Uniform in (0, 1]; exponential of mean 1. */
double sim_random_unit(struct sim_random *r);
double sim_random_exp(struct sim_random *r);

/* "10ms", "2.5us", "100ns", "1s", "2m", "1h", "0"; at most 100 days. */
enum clw_err sim_parse_span(const char *text, uint64_t *ns, struct clw_error *err);
/* const:T, exp:MEAN, uniform:FROM,TO, lognormal:MEDIAN,SIGMA, mix:A*WEIGHT,B*WEIGHT,... */
enum clw_err sim_parse_times(const char *text, struct sim_times *t, struct clw_error *err);
/* What n tasks take together, drawn exactly. */
uint64_t sim_times_sum(const struct sim_times *t, struct sim_random *r, uint32_t n);

struct sim_options {
    uint32_t hosts, daemons, jobs; /* at least 1 each */
    uint64_t tasks, seed;
    uint32_t input_bytes;
    struct sim_times times;
    uint64_t rtt_ns;     /* engine to daemon and back */
    uint64_t message_ns; /* what the engine takes for each message; it does one after the other */
    double fail;         /* probability that a task fails */
    uint32_t retry_failed, retries;
    double lose_per_hour; /* deaths of each daemon */
    uint64_t back_ns;     /* until a lost one is back */
    double rate;          /* tasks that come per second, at random moments; 0: they are all there */
    uint64_t budget_bytes;
    bool speculate;
};

struct sim_result {
    uint64_t wall_ns; /* virtual: until the last task ended */
    double work_ns;   /* of the tries that counted */
    double wait_ns;   /* mean, from a task's arrival at the engine until it began */
    uint64_t completed, failed, retried, speculated, deaths;
    uint64_t awaiting_peak, executing_peak, queue_peak_bytes;
    uint64_t batches, messages;
    double disp_ns, join_ns, lost_ns; /* CPU of the dispatcher: per task; per daemon that joined; per one that died */
    double cpu_s, elapsed_s;          /* of the simulation */
    uint64_t rss_peak_bytes;
};

void sim_run(const struct sim_options *o, struct sim_result *r);

#endif
