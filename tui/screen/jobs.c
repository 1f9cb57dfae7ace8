/* The Jobs screen: the list above; below, of the job under the cursor, progress and failed tasks. */
#include "tui/screen/jobs.h"

#include "base/mem.h"
#include "base/mono.h"
#include "base/text.h"
#include "tui/screen/job_failures.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COL_ID, COL_NAME, COL_PROFILE, COL_STATE, COL_PROGRESS, COL_DONE, COL_FAIL, COL_RATE, COL_ETA, COL_COMMAND };
enum { BAR = 10 };

static const struct table_column columns[] = {
    [COL_ID] = {"ID", 5, 0, COLUMN_RIGHT},
    [COL_NAME] = {"NAME", 12, 0, COLUMN_GROW},
    [COL_PROFILE] = {"PROFILE", 9, 3, 0},
    [COL_STATE] = {"STATE", 11, 0, 0},
    [COL_PROGRESS] = {"PROGRESS", BAR + 5, 1, 0},
    [COL_DONE] = {"DONE", 10, 4, COLUMN_RIGHT},
    [COL_FAIL] = {"FAIL", 7, 0, COLUMN_RIGHT},
    [COL_RATE] = {"RATE/s", 6, 2, COLUMN_RIGHT},
    [COL_ETA] = {"ETA", 6, 2, COLUMN_RIGHT},
    [COL_COMMAND] = {"COMMAND", 20, 6, COLUMN_GROW},
};

static const struct table_column failure_columns[] = {{"TASK", 9, 0, COLUMN_RIGHT}, {"HOST", 10, 0, 0},
    {"TRIES", 5, 2, COLUMN_RIGHT}, {"STATUS", 16, 0, 0}, {"MESSAGE", 20, 0, COLUMN_GROW}};

struct jobs {
    struct ui *ui;
    struct job_row *rows;
    size_t count;
    struct table table, failures;
    bool in_failures;
    struct job_failures failed;
};

static void add_live(struct jobs *s, const struct view_job *j)
{
    s->rows[s->count++] = (struct job_row){.id = j->id,
        .name = j->name,
        .profile = j->profile,
        .state = *j->state ? j->state : "running",
        .command = j->command,
        .total = j->total,
        .done = j->done,
        .failed = j->failed,
        .cancelled = j->cancelled,
        .executing = j->executing,
        .awaiting = j->awaiting,
        .submitted_us = j->submitted_us,
        .total_known = j->total_known,
        .live = true,
        .detached = j->detached,
        .rate = j->rate,
        .job = j};
}

static void make_rows(struct jobs *s, const struct ui *ui)
{
    size_t live = ui->links ? ui->links->job_count : 0, kept = ui->store ? ui->store->jobs.count : 0;
    s->rows = mem_realloc(s->rows, (live + kept + 1) * sizeof *s->rows);
    s->count = 0;
    for (size_t i = 0; i < live; i++)
        add_live(s, &ui->links->jobs[i]);
    live = s->count;
    for (size_t i = 0; i < kept; i++) {
        const struct store_job *j = &ui->store->jobs.items[i];
        bool twice = false;
        for (size_t k = 0; k < live; k++)
            twice |= s->rows[k].id == j->id;
        if (twice)
            continue;
        s->rows[s->count++] = (struct job_row){.id = j->id,
            .name = j->name,
            .profile = j->profile,
            .state = store_job_state_text(j->state),
            .command = j->command,
            .total = j->total,
            .done = j->done,
            .failed = j->failed,
            .cancelled = j->cancelled,
            .submitted_us = j->submitted_us,
            .finished_us = j->finished_us,
            .total_known = true,
            .detached = j->detached};
    }
}

static double part_done(const struct job_row *j)
{
    return j->total ? (double)(j->done + j->failed + j->cancelled) / (double)j->total : j->live ? 0 : 1;
}

static enum role state_cell(const struct job_row *j, char *out, size_t size)
{
    bool bad = strcmp(j->state, "failed") == 0 || strcmp(j->state, "lost") == 0;
    bool done = strcmp(j->state, "done") == 0, cancelled = strcmp(j->state, "cancelled") == 0;
    snprintf(out, size, "%s %s", bad ? "!" : done ? "+" : cancelled ? "-" : "~", j->state);
    return bad ? ROLE_BAD : done ? ROLE_GOOD : cancelled ? ROLE_WARN : ROLE_BUSY;
}

static void bar_text(const struct job_row *j, char *out, size_t size)
{
    int full = (int)(part_done(j) * BAR + 0.5);
    size_t w = 0;
    if (j->live && !j->total_known) {
        snprintf(out, size, "still reading");
        return;
    }
    for (int i = 0; i < BAR && w + 4 < size; i++)
        w += (size_t)snprintf(out + w, size - w, "%s", i < full ? draw_sign("█", "#") : draw_sign("░", "."));
    snprintf(out + w, size - w, " %3.0f%%", part_done(j) * 100);
}

static uint64_t eta_ms(const struct job_row *j)
{
    uint64_t ended = j->done + j->failed + j->cancelled;
    return j->live && j->total_known && j->rate > 0 && j->total > ended
               ? (uint64_t)((double)(j->total - ended) / j->rate * 1000)
               : 0;
}

static void cell(void *arg, size_t at, int column, struct table_cell *c)
{
    const struct job_row *j = &((struct jobs *)arg)->rows[at];
    c->numeric = column == COL_ID || column >= COL_PROGRESS;
    switch (column) {
    case COL_ID:
        snprintf(c->text, sizeof c->text, "%lld", (long long)j->id);
        c->number = (double)j->id;
        break;
    case COL_NAME: snprintf(c->text, sizeof c->text, "%s", j->name); break;
    case COL_PROFILE: snprintf(c->text, sizeof c->text, "%s", j->profile); break;
    case COL_STATE: c->role = state_cell(j, c->text, sizeof c->text); break;
    case COL_PROGRESS:
        bar_text(j, c->text, sizeof c->text);
        c->number = part_done(j) * 100;
        break;
    case COL_DONE:
        text_count(c->text, sizeof c->text, j->done);
        c->number = (double)j->done;
        break;
    case COL_FAIL:
        text_count(c->text, sizeof c->text, j->failed);
        c->number = (double)j->failed;
        c->role = j->failed ? ROLE_BAD : ROLE_DIM;
        break;
    case COL_RATE:
        c->number = j->rate;
        if (j->live)
            text_rate(c->text, sizeof c->text, j->rate);
        break;
    case COL_ETA:
        c->number = (double)eta_ms(j) / 1000;
        if (eta_ms(j))
            text_span(c->text, sizeof c->text, eta_ms(j));
        break;
    default: c->numeric = false; snprintf(c->text, sizeof c->text, "%s", j->command ? j->command : "");
    }
}

static size_t count(void *arg)
{
    return ((struct jobs *)arg)->count;
}

/* As ui_go_to() looks for them: by the text of the id. */
static uint64_t id(void *arg, size_t row)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)((struct jobs *)arg)->rows[row].id);
    return table_hash(text);
}

static size_t failure_count(void *arg)
{
    return ((struct jobs *)arg)->failed.count;
}

static uint64_t failure_id(void *arg, size_t row)
{
    return ((struct jobs *)arg)->failed.items[row].task;
}

static void failure_cell(void *arg, size_t row, int column, struct table_cell *c)
{
    const struct job_failure *f = &((struct jobs *)arg)->failed.items[row];
    c->numeric = column == 0 || column == 2;
    c->number = column == 0 ? (double)f->task : f->attempts;
    if (column == 0)
        snprintf(c->text, sizeof c->text, "%llu", (unsigned long long)f->task + 1);
    else if (column == 2)
        snprintf(c->text, sizeof c->text, "%u", f->attempts);
    else
        snprintf(c->text, sizeof c->text, "%s", column == 1 ? f->host : column == 3 ? f->status : f->message);
    if (column == 3)
        c->role = ROLE_BAD;
}

/* ---- the screen ---- */

static void *open_screen(struct ui *ui)
{
    static const struct table_source jobs = {count, id, cell}, failures = {failure_count, failure_id, failure_cell};
    static const char *const empty[] = {"No jobs yet: a job is a command mapped over inputs. To begin:",
        "  a  submit one from a form", "  or in a shell: ls *.wav | clowder map -- flac {}", NULL};
    static const char *const none[] = {"No failed tasks.", NULL};
    struct jobs *s = mem_zalloc(sizeof *s);
    s->ui = ui;
    table_init(&s->table, columns, sizeof columns / sizeof *columns, &jobs, s, empty);
    table_init(&s->failures, failure_columns, sizeof failure_columns / sizeof *failure_columns, &failures, s, none);
    s->table.sort = COL_ID;
    s->table.descending = true;
    return s;
}

static void close_screen(void *state)
{
    struct jobs *s = state;
    table_fini(&s->table);
    table_fini(&s->failures);
    free(s->rows);
    job_failures_fini(&s->failed);
    free(s);
}

static const struct job_row *here(const struct jobs *s)
{
    size_t row = table_row(&s->table);
    return row == SIZE_MAX ? NULL : &s->rows[row];
}

static void failures_changed(struct ui *ui)
{
    struct jobs *s = ui->state[SCREEN_JOBS];
    table_update(&s->failures);
    ui_dirty(ui);
}

static void follow_cursor(struct jobs *s)
{
    const struct job_row *j = here(s);
    if (job_failures_update(&s->failed, s->ui, j ? j->id : 0, j ? j->failed : 0, failures_changed))
        table_update(&s->failures);
}

static void update(void *state, struct ui *ui)
{
    struct jobs *s = state;
    make_rows(s, ui);
    table_update(&s->table);
    follow_cursor(s);
}

static void clock_of(uint64_t at_us, char *out, size_t size)
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm local;
    localtime_r(&at, &local);
    strftime(out, size, time(NULL) - at < 86400 ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &local);
}

static void draw_facts(const struct job_row *j, const struct rect *r)
{
    char done[24], total[24], wait[24], at[40] = "-", took[24] = "-", eta[24] = "-", share[400] = "";
    uint64_t end = j->finished_us ? j->finished_us : wall_us();
    if (j->submitted_us) {
        clock_of(j->submitted_us, at, sizeof at);
        text_span(took, sizeof took, end > j->submitted_us ? (end - j->submitted_us) / 1000 : 0);
    }
    if (eta_ms(j))
        text_span(eta, sizeof eta, eta_ms(j));
    draw_printf(r->y, 1, r->cols - 2, ROLE_NORMAL, "Command  %s", j->command ? j->command : "");
    draw_printf(r->y + 1, 1, r->cols - 2, ROLE_NORMAL,
        "Tasks    %s of %s%s, %llu run, %s wait, %llu failed, %llu cancelled", text_count(done, sizeof done, j->done),
        text_count(total, sizeof total, j->total), j->total_known ? "" : " so far", (unsigned long long)j->executing,
        text_count(wait, sizeof wait, j->awaiting), (unsigned long long)j->failed, (unsigned long long)j->cancelled);
    draw_printf(r->y + 2, 1, r->cols - 2, ROLE_NORMAL, "Time     submitted %s   %s %s   ETA %s%s", at,
        j->finished_us ? "took" : "running for", took, eta, j->detached ? "   detached" : "");
    for (size_t i = 0; j->job && i < j->job->host_count && i < 8; i++)
        snprintf(share + strlen(share), sizeof share - strlen(share), "%s%s %llu (%.0f%%)", i ? "   " : "",
            j->job->hosts[i].host, (unsigned long long)j->job->hosts[i].done,
            j->done ? (double)j->job->hosts[i].done * 100 / (double)j->done : 0.0);
    if (j->job && *j->job->reason)
        draw_printf(r->y + 3, 1, r->cols - 2, ROLE_WARN, "Waits    %s", j->job->reason);
    else
        draw_printf(r->y + 3, 1, r->cols - 2, ROLE_NORMAL, "Share    %s", *share ? share : "-");
}

static void draw(void *state, struct ui *ui)
{
    struct jobs *s = state;
    const struct job_row *j = here(s);
    char title[300];
    int rule;
    struct rect facts, failures;
    follow_cursor(s);
    int body = ui->layout.rows - 4, list = s->count < (size_t)(body / 2) ? (int)s->count + 1 : body / 2;
    int want = body - 1 - list; /* the list has up to half, however many failed tasks there are: it stands still */
    ui->layout = layout_make(ui->layout.cols, ui->layout.rows, j ? want : 0, false);
    table_draw(&s->table, &ui->layout.table, !s->in_failures);
    if (!j || ui->layout.rule < 0)
        return;
    snprintf(title, sizeof title, "%lld %s", (long long)j->id, j->name);
    draw_rule(ui->layout.rule, 0, ui->layout.cols, title);
    layout_split(&ui->layout.detail, 4, &facts, &rule, &failures);
    if (facts.rows >= 4)
        draw_facts(j, &facts);
    if (rule < 0)
        return;
    snprintf(title, sizeof title, "failed tasks (%zu)   %s", s->failures.shown,
        s->in_failures ? "Enter: its whole output" : "Tab: go there");
    draw_rule(rule, 0, ui->layout.cols, title);
    table_draw(&s->failures, &failures, s->in_failures);
}

static struct table *list(void *state)
{
    return &((struct jobs *)state)->table;
}

/* The failed tasks below are those of the job under the cursor, also when it has moved and nothing was drawn since. */
static struct table *table(void *state)
{
    struct jobs *s = state;
    follow_cursor(s);
    return s->in_failures ? &s->failures : &s->table;
}

static void pane(void *state, int step)
{
    struct jobs *s = state;
    s->in_failures = step ? !s->in_failures : false;
}

static void enter(void *state, struct ui *ui)
{
    struct jobs *s = state;
    size_t row = table_row(&s->failures);
    if (!s->in_failures)
        s->in_failures = true;
    else if (row != SIZE_MAX)
        jobs_show_failure(ui, s->failed.job, s->failed.items[row].task);
}

static char *json(void *state, struct ui *ui)
{
    const struct job_row *j = here(state);
    (void)ui;
    if (!j)
        return NULL;
    json_t *o = json_pack("{s:I,s:s,s:s,s:s,s:I,s:I,s:I}", "id", (json_int_t)j->id, "name", j->name, "profile",
        j->profile, "state", j->state, "total", (json_int_t)j->total, "done", (json_int_t)j->done, "failed",
        (json_int_t)j->failed);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static bool click(void *state, struct ui *ui, int y, int x)
{
    struct jobs *s = state;
    (void)ui;
    follow_cursor(s);
    if (table_click(s->in_failures ? &s->table : &s->failures, y, x) != 1)
        return false;
    s->in_failures = !s->in_failures;
    return true;
}

const struct screen screen_jobs = {.name = "jobs",
    .title = "Jobs",
    .open = open_screen,
    .close = close_screen,
    .update = update,
    .draw = draw,
    .table = table,
    .list = list,
    .pane = pane,
    .enter = enter,
    .json = json,
    .click = click};

const struct job_row *jobs_here(struct ui *ui)
{
    return here(ui->state[SCREEN_JOBS]);
}

const struct job_row *jobs_find(struct ui *ui, int64_t number)
{
    const struct jobs *s = ui->state[SCREEN_JOBS];
    for (size_t i = 0; i < s->count; i++)
        if (s->rows[i].id == number)
            return &s->rows[i];
    return NULL;
}

int64_t *jobs_chosen(struct ui *ui, size_t *n)
{
    struct jobs *s = ui->state[SCREEN_JOBS];
    size_t *rows = table_chosen(&s->table, n);
    int64_t *ids = mem_alloc((*n + 1) * sizeof *ids);
    for (size_t i = 0; i < *n; i++)
        ids[i] = s->rows[rows[i]].id;
    free(rows);
    return ids;
}
