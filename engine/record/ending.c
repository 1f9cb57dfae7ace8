#include "engine/record/ending.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

char *ending_text(enum wire_outcome outcome, int exit_status, int signal, const void *why, size_t why_len)
{
    char text[200];
    if (outcome == WIRE_LOST)
        return mem_strdup("lost");
    if (outcome == WIRE_TIMEOUT)
        return mem_strdup("timed out");
    if (signal)
        return mem_printf("signal %d (%s)", signal, strsignal(signal));
    if (!why_len)
        return mem_printf("exit %d", exit_status);
    text_escape(text, sizeof text, why, why_len < 150 ? why_len : 150);
    return mem_strdup(text);
}
