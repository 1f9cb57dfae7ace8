/* Hosts as they are listed, on the screens and by `clowder host list`: the inventory, the links and the profiles put
 * together, and the columns in which they are shown and filtered. */
#ifndef TUI_SCREEN_HOST_COLUMNS_H
#define TUI_SCREEN_HOST_COLUMNS_H

#include "tui/screen/table.h"
#include "tui/screen/view.h"

/* A host: pointers into the views of this moment. */
struct host_line {
    const struct store_host *host;   /* NULL: this machine */
    const struct view_facts *facts;  /* NULL: this machine */
    const struct view_link *link;    /* NULL: nothing uses it now */
    const struct view_at_host *live; /* what a profile told of it last; NULL: nothing */
    const char *name;
    const char *state, *reason; /* the engine's word, or what is known without one; "": nothing */
    unsigned daemons, busy, paused;
    double load; /* below 0: unknown */
};

/* Those of the inventory by name, then this machine if daemons run here. Owned array. Pure but for memory. */
struct host_line *host_lines(const struct views *v, size_t *count);
/* A state that the store remembers, where no link is: "idle" for one that ended with the link. */
const char *host_state_remembered(const char *state);
/* A state that the engine tells: a host whose link ended well is "idle" too, and not down. */
const char *host_state_linked(const char *state, const char *reason);
/* '+' up, '!' somebody has to do something, '~' under way, '=' paused, '.' and '-' resting. */
char host_state_sign(const char *state);
/* "+ up", "! key" and how it looks. */
enum role host_line_state(const struct host_line *row, char *out, size_t size);
/* "4xA100" */
void host_gpu_text(const struct store_host *h, char *out, size_t size);

enum {
    HOST_STATE,
    HOST_NAME,
    HOST_ADDRESS,
    HOST_DAEMONS,
    HOST_CORES,
    HOST_LOAD,
    HOST_MEMORY,
    HOST_GPU,
    HOST_RTT,
    HOST_TAGS,
    HOST_NOTE,
    HOST_SHOWN, /* from here on for filters alone */
    HOST_NAMED = HOST_SHOWN,
    HOST_USER,
    HOST_OS,
    HOST_ARCH,
    HOST_LAUNCHER,
    HOST_DISK,
    HOST_GPU_FREE, /* memory that nobody uses, on the GPU with the most of it */
    HOST_REASON,
    HOST_COLUMNS
};
extern const struct table_column host_columns[HOST_COLUMNS];
void host_cell(const struct host_line *row, int column, struct table_cell *c);

#endif
