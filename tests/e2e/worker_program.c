/* The worker that the tests use: echoes; "failN" fails with status N. With "lines" it speaks lines. */
#include "engine/client/clowder_worker.h"

static int echo(void *arg, const char *in, size_t len, struct clowder_out *out)
{
    (void)arg;
    if (strncmp(in, "fail", 4) == 0) {
        clowder_out_printf(out, "told to fail");
        return atoi(in + 4);
    }
    return clowder_out_add(out, in, len);
}

int main(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "lines") == 0 ? clowder_worker_lines(echo, NULL)
                                                     : clowder_worker_frames(echo, NULL);
}
