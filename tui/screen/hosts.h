/* The Hosts screen: the inventory with its live state. */
#ifndef TUI_SCREEN_HOSTS_H
#define TUI_SCREEN_HOSTS_H

#include "tui/screen/host_columns.h"
#include "tui/screen/ui.h"

/* The rows of the screen and of the overview's map; owned array. */
struct host_line *hosts_lines(const struct ui *ui, size_t *count);
/* The detail pane of a row. */
struct host_trend;
void hosts_draw_detail(
    const struct ui *ui, const struct host_line *row, const struct host_trend *trend, const struct rect *r);

/* The names of the rows that an action is for, without this machine; owned: free() frees all. */
char **hosts_chosen(struct ui *ui, size_t *count);
/* The host under the cursor; NULL: none, or this machine. Borrowed until views change. */
const struct host_line *hosts_here(struct ui *ui);

/* Actions. */
void hosts_add(struct ui *ui);
void hosts_edit(struct ui *ui);
void hosts_import(struct ui *ui);
void hosts_probe(struct ui *ui);
void hosts_trust(struct ui *ui);
void hosts_unlock(struct ui *ui);
void hosts_retry(struct ui *ui);
void hosts_launch(struct ui *ui);
void hosts_wake(struct ui *ui);
void hosts_shell(struct ui *ui);
void hosts_doctor(struct ui *ui);
void hosts_forget(struct ui *ui);
void hosts_remove(struct ui *ui);
const char *hosts_no_host(struct ui *ui);

#endif
