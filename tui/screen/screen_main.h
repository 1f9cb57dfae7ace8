/* The front end as the command line sees it. */
#ifndef TUI_SCREEN_SCREEN_MAIN_H
#define TUI_SCREEN_SCREEN_MAIN_H

/* Shows the screens until the user leaves. screen: a name, or NULL; frames: how many to draw before leaving, 0: no
 * limit. Returns the exit status, after a line on stderr when it could not begin. */
int screen_main(const char *screen, long frames);

#endif
