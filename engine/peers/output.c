/* What daemons on this machine print: through one pipe into daemons.log, which is bounded as the engine's own log is. A
 * daemon never waits for it: what the pipe does not take is left out. */
#include "engine/peers/output.h"

#include "base/logfile.h"
#include "base/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 4 << 20 };

struct output {
    struct loop_watch *watch;
    struct logfile *file;
    int read_fd;
};

static bool copy_some(struct output *o)
{
    static char bytes[65536];
    ssize_t n = read(o->read_fd, bytes, sizeof bytes);
    if (n > 0)
        logfile_write(o->file, bytes, (size_t)n);
    return n > 0;
}

static void on_output(void *arg, short events)
{
    (void)events;
    copy_some(arg);
}

enum clw_err output_open(struct engine *e, struct clw_error *err)
{
    int fds[2] = {-1, -1};
    char *path;
    enum clw_err code = paths_state("daemons.log", &path, err);
    if (code)
        return code;
    struct output *o = e->output = mem_zalloc(sizeof *o);
    o->read_fd = e->output_fd = -1;
    o->file = logfile_open(path, OUTPUT_BYTES);
    if (!o->file)
        code = clw_fail(err, CLW_IO, NULL, "cannot write the log %s: %s", path, strerror(errno));
    else if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
        code = clw_fail(
            err, CLW_IO, "raise the limit of open files (ulimit -n)", "cannot make a pipe: %s", strerror(errno));
    free(path);
    if (code)
        return code;
    o->read_fd = fds[0];
    e->output_fd = fds[1];
    return CLW_OK;
}

bool output_start(struct engine *e)
{
    e->output->watch = loop_add(e->loop, e->output->read_fd, POLLIN, on_output, e->output);
    return e->output->watch != NULL;
}

void output_stop(struct engine *e)
{
    struct output *o = e->output;
    loop_remove(o->watch);
    while (copy_some(o))
        ;
    logfile_close(o->file);
    close(o->read_fd);
    close(e->output_fd);
    free(o);
    e->output = NULL;
}
