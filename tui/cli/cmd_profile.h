/* Shared by the commands about stored profiles. */
#ifndef TUI_CLI_CMD_PROFILE_H
#define TUI_CLI_CMD_PROFILE_H

#include "tui/cli/inventory.h"

/* Prints it: as JSON, in one line, or all of it. The exit status. */
int profile_show(struct store *s, const char *name, bool json, bool brief);

#endif
