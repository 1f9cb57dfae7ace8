/* waiting N: N processes that count as load for the kernel and need no CPU, until they are killed. Each stands in
 * vfork(), which the kernel does not let signals interrupt, until its child ends; the child waits for ever. */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int n = argc > 1 ? atoi(argv[1]) : 1; n > 0; n--) {
        if (fork())
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);     /* whoever ends us ends all */
        if (vfork() == 0) {                   /* NOLINT: to stand in it is what this is for */
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* NOLINT */
            pause();                          /* NOLINT */
            _exit(0);
        }
        _exit(0);
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}
