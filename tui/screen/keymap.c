/* The table of actions. A key does one thing on one screen; what moves about is the same on all of them. */
#include "tui/screen/action.h"
#include "tui/screen/cmdline.h"
#include "tui/screen/general.h"
#include "tui/screen/help_screen.h"
#include "tui/screen/hosts.h"
#include "tui/screen/jobs.h"
#include "tui/screen/log_screen.h"
#include "tui/screen/profiles.h"
#include "tui/screen/term.h"

#include <curses.h>

#define F(n) TERM_KEY(KEY_F(n))
#define HOSTS ON(SCREEN_HOSTS)
#define PROFILES (ON(SCREEN_PROFILES) | ON(SCREEN_OVERVIEW))
#define JOBS ON(SCREEN_JOBS)
#define LOG ON(SCREEN_LOG)
#define GRAPHS (ON(SCREEN_OVERVIEW) | ON(SCREEN_PROFILES))

const struct action actions[] = {
    /* hosts */
    {GROUP_DO, HOSTS, {'a', F(2)}, "add", "add a host", "clowder host add NAME user@addr:port", 1, hosts_add, NULL},
    {GROUP_DO, HOSTS, {'e'}, "edit", "edit the host", "clowder host edit NAME", 2, hosts_edit, hosts_no_host},
    {GROUP_DO, HOSTS, {'i'}, "import", "choose hosts from ~/.ssh/config", "clowder host import", 8, hosts_import, NULL},
    {GROUP_DO, HOSTS, {'p', F(5)}, "probe", "measure the marked hosts", "clowder host probe NAME", 3, hosts_probe,
        hosts_no_host},
    {GROUP_DO, HOSTS, {'t'}, "trust", "see the host's key, and trust it", "clowder host trust NAME", 4, hosts_trust,
        hosts_no_host},
    {GROUP_DO, HOSTS, {'u'}, "unlock", "give a password or passphrase", "clowder host unlock NAME", 5, hosts_unlock,
        hosts_no_host},
    {GROUP_DO, HOSTS, {'r'}, "retry", "try the marked hosts again now", "clowder host probe NAME", 9, hosts_retry,
        hosts_no_host},
    {GROUP_DO, HOSTS, {'L', F(7)}, "launch", "launch daemons on the marked hosts", "clowder up PROFILE --on NAME:N", 6,
        hosts_launch, hosts_no_host},
    {GROUP_DO, HOSTS, {'w'}, "wake", "wake the marked hosts over the network", "clowder host wake NAME", 10, hosts_wake,
        hosts_no_host},
    {GROUP_DO, HOSTS, {'s'}, "shell", "open a shell on the host", "clowder host shell NAME", 7, hosts_shell,
        hosts_no_host},
    {GROUP_DO, HOSTS, {'D'}, "doctor", "check every step to the host", "clowder doctor NAME", 11, hosts_doctor,
        hosts_no_host},
    {GROUP_DO, HOSTS, {'X'}, "forget", "drop the secret that the engine holds", "clowder host forget NAME", 0,
        hosts_forget, hosts_no_host},
    {GROUP_DO, HOSTS, {'d', F(9)}, "remove", "remove the marked hosts", "clowder host remove NAME", 12, hosts_remove,
        hosts_no_host},
    /* profiles */
    {GROUP_DO, PROFILES, {'a', F(2)}, "new", "make a profile", "clowder profile set NAME", 1, profiles_new, NULL},
    {GROUP_DO, PROFILES, {'e'}, "edit", "edit the profile", "clowder profile set NAME", 2, profiles_edit,
        profiles_none},
    {GROUP_DO, PROFILES, {'u', F(7)}, "up", "launch the marked profiles' daemons", "clowder up NAME", 3, profiles_up,
        profiles_none},
    {GROUP_DO, PROFILES, {'x', F(8)}, "down", "stop them when their tasks have ended", "clowder down NAME", 4,
        profiles_down, profiles_none},
    {GROUP_DO, PROFILES, {'+', '='}, "more", "add a daemon, here or on the row's host", "clowder scale NAME -n N", 5,
        profiles_more, profiles_none},
    {GROUP_DO, PROFILES, {'-'}, "fewer", "remove a daemon", "clowder scale NAME -n N", 6, profiles_fewer,
        profiles_none},
    {GROUP_DO, PROFILES, {'l'}, "launches", "show the profile's launches", "clowder log", 7, profiles_launches,
        profiles_none},
    {GROUP_DO, PROFILES, {'d', F(9)}, "remove", "remove the profile", "clowder profile remove NAME", 9, profiles_remove,
        profiles_none},
    /* jobs */
    {GROUP_DO, JOBS, {'a', F(2)}, "submit", "map a command over inputs", "clowder map -p PROFILE -a FILE -- COMMAND", 1,
        jobs_submit, NULL},
    {GROUP_DO, JOBS, {'c', F(9)}, "cancel", "cancel the marked jobs", "clowder job cancel ID", 2, jobs_cancel,
        jobs_none},
    {GROUP_DO, JOBS, {'r', F(5)}, "retry", "run the failed tasks again", "clowder job retry ID", 3, jobs_retry,
        jobs_none},
    {GROUP_DO, JOBS, {'o'}, "collect", "save the results of a detached job to a file", "clowder job collect ID >FILE",
        5, jobs_collect, jobs_none},
    {GROUP_DO, JOBS, {'S'}, "save", "save the failed tasks to a file", "clowder job save ID FILE", 4, jobs_save,
        jobs_none},
    /* log */
    {GROUP_DO, LOG, {'f', F(8)}, "follow", "stay at the newest event", "clowder log --follow", 1, log_follow, NULL},
    {GROUP_DO, LOG, {'v'}, "level", "all events, warnings, or errors only", "clowder log", 2, log_level, NULL},
    {GROUP_DO, LOG, {'h'}, "host", "this row's host only, or all hosts", "clowder log", 3, log_host, NULL},
    /* everywhere */
    {GROUP_VIEW, ON_ALL, {'/', F(3)}, "search", "search; n: next match, N: previous", "clowder ... | grep", 20,
        general_search, NULL},
    {GROUP_VIEW, ON_ALL, {'n'}, "next", "the next match", "", 0, general_next, NULL},
    {GROUP_VIEW, ON_ALL, {'N'}, "previous", "the previous match", "", 0, general_previous, NULL},
    {GROUP_VIEW, ON_ALL, {'\\', F(4)}, "filter", "filter: word, !word, state:down, gpu>0, tag=rack2",
        "clowder ... --json | jq", 21, general_filter, NULL},
    {GROUP_VIEW, ON_ALL, {'>', F(6), '.'}, "sort", "sort by the next column", "clowder ... --json | jq", 0,
        general_sort, NULL},
    {GROUP_VIEW, ON_ALL, {'<', ','}, "sort back", "sort by the previous column", "clowder ... --json | jq", 0,
        general_sort_back, NULL},
    {GROUP_VIEW, ON_ALL, {'I'}, "invert", "reverse the order", "clowder ... --json | jq", 0, general_invert, NULL},
    {GROUP_VIEW, GRAPHS, {'v'}, "span", "graph of the last minute, hour, day, month", "clowder status --json", 8,
        general_span, NULL},
    {GROUP_VIEW, ON_ALL, {'Z'}, "pause", "pause the display, or resume", "", 0, general_pause, NULL},
    {GROUP_SELECT, ON_ALL, {' '}, "mark", "mark the row", "", 0, general_mark, NULL},
    {GROUP_SELECT, ON_ALL, {'*'}, "mark all", "mark all rows that are shown", "", 0, general_mark_all, NULL},
    {GROUP_SELECT, ON_ALL, {'U'}, "mark none", "remove all marks", "", 0, general_mark_none, NULL},
    {GROUP_SELECT, ON_ALL, {'y'}, "copy", "copy the row as JSON to the clipboard", "clowder ... --json", 0,
        general_copy, NULL},
    {GROUP_MOVE, ON_ALL, {TERM_KEY(KEY_DOWN), 'j'}, "down", "the next row", "", 0, NULL, NULL},
    {GROUP_MOVE, ON_ALL, {TERM_KEY(KEY_UP), 'k'}, "up", "the previous row", "", 0, NULL, NULL},
    {GROUP_MOVE, ON_ALL, {TERM_KEY(KEY_NPAGE), TERM_CTRL('D')}, "page down", "a page down", "", 0, NULL, NULL},
    {GROUP_MOVE, ON_ALL, {TERM_KEY(KEY_PPAGE), TERM_CTRL('U')}, "page up", "a page up", "", 0, NULL, NULL},
    {GROUP_MOVE, ON_ALL, {TERM_KEY(KEY_HOME), 'g'}, "first", "the first row", "", 0, NULL, NULL},
    {GROUP_MOVE, ON_ALL, {TERM_KEY(KEY_END), 'G'}, "last", "the last row", "", 0, NULL, NULL},
    {GROUP_MOVE, ON_ALL, {'\t'}, "pane", "the next pane", "", 0, general_pane, NULL},
    {GROUP_MOVE, ON_ALL, {TERM_KEY(KEY_BTAB)}, "pane back", "the previous pane", "", 0, general_pane_back, NULL},
    {GROUP_MOVE, ON_ALL, {'\r', '\n', TERM_KEY(KEY_ENTER)}, "open", "open the row, or go to what it is about", "", 0,
        general_enter, NULL},
    {GROUP_MOVE, ON_ALL, {TERM_ESC}, "back", "a step back: filter, marks, pane; never quits", "", 0, general_back,
        NULL},
    {GROUP_MOVE, ON_ALL, {'1'}, "overview", "the whole cluster on one page", "clowder status", 0, general_screen_1,
        NULL},
    {GROUP_MOVE, ON_ALL, {'2'}, "hosts", "the inventory", "clowder host list", 0, general_screen_2, NULL},
    {GROUP_MOVE, ON_ALL, {'3'}, "profiles", "named sets of daemons", "clowder profile list", 0, general_screen_3, NULL},
    {GROUP_MOVE, ON_ALL, {'4'}, "jobs", "maps, running and done", "clowder job list", 0, general_screen_4, NULL},
    {GROUP_MOVE, ON_ALL, {'5'}, "log", "what happened", "clowder log", 0, general_screen_5, NULL},
    {GROUP_GENERAL, ON_ALL, {':'}, "command", "run any clowder command", "clowder COMMAND", 22, cmdline_open, NULL},
    {GROUP_GENERAL, ON_ALL, {'!'}, "alerts", "what needs your attention", "clowder doctor", 0, alerts_open, NULL},
    {GROUP_GENERAL, ON_ALL, {'C'}, "theme", "the next theme: default, mono, contrast", "NO_COLOR=1 clowder", 0,
        general_theme, NULL},
    {GROUP_GENERAL, ON_ALL, {'m'}, "mouse", "mouse on or off (off: select text)", "", 0, general_mouse, NULL},
    {GROUP_GENERAL, ON_ALL, {TERM_CTRL('L')}, "redraw", "redraw the screen", "", 0, general_redraw, NULL},
    {GROUP_GENERAL, ON_ALL, {'?', F(1)}, "help", "this help", "clowder help", 30, help_open, NULL},
    {GROUP_GENERAL, ON_ALL, {'q', F(10)}, "quit", "quit; profiles and jobs keep running", "", 31, general_quit, NULL},
};
const size_t action_count = sizeof actions / sizeof *actions;
