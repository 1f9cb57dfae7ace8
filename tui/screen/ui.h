/* The front end's own state, and what screens and dialogs ask of it. One thread owns all of it.
 *
 * THE RULE OF ROWS. Rows point into views, so that lists of thousands need no copies. That is safe because:
 *  1. A screen keeps pointers into views only in what its update() makes. The loop calls update(), nobody else does.
 *  2. The views that a screen's rows were made of are held for it (made_of) until update() has made its rows anew.
 *  3. update() never runs while a key, a click or finished work is acted on, but always before the next key or click: a
 *     screen that was just shown is up to date when it gets a key, also when both keys came in one read.
 * So an action may use the row that it is called for, to its end. Whatever lives longer (a request, a dialog, a form, a
 * prompt, work of the feed) keeps a copy of the name or number: it acts on what was shown, not on what is under the
 * cursor later. */
#ifndef TUI_SCREEN_UI_H
#define TUI_SCREEN_UI_H

#include "tui/screen/draw.h"
#include "tui/screen/feed.h"
#include "tui/screen/layout.h"
#include "tui/screen/table.h"

#include <stdbool.h>

enum screen_id { SCREEN_OVERVIEW, SCREEN_HOSTS, SCREEN_PROFILES, SCREEN_JOBS, SCREEN_LOG, SCREEN_COUNT };

struct ui;
enum span { SPAN_MINUTE, SPAN_HOUR, SPAN_DAY, SPAN_MONTH, SPAN_COUNT }; /* of time, that a graph shows */

/* A screen. state is its own; update is called when views have changed, before anything else looks at them: it makes
 * all rows anew. */
struct screen {
    const char *name, *title;
    void *(*open)(struct ui *ui);
    void (*close)(void *state);
    void (*update)(void *state, struct ui *ui);
    void (*draw)(void *state, struct ui *ui);
    struct table *(*table)(void *state); /* the list that has the keyboard */
    struct table *(*list)(void *state);  /* the list that ui_go_to() and ui_cursor_on() are about */
    void (*pane)(void *state, int step); /* Tab; may be NULL */
    void (*enter)(void *state, struct ui *ui);
    char *(*json)(void *state, struct ui *ui);               /* the row as JSON, owned; may be NULL */
    bool (*click)(void *state, struct ui *ui, int y, int x); /* beside the table; may be NULL */
};
extern const struct screen screen_overview, screen_hosts, screen_profiles, screen_jobs, screen_log;
extern const struct screen *const screens[SCREEN_COUNT]; /* screen_main.c */

/* Something over the screen: a dialog, a pager, a line to type in. */
struct overlay_type {
    void (*draw)(struct ui *ui, void *state);
    /* All keys go to the topmost overlay. */
    void (*key)(struct ui *ui, void *state, int key);
    void (*free)(void *state);
    bool (*click)(struct ui *ui, void *state, int y, int x, bool twice); /* may be NULL */
    const char *footer;
};
struct overlay {
    const struct overlay_type *type;
    void *state;
    struct overlay *below;
};

enum hit_kind { HIT_TAB, HIT_KEY };
struct hit {
    int y, x, cols;
    enum hit_kind kind;
    int value; /* a screen, or a key */
};

struct alert {
    enum role role;
    uint64_t id; /* of this kind for this name, whatever numbers the text has */
    char text[400];
    enum screen_id screen;
    char name[STORE_NAME_SIZE]; /* of the host, profile or job to go to */
};
enum { ALERTS_MAX = 64, HITS_MAX = 64 };

struct ui {
    struct feed *feed;
    struct view_engine *engine; /* the last that an engine told; NULL: none yet */
    bool engine_alive;
    struct view_links *links;
    struct view_store *store;
    enum screen_id screen;
    void *state[SCREEN_COUNT];
    struct views made_of[SCREEN_COUNT];            /* what the rows of each screen point into */
    char cursor_on[SCREEN_COUNT][STORE_NAME_SIZE]; /* the row to go to with the next update; "": none */
    unsigned saving[SCREEN_COUNT];                 /* rows that are on their way into the store */
    struct layout layout;
    struct overlay *overlay;
    struct hit hits[HITS_MAX];
    int hit_count;
    struct alert alerts[ALERTS_MAX];
    size_t alert_count;
    enum span span;
    char message[700];
    enum role message_role;
    uint64_t message_ms;
    bool message_seen;
    bool dirty, quit, paused, follow_log;
    bool views_wait;   /* the feed has new views */
    bool data_changed; /* the screen has to be updated */
    int status;        /* to leave with */
    long frames_left;  /* below 0: no limit */
    struct {
        int y, x;
        uint64_t ms;
    } last_click;
};

/* ---- ui.c ---- */
void ui_dirty(struct ui *ui);
void ui_go(struct ui *ui, enum screen_id screen);
/* Shows the screen with its cursor on that host, profile or job: with the next update, as all rows. */
void ui_go_to(struct ui *ui, enum screen_id screen, const char *name);
/* The same for the cursor alone, whichever screen is shown. */
void ui_cursor_on(struct ui *ui, enum screen_id screen, const char *name);
/* Something is being saved that the cursor will be on; until ui_saved() the row that it is on is not the one that is
 * meant, and actions for a row say so. */
void ui_saving(struct ui *ui, enum screen_id screen);
void ui_saved(struct ui *ui, enum screen_id screen);
struct table *ui_table(struct ui *ui);
void ui_push(struct ui *ui, const struct overlay_type *type, void *state); /* takes state */
void ui_pop(struct ui *ui);
/* Takes away the overlay with that state, wherever it is. */
void ui_close(struct ui *ui, const void *state);
/* What happened, to what, what to do next. Errors and warnings stay until a key has been pressed with them in view. */
void ui_say(struct ui *ui, enum role role, const char *format, ...) __attribute__((format(printf, 3, 4)));
void ui_say_error(struct ui *ui, const char *what, const struct clowder_error *err);
/* The age of the engine's data in seconds, when it is gone; else 0. */
unsigned ui_engine_age_s(const struct ui *ui);

/* ---- renew.c ---- */
/* Takes the views that have come, and makes the rows of the screen that is shown. */
void ui_renew(struct ui *ui);
/* Makes the rows, when something has changed: before a key or a click is acted on. */
void ui_settle(struct ui *ui);
void ui_views_fini(struct ui *ui);

/* ---- frame.c ---- */
void frame_draw(struct ui *ui);
void ui_hit(struct ui *ui, int y, int x, int cols, enum hit_kind kind, int value);

/* ---- alerts.c ---- */
void alerts_update(struct ui *ui);
void alerts_open(struct ui *ui);

#endif
