/* Commands that write a file: a file that is there is never replaced without a yes to its name. */
#include "tui/screen/write_file.h"

#include "base/mem.h"
#include "tui/screen/child.h"
#include "tui/screen/dialog.h"
#include "tui/screen/ui.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Copies, for the time that the question is open. */
struct asked {
    char **argv;
    const void *over;
    char *path, label[200], good[400];
};

static void asked_free(void *arg)
{
    struct asked *a = arg;
    for (char **word = a->argv; *word; word++)
        free(*word);
    free(a->argv);
    free(a->path);
    free(a);
}

static size_t count(const char *const *words)
{
    size_t n = 0;
    while (words && words[n])
        n++;
    return n;
}

/* Returns where the next word goes. */
static char **add(char **at, const char *const *words)
{
    while (words && *words)
        *at++ = mem_strdup(*words++);
    return at;
}

static struct asked *asked_new(const void *over, const struct write_file *w, bool force)
{
    struct asked *a = mem_zalloc(sizeof *a);
    a->path = mem_printf("%s%s", *w->path == '-' ? "./" : "", w->path); /* a name, not an option or stdout */
    char **at = a->argv = mem_zalloc((count(w->head) + count(w->tail) + 3) * sizeof *a->argv);
    at = add(at, w->head);
    at = add(at, (const char *const[]){a->path, force ? "--force" : NULL, NULL});
    add(at, w->tail);
    a->over = over;
    snprintf(a->label, sizeof a->label, "%s", w->label);
    snprintf(a->good, sizeof a->good, "%s", w->good);
    return a;
}

static bool start(struct ui *ui, const struct asked *a, char *why, size_t size)
{
    bool ok = child_detach((const char *const *)a->argv, a->label, a->good);
    if (ok)
        ui_say(ui, ROLE_NORMAL, "%s: saving to %s", a->label, a->path);
    else
        snprintf(why, size, "cannot start it: %s", strerror(errno));
    return ok;
}

static void replace(struct ui *ui, void *arg)
{
    const struct asked *a = arg;
    char why[200];
    if (start(ui, a, why, sizeof why))
        ui_close(ui, a->over);
    else
        ui_say(ui, ROLE_BAD, "%s: %s", a->label, why);
}

bool write_file_start(struct ui *ui, const void *over, const struct write_file *w, char *why, size_t size)
{
    struct stat st;
    char lines[1400];
    bool is_there = stat(w->path, &st) == 0 && S_ISREG(st.st_mode);
    struct asked *a = asked_new(over, w, is_there);
    why[0] = '\0';
    if (is_there) {
        snprintf(lines, sizeof lines, "%.1024s\n\nThis file is there already. Replace it?", w->path);
        dialog_confirm(ui, "Replace", lines, NULL, replace, a, asked_free);
        return false;
    }
    bool ok = start(ui, a, why, size);
    asked_free(a);
    return ok;
}
