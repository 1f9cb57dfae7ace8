/* The home end of a multiplexer in tests, and the host's end where that is in the same process. */
#ifndef TESTS_UNIT_MUX_LAB_H
#define TESTS_UNIT_MUX_LAB_H

#include "hosts/remote/mux.h"
#include "hosts/remote/mux_end.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pair {
    struct mux_end *home, *host;
    int dialled[64]; /* our side of what home dialled */
    size_t dialled_count;
    bool refuse, good;
    int hold; /* > 0: what is dialled is a copy of this */
    uint32_t listener;
    char control[100];
};

/* Callbacks of the home end; arg: the pair. */
int mux_lab_dial(void *arg, uint32_t listener, bool *pending, struct meter **meter);
void mux_lab_on_frame(void *arg, const struct mux_frame *f);

#endif
