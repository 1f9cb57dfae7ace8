/* The line editor. */
#include "tui/screen/edit.h"

#include "base/mem.h"
#include "base/text.h"
#include "tui/screen/draw.h"
#include "tui/screen/term.h"

#include <ctype.h>
#include <curses.h>
#include <string.h>

void edit_set(struct edit *e, const char *text)
{
    size_t len = strlen(text);
    if (len >= EDIT_SIZE)
        len = EDIT_SIZE - 1;
    memcpy(e->text, text, len);
    e->text[len] = '\0';
    e->len = e->cursor = len;
}

void edit_wipe(struct edit *e)
{
    mem_wipe(e, sizeof *e);
}

static size_t encode(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

void edit_insert(struct edit *e, unsigned code)
{
    char bytes[4];
    size_t n = encode(code, bytes);
    if (e->len + n >= EDIT_SIZE)
        return;
    memmove(e->text + e->cursor + n, e->text + e->cursor, e->len - e->cursor + 1);
    memcpy(e->text + e->cursor, bytes, n);
    e->len += n;
    e->cursor += n;
}

static void cut(struct edit *e, size_t from, size_t to)
{
    memmove(e->text + from, e->text + to, e->len - to + 1);
    e->len -= to - from;
    e->cursor = from;
}

static size_t before(const struct edit *e)
{
    size_t at = e->cursor;
    while (at && ((unsigned char)e->text[--at] & 0xc0) == 0x80)
        ;
    return at;
}

static size_t after(const struct edit *e)
{
    size_t n = text_utf8_len(e->text + e->cursor, e->len - e->cursor);
    return e->cursor + (n ? n : e->cursor < e->len);
}

static size_t word_start(const struct edit *e)
{
    size_t at = e->cursor;
    while (at && e->text[at - 1] == ' ')
        at--;
    while (at && e->text[at - 1] != ' ')
        at--;
    return at;
}

bool edit_key(struct edit *e, int key)
{
    switch (key) {
    case TERM_KEY(KEY_LEFT):
    case TERM_CTRL('B'): e->cursor = before(e); return true;
    case TERM_KEY(KEY_RIGHT):
    case TERM_CTRL('F'): e->cursor = after(e); return true;
    case TERM_KEY(KEY_HOME):
    case TERM_CTRL('A'): e->cursor = 0; return true;
    case TERM_KEY(KEY_END):
    case TERM_CTRL('E'): e->cursor = e->len; return true;
    case TERM_KEY(KEY_BACKSPACE):
    case TERM_CTRL('H'):
    case 127: cut(e, before(e), e->cursor); return true;
    case TERM_KEY(KEY_DC):
    case TERM_CTRL('D'): cut(e, e->cursor, after(e)); return true;
    case TERM_CTRL('K'): cut(e, e->cursor, e->len); return true;
    case TERM_CTRL('U'): cut(e, 0, e->cursor); return true;
    case TERM_CTRL('W'): cut(e, word_start(e), e->cursor); return true;
    default: break;
    }
    if (key < ' ' || key >= TERM_CODE)
        return false;
    edit_insert(e, (unsigned)key);
    return true;
}

/* The text up to the cursor must fit; what is left of it scrolls out. */
static const char *visible_part(const char *text, size_t cursor, int cols)
{
    char head[EDIT_SIZE * 4];
    const char *from = text;
    for (;;) {
        size_t len = cursor - (size_t)(from - text);
        int used = draw_fit(head, sizeof head, from, len, EDIT_SIZE * 4, term_caps()->utf8, false);
        if (used < cols || !len)
            return from;
        size_t n = text_utf8_len(from, len);
        from += n ? n : 1;
    }
}

void edit_draw(const struct edit *e, int y, int x, int cols, bool here, bool masked)
{
    char stars[EDIT_SIZE], head[EDIT_SIZE * 4];
    const char *text = e->text;
    size_t cursor = e->cursor;
    if (masked) {
        size_t n = 0;
        for (size_t i = 0; i < e->len; i++)
            if (((unsigned char)e->text[i] & 0xc0) != 0x80)
                stars[n++] = '*';
        stars[n] = '\0';
        text = stars;
        cursor = n;
    }
    const char *from = visible_part(text, here ? cursor : 0, cols);
    draw_text(y, x, cols, here ? ROLE_FIELD_HERE : ROLE_FIELD, from);
    if (here) {
        int at = draw_fit(head, sizeof head, from, cursor - (size_t)(from - text), EDIT_SIZE, term_caps()->utf8, false);
        curs_set(1);
        move(y, x + (at < cols ? at : cols - 1));
    }
}
