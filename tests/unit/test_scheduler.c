/* The words of schedulers: what is submitted, run by a stand-in of each command, and tables as they print them. Slurm's
 * and Grid Engine's were recorded here, those of PBS and LSF are from their manuals. */
#include "hosts/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs a script with a home of its own and commands of ours first in PATH; what it printed. */
static char folder[] = "/tmp/clowder-sched.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void stand_in(const char *name, const char *script)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
}

static const char *run(struct buf *script)
{
    static char out[65536];
    char path[200], command[400];
    snprintf(path, sizeof path, "%s/script", folder);
    FILE *f = fopen(path, "w");
    fwrite(script->data, 1, script->len, f);
    fclose(f);
    snprintf(command, sizeof command, "HOME=%s PATH=%s:$PATH sh -s <%s", folder, folder, path);
    f = popen(command, "r");
    size_t n = fread(out, 1, sizeof out - 1, f);
    out[n] = '\0';
    pclose(f);
    buf_fini(script);
    return out;
}

/* A scheduler that keeps the script, and what runs one element of it. */
static void submit(enum scheduler_kind kind, const char *command, const char *keep, const char *says, const char *index,
    const char *want_arguments, const char *want_directive)
{
    const char *configs[] = {
        "url tls+tcp://@HOME@:5\ntoken one\n", "url tls+tcp://@HOME@:5\ntoken 'two\n", "url x\ntoken three\n"};
    char text[600], id[SCHEDULER_ID_SIZE];
    const struct scheduler_job job = {.name = "clowder-p",
        .folder = "launch-1",
        .program = "~/it's daemon",
        .directives = "-l a=1\n\n#already -q b\n",
        .configs = configs,
        .count = 3};
    struct buf script = {0}, element = {0};
    size_t len;
    snprintf(text, sizeof text, "echo \"$@\" >%s/arguments; %s >%s/kept; echo '%s'", folder, keep, folder, says);
    stand_in(command, text);
    stand_in("it's daemon", "cat; echo ran");
    scheduler_submit(kind, &job, &script);
    const char *out = run(&script);
    assert_int_equal(scheduler_status(out, &len), 0);
    assert_true(scheduler_read_id(kind, out, len, id));
    snprintf(text, sizeof text, "cat %s/arguments", folder);
    buf_add_text(&script, text);
    out = run(&script);
    assert_non_null(strstr(out, want_arguments));
    snprintf(text, sizeof text, "cat %s/kept", folder);
    buf_add_text(&script, text);
    out = run(&script);
    assert_non_null(strstr(out, want_directive));
    assert_non_null(strstr(out, "\n#already -q b\n"));
    assert_null(strstr(out, "token one"));
    snprintf(text, sizeof text,
        "%s sh %s/kept; ls %s/.cache/clowder/launch-1; stat -c %%a %s/.cache/clowder/launch-1/1", index, folder, folder,
        folder);
    buf_add_text(&element, text);
    assert_string_equal(run(&element), "url tls+tcp://127.0.0.1:5\ntoken 'two\nran\n1\n3\n600\n");
    /* The same element again has nothing left to read. */
    snprintf(text, sizeof text, "%s sh %s/kept; echo $?", index, folder);
    buf_add_text(&element, text);
    assert_string_equal(run(&element), "3\n");
    snprintf(text, sizeof text, "rm -rf %s/.cache", folder);
    assert_int_equal(system(text), 0);
}

static void submissions(void **state)
{
    (void)state;
    submit(SCHEDULER_SLURM, "sbatch", "for f; do :; done; cat \"$f\"", "42;cluster", "SLURM_ARRAY_TASK_ID=2",
        "--array=1-3", "\n#SBATCH -l a=1\n");
    submit(SCHEDULER_PBS, "qsub", "for f; do :; done; cat \"$f\"", "42[].server", "PBS_ARRAY_INDEX=2", "-J 1-3",
        "\n#PBS -l a=1\n");
    submit(
        SCHEDULER_SGE, "qsub", "for f; do :; done; cat \"$f\"", "42.1-3:1", "SGE_TASK_ID=2", "-t 1-3", "\n#$ -l a=1\n");
    submit(SCHEDULER_LSF, "bsub", "cat", "Job <42> is submitted to default queue <normal>.", "LSB_JOBINDEX=2",
        "-J clowder-p[1-3]", "\n#BSUB -l a=1\n");
}

static void refusals(void **state)
{
    (void)state;
    const char *configs[] = {"token x\n"};
    const struct scheduler_job job = {
        .name = "n", .folder = "launch-2", .program = "/p", .directives = "", .configs = configs, .count = 1};
    struct buf script = {0};
    size_t len;
    char id[SCHEDULER_ID_SIZE], text[200];
    stand_in("sbatch", "echo 'sbatch: error: no' >&2; exit 1");
    scheduler_submit(SCHEDULER_SLURM, &job, &script);
    const char *out = run(&script);
    assert_int_equal(scheduler_status(out, &len), 1);
    assert_memory_equal(out, "sbatch: error: no\n", len);
    assert_false(scheduler_read_id(SCHEDULER_SLURM, out, len, id));
    snprintf(text, sizeof text, "ls %s/.cache/clowder", folder);
    buf_add_text(&script, text);
    assert_string_equal(run(&script), "");
    assert_int_equal(scheduler_status("no such line", &len), -1);
    static const char *const over[] = {"scancel: error: Kill job error on job id 7: Invalid job id specified",
        "denied: job \"3\" does not exist", "qdel: Unknown Job Id 12.server", "Job <99> has already finished", NULL};
    for (const char *const *one = over; *one; one++)
        assert_true(scheduler_knows_not(*one, strlen(*one)));
    const char *away = "scancel: error: Unable to contact slurm controller (connect failure)";
    assert_false(scheduler_knows_not(away, strlen(away)));
    assert_false(scheduler_is_id("42; rm -rf /"));
    assert_false(scheduler_is_id("x42"));
    assert_true(scheduler_is_id("1234[].pbs.example.org"));
}

struct expected {
    unsigned index;
    enum scheduler_state state;
    const char *reason;
};

static void states(enum scheduler_kind kind, const char *id, const char *table, const struct expected *e)
{
    char reason[160];
    for (; e->index; e++) {
        assert_int_equal(scheduler_find(kind, table, strlen(table), id, e->index, reason, sizeof reason), e->state);
        assert_string_equal(reason, e->reason);
    }
}

static void tables(void **state)
{
    (void)state;
    states(SCHEDULER_SLURM, "7",
        "17_1|RUNNING|None|n9\n7_1|RUNNING|None|node1\n7_2|PENDING|Resources|\n7_3|PENDING|JobHeldUser|\n7_4|"
        "COMPLETING|None|node2\n8|RUNNING|None|n3\n",
        (struct expected[]){{1, SCHEDULER_RUNNING, "node1"}, {2, SCHEDULER_PENDING, "Resources"},
            {3, SCHEDULER_PENDING, "JobHeldUser"}, {4, SCHEDULER_RUNNING, "node2"}, {5, SCHEDULER_ENDED, ""}, {0}});
    states(SCHEDULER_SGE, "3",
        "job-ID  prior   name       user         state submit/start at     queue                          slots "
        "ja-task-ID \n"
        "--------------------------------------------------------------------------------------------------------------"
        "---\n"
        "      3 0.55500 clowder-p  root         r     11/25/2026 10:00:00 all.q@node1.example                1 1\n"
        "     13 0.55500 clowder-p  root         r     11/25/2026 10:00:00 all.q@node9.example                1 3\n"
        "      3 0.00000 clowder-p  root         qw    11/25/2026 10:00:00                                    1 2-4:1\n"
        "      3 0.00000 clowder-p  root         Eqw   11/25/2026 10:00:00                                    1 6\n",
        (struct expected[]){{1, SCHEDULER_RUNNING, "node1.example"}, {2, SCHEDULER_PENDING, "queued"},
            {4, SCHEDULER_PENDING, "queued"}, {5, SCHEDULER_ENDED, ""},
            {6, SCHEDULER_PENDING, "in error: see qstat -j"}, {0}});
    states(SCHEDULER_PBS, "12[].server",
        "Job id                 Name             User              Time Use S Queue\n"
        "---------------------  ---------------- ----------------  -------- - -----\n"
        "12[].server            clowder-p        me                0        B workq\n"
        "12[1].server           clowder-p        me                00:00:01 R workq\n"
        "12[2].server           clowder-p        me                0        Q workq\n"
        "12[3].server           clowder-p        me                0        H workq\n"
        "12[4].server           clowder-p        me                0        X workq\n",
        (struct expected[]){{1, SCHEDULER_RUNNING, ""}, {2, SCHEDULER_PENDING, "queued"},
            {3, SCHEDULER_PENDING, "held"}, {4, SCHEDULER_ENDED, ""}, {5, SCHEDULER_ENDED, ""}, {0}});
    states(SCHEDULER_LSF, "99",
        "99|1|RUN|hostA|-\n99|2|PEND|-|New job is waiting for scheduling;\n199|3|RUN|hostB|-\n99|4|EXIT|hostA|-\n",
        (struct expected[]){{1, SCHEDULER_RUNNING, "hostA"},
            {2, SCHEDULER_PENDING, "New job is waiting for scheduling;"}, {3, SCHEDULER_ENDED, ""},
            {4, SCHEDULER_ENDED, ""}, {0}});
}

static void cancelling(void **state)
{
    (void)state;
    static const struct {
        enum scheduler_kind kind;
        const char *command, *id, *all, *one;
    } each[] = {{SCHEDULER_SLURM, "scancel", "7", "7\n", "7_2\n"},
        {SCHEDULER_PBS, "qdel", "7[].srv", "7[].srv\n", "7[2].srv\n"}, {SCHEDULER_SGE, "qdel", "7", "7\n", "7 -t 2\n"},
        {SCHEDULER_LSF, "bkill", "7", "7\n", "7[2]\n"}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct buf script = {0};
        char text[200], want[200];
        snprintf(text, sizeof text, "mkdir -p %s/.cache/clowder/launch-3", folder);
        assert_int_equal(system(text), 0);
        stand_in(each[i].command, "echo \"$@\"");
        scheduler_cancel(each[i].kind, each[i].id, 2, NULL, &script);
        scheduler_cancel(each[i].kind, each[i].id, 0, "launch-3", &script);
        snprintf(want, sizeof want, "%sclowder-exit 0\n%sclowder-exit 0\n", each[i].one, each[i].all);
        assert_string_equal(run(&script), want);
        snprintf(text, sizeof text, "ls %s/.cache/clowder", folder);
        buf_add_text(&script, text);
        assert_string_equal(run(&script), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submissions),
        cmocka_unit_test(refusals),
        cmocka_unit_test(tables),
        cmocka_unit_test(cancelling),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
