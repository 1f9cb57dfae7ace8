/* Questions to the person at the terminal. Without one nothing is guessed. */
#include "base/mem.h"
#include "base/text.h"
#include "tui/cli/command.h"
#include "tui/cli/inventory.h"

#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

int ask_yes(bool yes, const char *format, ...)
{
    char question[1200], clean[1400], answer[16] = "";
    va_list ap;
    if (yes)
        return 0;
    va_start(ap, format);
    vsnprintf(question, sizeof question, format, ap);
    va_end(ap);
    if (!isatty(STDIN_FILENO) || !stderr_is_terminal())
        return say(5, "%s? there is no terminal to ask on; --yes answers yes", question);
    fflush(stdout);
    text_escape(clean, sizeof clean, question, strlen(question));
    fprintf(stderr, "%s? [y/N] ", clean);
    if (!fgets(answer, sizeof answer, stdin))
        fputc('\n', stderr);
    return *answer == 'y' || *answer == 'Y' ? 0 : say(5, "nothing was done");
}

/* Reads byte by byte, so that nothing of a secret stays in a buffer of stdio. False at the end of input. */
static bool read_line(int fd, char *out, size_t size)
{
    size_t len = 0;
    char c = 0;
    ssize_t n;
    while ((n = read(fd, &c, 1)) == 1 && c != '\n')
        if (len < size)
            out[len++] = c;
    out[len < size ? len : size - 1] = '\0';
    mem_wipe(&c, 1);
    return (n == 1 || len > 0) && len < size;
}

static struct termios shown;

static void show_again(int number)
{
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    _exit(128 + number);
}

int ask_secret(const char *prompt, bool echo, char *out, size_t size)
{
    char clean[600];
    struct termios quiet;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    bool hide = terminal && !echo;
    if (terminal) {
        text_escape(clean, sizeof clean, prompt, strlen(prompt));
        fprintf(stderr, "%s ", clean);
    }
    if (hide) {
        signal(SIGINT, show_again);
        signal(SIGTERM, show_again);
        signal(SIGHUP, show_again);
        quiet = shown;
        quiet.c_lflag &= (tcflag_t) ~(ECHO | ECHOE | ECHOK | ECHONL);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    bool good = read_line(STDIN_FILENO, out, size);
    if (hide) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        fputc('\n', stderr);
    }
    return good ? 0 : say(2, "no secret was given, or one of more than %zu bytes", size - 1);
}
