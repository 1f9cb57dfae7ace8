/* The list of profiles, for two screens. */
#include "tui/screen/history.h"
#include "tui/screen/profiles.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { COL_NAME, COL_STATE, COL_DAEMONS, COL_AWAIT, COL_EXEC, COL_DONE, COL_FAIL, COL_RATE, COL_LAST, COL_HOSTS };

static const struct table_column columns[] = {
    [COL_NAME] = {"PROFILE", 12, 0, COLUMN_GROW},
    [COL_STATE] = {"STATE", 10, 0, 0},
    [COL_DAEMONS] = {"DAEMONS", 7, 0, COLUMN_RIGHT},
    [COL_AWAIT] = {"AWAIT", 8, 3, COLUMN_RIGHT},
    [COL_EXEC] = {"EXEC", 5, 4, COLUMN_RIGHT},
    [COL_DONE] = {"DONE", 10, 1, COLUMN_RIGHT},
    [COL_FAIL] = {"FAIL", 4, 1, COLUMN_RIGHT},
    [COL_RATE] = {"RATE/s", 7, 0, COLUMN_RIGHT},
    [COL_LAST] = {"LAST MINUTE", 11, 2, 0},
    [COL_HOSTS] = {"HOSTS", 14, 6, COLUMN_GROW},
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct profile_row *)a)->name, ((const struct profile_row *)b)->name);
}

struct profile_row *profile_rows(const struct ui *ui, size_t *count)
{
    size_t saved = ui->store ? ui->store->profiles.count : 0, live = ui->engine ? ui->engine->profile_count : 0, n = 0;
    struct profile_row *rows = mem_zalloc((saved + live + 1) * sizeof *rows);
    for (size_t i = 0; i < saved; i++) {
        const struct store_profile *p = &ui->store->profiles.items[i];
        rows[n++] = (struct profile_row){p->name, p, view_profile_find(ui->engine, p->name)};
    }
    for (size_t i = 0; i < live; i++)
        if (!view_profile_saved(ui->store, ui->engine->profiles[i].name))
            rows[n++] = (struct profile_row){ui->engine->profiles[i].name, NULL, &ui->engine->profiles[i]};
    qsort(rows, n, sizeof *rows, by_name);
    *count = n;
    return rows;
}

static enum role state_text(const struct profile_row *row, char *out, size_t size)
{
    static const struct {
        const char *state, *sign;
        enum role role;
    } words[] = {{"up", "+", ROLE_GOOD}, {"partial", "!", ROLE_WARN}, {"launching", "~", ROLE_BUSY},
        {"paused", "=", ROLE_WARN}, {"away", "!", ROLE_WARN}, {"stopping", "~", ROLE_BUSY}, {"failed", "!", ROLE_BAD},
        {"stopped", "-", ROLE_DIM}};
    const char *state = row->live ? row->live->state : "stopped";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].state, state) == 0) {
            snprintf(out, size, "%s %s", words[i].sign, state);
            return words[i].role;
        }
    snprintf(out, size, "? %s", state);
    return ROLE_NORMAL;
}

static void number(struct table_cell *c, double value, bool known, const char *text)
{
    c->number = value;
    c->numeric = known;
    snprintf(c->text, sizeof c->text, "%s", known ? text : "-");
    if (!known || value <= 0)
        c->role = ROLE_DIM;
}

static void daemons_cell(const struct profile_row *row, struct table_cell *c)
{
    unsigned want = row->saved ? row->saved->local_daemons : 0;
    for (size_t i = 0; row->saved && i < row->saved->host_count; i++)
        want += row->saved->hosts[i].daemons;
    if (row->live)
        want = row->live->wanted;
    c->numeric = true;
    c->number = row->live ? row->live->connected : 0;
    unsigned have = row->live ? row->live->connected : 0;
    if (snprintf(c->text, sizeof c->text, "%u/%u", have, want) > columns[COL_DAEMONS].width && have == want)
        snprintf(c->text, sizeof c->text, "%u", have);
}

static void hosts_cell(const struct profile_row *row, struct table_cell *c)
{
    size_t used = 0;
    if (row->saved && row->saved->local_daemons)
        used = (size_t)snprintf(c->text, sizeof c->text, "local");
    for (size_t i = 0; row->saved && i < row->saved->host_count && used < sizeof c->text; i++)
        used +=
            (size_t)snprintf(c->text + used, sizeof c->text - used, "%s%s", used ? "," : "", row->saved->hosts[i].host);
}

static void cell(void *arg, size_t at, int column, struct table_cell *c)
{
    const struct profile_list *list = arg;
    const struct profile_row *row = &list->rows[at];
    const struct view_profile *p = row->live;
    char text[40];
    switch (column) {
    case COL_NAME: snprintf(c->text, sizeof c->text, "%s", row->name); break;
    case COL_STATE: c->role = state_text(row, c->text, sizeof c->text); break;
    case COL_DAEMONS: daemons_cell(row, c); break;
    case COL_AWAIT:
        number(c, p ? (double)p->awaiting : 0, p, text_count(text, sizeof text, p ? p->awaiting : 0));
        break;
    case COL_EXEC:
        number(c, p ? (double)p->executing : 0, p, text_count(text, sizeof text, p ? p->executing : 0));
        break;
    case COL_DONE:
        number(c, p ? (double)p->completed : 0, p, text_count(text, sizeof text, p ? p->completed : 0));
        break;
    case COL_FAIL:
        number(c, p ? (double)p->failed : 0, p, text_count(text, sizeof text, p ? p->failed : 0));
        if (p && p->failed)
            c->role = ROLE_BAD;
        break;
    case COL_RATE:
        if (p && p->is_opaque) { /* no tasks to be seen: bytes */
            size_t used = strlen(text_bytes(text, sizeof text, (uint64_t)p->bytes_rate));
            snprintf(text + used, sizeof text - used, "%s", text[used ? used - 1 : 0] == 'B' ? "" : "B");
            number(c, p->bytes_rate, p, text);
        } else {
            number(c, p ? p->rate : 0, p, text_rate(text, sizeof text, p ? p->rate : 0));
        }
        break;
    case COL_LAST:
        if (p) {
            char spark[GRAPH_ROW_SIZE];
            int cols = columns[COL_LAST].width;
            size_t n = (size_t)(cols * graph_values_per_column(history_style()));
            graph_spark(history_style(), p->last + VIEW_LAST - n, n, cols, spark);
            snprintf(c->text, sizeof c->text, "%.*s", (int)sizeof c->text - 1, spark);
            c->role = ROLE_GRAPH;
        }
        break;
    default: hosts_cell(row, c);
    }
}

static size_t count(void *arg)
{
    return ((struct profile_list *)arg)->count;
}

static uint64_t id(void *arg, size_t row)
{
    return table_hash(((struct profile_list *)arg)->rows[row].name);
}

void profile_table_init(struct table *t, struct profile_list *list)
{
    static const struct table_source source = {count, id, cell};
    static const char *const empty[] = {"No profiles yet: a profile is a named set of daemons. To begin:",
        "  a  make one, on this machine and on hosts", "  :  up -n 4     four daemons here, now",
        "Then: ls *.wav | clowder map -- flac {}", NULL};
    table_init(t, columns, sizeof columns / sizeof *columns, &source, list, empty);
}
