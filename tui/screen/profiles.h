/* The Profiles screen: sets of daemons, live. */
#ifndef TUI_SCREEN_PROFILES_H
#define TUI_SCREEN_PROFILES_H

#include "tui/screen/ui.h"

/* A profile as the screens show it: what is saved, and what the engine says of it. One of them may be NULL. */
struct profile_row {
    const char *name;
    const struct store_profile *saved;
    const struct view_profile *live;
};

/* Owned array, by name. */
struct profile_row *profile_rows(const struct ui *ui, size_t *count);
/* The columns of profiles, for this screen and the overview; arg is a struct profile_list. */
struct profile_list {
    struct profile_row *rows;
    size_t count;
};
void profile_table_init(struct table *t, struct profile_list *list);

/* Of the screen that is shown: the profile under the cursor, or NULL. Borrowed. */
const struct profile_row *profiles_here(struct ui *ui);
/* The overview's list, for actions that it shares. */
const struct profile_row *overview_here(struct ui *ui);

/* Actions. */
void profiles_new(struct ui *ui);
void profiles_edit(struct ui *ui);
void profiles_up(struct ui *ui);
void profiles_down(struct ui *ui);
void profiles_more(struct ui *ui);
void profiles_fewer(struct ui *ui);
void profiles_launches(struct ui *ui);
void profiles_remove(struct ui *ui);
const char *profiles_none(struct ui *ui);
/* The host of the daemon row under the cursor, or NULL when the list of profiles has the keyboard. */
const char *profiles_row_host(struct ui *ui);
void profiles_show_launches(struct ui *ui);

#endif
