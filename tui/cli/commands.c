/* The table of the single verbs and their options; those of hosts, profiles and jobs are in nouns.c. Help, completions
 * and the manual are made from both. */
#include "store/profile_setting.h"
#include "tui/cli/command.h"

#include <string.h>

#define PROFILE_OPTION                                                                                                 \
    {                                                                                                                  \
        "profile", 'p', "PROFILE", "the profile to use (default: $CLOWDER_PROFILE, or \"default\")"                    \
    }
#define PROFILE_WORD_OPTION                                                                                            \
    {                                                                                                                  \
        "profile", 'p', "PROFILE", "the same as the argument PROFILE"                                                  \
    }
#define JSON_OPTION                                                                                                    \
    {                                                                                                                  \
        "json", 0, NULL, "machine-readable output on stdout"                                                           \
    }
/* Of commands that print results. */
#define RESULTS_JSON_OPTION                                                                                            \
    {                                                                                                                  \
        "json", 0, NULL, RESULTS_JSON_HELP                                                                             \
    }
#define LOCAL_OPTION                                                                                                   \
    {                                                                                                                  \
        "daemons", 'n', "N", "use N daemons on this machine, for this command only"                                    \
    }
#define END_OPTION                                                                                                     \
    {                                                                                                                  \
        NULL, 0, NULL, NULL                                                                                            \
    }

static const struct opt up_options[] = {
    PROFILE_WORD_OPTION,
    {"daemons", 'n', "N", "how many daemons on this machine: you choose the number"},
    {"on", 0, "HOST:N", "how many daemons on that host (repeatable; 0: none; \"local\" is this machine)"},
    {"env", 0, "K=V", "add a variable to the environment of tasks (repeatable)"},
    OPT_SETTINGS(STORE_UP),
    {"timeout", 0, "D", "wait so long, also for hosts that do not answer yet (else 30s, and the first try counts)"},
    {"no-wait", 0, NULL, "do not wait"},
    JSON_OPTION,
    END_OPTION,
};

static const struct opt launch_options[] = {PROFILE_OPTION, JSON_OPTION, END_OPTION};

static const struct opt scale_options[] = {
    PROFILE_WORD_OPTION,
    {"daemons", 'n', "N", "how many daemons on this machine; 0: none"},
    {"on", 0, "HOST:N", "how many daemons on that host (repeatable; 0: none); others keep their number"},
    {"timeout", 0, "D", "wait so long, also for hosts that do not answer yet (else 30s, and the first try counts)"},
    {"no-wait", 0, NULL, "do not wait"},
    JSON_OPTION,
    END_OPTION,
};

static const struct opt down_options[] = {
    PROFILE_WORD_OPTION,
    {"on", 0, "HOST", "stop only those on that host, and take it out of the profile"},
    {"all", 0, NULL, "all profiles"},
    {"now", 0, NULL, "end running tasks, instead of waiting for them"},
    END_OPTION,
};

static const struct opt status_options[] = {
    PROFILE_WORD_OPTION,
    {"watch", 0, NULL, "keep showing it, until ^C"},
    JSON_OPTION,
    END_OPTION,
};

#define TASK_OPTIONS                                                                                                   \
    {"env", 0, "K[=V]", "a variable for the tasks (repeatable); K alone: with the value that it has here"},            \
        {"wrap", 0, "WORDS", "begin each command with WORDS: --wrap 'conda run -n ml'"},                               \
        {"login", 0, NULL, "run the tasks with the environment of a login shell"},                                     \
        {"timeout", 0, "D", "end a task that takes longer"},                                                           \
    {                                                                                                                  \
        "max-output", 0, "SIZE", "the largest stdout of a task (default 16M); a task that writes more fails"           \
    }

/* Of map and submit: the function and its inputs. */
#define INPUT_OPTIONS                                                                                                  \
    PROFILE_OPTION, LOCAL_OPTION,                                                                                      \
        {"worker", 'w', NULL, "COMMAND is a worker: started once, one line in, one line out"},                         \
        {"framed", 'W', NULL, "COMMAND is a worker that speaks length-framed bytes (clowder_worker.h)"},               \
        {"stdin", 0, NULL, "give the input on the task's standard input"},                                             \
        {"null", '0', NULL, "inputs end with NUL instead of newline"},                                                 \
        {"arg-file", 'a', "FILE", "read inputs from FILE instead of stdin"},                                           \
        {"colsep", 'C', "RE", "split each line at RE into columns, {1} {2}"},                                          \
        {"csv", 0, NULL, "lines are CSV: the columns are {1} {2}"},                                                    \
        {"header", 0, NULL, "the first line names the columns, {name}; of a list, its first word"},                    \
        {"shell", 0, NULL, "COMMAND is a line for the shell; inputs are put into quotes there"}, TASK_OPTIONS,         \
        {"retries", 0, "N", "run a task again when its daemon died, up to N times (default 2)"},                       \
        {"retry-failed", 0, "N", "run a failed task again, up to N times"},                                            \
        {"speculate", 0, NULL, "near the end, run slow tasks on idle daemons too; the first result counts"},           \
        {"deadline", 0, "D", "stop the tasks that have no result D after the start; they count as timed out"},         \
        {"stop", 0, NULL, "stop at the first failure"},                                                                \
        {"files", 0, NULL, "inputs that name files travel with their tasks; new and changed files are brought back"},  \
        {"in", 0, "PATTERN", "files or folders that a task needs, like --in '{.}.cfg' (repeatable)"},                  \
        {"out", 0, "PATTERN", "files or folders that it makes, which are brought back (repeatable)"},                  \
        {"fetch", 0, "PATTERN", "the same as --out"},                                                                  \
        {"ship", 0, "PATH", "a file or folder that all tasks see (repeatable)"},                                       \
        {"results", 0, "DIR", "write what task N printed and made to DIR/N"},                                          \
        {"basefile", 0, "PATH", "the same as --ship"}, {"transferfile", 0, "PATTERN", "the same as --in"},             \
        {"return", 0, "PATTERN", "the same as --out"}, {"trc", 0, "PATTERN", "the same as --in {} --out PATTERN"},     \
        {"seed", 0, "N", "give each task CLOWDER_SEED, computed from N and the task's number"},                        \
        {"name", 0, "NAME", "name the job"},                                                                           \
    {                                                                                                                  \
        "dry-run", 0, NULL, "print the commands, and do not run them"                                                  \
    }

static const struct opt map_options[] = {
    INPUT_OPTIONS,
    {"output", 'o', "FILE", "write results to FILE, created when the job is accepted; --resume adds them to it"},
    {"force", 0, NULL, "replace the FILE of -o if it exists"},
    {"unordered", 'u', NULL, "print results as they come, not in the order of the inputs"},
    {"tag", 0, NULL, "begin each line of output with its input and a tab"},
    {"joblog", 0, "FILE", "write a line for each task, in GNU parallel's format"},
    {"resume", 0, NULL, "leave out the tasks that are already in --joblog FILE"},
    {"resume-failed", 0, NULL, "the same, but run failed tasks again"},
    {"progress", 0, NULL, "show progress on stderr even if it is not a terminal"},
    {"no-progress", 0, NULL, "show no progress"},
    RESULTS_JSON_OPTION,
    END_OPTION,
};

static const struct opt submit_options[] = {INPUT_OPTIONS, JSON_OPTION, END_OPTION};

static const struct opt run_options[] = {
    PROFILE_OPTION,
    LOCAL_OPTION,
    RESULTS_JSON_OPTION,
    {"shell", 0, NULL, "COMMAND is a line for the shell"},
    TASK_OPTIONS,
    END_OPTION,
};

static const struct opt everywhere_options[] = {
    PROFILE_OPTION,
    {"setup", 0, NULL, "run it also on every daemon that joins later, before its first task"},
    RESULTS_JSON_OPTION,
    TASK_OPTIONS,
    END_OPTION,
};

static const struct opt bench_options[] = {
    PROFILE_OPTION,
    LOCAL_OPTION,
    {"tasks", 0, "N", "how many tasks (default 1000000)"},
    {"size", 0, "B", "bytes of each input (default 16)"},
    {"round-trips", 0, "N", "how many single tasks to time (default 2000)"},
    JSON_OPTION,
    END_OPTION,
};

static const struct opt simulate_options[] = {
    {"hosts", 0, "N", "on how many machines the daemons are (default 1)"},
    {"daemons", 'n', "N", "how many daemons in total (default 8 per host)"},
    {"tasks", 0, "N", "how many tasks, like 1000000 or 1e9 (default 1e6)"},
    {"jobs", 0, "N", "into how many jobs the tasks are split (default 1)"},
    {"task-time", 0, "DIST", "how long a task takes: exp:MEAN, lognormal:MEDIAN,SIGMA, ... (default exp:10ms)"},
    {"size", 0, "B", "bytes of each input (default 16)"},
    {"rtt", 0, "T", "time from the engine to a daemon and back (default 0.2ms)"},
    {"message", 0, "T", "time that the engine needs for each message (default 0)"},
    {"rate", 0, "R", "tasks arrive at random times, R per second, instead of all together"},
    {"fail", 0, "P", "probability that a task fails"},
    {"retry-failed", 0, "N", "run a failed task again, up to N times"},
    {"lose", 0, "RATE", "how often each daemon dies per hour, at random times"},
    {"back", 0, "T", "time until a daemon that died is replaced (default 1s)"},
    {"retries", 0, "N", "run a task again when its daemon died, up to N times (default 2)"},
    {"speculate", 0, NULL, "near the end, run slow tasks on idle daemons too; the first result counts"},
    {"memory", 0, "SIZE", "budget of the queue (default 64M)"},
    {"seed", 0, "N", "seed of the random numbers: the same seed gives the same figures (default 1)"},
    JSON_OPTION,
    END_OPTION,
};

static const struct opt engine_options[] = {
    {"now", 0, NULL, "stop: do not wait for running jobs"},
    {"idle", 0, "D", "start, run: stop after this long without profiles and clients (0: never; default 10m)"},
    JSON_OPTION,
    END_OPTION,
};

static const struct opt log_options[] = {
    {"follow", 'f', NULL, "go on, and show new lines as they come"},
    {"lines", 'n', "N", "how many lines to show first (default 50)"},
    END_OPTION,
};

static const struct opt doctor_options[] = {
    {"timeout", 0, "D", "how long the check may take (default 90s)"},
    JSON_OPTION,
    END_OPTION,
};

static const struct opt import_options[] = {
    {"replace", 0, NULL, "replace hosts, profiles and settings that have the same name"},
    JSON_OPTION,
    END_OPTION,
};

static const struct opt export_options[] = {
    {"force", 0, NULL, "replace FILE if it exists"},
    END_OPTION,
};

static const struct opt json_options[] = {JSON_OPTION, END_OPTION};
static const struct opt no_options[] = {END_OPTION};

const struct command commands[] = {
    {"up", "[PROFILE]", "launch daemons or change their number, and wait for them",
        "clowder up -n 4\nclowder up nightly -n 2 --maxtasks 1000\nclowder up --on spare1:8 --on tag:rack2:4\n"
        "clowder up gpu --per-gpu --on gpu1",
        up_options, false, cmd_up},
    {"scale", "[PROFILE]", "change only the number of daemons of a profile",
        "clowder scale -n 8\nclowder scale gpu --on gpu1:2 --on gpu2:0", scale_options, false, cmd_scale},
    {"down", "[PROFILE]", "stop a profile's daemons when they have finished their tasks",
        "clowder down\nclowder down nightly --now\nclowder down --on spare1\nclowder down --all", down_options, false,
        cmd_down},
    {"status", "[PROFILE]", "show profiles, daemons, tasks and rates",
        "clowder status\nclowder status --watch\nclowder status --json | jq '.profiles[].rate.now'", status_options,
        false, cmd_status},
    {"map", "COMMAND [ARG]... [::: INPUT...]", "run a command once for every input, spread over the daemons",
        "ls *.png | clowder map -n 4 -- convert {} {.}.jpg\n"
        "clowder map -n 2 -- sh -c 'sleep 1; echo {}' ::: a b c\n"
        "seq 1000000 | clowder map -w -- ./model        a worker: one line in, one line out",
        map_options, true, cmd_map},
    {"submit", "COMMAND [ARG]... [::: INPUT...]", "run a map as a detached job; 'job collect' prints its results",
        "ls *.wav | clowder submit -- flac {}\nclowder submit -w -a inputs.txt -- ./model\n"
        "clowder job wait 12 && clowder job collect 12",
        submit_options, true, cmd_submit},
    {"run", "COMMAND [ARG]...", "run one task with this command's stdin and its exit status",
        "clowder run hostname\nclowder run -n 1 -- make test\nclowder run -- wc -l <file", run_options, true, cmd_run},
    {"everywhere", "COMMAND [ARG]...", "run a command once on every daemon",
        "clowder everywhere -- sh -c 'echo $CLOWDER_DAEMON; nproc'\nclowder everywhere --setup -- mkdir -p /tmp/work",
        everywhere_options, true, cmd_everywhere},
    {"launch", "COMMAND [ARG]...", "start a daemon of another engine on a profile's next host",
        "clowder launch -p gpu -- Rscript -e 'mirai::daemon(\"tcp://127.0.0.1:5555\")'\n"
        "In R: daemons(url = local_url(tcp = TRUE)); launch_remote(2, remote_config(command = \"clowder\",\n"
        "      args = c(\"launch\", \"-p\", \"gpu\", \".\"), quote = TRUE))",
        launch_options, true, cmd_launch},
    {"with", "PROFILE [--] COMMAND [ARG]...", "run a command with that profile as the default",
        "clowder with gpu -- ./train-all.sh", no_options, true, cmd_with},
    {"engine", "start|stop|status|run", "the background process that owns profiles, daemons and queues",
        "clowder engine status\nclowder engine stop", engine_options, false, cmd_engine},
    {"bench", "", "measure throughput and latency of a profile", "clowder bench -n 2\nclowder bench -p default --json",
        bench_options, false, cmd_bench},
    {"simulate", "", "run the dispatcher in virtual time, with any number of daemons",
        "clowder simulate --daemons 1000 --tasks 1e7 --task-time exp:10ms --rtt 0.2ms\n"
        "clowder simulate --hosts 20 -n 160 --tasks 1e5 --task-time lognormal:2s,1 --lose 0.5\n"
        "clowder simulate -n 16 --task-time mix:10ms*0.99,5s*0.01 --speculate --json",
        simulate_options, false, cmd_simulate},
    {"log", "", "show what happened", "clowder log\nclowder log --follow", log_options, false, cmd_log},
    {"doctor", "[HOST]", "check each step to a host, or this machine, and say what to do",
        "clowder doctor\nclowder doctor gpu1\nclowder doctor gpu1 --json", doctor_options, false, cmd_doctor},
    {"export", "[FILE]", "write hosts, profiles and settings as JSON",
        "clowder export inventory.json\nclowder export | ssh desk clowder import -", export_options, false, cmd_export},
    {"import", "FILE", "add the hosts, profiles and settings of an export (-: from stdin)",
        "clowder import inventory.json\nssh desk clowder export | clowder import --replace -", import_options, false,
        cmd_import},
    {"completion", "bash|zsh|fish", "print a completion script for a shell",
        "clowder completion bash > ~/.local/share/bash-completion/completions/clowder", no_options, false,
        cmd_completion},
    {"help", "[COMMAND [VERB]]", "explain a command", "clowder help map\nclowder help host add", no_options, false,
        cmd_help},
    {"version", "", "print the version, and the commit that it was built from", "clowder version", json_options, false,
        cmd_version},
    {NULL, NULL, NULL, NULL, NULL, false, NULL},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}
