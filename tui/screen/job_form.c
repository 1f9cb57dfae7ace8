/* The form that submits a map: a command, its inputs from a file or a pattern, and what the first tasks would run.
 * Without a file for the results it becomes a detached job. */
#include "tui/screen/jobs.h"

#include "base/mem.h"
#include "base/paths.h"
#include "base/text.h"
#include "tui/screen/child.h"
#include "tui/screen/form.h"
#include "tui/screen/write_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { F_PROFILE, F_NAME, F_COMMAND, F_INPUTS, F_OUTPUT, F_COUNT };
enum { PREVIEW = 3 };

struct submit {
    const char **profiles;
    char seen[EDIT_SIZE]; /* the inputs that lines are of */
    char lines[PREVIEW][300];
    int count;
    char problem[200];
    bool is_glob;
};

static void release(void *arg)
{
    struct submit *s = arg;
    free(s->profiles);
    free(s);
}

static void first_of_file(struct submit *s, const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        snprintf(s->problem, sizeof s->problem, "%s: %s", path, strerror(errno));
        return;
    }
    while (s->count < PREVIEW && fgets(s->lines[s->count], sizeof s->lines[0], f)) {
        s->lines[s->count][strcspn(s->lines[s->count], "\n")] = '\0';
        s->count++;
    }
    fclose(f);
    if (!s->count)
        snprintf(s->problem, sizeof s->problem, "%s is empty: no tasks", path);
}

/* Looks at the inputs when they have changed: a few lines of a file, or the first names of a pattern. */
static void look(struct submit *s, const char *inputs)
{
    glob_t g;
    if (strcmp(s->seen, inputs) == 0)
        return;
    snprintf(s->seen, sizeof s->seen, "%s", inputs);
    s->count = 0;
    s->problem[0] = '\0';
    s->is_glob = strpbrk(inputs, "*?[") != NULL;
    if (!*inputs)
        return;
    if (!s->is_glob) {
        first_of_file(s, inputs);
        return;
    }
    if (glob(inputs, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc && s->count < PREVIEW; i++)
            snprintf(s->lines[s->count++], sizeof s->lines[0], "%s", g.gl_pathv[i]);
        globfree(&g);
    } else {
        snprintf(s->problem, sizeof s->problem, "no file matches %s", inputs);
    }
}

static void preview(struct ui *ui, struct form *f, int y, int x, int rows, int cols)
{
    struct submit *s = f->arg;
    struct clowder_function fn;
    size_t n;
    (void)ui;
    look(s, form_text(f, F_INPUTS));
    char **words = child_split(form_text(f, F_COMMAND), &n);
    draw_rule(y, x, cols, "the first tasks");
    if (!words || !n || !s->count) {
        draw_text(y + 1, x, cols, *s->problem ? ROLE_WARN : ROLE_DIM,
            !words           ? "a quote is not closed"
            : *s->problem    ? s->problem
            : n && !s->count ? "name a file with an input on each line, or a pattern like *.wav"
                             : "placeholders: {} input  {.} without extension  {/} last part  {#} number");
        free(words);
        return;
    }
    clowder_function_init(&fn);
    fn.argv = (const char *const *)(uintptr_t)words;
    for (int i = 0; i < s->count && i < rows; i++) {
        char line[1000] = "";
        char **argv = clowder_expand(&fn, s->lines[i], strlen(s->lines[i]), (uint64_t)i);
        for (size_t k = 0; argv && argv[k]; k++)
            snprintf(line + strlen(line), sizeof line - strlen(line), strpbrk(argv[k], " '\"") ? "%s'%s'" : "%s%s",
                k ? " " : "", argv[k]);
        draw_printf(y + 1 + i, x, cols, ROLE_NORMAL, "%s", line);
        free(argv);
    }
    free(words);
}

static enum clw_err check_command(const struct form *f, int field, struct clw_error *err)
{
    size_t n;
    char **words = child_split(form_text(f, field), &n);
    free(words);
    return !words ? clw_fail(err, CLW_USAGE, NULL, "a quote is not closed")
           : !n   ? clw_fail(err, CLW_USAGE, NULL, "what to run, like: flac {}")
                  : CLW_OK;
}

static enum clw_err check_inputs(const struct form *f, int field, struct clw_error *err)
{
    struct submit *s = f->arg;
    look(s, form_text(f, field));
    return s->count ? CLW_OK : clw_fail(err, CLW_USAGE, NULL, "%s", *s->problem ? s->problem : "a file or a pattern");
}

/* The names of a pattern as a file of inputs, owned; NULL with errno set. */
static char *list_file(const char *pattern)
{
    char *path = NULL;
    glob_t g;
    if (paths_state("inputs-XXXXXX", &path, NULL) || glob(pattern, 0, NULL, &g)) {
        free(path);
        return NULL;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    for (size_t i = 0; f && i < g.gl_pathc; i++)
        fprintf(f, "%s%c", g.gl_pathv[i], 0);
    globfree(&g);
    if (!f || fclose(f)) {
        free(path);
        return NULL;
    }
    return path;
}

static bool detach(struct ui *ui, const char *const *argv, const char *label, char *why, size_t size)
{
    bool ok = child_detach(argv, label, "a detached job; o collects its results");
    if (ok)
        ui_say(ui, ROLE_GOOD, "%s: its inputs go into the store", label);
    else
        snprintf(why, size, "cannot start: %s", strerror(errno));
    return ok;
}

/* clowder map -p PROFILE ... -o FILE -- COMMAND, or, without a file, clowder submit. */
static bool save(struct ui *ui, struct form *f, char *why, size_t size)
{
    struct submit *s = f->arg;
    size_t n, w = 0;
    char **words = child_split(form_text(f, F_COMMAND), &n), label[160], good[300];
    const char *name = form_text(f, F_NAME), *out = form_text(f, F_OUTPUT),
               **argv = mem_zalloc((n + 16) * sizeof *argv);
    char *list = s->is_glob ? list_file(form_text(f, F_INPUTS)) : NULL;
    argv[w++] = "clowder";
    argv[w++] = *out ? "map" : "submit";
    argv[w++] = "-p";
    argv[w++] = s->profiles[f->fields[F_PROFILE].choice];
    if (*name) {
        argv[w++] = "--name";
        argv[w++] = name;
    }
    if (list)
        argv[w++] = "-0";
    argv[w++] = "-a";
    argv[w++] = list ? list : form_text(f, F_INPUTS);
    if (*out) {
        argv[w++] = "-o";
        w++; /* the head ends in a NULL: the file's name comes in between */
    }
    const char **tail = argv + w;
    argv[w++] = "--";
    for (size_t i = 0; i < n; i++)
        argv[w++] = words[i];
    snprintf(label, sizeof label, "%s %s", *out ? "map" : "job", *name ? name : words[0]);
    snprintf(good, sizeof good, "finished, all tasks done; results are in %.200s", out);
    bool ok = *out ? write_file_start(ui, f, &(struct write_file){argv, tail, out, label, good}, why, size)
                   : detach(ui, argv, label, why, size);
    free(list);
    free(argv);
    free(words);
    return ok;
}

void jobs_submit(struct ui *ui)
{
    static const struct form_type type = {.title = "Submit a map",
        .save = save,
        .extra = preview,
        .extra_rows = PREVIEW + 1,
        .release = release,
        .save_label = "Submit"};
    struct submit *s = mem_zalloc(sizeof *s);
    size_t n = 0;
    s->profiles = mem_zalloc(((ui->store ? ui->store->profiles.count : 0) + 2) * sizeof *s->profiles);
    static char names[64][STORE_NAME_SIZE]; /* views may change while the form is open */
    for (size_t i = 0; ui->store && i < ui->store->profiles.count && n < 64; i++) {
        snprintf(names[n], sizeof names[n], "%s", ui->store->profiles.items[i].name);
        s->profiles[n] = names[n];
        n++;
    }
    if (!n)
        s->profiles[n++] = "default";
    struct form *f = form_new(&type, F_COUNT, s);
    form_add(f, FORM_CHOICE, "Profile", "")->choices = s->profiles;
    form_add(f, FORM_TEXT, "Name", "");
    form_add(f, FORM_TEXT, "Command *", "")->check = check_command;
    form_add(f, FORM_TEXT, "Inputs *", "")->check = check_inputs;
    form_add(f, FORM_TEXT, "Results to", "results.txt");
    for (int i = F_COMMAND; i < F_COUNT; i++)
        f->fields[i].cols = 40;
    snprintf(f->fields[F_INPUTS].hint, sizeof f->fields[0].hint, "file, or *.wav");
    snprintf(f->fields[F_OUTPUT].hint, sizeof f->fields[0].hint, "empty: detached");
    snprintf(f->fields[F_COMMAND].hint, sizeof f->fields[0].hint, "no shell");
    form_open(ui, f);
}
