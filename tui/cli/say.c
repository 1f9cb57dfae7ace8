/* What all commands say in the same way. */
#include "tui/cli/command.h"

#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Texts may come from hosts: control bytes are made harmless. */
static void print_clean(const char *text)
{
    char clean[1200];
    text_escape(clean, sizeof clean, text, strlen(text));
    fputs(clean, stderr);
}

static const char *stdout_name = "stdout";
static char stdout_loss[120];

void stdout_is(const char *name)
{
    stdout_name = name;
}

void stdout_lost(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(stdout_loss, sizeof stdout_loss, format, ap);
    va_end(ap);
}

bool stdout_is_good(void)
{
    static bool told;
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    if (!told)
        say(1, "cannot write to %s%s%s%s%s", stdout_name, errno ? ": " : "", errno ? strerror(errno) : "",
            *stdout_loss ? "; " : "", stdout_loss);
    told = true;
    return false;
}

int say_error(const struct clowder_error *err)
{
    fputs("clowder: ", stderr);
    print_clean(err->message);
    if (err->hint[0]) {
        fputs("; ", stderr);
        print_clean(err->hint);
    }
    fputc('\n', stderr);
    return err->status > 0 ? err->status : 1;
}

int say(int status, const char *format, ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    fputs("clowder: ", stderr);
    print_clean(text);
    fputc('\n', stderr);
    return status;
}

static void notice(void *arg, const char *text)
{
    (void)arg;
    say(0, "%s", text);
}

struct clowder *open_client(bool no_start)
{
    struct clowder *c;
    struct clowder_error err;
    struct clowder_options o = {.no_start = no_start, .notice = notice};
    if (clowder_open(&c, &o, &err) == CLOWDER_OK)
        return c;
    say_error(&err);
    return NULL;
}

bool stderr_is_terminal(void)
{
    return isatty(STDERR_FILENO);
}

int one_word(const struct opts *o, const char **word)
{
    const char *option = opts_text(o, "profile", NULL);
    *word = o->word_count ? o->words[0] : option;
    if (o->word_count && option && strcmp(option, o->words[0]) != 0)
        return say(2, "%s: '%s' or -p %s? one profile at a time", o->command, o->words[0], option);
    if (o->word_count > 1)
        return say(
            2, "%s: one profile at a time, not also '%s'; see clowder %s --help", o->command, o->words[1], o->command);
    return 0;
}
