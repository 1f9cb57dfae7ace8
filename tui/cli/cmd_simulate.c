/* simulate: the engine's dispatcher in virtual time. Needs no engine, and touches nothing. */
#include "tui/cli/command.h"

#include "base/text.h"
#include "engine/sched/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number in [min, max]; whole: like 1000 or 1e9. */
static int parse_number(const struct opts *o, const char *name, bool whole, double min, double max, double *value)
{
    const char *text = opts_text(o, name, NULL);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || *end || errno || strpbrk(text, "xXnNpP \t") || (whole && number != (double)(int64_t)number))
        return say(2, "simulate: --%s: '%s' is not a %snumber", name, text, whole ? "whole " : "");
    if (!(number >= min && number <= max))
        return say(2, "simulate: --%s: %s is not between %g and %g", name, text, min, max);
    *value = number;
    return 0;
}

static int parse_count(const struct opts *o, const char *name, double min, double max, uint32_t *value)
{
    double number = *value;
    int status = parse_number(o, name, true, min, max, &number);
    *value = (uint32_t)number;
    return status;
}

static int parse_span(const struct opts *o, const char *name, uint64_t *ns)
{
    struct clw_error err;
    const char *text = opts_text(o, name, NULL);
    if (!text || sim_parse_span(text, ns, &err) == CLW_OK)
        return 0;
    return say(2, "simulate: --%s: %s; %s", name, err.message, err.hint);
}

static int parse_times(const struct opts *o, struct sim_times *t)
{
    struct clw_error err;
    if (sim_parse_times(opts_text(o, "task-time", "exp:10ms"), t, &err) == CLW_OK)
        return 0;
    return say(2, "simulate: --task-time: %s; %s", err.message, err.hint);
}

static int parse(const struct opts *o, struct sim_options *s)
{
    double tasks = 1e6;
    int64_t seed = 1;
    if (o->word_count)
        return say(2, "simulate: takes no arguments, only options; see clowder simulate --help");
    if (parse_count(o, "hosts", 1, 65000, &s->hosts))
        return 2;
    s->daemons = 8 * s->hosts;
    if (parse_count(o, "daemons", 1, 10e6, &s->daemons) || parse_number(o, "tasks", true, 1, 1e12, &tasks) ||
        parse_count(o, "jobs", 1, 1e6, &s->jobs) || parse_times(o, &s->times) ||
        parse_count(o, "size", 0, 60000, &s->input_bytes) || parse_span(o, "rtt", &s->rtt_ns) ||
        parse_span(o, "message", &s->message_ns) || parse_number(o, "rate", false, 1e-6, 1e9, &s->rate) ||
        parse_number(o, "fail", false, 0, 1, &s->fail) || parse_count(o, "retry-failed", 0, 60000, &s->retry_failed) ||
        parse_number(o, "lose", false, 0, 1e6, &s->lose_per_hour) || parse_span(o, "back", &s->back_ns) ||
        parse_count(o, "retries", 0, 60000, &s->retries) || opts_size(o, "memory", &s->budget_bytes) ||
        opts_int(o, "seed", 0, INT64_MAX, &seed))
        return 2;
    s->tasks = (uint64_t)tasks;
    s->seed = (uint64_t)seed;
    s->speculate = opts_has(o, "speculate");
    if (s->hosts > s->daemons)
        return say(
            2, "simulate: %u hosts for %u daemons; each host needs one: --daemons %u", s->hosts, s->daemons, s->hosts);
    return 0;
}

static double per_s(const struct sim_options *o, const struct sim_result *r)
{
    return r->wall_ns ? (double)o->tasks * 1e9 / (double)r->wall_ns : 0;
}

static double efficiency(const struct sim_options *o, const struct sim_result *r)
{
    return r->wall_ns ? r->work_ns / ((double)r->wall_ns * o->daemons) : 0;
}

static void print_json(const struct sim_options *o, const struct sim_result *r)
{
    printf("{\"hosts\":%u,\"daemons\":%u,\"jobs\":%u,\"tasks\":%llu,\"seed\":%llu,", o->hosts, o->daemons, o->jobs,
        (unsigned long long)o->tasks, (unsigned long long)o->seed);
    printf("\"virtual_s\":%.9f,\"tasks_per_s\":%.3f,\"efficiency\":%.6f,\"wait_mean_us\":%.3f,",
        (double)r->wall_ns / 1e9, per_s(o, r), efficiency(o, r), r->wait_ns / 1000);
    printf("\"completed\":%llu,\"failed\":%llu,\"retried\":%llu,\"speculated\":%llu,\"deaths\":%llu,",
        (unsigned long long)r->completed, (unsigned long long)r->failed, (unsigned long long)r->retried,
        (unsigned long long)r->speculated, (unsigned long long)r->deaths);
    printf("\"awaiting_peak\":%llu,\"executing_peak\":%llu,\"queue_peak_bytes\":%llu,\"batches\":%llu,"
           "\"messages\":%llu,",
        (unsigned long long)r->awaiting_peak, (unsigned long long)r->executing_peak,
        (unsigned long long)r->queue_peak_bytes, (unsigned long long)r->batches, (unsigned long long)r->messages);
    printf("\"measured\":{\"dispatcher_ns_per_task\":%.2f,\"join_ns_per_daemon\":%.1f,\"lost_ns_per_daemon\":%.1f,"
           "\"cpu_s\":%.3f,\"elapsed_s\":%.3f,\"rss_peak_bytes\":%llu}}\n",
        r->disp_ns, r->join_ns, r->lost_ns, r->cpu_s, r->elapsed_s, (unsigned long long)r->rss_peak_bytes);
}

static void print_text(const struct sim_options *o, const struct sim_result *r)
{
    char a[32], b[32], c[32], rate[24];
    printf("simulated   %s tasks on %s daemons of %s hosts, seed %llu\n", text_count(a, sizeof a, o->tasks),
        text_count(b, sizeof b, o->daemons), text_count(c, sizeof c, o->hosts), (unsigned long long)o->seed);
    printf("virtual     %.6g s, %s tasks/s, efficiency %.3f, mean wait %.4g ms\n", (double)r->wall_ns / 1e9,
        text_rate(rate, sizeof rate, per_s(o, r)), efficiency(o, r), r->wait_ns / 1e6);
    printf("queue       at most %s waiting, %s with daemons, %s\n", text_count(a, sizeof a, r->awaiting_peak),
        text_count(b, sizeof b, r->executing_peak), text_bytes(c, sizeof c, r->queue_peak_bytes));
    printf("ended       %s done, %s failed or lost", text_count(a, sizeof a, r->completed),
        text_count(b, sizeof b, r->failed));
    printf("; %s tried again, %s run twice, %s daemons died\n", text_count(a, sizeof a, r->retried),
        text_count(b, sizeof b, r->speculated), text_count(c, sizeof c, r->deaths));
    printf("dispatcher  %.1f ns of CPU a task, %.0f a daemon that joins", r->disp_ns, r->join_ns);
    if (r->deaths)
        printf(", %.0f one that dies", r->lost_ns);
    printf(" (measured); %s batches\n", text_count(a, sizeof a, r->batches));
    printf("simulation  %.2f s, %.2f s of CPU, peak memory %s\n", r->elapsed_s, r->cpu_s,
        text_bytes(a, sizeof a, r->rss_peak_bytes));
}

int cmd_simulate(const struct opts *o, bool json)
{
    struct sim_options s = {.hosts = 1, .jobs = 1, .input_bytes = 16, .rtt_ns = 200000, .retries = 2};
    struct sim_result r;
    s.back_ns = 1000000000;
    int status = parse(o, &s);
    if (status)
        return status;
    sim_run(&s, &r);
    if (json)
        print_json(&s, &r);
    else
        print_text(&s, &r);
    return 0;
}
