/* The one table of actions: it feeds dispatch, footer, help and the manual. */
#ifndef TUI_SCREEN_ACTION_H
#define TUI_SCREEN_ACTION_H

#include "tui/screen/ui.h"

#define ON(screen) (1u << (screen))
#define ON_ALL 0xffu

enum action_group { GROUP_MOVE, GROUP_SELECT, GROUP_VIEW, GROUP_DO, GROUP_GENERAL, GROUP_COUNT };

struct action {
    enum action_group group;
    unsigned screens;
    int keys[4];       /* 0-terminated; the first is shown */
    const char *label; /* a word or two, for the footer */
    const char *help;  /* what it does */
    const char *twin;  /* the command that does the same */
    int footer;        /* place in the footer; 0: not there */
    void (*run)(struct ui *ui);
    const char *(*why_not)(struct ui *ui); /* NULL when it can be done, else the reason; may be absent */
};

extern const struct action actions[]; /* keymap.c */
extern const size_t action_count;
extern const char *const action_groups[GROUP_COUNT];

/* The action of a key on a screen, or NULL. */
const struct action *action_find(enum screen_id screen, int key);
/* Runs it, or says why it cannot. */
void action_run(struct ui *ui, const struct action *a);
/* "F2", "Space", "^L", "a" into out; returns out. */
char *action_key_text(int key, char *out, size_t size);
/* All keys of an action, "a F2". */
char *action_keys_text(const struct action *a, char *out, size_t size);

#endif
