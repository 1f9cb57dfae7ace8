/* The terminal. A crash cannot run endwin(), so the strings that undo what was done are prepared beforehand and written
 * by the handler with write(2); everything else that ends the program goes through the main loop. */
#include "tui/screen/term.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <term.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { ESCAPE_WAIT_MS = 25 };

static struct {
    SCREEN *screen;
    struct term_caps caps;
    struct termios before;
    int signals;
    volatile sig_atomic_t taken;
    char undo[256];
    size_t undo_len;
} term = {.signals = -1};

static const int loop_signals[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGTSTP, SIGCONT};
static const int crash_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGQUIT};

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof loop_signals / sizeof *loop_signals; i++)
        sigaddset(set, loop_signals[i]);
}

void term_block_signals(void)
{
    sigset_t set;
    signal_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void term_child_signals(void)
{
    sigset_t none;
    for (size_t i = 0; i < sizeof loop_signals / sizeof *loop_signals; i++)
        signal(loop_signals[i], SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Only calls that a signal handler may make. */
static void crash(int number)
{
    if (term.taken) {
        term.taken = 0;
        ssize_t ignored = write(STDOUT_FILENO, term.undo, term.undo_len);
        (void)ignored;
        tcsetattr(STDIN_FILENO, TCSANOW, &term.before);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void undo_add(const char *text)
{
    size_t len = text && text != (const char *)-1 ? strlen(text) : 0;
    if (len && term.undo_len + len < sizeof term.undo) {
        memcpy(term.undo + term.undo_len, text, len);
        term.undo_len += len;
    }
}

/* tigetstr() wants a char pointer that it does not write to. */
static const char *capability(const char *name)
{
    char copy[16];
    strncpy(copy, name, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    return tigetstr(copy);
}

static void prepare_undo(void)
{
    term.undo_len = 0;
    undo_add("\033[?1006l\033[?1002l\033[?1000l");
    undo_add(capability("sgr0"));
    undo_add(capability("rmkx"));
    undo_add(capability("cnorm"));
    undo_add(capability("rmcup"));
}

static void catch_crashes(void)
{
    struct sigaction action = {.sa_handler = crash};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESETHAND;
    for (size_t i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++)
        sigaction(crash_signals[i], &action, NULL);
}

/* ^S is a key like others here; the terminal would stop until ^Q, and this program with it at its next write. One that
 * was typed before has stopped it already: this lets it go on. */
static void let_ctrl_s_through(void)
{
    struct termios now = term.before;
    now.c_iflag &= ~(tcflag_t)IXON;
    tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

/* After endwin(), which knows the terminal as it is without ^S. */
static void give_back(void)
{
    tcsetattr(STDIN_FILENO, TCSADRAIN, &term.before);
}

static void set_modes(void)
{
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    intrflush(stdscr, FALSE);
    set_escdelay(ESCAPE_WAIT_MS);
    curs_set(0);
    mouseinterval(0);
    term_mouse_set(term.caps.mouse);
}

enum clw_err term_open(struct clw_error *err)
{
    const char *name = getenv("TERM"), *no_color = getenv("NO_COLOR");
    sigset_t set;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &term.before))
        return clw_fail(err, CLW_USAGE, "clowder --help shows the commands", "the screens need a terminal");
    let_ctrl_s_through();
    if (!name || !*name || strcmp(name, "dumb") == 0 || !(term.screen = newterm(NULL, stdout, stdin))) {
        give_back();
        return clw_fail(err, CLW_USAGE, "set TERM (xterm-256color, linux, screen), or use the commands: clowder --help",
            "the terminal '%s' cannot show screens", name ? name : "");
    }
    const char *cup = capability("cup");
    if (!cup || cup == (const char *)-1) {
        endwin();
        give_back();
        return clw_fail(
            err, CLW_USAGE, "use the commands: clowder --help", "the terminal '%s' cannot place a cursor", name);
    }
    signal_set(&set);
    term.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signal(SIGTSTP, SIG_DFL);
    term.caps.utf8 = strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0;
    term.caps.color = has_colors() && !(no_color && *no_color);
    term.caps.mouse = true;
    if (term.caps.color) {
        start_color();
        use_default_colors();
    }
    prepare_undo();
    term.taken = 1;
    catch_crashes();
    set_modes();
    return CLW_OK;
}

void term_close(void)
{
    if (!term.taken)
        return;
    term.taken = 0;
    curs_set(1);
    endwin();
    give_back();
}

const struct term_caps *term_caps(void)
{
    return &term.caps;
}

void term_mouse_set(bool on)
{
    term.caps.mouse = on;
    mousemask(on ? BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
}

int term_signal_fd(void)
{
    return term.signals;
}

int term_signal(void)
{
    struct signalfd_siginfo info;
    return read(term.signals, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void term_resize(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
        resizeterm(size.ws_row, size.ws_col);
    clearok(curscr, TRUE);
}

void term_lend(void)
{
    curs_set(1);
    endwin();
    give_back();
    term.taken = 0;
}

/* ^C and ^Z were the other's. */
static void drop_keyboard_signals(void)
{
    static const struct timespec none;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTSTP);
    while (sigtimedwait(&set, NULL, &none) > 0)
        ;
}

void term_reclaim(void)
{
    drop_keyboard_signals();
    term.taken = 1;
    tcgetattr(STDIN_FILENO, &term.before);
    let_ctrl_s_through();
    refresh(); /* brings curses' own modes back */
    set_modes();
    term_resize();
}

void term_suspend(void)
{
    sigset_t stop;
    term_lend();
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    raise(SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL); /* it stops here */
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    term_reclaim();
}

int term_key(void)
{
    wint_t key;
    int rc = get_wch(&key);
    if (rc == ERR)
        return -1;
    return rc == KEY_CODE_YES ? TERM_KEY((int)key) : (int)key;
}

void term_copy(const char *text, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    fputs("\033]52;c;", stdout);
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)(unsigned char)text[i] << 16;
        bits |= i + 1 < len ? (unsigned)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (unsigned)(unsigned char)text[i + 2] : 0;
        putchar(digits[bits >> 18]);
        putchar(digits[bits >> 12 & 63]);
        putchar(i + 1 < len ? digits[bits >> 6 & 63] : '=');
        putchar(i + 2 < len ? digits[bits & 63] : '=');
    }
    putchar('\a');
    fflush(stdout);
}
