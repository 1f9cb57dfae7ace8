/* The worker that the tests use: echoes; "failN" fails with status N; "fork" has a child that comes back too; "print"
 * prints; "drain" starts a program that reads all it can; "sleep" sleeps. With "lines" it speaks lines. */
#include "engine/client/clowder_worker.h"

#include <sys/wait.h>

static int echo(void *arg, const char *in, size_t len, struct clowder_out *out)
{
    (void)arg;
    if (strncmp(in, "fail", 4) == 0) {
        clowder_out_printf(out, "told to fail");
        return atoi(in + 4);
    }
    if (strcmp(in, "fork") == 0) {
        pid_t child = fork();
        int status;
        if (child == 0)
            return clowder_out_printf(out, "the child's");
        if (waitpid(child, &status, 0) != child || status)
            return 99;
    }
    if (strcmp(in, "print") == 0 && (puts("printed") < 0 || fflush(stdout)))
        return 99;
    if (strcmp(in, "sleep") == 0)
        sleep(60);
    if (strcmp(in, "drain") == 0 && system("cat; echo drained"))
        return 99;
    return clowder_out_add(out, in, len);
}

int main(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "lines") == 0 ? clowder_worker_lines(echo, NULL)
                                                     : clowder_worker_frames(echo, NULL);
}
