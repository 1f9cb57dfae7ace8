/* The words of four schedulers, the scripts made of them, and the tables that they print. */
#include "hosts/scheduler.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the four have in common is the shape; these are the words. */
struct words {
    const char *prefix;     /* of directives in a job's script */
    const char *defaults;   /* directives that the user's come after */
    const char *submit;     /* of an array of 1 to %u, with the script as $d/job, printing the id */
    const char *submit_one; /* the same for one alone, where an array cannot have one */
    const char *index;      /* an element's number, as its shell sees it */
    const char *query;
    const char *cancel, *cancel_one; /* of %s, and of its element %u */
};

static const struct words words[SCHEDULER_KINDS] = {
    [SCHEDULER_SLURM] = {"#SBATCH", "--output=/dev/null\n--no-requeue\n",
        "sbatch --parsable --job-name=\"$n\" --array=1-%u \"$d/job\" </dev/null", NULL, "${SLURM_ARRAY_TASK_ID:-1}",
        "squeue -h -r -u \"$(id -un)\" -o '%i|%T|%r|%N'", "scancel %s", "scancel %s_%u"},
    [SCHEDULER_PBS] = {"#PBS", "-j oe\n-o /dev/null\n", "qsub -N \"$n\" -J 1-%u \"$d/job\" </dev/null",
        "qsub -N \"$n\" \"$d/job\" </dev/null", "${PBS_ARRAY_INDEX:-${PBS_ARRAYID:-1}}", "qstat -t -u \"$(id -un)\"",
        "qdel '%s'", "qdel '%s'"},
    [SCHEDULER_SGE] = {"#$", "-j y\n-o /dev/null\n-S /bin/sh\n", "qsub -terse -N \"$n\" -t 1-%u \"$d/job\" </dev/null",
        NULL, "$(case $SGE_TASK_ID in [0-9]*) echo \"$SGE_TASK_ID\";; *) echo 1;; esac)", "qstat -u \"$(id -un)\"",
        "qdel %s", "qdel %s -t %u"},
    [SCHEDULER_LSF] = {"#BSUB", "-o /dev/null\n", "bsub -J \"$n[1-%u]\" <\"$d/job\"", NULL,
        "$(case $LSB_JOBINDEX in [1-9]*) echo \"$LSB_JOBINDEX\";; *) echo 1;; esac)",
        "bjobs -noheader -o \"jobid jobindex stat exec_host pend_reason delimiter='|'\"", "bkill %s", "bkill '%s[%u]'"},
};

/* ---- scripts ---- */

/* Each line with the prefix, unless it has it. */
static void add_directives(struct buf *out, const char *prefix, const char *lines)
{
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        while (len && isspace((unsigned char)*lines)) {
            lines++;
            len--;
        }
        if (len && *lines != '#')
            buf_printf(out, "%s ", prefix);
        buf_add(out, lines, len);
        if (len)
            buf_add_text(out, "\n");
        lines += len;
        lines += *lines == '\n';
    }
}

/* What an element does: it takes its settings, which nobody else can read, and is the daemon from then on. */
static void add_job(struct buf *out, const struct words *w, const struct scheduler_job *job)
{
    buf_add_text(out, "{ cat <<'CLOWDER-JOB'\n#!/bin/sh\n");
    add_directives(out, w->prefix, w->defaults);
    add_directives(out, w->prefix, job->directives);
    buf_add_text(out, "CLOWDER-JOB\nprintf '%s\\n' \"d='$d'\" \"me='$(uname -n)'\"\ncat <<'CLOWDER-JOB'\n");
    buf_printf(out, "i=%s\n", w->index);
    buf_add_text(out, "f=$d/$i\n[ -r \"$f\" ] || exit 3\nhome=127.0.0.1\n"
                      "[ \"$(uname -n)\" = \"$me\" ] || home=$(getent hosts \"$me\" | { read -r a b; echo \"$a\"; })\n"
                      "case $home in *:*) home=\"[$home]\";; esac\n"
                      "c=$(sed \"s/@HOME@/$home/\" \"$f\")\nrm -f \"$f\"\nrmdir \"$d\" 2>/dev/null\n"
                      "");
    buf_add_text(out, "p=");
    buf_add_quoted(out, job->program);
    buf_add_text(out,
        "\ncase $p in '~/'*) p=$HOME/${p#'~/'};; esac\nprintf '%s\\n' \"$c\" | \"$p\"\nCLOWDER-JOB\n} >\"$d/job\"\n");
}

void scheduler_submit(enum scheduler_kind kind, const struct scheduler_job *job, struct buf *out)
{
    const struct words *w = &words[kind];
    const char *submit = job->count == 1 && w->submit_one ? w->submit_one : w->submit;
    buf_printf(out, "umask 077\nd=${HOME:?}/.cache/clowder/%s\nn=", job->folder);
    buf_add_quoted(out, job->name);
    buf_add_text(out, "\nmkdir -p \"$d\" || { echo clowder-exit 73; exit; }\n");
    for (unsigned i = 0; i < job->count; i++)
        buf_printf(out, "cat >\"$d/%u\" <<'CLOWDER-END'\n%sCLOWDER-END\n", i + 1, job->configs[i]);
    add_job(out, w, job);
    buf_add_text(out, "( ");
    for (const char *at = submit; *at; at++)
        if (at[0] == '%' && at[1] == 'u')
            buf_printf(out, "%u", (at++, job->count));
        else
            buf_add(out, at, 1);
    buf_add_text(out, " ) 2>&1\ns=$?\nrm -f \"$d/job\"\n[ $s = 0 ] || rm -rf \"$d\"\necho \"clowder-exit $s\"\n");
}

void scheduler_query(enum scheduler_kind kind, struct buf *out)
{
    buf_printf(out, "( %s ) 2>&1 </dev/null\necho \"clowder-exit $?\"\n", words[kind].query);
}

/* PBS names an element inside the brackets of the id. */
static void pbs_element(const char *id, unsigned index, char *out, size_t size)
{
    const char *open = strstr(id, "[]");
    if (open)
        snprintf(out, size, "%.*s[%u]%s", (int)(open - id), id, index, open + 2);
    else
        snprintf(out, size, "%s", id);
}

void scheduler_cancel(enum scheduler_kind kind, const char *id, unsigned index, const char *folder, struct buf *out)
{
    char element[SCHEDULER_ID_SIZE + 16];
    pbs_element(id, index, element, sizeof element);
    const char *form = index ? words[kind].cancel_one : words[kind].cancel;
    buf_add_text(out, "( ");
    for (const char *at = form; *at; at++)
        if (at[0] == '%')
            at[1] == 'u' ? buf_printf(out, "%u", index)
                         : buf_add_text(out, kind == SCHEDULER_PBS && index ? element : id),
                at++;
        else
            buf_add(out, at, 1);
    buf_add_text(out, " ) 2>&1 </dev/null\ns=$?\n");
    if (folder)
        buf_printf(out, "rm -rf \"${HOME:?}/.cache/clowder/%s\"\n", folder);
    buf_add_text(out, "echo \"clowder-exit $s\"\n");
}

/* ---- answers ---- */

int scheduler_status(const char *text, size_t *len)
{
    static const char mark[] = "clowder-exit ";
    const char *at = text, *found = NULL;
    while ((at = strstr(at, mark))) {
        if (at == text || at[-1] == '\n')
            found = at;
        at++;
    }
    if (!found)
        return -1;
    *len = (size_t)(found - text);
    return atoi(found + sizeof mark - 1);
}

bool scheduler_is_id(const char *id)
{
    return isdigit((unsigned char)*id) && strlen(id) < SCHEDULER_ID_SIZE &&
           strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_[]") == strlen(id);
}

bool scheduler_knows_not(const char *text, size_t len)
{
    static const char *const signs[] = {
        "does not exist", "invalid job", "unknown job", "not found", "finished", "completed"};
    char *copy = mem_strndup(text, len);
    bool found = false;
    for (size_t i = 0; i < sizeof signs / sizeof *signs && !found; i++)
        found = strcasestr(copy, signs[i]) != NULL;
    free(copy);
    return found;
}

/* The next line of text into line, without blanks around it; false at the end. */
static bool next_line(const char **at, const char *end, char *line, size_t size)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    stop = stop ? stop : end;
    const char *from = *at, *to = stop;
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    snprintf(line, size, "%.*s", (int)(to - from), from);
    *at = stop + 1;
    return true;
}

static bool id_of_line(enum scheduler_kind kind, const char *line, char id[SCHEDULER_ID_SIZE])
{
    size_t len = strcspn(line, kind == SCHEDULER_SLURM ? ";" : kind == SCHEDULER_SGE ? "." : " ");
    if (kind == SCHEDULER_LSF) { /* Job <123> is submitted to … */
        const char *open = strncmp(line, "Job <", 5) == 0 ? line + 5 : NULL;
        if (!open)
            return false;
        line = open;
        len = strcspn(line, ">");
    }
    if (!len || len >= SCHEDULER_ID_SIZE)
        return false;
    memcpy(id, line, len);
    id[len] = '\0';
    return scheduler_is_id(id);
}

bool scheduler_read_id(enum scheduler_kind kind, const char *text, size_t len, char id[SCHEDULER_ID_SIZE])
{
    const char *at = text, *end = text + len;
    char line[300];
    while (next_line(&at, end, line, sizeof line))
        if (id_of_line(kind, line, id))
            return true;
    return false;
}

/* ---- states ---- */

/* One listed element, or several that wait in one line (first to last, 0: just one). */
struct listed {
    char id[SCHEDULER_ID_SIZE];
    unsigned first, last;
    enum scheduler_state state;
    char reason[200];
};

/* JOB_INDEX|STATE|REASON|NODES */
static bool read_slurm(char *line, struct listed *out)
{
    char state[32] = "", why[120] = "", node[64] = "";
    int n = sscanf(line, "%63[^_|]_%u|%31[^|]|%119[^|]|%63s", out->id, &out->first, state, why, node);
    if (n < 3)
        return false;
    out->last = out->first;
    out->state =
        strcmp(state, "PENDING") == 0 || strcmp(state, "CONFIGURING") == 0 ? SCHEDULER_PENDING : SCHEDULER_RUNNING;
    snprintf(out->reason, sizeof out->reason, "%s", out->state == SCHEDULER_PENDING ? why : node);
    return true;
}

/* "12[1].server name user time S queue", or the wider table of -u, where the state is the last but one or two. */
static bool read_pbs(char *line, struct listed *out)
{
    char *save, *word = strtok_r(line, " \t", &save), *open;
    if (!word || !isdigit((unsigned char)*word))
        return false;
    open = strchr(word, '[');
    out->first = open ? (unsigned)strtoul(open + 1, NULL, 10) : 1;
    out->last = out->first;
    snprintf(out->id, sizeof out->id, "%.*s", (int)(open ? open - word : (long)strcspn(word, ".")), word);
    const char *state = NULL;
    while ((word = strtok_r(NULL, " \t", &save)))
        if (strlen(word) == 1 && strchr("QHWTSRBEXFCU", *word))
            state = word;
    if (!state || !out->first)
        return false;
    out->state = strchr("QHWT", *state)    ? SCHEDULER_PENDING
                 : strchr("RBESU", *state) ? SCHEDULER_RUNNING
                                           : SCHEDULER_ENDED;
    snprintf(out->reason, sizeof out->reason, "%s",
        *state == 'Q'                    ? "queued"
        : *state == 'H'                  ? "held"
        : *state == 'W' || *state == 'T' ? "waits"
                                         : "");
    return true;
}

/* job prior name user state date time [queue] slots task[s] */
static bool read_sge(char *line, struct listed *out)
{
    char *save, *words_of[12];
    size_t n = 0;
    for (char *word = strtok_r(line, " \t", &save); word && n < 12; word = strtok_r(NULL, " \t", &save))
        words_of[n++] = word;
    if (n < 8 || !isdigit((unsigned char)*words_of[0]) || !strchr(words_of[5], '/'))
        return false;
    const char *state = words_of[4], *tasks = words_of[n - 1];
    snprintf(out->id, sizeof out->id, "%s", words_of[0]);
    bool is_pending = strchr(state, 'q') != NULL;
    bool has_tasks = n >= (is_pending ? 9u : 10u);
    out->first = out->last = 1;
    if (has_tasks && sscanf(tasks, "%u-%u", &out->first, &out->last) == 1)
        out->last = out->first;
    out->state = is_pending ? SCHEDULER_PENDING : SCHEDULER_RUNNING;
    const char *at = is_pending ? NULL : strchr(words_of[7], '@');
    snprintf(out->reason, sizeof out->reason, "%s",
        strchr(state, 'E')   ? "in error: see qstat -j"
        : strchr(state, 'h') ? "held"
        : is_pending         ? "queued"
        : at                 ? at + 1
                             : "");
    return true;
}

/* JOB|INDEX|STAT|HOST|WHY */
static bool read_lsf(char *line, struct listed *out)
{
    char state[32] = "", host[64] = "", why[120] = "";
    int n = sscanf(line, "%63[0-9]|%u|%31[^|]|%63[^|]|%119[^\n]", out->id, &out->first, state, host, why);
    if (n < 3)
        return false;
    out->first = out->last = out->first ? out->first : 1;
    out->state = strcmp(state, "PEND") == 0 || strcmp(state, "PSUSP") == 0 || strcmp(state, "WAIT") == 0
                     ? SCHEDULER_PENDING
                 : strcmp(state, "DONE") == 0 || strcmp(state, "EXIT") == 0 ? SCHEDULER_ENDED
                                                                            : SCHEDULER_RUNNING;
    snprintf(out->reason, sizeof out->reason, "%s",
        out->state == SCHEDULER_PENDING ? (strcmp(why, "-") != 0 ? why : "")
        : strcmp(host, "-") != 0        ? host
                                        : "");
    return true;
}

static bool read_line(enum scheduler_kind kind, char *line, struct listed *out)
{
    *out = (struct listed){0};
    switch (kind) {
    case SCHEDULER_SLURM: return read_slurm(line, out);
    case SCHEDULER_PBS: return read_pbs(line, out);
    case SCHEDULER_SGE: return read_sge(line, out);
    case SCHEDULER_LSF: return read_lsf(line, out);
    default: return false;
    }
}

/* A PBS id without its server and brackets; others as they are. */
static bool same_job(enum scheduler_kind kind, const char *listed, const char *id)
{
    size_t len = kind == SCHEDULER_PBS ? strcspn(id, "[.") : strlen(id);
    return strlen(listed) == len && strncmp(listed, id, len) == 0;
}

enum scheduler_state scheduler_find(
    enum scheduler_kind kind, const char *text, size_t len, const char *id, unsigned index, char *reason, size_t size)
{
    const char *at = text, *end = text + len;
    char line[400];
    struct listed l;
    *reason = '\0';
    while (next_line(&at, end, line, sizeof line)) {
        if (!read_line(kind, line, &l) || !same_job(kind, l.id, id) || index < l.first || index > l.last)
            continue;
        if (l.state != SCHEDULER_ENDED)
            text_escape(reason, size, l.reason, strlen(l.reason));
        return l.state;
    }
    return SCHEDULER_ENDED;
}
