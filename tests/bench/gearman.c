/* Gearman at its quickest, for comparison: gearman worker PORT (gives each workload back), gearman client PORT N (N
 * tasks on their way together; tasks/s), gearman single PORT N (one after the other; p50 and p99 in microseconds).
 * Built by peers.py where libgearman is installed. */
#include <libgearman/gearman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static gearman_return_t echo(gearman_job_st *job, void *context)
{
    (void)context;
    return gearman_job_send_complete(job, gearman_job_workload(job), gearman_job_workload_size(job));
}

static void work(in_port_t port)
{
    gearman_worker_st *w = gearman_worker_create(NULL);
    gearman_worker_add_server(w, "127.0.0.1", port);
    gearman_worker_define_function(w, "echo", 4, gearman_function_create(echo), 0, NULL);
    while (gearman_worker_work(w) == GEARMAN_SUCCESS)
        ;
}

static void pipelined(gearman_client_st *c, long n)
{
    double began = now_us();
    enum { TOGETHER = 1000 };
    for (long done = 0; done < n; done += TOGETHER) {
        gearman_return_t rc;
        for (int i = 0; i < TOGETHER; i++)
            gearman_client_add_task(c, NULL, NULL, "echo", NULL, "0123456789abcdef", 16, &rc);
        if (gearman_client_run_tasks(c) != GEARMAN_SUCCESS)
            exit(1);
        gearman_client_task_free_all(c);
    }
    printf("%.0f\n", (double)n * 1e6 / (now_us() - began));
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void single(gearman_client_st *c, long n)
{
    double *us = calloc((size_t)n, sizeof *us);
    for (long i = 0; us && i < n; i++) {
        size_t size;
        gearman_return_t rc;
        double began = now_us();
        free(gearman_client_do(c, "echo", NULL, "0123456789abcdef", 16, &size, &rc));
        us[i] = now_us() - began;
    }
    qsort(us, (size_t)n, sizeof *us, by_size);
    printf("%.1f %.1f\n", us[n / 2], us[n * 99 / 100]);
    free(us);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    in_port_t port = (in_port_t)atoi(argv[2]);
    if (strcmp(argv[1], "worker") == 0)
        work(port);
    gearman_client_st *c = gearman_client_create(NULL);
    gearman_client_add_server(c, "127.0.0.1", port);
    if (argc == 4 && strcmp(argv[1], "client") == 0)
        pipelined(c, atol(argv[3]));
    else if (argc == 4)
        single(c, atol(argv[3]));
    gearman_client_free(c);
    return 0;
}
