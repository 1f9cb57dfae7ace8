/* Forms: labelled fields in a dialog, checked on leaving a field and on saving, with the message beside the field. A
 * secret is masked and wiped. Not libform: that keeps copies of what was typed, which cannot be wiped. */
#ifndef TUI_SCREEN_FORM_H
#define TUI_SCREEN_FORM_H

#include "base/err.h"
#include "tui/screen/edit.h"

#include <stdbool.h>

struct ui;
struct form;

enum form_kind { FORM_TEXT, FORM_SECRET, FORM_CHECK, FORM_CHOICE, FORM_HEADING };

struct form_field {
    enum form_kind kind;
    char label[72];
    int label_cols;             /* of a row with a long label; 0: as the form's */
    char hint[100];             /* beside the field, when there is nothing to complain of */
    const char *const *choices; /* NULL-terminated */
    int choice;                 /* of choices; FORM_CHECK: 0 or 1 */
    int cols;                   /* of the field; 0: the default */
    struct edit edit;
    /* CLW_USAGE with the reason. May be NULL. */
    enum clw_err (*check)(const struct form *f, int field, struct clw_error *err);
    char why[200];
};

struct form_type {
    const char *title;
    /* Everything is checked. False: why says what is wrong, and the form stays. */
    bool (*save)(struct ui *ui, struct form *f, char *why, size_t size);
    /* Lines under the fields: a preview. May be NULL; extra_rows is how many. */
    void (*extra)(struct ui *ui, struct form *f, int y, int x, int rows, int cols);
    int extra_rows;
    void (*release)(void *arg); /* may be NULL */
    const char *save_label;     /* "Save" when NULL */
};

struct form {
    const struct form_type *type;
    char title[120];
    struct form_field *fields; /* owned */
    int count, here, top;
    void *arg;
    char why[400]; /* under the fields */
    bool confirm_leave;
    bool changed;
    int drawn_y, drawn_x, drawn_rows;
};

/* A form with room for count fields, all empty text. fill it and give it to form_open(). Owned until then. */
struct form *form_new(const struct form_type *type, int count, void *arg);
struct form_field *form_add(struct form *f, enum form_kind kind, const char *label, const char *value);
void form_open(struct ui *ui, struct form *f); /* takes f */
/* The text of a field without the blanks around it, borrowed until the next call for that field. */
const char *form_text(const struct form *f, int field);
bool form_is_set(const struct form *f, int field);

#endif
