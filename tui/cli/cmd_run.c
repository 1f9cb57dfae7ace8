/* run: one command on some daemon, as if it ran here: with our stdin, its output, its exit status. */
#include "tui/cli/map.h"

#include <unistd.h>

int cmd_run(const struct opts *o, bool json)
{
    struct map m = {.json = json, .feed = map_feed_stdin};
    int64_t n = 0;
    clowder_function_init(&m.f);
    m.f.no_input = true;
    m.f.shell = opts_has(o, "shell");
    m.f.use_stdin = !isatty(STDIN_FILENO);
    m.input_fd = STDIN_FILENO;
    int status = map_task_options(o, &m, &n);
    if (status == 0)
        status = map_set_argv(o, &m, o->word_count);
    if (status == 0)
        status = map_run(&m, (unsigned)n);
    int of_task = m.task_status;
    map_fini(&m);
    return of_task ? of_task : status;
}
