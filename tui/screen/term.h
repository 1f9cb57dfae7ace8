/* The terminal: taken over, given back clean on every way out, and what it can do. There is one terminal, so this
 * module has one state. Not drawing: see draw.h. */
#ifndef TUI_SCREEN_TERM_H
#define TUI_SCREEN_TERM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct term_caps {
    bool utf8;  /* the locale writes UTF-8; else ASCII only */
    bool color; /* colours, and NO_COLOR is not set */
    bool mouse; /* clicks are reported */
};

/* Keys of the keyboard that are no characters: above every character. */
#define TERM_CODE 0x200000
#define TERM_KEY(code) ((code) + TERM_CODE)
#define TERM_CTRL(letter) ((letter)&0x1f)
#define TERM_ESC 27

/* Blocks the signals that term_signal() reports, in this thread and those made later: before any thread. */
void term_block_signals(void);
/* Takes the terminal. CLW_USAGE: it cannot place the cursor, or is none. */
enum clw_err term_open(struct clw_error *err);
/* Gives it back. May be called twice. */
void term_close(void);
const struct term_caps *term_caps(void);
void term_mouse_set(bool on);
/* Readable when a signal came. Borrowed. */
int term_signal_fd(void);
/* The next signal, or 0. */
int term_signal(void);
/* Takes the size that the window has now. */
void term_resize(void);
/* Stops the process as ^Z does, with the terminal given back; returns when it goes on. */
void term_suspend(void);
/* Gives the terminal to a child for a while, and takes it back: ^C and ^Z in between were not for us. */
void term_lend(void);
void term_reclaim(void);
/* The next key (a character, or TERM_KEY(KEY_...)), or -1 when there is none yet. Never waits, but for the rest of an
 * escape sequence. */
int term_key(void);
/* Hands len bytes of text to the terminal's clipboard (OSC 52). */
void term_copy(const char *text, size_t len);
/* Default signals and mask, in a child between fork and exec. */
void term_child_signals(void);

#endif
