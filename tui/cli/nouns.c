/* The table of nouns: what can be done with hosts, profiles and jobs. One row a verb. */
#include "store/profile_setting.h"
#include "tui/cli/command.h"

#include <string.h>

#define OPTION(name, letter, value, help)                                                                              \
    {                                                                                                                  \
        name, letter, value, help                                                                                      \
    }
#define JSON_OPTION OPTION("json", 0, NULL, "machine-readable output on stdout")
#define RESULTS_JSON_OPTION OPTION("json", 0, NULL, RESULTS_JSON_HELP)
#define YES_OPTION OPTION("yes", 'y', NULL, "do not ask for confirmation")
#define NAMES_OPTION OPTION("names", 0, NULL, "only the names, one a line")
#define TIMEOUT_OPTION OPTION("timeout", 0, "D", "how long it may take (default 60s)")
#define END_OPTION OPTION(NULL, 0, NULL, NULL)

#define HOST_OPTIONS                                                                                                   \
    OPTION("tag", 0, "T", "a tag (repeatable)"),                                                                       \
        OPTION("launcher", 0, "L", "ssh (default), local, slurm, pbs, sge, lsf or command"),                           \
        OPTION("jump", 0, "H", "reach it through this host, user@host:port, or a list with commas"),                   \
        OPTION("identity", 0, "F", "the key file to log in with"),                                                     \
        OPTION("direct", 0, NULL, "its daemons connect to this machine directly, over TLS"),                           \
        OPTION("directive", 0, "LINE",                                                                                 \
            "a line for the scheduler's jobs (repeatable; replaces the previous lines): -p short"),                    \
        OPTION("launch-command", 0, "CMD",                                                                             \
            "with --launcher command: a shell command here that starts a daemon; its settings come on stdin"),         \
        OPTION("mac", 0, "M", "hardware address for 'host wake' (a probe finds it)"),                                  \
        OPTION("connect-timeout", 0, "D",                                                                              \
            "how long to wait for a connection and its server's greeting (0: as ssh says)"),                           \
        OPTION("cache", 0, "DIR", "the folder there in which our programs get a folder (default ~/.cache)"),           \
        OPTION("note", 0, "S", "a note for yourself"), OPT_SETTINGS(STORE_HOST)

static const struct opt no_options[] = {END_OPTION};
static const struct opt json_options[] = {JSON_OPTION, END_OPTION};
static const struct opt yes_options[] = {YES_OPTION, END_OPTION};
static const struct opt host_remove_options[] = {
    {"now", 0, NULL, "end running tasks, instead of waiting for them"}, YES_OPTION, END_OPTION};
static const struct opt list_options[] = {NAMES_OPTION, JSON_OPTION, END_OPTION};
static const struct opt add_options[] = {HOST_OPTIONS, JSON_OPTION, END_OPTION};

static const struct opt edit_options[] = {
    OPTION("name", 0, "NEW", "rename it, in profiles too"),
    HOST_OPTIONS,
    OPTION("no-tag", 0, "T", "remove a tag (repeatable)"),
    OPTION("no-address", 0, NULL, "its name is its address"),
    OPTION("no-jump", 0, NULL, "reach it as ~/.ssh/config says"),
    OPTION("no-identity", 0, NULL, "log in with the keys of ~/.ssh/config and the agent"),
    OPTION("no-direct", 0, NULL, "its daemons connect through SSH"),
    OPTION("no-cache", 0, NULL, "our programs are in ~/.cache"),
    OPTION("no-mac", 0, NULL, "forget the hardware address"),
    OPTION("no-note", 0, NULL, "forget the note"),
    OPTION("no-directive", 0, NULL, "forget the lines for the scheduler"),
    JSON_OPTION,
    END_OPTION,
};

static const struct opt probe_options[] = {
    OPTION("all", 0, NULL, "all hosts"),
    TIMEOUT_OPTION,
    JSON_OPTION,
    END_OPTION,
};

static const struct opt trust_options[] = {
    OPTION("all", 0, NULL, "all hosts that are reached by SSH"),
    YES_OPTION,
    OPTION("fingerprint", 0, "F", "trust only this key: SHA256:..."),
    TIMEOUT_OPTION,
    END_OPTION,
};

static const struct opt unlock_options[] = {
    OPTION("all", 0, NULL, "all hosts that wait for an answer now"),
    OPTION("kind", 0, "K",
        "answer only a passphrase, a password, or a question of the host's own (interactive); needed without a "
        "terminal"),
    TIMEOUT_OPTION,
    END_OPTION,
};
static const struct opt import_options[] = {YES_OPTION, JSON_OPTION, END_OPTION};

static const struct opt wake_options[] = {
    OPTION("wait", 0, NULL, "wait until it can be logged in to"),
    OPTION("timeout", 0, "D", "with --wait: how long (default 3m)"),
    END_OPTION,
};
static const struct opt clean_options[] = {
    OPTION("all", 0, NULL, "also the program of this version, and all daemons of yours that run there"),
    YES_OPTION,
    TIMEOUT_OPTION,
    JSON_OPTION,
    END_OPTION,
};

static const struct opt scan_options[] = {
    OPTION("add", 0, "NAME", "add this one to the inventory (repeatable)"),
    OPTION("all", 0, NULL, "also machines on this network that neither announce SSH nor are known to ssh"),
    JSON_OPTION,
    END_OPTION,
};

static const struct command host_verbs[] = {
    {"host add", "NAME [[USER@]ADDRESS[:PORT]]", "add a machine to the inventory",
        "clowder host add spare1 me@10.0.0.7\nclowder host add gpu1 --tag gpu --tag rack2 --mac 00:11:22:33:44:55\n"
        "clowder host add deep 10.9.0.4 --jump gate.example.org\n"
        "clowder host add cluster me@login.example.org --launcher slurm --directive '-p short'\n"
        "clowder host add box 172.17.0.1 --launcher command --launch-command 'docker run -i --rm IMAGE clowder-daemon'",
        add_options, false, cmd_host_add},
    {"host list", "[FILTER]...", "show the inventory and how each host is doing",
        "clowder host list\nclowder host list 'gpu>0' state:up\nclowder host list tag:rack2 'cores>=8' '!spare'\n"
        "clowder host list --json | jq -r '.hosts[].name'",
        list_options, false, cmd_host_list},
    {"host show", "NAME", "show everything about a host", "clowder host show gpu1", json_options, false, cmd_host_show},
    {"host edit", "NAME [[USER@]ADDRESS[:PORT]]", "change only what is given",
        "clowder host edit spare1 --tag rack3 --no-tag rack2\nclowder host edit spare1 me@10.0.0.8", edit_options,
        false, cmd_host_edit},
    {"host remove", "NAME...", "remove hosts from the inventory and from all profiles, when their tasks have ended",
        "clowder host remove spare1\nclowder host remove --now --yes spare1", host_remove_options, false,
        cmd_host_remove},
    {"host import", "[FILE]", "add the hosts that ~/.ssh/config, or FILE, names",
        "clowder host import\nclowder host import --yes ./cluster.ssh_config", import_options, false, cmd_host_import},
    {"host scan", "", "list machines that could be added: they announce SSH on this network, or ssh knows them",
        "clowder host scan\nclowder host scan --add nas --add build7", scan_options, false, cmd_host_scan},
    {"host probe", "NAME...", "log in and measure: cores, memory, load, GPUs, what is installed",
        "clowder host probe spare1 gpu1\nclowder host probe tag:rack2\nclowder host probe --all", probe_options, false,
        cmd_host_probe},
    {"host trust", "NAME...", "show the keys of hosts, ask, and trust them",
        "clowder host trust spare1\nclowder host trust --all\nclowder host trust spare1 --fingerprint SHA256:...",
        trust_options, false, cmd_host_trust},
    {"host unlock", "NAME...", "give the engine the password or passphrase that a host needs; it is never stored",
        "clowder host unlock spare1\npass show spare1 | clowder host unlock spare1 --kind password\n"
        "pass show key | clowder host unlock spare1 --kind passphrase",
        unlock_options, false, cmd_host_unlock},
    {"host forget", "NAME...", "make the engine forget the password or passphrase", "clowder host forget spare1",
        no_options, false, cmd_host_forget},
    {"host retry", "NAME...", "try again now, without waiting for the next attempt", "clowder host retry spare1",
        no_options, false, cmd_host_retry},
    {"host shell", "NAME [COMMAND]...", "open a shell there, with your own ssh",
        "clowder host shell spare1\nclowder host shell spare1 uptime", no_options, true, cmd_host_shell},
    {"host wake", "NAME", "send the Wake-on-LAN packet to its hardware address",
        "clowder host wake spare1\nclowder host wake spare1 --wait && clowder up --on spare1:8", wake_options, false,
        cmd_host_wake},
    {"host clean", "NAME...", "remove what Clowder left there: programs of other versions, or everything",
        "clowder host clean spare1 spare2\nclowder host clean --all spare1", clean_options, false, cmd_host_clean},
    {NULL, NULL, NULL, NULL, NULL, false, NULL},
};

static const struct opt set_options[] = {
    OPTION("daemons", 'n', "N", "how many daemons on this machine; 0: none"),
    OPTION("on", 0, "HOST:N", "how many daemons on that host (repeatable; 0: none)"),
    OPTION("runtime", 0, "R", "what a daemon is: clowder (default), mirai, dask or command"),
    OPTION("base", 0, "URL", "the URL to which daemons of another runtime connect; \"\" removes it"),
    OPTION("option", 0, "K=V", "an option of those daemons (repeatable; K=@FILE: what is in FILE)"),
    OPTION("no-option", 0, "K", "remove an option (repeatable)"),
    OPTION("env", 0, "K=V", "a variable that tasks see (repeatable; adds to the others)"),
    OPTION("no-env", 0, "K", "remove a variable (repeatable)"),
    OPTION("setup", 0, "CMD", "run sh -c CMD on each daemon before its first task (repeatable)"),
    OPTION("no-setup", 0, NULL, "forget the set-up commands (before --setup adds new ones)"),
    OPT_SETTINGS(STORE_SET),
    JSON_OPTION,
    END_OPTION,
};

static const struct command profile_verbs[] = {
    {"profile set", "NAME [-- COMMAND [ARG]...]", "make a profile, or change what is given; 'up' launches its daemons",
        "clowder profile set gpu --on gpu1:2 --on spare2:4 --walltime 8h\nclowder profile set gpu --per-gpu --on gpu1\n"
        "clowder profile set night -n 4 --setup 'mkdir -p /tmp/work'\n"
        "clowder profile set r --runtime mirai --base tcp://127.0.0.1:5555 --on spare1:4\n"
        "clowder profile set own --runtime command --on gpu1:2 -- ./worker {url} {gpu}",
        set_options, false, cmd_profile_set},
    {"profile list", "", "show the profiles", "clowder profile list", list_options, false, cmd_profile_list},
    {"profile show", "NAME", "show the settings and hosts of a profile", "clowder profile show gpu", json_options,
        false, cmd_profile_show},
    {"profile remove", "NAME...", "remove profiles that are down", "clowder profile remove night", yes_options, false,
        cmd_profile_remove},
    {NULL, NULL, NULL, NULL, NULL, false, NULL},
};

static const struct opt job_list_options[] = {
    OPTION("profile", 'p', "PROFILE", "only of this profile"),
    OPTION("limit", 'n', "N", "how many, the newest first (default 20)"),
    JSON_OPTION,
    END_OPTION,
};

static const struct opt job_show_options[] = {
    OPTION("failures", 0, "N", "how many failed tasks to show (default 20)"),
    OPTION("json", 0, NULL, "one object; input_base64 replaces an input that is not UTF-8 text"),
    END_OPTION,
};

#define RESULTS_OPTIONS                                                                                                \
    OPTION("output", 'o', "FILE", "write the results to FILE instead of stdout"),                                      \
        OPTION("force", 0, NULL, "replace the FILE of -o if it exists")

static const struct opt job_retry_options[] = {
    OPTION("profile", 'p', "PROFILE", "the profile to use (default: the one it had)"),
    RESULTS_OPTIONS,
    OPTION("tag", 0, NULL, "begin each line of output with its input and a tab"),
    OPTION("no-progress", 0, NULL, "show no progress"),
    RESULTS_JSON_OPTION,
    END_OPTION,
};

static const struct opt job_save_options[] = {
    OPTION("inputs", 0, NULL, "only their inputs, one a line, as 'map --arg-file' reads them"),
    OPTION("force", 0, NULL, "replace FILE if it exists"),
    END_OPTION,
};

static const struct opt job_wait_options[] = {
    OPTION("timeout", 0, "D", "how long to wait (default: as long as it takes)"),
    END_OPTION,
};

static const struct opt job_collect_options[] = {
    OPTION("no-wait", 0, NULL, "only the results that are there, up to the first that is missing"),
    OPTION("timeout", 0, "D", "how long to wait for those that are missing"),
    RESULTS_OPTIONS,
    OPTION("tag", 0, NULL, "begin each line of output with its input and a tab"),
    OPTION("joblog", 0, "FILE", "write a line for each task, in GNU parallel's format"),
    OPTION("remove", 0, NULL, "remove the job when all its results are printed"),
    RESULTS_JSON_OPTION,
    END_OPTION,
};

static const struct opt job_prune_options[] = {
    OPTION("keep", 0, "N", "how many finished jobs to keep, the newest (default 0)"),
    YES_OPTION,
    END_OPTION,
};

static const struct command job_verbs[] = {
    {"job list", "", "show the jobs that run and those that ran", "clowder job list\nclowder job list -p gpu -n 5",
        job_list_options, false, cmd_job_list},
    {"job show", "ID", "show a job and its failed tasks", "clowder job show 41", job_show_options, false, cmd_job_show},
    {"job cancel", "ID", "cancel all tasks that have no result", "clowder job cancel 41", no_options, false,
        cmd_job_cancel},
    {"job wait", "ID...", "wait until jobs are finished; the exit status is as for map",
        "clowder job wait 41 42\nclowder job wait 41 --timeout 1h", job_wait_options, false, cmd_job_wait},
    {"job collect", "ID", "print the results of a detached job as map would, waiting for those that are missing",
        "clowder job collect 41 -o results\nclowder job collect 41 --no-wait --json\nclowder job collect 41 --remove",
        job_collect_options, false, cmd_job_collect},
    {"job retry", "ID", "run the failed tasks of a job again (a detached job: in the background)",
        "clowder job retry 41", job_retry_options, false, cmd_job_retry},
    {"job save", "ID FILE", "write the failed tasks of a job to a file (-: stdout) as JSON lines",
        "clowder job save 41 failed.jsonl\nclowder job save 41 failed.txt --inputs", job_save_options, false,
        cmd_job_save},
    {"job remove", "ID...", "remove finished jobs and their results", "clowder job remove 41 42", yes_options, false,
        cmd_job_remove},
    {"job prune", "", "remove finished jobs and their results, except the newest", "clowder job prune --keep 100",
        job_prune_options, false, cmd_job_prune},
    {NULL, NULL, NULL, NULL, NULL, false, NULL},
};

const struct noun nouns[] = {
    {"host", "the inventory of machines",
        "clowder host add spare1 me@10.0.0.7\nclowder host trust spare1\nclowder host list", host_verbs},
    {"profile", "named sets of daemons, and the hosts they use",
        "clowder profile set gpu --on gpu1:2 --on spare2:4\nclowder profile list", profile_verbs},
    {"job", "what runs and what ran", "clowder job list\nclowder job retry 41", job_verbs},
    {NULL, NULL, NULL, NULL},
};

const struct noun *noun_find(const char *name)
{
    for (const struct noun *n = nouns; n->name; n++)
        if (strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

const char *command_verb(const struct command *c)
{
    const char *space = strrchr(c->name, ' ');
    return space ? space + 1 : c->name;
}

const struct command *noun_verb(const struct noun *n, const char *verb)
{
    for (const struct command *c = n->verbs; c->name; c++)
        if (strcmp(command_verb(c), verb) == 0)
            return c;
    return NULL;
}
